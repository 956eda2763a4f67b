/** A page of rows that lives: query, patches of its topic, and the freeze rule, as one hook. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { FLOWING, hold, type HoldReason, isHeld, lookAgain, release, shownRows } from "./freeze";
import { mergeRows } from "./merge";
import { type PatchRow } from "./patch_store";
import { useOnChange, useTopic } from "./react";

interface LiveListOptions<Row extends { rev?: number }> {
  /** The pages of the query, in order. */
  page: readonly Row[];
  topic: string | undefined;
  keyOf: (row: Row) => string;
  /** Does the row belong? `undefined`: only the server knows, so `refetch` is asked for. */
  matches: (row: Row) => boolean | undefined;
  /** Where arrivals go: on top unless the page is sorted otherwise. */
  compare?: (first: Row, second: Row) => number;
  refetch: () => void;
}

export interface LiveList<Row> {
  rows: Row[];
  gone: ReadonlySet<string>;
  waiting: { arrived: number; left: number };
  onHold: (reason: HoldReason, held: boolean) => void;
  /** Show what waits, now. */
  flow: () => void;
}

export function useLiveList<Row extends { rev?: number }>(options: LiveListOptions<Row>): LiveList<Row> {
  const { page, topic, keyOf, matches, compare, refetch } = options;
  const snapshot = useTopic(topic);
  const [freeze, setFreeze] = useState(FLOWING);
  const [, look] = useState(0);
  const shownKeys = useRef<string[]>([]);
  const contents = useRef(new Map<string, Row>());
  useOnChange(snapshot.gap, refetch, 1500);

  const now = Date.now();
  const held = isHeld(freeze, now);
  const wait = lookAgain(freeze, now);
  useEffect(() => {
    if (wait === undefined) return;
    const timer = setTimeout(() => look((count) => count + 1), wait);
    return () => clearTimeout(timer);
  }, [wait]);

  const merged = useMemo(
    () => mergeRows(page, snapshot, keyOf, (row) => matches(row) ?? false),
    [page, snapshot, keyOf, matches],
  );
  const unsure = useMemo(
    () => [...snapshot.rows.values()].some((row: PatchRow) => matches(row as unknown as Row) === undefined),
    [snapshot, matches],
  );
  useOnChange(unsure ? snapshot : undefined, refetch, 1500);

  const current = useMemo(() => {
    // A row of the page that only the server can judge stays until the server says otherwise.
    const staying = merged.rows.filter((row) => !merged.leaving.has(keyOf(row)) || matches(row) === undefined);
    const rows = [...merged.arriving, ...staying];
    return compare === undefined || merged.arriving.length === 0 ? rows : rows.sort(compare);
  }, [merged, keyOf, matches, compare]);

  for (const row of merged.rows) contents.current.set(keyOf(row), row);
  const shown = shownRows(held, shownKeys.current, current, keyOf, (key) => contents.current.get(key));
  useEffect(() => {
    shownKeys.current = shown.rows.map(keyOf);
    if (!held) contents.current = new Map(shown.rows.map((row) => [keyOf(row), row]));
  });

  const onHold = useCallback((reason: HoldReason, isOn: boolean) => {
    setFreeze((before) => (isOn ? hold(before, reason) : release(before, reason, Date.now())));
  }, []);
  const flow = useCallback(() => {
    shownKeys.current = [];
    setFreeze(FLOWING);
  }, []);
  return { ...shown, onHold, flow };
}
