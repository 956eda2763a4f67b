import { describe, expect, it } from "vitest";
import { type HistoryRow, type OrderEvent } from "../api/types";
import { whyLong, whyShort } from "./explain";
import { outcomeWords, story } from "./story";

let clock = 1_000_000;
const event = (type: string, payload: Record<string, unknown> = {}): OrderEvent => ({ eventId: ++clock, time: clock, type, payload });
const task = (label: string, start: number): HistoryRow => ({ taskId: label, orderId: "#1", workflow: "/w", label, start, outcome: "FAILED", agentId: "agent-1" });

describe("the story of an order", () => {
  const events = [
    event("OrderAdded"),
    event("OrderAttachable"),
    event("OrderAttached"),
    event("OrderStarted"),
    event("OrderProcessingStarted"),
    event("OrderStdoutWritten", { chunk: "hello" }),
    event("OrderProcessed", { outcome: { TYPE: "Succeeded", namedValues: { returnCode: 0 } } }),
    event("OrderMoved", { to: [1] }),
    event("OrderProcessingStarted"),
    event("OrderProcessed", { outcome: { TYPE: "Failed", namedValues: { returnCode: 12 } } }),
    event("OrderFailed"),
  ];
  const rows = story("#1", events, [task("load", 2), task("extract", 1)], clock);

  it("tells each task once, from begin to end, with its name and how it ended", () => {
    expect(rows.filter((row) => !row.minor).map((row) => [row.glyph, row.words, row.detail])).toEqual([
      ["SCHEDULED", "added", undefined],
      ["RUNNING", "started", undefined],
      ["FINISHED", "extract", "on agent-1"],
      ["FAILED", "load", "exit 12"],
      ["FAILED", "failed", undefined],
    ]);
  });

  it("folds mechanics, but loses nothing except output", () => {
    expect(rows.filter((row) => row.minor).map((row) => row.words)).toEqual(["attachable", "attached", "moved"]);
    expect(rows).toHaveLength(events.length - 3);
  });

  it("tells branches apart, also when they run at the same time", () => {
    const of = (branch: string, type: string, payload = {}): OrderEvent => ({ ...event(type, payload), orderId: `#1|${branch}` });
    const tasks = ["eu", "us"].map((branch, index) => ({ ...task(`load-${branch}`, index), orderId: `#1|${branch}` }));
    const failed = { outcome: { TYPE: "Failed", namedValues: { returnCode: 3 } } };
    const branches = [of("eu", "OrderProcessingStarted"), of("us", "OrderProcessingStarted"), of("eu", "OrderProcessed", failed), of("us", "OrderProcessed")];
    expect(story("#1", branches, tasks, clock).map((row) => [row.branch, row.words, row.glyph, row.detail])).toEqual([
      ["eu", "load-eu", "FAILED", "exit 3"],
      ["us", "load-us", "FINISHED", "on agent-1"],
    ]);
  });

  it("shows a task that still runs as running", () => {
    expect(story("#1", [event("OrderProcessingStarted")], [task("load", 1)], clock)[0]).toMatchObject({ glyph: "RUNNING", words: "load" });
  });

  it("shows an event of a newer version under its name", () => {
    expect(story("#1", [event("OrderLevitated")], [], clock)[0]).toMatchObject({ words: "levitated", minor: true });
  });
});

describe("outcomes in words", () => {
  it.each([
    [undefined, "", true],
    [{ TYPE: "Succeeded", namedValues: { returnCode: 0 } }, "", true],
    [{ TYPE: "Failed", message: "disk full", namedValues: { returnCode: 12 } }, "exit 12: disk full", false],
    [{ TYPE: "Killed", outcome: { TYPE: "Failed", namedValues: { returnCode: 143 } } }, "killed, exit 143", false],
    [{ TYPE: "TimedOut", outcome: { TYPE: "Succeeded" } }, "timed out", false],
    [{ TYPE: "Disrupted", reason: { TYPE: "ProcessLost", problem: { message: "the Agent was restarted" } } }, "the Agent was restarted", false],
    [{ TYPE: "Broken" }, "broken", false],
  ])("%j: %s", (outcome, detail, good) => expect(outcomeWords(outcome)).toEqual({ detail, good }));
});

describe("why", () => {
  const order = { controllerId: "c", orderId: "#1", workflow: { path: "/w" }, label: "load" };
  it("a failed order names step, exit code and what to do", () => {
    const failed = { ...order, state: { _text: "FAILED" }, lastOutcome: { returnCode: 12, message: "disk full" } };
    expect(whyShort(failed)).toBe("exit 12: disk full");
    expect(whyLong(failed, 0)).toBe("Failed at step load: exit 12: disk full. Look at the log, mend the cause, then resume; or cancel it.");
  });
  it("a waiting order says for what", () => {
    expect(whyShort({ ...order, state: { _text: "WAITING", _reason: "WAITING_FOR_LOCK" } })).toBe("waits for a lock");
    expect(whyLong({ ...order, state: { _text: "SCHEDULED" }, scheduledFor: 7_800_000 }, 0)).toMatch(/^Starts in 2 h 10 /);
  });
});
