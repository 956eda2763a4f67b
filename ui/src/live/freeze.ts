/**
 * Nothing moves under the cursor (ui.md 4.5 no. 5, principle P3): while a list is held, its rows change in place, and
 * arrivals and departures are queued behind a pill. Pure: time is an argument, in milliseconds.
 */
export type HoldReason = "pointer" | "focus" | "selection" | "menu" | "scrolled" | "key";

export interface Freeze {
  reasons: ReadonlySet<HoldReason>;
  /** When the last reason ended; the list flows again `RELEASE_AFTER` later. */
  calmSince: number | undefined;
}

export const FLOWING: Freeze = { reasons: new Set(), calmSince: undefined };
export const RELEASE_AFTER = 1500;

export function hold(freeze: Freeze, reason: HoldReason): Freeze {
  if (freeze.reasons.has(reason)) return freeze;
  return { reasons: new Set([...freeze.reasons, reason]), calmSince: undefined };
}

export function release(freeze: Freeze, reason: HoldReason, now: number): Freeze {
  if (!freeze.reasons.has(reason)) return freeze;
  const reasons = new Set([...freeze.reasons].filter((other) => other !== reason));
  return { reasons, calmSince: reasons.size === 0 ? now : undefined };
}

export function isHeld(freeze: Freeze, now: number): boolean {
  return freeze.reasons.size > 0 || (freeze.calmSince !== undefined && now - freeze.calmSince < RELEASE_AFTER);
}

/** When to look again, milliseconds from now; undefined if only an event can change it. */
export function lookAgain(freeze: Freeze, now: number): number | undefined {
  if (freeze.reasons.size > 0 || freeze.calmSince === undefined) return undefined;
  const rest = freeze.calmSince + RELEASE_AFTER - now;
  return rest > 0 ? rest : undefined;
}

export interface Shown<Row> {
  rows: Row[];
  /** Shown although gone, struck through, until the list flows. */
  gone: ReadonlySet<string>;
  /** What the pill counts. */
  waiting: { arrived: number; left: number };
}

/**
 * What a list shows. `before` are the keys shown until now, in order; `now` the rows that the list would show if it flowed;
 * `known` gives the newest content of a row that was shown.
 */
export function shownRows<Row>(
  held: boolean,
  before: readonly string[],
  now: readonly Row[],
  keyOf: (row: Row) => string,
  known: (key: string) => Row | undefined,
): Shown<Row> {
  if (!held || before.length === 0) return { rows: [...now], gone: new Set(), waiting: { arrived: 0, left: 0 } };
  const present = new Map(now.map((row) => [keyOf(row), row]));
  const gone = new Set<string>();
  const rows: Row[] = [];
  for (const key of before) {
    const row = present.get(key) ?? known(key);
    if (row === undefined) continue;
    if (!present.has(key)) gone.add(key);
    rows.push(row);
  }
  const shown = new Set(before);
  const arrived = now.filter((row) => !shown.has(keyOf(row))).length;
  return { rows, gone, waiting: { arrived, left: gone.size } };
}
