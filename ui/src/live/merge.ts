/**
 * A page of rows from a query, overlaid with what the stream has said since. Pure.
 * The newer `rev` wins per key, whichever way it came; rows that no longer belong (or are gone) are reported, not dropped,
 * so that the freeze rule decides when they go.
 */
import { type TopicSnapshot } from "./patch_store";

export interface Merged<Row> {
  /** The page's rows in their order, newest content; those that no longer belong are still in. */
  rows: Row[];
  /** Keys of rows of the page that no longer match the query, or no longer exist. */
  leaving: ReadonlySet<string>;
  /** Rows that now match and are not on the page. */
  arriving: Row[];
}

export function mergeRows<Row extends { rev?: number }>(
  page: readonly Row[],
  topic: TopicSnapshot,
  keyOf: (row: Row) => string,
  matches: (row: Row) => boolean,
): Merged<Row> {
  const leaving = new Set<string>();
  const onPage = new Set<string>();
  const rows = page.map((row) => {
    const key = keyOf(row);
    onPage.add(key);
    const patch = topic.rows.get(key) as unknown as Row | undefined;
    const newest = patch !== undefined && !((row.rev ?? -1) > (patch.rev ?? 0)) ? patch : row;
    if (topic.removed.has(key) || !matches(newest)) leaving.add(key);
    return newest;
  });
  const arriving: Row[] = [];
  for (const [key, patch] of topic.rows) {
    const row = patch as unknown as Row;
    if (!onPage.has(key) && matches(row)) arriving.push(row);
  }
  return { rows, leaving, arriving };
}
