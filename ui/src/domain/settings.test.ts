import { describe, expect, it } from "vitest";
import { type Catalogue, documentOf, keyOf, settingFields, settingProblem, weekdaysOf, weekdaysText } from "./settings";

const CATALOGUE: Catalogue = {
  dailyplan: { ordering: 0, time_zone: { type: "TIMEZONE", ordering: 0, default: "Etc/UTC" }, days_ahead_plan: { type: "NONNEGATIVEINTEGER", ordering: 1, default: "7" } },
  cleanup: {
    ordering: 1,
    period: { type: "WEEKDAYS", ordering: 0 },
    force_cleanup: { type: "BOOLEAN", ordering: 1, default: "false", children: { history_pause_delay: { type: "DURATION", ordering: 0, default: "30s" } } },
  },
};
const STORED = { dailyplan: { ordering: 0, days_ahead_plan: { value: "14", ordering: 1 } }, cleanup: { period: { value: null } } };

describe("settings", () => {
  const fields = settingFields(CATALOGUE, STORED);
  it("are what is stored, else their defaults", () => {
    expect(fields.map((field) => [keyOf(field), field.value])).toEqual([
      ["dailyplan/time_zone", "Etc/UTC"],
      ["dailyplan/days_ahead_plan", "14"],
      ["cleanup/period", null],
      ["cleanup/force_cleanup", "false"],
      ["cleanup/force_cleanup/history_pause_delay", "30s"],
    ]);
  });
  it("are stored as far as they differ from their defaults, those that were changed before included", () => {
    expect(documentOf(fields, new Map([["dailyplan/time_zone", "Europe/Berlin"]]))).toEqual({
      dailyplan: { time_zone: { value: "Europe/Berlin" }, days_ahead_plan: { value: "14" } },
    });
    expect(documentOf(fields, new Map([["dailyplan/days_ahead_plan", "7"]]))).toEqual({});
  });
  it("keep a parent's value beside those of its children", () => {
    expect(documentOf(fields, new Map([["cleanup/force_cleanup/history_pause_delay", "10s"]]))).toEqual({
      dailyplan: { days_ahead_plan: { value: "14" } },
      cleanup: { force_cleanup: { value: "false", children: { history_pause_delay: { value: "10s" } } } },
    });
  });
  it("are checked by type", () => {
    const wrong: [string, string][] = [["NONNEGATIVEINTEGER", "-1"], ["POSITIVEINTEGER", "0"], ["TIME", "25:00"], ["TIME", "6"], ["DURATION", "3x"]];
    for (const [type, value] of wrong) expect([type, value, settingProblem(type, value)]).not.toEqual([type, value, undefined]);
    const right: [string, string | null][] = [["NONNEGATIVEINTEGER", "0"], ["TIME", "06:00"], ["DURATION", "90d"], ["DURATION", "0"], ["STRING", "anything"], ["TIME", null]];
    for (const [type, value] of right) expect(settingProblem(type, value)).toBeUndefined();
  });
  it("have days of the week", () => {
    expect(weekdaysOf("1,3,9,x")).toEqual([1, 3]);
    expect(weekdaysText([5, 1])).toBe("1,5");
    expect([weekdaysOf(null), weekdaysText([])]).toEqual([[], null]);
  });
});
