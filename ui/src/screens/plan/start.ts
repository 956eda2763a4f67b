/** What is in the form of a new start time, as the API's `scheduledFor` (cockpit-services 4.7). Pure. */
import { isDate } from "../../domain/plan";

export type Choice = "at" | "by" | "date" | "now" | "never";

export interface GivenStart {
  choice: Choice;
  /** Of a field `datetime-local`. */
  when: string;
  /** `01:30`, `-00:15`. */
  offset: string;
  date: string;
  timeZone: string;
}

const OFFSET = /^([+-]?)\s*(\d{1,3}):([0-5]\d)$/;

export function newStartOf({ choice, when, offset, date, timeZone }: GivenStart): { scheduledFor?: string; timeZone?: string } {
  switch (choice) {
    case "at":
      return when === "" ? {} : { scheduledFor: when.replace("T", " "), timeZone };
    case "by": {
      const [, sign, hours, minutes] = OFFSET.exec(offset.trim()) ?? [];
      return hours === undefined ? {} : { scheduledFor: `cur ${sign === "-" ? "-" : "+"} ${hours.padStart(2, "0")}:${minutes}` };
    }
    case "date":
      return isDate(date) ? { scheduledFor: date } : {};
    default:
      return { scheduledFor: choice };
  }
}

export function startProblem(given: GivenStart): string | undefined {
  if (newStartOf(given).scheduledFor !== undefined) return undefined;
  if (given.choice === "at") return "Say when to start: date and time.";
  return given.choice === "by" ? "Say by how much, in hours and minutes: 00:30, or -01:15 for earlier." : "Say on which date.";
}
