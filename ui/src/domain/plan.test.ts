import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlanItem } from "../api/plan";
import { parseFilter } from "./filter";
import { addDays, barsOf, countOrders, dateWords, hourMarks, isDate, lanes, laneWords, matchesPlanned, planAllows, planned, weeksOf, whyEmpty } from "./plan";

const BEGIN = Date.parse("2026-11-24T00:00:00Z");
const END = BEGIN + 86_400_000;
const NOW = Date.parse("2026-11-24T12:00:00Z");
const clock = (time: number): string => new Date(time).toISOString().slice(11, 16);

function item(start: string, members: Partial<PlanItem> = {}): PlanItem {
  return {
    controllerId: "controller",
    orderId: `#2026-11-24#P1-${start}`,
    orderName: "nightly",
    workflowPath: "/etl/nightly",
    schedulePath: "/plans/nightly",
    plannedStartTime: `2026-11-24T${start}:00Z`,
    expectedEndTime: `2026-11-24T${start}:30Z`,
    startMode: 0,
    late: false,
    submitted: false,
    state: { _text: "PLANNED" },
    ...members,
  };
}
const started = (start: string, members: Partial<PlanItem> = {}) => item(start, { submitted: true, state: { _text: "SUBMITTED" }, startTime: `2026-11-24T${start}:00Z`, ...members });
const cycle = item("08:00", { submitted: true, state: { _text: "SUBMITTED" }, cyclicOrder: { count: 5, firstOrderId: "a", lastOrderId: "b", firstStart: "2026-11-24T08:00:00Z", lastStart: "2026-11-24T16:00:00Z" } });

describe("a planned order", () => {
  it("has the plan's state until it starts, then the one at its Controller", () => {
    const words = (one: PlanItem, live?: Map<string, string>) => planned(one, NOW, live).look.word;
    expect(words(item("02:00"))).toBe("planned");
    expect(words(item("02:00", { submitted: true, state: { _text: "SUBMITTED" } }))).toBe("submitted");
    expect(words(started("02:00"))).toBe("in progress");
    expect(words(started("02:00"), new Map([["#2026-11-24#P1-02:00", "FAILED"]]))).toBe("failed");
    expect(words(item("02:00", { state: { _text: "FINISHED" }, exitCode: 0 }))).toBe("finished");
    expect(words(item("02:00", { state: { _text: "FINISHED" }, exitCode: 3 }))).toBe("exit 3");
    expect(words(item("02:00", { state: { _text: "NEW" } }))).toBe("? new");
  });
  it("is late by what it waits, or has waited, from a minute on", () => {
    expect(planned(item("11:30", { late: true }), NOW).lateBy).toBe(1_800_000);
    expect(planned(started("02:00", { late: true, startTime: "2026-11-24T02:14:00Z" }), NOW).lateBy).toBe(840_000);
    expect(planned(started("02:00", { late: true, startTime: "2026-11-24T02:00:59Z" }), NOW).lateBy).toBeUndefined();
  });
  it("allows what its state allows, and says why not", () => {
    const fresh = planned(item("18:00"), NOW);
    const submitted = planned(item("18:00", { submitted: true, state: { _text: "SUBMITTED" } }), NOW);
    const running = planned(started("02:00"), NOW);
    expect(planAllows("submit", fresh)).toBe(true);
    expect(planAllows("cancel", fresh)).toContain("not submitted");
    expect(planAllows("cancel", submitted)).toBe(true);
    expect(planAllows("remove", submitted)).toContain("cancel it first");
    expect(planAllows("move", submitted)).toBe(true);
    expect(planAllows("move", running)).toContain("has started");
    expect(planAllows("cancel", running)).toContain("has started");
    expect(planAllows("copy", running)).toBe(true);
    // Of a cycle that has begun the rest can still be moved.
    expect(planAllows("move", planned({ ...cycle, startTime: "2026-11-24T08:00:00Z" }, NOW))).toBe(true);
  });
});

describe("the day", () => {
  it("counts orders, not cycles", () => {
    expect(countOrders([cycle, item("18:00"), started("02:00")].map((one) => planned(one, NOW)))).toBe(7);
  });
  it("is filtered by the filter language", () => {
    const row = planned(item("11:00", { late: true, tags: ["eu"] }), NOW);
    for (const text of ["", "nightly", "workflow:nightly", "workflow:/etl/*", "schedule:plans/*", "folder:/etl", "folder:/", "state:planned", "tag:eu", "late:yes", "-state:finished"])
      expect([text, matchesPlanned(parseFilter(text), row)]).toEqual([text, true]);
    for (const text of ["weekly", "folder:/et", "late:no", "-late:yes", "state:failed", "agent:a1"])
      expect([text, matchesPlanned(parseFilter(text), row)]).toEqual([text, false]);
  });
  it("says why it is empty", () => {
    const day = { date: "2026-11-26", today: "2026-11-24", daysAheadPlan: 7, plans: [] };
    const when = () => "tomorrow 05:30";
    expect(whyEmpty({ ...day, plans: [1] }, when)).toContain("has been planned");
    expect(whyEmpty({ ...day, daysAheadPlan: 0 }, when)).toContain("switched off");
    expect(whyEmpty({ ...day, date: "2026-11-23" }, when)).toContain("was not planned");
    expect(whyEmpty({ ...day, date: "2026-12-24" }, when)).toContain("until Tue 1 Dec 2026");
    expect(whyEmpty({ ...day, nextRun: 1 }, when)).toContain("runs next tomorrow 05:30");
  });
});

describe("the timeline", () => {
  it("draws what is planned, what has happened, and the gap between", () => {
    const kinds = (one: PlanItem) => barsOf(planned(one, NOW), BEGIN, END, NOW, clock).map((bar) => [bar.kind, bar.from, bar.to]);
    expect(kinds(item("18:00", { expectedEndTime: "2026-11-24T21:00:00Z" }))).toEqual([["planned", 0.75, 0.875]]);
    expect(kinds(started("06:00", { endTime: "2026-11-24T09:00:00Z" }))).toEqual([["actual", 0.25, 0.375]]);
    expect(kinds(started("06:00"))).toEqual([["actual", 0.25, 0.5]]);
    expect(kinds(item("06:00", { late: true }))).toEqual([["gap", 0.25, 0.5], ["planned", 0.25, expect.closeTo(0.2503, 3)]]);
  });
  it("draws a cycle as ticks in one bar", () => {
    const [bar] = barsOf(planned(cycle, NOW), BEGIN, END, NOW, clock);
    expect(bar?.ticks).toHaveLength(5);
    expect(bar?.ticks?.[1]).toBeCloseTo(10 / 24);
    expect(bar?.words()).toBe("nightly: 5 starts, 08:00 to 16:00; the next is submitted");
  });
  it("has a lane per workflow, schedule or folder, by their first start", () => {
    const rows = [item("18:00"), item("05:00", { workflowPath: "/etl/early" }), item("19:00", { workflowPath: "/fin/close" })].map((one) => planned(one, NOW));
    const keys = (by: "workflow" | "folder" | "schedule") => lanes(rows, by, BEGIN, END, NOW, clock).map((lane) => lane.key);
    expect(keys("workflow")).toEqual(["/etl/early", "/etl/nightly", "/fin/close"]);
    expect(keys("folder")).toEqual(["/etl", "/fin"]);
    expect(keys("schedule")).toEqual(["/plans/nightly"]);
    const [lane] = lanes(rows, "schedule", BEGIN, END, NOW, clock);
    expect(lane === undefined ? "" : laneWords(lane, clock)).toBe("from 05:00: 3 planned");
    const [withCycle] = lanes([...rows, planned(cycle, NOW)], "schedule", BEGIN, END, NOW, clock);
    expect(withCycle === undefined ? "" : laneWords(withCycle, clock)).toBe("from 05:00: 3 planned, cycle of 5");
  });
  it("stays drawable with ten thousand orders in a lane, and loses none", () => {
    const rows = Array.from({ length: 10_000 }, (_, index) => {
      const start = new Date(BEGIN + index * 8000).toISOString();
      return planned(item("00:00", { orderId: String(index), plannedStartTime: start, expectedEndTime: start, state: { _text: index % 2 === 0 ? "PLANNED" : "SUBMITTED" } }), NOW);
    });
    const [lane] = lanes(rows, "workflow", BEGIN, END, NOW, clock);
    expect(lane?.bars.length).toBeLessThan(300);
    expect(lane?.bars.reduce((sum, bar) => sum + (bar.count ?? 1), 0)).toBe(10_000);
  });
  it("has 25 hours where the clock is put back", () => {
    const zone = "Europe/Berlin";
    const hour = (time: number) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", timeZone: zone }).format(time);
    const marks = hourMarks(Date.parse("2026-10-24T22:00:00Z"), Date.parse("2026-10-25T23:00:00Z"), hour, 1);
    expect(marks).toHaveLength(25);
    expect(marks.slice(1, 5).map((mark) => mark.words)).toEqual(["01", "02", "02", "03"]);
  });
});

describe("dates", () => {
  it("are calendar arithmetic, whatever the browser's zone", () => {
    expect(addDays("2026-03-28", 2)).toBe("2026-03-30");
    expect(addDays("2026-12-31", 1)).toBe("2027-01-01");
    expect(dateWords("2026-11-24")).toBe("Tue 24 Nov 2026");
    expect([isDate("2026-02-29"), isDate("2028-02-29"), isDate("today")]).toEqual([false, true, false]);
    fc.assert(fc.property(fc.integer({ min: -4000, max: 4000 }), (days) => addDays(addDays("2026-11-24", days), -days) === "2026-11-24"));
  });
  it("stand in weeks from Monday on, each day of a month once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2000, max: 2099 }), fc.integer({ min: 1, max: 12 }), (year, month) => {
        const weeks = weeksOf(year, month);
        const days = weeks.flat().filter((day) => day !== undefined);
        return weeks.every((week) => week.length === 7) && days.length === new Set(days).size && days.length >= 28 && days.every((day) => Number(day.slice(5, 7)) === month);
      }),
    );
    expect(weeksOf(2026, 11)[0]).toEqual([undefined, undefined, undefined, undefined, undefined, undefined, "2026-11-01"]);
  });
});
