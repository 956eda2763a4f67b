import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STATE_COLOURS } from "../design/tokens";
import { nodeKey, normalPosition, parsePosition, positionText } from "./positions";
import { outcomeLook, STATES, stateLook } from "./states";
import { dateTimeWords, durationWords, numberWords, plural, relativeWords, shortId, splitPath, whenWords } from "./words";

describe("states", () => {
  it("all fourteen have a word, a shape and a colour of their own", () => {
    expect(STATES).toHaveLength(14);
    for (const field of ["name", "word", "symbol", "colour"] as const)
      expect(new Set(STATES.map((state) => state[field])).size).toBe(14);
    expect(new Set(STATES.map((state) => state.colour))).toEqual(new Set(Object.keys(STATE_COLOURS)));
  });

  it("an unknown state of a newer server is shown as a question, never an error", () => {
    expect(stateLook("LEVITATING")).toMatchObject({ word: "? levitating", family: "unknown" });
    expect(stateLook(undefined).name).toBe("UNKNOWN");
  });

  it("outcomes of history use the looks of live states", () => {
    expect(outcomeLook("SUCCESSFUL")).toMatchObject({ name: "FINISHED", word: "successful" });
    expect(outcomeLook("Disrupted").family).toBe("bad");
    expect(outcomeLook("INCOMPLETE").family).toBe("active");
  });
});

describe("words", () => {
  it.each([
    [12, "12 ms"],
    [400, "0.4 s"],
    [9_960, "10 s"],
    [41_000, "41 s"],
    [192_000, "3 m 12 s"],
    [7_500_000, "2 h 05"],
    [273_600_000, "3 d 4 h"],
  ])("%i ms is %s", (milliseconds, words) => expect(durationWords(milliseconds)).toBe(words));

  it("relative times say their direction", () => {
    expect(relativeWords(0, 180_000)).toBe("3 min ago");
    expect(relativeWords(7_800_000, 0)).toBe("in 2 h 10 min");
    expect(relativeWords(0, 4000)).toBe("now");
  });

  it("times are absolute and sortable; only today's are shortened to the clock", () => {
    const time = Date.UTC(2026, 10, 24, 2, 14, 7);
    expect(dateTimeWords(time, "UTC")).toBe("2026-11-24 02:14:07");
    expect(whenWords(time, time + 3_600_000, "UTC")).toBe("02:14:07");
    expect(whenWords(time, time + 86_400_000, "UTC")).toBe("11-24 02:14");
  });

  it("ids keep both ends, numbers group by three, paths split", () => {
    const id = "#2026-11-24#P00123456789-a-long-order-name-eu";
    expect(shortId(id, 20)).toHaveLength(20);
    expect(shortId(id, 20).endsWith("e-eu")).toBe(true);
    expect(numberWords(1204)).toBe("1\u2009204");
    expect(plural(1, "order")).toBe("1 order");
    expect(splitPath("/etl/nightly")).toEqual({ folder: "/etl", name: "nightly" });
    expect(splitPath("nightly")).toEqual({ folder: "/", name: "nightly" });
  });
});

describe("positions", () => {
  const branch = fc.constantFrom("then", "else", "try+0", "catch+3", "fork+eu", "cycle+end=17,i=2", "lock", "options");
  const position = fc
    .tuple(fc.nat(99), fc.array(fc.tuple(branch, fc.nat(99)), { maxLength: 5 }))
    .map(([first, rest]) => [first, ...rest.flat()]);

  it("text and array are two forms of one value", () => {
    fc.assert(fc.property(position, (value) => void expect(parsePosition(positionText(value))).toEqual(value)));
  });

  it("normalising twice is normalising once", () => {
    fc.assert(fc.property(position, (v) => void expect(normalPosition(normalPosition(v))).toEqual(normalPosition(v))));
  });

  it("counters of tries and cycles do not make another node", () => {
    expect(nodeKey([1, "try+2", 0, "cycle+end=5,i=3", 1])).toBe("1/try:0/cycle:1");
    expect(nodeKey("1/catch+1:0")).toBe("1/catch:0");
    expect(nodeKey([])).toBeUndefined();
  });
});
