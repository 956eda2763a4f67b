import { describe, expect, it } from "vitest";
import { argumentsOf, fieldsOf, problemOf, undeclaredAllowed } from "./arguments";

const preparation = {
  parameters: {
    date: { type: "String", facet: "\\d{4}-\\d{2}-\\d{2}" },
    limit: { type: "Number", default: "7" },
    verbose: { type: "Boolean", default: "false" },
    regions: { type: { TYPE: "List", elementType: "String" }, default: "['eu']" },
    table: { type: { TYPE: "List", elementType: { TYPE: "Object", a: "String" } }, default: "[]" },
    name: { type: "String", default: "'nightly'" },
    fixed: { final: "1" },
  },
};
const fields = fieldsOf(preparation);
const field = (name: string) => {
  const found = fields.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

describe("the form of declared parameters", () => {
  it("asks for everything but final values, and knows what is required", () => {
    expect(fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ["date", "text", true],
      ["limit", "number", false],
      ["verbose", "boolean", false],
      ["regions", "list", false],
      ["table", "json", false],
      ["name", "text", false],
    ]);
    expect(field("name").defaultText).toBe("nightly");
  });

  it.each([
    ["date", "", "date is required."],
    ["date", "24 Nov", "date must match \\d{4}-\\d{2}-\\d{2}."],
    ["date", "2026-11-24", undefined],
    ["limit", "", undefined],
    ["limit", "seven", "limit must be a number, such as 42 or 1.5."],
    ["table", "[{", 'table must be JSON, such as [{"name": "a"}] or {"a": 1}.'],
  ])("%s = %j: %s", (name, value, problem) => expect(problemOf(field(name), value)).toBe(problem));

  it("sends typed values, and nothing for what was left to its default", () => {
    const values = { date: "2026-11-24", limit: "1.5", verbose: "true", regions: ["eu", "", "us"], table: '[{"a":"x"}]', name: "" };
    expect(argumentsOf(fields, values)).toEqual({ date: "2026-11-24", limit: 1.5, verbose: true, regions: ["eu", "us"], table: [{ a: "x" }] });
  });

  it("does not round numbers that are too long for JavaScript", () => {
    expect(argumentsOf(fields, { limit: "12345678901234567890" })).toEqual({ limit: "12345678901234567890" });
  });

  it("allows undeclared arguments only if the workflow does", () => {
    expect(undeclaredAllowed(undefined)).toBe(true);
    expect(undeclaredAllowed({})).toBe(false);
    expect(undeclaredAllowed({ allowUndeclared: true })).toBe(true);
  });
});
