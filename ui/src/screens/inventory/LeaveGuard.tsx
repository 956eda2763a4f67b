/** Nobody leaves an object with a text that is not saved without being asked (ui.md S13). */
import { Modal } from "@mantine/core";
import { useBlocker } from "@tanstack/react-router";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";

export function LeaveGuard({ changed, save }: { changed: boolean; save: () => Promise<boolean> }) {
  const [saving, setSaving] = useState(false);
  const blocker = useBlocker({
    // Tabs and dialogs of the same object are no leaving.
    shouldBlockFn: ({ current, next }) => changed && (current.pathname !== next.pathname || kind(current.search) !== kind(next.search)),
    enableBeforeUnload: () => changed,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  const saveAndGo = async () => {
    setSaving(true);
    const isSaved = await save();
    setSaving(false);
    if (isSaved) blocker.proceed();
    else blocker.reset();
  };
  return (
    <Modal opened onClose={blocker.reset} title="Your changes are not saved" size={480}>
      <div className={actionStyles.dialog}>
        <p>This browser keeps the text and offers it when you come back. Others do not see it before it is saved.</p>
        <footer className={actionStyles.footer}>
          <button type="button" className="button" data-autofocus onClick={blocker.reset}>
            Stay
          </button>
          <button type="button" className="button" onClick={blocker.proceed}>
            Leave without saving
          </button>
          <button type="button" className="button primary" disabled={saving} onClick={() => void saveAndGo()}>
            {saving ? "Saving…" : "Save and leave"}
          </button>
        </footer>
      </div>
    </Modal>
  );
}

const kind = (search: unknown): unknown => (search as { type?: unknown }).type;
