/**
 * The text that a person edits, and what is stored: one small machine that never loses either (ui.md S13 "Together"). Pure.
 *
 *   clean     the text is what is stored; what somebody else stores is taken over at once
 *   changed   the text differs from what it began with (`base`); stores are refused unless `base` is still what is stored
 *   conflict  it differs, and somebody else has stored something meanwhile (`theirs`): a person decides
 */
import { merged } from "./diff";

export interface StoredText {
  text: string;
  revision: string;
}

export interface Draft {
  /** What the text began with. */
  base: StoredText;
  text: string;
  /** What is stored now, if somebody else has stored it since. */
  theirs?: StoredText;
}

export const newDraft = (stored: StoredText): Draft => ({ base: stored, text: stored.text });

export const isChanged = ({ base, text }: Draft): boolean => text !== base.text;
export const isConflict = (draft: Draft): boolean => isChanged(draft) && draft.theirs !== undefined;

export const typed = (draft: Draft, text: string): Draft => settled({ ...draft, text });

/** The server has been asked again. */
export function seen(draft: Draft, stored: StoredText): Draft {
  if (stored.revision === draft.base.revision) {
    const { theirs: _, ...rest } = draft;
    return draft.theirs === undefined ? draft : rest;
  }
  // The same text on both sides is no conflict, whoever has written it.
  if (!isChanged(draft) || stored.text === draft.text) return newDraft(stored);
  return draft.theirs?.revision === stored.revision ? draft : { ...draft, theirs: stored };
}

/** What was sent is stored as `stored`; what was typed since then stays. */
export function saved(draft: Draft, sent: string, stored: StoredText): Draft {
  return draft.text === sent ? newDraft(stored) : { base: stored, text: draft.text };
}

export const thrownAway = ({ base, theirs }: Draft): Draft => newDraft(theirs ?? base);

/** Mine instead of theirs: the next store replaces what they have written. */
export const keptMine = ({ text, base, theirs }: Draft): Draft => ({ base: theirs ?? base, text });

/** Both changes in one text, to be looked at and stored; undefined where they touch the same lines. */
export function mergedDraft({ base, text, theirs }: Draft): Draft | undefined {
  if (theirs === undefined) return undefined;
  const both = merged(base.text, text, theirs.text);
  return both === undefined ? undefined : { base: theirs, text: both };
}

function settled(draft: Draft): Draft {
  return isChanged(draft) || draft.theirs === undefined ? draft : newDraft(draft.theirs);
}

/** What the browser keeps of a text that has not been stored. */
export interface KeptText {
  text: string;
  base: StoredText;
  time: number;
}

/** Reads what the browser kept; anything else than that is nothing. */
export function keptText(item: string | null): KeptText | undefined {
  if (item === null) return undefined;
  try {
    const kept = JSON.parse(item) as Partial<KeptText> | null;
    const isWhole = typeof kept?.text === "string" && typeof kept.time === "number" && typeof kept.base?.text === "string" && typeof kept.base.revision === "string";
    return isWhole ? (kept as KeptText) : undefined;
  } catch {
    return undefined;
  }
}

/** The kept text as a draft on what is stored now. */
export const taken = (kept: KeptText, stored: StoredText): Draft => seen({ base: kept.base, text: kept.text }, stored);
