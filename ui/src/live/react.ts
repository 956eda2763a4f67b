/** The live store as React hooks: one store and one connection per tab, made once per session. */
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";
import { API, NATIVE, post, serverNow } from "../api/http";
import { sessionStore } from "../api/session";
import { type Lamp, LiveConnection } from "./connection";
import { EMPTY_TOPIC, PatchStore, type TopicSnapshot } from "./patch_store";

/** At most four visible updates per second; none while the tab is hidden (animation frames stand still). */
const FLUSH_EVERY = 250;
let lastFlush = 0;

function scheduleFlush(flush: () => void): void {
  const wait = Math.max(0, lastFlush + FLUSH_EVERY - performance.now());
  setTimeout(() => {
    requestAnimationFrame(() => {
      lastFlush = performance.now();
      flush();
    });
  }, wait);
}

export const patchStore = new PatchStore(scheduleFlush);

export const liveConnection = new LiveConnection(patchStore, {
  open(topics, lastEventId, signal) {
    const headers: Record<string, string> = { Accept: "text/event-stream", "X-Access-Token": sessionStore.token() ?? "" };
    if (lastEventId !== undefined) headers["Last-Event-ID"] = lastEventId;
    const search = new URLSearchParams({ topics: topics.join(",") });
    return fetch(`${API}${NATIVE}stream?${search.toString()}`, { headers, signal, cache: "no-store" });
  },
  async changeTopics(streamId, topics) {
    await post(`${NATIVE}stream/${encodeURIComponent(streamId)}`, { topics });
  },
  now: serverNow,
  random: Math.random,
  later(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
  sessionEnded() {
    const token = sessionStore.token();
    if (token !== undefined) sessionStore.ended(token);
  },
});

const noTopic = (): (() => void) => () => undefined;

/** What the stream says about a topic; watching begins and ends with the component. */
export function useTopic(name: string | undefined): TopicSnapshot {
  const subscribe = useCallback(
    (listener: () => void) => {
      if (name === undefined) return noTopic();
      const leave = patchStore.subscribe(name, listener);
      liveConnection.topicsChanged();
      return () => {
        leave();
        liveConnection.topicsChanged();
      };
    },
    [name],
  );
  return useSyncExternalStore(subscribe, () => (name === undefined ? EMPTY_TOPIC : patchStore.snapshot(name)));
}

export function useLamp(): Lamp {
  return useSyncExternalStore(
    (listener) => liveConnection.onLamp(listener),
    () => liveConnection.lamp,
  );
}

/** Calls back with each `counts` event of the stream. */
export function useCountsEvent(callback: (counts: unknown) => void): void {
  useEffect(() => liveConnection.onCounts(callback), [callback]);
}

const tickers = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;
let tick = serverNow();

function subscribeTick(listener: () => void): () => void {
  tickers.add(listener);
  ticking ??= setInterval(() => {
    if (document.hidden) return;
    tick = serverNow();
    for (const each of [...tickers]) each();
  }, 1000);
  return () => {
    tickers.delete(listener);
    if (tickers.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };
}

/** Server time, moving once a second; one timer for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(subscribeTick, () => tick);
}

/** Runs `act` soon after `signal` has changed (not for its first value), at most once per `quiet` milliseconds. */
export function useOnChange(signal: unknown, act: () => void, quiet = 400): void {
  const seen = useRef(signal);
  const latest = useRef(act);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    if (Object.is(signal, seen.current)) return;
    seen.current = signal;
    // A throttle, not a debounce: under a steady stream of changes it still acts.
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, quiet);
  }, [signal, quiet]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
}
