/**
 * The daily plan as people see it (ui.md S8): states of planned orders, what can be done with them, and the rows and bars of
 * the timeline. Pure; times are epoch milliseconds unless they are the API's texts.
 */
import type { PlanItem } from "../api/plan";
import { type Filter, glob, type Term } from "./filter";
import { type StateLook, stateLook } from "./states";
import { durationWords, splitPath } from "./words";

/** Distances below count as punctual (cockpit-services 4.6). */
export const LATE_MS = 60_000;

const at = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

export interface Planned {
  item: PlanItem;
  start: number;
  expectedEnd: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  look: StateLook;
  isStarted: boolean;
  /** How late it starts or has started; undefined: punctual. */
  lateBy: number | undefined;
}

/** `live`: the states at the Controllers, by order id. */
export function planned(item: PlanItem, now: number, live?: ReadonlyMap<string, string>): Planned {
  const start = Date.parse(item.plannedStartTime);
  const startedAt = at(item.startTime);
  const endedAt = at(item.endTime);
  const lateBy = item.late ? Math.max(0, (startedAt ?? now) - start) : 0;
  return {
    item,
    start,
    expectedEnd: at(item.expectedEndTime) ?? start,
    startedAt,
    endedAt,
    look: lookOf(item, live?.get(item.orderId)),
    isStarted: startedAt !== undefined,
    lateBy: lateBy >= LATE_MS ? lateBy : undefined,
  };
}

/** Plan states with their own words; once an order has started, the state that it has at its Controller. */
function lookOf(item: PlanItem, live: string | undefined): StateLook {
  if (item.state._text === "PLANNED") return stateLook("PLANNED");
  if (item.state._text === "FINISHED") return (item.exitCode ?? 0) === 0 ? stateLook("FINISHED") : { ...stateLook("FAILED"), word: `exit ${item.exitCode}` };
  if (live !== undefined) return stateLook(live);
  if (item.startTime !== undefined) return stateLook("INPROGRESS");
  return item.state._text === "SUBMITTED" ? { ...stateLook("SCHEDULED"), word: "submitted" } : stateLook(item.state._text);
}

export type PlanVerb = "submit" | "cancel" | "remove" | "move" | "variables" | "priority" | "copy";

/** `true`, or why not in words (cockpit-services 4.7). */
export function planAllows(verb: PlanVerb, { item, isStarted, look }: Planned): true | string {
  const isOver = item.state._text === "FINISHED";
  switch (verb) {
    case "submit":
      return item.submitted ? "It is submitted already." : true;
    case "remove":
      return item.submitted ? "It is submitted: cancel it first, then it is planned again." : true;
    case "cancel":
      if (!item.submitted) return "It is not submitted.";
      break;
    case "copy":
      return true;
    default:
      break;
  }
  if (isOver || (isStarted && item.cyclicOrder === undefined)) return `It has started: it is ${look.word}.`;
  return true;
}

/** Orders, not items: a cycle counts its orders. */
export const countOrders = (rows: readonly Planned[]): number => rows.reduce((sum, { item }) => sum + (item.cyclicOrder?.count ?? 1), 0);

/** The filter language on planned orders; keys that a plan does not tell match nothing. */
export function matchesPlanned(filter: Filter, row: Planned): boolean {
  return filter.terms.every((term) => termMatches(term, row) !== term.negated);
}

function termMatches({ key, values }: Term, { item, look, lateBy }: Planned): boolean {
  const any = (...texts: (string | undefined)[]): boolean => values.some((value) => texts.some((text) => text !== undefined && glob(value, text)));
  const paths = (path: string | undefined): (string | undefined)[] => (path === undefined ? [] : [path, path.replace(/^\//, ""), splitPath(path).name]);
  switch (key) {
    case undefined:
      return values.every((value) => [item.orderId, item.workflowPath, item.schedulePath].some((text) => text?.toLowerCase().includes(value.toLowerCase())));
    case "state":
      return any(item.state._text, look.name, look.word);
    case "workflow":
      return any(...paths(item.workflowPath));
    case "schedule":
      return any(...paths(item.schedulePath));
    case "folder":
      return values.some((value) => splitPath(item.workflowPath).folder === value || item.workflowPath.startsWith(`${value.replace(/\/$/, "")}/`));
    case "tag":
    case "otag":
      return any(...(item.tags ?? []));
    case "order":
      return any(item.orderId, item.orderName);
    case "late":
      return values.some((value) => (value === "no" || value === "false") === (lateBy === undefined));
    default:
      return false;
  }
}

export type PlanGroup = "workflow" | "schedule" | "folder";

export interface Bar {
  /** Parts of the day, 0 to 1. */
  from: number;
  to: number;
  kind: "planned" | "actual" | "gap" | "ticks";
  look: StateLook;
  /** Made when it is shown: a day has more bars than a screen. */
  words: () => string;
  orderId: string;
  /** Of a cycle: where its orders start. */
  ticks?: number[];
  /** More than one order, drawn together. */
  count?: number;
}

export interface PlanLane {
  key: string;
  title: string;
  rows: Planned[];
  bars: Bar[];
  late: number;
}

/** Above so many bars neighbours of a lane are drawn together (ui.md S8 Fast). */
const MAXIMUM_BARS = 120;
const MAXIMUM_TICKS = 300;

/** One lane per group, by their first start. */
export function lanes(rows: readonly Planned[], by: PlanGroup, begin: number, end: number, now: number, clock: (time: number) => string): PlanLane[] {
  const groups = new Map<string, Planned[]>();
  for (const row of rows) {
    const key = groupOf(row, by);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const made = [...groups].map(([key, group]) => ({
    key,
    title: key,
    rows: group,
    bars: thinned(group.flatMap((row) => barsOf(row, begin, end, now, clock))),
    late: group.filter((row) => row.lateBy !== undefined).length,
  }));
  const starts = new Map(made.map((lane) => [lane.key, firstStart(lane)]));
  return made.sort((first, second) => (starts.get(first.key) ?? 0) - (starts.get(second.key) ?? 0) || first.key.localeCompare(second.key));
}

function groupOf({ item }: Planned, by: PlanGroup): string {
  if (by === "folder") return splitPath(item.workflowPath).folder;
  return by === "schedule" ? (item.schedulePath ?? "without a schedule") : item.workflowPath;
}

const firstStart = (lane: PlanLane): number => lane.rows.reduce((first, { start }) => Math.min(first, start), Number.POSITIVE_INFINITY);

/** What a planned order draws: the plan as an outline, what has happened filled, lateness as a gap between. */
export function barsOf(row: Planned, begin: number, end: number, now: number, clock: (time: number) => string): Bar[] {
  const { item, start, expectedEnd, startedAt, endedAt, look, lateBy } = row;
  const place = (time: number): number => Math.max(0, Math.min(1, (time - begin) / (end - begin)));
  const common = { look, orderId: item.orderId };
  if (item.cyclicOrder !== undefined) {
    const last = Date.parse(item.cyclicOrder.lastStart);
    const ticks = ticksOf(start, last, item.cyclicOrder.count).map(place);
    const { count } = item.cyclicOrder;
    const words = (): string => `${item.orderName}: ${count} starts, ${clock(start)} to ${clock(last)}; the next is ${look.word}`;
    return [{ ...common, kind: "ticks", from: place(start), to: place(last), words, ticks }];
  }
  const bars: Bar[] = [];
  const words = (): string => `${item.orderName}: planned ${clock(start)}${lateBy === undefined ? "" : `, ${durationWords(lateBy)} late`}, ${look.word}`;
  if (lateBy !== undefined) bars.push({ ...common, kind: "gap", from: place(start), to: place(startedAt ?? now), words });
  if (startedAt !== undefined) bars.push({ ...common, kind: "actual", from: place(startedAt), to: place(endedAt ?? now), words });
  else bars.push({ ...common, kind: "planned", from: place(start), to: place(expectedEnd), words });
  return bars;
}

/** Starts in equal distances, as a cycle's are; a cycle of a change of clocks is off by what the clock jumps. */
function ticksOf(first: number, last: number, count: number): number[] {
  const shown = Math.min(count, MAXIMUM_TICKS);
  return Array.from({ length: shown }, (_, index) => (shown === 1 ? first : first + ((last - first) * index) / (shown - 1)));
}

/** Bars of one look that lie close together become one, with their number. */
function thinned(bars: Bar[]): Bar[] {
  if (bars.length <= MAXIMUM_BARS) return bars;
  const merged: Bar[] = [];
  const open = new Map<string, Bar>();
  for (const bar of [...bars].sort((first, second) => first.from - second.from)) {
    const key = `${bar.kind} ${bar.look.name}`;
    const former = open.get(key);
    if (bar.kind !== "ticks" && former !== undefined && bar.from - former.to < 1 / MAXIMUM_BARS) {
      former.to = Math.max(former.to, bar.to);
      former.count = (former.count ?? 1) + 1;
      former.words = () => `${former.count} orders, ${former.look.word}`;
      continue;
    }
    const kept = { ...bar };
    open.set(key, kept);
    merged.push(kept);
  }
  return merged;
}

/** What a lane says to who does not see its bars. */
export function laneWords(lane: PlanLane, clock: (time: number) => string): string {
  const states = new Map<string, number>();
  // How many orders of a cycle have run its entry does not tell.
  const isCycle = (row: Planned): boolean => row.item.cyclicOrder !== undefined;
  for (const row of lane.rows) if (!isCycle(row)) states.set(row.look.word, (states.get(row.look.word) ?? 0) + 1);
  const first = clock(firstStart(lane));
  const parts = [...states].map(([word, count]) => `${count} ${word}`);
  const cycles = lane.rows.filter(isCycle);
  if (cycles.length > 0) parts.push(cycles.length === 1 ? `cycle of ${countOrders(cycles)}` : `${cycles.length} cycles`);
  return `from ${first}: ${parts.join(", ")}${lane.late > 0 ? `, ${lane.late} late` : ""}`;
}

/** The hours of a plan's day as wall times of its zone: 23 or 25 of them where clocks change. */
export function hourMarks(begin: number, end: number, hourOf: (time: number) => string, every: number): { at: number; words: string }[] {
  const marks: { at: number; words: string }[] = [];
  for (let time = begin, index = 0; time < end; time += 3_600_000, index += 1)
    if (index % every === 0) marks.push({ at: (time - begin) / (end - begin), words: hourOf(time) });
  return marks;
}

/** `yyyy-mm-dd` arithmetic on the calendar, no time zone involved. */
export function addDays(date: string, days: number): string {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day + days)).toISOString().slice(0, 10);
}

export const isDate = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && addDays(text, 0) === text;

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
export const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"] as const;

export const weekday = (date: string): number => new Date(`${date}T00:00:00Z`).getUTCDay();

/** `Tue 24 Nov 2026` */
export function dateWords(date: string): string {
  const [year, month, day] = date.split("-").map(Number);
  return `${WEEKDAYS[weekday(date)]} ${day} ${MONTHS[(month ?? 1) - 1]?.slice(0, 3)} ${year}`;
}

/** The dates of a month in weeks from Monday on; `undefined` pads. */
export function weeksOf(year: number, month: number): (string | undefined)[][] {
  const first = `${year}-${String(month).padStart(2, "0")}-01`;
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const cells: (string | undefined)[] = Array.from({ length: (weekday(first) + 6) % 7 }, () => undefined);
  for (let day = 0; day < length; day += 1) cells.push(addDays(first, day));
  while (cells.length % 7 !== 0) cells.push(undefined);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

/** Why a date shows no orders, and what to do, in sentences (ui.md S8 States). */
export function whyEmpty(day: { date: string; today: string; daysAheadPlan: number; plans: readonly unknown[]; nextRun?: number }, when: (time: number) => string): string {
  if (day.plans.length > 0) return "This day has been planned: no schedule starts anything, or its orders have been removed.";
  if (day.date < day.today) return "This day was not planned while it was to come.";
  if (day.daysAheadPlan === 0) return "The service that plans days ahead is switched off (setting days_ahead_plan is 0).";
  const last = addDays(day.today, day.daysAheadPlan);
  if (day.date > last) return `Days are planned ${day.daysAheadPlan} ahead, at present until ${dateWords(last)}.`;
  const next = day.nextRun === undefined ? "" : ` The service runs next ${when(day.nextRun)}; it plans from tomorrow on.`;
  return `Nothing has been planned for this day yet.${next}`;
}
