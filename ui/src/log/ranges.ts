/**
 * Lines of one log by blocks of 1,000, the 64 last used in memory (ui.md S7): a log of any size costs the same.
 * Guarantees: each block is asked for once at a time; the last, unfinished block is asked for again when the log has grown;
 * after `stop` nothing is asked for and nothing told.
 * Must not know: React, HTTP.
 */
import { type LogLine, type LogRange } from "../api/types";

export const BLOCK = 1000;
const KEPT = 64;

export interface LogState {
  totalLines: number;
  totalBytes: number;
  complete: boolean;
  /** There was a log, and it has been cleaned up. */
  removed?: boolean;
  /** The last answer was an error; lines that are there stay. */
  error?: unknown;
  /** False until the first answer. */
  known: boolean;
}

export type FetchRange = (from: number, to: number, signal: AbortSignal) => Promise<LogRange>;

export class LogRanges {
  private readonly blocks = new Map<number, LogLine[]>();
  private readonly underway = new Set<number>();
  /** Blocks that grew while they were being read: read once more, or the growth would be missed. */
  private readonly again = new Set<number>();
  /** Blocks to be read anew as a whole when they are looked at; their old lines are shown until then. */
  private readonly stale = new Set<number>();
  private readonly abort = new AbortController();
  private current: LogState = { totalLines: 0, totalBytes: 0, complete: false, known: false };

  constructor(
    private readonly fetch: FetchRange,
    private readonly changed: () => void,
    /** New lines come only at the end. Not so the log of an order: it is its tasks' logs one after the other. */
    private readonly growsAtEnd = true,
  ) {}

  get state(): LogState {
    return this.current;
  }

  /** A line by its number, from 1; undefined while it is not here. Does not ask for it. */
  line(number: number): LogLine | undefined {
    return this.blocks.get(blockOf(number))?.[(number - 1) % BLOCK];
  }

  /** Asks for what is missing of these lines. */
  ensure(from: number, to: number): void {
    const last = blockOf(Math.max(1, this.current.known ? Math.min(to, this.current.totalLines) : to));
    for (let block = blockOf(Math.max(1, from)); block <= last; block += 1) {
      const lines = this.blocks.get(block);
      if (lines !== undefined) {
        // Used again: last in the order of forgetting.
        this.blocks.delete(block);
        this.blocks.set(block, lines);
      }
      if (lines === undefined || lines.length < this.lengthOf(block) || this.stale.has(block)) void this.load(block);
    }
  }

  /** The stream says that there is more: reads on from the last line, which may itself have grown. */
  grown(): void {
    if (!this.growsAtEnd) for (const block of this.blocks.keys()) this.stale.add(block);
    const block = blockOf(Math.max(1, this.current.totalLines));
    if (this.underway.has(block)) this.again.add(block);
    else void this.load(block);
  }

  stop(): void {
    this.abort.abort();
  }

  /** Lines that are in memory, in order, for searching at once. */
  *loaded(): Generator<LogLine> {
    for (const block of [...this.blocks.keys()].sort((a, b) => a - b)) yield* this.blocks.get(block) ?? [];
  }

  private lengthOf(block: number): number {
    return Math.max(0, Math.min(BLOCK, this.current.totalLines - block * BLOCK));
  }

  private async load(block: number): Promise<void> {
    if (this.underway.has(block) || this.abort.signal.aborted) return;
    this.underway.add(block);
    try {
      const before = this.stale.delete(block) ? [] : (this.blocks.get(block) ?? []);
      const kept = before.slice(0, Math.max(0, before.length - 1));
      const first = block * BLOCK + 1;
      const range = await this.fetch(first + kept.length, first + BLOCK - 1, this.abort.signal);
      if (this.abort.signal.aborted) return;
      this.blocks.delete(block);
      this.blocks.set(block, [...kept, ...range.lines]);
      this.forget(block);
      const beyond = before.length > 0 && blockOf(range.totalLines) > block;
      this.current = { totalLines: range.totalLines, totalBytes: range.totalBytes, complete: range.complete, removed: range.removed === true, known: true };
      // The log has grown over the end of this block, into one that nobody has asked for yet.
      if (beyond && !this.blocks.has(blockOf(range.totalLines))) void this.load(blockOf(range.totalLines));
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.current = { ...this.current, error };
    } finally {
      this.underway.delete(block);
      if (!this.abort.signal.aborted) {
        this.changed();
        if (this.again.delete(block)) void this.load(block);
      }
    }
  }

  private forget(keep: number): void {
    for (const block of this.blocks.keys()) {
      if (this.blocks.size <= KEPT) return;
      if (block !== keep) this.blocks.delete(block);
    }
  }
}

function blockOf(number: number): number {
  return Math.floor((number - 1) / BLOCK);
}
