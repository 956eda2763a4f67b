import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type OrderRow } from "../api/types";
import { KEYS, matchesOrder, parseFilter, printFilter, valuesOf, withTerm } from "./filter";

const value = fc.stringMatching(/^[a-z0-9 "\\:,*-]{1,12}$/).filter((text) => text.trim() !== "");

describe("the filter language", () => {
  it("prints what it has read and reads what it has printed", () => {
    const term = fc.record({
      negated: fc.boolean(),
      key: fc.constantFrom(...KEYS),
      values: fc.array(value, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(term, { maxLength: 5 }), (terms) => {
        expect(parseFilter(printFilter(terms))).toEqual({ terms, problems: [] });
      }),
    );
  });

  it("names the nearest key for one that it does not know", () => {
    expect(parseFilter("stat:failed").problems).toEqual(['There is no key "stat:". Did you mean "state:"?']);
    expect(parseFilter("state:").problems).toEqual(['"state:" needs a value.']);
  });

  it("replaces one key and leaves the rest", () => {
    expect(withTerm("state:failed workflow:/etl/* text", "state", ["running", "waiting"])).toBe(
      "state:running,waiting workflow:/etl/* text",
    );
    expect(withTerm("state:failed text", "state", [])).toBe("text");
    expect(valuesOf("state:failed,broken -state:x", "state")).toEqual(["failed", "broken"]);
  });
});

describe("what a live row can tell", () => {
  const order: OrderRow = {
    controllerId: "controller",
    orderId: "#2026-11-24#T1-load",
    workflow: { path: "/etl/nightly" },
    state: { _text: "FAILED" },
    agentId: "agent-1",
  };
  it.each([
    ["state:failed", true],
    ["state:running,failed", true],
    ["-state:failed", false],
    ["workflow:/etl/*", true],
    ["workflow:nightly", true],
    ["workflow:/fin/*", false],
    ["T1-load", true],
    ["state:failed agent:agent-2", false],
    ["ended:>-2h", undefined],
    ["state:running ended:>-2h", false],
  ])("%s: %s", (text, expected) => expect(matchesOrder(parseFilter(text), order)).toBe(expected));
});
