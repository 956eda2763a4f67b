/** Reads as TanStack queries with stable keys. A topic of the stream keeps most of them fresh, hence long stale times. */
import { keepPreviousData, type QueryClient, queryOptions } from "@tanstack/react-query";
import { get, NATIVE, post } from "./http";
import {
  type AlertDetail,
  type AlertsPage,
  type AttentionGroup,
  type ChannelRow,
  type Counts,
  type HistoryRow,
  type LogRange,
  type NotificationConfiguration,
  type OrderEvent,
  type OrderRow,
  type Page,
  type Topology,
  type WorkflowJson,
  type WorkflowRow,
} from "./types";

const LIVE = { staleTime: 30_000 } as const;

export const attentionQuery = () =>
  queryOptions({
    queryKey: ["attention"],
    queryFn: async ({ signal }) => {
      const answer = await get<{ groups?: AttentionGroup[] } | AttentionGroup[]>(`${NATIVE}attention`, {}, signal);
      return Array.isArray(answer) ? answer : (answer.groups ?? []);
    },
    refetchInterval: 15_000,
    ...LIVE,
  });

/** How many alerts there are in each state; no rows. */
export const alertCountsQuery = () =>
  queryOptions({
    queryKey: ["alerts", "counts"],
    queryFn: ({ signal }) => get<AlertsPage>(`${NATIVE}alerts`, { limit: 1 }, signal),
    refetchInterval: 60_000,
    ...LIVE,
  });

export const alertQuery = (id: string) =>
  queryOptions({
    queryKey: ["alerts", "one", id],
    queryFn: ({ signal }) => get<AlertDetail>(`${NATIVE}alerts/${encodeURIComponent(id)}`, {}, signal),
    ...LIVE,
  });

export const channelsQuery = () =>
  queryOptions({
    queryKey: ["channels"],
    queryFn: async ({ signal }) => (await get<{ channels: ChannelRow[] }>(`${NATIVE}channels`, {}, signal)).channels,
    refetchInterval: 15_000,
    ...LIVE,
  });

export const notificationQuery = () =>
  queryOptions({
    queryKey: ["notification"],
    queryFn: ({ signal }) => post<NotificationConfiguration>("notification", {}, signal),
    staleTime: 0,
  });

export const countsQuery = (q?: string) =>
  queryOptions({
    queryKey: ["counts", q ?? ""],
    queryFn: async ({ signal }) => {
      const answer = await get<Counts | Record<string, number>>(`${NATIVE}counts`, { by: "state", q }, signal);
      return "counts" in answer && typeof answer.counts === "object" ? (answer as Counts) : { counts: answer as Record<string, number> };
    },
    ...LIVE,
  });

/** The stream's `counts` event: whole, and newer than any answer. */
export function takeCounts(client: QueryClient, event: unknown): void {
  const { counts } = event as Partial<Counts>;
  if (counts !== undefined) client.setQueryData(countsQuery().queryKey, { counts });
}

export const topologyQuery = () =>
  queryOptions({
    queryKey: ["topology"],
    queryFn: ({ signal }) => get<Topology>(`${NATIVE}topology`, {}, signal),
    refetchInterval: 15_000,
    ...LIVE,
  });

export interface ListQuery {
  q?: string | undefined;
  sort?: string | undefined;
  cursor?: string | undefined;
  limit?: number;
}

const page =
  <Row>(name: string) =>
  ({ q, sort, cursor, limit = 200 }: ListQuery, signal?: AbortSignal) =>
    get<Page<Row>>(`${NATIVE}${name}`, { q: q === "" ? undefined : q, sort, cursor, limit }, signal);

const orders = page<OrderRow>("orders");
const workflows = page<WorkflowRow>("workflows");
const historyOrders = page<HistoryRow>("history/orders");
const historyTasks = page<HistoryRow>("history/tasks");

export const ordersQuery = (list: ListQuery) =>
  queryOptions({ queryKey: ["orders", list], queryFn: ({ signal }) => orders(list, signal), ...LIVE });

export const workflowsQuery = (list: ListQuery) =>
  queryOptions({ queryKey: ["workflows", list], queryFn: ({ signal }) => workflows(list, signal), ...LIVE });

export const historyQuery = (kind: "orders" | "tasks", list: ListQuery) =>
  queryOptions({
    queryKey: ["history", kind, list],
    queryFn: ({ signal }) => (kind === "orders" ? historyOrders : historyTasks)(list, signal),
    ...LIVE,
  });

/** The id of the Controller that a screen's actions go to when a row does not name one. */
export const controllerQuery = () =>
  queryOptions({
    queryKey: ["controller"],
    queryFn: async ({ signal }) => {
      const answer = await post<{ controllerIds?: string[]; selected?: string }>("controller/ids", {}, signal);
      const id = answer.selected ?? answer.controllerIds?.[0];
      if (id === undefined) throw new Error("No Controller is registered yet. Register one, then reload.");
      return id;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const workflowQuery = (controllerId: string | undefined, path: string, versionId?: string) =>
  queryOptions({
    queryKey: ["workflow", controllerId, path, versionId ?? ""],
    enabled: controllerId !== undefined,
    queryFn: async ({ signal }) => {
      const workflowId = versionId === undefined ? { path } : { path, versionId };
      const answer = await post<{ workflow: WorkflowJson }>("workflow", { controllerId, workflowId }, signal);
      return answer.workflow;
    },
    staleTime: 60_000,
  });

export const orderEvents = (orderId: string, from?: number, signal?: AbortSignal) =>
  get<{ events: OrderEvent[]; total?: number }>(
    `${NATIVE}order/${encodeURIComponent(orderId)}/events`,
    { level: "all", limit: 500, from },
    signal,
  );

export type LogKind = "order" | "task";

export const logRange = (kind: LogKind, id: string, from: number, to: number, signal?: AbortSignal) =>
  get<LogRange>(`${NATIVE}log/${kind}/${encodeURIComponent(id)}`, { line: `${from}-${to}` }, signal);

export const logTail = (kind: LogKind, id: string, lines: number, signal?: AbortSignal) =>
  get<LogRange>(`${NATIVE}log/${kind}/${encodeURIComponent(id)}`, { tail: lines }, signal);

export const logTailQuery = (kind: LogKind, id: string | undefined, lines: number) =>
  queryOptions({
    queryKey: ["log-tail", kind, id, lines],
    enabled: id !== undefined,
    queryFn: ({ signal }) => logTail(kind, id as string, lines, signal),
    staleTime: 5000,
  });

export { keepPreviousData };
