/** Confirmation of a verb on orders (ui.md 4.8): what is touched, what is refused and why, options, effect, command. */
import { useState } from "react";
import { type OrderRow } from "../api/types";
import { StateChip } from "../components/StateChip";
import { question } from "../domain/explain";
import { plural, shortId } from "../domain/words";
import styles from "./actions.module.css";
import { RequestDialog } from "./RequestDialog";
import { allowed, effect, NO_OPTIONS, requestOf, type Verb, type VerbOptions, VERBS } from "./verbs";

interface VerbDialogProps {
  verb: Verb;
  orders: readonly OrderRow[];
  /** Labels of the workflow to resume at; only for one order. */
  labels?: readonly string[];
  onClose: () => void;
}

export function VerbDialog({ verb, orders, labels = [], onClose }: VerbDialogProps) {
  const look = VERBS[verb];
  const [options, setOptions] = useState(NO_OPTIONS);
  const able = orders.filter((order) => allowed(verb, order) === true);
  const refused = orders.filter((order) => allowed(verb, order) !== true);
  const first = able[0];
  const set = (part: Partial<VerbOptions>) => setOptions({ ...options, ...part });
  return (
    <RequestDialog
      title={orders.length === 1 && first !== undefined ? `${look.label} order` : `${look.label} ${plural(orders.length, "order")}`}
      request={(comment) => (first === undefined ? undefined : requestOf(verb, first.controllerId, able.map((order) => order.orderId), { ...options, comment }))}
      button={`${look.label} ${plural(able.length, "order")}`}
      danger={look.danger}
      effect={effect(verb, able, options)}
      done={() => `${look.done} ${able.length === 1 && first !== undefined ? shortId(first.orderId) : plural(able.length, "order")}`}
      refresh={[]}
      onClose={onClose}
    >
      <ul className={styles.touched}>
        {able.slice(0, 20).map((order) => (
          <li key={order.orderId}>
            <code title={order.orderId}>{shortId(order.orderId, 44)}</code>
            <StateChip state={order.state} small />
          </li>
        ))}
        {able.length > 20 && <li className="muted">and {plural(able.length - 20, "more", "more")}</li>}
      </ul>
      {refused.length > 0 && (
        <div className={styles.refused}>
          <p>{plural(refused.length, "order")} will stay as they are:</p>
          <ul>
            {refused.slice(0, 5).map((order) => (
              <li key={order.orderId}>
                <code>{shortId(order.orderId)}</code> {allowed(verb, order)}
              </li>
            ))}
          </ul>
        </div>
      )}
      {verb === "confirm" && first !== undefined && question(first) !== undefined && <blockquote className={styles.question}>{question(first)}</blockquote>}
      <Options verb={verb} options={options} set={set} labels={orders.length === 1 ? labels : []} />
    </RequestDialog>
  );
}

interface OptionsProps {
  verb: Verb;
  options: VerbOptions;
  set: (part: Partial<VerbOptions>) => void;
  labels: readonly string[];
}

function Options({ verb, options, set, labels }: OptionsProps) {
  if (verb === "confirm") return null;
  if (verb === "resume")
    return (
      <fieldset className={styles.options}>
        <legend>From</legend>
        <label className="check">
          <input
            type="radio"
            name="from"
            data-autofocus
            checked={!options.fromCurrentBlock && options.position === ""}
            onChange={() => set({ fromCurrentBlock: false, position: "" })}
          />
          where it stands
        </label>
        <label className="check">
          <input type="radio" name="from" checked={options.fromCurrentBlock} onChange={() => set({ fromCurrentBlock: true, position: "" })} />
          the beginning of its block
        </label>
        {labels.length > 0 && (
          <div className="check">
            <input
              type="radio"
              name="from"
              id="from-label"
              checked={options.position !== ""}
              onChange={() => set({ fromCurrentBlock: false, position: labels[0] ?? "" })}
            />
            <label htmlFor="from-label">label</label>
            <select
              className="input"
              aria-label="Label to go on at"
              value={options.position}
              onChange={(event) => set({ fromCurrentBlock: false, position: event.target.value })}
            >
              <option value="">–</option>
              {labels.map((label) => (
                <option key={label}>{label}</option>
              ))}
            </select>
          </div>
        )}
        <label className="check">
          <input type="checkbox" checked={options.force} onChange={(event) => set({ force: event.target.checked })} />
          also repeat jobs that are marked "not restartable"
        </label>
      </fieldset>
    );
  return (
    <fieldset className={styles.options}>
      <legend>Running job</legend>
      <label className="check">
        <input type="radio" name="kill" data-autofocus checked={!options.kill} onChange={() => set({ kill: false })} />
        let it finish first
      </label>
      <label className="check">
        <input type="radio" name="kill" checked={options.kill} onChange={() => set({ kill: true })} />
        stop it now
      </label>
      <label className="check">
        <input type="checkbox" checked={options.deep} onChange={(event) => set({ deep: event.target.checked })} />
        also the orders in its branches
      </label>
      {verb === "suspend" && (
        <label className="check">
          <input type="checkbox" checked={options.reset} onChange={(event) => set({ reset: event.target.checked })} />
          reset the step it stands at
        </label>
      )}
    </fieldset>
  );
}
