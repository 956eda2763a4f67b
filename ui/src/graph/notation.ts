/**
 * The drawing of each instruction (ui.md 5.3): icon, keyword, one-line summary, its blocks. One entry per instruction; adding
 * an instruction adds its entry here. Reads both spellings (inventory and engine). An unknown TYPE is drawn, never hidden.
 */
import { type InstructionJson } from "../api/types";
import { constantText } from "../domain/arguments";

export type Arrangement = "beside" | "catch" | "single" | "loop";

export interface BranchOf {
  /** The branch id in positions: `then`, `fork+eu`, `try`. */
  id: string;
  /** On the edge: `yes`, `eu`; empty for blocks that need no word. */
  name: string;
  instructions: InstructionJson[];
}

export interface Notation {
  icon: string;
  keyword: string;
  summary: (json: InstructionJson) => string;
  branches?: (json: InstructionJson) => BranchOf[];
  arrangement?: Arrangement;
}

const text = (value: unknown): string => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));
const names = (value: unknown): string => (Array.isArray(value) ? value.map(text).join(", ") : text(value));

function block(value: unknown): InstructionJson[] {
  const list = Array.isArray(value) ? value : (value as { instructions?: unknown } | undefined)?.instructions;
  return Array.isArray(list) ? (list as InstructionJson[]).filter((item) => item.TYPE !== "ImplicitEnd") : [];
}

const leaf = (icon: string, keyword: string, summary: (json: InstructionJson) => string = () => ""): Notation => ({ icon, keyword, summary });

function around(
  icon: string,
  keyword: string,
  id: string,
  field: string,
  summary: (json: InstructionJson) => string = () => "",
  arrangement: Arrangement = "single",
): Notation {
  return { icon, keyword, summary, arrangement, branches: (json) => [{ id, name: "", instructions: block(json[field]) }] };
}

interface IfThen {
  predicate?: unknown;
  then?: unknown;
}

function ifThens(json: InstructionJson): IfThen[] {
  const list = json["ifThens"] ?? json["cases"];
  return Array.isArray(list) ? (list as IfThen[]) : [{ predicate: json["predicate"], then: json["then"] }];
}

function ifBranches(json: InstructionJson): BranchOf[] {
  const cases = ifThens(json);
  const taken = cases.map((each, index) => ({
    id: index === 0 ? "then" : `then+${index + 1}`,
    name: cases.length === 1 ? "yes" : text(each.predicate),
    instructions: block(each.then),
  }));
  return [...taken, { id: "else", name: cases.length === 1 ? "no" : "else", instructions: block(json["else"]) }];
}

const seconds = (value: unknown): string => (typeof value === "number" ? `${value} s` : text(value));

const NOTATIONS: Record<string, Notation> = {
  "Execute.Named": leaf("shell", "job", (json) => text(json["jobName"])),
  "Execute.Anonymous": leaf("shell", "job", () => ""),
  If: {
    icon: "branch",
    keyword: "if",
    arrangement: "beside",
    summary: (json) => (ifThens(json).length === 1 ? text(ifThens(json)[0]?.predicate) : `${ifThens(json).length} cases`),
    branches: ifBranches,
  },
  CaseWhen: { icon: "branch", keyword: "case", arrangement: "beside", summary: (json) => `${ifThens(json).length} cases`, branches: ifBranches },
  Try: {
    icon: "shield",
    keyword: "try",
    arrangement: "catch",
    summary: (json) => {
      const delays = Array.isArray(json["retryDelays"]) ? `delays ${json["retryDelays"].map(seconds).join(", ")}` : "";
      return [json["maxTries"] === undefined ? "" : `max ${text(json["maxTries"])}`, delays].filter((part) => part !== "").join(", ");
    },
    branches: (json) => [
      { id: "try", name: "", instructions: block(json["try"]) },
      { id: "catch", name: "catch", instructions: block(json["catch"]) },
    ],
  },
  Retry: leaf("repeat", "retry"),
  Fork: {
    icon: "fork",
    keyword: "fork",
    arrangement: "beside",
    summary: (json) => {
      const count = Array.isArray(json["branches"]) ? json["branches"].length : 0;
      return `${count} branches${json["joinIfFailed"] === true ? ", joins failed ones" : ""}`;
    },
    branches: (json) =>
      (Array.isArray(json["branches"]) ? (json["branches"] as { id?: unknown; workflow?: unknown }[]) : []).map((each) => ({
        id: `fork+${text(each.id)}`,
        name: text(each.id),
        instructions: block(each.workflow),
      })),
  },
  ForkList: around("fork", "fork list", "fork", "workflow", (json) => text(json["children"])),
  Lock: around("lock", "lock", "lock", "lockedWorkflow", (json) => {
    const demands = Array.isArray(json["demands"]) ? (json["demands"] as Record<string, unknown>[]) : [json];
    return demands.map((demand) => text(demand["lockName"] ?? demand["lockPath"])).join(", ");
  }),
  Cycle: around("repeat", "cycle", "cycle", "cycleWorkflow", () => "", "loop"),
  Break: leaf("turn", "break"),
  PostNotices: leaf("flag", "post notices", (json) => names(json["noticeBoardNames"] ?? json["boardPaths"])),
  PostNotice: leaf("flag", "post notice", (json) => text(json["noticeBoardName"] ?? json["boardPath"])),
  ExpectNotices: leaf("flag", "expect notices", (json) => text(json["noticeBoardNames"] ?? json["boardPaths"])),
  ExpectNotice: leaf("flag", "expect notice", (json) => text(json["noticeBoardName"] ?? json["boardPath"])),
  ConsumeNotices: around("flag", "consume notices", "consumeNotices", "subworkflow", (json) => text(json["noticeBoardNames"] ?? json["boardPaths"])),
  AddOrder: leaf("workflows", "add order", (json) => text(json["workflowName"] ?? json["workflowPath"])),
  Prompt: leaf("hand", "prompt", (json) => constantText(text(json["question"]))),
  Sleep: leaf("sleep", "sleep", (json) => seconds(json["duration"])),
  Options: around("gear", "options", "options", "block", (json) => (json["stopOnFailure"] === true ? "stop on failure" : "")),
  StickySubagent: around("computer", "sticky Subagent", "stickySubagent", "subworkflow", (json) => text(json["agentName"] ?? json["agentPath"])),
  AdmissionTime: around("lock", "admission time", "admissionTime", "block"),
  Fail: leaf("fail", "fail", (json) => constantText(text(json["message"]))),
  Finish: leaf("finish", "finish", (json) => constantText(text(json["message"]))),
  Stop: leaf("stop", "stop"),
  Gap: leaf("dot", "gap"),
  EmptyInstruction: leaf("dot", "empty"),
  End: leaf("finish", "end"),
};

/** Types that have an entry; the rest is drawn as a dotted box with its TYPE. */
export const KNOWN_TYPES = Object.keys(NOTATIONS);

export function notationOf(type: string): Notation & { known: boolean } {
  const notation = NOTATIONS[type];
  return notation === undefined ? { ...leaf("question", type), known: false } : { ...notation, known: true };
}
