/** Workflow JSON as a tree of steps with their positions and texts: what layout, outline and inspector read. Pure. */
import { type InstructionJson, type JobJson, type Position, type WorkflowJson } from "../api/types";
import { nodeKey } from "../domain/positions";
import { type Arrangement, notationOf } from "./notation";

export interface Step {
  /** Normalised position as text: the node's name everywhere (URL, pills, tree). */
  key: string;
  position: Position;
  type: string;
  known: boolean;
  icon: string;
  keyword: string;
  /** What people call it: the job's name or label, else the keyword. */
  title: string;
  /** The second line. */
  summary: string;
  label?: string;
  jobName?: string;
  job?: JobJson;
  arrangement?: Arrangement;
  branches: Branch[];
  json: InstructionJson;
}

export interface Branch {
  id: string;
  name: string;
  /** Key of the place at its end, where an order stands that has done all its steps. */
  steps: Step[];
}

export function stepsOf(workflow: WorkflowJson): Step[] {
  return steps(workflow.instructions ?? [], [], workflow.jobs ?? {});
}

function steps(instructions: readonly InstructionJson[], parent: Position, jobs: Record<string, JobJson>): Step[] {
  return instructions.filter((json) => json.TYPE !== "ImplicitEnd").map((json, index) => step(json, [...parent, index], jobs));
}

function step(json: InstructionJson, position: Position, jobs: Record<string, JobJson>): Step {
  const notation = notationOf(json.TYPE);
  const summary = notation.summary(json);
  const jobName = typeof json["jobName"] === "string" ? json["jobName"] : undefined;
  const job = jobName === undefined ? undefined : jobs[jobName];
  const isJob = notation.keyword === "job";
  const agent = job?.agentName ?? job?.agentPath;
  const made: Step = {
    key: nodeKey(position) ?? "",
    position,
    type: json.TYPE,
    known: notation.known,
    icon: isJob && job?.executable?.TYPE === "InternalExecutable" ? "program" : notation.icon,
    keyword: notation.keyword,
    title: json.label ?? (isJob ? (jobName ?? "job") : notation.keyword),
    summary: isJob
      ? [json.label !== undefined && jobName !== json.label ? jobName : "", agent ?? ""].filter((part) => part !== "" && part !== undefined).join(" · ")
      : summary,
    branches: (notation.branches?.(json) ?? []).map((branch) => ({
      id: branch.id,
      name: branch.name,
      steps: steps(branch.instructions, [...position, branch.id], jobs),
    })),
    json,
  };
  if (json.label !== undefined) made.label = json.label;
  if (jobName !== undefined) made.jobName = jobName;
  if (job !== undefined) made.job = job;
  if (notation.arrangement !== undefined) made.arrangement = notation.arrangement;
  return made;
}

/** All steps in flow order, depth first. */
export function flatten(list: readonly Step[]): Step[] {
  return list.flatMap((step) => [step, ...step.branches.flatMap((branch) => flatten(branch.steps))]);
}

export function findStep(list: readonly Step[], key: string): Step | undefined {
  return flatten(list).find((step) => step.key === key);
}

/**
 * The node at which an order of this position is drawn: its step, or, at the end of a block, the block's own step;
 * `end` for the end of the workflow, `start` without a position.
 */
export function placeOf(list: readonly Step[], position: Position | string | undefined): string {
  const key = nodeKey(position);
  if (key === undefined) return "start";
  const known = new Set(flatten(list).map((step) => step.key));
  for (let place = key; place !== ""; place = parentKey(place)) if (known.has(place)) return place;
  return "end";
}

/** `0/fork+eu:1` → `0`; empty for the outermost. */
function parentKey(key: string): string {
  const slash = key.lastIndexOf("/");
  return slash < 0 ? "" : key.slice(0, slash);
}
