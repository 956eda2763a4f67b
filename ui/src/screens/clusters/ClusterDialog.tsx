/** Confirmation of a verb on a cluster (ui.md 4.8): what it does, what has to be typed, and how it goes on. */
import { Modal } from "@mantine/core";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ShowAs } from "../../actions/ShowAs";
import { useChange } from "../../actions/useChange";
import { useSendKey } from "../../actions/useSendKey";
import { type Topology } from "../../api/types";
import { Glyph } from "../../components/Glyph";
import { Failure } from "../../components/Panel";
import { Ago } from "../../components/Time";
import { say } from "../../components/toasts";
import { nodeName, type Shown } from "../../domain/clusters";
import { canHandOver, planOf, type Steering } from "../../domain/steering";
import styles from "./clusters.module.css";

export { type Steering } from "../../domain/steering";

interface ClusterDialogProps {
  steering: Steering;
  topology: Topology;
  onClose: () => void;
}

export function ClusterDialog({ steering, topology, onClose }: ClusterDialogProps) {
  const [options, setOptions] = useState({ withSwitchover: true, comment: "" });
  const [typed, setTyped] = useState("");
  /** Who was active when the switch-over was asked for: from then on the dialog shows how it goes. */
  const [from, setFrom] = useState<string>();
  const plan = planOf(steering, topology, options);
  const change = useChange(() => {
    if (plan === undefined) return;
    say(plan.done);
    if (steering.verb === "switchOver") setFrom(plan.shown?.active?.id);
    else onClose();
  });
  const isTyped = plan?.typed === undefined || typed.trim() === plan.typed;
  const isOpen = plan !== undefined && plan.refused === undefined && isTyped && from === undefined;
  const send = () => {
    if (plan !== undefined && isOpen && !change.isPending) change.mutate(plan.request);
  };
  useSendKey(send);
  if (plan === undefined) return null;
  const isEnd = steering.verb === "terminate" || steering.verb === "restart";
  const mayHandOver = isEnd && plan.node !== undefined && canHandOver(plan.node, plan.shown);
  return (
    <Modal opened onClose={onClose} title={plan.title} size={560}>
      <form
        className={actionStyles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {from === undefined && <p className={actionStyles.effect}>{plan.effect}</p>}
        {steering.verb === "confirmLoss" && plan.shown !== undefined && <Contacts shown={plan.shown} />}
        {mayHandOver && (
          <fieldset className={actionStyles.options}>
            <legend>Before it ends</legend>
            <label className="check">
              <input type="radio" name="hand-over" checked={options.withSwitchover} onChange={() => setOptions({ ...options, withSwitchover: true })} />
              hand over to {nodeName(plan.shown?.passive)}
            </label>
            <label className="check">
              <input type="radio" name="hand-over" checked={!options.withSwitchover} onChange={() => setOptions({ ...options, withSwitchover: false })} />
              hand over to nobody
            </label>
          </fieldset>
        )}
        {plan.typed !== undefined && (
          <label className="field">
            <span className="field-label">
              Type <code>{plan.typed}</code> to confirm
            </span>
            <input className="input" data-autofocus autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
          </label>
        )}
        {from === undefined && (
          <label className="field">
            <span className="field-label">Comment</span>
            <input
              className="input"
              {...(plan.typed === undefined ? { "data-autofocus": true } : {})}
              value={options.comment}
              placeholder="for the audit log"
              onChange={(event) => setOptions({ ...options, comment: event.target.value })}
            />
          </label>
        )}
        {from !== undefined && plan.shown !== undefined && <Progress from={from} shown={plan.shown} />}
        {from === undefined && <ShowAs requests={[plan.request]} />}
        {plan.refused !== undefined && from === undefined && (
          <p className={actionStyles.refused} role="status">
            {plan.refused}
          </p>
        )}
        {change.isError && <Failure error={change.error} />}
        <footer className={actionStyles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          {from === undefined && (
            <button type="submit" className={`button ${plan.danger ? "danger" : "primary"}`} disabled={!isOpen || change.isPending}>
              {change.isPending ? "Sending…" : plan.button}
            </button>
          )}
        </footer>
      </form>
    </Modal>
  );
}

/** The last contacts of both nodes; they are asked again each second. */
function Contacts({ shown }: { shown: Shown }) {
  return (
    <ul className={styles.contacts}>
      {shown.nodes.map((node) => (
        <li key={node.id}>
          <strong>{nodeName(node)}</strong>:{" "}
          {node.state === "LOST" ? `asked just now, no answer (${node.message ?? "not reachable"})` : `answers; ${node.role ?? "without a role"}`}
        </li>
      ))}
    </ul>
  );
}

/** The phases of a switch-over, as the nodes tell them. */
function Progress({ from, shown }: { from: string; shown: Shown }) {
  const { cluster, nodes, active } = shown;
  const heir = nodes.find(({ id }) => id !== from);
  const former = nodes.find(({ id }) => id === from);
  const isTaken = active !== undefined && active.id !== from;
  const steps = [
    { words: "asked", isDone: true },
    { words: `${nodeName(heir)} is active`, isDone: isTaken },
    { words: `${nodeName(former)} follows, both are coupled`, isDone: isTaken && cluster.state === "Coupled" },
  ];
  return (
    <ol className={styles.progress} role="status" aria-label="Progress">
      {steps.map(({ words, isDone }) => (
        <li key={words} data-state={isDone ? "finished" : "waiting"}>
          <span className={styles.state}>
            <Glyph name={isDone ? "FINISHED" : "WAITING"} />
          </span>
          {words}
          {!isDone && <span className="visually-hidden"> – not yet</span>}
        </li>
      ))}
      {steps.every(({ isDone }) => isDone) && cluster.since !== undefined && (
        <li className="muted">
          coupled <Ago time={cluster.since} />
        </li>
      )}
    </ol>
  );
}
