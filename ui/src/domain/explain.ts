/** "Why?" in words (ui.md 5.5): why an order is where it is, in a clause for lists and in a sentence for its page. Pure. */
import { type OrderRow } from "../api/types";
import { positionText } from "./positions";
import { reasonWords, stateLook } from "./states";
import { durationWords, plural, whenWords } from "./words";

/** The step an order stands at, as people name it: label, job, or position. */
export function stepOf(order: OrderRow): string | undefined {
  const place = order.label ?? order.job;
  if (place !== undefined) return place;
  // Before its start an order stands nowhere yet.
  if (stateLook(order.state._text).family === "future") return undefined;
  const text = order.positionString ?? (order.position === undefined ? undefined : positionText(order.position));
  return text === undefined || text === "" ? undefined : text;
}

/** What a prompt asks, as text. */
export function question({ prompt }: OrderRow): string | undefined {
  return prompt === undefined ? undefined : typeof prompt === "string" ? prompt : JSON.stringify(prompt);
}

function failure(order: OrderRow): string {
  const { returnCode, message } = order.lastOutcome ?? {};
  const parts = [returnCode === undefined ? "" : `exit ${returnCode}`, message ?? ""].filter((part) => part !== "");
  return parts.length === 0 ? "failed" : parts.join(": ");
}

/** One clause. */
export function whyShort(order: OrderRow): string {
  switch (order.state._text) {
    case "FAILED":
    case "BROKEN":
      return failure(order);
    case "PROMPTING":
      return question(order) ?? "asks a question";
    case "WAITING":
      return order.state._reason === undefined ? "ready, waits for its turn" : `waits for ${reasonWords(order.state._reason)}`;
    case "RUNNING":
      return order.job === undefined ? "" : `runs ${order.job}`;
    default:
      return "";
  }
}

/** One or two sentences, with what would change it. */
export function whyLong(order: OrderRow, now: number): string {
  const { _text: state, _reason: reason, until, since } = order.state;
  const step = stepOf(order);
  const at = step === undefined ? "" : ` at step ${step}`;
  switch (state) {
    case "RUNNING":
      return `${order.job === undefined ? "A job" : `Job ${order.job}`} runs${order.agentId === undefined ? "" : ` on Agent ${order.agentId}`}${since === undefined ? "" : ` since ${whenWords(since, now)}`}.`;
    case "SCHEDULED":
      return order.scheduledFor === undefined
        ? "Starts as soon as its Controller has taken it up."
        : order.scheduledFor > now
          ? `Starts in ${durationWords(order.scheduledFor - now)} (${whenWords(order.scheduledFor, now)}).`
          : "Its time has come; it starts as soon as its Controller and Agent can.";
    case "PENDING":
      return "Has no start time. Set one, or cancel it.";
    case "BLOCKED":
      return `Should have started${order.scheduledFor === undefined ? "" : ` at ${whenWords(order.scheduledFor, now)}`}${order.agentId === undefined ? "" : `; Agent ${order.agentId} may not be reachable`}. It starts when what it needs is back.`;
    case "WAITING":
      if (reason === "FORKED") return `Waits for its branches${order.children === undefined ? "" : ` (${plural(order.children.total, "branch", "branches")})`}. It goes on when all have ended.`;
      if (until !== undefined)
        return `Continues at ${whenWords(until, now)}${order.retry === undefined ? "" : ` (retry ${order.retry.n}${order.retry.max === undefined ? "" : ` of ${order.retry.max}`})`}.`;
      return reason === undefined ? `Is ready${at} and waits for its turn: a process slot, or its Controller or Agent. It goes on by itself.` : `Waits for ${reasonWords(reason)}${at}.`;
    case "PROMPTING":
      return `Asks: “${question(order) ?? "go on?"}” It goes on when a person answers.`;
    case "SUSPENDED":
      return `Was suspended${at}. Resume lets it go on.`;
    case "FAILED":
      return `Failed${at}: ${failure(order)}. Look at the log, mend the cause, then resume; or cancel it.`;
    case "BROKEN":
      return `Broke${at}: ${failure(order)}. It cannot go on from here; cancel it, or resume it at another position.`;
    case "INPROGRESS":
      return `Is between two steps${at}.`;
    case "FINISHED":
      return "Has finished. What you see is its history.";
    case "CANCELLED":
      return "Was cancelled. What you see is its history.";
    default:
      return `Its state is ${stateLook(state).word}: the Controller may not be reachable.`;
  }
}
