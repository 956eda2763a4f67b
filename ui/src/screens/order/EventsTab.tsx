/** Every event of the order as it is in the journal: id, time, source, type, content. */
import { type OrderEvent } from "../../api/types";
import { type Column, DataTable } from "../../components/DataTable";
import { Empty } from "../../components/Panel";
import { clockWords, fullTime } from "../../domain/words";
import styles from "./order.module.css";

const COLUMNS: readonly Column<OrderEvent>[] = [
  { id: "time", header: "Time", width: "110px", cell: (row) => <time title={fullTime(row.time)}>{clockWords(row.time, true)}</time> },
  { id: "id", header: "Event id", width: "150px", cell: (row) => <code>{row.eventId}</code> },
  { id: "source", header: "From", width: "110px", cell: (row) => row.source ?? "" },
  { id: "type", header: "Event", width: "220px", cell: (row) => <b>{row.type}</b> },
  {
    id: "payload",
    header: "Content",
    width: "minmax(240px, 1fr)",
    cell: (row) => {
      const text = JSON.stringify(row.payload);
      return (
        <code className={styles.payload} title={text}>
          {text === "{}" ? "" : text}
        </code>
      );
    },
  },
];

export function EventsTab({ events }: { events: readonly OrderEvent[] }) {
  return <DataTable label="Events of the order" columns={COLUMNS} rows={events} rowHeight={30} keyOf={(row) => String(row.eventId)} empty={<Empty title="No events are known." />} />;
}
