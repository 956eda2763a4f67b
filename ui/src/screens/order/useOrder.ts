/**
 * One order from all that knows it: its live row, its history, its tasks, its events. The stream's topic says when there is
 * more; events are read on from the last one, never all again.
 */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { historyQuery, orderEvents, ordersQuery } from "../../api/queries";
import { type HistoryRow, type OrderEvent, type OrderRow } from "../../api/types";
import { isOver } from "../../domain/states";
import { useOnChange, useTopic } from "../../live/react";

export interface OrderKnowledge {
  orderId: string;
  row: OrderRow | undefined;
  history: HistoryRow | undefined;
  tasks: readonly HistoryRow[];
  events: readonly OrderEvent[];
  loading: boolean;
  error: unknown;
}

const NO_TASKS: readonly HistoryRow[] = [];

export function useOrder(orderId: string): OrderKnowledge {
  const q = `order:"${orderId}"`;
  const live = useQuery(ordersQuery({ q, limit: 5 }));
  const history = useQuery(historyQuery("orders", { q, limit: 5 }));
  // Also those of its branches, whose ids begin with its own.
  const tasks = useQuery(historyQuery("tasks", { q: `order:"${orderId}","${orderId}|*"`, sort: "start", limit: 500 }));
  const topic = useTopic(`order:${orderId}`);
  const patch = topic.rows.get(orderId) as unknown as OrderRow | undefined;
  const { refetch: refetchLive } = live;
  const { refetch: refetchHistory } = history;
  const { refetch: refetchTasks } = tasks;
  const events = useEvents(orderId, topic);

  useOnChange(
    topic,
    () => {
      void refetchTasks();
      void refetchHistory();
      if (patch === undefined) void refetchLive();
    },
    250,
  );

  const past = history.data?.rows.find((row) => row.orderId === orderId);
  const listed = live.data?.rows.find((row) => row.orderId === orderId);
  const present = newest(listed, patch);
  const gone = topic.removed.has(orderId);
  const row = useMemo(() => (present !== undefined && !(gone && past !== undefined) ? present : fromHistory(past, present)), [present, past, gone]);
  return {
    orderId,
    row,
    history: past,
    tasks: tasks.data?.rows ?? NO_TASKS,
    events,
    loading: live.isPending || history.isPending,
    error: live.error ?? history.error ?? undefined,
  };
}

function newest(one: OrderRow | undefined, two: OrderRow | undefined): OrderRow | undefined {
  if (one === undefined || two === undefined) return two ?? one;
  return (one.rev ?? -1) > (two.rev ?? 0) ? one : two;
}

/** An order that its Controller has deleted, as its history remembers it. */
function fromHistory(past: HistoryRow | undefined, last: OrderRow | undefined): OrderRow | undefined {
  if (past === undefined) return last;
  const state = { SUCCESSFUL: "FINISHED", INCOMPLETE: "UNKNOWN" }[past.outcome.toUpperCase()] ?? past.outcome.toUpperCase();
  const row: OrderRow = {
    controllerId: past.controllerId ?? last?.controllerId ?? "controller",
    orderId: past.orderId,
    workflow: typeof past.workflow === "string" ? { path: past.workflow } : past.workflow,
    state: { _text: state, ...(past.end === undefined ? {} : { since: past.end }) },
    can: isOver(state) ? { suspend: false, resume: false, cancel: false, confirm: false } : {},
  };
  if (past.historyId !== undefined) row.historyId = past.historyId;
  if (past.planned !== undefined) row.scheduledFor = past.planned;
  if (past.start !== undefined) row.startedAt = past.start;
  if (last?.arguments !== undefined) row.arguments = last.arguments;
  const outcome: { message?: string; returnCode?: number } = {};
  if (past.message !== undefined) outcome.message = past.message;
  if (past.returnCode !== undefined) outcome.returnCode = past.returnCode;
  row.lastOutcome = outcome;
  return row;
}

/** Events in order, read on whenever `signal` changes. */
function useEvents(orderId: string, signal: unknown): readonly OrderEvent[] {
  const [events, setEvents] = useState<readonly OrderEvent[]>([]);
  const last = useRef<number>(undefined);

  useEffect(() => {
    setEvents([]);
    last.current = undefined;
  }, [orderId]);

  useEffect(() => {
    const abort = new AbortController();
    async function readOn(): Promise<void> {
      for (;;) {
        const { events: more } = await orderEvents(orderId, last.current, abort.signal);
        const before = last.current;
        const fresh = more.filter((event) => before === undefined || event.eventId > before);
        if (fresh.length === 0) return;
        last.current = fresh.at(-1)?.eventId;
        setEvents((known) => [...known, ...fresh]);
      }
    }
    readOn().catch((error: unknown) => {
      // A torn read is repeated by the next change; the parts that are there stay.
      if (!abort.signal.aborted) console.warn("events of the order:", error);
    });
    return () => abort.abort();
  }, [orderId, signal]);
  return events;
}

