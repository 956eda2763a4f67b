import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogRange } from "../api/types";
import { lastOverwrite, plainText, spans } from "./ansi";
import { behind, followNext, STARTING, type FollowEvent } from "./follow";
import { BLOCK, LogRanges } from "./ranges";

describe("job output", () => {
  it("has its colours as spans", () => {
    expect(spans("ok \x1b[1;31mfailed\x1b[0m done")).toEqual([{ text: "ok " }, { text: "failed", bold: true, colour: "red" }, { text: " done" }]);
    expect(spans("\x1b[38;5;2mgreen\x1b[39m\x1b[38;2;1;2;3mplain")).toEqual([{ text: "green", colour: "green" }, { text: "plain" }]);
  });
  it("loses every other escape: titles, links, cursor moves", () => {
    expect(plainText("\x1b]0;title\x07a\x1b[2Kb\x1b[10;5Hc\x1b]8;;https://evil\x1b\\d\x1b]8;;\x1b\\")).toBe("abcd");
  });
  it("shows control characters and direction overrides instead of obeying them", () => {
    expect(plainText("a\0b\u202ec")).toBe("a␀b⟨U+202E⟩c");
  });
  it("stays text: markup is not interpreted", () => {
    expect(spans("<img src=x onerror=alert(1)>")).toEqual([{ text: "<img src=x onerror=alert(1)>" }]);
  });
  it("shows of a progress bar what a terminal would", () => {
    expect(lastOverwrite("10 %\r20 %\r30 %\r\n")).toBe("30 %");
  });
  it("never loses ordinary text, whatever escapes stand between", () => {
    const text = fc.stringMatching(/^[ -~]{0,10}$/);
    const code = fc.constantFrom("\x1b[31m", "\x1b[0m", "\x1b[1;4;38;5;200m", "\x1b[m");
    fc.assert(
      fc.property(fc.array(fc.tuple(text, code), { maxLength: 8 }), (parts) => {
        expect(plainText(parts.flat().join(""))).toBe(parts.map(([words]) => words).join(""));
      }),
    );
  });
});

describe("following", () => {
  const after = (...events: FollowEvent[]) => events.reduce(followNext, STARTING);
  it.each<FollowEvent["kind"]>(["scrolled-up", "selected", "searched", "anchored"])("stops when one reads: %s", (kind) => {
    expect(after({ kind, lastLine: 10 } as FollowEvent)).toEqual({ kind: "reading", seen: 10 });
  });
  it("starts again by the person or at the end", () => {
    expect(after({ kind: "selected", lastLine: 1 }, { kind: "follow" })).toEqual({ kind: "following" });
    expect(after({ kind: "selected", lastLine: 1 }, { kind: "at-end" })).toEqual({ kind: "following" });
  });
  it("counts what came since reading began, and keeps the count while reading on", () => {
    const reading = after({ kind: "scrolled-up", lastLine: 10 }, { kind: "searched", lastLine: 50 });
    expect(behind(reading, 138)).toBe(128);
    expect(behind(STARTING, 138)).toBe(0);
  });
  it("ends with the log and goes on if the order runs again", () => {
    expect(after({ kind: "completed" }, { kind: "follow" })).toEqual({ kind: "complete" });
    expect(after({ kind: "completed" }, { kind: "continued" })).toEqual({ kind: "following" });
  });
});

/** A log on a server that grows; every request is counted and answered at the test's word. */
function server(totalLines: number) {
  const world = { totalLines, requests: [] as string[], pending: [] as (() => void)[] };
  const fetch = (from: number, to: number): Promise<LogRange> => {
    world.requests.push(`${from}-${to}`);
    return new Promise((resolve) => {
      world.pending.push(() => {
        const count = Math.max(0, Math.min(to, world.totalLines) - from + 1);
        const lines = Array.from({ length: count }, (_, index) => ({ n: from + index, t: 0, ch: "out", txt: `line ${from + index}` }));
        resolve({ lines, totalLines: world.totalLines, totalBytes: 0, complete: false });
      });
    });
  };
  const answer = async () => {
    while (world.pending.length > 0) {
      for (const reply of world.pending.splice(0)) reply();
      for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    }
  };
  return { world, fetch, answer };
}

describe("ranges of a log", () => {
  it("ask for each block once, and for nothing that is there", async () => {
    const { world, fetch, answer } = server(2500);
    const ranges = new LogRanges(fetch, () => undefined);
    ranges.ensure(1, 50);
    ranges.ensure(10, 60);
    await answer();
    ranges.ensure(1, 1100);
    await answer();
    ranges.ensure(1, 1100);
    expect(world.requests).toEqual([`1-${BLOCK}`, `${BLOCK + 1}-${2 * BLOCK}`]);
    expect(ranges.line(1100)?.txt).toBe("line 1100");
  });

  it("read the last line again, which may have been unfinished, and nothing before it", async () => {
    const { world, fetch, answer } = server(10);
    const ranges = new LogRanges(fetch, () => undefined);
    ranges.ensure(1, 10);
    await answer();
    ranges.grown();
    await answer();
    expect(world.requests).toEqual(["1-1000", "10-1000"]);
    expect([...ranges.loaded()]).toHaveLength(10);
  });

  it("of an order, whose tasks grow in the middle, are read anew where one looks", async () => {
    const { world, fetch, answer } = server(2500);
    const ranges = new LogRanges(fetch, () => undefined, false);
    ranges.ensure(1, 2500);
    await answer();
    world.requests.length = 0;
    ranges.grown();
    await answer();
    expect(world.requests).toEqual(["2001-3000"]);
    ranges.ensure(1, 50);
    ranges.ensure(1, 50);
    await answer();
    expect(world.requests).toEqual(["2001-3000", "1-1000"]);
  });

  it("read only what is new when the log grows, also over the end of a block", async () => {
    const { world, fetch, answer } = server(995);
    const ranges = new LogRanges(fetch, () => undefined);
    ranges.ensure(1, 995);
    await answer();
    world.totalLines = 1010;
    ranges.grown();
    await answer();
    ranges.ensure(990, 1010);
    await answer();
    expect(world.requests).toEqual(["1-1000", "995-1000", "1001-2000"]);
    expect([...ranges.loaded()].map((line) => line.n)).toEqual(Array.from({ length: 1010 }, (_, index) => index + 1));
  });

  it("do not miss what comes while a block is being read", async () => {
    const { world, fetch, answer } = server(5);
    const ranges = new LogRanges(fetch, () => undefined);
    ranges.ensure(1, 5);
    ranges.grown();
    ranges.grown();
    const [first] = world.pending.splice(0);
    first?.();
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    world.totalLines = 7;
    await answer();
    expect(world.requests).toEqual(["1-1000", "5-1000"]);
    expect(ranges.line(7)?.txt).toBe("line 7");
  });

  it("keep 64 blocks of a log of any size", async () => {
    const { fetch, answer } = server(200_000);
    const ranges = new LogRanges(fetch, () => undefined);
    ranges.ensure(1, 1);
    await answer();
    for (let block = 0; block < 100; block += 1) {
      ranges.ensure(block * BLOCK + 1, block * BLOCK + 1);
      await answer();
    }
    expect([...ranges.loaded()]).toHaveLength(64 * BLOCK);
    expect(ranges.line(99 * BLOCK + 1)).toBeDefined();
    expect(ranges.line(1)).toBeUndefined();
  });

  it("tell nothing after the page was left", async () => {
    const { fetch, answer } = server(10);
    let told = 0;
    const ranges = new LogRanges(fetch, () => (told += 1));
    ranges.ensure(1, 10);
    ranges.stop();
    await answer();
    expect(told).toBe(0);
  });
});
