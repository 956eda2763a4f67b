import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FLOWING, hold, isHeld, lookAgain, release, RELEASE_AFTER, shownRows } from "./freeze";
import { mergeRows } from "./merge";
import { PatchStore } from "./patch_store";
import { SseParser } from "./sse";

describe("server-sent events", () => {
  const text =
    ": hb\n\nevent: patch\nid: 17\ndata: {\"a\":1}\n\nevent: gap\r\ndata: {}\r\n\r\ndata: one\ndata: two\n\n: comment\n\n";
  const whole = new SseParser().push(text);

  it("are read with their name, id and lines", () => {
    expect(whole).toEqual([
      { event: "patch", data: '{"a":1}', id: "17" },
      { event: "gap", data: "{}", id: "17" },
      { event: "message", data: "one\ntwo", id: "17" },
    ]);
  });

  it("are the same however the network cuts them", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const parser = new SseParser();
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const events = places.slice(1).flatMap((end, index) => parser.push(text.slice(places[index], end)));
        expect(events).toEqual(whole);
      }),
    );
  });
});

function store(limit?: number): { store: PatchStore; flush: () => void; flushes: () => number } {
  let pending: (() => void) | undefined;
  let flushes = 0;
  const patches = new PatchStore((flush) => {
    pending = flush;
  }, limit);
  return {
    store: patches,
    flush: () => {
      const run = pending;
      pending = undefined;
      if (run !== undefined) flushes += 1;
      run?.();
    },
    flushes: () => flushes,
  };
}

describe("the patch store", () => {
  it("ends in the same state whatever the order and repetition of patches", () => {
    const patch = fc.record({ key: fc.constantFrom("a", "b", "c"), rev: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(fc.array(patch, { maxLength: 30 }), (patches) => {
        const newest = new Map<string, number>();
        for (const { key, rev } of patches) newest.set(key, Math.max(newest.get(key) ?? 0, rev));
        const world = store();
        world.store.subscribe("orders", () => undefined);
        for (const row of [...patches, ...patches.toReversed()]) world.store.apply({ topic: "orders", rows: [row] });
        world.flush();
        const rows = world.store.snapshot("orders").rows;
        expect(new Map([...rows].map(([key, row]) => [key, row.rev]))).toEqual(newest);
      }),
    );
  });

  it("tells subscribers once per flush and keeps the snapshot until something changes", () => {
    const world = store();
    let told = 0;
    world.store.subscribe("orders", () => (told += 1));
    for (let rev = 1; rev <= 50; rev += 1) world.store.apply({ topic: "orders", rows: [{ key: "a", rev }] });
    expect(told).toBe(0);
    world.flush();
    expect(told).toBe(1);
    expect(world.store.snapshot("orders")).toBe(world.store.snapshot("orders"));
    expect(world.flushes()).toBe(1);
  });

  it("holds nothing for a topic that nobody watches", () => {
    const world = store();
    const leave = world.store.subscribe("orders", () => undefined);
    world.store.apply({ topic: "orders", rows: [{ key: "a", rev: 1 }] });
    world.flush();
    leave();
    world.store.apply({ topic: "orders", rows: [{ key: "b", rev: 1 }] });
    expect(world.store.watched()).toEqual([]);
    expect(world.store.snapshot("orders").rows.size).toBe(0);
  });

  it("forgets and says gap instead of growing without bound", () => {
    const world = store(10);
    world.store.subscribe("orders", () => undefined);
    for (let n = 0; n < 11; n += 1) world.store.apply({ topic: "orders", rows: [{ key: `k${n}`, rev: 1 }] });
    world.flush();
    expect(world.store.snapshot("orders")).toMatchObject({ gap: 1 });
    expect(world.store.snapshot("orders").rows.size).toBe(0);
  });
});

interface Row {
  key: string;
  state: string;
  rev: number;
}
const row = (key: string, state: string, rev: number): Row => ({ key, state, rev });
const keyOf = (value: Row): string => value.key;

describe("merging a page with the stream", () => {
  const world = store();
  world.store.subscribe("orders", () => undefined);
  world.store.apply({
    topic: "orders",
    rows: [row("a", "failed", 5), row("b", "done", 5), row("old", "failed", 1), row("new", "failed", 2)] as never,
    removed: ["gone"],
  });
  world.flush();
  const page = [row("a", "failed", 4), row("b", "failed", 4), row("old", "done", 9), row("gone", "failed", 1)];
  const merged = mergeRows(page, world.store.snapshot("orders"), keyOf, (value) => value.state === "failed");

  it("takes the newer of both and keeps the page's order", () => {
    expect(merged.rows.map((value) => [value.key, value.rev])).toEqual([["a", 5], ["b", 5], ["old", 9], ["gone", 1]]);
  });

  it("names what leaves and what arrives", () => {
    expect([...merged.leaving].sort()).toEqual(["b", "gone", "old"]);
    expect(merged.arriving.map(keyOf)).toEqual(["new"]);
  });
});

describe("the freeze machine", () => {
  it("is held by any reason and flows again 1.5 s after the last has ended", () => {
    let freeze = hold(hold(FLOWING, "pointer"), "selection");
    expect(isHeld(freeze, 0)).toBe(true);
    freeze = release(freeze, "pointer", 100);
    expect(isHeld(freeze, 99_999)).toBe(true);
    freeze = release(freeze, "selection", 200);
    expect(isHeld(freeze, 200 + RELEASE_AFTER - 1)).toBe(true);
    expect(lookAgain(freeze, 200)).toBe(RELEASE_AFTER);
    expect(isHeld(freeze, 200 + RELEASE_AFTER)).toBe(false);
  });

  it("held: rows change in place, stay where they are, and the pill counts the rest", () => {
    const now = [row("new", "x", 1), row("a", "x", 2)];
    const shown = shownRows(true, ["a", "b"], now, keyOf, () => row("b", "gone", 1));
    expect(shown.rows.map((value) => [value.key, value.rev])).toEqual([["a", 2], ["b", 1]]);
    expect([...shown.gone]).toEqual(["b"]);
    expect(shown.waiting).toEqual({ arrived: 1, left: 1 });
  });

  it("flowing: shows what is", () => {
    const now = [row("new", "x", 1)];
    expect(shownRows(false, ["a"], now, keyOf, () => undefined)).toMatchObject({ rows: now, waiting: { arrived: 0, left: 0 } });
  });
});
