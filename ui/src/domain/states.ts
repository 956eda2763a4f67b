/**
 * The states of an order as people see them (ui.md 5.1): word, family, shape, colour. Family says who has to act.
 * An unknown name of a newer server becomes `?`, never an error. Pure.
 */
import { type StateColour } from "../design/tokens";

export type Family = "future" | "active" | "waits" | "person" | "bad" | "done" | "unknown";
export type ChipStyle = "dashed" | "outline" | "solid" | "tinted" | "text" | "dotted";

export interface StateLook {
  /** The API's `_text`. */
  name: string;
  word: string;
  family: Family;
  colour: StateColour;
  chip: ChipStyle;
  /** One character for text exports; on screen the glyph of the same name is drawn. */
  symbol: string;
}

function look(name: string, word: string, family: Family, colour: StateColour, chip: ChipStyle, symbol: string): StateLook {
  return { name, word, family, colour, chip, symbol };
}

/** In the order of the state bar: what works, what waits, what needs a person, what is bad, future, done. */
export const STATES: readonly StateLook[] = [
  look("RUNNING", "running", "active", "running", "solid", "▶"),
  look("INPROGRESS", "in progress", "active", "inprogress", "outline", "»"),
  look("WAITING", "waiting", "waits", "waiting", "tinted", "⧗"),
  look("BLOCKED", "overdue, cannot start", "waits", "blocked", "tinted", "▲"),
  look("PROMPTING", "asks you", "person", "prompting", "solid", "✋"),
  look("SUSPENDED", "suspended", "person", "suspended", "tinted", "⏸"),
  look("FAILED", "failed", "bad", "failed", "solid", "✖"),
  look("BROKEN", "broken", "bad", "broken", "solid", "⚡"),
  look("UNKNOWN", "unknown", "unknown", "unknown", "dotted", "?"),
  look("SCHEDULED", "scheduled", "future", "scheduled", "outline", "◷"),
  look("PENDING", "no start time", "future", "pending", "dashed", "⊙"),
  look("PLANNED", "planned", "future", "planned", "dashed", "◌"),
  look("FINISHED", "finished", "done", "finished", "text", "✔"),
  look("CANCELLED", "cancelled", "done", "cancelled", "text", "⊘"),
];

const BY_NAME = new Map(STATES.map((state) => [state.name, state]));
const UNKNOWN = BY_NAME.get("UNKNOWN") as StateLook;

export function stateLook(name: string | undefined): StateLook {
  if (name === undefined) return UNKNOWN;
  return BY_NAME.get(name.toUpperCase()) ?? { ...UNKNOWN, word: `? ${name.toLowerCase()}` };
}

/** History's words for how a run ended, shown with the look of the live state they come from. */
const OUTCOMES: Record<string, string> = {
  SUCCESSFUL: "FINISHED",
  SUCCEEDED: "FINISHED",
  FINISHED: "FINISHED",
  FAILED: "FAILED",
  KILLED: "FAILED",
  TIMEDOUT: "FAILED",
  DISRUPTED: "FAILED",
  PROCESSLOST: "FAILED",
  BROKEN: "BROKEN",
  CANCELLED: "CANCELLED",
  INCOMPLETE: "RUNNING",
  RUNNING: "RUNNING",
};

const OUTCOME_WORDS: Record<string, string> = {
  SUCCESSFUL: "successful",
  SUCCEEDED: "successful",
  KILLED: "killed",
  TIMEDOUT: "timed out",
  DISRUPTED: "disrupted",
  PROCESSLOST: "process lost",
  INCOMPLETE: "in progress",
};

export function outcomeLook(outcome: string | undefined): StateLook {
  const key = (outcome ?? "").toUpperCase().replaceAll(/[^A-Z]/g, "");
  const state = stateLook(OUTCOMES[key] ?? outcome);
  const word = OUTCOME_WORDS[key];
  return word === undefined ? state : { ...state, word };
}

const REASONS: Record<string, string> = {
  DELAYED_AFTER_ERROR: "delay after an error",
  DELAYING_RETRY: "next try",
  FORKED: "its branches",
  EXPECTING_NOTICES: "a notice",
  WAITING_FOR_LOCK: "a lock",
  WAITING_FOR_ADMISSION: "its admission time",
  BETWEEN_CYCLES: "the next cycle",
  SLEEPING: "the end of a sleep",
  JOB_PROCESS_LIMIT_REACHED: "a process slot of the job",
  AGENT_PROCESS_LIMIT_REACHED: "a process slot of the Agent",
  WORKFLOW_IS_SUSPENDED: "the suspended workflow",
};

export function reasonWords(reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : (REASONS[reason] ?? reason.toLowerCase().replaceAll("_", " "));
}

/** States after which nothing more happens to an order. */
export function isOver(name: string): boolean {
  return stateLook(name).family === "done";
}
