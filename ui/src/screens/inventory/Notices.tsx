/** What a person has to decide before going on: a conflict, a text of an earlier visit, an object that is gone. */
import { Modal } from "@mantine/core";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { type EditedObject } from "../../api/inventory";
import { Diff } from "../../components/Diff";
import { say } from "../../components/toasts";
import { isConflict, keptMine, mergedDraft, thrownAway } from "../../domain/drafts";
import { whenWords } from "../../domain/words";
import { useNow } from "../../live/react";
import styles from "./inventory.module.css";
import { type DraftState } from "./useDraft";

export function Notices({ object, state, gone }: { object: EditedObject; state: DraftState; gone: Error | undefined }) {
  const [deciding, setDeciding] = useState(false);
  const now = useNow();
  return (
    <>
      {gone !== undefined && (
        <p className={styles.notice} role="alert">
          <span>
            <strong>{object.path} cannot be read any more.</strong> {gone.message} What you see is the last that was read.
          </span>
        </p>
      )}
      {isConflict(state.draft) && (
        <p className={styles.notice} role="alert">
          <span>
            <strong>Somebody else has stored {object.name} since you began.</strong> Nothing is lost: your text is here, theirs is stored.
          </span>
          <button type="button" className="button primary small" onClick={() => setDeciding(true)}>
            Compare and decide…
          </button>
        </p>
      )}
      {state.kept !== undefined && (
        <p className={styles.notice} role="status">
          <span>
            <strong>This browser has a text of {whenWords(state.kept.time, now)} that was not saved.</strong>
          </span>
          <span className={styles.noticeActions}>
            <button type="button" className="button primary small" onClick={state.takeKept}>
              Go on with it
            </button>
            <button type="button" className="button small" onClick={state.dropKept}>
              Throw it away
            </button>
          </span>
        </p>
      )}
      {deciding && isConflict(state.draft) && <ConflictDialog state={state} onClose={() => setDeciding(false)} />}
    </>
  );
}

function ConflictDialog({ state, onClose }: { state: DraftState; onClose: () => void }) {
  const { draft, set } = state;
  const both = mergedDraft(draft);
  const choose = (words: string, act: Parameters<typeof set>[0]) => {
    set(act);
    say(words);
    onClose();
  };
  return (
    <Modal opened onClose={onClose} title="Two changes of one text" size={1080}>
      <div className={actionStyles.dialog}>
        <div className={styles.conflict}>
          <section aria-label="What they have changed">
            <h3>What they have changed</h3>
            <Diff before={draft.base.text} after={draft.theirs?.text ?? ""} beforeLabel="when you began" afterLabel="stored now" />
          </section>
          <section aria-label="What you have changed">
            <h3>What you have changed</h3>
            <Diff before={draft.base.text} after={draft.text} beforeLabel="when you began" afterLabel="your text" />
          </section>
        </div>
        <p className={actionStyles.effect}>
          {both === undefined
            ? "Both change the same lines, so that they cannot be put together: take one, and write the other's change into it."
            : "The changes do not touch each other: both can be put into one text. Look at it, then save it."}
        </p>
        <footer className={actionStyles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="button" className="button" onClick={() => choose("Took what is stored", thrownAway)}>
            Take theirs
          </button>
          <button type="button" className="button" onClick={() => choose("Saving replaces what they have stored", keptMine)}>
            Keep mine
          </button>
          <button type="button" className="button primary" disabled={both === undefined} onClick={() => choose("Both changes are in the text now; it is not saved yet", (now) => mergedDraft(now) ?? now)}>
            Put both together
          </button>
        </footer>
      </div>
    </Modal>
  );
}
