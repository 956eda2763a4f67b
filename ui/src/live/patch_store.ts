/**
 * The newest row per topic and key, fed by the stream (ui.md 4.5).
 *
 * Guarantees: a row with an older `rev` never replaces a newer one; subscribers are told once per flush, not once per patch;
 * a snapshot is the same object until its topic changes; a topic that nobody watches holds nothing; a topic that grows past
 * its limit forgets its rows and says `gap`, so that its screens read afresh.
 * Must not know: React, the network, what a row means.
 */
export interface PatchRow {
  key: string;
  /** Grows with each change of the row: the id of the event that made it, which a number holds exactly until the year 2255. */
  rev?: number;
  [field: string]: unknown;
}

export interface Patch {
  topic: string;
  rows?: PatchRow[];
  removed?: string[];
  /** Too much to send: whoever reads the topic by a query reads again. */
  refetch?: boolean;
}

/** What the stream has said about a topic since the last gap. */
export interface TopicSnapshot {
  rows: ReadonlyMap<string, PatchRow>;
  removed: ReadonlySet<string>;
  /** Grows with each gap: whoever reads the topic by a query reads again. */
  gap: number;
}

export const EMPTY_TOPIC: TopicSnapshot = { rows: new Map(), removed: new Set(), gap: 0 };

interface Topic {
  rows: Map<string, PatchRow>;
  removed: Set<string>;
  gap: number;
  snapshot: TopicSnapshot;
  listeners: Set<() => void>;
}

export class PatchStore {
  private readonly topics = new Map<string, Topic>();
  private readonly dirty = new Set<Topic>();
  private scheduled = false;

  constructor(
    /** Runs the flush later: an animation frame in the browser, a call of the test's choosing in tests. */
    private readonly schedule: (flush: () => void) => void,
    private readonly limit = 20_000,
  ) {}

  /** Watch a topic; returns the way out. */
  subscribe(name: string, listener: () => void): () => void {
    const topic = this.topics.get(name) ?? newTopic();
    this.topics.set(name, topic);
    topic.listeners.add(listener);
    return () => {
      topic.listeners.delete(listener);
      if (topic.listeners.size === 0) this.topics.delete(name);
    };
  }

  snapshot(name: string): TopicSnapshot {
    return this.topics.get(name)?.snapshot ?? EMPTY_TOPIC;
  }

  watched(): string[] {
    return [...this.topics.keys()].sort();
  }

  apply(patch: Patch): void {
    const topic = this.topics.get(patch.topic);
    if (topic === undefined) return;
    for (const row of patch.rows ?? []) {
      const known = topic.rows.get(row.key);
      if (known?.rev !== undefined && row.rev !== undefined && row.rev <= known.rev) continue;
      topic.rows.set(row.key, row);
      topic.removed.delete(row.key);
    }
    for (const key of patch.removed ?? []) {
      topic.rows.delete(key);
      topic.removed.add(key);
    }
    if (patch.refetch === true) topic.gap += 1;
    if (topic.rows.size + topic.removed.size > this.limit) forget(topic);
    this.mark(topic);
  }

  /** The stream lost its place: everything watched has to be read afresh. */
  gap(): void {
    for (const topic of this.topics.values()) {
      forget(topic);
      this.mark(topic);
    }
  }

  private mark(topic: Topic): void {
    this.dirty.add(topic);
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const changed = [...this.dirty];
    this.dirty.clear();
    for (const topic of changed)
      topic.snapshot = { rows: new Map(topic.rows), removed: new Set(topic.removed), gap: topic.gap };
    for (const topic of changed) for (const listener of [...topic.listeners]) listener();
  }
}

function newTopic(): Topic {
  return { rows: new Map(), removed: new Set(), gap: 0, snapshot: EMPTY_TOPIC, listeners: new Set() };
}

function forget(topic: Topic): void {
  topic.rows.clear();
  topic.removed.clear();
  topic.gap += 1;
}
