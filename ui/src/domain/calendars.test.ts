import { describe, expect, it } from "vitest";
import { alone, type CalendarJson, periodProblem, periodWords, rulesOf, startsOf, whyDay, withDay, withoutRule, withRule } from "./calendars";

const WORK: CalendarJson = {
  type: "WORKINGDAYSCALENDAR",
  title: "kept",
  includes: {
    weekdays: [{ days: [1, 2, 3, 4, 5], from: "2026-01-01" }],
    monthdays: [{ days: [1, 15] }, { weeklyDays: [{ day: 1, weekOfMonth: 2 }] }],
    ultimos: [{ days: [1] }, { weeklyDays: [{ day: 5, weekOfMonth: 1 }] }],
    repetitions: [{ repetition: "WEEKLY", from: "2026-01-07", step: 2 }],
    months: [{ months: [7], monthdays: [{ days: [1] }] }],
    dates: ["2026-12-24"],
  },
  excludes: { holidays: [{ nationalCalendar: "DE", dates: ["2026-12-25"] }], nonWorkingDayCalendars: ["works-council"] },
};

describe("a calendar", () => {
  it("is read rule by rule", () => {
    expect(rulesOf(WORK).map(({ side, words }) => `${side === "includes" ? "+" : "-"} ${words}`)).toEqual([
      "+ Monday to Friday, from 2026-01-01",
      "+ day 1, 15 of the month",
      "+ 2nd Monday of the month",
      "+ last day of the month",
      "+ last Friday of the month",
      "+ every 2 weeks, from 2026-01-07",
      "+ rules of July",
      "+ Thu 24 Dec 2026",
      "- holidays of DE: Fri 25 Dec 2026",
      "- days of calendar works-council",
    ]);
    expect(rulesOf({ includes: { weekdays: [{ days: [7, 1, 2, 3, 4, 5, 6] }] } })[0]?.words).toBe("every day");
    expect(rulesOf({})).toEqual([]);
  });
  it("is changed without losing what is not known here", () => {
    const added = withRule(WORK, "excludes", "weekdays", { days: [6] });
    expect(added.title).toBe("kept");
    expect(added.excludes?.weekdays).toEqual([{ days: [6] }]);
    const first = rulesOf(WORK)[2];
    expect(first === undefined ? undefined : withoutRule(WORK, first).includes?.monthdays).toEqual([{ days: [1, 15] }]);
    const council = rulesOf(WORK).at(-1);
    const without = council === undefined ? WORK : withoutRule(WORK, council);
    expect(without.excludes).toEqual({ holidays: WORK.excludes?.holidays });
    expect(WORK.excludes?.nonWorkingDayCalendars).toEqual(["works-council"]);
  });
  it("has single days put in and taken out, back to what it was", () => {
    const out = withDay(WORK, "2026-12-28", false);
    expect(out.excludes?.dates).toEqual(["2026-12-28"]);
    expect(withDay(out, "2026-12-28", true)).toEqual(WORK);
    expect(withDay(WORK, "2026-12-24", false).includes?.dates).toBeUndefined();
    expect(withDay({ type: "X" }, "2026-12-24", true)).toEqual({ type: "X", includes: { dates: ["2026-12-24"] } });
  });
  it("asks the server about one rule at a time, also about what takes days out", () => {
    const rules = rulesOf(WORK);
    expect(rules.map((rule) => Object.keys(alone(WORK, rule).includes ?? {}))).toEqual(rules.map(({ kind }) => [kind]));
    expect(alone(WORK, rules[2] as never).includes).toEqual({ monthdays: [{ weeklyDays: [{ day: 1, weekOfMonth: 2 }] }] });
  });
  it("says why a day counts or not", () => {
    const [weekdays] = rulesOf(WORK);
    const holidays = rulesOf(WORK)[8];
    if (weekdays === undefined || holidays === undefined) throw new Error("the sample has changed");
    expect(whyDay(true, [weekdays], true)).toBe("In: put in by Monday to Friday, from 2026-01-01.");
    expect(whyDay(false, [weekdays, holidays], true)).toContain("but taken out by holidays of DE");
    expect(whyDay(false, [], true)).toContain("no rule");
    expect(whyDay(false, [weekdays], false)).toContain("does not reach");
  });
});

describe("a schedule", () => {
  it("has periods in words", () => {
    expect(periodWords({ singleStart: "02:00:00", whenHoliday: "SUPPRESS" })).toBe("at 02:00:00, does not start on non-working days");
    expect(periodWords({ begin: "08:00", end: "10:00", repeat: "00:30:00" })).toBe("every 00:30:00 from 08:00 to 10:00");
  });
  it("is warned of a repeat that would be read as minutes and seconds", () => {
    expect(periodProblem({ singleStart: "02:00" })).toBeUndefined();
    expect(periodProblem({ singleStart: "2 am" })).toContain("no time");
    expect(periodProblem({ begin: "08:00", end: "24:00", repeat: "00:15" })).toContain("minutes and seconds");
    expect(periodProblem({ begin: "08:00" })).toContain("Say after what time");
    expect(periodProblem({ begin: "08:00", end: "25:00", repeat: "00:15:00" })).toContain("25:00");
  });
  it("shows the coming starts by date", () => {
    const dates = { "2026-12-23": { periods: [{ singleStart: "2026-12-23T01:00:00.000Z" }] }, "2026-12-22": { periods: [{ begin: "2026-12-22T07:00:00Z", end: "2026-12-22T08:30:00Z", repeat: "00:30:00" }] } };
    expect(startsOf(dates, (time) => new Date(time).toISOString().slice(11, 16))).toEqual([
      { date: "2026-12-22", starts: ["07:00–08:30 every 00:30:00"] },
      { date: "2026-12-23", starts: ["01:00"] },
    ]);
  });
});
