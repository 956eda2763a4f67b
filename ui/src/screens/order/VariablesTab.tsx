/** The order's arguments and what its steps returned, as names and values. */
import { type OrderEvent, type OrderRow } from "../../api/types";
import { Empty } from "../../components/Panel";
import { clockWords } from "../../domain/words";
import styles from "./order.module.css";

type Values = Record<string, unknown>;

export function VariablesTab({ row, events }: { row: OrderRow; events: readonly OrderEvent[] }) {
  const added = events.find((event) => event.type === "OrderAdded")?.payload["arguments"] as Values | undefined;
  const given = row.arguments ?? added ?? {};
  const results = events.flatMap((event) => {
    const values = (event.payload["outcome"] as { namedValues?: Values } | undefined)?.namedValues;
    return values === undefined || Object.keys(values).length === 0 ? [] : [{ event, values }];
  });
  if (Object.keys(given).length === 0 && results.length === 0) return <Empty title="This order has no arguments, and no step has returned a value." />;
  return (
    <div className={styles.variables}>
      {Object.keys(given).length > 0 && <Table title="Arguments" values={given} />}
      {results.map(({ event, values }) => (
        <Table key={String(event.eventId)} title={`Returned ${clockWords(event.time)}`} values={values} />
      ))}
    </div>
  );
}

function Table({ title, values }: { title: string; values: Values }) {
  return (
    <section>
      <h2>{title}</h2>
      <dl>
        {Object.entries(values).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
