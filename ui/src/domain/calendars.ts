/**
 * Calendars and schedules as people edit them (ui.md S12, cockpit-services 3 and 4.1): rules in words, edits as new values,
 * questions to the server about single rules. Which days count is worked out by the server alone. Pure.
 */
import { dateWords, isDate, MONTHS } from "./plan";

export interface Weekly {
  day: number;
  weekOfMonth: number;
}

export interface Frequencies {
  dates?: string[];
  weekdays?: { days: number[]; from?: string; to?: string }[];
  monthdays?: { days?: number[]; weeklyDays?: Weekly[]; from?: string; to?: string }[];
  ultimos?: { days?: number[]; weeklyDays?: Weekly[]; from?: string; to?: string }[];
  holidays?: { nationalCalendar?: string; dates: string[] }[];
  repetitions?: { repetition: string; from: string; to?: string; step?: number }[];
  months?: unknown[];
  nonWorkingDayCalendars?: string[];
}

/** As the inventory keeps it; members that are not known here stay. */
export interface CalendarJson {
  type?: string;
  title?: string;
  from?: string;
  to?: string;
  includes?: Frequencies;
  excludes?: Frequencies;
  [member: string]: unknown;
}

export type Side = "includes" | "excludes";
export type Kind = keyof Frequencies;

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

export interface Rule {
  side: Side;
  kind: Kind;
  /** Within its kind. */
  index: number;
  words: string;
}

const KINDS: readonly Kind[] = ["weekdays", "monthdays", "ultimos", "repetitions", "months", "holidays", "dates", "nonWorkingDayCalendars"];

/** One line per rule; the dates of a side are one rule, and so are its excluded calendars one each. */
export function rulesOf(calendar: CalendarJson): Rule[] {
  const rules: Rule[] = [];
  for (const side of ["includes", "excludes"] as const)
    for (const kind of KINDS) {
      const elements = calendar[side]?.[kind];
      if (!Array.isArray(elements) || elements.length === 0) continue;
      if (kind === "dates") rules.push({ side, kind, index: 0, words: datesWords(elements as string[]) });
      else elements.forEach((element, index) => rules.push({ side, kind, index, words: ruleWords(kind, element) }));
    }
  return rules;
}

function datesWords(dates: readonly string[]): string {
  return dates.length <= 3 ? dates.map((date) => (isDate(date) ? dateWords(date) : date)).join(", ") : `${dates.length} dates, ${dates[0]} to ${[...dates].sort().at(-1)}`;
}

function ruleWords(kind: Kind, element: unknown): string {
  const rule = (typeof element === "object" && element !== null ? element : {}) as Record<string, unknown>;
  const days = (Array.isArray(rule["days"]) ? rule["days"] : []) as number[];
  const weekly = (Array.isArray(rule["weeklyDays"]) ? rule["weeklyDays"] : []) as Weekly[];
  const range = [typeof rule["from"] === "string" ? `from ${rule["from"]}` : "", typeof rule["to"] === "string" ? `to ${rule["to"]}` : ""].filter((part) => part !== "").join(" ");
  const ranged = (words: string): string => (range === "" ? words : `${words}, ${range}`);
  switch (kind) {
    case "weekdays":
      return ranged(weekdaysWords(days));
    case "monthdays":
      return ranged([days.length > 0 ? `day ${days.join(", ")} of the month` : "", ...weekly.map((one) => `${ordinal(one.weekOfMonth)} ${DAYS[one.day] ?? one.day} of the month`)].filter((part) => part !== "").join(", "));
    case "ultimos":
      return ranged(
        [days.length > 0 ? `${days.map((day) => (day === 1 ? "last" : `${ordinal(day)} last`)).join(", ")} day of the month` : "", ...weekly.map((one) => `${one.weekOfMonth === 1 ? "last" : `${ordinal(one.weekOfMonth)} last`} ${DAYS[one.day] ?? one.day} of the month`)]
          .filter((part) => part !== "")
          .join(", "),
      );
    case "repetitions": {
      const unit = { DAILY: "day", WEEKLY: "week", MONTHLY: "month", YEARLY: "year" }[String(rule["repetition"])] ?? String(rule["repetition"]);
      const step = typeof rule["step"] === "number" ? rule["step"] : 1;
      return ranged(step === 1 ? `every ${unit}` : `every ${step} ${unit}s`);
    }
    case "months": {
      const months = (Array.isArray(rule["months"]) ? rule["months"] : []) as number[];
      return ranged(`rules of ${months.map((month) => MONTHS[month - 1] ?? month).join(", ")}`);
    }
    case "holidays":
      return `holidays${typeof rule["nationalCalendar"] === "string" ? ` of ${rule["nationalCalendar"]}` : ""}: ${datesWords(Array.isArray(rule["dates"]) ? (rule["dates"] as string[]) : [])}`;
    case "nonWorkingDayCalendars":
      return `days of calendar ${String(element)}`;
    default:
      return JSON.stringify(element);
  }
}

function weekdaysWords(days: readonly number[]): string {
  const set = [...new Set(days.map((day) => day % 7))].sort((first, second) => ((first + 6) % 7) - ((second + 6) % 7));
  if (set.length === 7) return "every day";
  if (set.join() === "1,2,3,4,5") return "Monday to Friday";
  return set.map((day) => DAYS[day]).join(", ");
}

function ordinal(number: number): string {
  const endings = { 1: "st", 2: "nd", 3: "rd" } as Record<number, string>;
  return `${number}${number >= 11 && number <= 13 ? "th" : (endings[number % 10] ?? "th")}`;
}

/** Without what is empty, so that nothing is stored that says nothing. */
function tidied(calendar: CalendarJson, side: Side, kind: Kind, elements: readonly unknown[]): CalendarJson {
  const frequencies = { ...calendar[side], [kind]: elements };
  if (elements.length === 0) delete frequencies[kind];
  const next: CalendarJson = { ...calendar, [side]: frequencies };
  if (Object.keys(frequencies).length === 0) delete next[side];
  return next;
}

export function withRule(calendar: CalendarJson, side: Side, kind: Kind, element: unknown): CalendarJson {
  const before = calendar[side]?.[kind] ?? [];
  const elements = kind === "dates" ? [...new Set([...before, element])].sort() : [...before, element];
  return tidied(calendar, side, kind, elements);
}

export function withoutRule(calendar: CalendarJson, { side, kind, index }: Rule): CalendarJson {
  const before: readonly unknown[] = calendar[side]?.[kind] ?? [];
  return tidied(calendar, side, kind, kind === "dates" ? [] : before.toSpliced(index, 1));
}

/** Puts a day in or takes it out; a day that was listed on the other side is only taken from there. */
export function withDay(calendar: CalendarJson, date: string, isIn: boolean): CalendarJson {
  const [own, other] = isIn ? (["includes", "excludes"] as const) : (["excludes", "includes"] as const);
  const listed = calendar[other]?.dates ?? [];
  if (listed.includes(date)) return tidied(calendar, other, "dates", listed.filter((one) => one !== date));
  return withRule(calendar, own, "dates", date);
}

/** The calendar that has this rule alone, as one to put in: does the rule cover a day? */
export function alone(calendar: CalendarJson, { side, kind, index }: Rule): CalendarJson {
  const elements: readonly unknown[] = calendar[side]?.[kind] ?? [];
  return { type: calendar.type ?? "WORKINGDAYSCALENDAR", includes: { [kind]: kind === "dates" ? elements : [elements[index]] } as Frequencies };
}

/** Why a day counts or not, from the rules that cover it. */
export function whyDay(isIn: boolean, covering: readonly Rule[], isInRange: boolean): string {
  const put = covering.filter(({ side }) => side === "includes").map(({ words }) => words);
  const taken = covering.filter(({ side }) => side === "excludes").map(({ words }) => words);
  if (!isInRange) return "Out: the calendar does not reach to this day.";
  if (put.length === 0) return "Out: no rule puts it in.";
  if (taken.length > 0 && !isIn) return `Out: put in by ${put.join("; ")}, but taken out by ${taken.join("; ")}.`;
  return `In: put in by ${put.join("; ")}.`;
}

export const WHEN_HOLIDAY = [
  { value: "", words: "starts also on non-working days" },
  { value: "SUPPRESS", words: "does not start on non-working days" },
  { value: "IGNORE", words: "ignores non-working days" },
  { value: "NEXTNONWORKINGDAY", words: "starts on the next working day instead" },
  { value: "PREVIOUSNONWORKINGDAY", words: "starts on the previous working day instead" },
] as const;

export interface Period {
  singleStart?: string;
  begin?: string;
  end?: string;
  repeat?: string;
  whenHoliday?: string;
}

const CLOCK = /^([01]?\d|2[0-4])(:[0-5]\d){1,2}$/;

/** Why a period cannot be stored; undefined: it can. */
export function periodProblem(period: Period): string | undefined {
  const times = [period.singleStart, period.begin, period.end, period.repeat].filter((time) => time !== undefined);
  const wrong = times.find((time) => !CLOCK.test(time));
  if (wrong !== undefined) return `“${wrong}” is no time such as 02:30 or 02:30:00.`;
  if (period.singleStart !== undefined) return undefined;
  if (period.repeat === undefined) return "Say after what time it is repeated, such as 00:15:00.";
  // "00:15" would be read as 15 seconds (cockpit-services 3.4).
  return period.repeat.split(":").length === 3 ? undefined : `Write the repeat with hours, minutes and seconds: “${period.repeat}” would be minutes and seconds.`;
}

export function periodWords({ singleStart, begin = "00:00", end = "24:00", repeat, whenHoliday }: Period): string {
  const times = singleStart === undefined ? `every ${repeat} from ${begin} to ${end}` : `at ${singleStart}`;
  const holiday = WHEN_HOLIDAY.find(({ value }) => value !== "" && value === whenHoliday)?.words;
  return holiday === undefined ? times : `${times}, ${holiday}`;
}

export interface Assignment {
  calendarName: string;
  timeZone?: string;
  periods?: Period[];
  [member: string]: unknown;
}

export interface ScheduleJson {
  title?: string;
  workflowNames?: string[];
  workflowName?: string;
  planOrderAutomatically?: boolean;
  submitOrderToControllerWhenPlanned?: boolean;
  calendars?: Assignment[];
  nonWorkingDayCalendars?: { calendarName: string; [member: string]: unknown }[];
  [member: string]: unknown;
}

/** `schedule/runtime`: by date; instants are ISO texts. */
export type RunTimes = Record<string, { periods: { singleStart?: string; begin?: string; end?: string; repeat?: string }[] }>;

/** The coming starts in words, by date: `02:00`, `08:00–10:00 every 00:30:00`. */
export function startsOf(dates: RunTimes, clock: (time: number) => string): { date: string; starts: string[] }[] {
  return Object.entries(dates)
    .sort(([first], [second]) => first.localeCompare(second))
    .map(([date, { periods }]) => ({
      date,
      starts: periods.map((period) =>
        period.singleStart !== undefined ? clock(Date.parse(period.singleStart)) : `${clock(Date.parse(period.begin ?? ""))}–${clock(Date.parse(period.end ?? ""))} every ${period.repeat}`,
      ),
    }));
}
