import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Draft, isChanged, isConflict, keptMine, keptText, mergedDraft, newDraft, saved, seen, taken, thrownAway, typed } from "./drafts";

const stored = (text: string) => ({ text, revision: `revision of ${text}` });
const base = stored("a\nb\nc\nd\n");
const theirs = stored("a\nb\nc\nD\n");
const mine = typed(newDraft(base), "A\nb\nc\nd\n");

describe("a draft", () => {
  it("follows what is stored as long as nothing is typed", () => {
    expect(seen(newDraft(base), theirs)).toEqual(newDraft(theirs));
    expect(seen(mine, base)).toBe(mine);
  });

  it("is in conflict when both have changed it, until one decides", () => {
    const both = seen(mine, theirs);
    expect(isConflict(both)).toBe(true);
    expect(both.text).toBe(mine.text);
    expect(thrownAway(both)).toEqual(newDraft(theirs));
    expect(keptMine(both)).toEqual({ base: theirs, text: mine.text });
    expect(mergedDraft(both)).toEqual({ base: theirs, text: "A\nb\nc\nD\n" });
  });

  it("cannot be merged where both touch the same lines", () => {
    expect(mergedDraft(seen(mine, stored("X\nb\nc\nd\n")))).toBeUndefined();
    expect(mergedDraft(mine)).toBeUndefined();
  });

  it("is no conflict if both have written the same, or mine is taken back", () => {
    expect(seen(mine, stored(mine.text))).toEqual(newDraft(stored(mine.text)));
    expect(typed(seen(mine, theirs), base.text)).toEqual(newDraft(theirs));
  });

  it("keeps what was typed while it was being stored", () => {
    expect(saved(mine, mine.text, stored("A2"))).toEqual(newDraft(stored("A2")));
    const later = typed(mine, "later");
    expect(saved(later, mine.text, stored("A2"))).toEqual({ base: stored("A2"), text: "later" });
  });

  it("never loses what was typed unless a person throws it away", () => {
    const step = fc.oneof(
      fc.constantFrom("x", "y", "z").map((text) => ({ kind: "type" as const, text })),
      fc.constantFrom("p", "q").map((text) => ({ kind: "seen" as const, text })),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let draft: Draft = newDraft(base);
        let last: string | undefined;
        for (const { kind, text } of steps) {
          if (kind === "type") {
            draft = typed(draft, text);
            last = text;
          } else draft = seen(draft, stored(text));
          if (isChanged(draft)) expect(draft.text).toBe(last);
          else expect(draft.text).toBe(draft.base.text);
        }
      }),
    );
  });
});

describe("what the browser keeps", () => {
  it("comes back as a draft, in conflict if somebody has stored meanwhile", () => {
    const kept = keptText(JSON.stringify({ text: mine.text, base, time: 1 }));
    expect(kept).toBeDefined();
    if (kept === undefined) return;
    expect(taken(kept, base)).toEqual({ base, text: mine.text });
    expect(isConflict(taken(kept, theirs))).toBe(true);
  });
  it.each([null, "", "{", "null", "{}", '{"text": "x", "time": 1, "base": {}}'])("is nothing if it is %s", (item) => {
    expect(keptText(item)).toBeUndefined();
  });
});
