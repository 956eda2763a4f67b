import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOf, diffLines, folded, linesOf, merged, sideBySide } from "./diff";
import { jsonText, pathAt, pathsOfObjects, placeOf, readJson } from "./json_text";

const lines = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 });

describe("JSON text", () => {
  it("knows the place of every value, and the value at every place", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value, null, 2);
        const read = readJson(text);
        expect(read.fault).toBeUndefined();
        expect(read.value).toEqual(JSON.parse(text));
        for (const { value: start, end } of read.places.values()) expect(() => JSON.parse(text.slice(start, end)) as unknown).not.toThrow();
      }),
    );
  });

  it("names members as the server's findings do", () => {
    const read = readJson('{"jobs": {"load": {"agentName": "a"}}, "instructions": [{"TYPE": "Fail"}]}');
    expect([...read.places.keys()]).toEqual(["$", "$.jobs", "$.jobs.load", "$.jobs.load.agentName", "$.instructions", "$.instructions[0]", "$.instructions[0].TYPE"]);
    expect(read.text.slice(placeOf(read, "$.jobs.load.agentName").start)).toMatch(/^"agentName"/);
    expect(placeOf(read, "$.jobs.load.executable.script")).toEqual(placeOf(read, "$.jobs.load"));
    expect(pathAt(read, read.text.indexOf("Fail"))).toBe("$.instructions[0].TYPE");
    expect(pathAt(read, read.text.indexOf(']}') + 1)).toBe("$.instructions");
  });

  it.each([
    ['{"a": 1,}', "member in double quotes", 8],
    ['{"a" 1}', 'colon is missing after "a"', 5],
    ['{"a": 1 "b": 2}', "comma or }", 8],
    ["[1 2]", "comma or ]", 3],
    ['{"a": ', "ends too early", 6],
    ['{"a": nope}', "value is expected", 6],
    ["{} x", "after the end", 3],
    ['{"a": "x\\q"}', "wrong escape", 6],
    ['{"a": 12345678901234567890}', "does not keep all digits", 6],
  ])("says what is wrong with %s and where", (text, message, offset) => {
    const { fault, value } = readJson(text);
    expect(value).toBeUndefined();
    expect(fault?.message).toContain(message);
    expect(fault?.offset).toBe(offset);
  });

  it.each(["0", "-1.50", "9007199254740991", "1e3", "0.1", "123456.789012345", "1e-7"])("takes the number %s as it is", (number) => {
    expect(readJson(`[${number}]`).value).toEqual([Number(number)]);
  });

  it("has the places before a fault", () => {
    const read = readJson('{"a": {"b": 1}, "c": [1,, 2]}');
    expect(read.places.has("$.a.b")).toBe(true);
    expect(read.places.has("$.c[0]")).toBe(true);
  });

  it("finds objects by identity, and writes what people edit", () => {
    const inner = { x: 1 };
    const value = { list: [inner] };
    expect(pathsOfObjects(value).get(inner)).toBe("$.list[0]");
    expect(jsonText(null)).toBe("{}\n");
  });
});

describe("differences", () => {
  it("lead from the one text to the other, whatever they are", () => {
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const edits = diffLines(before, after);
        expect(edits.filter(({ kind }) => kind !== "added").map(({ text }) => text)).toEqual(before);
        expect(edits.filter(({ kind }) => kind !== "removed").map(({ text }) => text)).toEqual(after);
        for (const { kind, before: at, after: to, text } of edits) {
          if (kind !== "added") expect(before[at]).toBe(text);
          if (kind !== "removed") expect(after[to]).toBe(text);
        }
      }),
    );
  });

  it("are the shortest", () => {
    expect(countOf(diffLines(["a", "b", "c", "d"], ["a", "c", "x", "d"]))).toEqual({ added: 1, removed: 1 });
    expect(countOf(diffLines(["a"], ["a"]))).toEqual({ added: 0, removed: 0 });
  });

  it("stay small work for texts that have nothing in common", () => {
    const [before, after] = [Array.from({ length: 4000 }, (_, n) => `a${n}`), Array.from({ length: 4000 }, (_, n) => `b${n}`)];
    expect(countOf(diffLines(before, after))).toEqual({ added: 4000, removed: 4000 });
  });

  it("stand side by side, with gaps for what is the same", () => {
    const before = [..."abcdefghij"];
    const rows = folded(sideBySide(diffLines(before, [..."aBcdefghijk"])), 1);
    expect(rows).toEqual([
      { kind: "same", left: { line: 1, text: "a" }, right: { line: 1, text: "a" } },
      { kind: "changed", left: { line: 2, text: "b" }, right: { line: 2, text: "B" } },
      { kind: "same", left: { line: 3, text: "c" }, right: { line: 3, text: "c" } },
      { kind: "gap", lines: 6 },
      { kind: "same", left: { line: 10, text: "j" }, right: { line: 10, text: "j" } },
      { kind: "added", right: { line: 11, text: "k" } },
    ]);
  });
});

describe("merging", () => {
  const base = "a\nb\nc\nd\ne\n";
  it("takes both changes where they do not touch each other", () => {
    expect(merged(base, "a\nB\nc\nd\ne\n", "a\nb\nc\nd\nE\nf\n")).toBe("a\nB\nc\nd\nE\nf\n");
  });
  it("does not guess where they do", () => {
    expect(merged(base, "a\nB\nc\nd\ne\n", "a\nX\nc\nd\ne\n")).toBeUndefined();
  });
  it("takes the same change once", () => {
    expect(merged(base, "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n")).toBe("a\nB\nc\nd\ne\n");
  });
  it("of a change and no change is the change", () => {
    fc.assert(
      fc.property(lines, lines, (one, other) => {
        const [origin, changed] = [one, other].map((list) => list.map((line) => `${line}\n`).join("")) as [string, string];
        expect(merged(origin, changed, origin)).toBe(changed);
        expect(merged(origin, origin, changed)).toBe(changed);
      }),
    );
  });
  it("reads lines with and without a last line end", () => {
    expect(linesOf("a\nb")).toEqual(linesOf("a\nb\n"));
  });
});
