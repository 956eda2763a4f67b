/** One step in words: its fields, its script, the orders that are there now. */
import { Link } from "@tanstack/react-router";
import { type OrderRow } from "../../api/types";
import { Icon } from "../../components/Icon";
import { OrderLink } from "../../components/links";
import { StateChip } from "../../components/StateChip";
import { Ago } from "../../components/Time";
import { plural } from "../../domain/words";
import { type Step } from "../../graph/blocks";
import styles from "./workflow.module.css";

const HIDDEN = new Set(["TYPE", "label", "position", "positionString", "state", "jobName", "try", "catch", "then", "else", "ifThens", "cases", "branches", "workflow", "lockedWorkflow", "cycleWorkflow", "subworkflow", "block"]);

interface InspectorProps {
  step: Step | undefined;
  place: string;
  orders: readonly OrderRow[];
  onClose: () => void;
}

export function Inspector({ step, place, orders, onClose }: InspectorProps) {
  const title = step === undefined ? (place === "start" ? "Start" : place === "end" ? "End" : "No such step") : step.title;
  return (
    <aside className={styles.inspector} aria-label={`Step ${title}`} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      <header>
        <div>
          <p className="muted">{step === undefined ? "place" : step.keyword}</p>
          <h2>{title}</h2>
        </div>
        <button type="button" className="button quiet small icon" aria-label="Close the inspector" onClick={onClose}>
          <Icon name="close" size={14} />
        </button>
      </header>
      <section>
        <h3>{orders.length === 0 ? "No orders here" : `${plural(orders.length, "order")} here`}</h3>
        <ul className={styles.here}>
          {orders.slice(0, 5).map((order) => (
            <li key={order.orderId}>
              <OrderLink orderId={order.orderId} width={30} />
              <StateChip state={order.state} marked={order.marked} small />
              <span className="muted">
                <Ago time={order.state.since} />
              </span>
            </li>
          ))}
          {orders.length > 5 && (
            <li>
              <Link to="." search={(old) => ({ ...old, tab: "orders" })}>
                all {orders.length}
              </Link>
            </li>
          )}
        </ul>
      </section>
      {step !== undefined && <Details step={step} />}
    </aside>
  );
}

function Details({ step }: { step: Step }) {
  const { job } = step;
  const executable = job?.executable;
  const script = executable?.script ?? executable?.command ?? executable?.path;
  const facts: [string, string][] = [
    ["Position", step.key],
    ...(step.label === undefined ? [] : [["Label", step.label] as [string, string]]),
    ...(step.jobName === undefined ? [] : [["Job", step.jobName] as [string, string]]),
    ...fields(job ?? {}, new Set(["executable"])),
    ...fields(step.json, HIDDEN),
  ];
  return (
    <>
      <section>
        <h3>What it is</h3>
        <dl className={styles.facts}>
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      {script !== undefined && (
        <section>
          <h3>{executable?.TYPE.replace("Executable", "")}</h3>
          <pre className={styles.script} tabIndex={0}>
            {script}
          </pre>
        </section>
      )}
    </>
  );
}

/** The rest of a JSON object as words: nothing of a definition is hidden, whatever this version knows of it. */
function fields(object: object, hidden: ReadonlySet<string>): [string, string][] {
  return Object.entries(object)
    .filter(([name, value]) => !hidden.has(name) && value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
}
