/** The line above an editor: what it is, how the draft stands, save and release. */
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { CALENDAR_KEYS, type ObjectContent, releaseObject, storeObject } from "../../api/calendars";
import { useMay } from "../../api/permissions";
import { Verb } from "../../components/Verb";
import type { CalendarJson, ScheduleJson } from "../../domain/calendars";
import styles from "./calendars.module.css";

interface HeadProps {
  content: ObjectContent;
  draft: CalendarJson | ScheduleJson;
  isChanged: boolean;
  readOnly: string | undefined;
  /** Why it cannot be stored. */
  problem?: string | undefined;
  onDiscard: () => void;
}

const STATES: Record<string, string> = {
  RELEASE_IS_NEWER: "as released",
  DRAFT_IS_NEWER: "draft, newer than what is released",
  DRAFT_NOT_EXIST: "as released",
  RELEASE_NOT_EXIST: "draft, never released",
};

export function Head({ content, draft, isChanged, readOnly, problem, onDiscard }: HeadProps) {
  const [open, setOpen] = useState<"save" | "release">();
  const may = useMay();
  const { path, objectType } = content;
  const cannotRelease = readOnly ?? (may("joc:inventory:deploy") ? undefined : "You lack the permission inventory:deploy") ?? problem;
  return (
    <header className={styles.head}>
      <div>
        <h2>{path}</h2>
        <p className="muted">
          {isChanged ? "changed here, not saved" : (STATES[content.state] ?? content.state.toLowerCase().replaceAll("_", " "))}
          {!content.valid && " · not valid"}
        </p>
      </div>
      <div className={styles.verbs}>
        {isChanged && (
          <button type="button" className="button small" onClick={onDiscard}>
            Discard
          </button>
        )}
        <Verb why={readOnly ?? problem ?? (isChanged ? undefined : "Nothing is changed.")} onClick={() => setOpen("save")}>
          Save draft…
        </Verb>
        <Verb why={cannotRelease ?? (isChanged || content.state !== "RELEASE_IS_NEWER" ? undefined : "It is released as it is.")} onClick={() => setOpen("release")}>
          Release…
        </Verb>
      </div>
      {open === "save" && (
        <RequestDialog
          title={`Save ${path}`}
          request={(comment) => storeObject(path, objectType, draft, comment)}
          button="Save draft"
          effect="Plans go on with what is released until the draft is released."
          done={() => `Saved ${path}`}
          refresh={CALENDAR_KEYS}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open === "release" && (
        <RequestDialog
          title={`Release ${path}`}
          request={(comment) => [...(isChanged ? [storeObject(path, objectType, draft, comment)] : []), releaseObject(path, objectType, comment)]}
          button={isChanged ? "Save and release" : "Release"}
          effect="Days that are planned from now on follow it. Days that have a plan stay as they are: plan them anew where they shall follow."
          done={() => `Released ${path}`}
          refresh={CALENDAR_KEYS}
          onClose={() => setOpen(undefined)}
        />
      )}
    </header>
  );
}

/** A draft that begins with what is stored, and begins anew when that changes. */
export function useDraft<Json extends object>(stored: Json): { draft: Json; setDraft: (draft: Json) => void; isChanged: boolean; discard: () => void } {
  const text = JSON.stringify(stored);
  const [state, setState] = useState({ text, draft: stored });
  const isChanged = JSON.stringify(state.draft) !== state.text;
  if (state.text !== text && JSON.stringify(state.draft) === text) setState({ text, draft: stored });
  else if (state.text !== text && !isChanged) setState({ text, draft: stored });
  return {
    draft: state.draft,
    setDraft: (draft) => setState({ ...state, draft }),
    isChanged,
    discard: () => setState({ text, draft: stored }),
  };
}
