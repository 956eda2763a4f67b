/** What can be done with the selected orders of a plan: verbs with how many they fit; why not, where they fit none. */
import { useMemo, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { useMay } from "../../api/permissions";
import { cancelPlanned, changePlannedPriority, PLAN_KEYS, type PlanSelection, removePlanned, submitPlanned } from "../../api/plan";
import { Verb } from "../../components/Verb";
import { countOrders, planAllows, type Planned, type PlanVerb } from "../../domain/plan";
import { plural, shortId } from "../../domain/words";
import { MoveDialog } from "./MoveDialog";
import styles from "./plan.module.css";
import { VariablesDialog } from "./VariablesDialog";

const LABELS: Record<PlanVerb, string> = {
  submit: "Submit",
  cancel: "Take back",
  remove: "Remove",
  move: "Change start",
  variables: "Change variables",
  priority: "Change priority",
  copy: "Copy",
};
const PERMISSIONS: Record<PlanVerb, string> = {
  submit: "ctl:orders:create",
  cancel: "ctl:orders:cancel",
  remove: "ctl:orders:create",
  move: "ctl:orders:modify",
  variables: "ctl:orders:modify",
  priority: "ctl:orders:modify",
  copy: "ctl:orders:create",
};
const VERBS = Object.keys(LABELS) as PlanVerb[];

interface PlanActionsProps {
  rows: readonly Planned[];
  zone: string;
  onDone: () => void;
}

export function PlanActions({ rows, zone, onDone }: PlanActionsProps) {
  const may = useMay();
  const [open, setOpen] = useState<{ verb: PlanVerb; rows: readonly Planned[] }>();
  // One request goes to one Controller; who selects orders of several does one after the other.
  const controllerId = rows[0]?.item.controllerId ?? "";
  const others = rows.filter((row) => row.item.controllerId !== controllerId).length;
  const own = useMemo(() => rows.filter((row) => row.item.controllerId === controllerId), [rows, controllerId]);
  return (
    <div className={styles.actions} role="toolbar" aria-label="Selected orders">
      <b>{plural(countOrders(own), "order")} selected</b>
      {others > 0 && <span className="muted">at {controllerId}; {plural(others, "other")} at other Controllers</span>}
      {VERBS.map((verb) => {
        const able = own.filter((row) => planAllows(verb, row) === true);
        const first = own[0];
        const why = !may(PERMISSIONS[verb], controllerId)
          ? `You lack the permission ${PERMISSIONS[verb].replace("ctl:", "")}`
          : able.length === 0 && first !== undefined
            ? planAllows(verb, first)
            : true;
        return (
          <Verb key={verb} why={why === true ? undefined : why} onClick={() => setOpen({ verb, rows: own })}>
            {LABELS[verb]}
            {own.length > 1 && able.length > 0 && able.length < own.length ? ` ${countOrders(able)}` : ""}…
          </Verb>
        );
      })}
      <button type="button" className="button small quiet" onClick={onDone}>
        Select none
      </button>
      {open !== undefined && <PlanDialog verb={open.verb} rows={open.rows} zone={zone} onDone={onDone} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

export interface PlanDialogProps {
  rows: readonly Planned[];
  zone: string;
  onDone: () => void;
  onClose: () => void;
}

function PlanDialog({ verb, ...props }: PlanDialogProps & { verb: PlanVerb }) {
  switch (verb) {
    case "move":
    case "copy":
      return <MoveDialog {...props} isCopy={verb === "copy"} />;
    case "variables":
      return <VariablesDialog {...props} />;
    case "priority":
      return <PriorityDialog {...props} />;
    default:
      return <SimpleDialog {...props} verb={verb} />;
  }
}

/** The orders that fit the verb, and those that stay as they are, with the reason. */
export function Touched({ verb, rows }: { verb: PlanVerb; rows: readonly Planned[] }) {
  const able = rows.filter((row) => planAllows(verb, row) === true);
  const refused = rows.filter((row) => planAllows(verb, row) !== true);
  return (
    <>
      <ul className={actionStyles.touched}>
        {able.slice(0, 20).map((row) => (
          <li key={row.item.orderId}>
            <code title={row.item.orderId}>{shortId(row.item.orderId, 44)}</code>
            <span className="muted">{row.item.cyclicOrder === undefined ? row.look.word : `cycle of ${row.item.cyclicOrder.count}`}</span>
          </li>
        ))}
        {able.length > 20 && <li className="muted">and {plural(able.length - 20, "more", "more")}</li>}
      </ul>
      {refused.length > 0 && (
        <div className={actionStyles.refused}>
          <p>{plural(refused.length, "entry", "entries")} will stay as they are:</p>
          <ul>
            {refused.slice(0, 5).map((row) => (
              <li key={row.item.orderId}>
                <code>{shortId(row.item.orderId)}</code> {planAllows(verb, row)}
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

/** Those that fit, as the request names them. */
export function selectionOf(verb: PlanVerb, rows: readonly Planned[], comment: string): PlanSelection {
  const able = rows.filter((row) => planAllows(verb, row) === true);
  return { controllerId: rows[0]?.item.controllerId ?? "", orderIds: able.map((row) => row.item.orderId), comment };
}

const SIMPLE = {
  submit: { change: submitPlanned, done: "Submitted", danger: false, effect: "The Controller gets them and starts them at their times, also while the Cockpit is down; what is past due starts at once." },
  cancel: { change: cancelPlanned, done: "Took back", danger: false, effect: "Those that have not started are taken back from the Controller and are planned again. Submitted once more they get new ids." },
  remove: { change: removePlanned, done: "Removed", danger: true, effect: "They are deleted from the plan and do not start. The service does not plan this day again by itself." },
} as const;

function SimpleDialog({ verb, rows, onDone, onClose }: PlanDialogProps & { verb: keyof typeof SIMPLE }) {
  const { change, done, danger, effect } = SIMPLE[verb];
  const count = countOrders(rows.filter((row) => planAllows(verb, row) === true));
  const many = count > 100 && danger ? String(count) : undefined;
  return (
    <RequestDialog
      title={`${LABELS[verb]} ${plural(count, "order")}`}
      request={(comment) => change(selectionOf(verb, rows, comment))}
      button={`${LABELS[verb]} ${plural(count, "order")}`}
      danger={danger}
      typed={many}
      effect={effect}
      done={() => `${done} ${plural(count, "order")}`}
      refresh={PLAN_KEYS}
      onDone={onDone}
      onClose={onClose}
    >
      <Touched verb={verb} rows={rows} />
    </RequestDialog>
  );
}

function PriorityDialog({ rows, onDone, onClose }: PlanDialogProps) {
  const [text, setText] = useState("0");
  const priority = Number(text);
  const isValid = /^-?\d{1,9}$/.test(text.trim());
  const count = countOrders(rows.filter((row) => planAllows("priority", row) === true));
  return (
    <RequestDialog
      title={`Change the priority of ${plural(count, "order")}`}
      request={(comment) => (isValid ? changePlannedPriority(selectionOf("priority", rows, comment), priority) : undefined)}
      button={`Change ${plural(count, "order")}`}
      problem={isValid ? undefined : "The priority is a whole number, such as 10 or -5."}
      effect="In queues for locks those of higher priority go first. Submitted orders keep their ids."
      done={() => `Changed the priority of ${plural(count, "order")}`}
      refresh={PLAN_KEYS}
      onDone={onDone}
      onClose={onClose}
    >
      <Touched verb="priority" rows={rows} />
      <label className="field">
        <span className="field-label">Priority</span>
        <input className="input" inputMode="numeric" data-autofocus aria-invalid={!isValid} value={text} onChange={(event) => setText(event.target.value)} />
      </label>
    </RequestDialog>
  );
}
