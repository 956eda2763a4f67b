import { describe, expect, it } from "vitest";
import { type GivenStart, newStartOf, startProblem } from "./start";

const GIVEN: GivenStart = { choice: "at", when: "", offset: "", date: "", timeZone: "Europe/Berlin" };

describe("a new start time", () => {
  it("is written as the API takes it", () => {
    expect(newStartOf({ ...GIVEN, when: "2026-11-24T18:00" })).toEqual({ scheduledFor: "2026-11-24 18:00", timeZone: "Europe/Berlin" });
    expect(newStartOf({ ...GIVEN, choice: "by", offset: "1:15" })).toEqual({ scheduledFor: "cur + 01:15" });
    expect(newStartOf({ ...GIVEN, choice: "by", offset: "-00:30" })).toEqual({ scheduledFor: "cur - 00:30" });
    expect(newStartOf({ ...GIVEN, choice: "date", date: "2026-12-01" })).toEqual({ scheduledFor: "2026-12-01" });
    expect(newStartOf({ ...GIVEN, choice: "never" })).toEqual({ scheduledFor: "never" });
  });
  it("is asked for as long as it is missing or wrong", () => {
    expect(startProblem(GIVEN)).toContain("date and time");
    expect(startProblem({ ...GIVEN, choice: "by", offset: "90" })).toContain("hours and minutes");
    expect(startProblem({ ...GIVEN, choice: "by", offset: "0:75" })).toContain("hours and minutes");
    expect(startProblem({ ...GIVEN, choice: "date", date: "2026-02-30" })).toContain("which date");
    expect(startProblem({ ...GIVEN, choice: "now" })).toBeUndefined();
  });
});
