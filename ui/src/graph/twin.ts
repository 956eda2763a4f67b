/** The text twin of the graph (ui.md 6): what a reader hears at each node, and how keys walk the tree. Pure. */
import { stateLook } from "../domain/states";
import { type Step } from "./blocks";

export type StateCounts = Record<string, number>;

export interface OutlineRow {
  key: string;
  level: number;
  /** Place among its siblings, from 1. */
  place: number;
  of: number;
  step: Step;
  /** The branch it stands in: `eu`, `yes`, `catch`. */
  branch?: string;
  parent?: string;
}

export function outline(steps: readonly Step[]): OutlineRow[] {
  const rows: OutlineRow[] = [];
  const walk = (list: readonly Step[], level: number, parent?: string, branch?: string): void => {
    list.forEach((step, index) => {
      const row: OutlineRow = { key: step.key, level, place: index + 1, of: list.length, step };
      if (branch !== undefined && branch !== "") row.branch = branch;
      if (parent !== undefined) row.parent = parent;
      rows.push(row);
      for (const inner of step.branches) walk(inner.steps, level + 1, step.key, inner.name);
    });
  };
  walk(steps, 1);
  return rows;
}

/** "Step 4 of 9, job load, in branch eu, 2 orders running, 1 failed" */
export function spoken(row: OutlineRow, counts: StateCounts | undefined): string {
  const { step } = row;
  const name = step.title === step.keyword ? step.keyword : `${step.keyword} ${step.title}`;
  const orders = Object.entries(counts ?? {})
    .filter(([, count]) => count > 0)
    .map(([state, count], index) => `${count} ${index === 0 ? (count === 1 ? "order " : "orders ") : ""}${stateLook(state).word}`);
  return [`Step ${row.place} of ${row.of}`, name, step.summary, row.branch === undefined ? "" : `in branch ${row.branch}`, ...orders]
    .filter((part) => part !== "")
    .join(", ");
}

/** Where an arrow key leads: next and previous in flow, into a block, out of it, to the sibling branch. */
export function walkTo(rows: readonly OutlineRow[], key: string, press: string): string | undefined {
  const index = rows.findIndex((row) => row.key === key);
  const row = rows[index];
  if (row === undefined) return rows[0]?.key;
  switch (press) {
    case "ArrowDown":
      return rows[index + 1]?.key;
    case "ArrowUp":
      return rows[index - 1]?.key;
    case "ArrowRight":
      return row.step.branches.flatMap((branch) => branch.steps)[0]?.key;
    case "ArrowLeft":
      return row.parent;
    case "Home":
      return rows[0]?.key;
    case "End":
      return rows.at(-1)?.key;
    case "]":
    case "[": {
      const parent = rows.find((each) => each.key === row.parent);
      const heads = parent?.step.branches.map((branch) => branch.steps[0]?.key).filter((head) => head !== undefined) ?? [];
      const mine = parent?.step.branches.filter((branch) => branch.steps.length > 0).findIndex((branch) => branch.steps.some((step) => step.key === key)) ?? -1;
      return mine < 0 ? undefined : heads[mine + (press === "]" ? 1 : -1)];
    }
    default:
      return undefined;
  }
}
