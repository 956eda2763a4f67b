/** A dialog that sends one change (ui.md 4.8): its fields, what it would do, the command, why it cannot be sent, what was refused. */
import { Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode } from "react";
import { type Change } from "../api/changes";
import { Failure } from "../components/Panel";
import styles from "./actions.module.css";
import { ShowAs } from "./ShowAs";
import { useChange } from "./useChange";
import { useSendKey } from "./useSendKey";

interface ChangeDialogProps<Answer> {
  title: string;
  /** Undefined: not all that is needed has been given. */
  request: Change | undefined;
  /** Verb and object. */
  button: string;
  danger?: boolean;
  /** Why it cannot be sent. */
  refused?: string | undefined;
  /** The first part of the keys of all queries that the change makes old. */
  stale: string;
  children?: ReactNode;
  onDone: (answer: Answer) => void;
  onClose: () => void;
  size?: number;
}

export function ChangeDialog<Answer = unknown>({ title, request, button, danger = false, refused, stale, children, onDone, onClose, size = 560 }: ChangeDialogProps<Answer>) {
  const client = useQueryClient();
  const change = useChange<Answer>((answer) => {
    void client.invalidateQueries({ queryKey: [stale] });
    onDone(answer);
  });
  const send = () => {
    if (request !== undefined && refused === undefined && !change.isPending) change.mutate(request);
  };
  useSendKey(send);
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form
        className={styles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {children}
        {request !== undefined && <ShowAs requests={[request]} />}
        {refused !== undefined && (
          <p className={styles.refused} role="status">
            {refused}
          </p>
        )}
        {change.isError && <Failure error={change.error} />}
        <footer className={styles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className={`button ${danger ? "danger" : "primary"}`} disabled={request === undefined || refused !== undefined || change.isPending}>
            {change.isPending ? "Sending…" : button}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

export function CommentField({ value, onChange, autoFocus = false }: { value: string; onChange: (text: string) => void; autoFocus?: boolean }) {
  return (
    <label className="field">
      <span className="field-label">Comment</span>
      <input className="input" {...(autoFocus ? { "data-autofocus": true } : {})} value={value} placeholder="for the audit log" onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}
