import { describe, expect, it } from "vitest";
import { LiveConnection, type StreamWorld } from "./connection";
import { PatchStore } from "./patch_store";

/** A Cockpit whose streams the test holds in its hand; time passes when the test says so. */
function world() {
  const streams: { topics: string[]; lastEventId: string | undefined; signal: AbortSignal; send: (text: string) => void; end: () => void }[] = [];
  const timers: { wait: number; run: () => void; cancelled: boolean }[] = [];
  const changes: string[] = [];
  const state = { status: 200, ended: 0 };
  const effects: StreamWorld = {
    open(topics, lastEventId, signal) {
      let send: (text: string) => void = () => undefined;
      let end: () => void = () => undefined;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          send = (text) => controller.enqueue(new TextEncoder().encode(text));
          end = () => controller.close();
          signal.addEventListener("abort", () => controller.error(new Error("aborted")));
        },
      });
      streams.push({ topics, lastEventId, signal, send: (text) => send(text), end: () => end() });
      return Promise.resolve(new Response(state.status === 200 ? body : null, { status: state.status }));
    },
    changeTopics(streamId, topics) {
      changes.push(`${streamId}: ${topics.join(",")}`);
      return Promise.resolve();
    },
    now: () => 0,
    random: () => 0.5,
    later(wait, run) {
      const timer = { wait, run, cancelled: false };
      timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
    sessionEnded: () => (state.ended += 1),
  };
  const store = new PatchStore((flush) => flush());
  const connection = new LiveConnection(store, effects);
  const settle = async () => {
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    await new Promise((done) => setTimeout(done));
  };
  /** Runs the timers of this wait that are still due. */
  const pass = async (wait: number) => {
    for (const timer of timers.splice(0)) {
      if (timer.wait === wait && !timer.cancelled) timer.run();
      else if (!timer.cancelled) timers.push(timer);
    }
    await settle();
  };
  return { streams, changes, state, store, connection, settle, pass, waits: () => timers.filter((timer) => !timer.cancelled).map((timer) => timer.wait) };
}

const event = (name: string, id: number, data: unknown) => `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

describe("the live connection", () => {
  it("brings patches to whoever watches, and changes the topics of the open stream", async () => {
    const { streams, changes, store, connection, settle, pass } = world();
    store.subscribe("orders", () => undefined);
    connection.start();
    await settle();
    expect(streams.map((stream) => stream.topics)).toEqual([["orders"]]);
    expect(connection.lamp.kind).toBe("live");
    streams[0]?.send(event("stream", 1, { streamId: "7" }) + event("patch", 2, { topic: "orders", rows: [{ key: "a", rev: 1 }] }));
    await settle();
    expect([...store.snapshot("orders").rows.keys()]).toEqual(["a"]);
    store.subscribe("counts", () => undefined);
    connection.topicsChanged();
    connection.topicsChanged();
    await pass(20);
    expect(changes).toEqual(["7: counts,orders"]);
    expect(streams).toHaveLength(1);
  });

  it("says that it reconnects, waits longer each time, and goes on after the last event", async () => {
    const { streams, state, connection, settle, pass, waits } = world();
    connection.start();
    await settle();
    streams[0]?.send(event("counts", 41, {}));
    await settle();
    state.status = 502;
    streams[0]?.end();
    await settle();
    expect(connection.lamp).toMatchObject({ kind: "catching-up", attempt: 1, error: "the stream ended" });
    for (const wait of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
      expect(waits()).toContain(wait);
      await pass(wait);
    }
    state.status = 200;
    await pass(15_000);
    expect(connection.lamp.kind).toBe("live");
    expect(streams.at(-1)?.lastEventId).toBe("41");
  });

  it("counts silence as loss: the server's heartbeat comes every ten seconds", async () => {
    const { streams, connection, settle, pass } = world();
    connection.start();
    await settle();
    streams[0]?.send(": hb\n\n");
    await settle();
    await pass(30_000);
    expect(streams[0]?.signal.aborted).toBe(true);
    expect(connection.lamp.kind).toBe("catching-up");
  });

  it("tells every watched topic about a gap", async () => {
    const { streams, store, connection, settle } = world();
    store.subscribe("orders", () => undefined);
    connection.start();
    await settle();
    streams[0]?.send(event("patch", 1, { topic: "orders", rows: [{ key: "a", rev: 1 }] }) + event("gap", 2, {}));
    await settle();
    expect(store.snapshot("orders")).toMatchObject({ gap: 1 });
    expect(store.snapshot("orders").rows.size).toBe(0);
  });

  it("started again at once after a stop is one stream, not two", async () => {
    const { streams, connection, settle, waits } = world();
    connection.start();
    await settle();
    connection.stop();
    connection.start();
    await settle();
    expect(streams.map((stream) => stream.signal.aborted)).toEqual([true, false]);
    expect(waits()).toEqual([30_000]);
    expect(connection.lamp.kind).toBe("live");
  });

  it("ends with the session instead of trying on", async () => {
    const { streams, state, connection, settle, waits } = world();
    state.status = 440;
    connection.start();
    await settle();
    expect(state.ended).toBe(1);
    expect(streams).toHaveLength(1);
    expect(waits()).toEqual([]);
    expect(connection.lamp.kind).toBe("offline");
  });
});
