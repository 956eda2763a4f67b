/** The daily plan (ui.md S8): its shapes, reads and changes (cockpit-api 7, cockpit-services 4.7). */
import { queryOptions } from "@tanstack/react-query";
import { type Change } from "./changes";
import { get, NATIVE, post } from "./http";
import { type OrderRow, type Page } from "./types";

/** An item of `daily_plan/orders`: one order, or all orders of a cycle. Times are ISO texts. */
export interface PlanItem {
  controllerId: string;
  orderId: string;
  orderName: string;
  workflowPath: string;
  schedulePath?: string;
  tags?: string[];
  plannedStartTime: string;
  expectedEndTime?: string;
  /** 0: at one time; 1: in a cycle. */
  startMode: number;
  late: boolean;
  submitted: boolean;
  state: { _text: string };
  /** `repeat` in seconds. */
  period?: { begin?: string; end?: string; repeat?: number };
  cyclicOrder?: { count: number; firstOrderId: string; firstStart: string; lastOrderId: string; lastStart: string };
  startTime?: string;
  endTime?: string;
  historyId?: string;
  exitCode?: number;
}

/** The frame of a plan's day; times are epoch milliseconds. */
export interface PlanDay {
  date: string;
  today: string;
  timeZone: string;
  begin: number;
  end: number;
  daysAheadPlan: number;
  daysAheadSubmit: number;
  plans: { controllerId: string; created: number; isComplete: boolean }[];
  lastRun?: number;
  nextRun?: number;
}

/** How many orders start on a date; `planned`: as planned, else as forecast. */
export interface ProjectedDay {
  planned: boolean;
  numOfOrders?: number;
  numOfNonPeriods?: number;
}

export interface ProjectionFilter {
  schedulePaths?: string[];
  workflowPaths?: string[];
  withoutStartTime?: boolean;
}

const PLAN = ["plan"] as const;
/** Everything that a change of plans makes old. */
export const PLAN_KEYS = [PLAN];

export const planDayQuery = (date: string | undefined) =>
  queryOptions({
    queryKey: [...PLAN, "day", date ?? "today"],
    queryFn: ({ signal }) => get<PlanDay>(`${NATIVE}plan/day`, { date }, signal),
    staleTime: 30_000,
    refetchInterval: 60_000,
  });

export const planOrdersQuery = (date: string) =>
  queryOptions({
    queryKey: [...PLAN, "orders", date],
    queryFn: async ({ signal }) => {
      const answer = await post<{ plannedOrderItems: PlanItem[] }>("daily_plan/orders", { dailyPlanDateFrom: date }, signal);
      return answer.plannedOrderItems;
    },
    staleTime: 30_000,
  });

/** Orders by state; those of cycles one by one. */
export interface PlanSummary {
  submitted: number;
  submittedLate: number;
  planned: number;
  plannedLate: number;
  finished: number;
}

export const planSummaryQuery = (date: string) =>
  queryOptions({
    queryKey: [...PLAN, "summary", date],
    queryFn: ({ signal }) => post<PlanSummary>("daily_plan/orders/summary", { dailyPlanDateFrom: date }, signal),
    staleTime: 10_000,
  });

/** The orders of the cycle that one of them stands for. */
export const cycleQuery = (item: PlanItem) =>
  queryOptions({
    queryKey: [...PLAN, "cycle", item.orderId],
    queryFn: async ({ signal }) => {
      const request = { controllerIds: [item.controllerId], orderIds: [item.orderId], expandCycleOrders: true };
      return (await post<{ plannedOrderItems: PlanItem[] }>("daily_plan/orders", request, signal)).plannedOrderItems;
    },
    staleTime: 10_000,
  });

/** The live states of a date's orders at their Controllers: the plan itself knows only that they have been submitted. */
export const planLiveQuery = (date: string) =>
  queryOptions({
    queryKey: [...PLAN, "live", date],
    queryFn: async ({ signal }) => {
      const page = await get<Page<OrderRow>>(`${NATIVE}orders`, { q: `order:#${date}#* -state:scheduled,finished,cancelled`, limit: 500 }, signal);
      return new Map(page.rows.map((row) => [row.orderId, row.state._text]));
    },
    staleTime: 10_000,
  });

export const projectionsQuery = (year: number, filter: ProjectionFilter) =>
  queryOptions({
    queryKey: [...PLAN, "projections", year, filter],
    queryFn: async ({ signal }) => {
      const request = { dateFrom: `${year}-01-01`, dateTo: `${year}-12-31`, ...filter };
      type Answer = { surveyDate?: string; years: Record<string, Record<string, Record<string, ProjectedDay>>> };
      const { surveyDate, years } = await post<Answer>("daily_plan/projections/calendar", request, signal);
      const days = new Map(Object.values(years[String(year)] ?? {}).flatMap((month) => Object.entries(month)));
      return { surveyDate, days };
    },
    staleTime: 60_000,
  });

export const plannedVariablesQuery = (item: Pick<PlanItem, "controllerId" | "orderId">) =>
  queryOptions({
    queryKey: [...PLAN, "variables", item.orderId],
    queryFn: async ({ signal }) => {
      const request = { controllerId: item.controllerId, orderId: item.orderId };
      return (await post<{ variables: Record<string, unknown> }>("daily_plan/order/variables", request, signal)).variables;
    },
    staleTime: 0,
  });

interface Commented {
  comment?: string;
}

/** Either the orders that are named, or all of a date. */
export interface PlanSelection extends Commented {
  controllerId: string;
  orderIds: string[];
}

const commented = (body: Record<string, unknown>, { comment }: Commented): Record<string, unknown> =>
  comment ? { ...body, auditLog: { comment } } : body;

function onOrders(verb: string, { controllerId, orderIds, comment }: PlanSelection): Change {
  return { path: `daily_plan/orders/${verb}`, body: commented({ controllerIds: [controllerId], orderIds }, { comment: comment ?? "" }) };
}

export const submitPlanned = (selection: PlanSelection): Change => onOrders("submit", selection);
export const cancelPlanned = (selection: PlanSelection): Change => onOrders("cancel", selection);
export const removePlanned = (selection: PlanSelection): Change => onOrders("delete", selection);

export interface NewStart {
  /** `2027-01-31 18:00`, `2027-01-31`, `now`, `cur + 00:30`, `never`. */
  scheduledFor?: string;
  timeZone?: string;
  stickDailyPlanDate?: boolean;
}

function atNewStart(verb: string, { controllerId, orderIds, comment }: PlanSelection, { scheduledFor, timeZone, stickDailyPlanDate }: NewStart): Change {
  const start = { ...(scheduledFor ? { scheduledFor } : {}), ...(timeZone ? { timeZone } : {}), ...(stickDailyPlanDate ? { stickDailyPlanDate } : {}) };
  return { path: `daily_plan/orders/${verb}`, body: commented({ controllerId, orderIds, ...start }, { comment: comment ?? "" }) };
}

export const copyPlanned = (selection: PlanSelection, start: NewStart): Change => atNewStart("copy", selection, start);
export const movePlanned = (selection: PlanSelection, start: NewStart): Change => atNewStart("modify", selection, start);

export function changeVariables({ controllerId, orderIds, comment }: PlanSelection, variables: Record<string, unknown>, removeVariables: string[]): Change {
  const body = { controllerId, orderIds, variables, ...(removeVariables.length === 0 ? {} : { removeVariables }) };
  return { path: "daily_plan/orders/modify", body: commented(body, { comment: comment ?? "" }) };
}

export const changePlannedPriority = ({ controllerId, orderIds, comment }: PlanSelection, priority: number): Change => ({
  path: "daily_plan/orders/modify/priority",
  body: commented({ controllerId, orderIds, priority }, { comment: comment ?? "" }),
});

export interface Generation extends Commented {
  controllerId: string;
  dailyPlanDates: string[];
  schedulePaths: string[];
  overwrite: boolean;
  withSubmit: boolean;
  includeLate: boolean;
  includeNonAutoPlannedOrders: boolean;
}

export function generatePlan({ comment, schedulePaths, controllerId, dailyPlanDates, ...flags }: Generation): Change {
  const wanted = Object.fromEntries(Object.entries(flags).filter(([, isOn]) => isOn));
  const schedules = schedulePaths.length === 0 ? {} : { schedulePaths: { singles: schedulePaths } };
  const body = { controllerId, dailyPlanDates, ...schedules, ...wanted };
  return { path: "daily_plan/orders/generate", body: commented(body, { comment: comment ?? "" }) };
}

export const recreateProjections = (): Change => ({ path: "daily_plan/projections/recreate", body: {} });

/** Forget that a date has been planned, so that the service plans it anew; nothing is done if an order is submitted. */
export const forgetPlan = (controllerId: string, date: string, comment: string): Change => ({
  path: "daily_plan/submissions/delete",
  body: commented({ controllerId, filter: { dateFor: date } }, { comment }),
});
