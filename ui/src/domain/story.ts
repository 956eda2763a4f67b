/**
 * The life of one order in sentences (ui.md S6 "Story"): its events grouped, what is only mechanics folded away. Pure.
 * Tasks (executions of jobs) come from the task history; they are matched to the events by their start, in order.
 */
import { type HistoryRow, type OrderEvent } from "../api/types";
import { plural, whenWords } from "./words";

export interface StoryRow {
  key: string;
  time: number;
  /** Name of a state, for glyph and colour. */
  glyph: string;
  words: string;
  detail?: string;
  /** The branch of a fork in which it happened. */
  branch?: string;
  /** The execution of a job: links to its log, shows how long. */
  task?: HistoryRow;
  /** Mechanics (moves, attachment, marks): shown only with "all". */
  minor: boolean;
  event: OrderEvent;
}

type Payload = Record<string, unknown>;

export function story(orderId: string, events: readonly OrderEvent[], tasks: readonly HistoryRow[], now: number): StoryRow[] {
  const waiting = new Map<string, HistoryRow[]>();
  for (const task of [...tasks].sort((a, b) => (a.start ?? 0) - (b.start ?? 0))) {
    const list = waiting.get(task.orderId) ?? [];
    list.push(task);
    waiting.set(task.orderId, list);
  }
  const running = new Map<string | undefined, StoryRow>();
  const rows: StoryRow[] = [];
  for (const event of events) {
    const type = event.type.replace(/\$$/, "");
    if (type === "OrderStdoutWritten" || type === "OrderStderrWritten") continue;
    const begun = running.get(event.orderId);
    if (type === "OrderProcessed" && begun !== undefined) {
      // One row for the task from begin to end.
      const how = outcomeWords(event.payload["outcome"]);
      begun.glyph = how.good ? "FINISHED" : "FAILED";
      if (how.detail !== "") begun.detail = how.detail;
      running.delete(event.orderId);
      continue;
    }
    const row: StoryRow = { key: String(event.eventId), time: event.time, minor: false, event, ...sentence(type, event.payload, now) };
    const branch = event.orderId?.startsWith(`${orderId}|`) === true ? event.orderId.slice(orderId.length + 1) : undefined;
    if (branch !== undefined) row.branch = branch;
    if (type === "OrderProcessingStarted") {
      const task = waiting.get(event.orderId ?? orderId)?.shift();
      const agent = task?.agentId ?? event.payload["subagentId"];
      row.words = task?.label ?? task?.job ?? "a job";
      if (agent !== undefined) row.detail = `on ${text(agent)}`;
      if (task !== undefined) row.task = task;
      running.set(event.orderId, row);
    }
    rows.push(row);
  }
  return rows;
}

interface Sentence {
  glyph: string;
  words: string;
  detail?: string;
  minor?: boolean;
}

function sentence(type: string, payload: Payload, now: number): Sentence {
  const say = SENTENCES[type];
  return say === undefined ? { glyph: "INPROGRESS", words: spaced(type), minor: true } : say(payload, now);
}

const SENTENCES: Record<string, (payload: Payload, now: number) => Sentence> = {
  OrderAdded: ({ scheduledFor }, now) => ({
    glyph: "SCHEDULED",
    words: typeof scheduledFor === "number" ? `added, to start at ${whenWords(scheduledFor, now)}` : "added",
  }),
  OrderStarted: () => ({ glyph: "RUNNING", words: "started" }),
  OrderProcessingStarted: () => ({ glyph: "RUNNING", words: "" }),
  OrderForked: ({ children }) => ({ glyph: "WAITING", words: `forked into ${plural(Array.isArray(children) ? children.length : 0, "branch", "branches")}` }),
  OrderJoined: ({ outcome }) => withOutcome("branches joined", outcome),
  OrderOutcomeAdded: ({ outcome }) => withOutcome("outcome", outcome),
  OrderFailed: ({ outcome }) => ({ ...withOutcome("failed", outcome), glyph: "FAILED" }),
  OrderFailedInFork: ({ outcome }) => ({ ...withOutcome("failed in its branch; waits for the join", outcome), glyph: "FAILED" }),
  OrderStopped: ({ outcome }) => ({ ...withOutcome("stopped", outcome), glyph: "FAILED" }),
  OrderBroken: ({ problem }) => ({ glyph: "BROKEN", words: "broke", detail: text((problem as Payload | undefined)?.["message"] ?? "") }),
  OrderCaught: () => ({ glyph: "INPROGRESS", words: "error caught" }),
  OrderRetrying: ({ delayedUntil }, now) => ({
    glyph: "WAITING",
    words: typeof delayedUntil === "number" ? `tries again at ${whenWords(delayedUntil, now)}` : "tries again",
  }),
  OrderPrompted: ({ question }) => ({ glyph: "PROMPTING", words: "asks", detail: text(question ?? "") }),
  OrderPromptAnswered: () => ({ glyph: "FINISHED", words: "answered" }),
  OrderSleeping: ({ until }, now) => ({ glyph: "WAITING", words: typeof until === "number" ? `sleeps until ${whenWords(until, now)}` : "sleeps" }),
  OrderSuspended: () => ({ glyph: "SUSPENDED", words: "suspended" }),
  OrderResumed: () => ({ glyph: "RUNNING", words: "resumed" }),
  OrderCancelled: () => ({ glyph: "CANCELLED", words: "cancelled" }),
  OrderFinished: ({ outcome }) => ({ ...withOutcome("finished", outcome), glyph: "FINISHED" }),
  OrderDeleted: () => ({ glyph: "FINISHED", words: "deleted at the Controller", minor: true }),
  OrderMoved: ({ reason }) => {
    const why = (reason as Payload | undefined)?.["TYPE"];
    return { glyph: "INPROGRESS", words: why === undefined ? "moved" : `step skipped: ${spaced(text(why)).toLowerCase()}`, minor: why === undefined };
  },
};

function withOutcome(words: string, outcome: unknown): Sentence {
  const how = outcomeWords(outcome);
  const made: Sentence = { glyph: how.good ? "FINISHED" : "FAILED", words };
  return how.detail === "" ? made : { ...made, detail: how.detail };
}

/** An engine outcome in words: `exit 12: disk full`. Absent is success. */
export function outcomeWords(outcome: unknown): { good: boolean; detail: string } {
  if (typeof outcome !== "object" || outcome === null) return { good: true, detail: "" };
  const object = outcome as Payload;
  const type = text(object["TYPE"] ?? object["_text"] ?? "Succeeded");
  if (type === "Killed" || type === "TimedOut") {
    const inner = outcomeWords(object["outcome"]);
    return { good: false, detail: [type === "Killed" ? "killed" : "timed out", inner.detail].filter((part) => part !== "").join(", ") };
  }
  const code = (object["namedValues"] as Payload | undefined)?.["returnCode"] ?? object["returnCode"];
  const message = object["message"] ?? (object["reason"] as Payload | undefined)?.["problem"] ?? (object["reason"] as Payload | undefined)?.["TYPE"];
  const good = type === "Succeeded";
  const problem = typeof message === "object" && message !== null ? (message as Payload)["message"] : message;
  const parts = [code === undefined || code === 0 ? "" : `exit ${text(code)}`, problem === undefined ? "" : text(problem)].filter((part) => part !== "");
  return { good, detail: parts.length === 0 && !good ? spaced(type).toLowerCase() : parts.join(": ") };
}

/** `OrderAttachable` → `attachable` */
function spaced(type: string): string {
  return type
    .replace(/^Order/, "")
    .replaceAll(/([a-z])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`)
    .toLowerCase();
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
