/**
 * Texts side by side, and three texts made one (ui.md S13). Line by line: by Myers' shortest edit; of texts that have little
 * in common the middle counts as replaced, so that the work stays small. Pure.
 */

export type EditKind = "same" | "removed" | "added";

export interface Edit {
  kind: EditKind;
  /** Index in the former text; of an added line: before which it stands. */
  before: number;
  after: number;
  text: string;
}

/** Steps after which the rest counts as replaced. */
const MAXIMUM_STEPS = 1500;

export const linesOf = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

export function diffLines(before: readonly string[], after: readonly string[]): Edit[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const edits: Edit[] = [];
  for (let index = 0; index < head; index += 1) edits.push({ kind: "same", before: index, after: index, text: before[index] as string });
  for (const edit of shortest(before.slice(head, before.length - tail), after.slice(head, after.length - tail)))
    edits.push({ ...edit, before: edit.before + head, after: edit.after + head });
  for (let index = tail; index > 0; index -= 1)
    edits.push({ kind: "same", before: before.length - index, after: after.length - index, text: before[before.length - index] as string });
  return edits;
}

function shortest(before: readonly string[], after: readonly string[]): Edit[] {
  const trace: Map<number, number>[] = [];
  let furthest = new Map<number, number>([[1, 0]]);
  for (let step = 0; step <= before.length + after.length; step += 1) {
    if (step > MAXIMUM_STEPS) return replaced(before, after);
    trace.push(new Map(furthest));
    for (let diagonal = -step; diagonal <= step; diagonal += 2) {
      const down = diagonal === -step || (diagonal !== step && (furthest.get(diagonal - 1) ?? -1) < (furthest.get(diagonal + 1) ?? -1));
      let x = down ? (furthest.get(diagonal + 1) ?? 0) : (furthest.get(diagonal - 1) ?? 0) + 1;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x += 1;
      furthest.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) return backwards(trace, before, after);
    }
    furthest = new Map(furthest);
  }
  return replaced(before, after);
}

function backwards(trace: readonly Map<number, number>[], before: readonly string[], after: readonly string[]): Edit[] {
  const edits: Edit[] = [];
  let x = before.length;
  let y = after.length;
  for (let step = trace.length - 1; step >= 0; step -= 1) {
    const furthest = trace[step] as Map<number, number>;
    const diagonal = x - y;
    const down = diagonal === -step || (diagonal !== step && (furthest.get(diagonal - 1) ?? -1) < (furthest.get(diagonal + 1) ?? -1));
    const formerDiagonal = down ? diagonal + 1 : diagonal - 1;
    const formerX = furthest.get(formerDiagonal) ?? 0;
    const formerY = formerX - formerDiagonal;
    while (x > formerX && y > formerY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      edits.push({ kind: "same", before: x, after: y, text: before[x] as string });
    }
    if (step === 0) break;
    if (down) edits.push({ kind: "added", before: x, after: formerY, text: after[formerY] as string });
    else edits.push({ kind: "removed", before: formerX, after: y, text: before[formerX] as string });
    x = formerX;
    y = formerY;
  }
  return edits.reverse();
}

function replaced(before: readonly string[], after: readonly string[]): Edit[] {
  return [
    ...before.map((text, index): Edit => ({ kind: "removed", before: index, after: 0, text })),
    ...after.map((text, index): Edit => ({ kind: "added", before: before.length, after: index, text })),
  ];
}

export interface Side {
  /** Line number from 1. */
  line: number;
  text: string;
}

export type DiffRow = { kind: "same" | "changed" | "removed" | "added"; left?: Side; right?: Side } | { kind: "gap"; lines: number };

/** What was removed stands beside what was added in its place. */
export function sideBySide(edits: readonly Edit[]): DiffRow[] {
  const rows: DiffRow[] = [];
  let removed: Side[] = [];
  let added: Side[] = [];
  const flush = () => {
    for (let index = 0; index < Math.max(removed.length, added.length); index += 1) {
      const left = removed[index];
      const right = added[index];
      const kind = left === undefined ? "added" : right === undefined ? "removed" : "changed";
      rows.push({ kind, ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) });
    }
    removed = [];
    added = [];
  };
  for (const { kind, before, after, text } of edits) {
    if (kind === "removed") removed.push({ line: before + 1, text });
    else if (kind === "added") added.push({ line: after + 1, text });
    else {
      flush();
      rows.push({ kind: "same", left: { line: before + 1, text }, right: { line: after + 1, text } });
    }
  }
  flush();
  return rows;
}

/** Long stretches without a change become a gap; a few lines around changes stay. */
export function folded(rows: readonly DiffRow[], context = 3): DiffRow[] {
  const near = rows.map(() => false);
  rows.forEach((row, index) => {
    if (row.kind !== "same") for (let at = Math.max(0, index - context); at <= Math.min(rows.length - 1, index + context); at += 1) near[at] = true;
  });
  const shown: DiffRow[] = [];
  let hidden: DiffRow[] = [];
  const flush = () => {
    if (hidden.length > 1) shown.push({ kind: "gap", lines: hidden.length });
    else shown.push(...hidden);
    hidden = [];
  };
  rows.forEach((row, index) => {
    if (near[index]) {
      flush();
      shown.push(row);
    } else hidden.push(row);
  });
  flush();
  return shown;
}

export interface DiffCount {
  added: number;
  removed: number;
}

export function countOf(edits: readonly Edit[]): DiffCount {
  return { added: edits.filter(({ kind }) => kind === "added").length, removed: edits.filter(({ kind }) => kind === "removed").length };
}

/** Both changes of one text in one; undefined where they touch the same lines. */
export function merged(base: string, mine: string, theirs: string): string | undefined {
  const origin = linesOf(base);
  const [my, their] = [linesOf(mine), linesOf(theirs)];
  const [toMine, toTheirs] = [sameLines(origin, my), sameLines(origin, their)];
  const result: string[] = [];
  let [at, inMine, inTheirs] = [0, 0, 0];
  for (;;) {
    let anchor = at;
    while (anchor < origin.length && (toMine.get(anchor) === undefined || toTheirs.get(anchor) === undefined)) anchor += 1;
    const isEnd = anchor >= origin.length;
    const untilMine = isEnd ? my.length : (toMine.get(anchor) as number);
    const untilTheirs = isEnd ? their.length : (toTheirs.get(anchor) as number);
    const chunk = chosen(origin.slice(at, anchor), my.slice(inMine, untilMine), their.slice(inTheirs, untilTheirs));
    if (chunk === undefined) return undefined;
    result.push(...chunk);
    if (isEnd) return result.length === 0 ? "" : `${result.join("\n")}\n`;
    result.push(origin[anchor] as string);
    [at, inMine, inTheirs] = [anchor + 1, untilMine + 1, untilTheirs + 1];
  }
}

function sameLines(origin: readonly string[], other: readonly string[]): Map<number, number> {
  return new Map(diffLines(origin, other).flatMap(({ kind, before, after }) => (kind === "same" ? [[before, after] as const] : [])));
}

function chosen(origin: readonly string[], mine: readonly string[], theirs: readonly string[]): readonly string[] | undefined {
  const equal = (one: readonly string[], other: readonly string[]) => one.length === other.length && one.every((line, index) => line === other[index]);
  if (equal(mine, theirs) || equal(theirs, origin)) return mine;
  return equal(mine, origin) ? theirs : undefined;
}
