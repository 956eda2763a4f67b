import { useNavigate } from "@tanstack/react-router";
import { type HistoryRow } from "../../api/types";
import { usePages } from "../../api/usePages";
import { type Column, DataTable } from "../../components/DataTable";
import { OrderLink } from "../../components/links";
import { Empty, Remote } from "../../components/Panel";
import { OutcomeChip } from "../../components/StateChip";
import { Lasted, When } from "../../components/Time";
import styles from "./workflow.module.css";

/** Past and present runs of the workflow, newest first, with bars of their durations. */
export function RunsTab({ path }: { path: string }) {
  const navigate = useNavigate();
  const { query, rows, onEnd } = usePages("history/orders", `workflow:"${path}"`, "-start");
  const longest = Math.max(1, ...rows.map(lasted));
  const columns: readonly Column<HistoryRow>[] = [
    { id: "outcome", header: "Outcome", width: "124px", cell: (row) => <OutcomeChip outcome={row.outcome} /> },
    { id: "order", header: "Order", width: "minmax(264px, 1.4fr)", cell: (row) => <OrderLink orderId={row.orderId} /> },
    { id: "start", header: "Started", width: "110px", cell: (row) => <When time={row.start} /> },
    { id: "ms", header: "Duration", width: "90px", right: true, cell: (row) => <Lasted start={row.start} end={row.end} /> },
    {
      id: "bar",
      header: "",
      width: "minmax(120px, 2fr)",
      cell: (row) => <i className={styles.bar} aria-hidden="true" style={{ width: `${(lasted(row) / longest) * 100}%` }} />,
    },
  ];
  return (
    <Remote query={query}>
      {() => (
        <DataTable
          label={`Runs of ${path}`}
          columns={columns}
          rows={rows}
          keyOf={(row) => String(row.historyId ?? row.orderId)}
          onEnd={onEnd}
          onOpen={(row) => void navigate({ to: "/order/$orderId", params: { orderId: row.orderId } })}
          empty={<Empty title="This workflow has not run yet." />}
        />
      )}
    </Remote>
  );
}

function lasted(row: HistoryRow): number {
  return row.ms ?? (row.start !== undefined && row.end !== undefined ? row.end - row.start : 0);
}
