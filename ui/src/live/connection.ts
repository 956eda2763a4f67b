/**
 * One stream of patches per tab (ui.md 4.4 `stream`, 4.5): reads server-sent events with `fetch`, so that the token stays in a
 * header; reconnects with back-off and the last event id; knows how fresh it is.
 *
 * Guarantees: after a lost place every watched topic gets a `gap`; the topics on the wire become those that are watched.
 * Must not know: React, screens, what rows mean.
 */
import { type Patch, type PatchStore } from "./patch_store";
import { SseParser } from "./sse";

export type Lamp =
  | { kind: "live"; since: number }
  | { kind: "catching-up"; since: number; attempt: number; error?: string }
  | { kind: "offline"; since: number };

/** What the connection needs of the world. */
export interface StreamWorld {
  open(topics: string[], lastEventId: string | undefined, signal: AbortSignal): Promise<Response>;
  changeTopics(streamId: string, topics: string[]): Promise<void>;
  now(): number;
  random(): number;
  later(milliseconds: number, run: () => void): () => void;
  /** The session is over: no use in trying on. */
  sessionEnded(): void;
}

/** The server's heartbeat comes every 10 s; without any byte for this long (ms) the stream counts as lost. */
const SILENCE = 30_000;
const BACK_OFF = [500, 1000, 2000, 4000, 8000, 15_000];

export class LiveConnection {
  private lampNow: Lamp;
  private readonly lampListeners = new Set<() => void>();
  private readonly countListeners = new Set<(counts: unknown) => void>();
  private abort: AbortController | undefined;
  private stopped = true;
  private lastEventId: string | undefined;
  private streamId: string | undefined;
  private topicsOnWire: string[] = [];
  private cancelSilence: () => void = () => undefined;
  private cancelTopics: (() => void) | undefined;
  private cancelRetry: () => void = () => undefined;

  constructor(
    private readonly store: PatchStore,
    private readonly world: StreamWorld,
  ) {
    this.lampNow = { kind: "offline", since: world.now() };
  }

  get lamp(): Lamp {
    return this.lampNow;
  }

  onLamp(listener: () => void): () => void {
    this.lampListeners.add(listener);
    return () => this.lampListeners.delete(listener);
  }

  onCounts(listener: (counts: unknown) => void): () => void {
    this.countListeners.add(listener);
    return () => this.countListeners.delete(listener);
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    void this.run(0);
  }

  stop(): void {
    this.stopped = true;
    this.cancelRetry();
    this.cancelSilence();
    this.cancelTopics?.();
    this.cancelTopics = undefined;
    this.abort?.abort();
    this.show({ kind: "offline", since: this.world.now() });
  }

  /** The watched topics have changed; several changes of one screen change are sent at once. */
  topicsChanged(): void {
    if (this.cancelTopics !== undefined || this.stopped) return;
    this.cancelTopics = this.world.later(20, () => {
      this.cancelTopics = undefined;
      void this.sendTopics();
    });
  }

  private async sendTopics(): Promise<void> {
    const topics = this.store.watched();
    if (topics.join(",") === this.topicsOnWire.join(",")) return;
    if (this.streamId === undefined) {
      // The stream is being opened, or its server knows no change of topics: open it anew with the right ones.
      this.abort?.abort("topics");
      return;
    }
    this.topicsOnWire = topics;
    try {
      await this.world.changeTopics(this.streamId, topics);
    } catch {
      // Whatever went wrong with this stream, a new one has the right topics.
      this.abort?.abort("topics");
    }
  }

  private async run(attempt: number): Promise<void> {
    if (this.stopped) return;
    const abort = new AbortController();
    this.abort = abort;
    this.streamId = undefined;
    this.topicsOnWire = this.store.watched();
    let heard = false;
    let problem: string | undefined;
    this.watchSilence(abort);
    try {
      const response = await this.world.open(this.topicsOnWire, this.lastEventId, abort.signal);
      if (response.status === 440 || response.status === 401) {
        this.stop();
        this.world.sessionEnded();
        return;
      }
      if (!response.ok || response.body === null) throw new Error(`the Cockpit answered ${response.status}`);
      if (attempt > 0 && this.lastEventId === undefined) this.store.gap();
      heard = true;
      this.show({ kind: "live", since: this.world.now() });
      await this.read(response.body, abort);
      problem = "the stream ended";
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    // Stopped, or stopped and started again: then another run has taken over.
    if (this.stopped || this.abort !== abort) return;
    if (abort.signal.reason === "topics") {
      void this.run(0);
      return;
    }
    this.retry(heard ? 1 : attempt + 1, problem);
  }

  private retry(attempt: number, problem: string): void {
    const since = this.lampNow.kind === "catching-up" ? this.lampNow.since : this.world.now();
    this.show({ kind: "catching-up", since, attempt, error: problem });
    const base = BACK_OFF[Math.min(attempt - 1, BACK_OFF.length - 1)] ?? 15_000;
    this.cancelRetry = this.world.later(base * (0.75 + this.world.random() / 2), () => void this.run(attempt));
  }

  private async read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const parser = new SseParser();
    const reader = body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.watchSilence(abort);
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (event.id !== undefined && event.id !== "") this.lastEventId = event.id;
        this.dispatch(event.event, JSON.parse(event.data) as unknown);
      }
    }
  }

  private dispatch(event: string, data: unknown): void {
    if (event === "patch" || event === "message") this.store.apply(data as Patch);
    else if (event === "gap") this.store.gap();
    else if (event === "counts") for (const listener of this.countListeners) listener(data);
    else if (event === "stream") {
      const id = (data as { streamId?: unknown }).streamId;
      this.streamId = id === undefined ? undefined : String(id);
      void this.sendTopics();
    }
  }

  private watchSilence(abort: AbortController): void {
    this.cancelSilence();
    this.cancelSilence = this.world.later(SILENCE, () => abort.abort("silence"));
  }

  private show(lamp: Lamp): void {
    this.lampNow = lamp;
    for (const listener of this.lampListeners) listener();
  }
}
