/** The verbs on orders: what each does in one sentence, when it is possible, why not. Pure. */
import { cancelOrders, type Change, confirmOrders, resumeOrders, suspendOrders } from "../api/changes";
import { type OrderRow, type Permission } from "../api/types";
import { isOver, stateLook } from "../domain/states";

export type Verb = "resume" | "suspend" | "cancel" | "confirm";

export interface VerbOptions {
  kill: boolean;
  deep: boolean;
  reset: boolean;
  fromCurrentBlock: boolean;
  position: string;
  force: boolean;
  comment: string;
}

export const NO_OPTIONS: VerbOptions = {
  kill: false,
  deep: false,
  reset: false,
  fromCurrentBlock: false,
  position: "",
  force: false,
  comment: "",
};

export interface VerbLook {
  verb: Verb;
  label: string;
  /** Past, for the answer: "Resumed 3 orders". */
  done: string;
  icon: string;
  danger: boolean;
  key: string;
}

export const VERBS: Record<Verb, VerbLook> = {
  resume: { verb: "resume", label: "Resume", done: "Resumed", icon: "resume", danger: false, key: "R" },
  suspend: { verb: "suspend", label: "Suspend", done: "Suspended", icon: "pause", danger: false, key: "s" },
  cancel: { verb: "cancel", label: "Cancel", done: "Cancelled", icon: "stop", danger: true, key: "X" },
  confirm: { verb: "confirm", label: "Answer", done: "Answered", icon: "hand", danger: false, key: "c" },
};

/** `true`, or why not in words. The server's word (`can`) leads; without it the state tells. */
export function allowed(verb: Verb, order: OrderRow): true | string {
  const said: Permission | undefined = order.can?.[verb];
  if (said === true) return true;
  // A sentence of the server is shown as it is; a code (the engine's state) is put into words here.
  if (typeof said === "string" && said.includes(" ")) return said;
  const state = order.state._text;
  const { word } = stateLook(state);
  if (said === undefined && possible(verb, state)) return true;
  const because: Record<Verb, string> = {
    resume: `Only a failed, stopped or suspended order can be resumed; this one is ${word}.`,
    suspend: `An order that is ${word} cannot be suspended.`,
    cancel: `An order that is ${word} cannot be cancelled.`,
    confirm: "This order asks nothing.",
  };
  return because[verb];
}

function possible(verb: Verb, state: string): boolean {
  switch (verb) {
    case "resume":
      return state === "FAILED" || state === "SUSPENDED";
    case "suspend":
      return !isOver(state) && !["SUSPENDED", "FAILED", "BROKEN", "UNKNOWN"].includes(state);
    case "cancel":
      return !isOver(state);
    case "confirm":
      return state === "PROMPTING";
  }
}

/** The request for orders of one Controller. */
export function requestOf(verb: Verb, controllerId: string, orderIds: string[], options: VerbOptions): Change {
  const selection = { controllerId, orderIds, comment: options.comment };
  switch (verb) {
    case "cancel":
      return cancelOrders({ ...selection, kill: options.kill, deep: options.deep });
    case "suspend":
      return suspendOrders({ ...selection, kill: options.kill, deep: options.deep, reset: options.reset });
    case "resume": {
      const position = options.position === "" ? {} : { position: options.position };
      return resumeOrders({ ...selection, fromCurrentBlock: options.fromCurrentBlock, force: options.force, ...position });
    }
    case "confirm":
      return confirmOrders(selection);
  }
}

/** What will happen, in one sentence. */
export function effect(verb: Verb, orders: readonly OrderRow[], options: VerbOptions): string {
  const one = orders.length === 1;
  const it = one ? "The order" : "Each order";
  switch (verb) {
    case "cancel":
      return options.kill
        ? `${it} ends now: a running job is stopped by SIGTERM, then SIGKILL. It cannot be resumed.`
        : `${it} ends; a job that is running finishes first. It cannot be resumed.`;
    case "suspend":
      return options.kill
        ? `${it} stops where it is: a running job is stopped by SIGTERM, then SIGKILL, and is repeated on resume.`
        : `${it} stops before its next step; a job that is running finishes first. Resume lets it go on.`;
    case "resume":
      return options.position !== ""
        ? `${it} goes on at label "${options.position}".`
        : options.fromCurrentBlock
          ? `${it} goes on at the beginning of the block it stands in.`
          : `${it} goes on where it stands; a failed job is started again.`;
    case "confirm":
      return `${it} goes on behind its prompt.`;
  }
}
