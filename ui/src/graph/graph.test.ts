import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type InstructionJson, type WorkflowJson } from "../api/types";
import { findStep, flatten, placeOf, stepsOf } from "./blocks";
import { layout, type PlacedNode } from "./layout";
import { KNOWN_TYPES } from "./notation";
import { outline, spoken, walkTo } from "./twin";

const job = (jobName: string, label?: string): InstructionJson => ({ TYPE: "Execute.Named", jobName, ...(label === undefined ? {} : { label }) });
const block = (...instructions: InstructionJson[]) => ({ instructions });

const nightly: WorkflowJson = {
  path: "/etl/nightly",
  jobs: { load: { agentName: "agent-1", executable: { TYPE: "ShellScriptExecutable", script: "true" } } },
  instructions: [
    job("extract"),
    { TYPE: "Fork", branches: [{ id: "eu", workflow: block(job("load", "load-eu")) }, { id: "us", workflow: block(job("load"), job("check")) }] },
    { TYPE: "Try", try: block(job("publish")), catch: block({ TYPE: "Retry" }), maxTries: 3, retryDelays: [60] },
    { TYPE: "If", predicate: "$returnCode == 0", then: block(job("report")), else: block() },
    { TYPE: "Prompt", question: "'release?'" },
    { TYPE: "ImplicitEnd" },
  ],
};
const steps = stepsOf(nightly);

describe("steps", () => {
  it("have the positions of the language", () => {
    expect(flatten(steps).map((step) => step.key)).toEqual([
      "0", "1", "1/fork+eu:0", "1/fork+us:0", "1/fork+us:1", "2", "2/try:0", "2/catch:0", "3", "3/then:0", "4",
    ]);
    expect(findStep(steps, "1/fork+eu:0")).toMatchObject({ title: "load-eu", summary: "load · agent-1" });
  });

  it("take orders to their node, ends of blocks to the block, the end to the end", () => {
    expect(placeOf(steps, [2, "try+1", 0])).toBe("2/try:0");
    expect(placeOf(steps, [1, "fork+eu", 1])).toBe("1");
    expect(placeOf(steps, "1/fork+us:1")).toBe("1/fork+us:1");
    expect(placeOf(steps, [5])).toBe("end");
    expect(placeOf(steps, undefined)).toBe("start");
  });

  it("of an unknown TYPE are drawn with their name", () => {
    const [strange] = stepsOf({ path: "x", instructions: [{ TYPE: "Levitate" }] });
    expect(strange).toMatchObject({ title: "Levitate", known: false, icon: "question" });
  });

  it("know every instruction of this version, and the engine's spelling of If", () => {
    for (const type of ["Execute.Named", "Execute.Anonymous", "If", "Try", "Retry", "Fork", "Fail", "Finish", "Sleep", "Prompt", "Stop", "EmptyInstruction"])
      expect(KNOWN_TYPES).toContain(type);
    const [choice] = stepsOf({ path: "x", instructions: [{ TYPE: "If", ifThens: [{ predicate: "a", then: block(job("j")) }, { predicate: "b", then: block(job("k")) }] }] });
    expect(choice?.branches.map((branch) => [branch.id, branch.name])).toEqual([["then", "a"], ["then+2", "b"], ["else", "else"]]);
  });
});

const anyBlock: fc.Arbitrary<InstructionJson[]> = fc.letrec((tie) => {
  const inner = tie("block") as fc.Arbitrary<InstructionJson[]>;
  const wrap = (instructions: InstructionJson[]) => ({ instructions });
  return {
    block: fc.array(tie("instruction"), { maxLength: 3 }),
    instruction: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      fc.constantFrom<InstructionJson>(job("a"), job("a-job-with-quite-a-long-name", "label"), { TYPE: "Sleep", duration: "3" }, { TYPE: "Unknown" }),
      fc.tuple(inner, inner).map(([one, two]): InstructionJson => ({ TYPE: "If", predicate: "$x", then: wrap(one), else: wrap(two) })),
      fc.tuple(inner, inner, fc.boolean()).map(([one, two, again]): InstructionJson => ({ TYPE: "Try", try: wrap(one), catch: wrap(again ? [...two, { TYPE: "Retry" }] : two) })),
      fc.array(inner, { minLength: 1, maxLength: 3 }).map((lists): InstructionJson => ({ TYPE: "Fork", branches: lists.map((list, index) => ({ id: `b${index}`, workflow: wrap(list) })) })),
      inner.map((list): InstructionJson => ({ TYPE: "Cycle", cycleWorkflow: wrap(list) })),
    ),
  };
})["block"] as fc.Arbitrary<InstructionJson[]>;

const overlap = (a: PlacedNode, b: PlacedNode): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const inside = (inner: PlacedNode, outer: PlacedNode): boolean =>
  inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width && inner.y + inner.height <= outer.y + outer.height;

describe.each(["tb", "lr"] as const)("the layout %s", (direction) => {
  it("draws each step once; nothing overlaps but frames and what they hold; all lies within the drawing", () => {
    fc.assert(
      fc.property(anyBlock, (instructions) => {
        const tree = stepsOf({ path: "x", instructions });
        const drawn = layout(tree, direction);
        expect(drawn.nodes.filter((node) => node.step !== undefined).map((node) => node.id).sort()).toEqual(flatten(tree).map((step) => step.key).sort());
        const solid = drawn.nodes.filter((node) => node.kind !== "frame" && node.kind !== "compartment");
        solid.forEach((one, index) => solid.slice(index + 1).forEach((two) => expect(overlap(one, two), `${one.id} and ${two.id}`).toBe(false)));
        for (const frame of drawn.nodes.filter((node) => node.kind === "frame"))
          for (const node of drawn.nodes)
            if (node.id.startsWith(`${frame.id}/`)) expect(inside(node, frame), `${node.id} in ${frame.id}`).toBe(true);
        for (const node of drawn.nodes)
          expect(node.x >= 0 && node.y >= 0 && node.x + node.width <= drawn.width && node.y + node.height <= drawn.height, node.id).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("is the same for the same input, and lines are orthogonal", () => {
    expect(layout(steps, direction)).toEqual(layout(stepsOf(nightly), direction));
    for (const edge of layout(steps, direction).edges)
      edge.points.slice(1).forEach(([x, y], index) => {
        const [fromX, fromY] = edge.points[index] as [number, number];
        expect(x === fromX || y === fromY, edge.id).toBe(true);
      });
  });

  it("does not move what stands before an edit", () => {
    const longer = stepsOf({ ...nightly, instructions: [...(nightly.instructions ?? []).slice(0, -1), job("more")] });
    const place = (id: string, list = steps) => layout(list, direction).nodes.find((node) => node.id === id);
    for (const id of ["0", "1", "1/fork+us:1", "2"]) expect(place(id, longer)).toMatchObject({ x: place(id)?.x, y: place(id)?.y });
  });

  it("draws a collapsed block as one step", () => {
    const drawn = layout(steps, direction, new Set(["1"]));
    expect(drawn.nodes.find((node) => node.id === "1")?.kind).toBe("step");
    expect(drawn.nodes.some((node) => node.id.startsWith("1/"))).toBe(false);
  });
});

describe("the outline", () => {
  const rows = outline(steps);
  it("says place, kind, branch and orders in words", () => {
    const row = rows.find((each) => each.key === "1/fork+eu:0");
    expect(row && spoken(row, { RUNNING: 2, FAILED: 1 })).toBe("Step 1 of 1, job load-eu, load · agent-1, in branch eu, 2 orders running, 1 failed");
  });
  it.each([
    ["0", "ArrowDown", "1"],
    ["1", "ArrowRight", "1/fork+eu:0"],
    ["1/fork+us:1", "ArrowLeft", "1"],
    ["1/fork+eu:0", "]", "1/fork+us:0"],
    ["1/fork+us:1", "[", "1/fork+eu:0"],
    ["4", "ArrowDown", undefined],
  ])("%s %s leads to %s", (from, key, to) => expect(walkTo(rows, from, key)).toBe(to));
});
