/** The form around one request (ui.md 4.8): what it does, its fields, comment, command, what went wrong, the button. */
import { Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Change } from "../api/changes";
import { Failure } from "../components/Panel";
import { say } from "../components/toasts";
import styles from "./actions.module.css";
import { ShowAs } from "./ShowAs";
import { useChange } from "./useChange";
import { useSendKey } from "./useSendKey";

interface RequestDialogProps<Answer> {
  title: string;
  /** As it will be sent, several one after the other; undefined: something is missing or wrong yet. */
  request: (comment: string) => Change | readonly Change[] | undefined;
  /** Verb and number: "Submit 14 orders". */
  button: string;
  danger?: boolean;
  size?: number;
  /** What will happen, in one sentence. */
  effect?: ReactNode;
  /** What has to be typed before the button works: for what cannot be undone. */
  typed?: string | undefined;
  /** Why it cannot be sent yet; shown once one has tried. */
  problem?: string | undefined;
  /** Said when it has worked. */
  done: (answer: Answer) => ReactNode;
  /** Keys of queries that are old then. */
  refresh: readonly (readonly unknown[])[];
  onDone?: (answer: Answer) => void;
  onClose: () => void;
  children?: ReactNode;
  /** Requests that have no place for one. */
  withoutComment?: boolean;
  /** Its body holds what must not be shown: a password. */
  hidden?: boolean;
}

export function RequestDialog<Answer>(props: RequestDialogProps<Answer>) {
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const [typed, setTyped] = useState("");
  const [isTried, setTried] = useState(false);
  const change = useChange<Answer>(() => undefined);
  const [isSending, setSending] = useState(false);
  const asked = props.request(comment.trim());
  const requests: readonly Change[] = asked === undefined ? [] : "path" in asked ? [asked] : asked;
  const isOpen = requests.length > 0 && props.problem === undefined && (props.typed === undefined || typed.trim() === props.typed);
  const send = () => {
    setTried(true);
    if (isOpen && !isSending) void sendAll(requests);
  };
  async function sendAll(all: readonly Change[]) {
    setSending(true);
    try {
      let answer: Answer | undefined;
      for (const one of all) answer = await change.mutateAsync(one);
      say(props.done(answer as Answer));
      props.onDone?.(answer as Answer);
      props.onClose();
    } catch {
      // Shown in the dialog, from the mutation: it stays open, and sends all again when asked to.
    } finally {
      setSending(false);
      for (const queryKey of props.refresh) void client.invalidateQueries({ queryKey });
    }
  }
  useSendKey(send);
  return (
    <Modal opened onClose={props.onClose} title={props.title} size={props.size ?? 560}>
      <form
        noValidate
        className={styles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {props.children}
        {props.typed !== undefined && (
          <label className="field">
            <span className="field-label">
              Type <code>{props.typed}</code> to confirm
            </span>
            <input className="input" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
          </label>
        )}
        {props.withoutComment !== true && (
          <label className="field">
            <span className="field-label">Comment</span>
            <input className="input" value={comment} placeholder="for the audit log" onChange={(event) => setComment(event.target.value)} />
          </label>
        )}
        {props.effect !== undefined && <p className={styles.effect}>{props.effect}</p>}
        {requests.length > 0 && props.hidden !== true && <ShowAs requests={requests} />}
        {isTried && props.problem !== undefined && (
          <p className="field-error" role="alert">
            {props.problem}
          </p>
        )}
        {change.isError && <Failure error={change.error} />}
        <footer className={styles.footer}>
          <button type="button" className="button" onClick={props.onClose}>
            Close
          </button>
          <button
            type="submit"
            className={`button ${props.danger === true ? "danger" : "primary"}`}
            disabled={isSending || (!isOpen && props.problem === undefined)}
          >
            {isSending ? "Sending…" : props.button}
          </button>
        </footer>
      </form>
    </Modal>
  );
}
