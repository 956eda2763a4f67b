/** The draft of one object: what is stored, what is typed, and the store that overwrites nothing. */
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useChange } from "../../actions/useChange";
import { ApiError } from "../../api/errors";
import { serverNow } from "../../api/http";
import { type EditedObject, storeObject, type Stored } from "../../api/inventory";
import { INVENTORY, objectQuery } from "../../api/inventory_queries";
import { sessionStore } from "../../api/session";
import { say } from "../../components/toasts";
import { type Draft, isChanged, keptText, type KeptText, newDraft, saved, seen, taken, type StoredText, typed } from "../../domain/drafts";
import { jsonText, readJson } from "../../domain/json_text";

/** What another store has come before. */
export const CONFLICT = "JOC-425";

export interface DraftState {
  draft: Draft;
  changed: boolean;
  set: (change: (draft: Draft) => Draft) => void;
  type: (text: string) => void;
  save: () => Promise<boolean>;
  saving: boolean;
  error: Error | null;
  /** Of an earlier visit, not stored. */
  kept: KeptText | undefined;
  takeKept: () => void;
  dropKept: () => void;
}

const storedText = ({ configuration, revision }: Pick<EditedObject, "configuration" | "revision">): StoredText => ({ text: jsonText(configuration), revision });

export function useDraft(object: EditedObject): DraftState {
  const client = useQueryClient();
  const { path, objectType } = object;
  const stored = useMemo(() => storedText(object), [object]);
  const [draft, setDraft] = useState(() => newDraft(stored));
  const [known, setKnown] = useState(stored);
  if (known !== stored) {
    setKnown(stored);
    setDraft(seen(draft, stored));
  }
  const changed = isChanged(draft);

  const key = `stellwerk.draft ${accountName()} ${objectType} ${path}`;
  const [kept, setKept] = useState(() => {
    const found = keptText(localStorage.getItem(key));
    return found?.text === stored.text ? undefined : found;
  });
  useKeeping(key, changed && kept === undefined ? draft : undefined, kept === undefined);

  const change = useChange<Stored>(() => undefined);
  const { mutateAsync } = change;
  const latest = useRef(draft);
  useEffect(() => {
    latest.current = draft;
  }, [draft]);

  const save = useCallback(async () => {
    const sent = latest.current;
    const { value, fault } = readJson(sent.text);
    if (fault !== undefined) {
      say(`Not saved: the text is no JSON. ${fault.message}`, true);
      return false;
    }
    try {
      const answer = await mutateAsync(storeObject({ path, objectType, configuration: value, revision: sent.base.revision }));
      setDraft((now) => saved(now, sent.text, storedText(answer)));
      say(answer.problems.length === 0 ? `Saved ${path} as a draft` : `Saved ${path} as a draft that is not valid yet`);
      void client.invalidateQueries({ queryKey: [INVENTORY] });
      return true;
    } catch (error) {
      // Shown by the page: `error`. What somebody else has stored is fetched, so that one can decide.
      if (error instanceof ApiError && error.code === CONFLICT) void client.invalidateQueries({ queryKey: objectQuery({ path, objectType }).queryKey });
      return false;
    }
  }, [mutateAsync, client, path, objectType]);

  return {
    draft,
    changed,
    set: useCallback((act) => setDraft(act), []),
    type: useCallback((text) => setDraft((now) => typed(now, text)), []),
    save,
    saving: change.isPending,
    error: change.error,
    kept,
    takeKept: () => {
      if (kept !== undefined) setDraft(taken(kept, stored));
      setKept(undefined);
    },
    dropKept: () => setKept(undefined),
  };
}

function accountName(): string {
  const state = sessionStore.get();
  return state.kind === "in" ? state.session.account : state.kind === "ended" ? state.account : "";
}

/** Keeps a changed text in this browser, so that a crash or a reload does not lose it; never on the server (ui.md S13). */
function useKeeping(key: string, draft: Draft | undefined, decided: boolean): void {
  useEffect(() => {
    if (!decided) return;
    if (draft === undefined) {
      localStorage.removeItem(key);
      return;
    }
    const keep = () => {
      try {
        localStorage.setItem(key, JSON.stringify({ text: draft.text, base: draft.base, time: serverNow() } satisfies KeptText));
      } catch {
        // The browser's store is full: the text is still on the page, and leaving it asks.
      }
    };
    const timer = setTimeout(keep, 500);
    window.addEventListener("pagehide", keep);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("pagehide", keep);
    };
  }, [key, draft, decided]);
}
