/** Calendars and schedules: those of the inventory, their dates and start times; storing and releasing them. */
import { queryOptions } from "@tanstack/react-query";
import type { Assignment, CalendarJson, RunTimes, ScheduleJson } from "../domain/calendars";
import { type Change } from "./changes";
import { post } from "./http";

export type ObjectType = "WORKINGDAYSCALENDAR" | "NONWORKINGDAYSCALENDAR" | "SCHEDULE";

export interface StoredObject {
  path: string;
  name: string;
  objectType: ObjectType;
  valid: boolean;
  released: boolean;
  deleted: boolean;
}

/** `state` says how the draft stands to what is released, e.g. `DRAFT_IS_NEWER`. */
export interface ObjectContent extends StoredObject {
  configuration: CalendarJson & ScheduleJson;
  state: string;
}

const CALENDARS = ["calendars"] as const;
export const CALENDAR_KEYS = [CALENDARS, ["plan"]];
const TYPES: Record<"calendars" | "schedules", ObjectType[]> = { calendars: ["WORKINGDAYSCALENDAR", "NONWORKINGDAYSCALENDAR"], schedules: ["SCHEDULE"] };

export const objectsQuery = (kind: "calendars" | "schedules") =>
  queryOptions({
    queryKey: [...CALENDARS, "list", kind],
    queryFn: async ({ signal }) => {
      const answer = await post<Partial<Record<string, StoredObject[]>>>("inventory/read/folder", { path: "/", recursive: true, objectTypes: TYPES[kind] }, signal);
      const items = Object.values(answer).flatMap((value) => (Array.isArray(value) ? value : []));
      return items.filter((item) => TYPES[kind].includes(item.objectType)).sort((first, second) => first.path.localeCompare(second.path));
    },
    staleTime: 10_000,
  });

export const objectQuery = (path: string, objectType: ObjectType) =>
  queryOptions({
    queryKey: [...CALENDARS, "object", objectType, path],
    queryFn: ({ signal }) => post<ObjectContent>("inventory/read/configuration", { path, objectType }, signal),
    staleTime: 5000,
    refetchOnWindowFocus: false,
  });

export interface CalendarDates {
  dates: string[];
  withExcludes: string[];
}

/** The days of a calendar as it stands in the editor. */
export const calendarDatesQuery = (calendar: CalendarJson, dateFrom: string, dateTo: string) =>
  queryOptions({
    queryKey: [...CALENDARS, "dates", calendar, dateFrom, dateTo],
    queryFn: ({ signal }) => post<CalendarDates>("inventory/calendar/dates", { calendar, dateFrom, dateTo }, signal),
    staleTime: 60_000,
  });

/** Whether a single rule, or another calendar by its name, covers a day. */
export async function covers(rule: CalendarJson | string, date: string, signal: AbortSignal): Promise<boolean> {
  const asked = typeof rule === "string" ? { path: rule } : { calendar: rule };
  return (await post<CalendarDates>("inventory/calendar/dates", { ...asked, dateFrom: date, dateTo: date }, signal)).dates.includes(date);
}

export const runTimesQuery = (schedule: ScheduleJson, dateFrom: string, dateTo: string) =>
  queryOptions({
    queryKey: [...CALENDARS, "runtime", schedule.calendars, schedule.nonWorkingDayCalendars, dateFrom, dateTo],
    queryFn: async ({ signal }) => {
      const calendars: Assignment[] = schedule.calendars ?? [];
      const request = { calendars, nonWorkingDayCalendars: schedule.nonWorkingDayCalendars ?? [], dateFrom, dateTo };
      return (await post<{ dates: RunTimes }>("schedule/runtime", request, signal)).dates;
    },
    staleTime: 60_000,
    retry: false,
  });

export const countriesQuery = () =>
  queryOptions({
    queryKey: [...CALENDARS, "countries"],
    queryFn: async ({ signal }) => (await post<{ countries: { code: string; subdivisions: string[] }[] }>("stellwerk/holidays/countries", {}, signal)).countries,
    staleTime: Number.POSITIVE_INFINITY,
  });

export async function nationalHolidays(country: string, subdivision: string, firstYear: number, lastYear: number): Promise<string[]> {
  const request = { country, firstYear, lastYear, ...(subdivision === "" ? {} : { subdivision }) };
  return (await post<{ holidays: { date: string }[] }>("stellwerk/holidays", request)).holidays.map(({ date }) => date);
}

const audited = (body: Record<string, unknown>, comment: string): Record<string, unknown> => (comment === "" ? body : { ...body, auditLog: { comment } });

export const storeObject = (path: string, objectType: ObjectType, configuration: CalendarJson | ScheduleJson, comment: string): Change => ({
  path: "inventory/store",
  body: audited({ path, objectType, configuration }, comment),
});

export const releaseObject = (path: string, objectType: ObjectType, comment: string): Change => ({
  path: "inventory/release",
  body: audited({ update: [{ path, objectType }] }, comment),
});
