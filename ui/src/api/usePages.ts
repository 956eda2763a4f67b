/** A list read page by page from the server, by key set: never all at once, never by offset. */
import { useInfiniteQuery, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { get, NATIVE } from "./http";
import { type AlertRow, type HistoryRow, type OrderRow, type Page, type WorkflowRow } from "./types";

interface RowsOf {
  orders: OrderRow;
  workflows: WorkflowRow;
  "history/orders": HistoryRow;
  "history/tasks": HistoryRow;
  alerts: AlertRow;
}

export interface Pages<Row> {
  /** For `Remote`: loading, failed, there. */
  query: UseQueryResult<unknown>;
  rows: readonly Row[];
  /** Of all that match; not exact: at least so many. */
  total: { count: number; exact: boolean } | undefined;
  /** Call near the end of what is shown. */
  onEnd: () => void;
  refetch: () => void;
}

export function usePages<Name extends keyof RowsOf>(name: Name, q: string, sort: string | undefined): Pages<RowsOf[Name]> {
  type Row = RowsOf[Name];
  const query = useInfiniteQuery({
    queryKey: [name, "pages", q, sort ?? ""],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Row>>(`${NATIVE}${name}`, { q: q === "" ? undefined : q, sort, cursor: pageParam, limit: 200 }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    staleTime: 10_000,
  });
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.rows) ?? [], [data]);
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const again = useCallback(() => void refetch(), [refetch]);
  const first = data?.pages[0];
  const total = first?.total === undefined ? undefined : { count: first.total, exact: first.totalIsExact !== false };
  return { query: query as UseQueryResult<unknown>, rows, total, onEnd, refetch: again };
}
