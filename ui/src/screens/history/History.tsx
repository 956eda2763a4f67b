/** S9 History: orders and tasks of the past, newest first, page by page, and figures of them (ui.md S9, S22). */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { type HistoryRow } from "../../api/types";
import { usePages } from "../../api/usePages";
import { type Column, DataTable } from "../../components/DataTable";
import { FilterField } from "../../components/FilterField";
import { OrderLink, WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { ListPill, OfTotal } from "../../components/ListPill";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { OutcomeChip } from "../../components/StateChip";
import { Tabs } from "../../components/Tabs";
import { Lasted, When } from "../../components/Time";
import { numberWords } from "../../domain/words";
import { useTopic } from "../../live/react";
import { Logs } from "./Logs";
import { Statistics } from "./Statistics";

const workflowPath = (row: HistoryRow): string => (typeof row.workflow === "string" ? row.workflow : row.workflow.path);

const OUTCOME: Column<HistoryRow> = { id: "outcome", header: "Outcome", width: "124px", cell: (row) => <OutcomeChip outcome={row.outcome} /> };
const TIMES: readonly Column<HistoryRow>[] = [
  { id: "start", header: "Started", width: "104px", sort: "start", cell: (row) => <When time={row.start} /> },
  { id: "end", header: "Ended", width: "104px", cell: (row) => <When time={row.end} /> },
  { id: "ms", header: "Duration", width: "92px", right: true, cell: (row) => <Lasted start={row.start} end={row.end} /> },
];

const ORDERS: readonly Column<HistoryRow>[] = [
  OUTCOME,
  { id: "order", header: "Order", width: "minmax(256px, 1.4fr)", cell: (row) => <OrderLink orderId={row.orderId} width={33} /> },
  { id: "workflow", header: "Workflow", width: "minmax(150px, 1.4fr)", cell: (row) => <WorkflowLink path={workflowPath(row)} full /> },
  { id: "message", header: "Result", width: "minmax(120px, 1.6fr)", cell: (row) => <Result row={row} /> },
  { id: "planned", header: "Planned", width: "104px", cell: (row) => <When time={row.planned} /> },
  ...TIMES,
  {
    id: "log",
    header: "Log",
    width: "48px",
    cell: (row) =>
      row.historyId !== undefined && (
        <Link to="/log/$kind/$id" params={{ kind: "order", id: String(row.historyId) }} aria-label={`Log of ${row.orderId}`}>
          log
        </Link>
      ),
  },
];

const TASKS: readonly Column<HistoryRow>[] = [
  OUTCOME,
  { id: "job", header: "Job", width: "minmax(120px, 1.2fr)", cell: (row) => <b>{row.label ?? row.job}</b> },
  { id: "order", header: "Order", width: "minmax(228px, 1.2fr)", cell: (row) => <OrderLink orderId={row.orderId} width={29} /> },
  { id: "workflow", header: "Workflow", width: "minmax(140px, 1.2fr)", cell: (row) => <WorkflowLink path={workflowPath(row)} full /> },
  { id: "message", header: "Result", width: "minmax(120px, 1.4fr)", cell: (row) => <Result row={row} /> },
  { id: "attempt", header: "Attempt", width: "56px", right: true, cell: (row) => row.attempt ?? "" },
  { id: "agent", header: "Agent", width: "80px", cell: (row) => row.agentId ?? "" },
  ...TIMES.filter((column) => column.id !== "end"),
  {
    id: "log",
    header: "Log",
    width: "48px",
    cell: (row) =>
      row.taskId !== undefined && (
        <Link to="/log/$kind/$id" params={{ kind: "task", id: String(row.taskId) }} aria-label={`Log of ${row.label ?? row.job ?? "task"}`}>
          log
        </Link>
      ),
  },
];

function Result({ row }: { row: HistoryRow }) {
  const words = [row.returnCode === undefined || row.returnCode === 0 ? "" : `exit ${row.returnCode}`, row.message ?? ""].filter((word) => word !== "").join(": ");
  return <span title={words}>{words}</span>;
}

const keyOf = (row: HistoryRow): string => String(row.taskId ?? row.historyId ?? `${row.orderId} ${row.start}`);

const TITLES = { orders: "Order history", tasks: "Task history", logs: "Search in logs", statistics: "Statistics" } as const;
type Kind = keyof typeof TITLES;

export function History() {
  const { kind } = useParams({ from: "/history/$kind" });
  const navigate = useNavigate({ from: "/history/$kind" });
  const what: Kind = kind in TITLES ? (kind as Kind) : "orders";
  return (
    <div className={list.page}>
      <PageTitle title={TITLES[what]} />
      <div className={list.card}>
        <Tabs
          label="History of"
          value={what}
          tabs={[
            { value: "orders", label: "Orders" },
            { value: "tasks", label: "Tasks" },
            { value: "logs", label: "Logs" },
            { value: "statistics", label: "Statistics" },
          ]}
          onChange={(value) => void navigate({ params: { kind: value }, search: {} })}
        />
        {what === "statistics" ? <Statistics /> : what === "logs" ? <Logs /> : <Runs what={what} />}
      </div>
    </div>
  );
}

function Runs({ what }: { what: "orders" | "tasks" }) {
  const { q = "", sort } = useSearch({ from: "/history/$kind" });
  const navigate = useNavigate({ from: "/history/$kind" });
  const { query, rows, total, onEnd, refetch } = usePages(what === "tasks" ? "history/tasks" : "history/orders", q, sort);
  const setQ = useCallback((text: string) => void navigate({ search: (old) => ({ ...old, q: text }), replace: true }), [navigate]);
  // The past holds still: what has ended since is offered, not pushed in.
  const topic = useTopic("orders");
  const seen = query.dataUpdatedAt;
  const ended = [...topic.removed].length + [...topic.rows.values()].filter((row) => ["FINISHED", "CANCELLED"].includes((row["state"] as { _text?: string } | undefined)?._text ?? "")).length;
  const fresh = useNewSince(ended, seen);

  return (
    <>
      <div className={list.bar}>
        <FilterField value={q} onChange={setQ} placeholder="workflow:/etl/* state:failed …" label="Filter history" />
        <span className={list.count} role="status">
          {numberWords(rows.length)}
          <OfTotal shown={rows.length} total={total} /> {what}
        </span>
        <ListPill waiting={{ arrived: fresh, left: 0 }} onShow={refetch} />
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {() => (
            <DataTable
              label={TITLES[what]}
              columns={what === "tasks" ? TASKS : ORDERS}
              rows={rows}
              keyOf={keyOf}
              sort={sort}
              onSort={(name) => void navigate({ search: (old) => ({ ...old, sort: name }) })}
              onEnd={onEnd}
              onOpen={(row) => void navigate({ to: "/order/$orderId", params: { orderId: row.orderId } })}
              empty={
                q === "" ? (
                  <Empty title="Nothing has run yet.">Orders appear here from their start on.</Empty>
                ) : (
                  <Empty title="Nothing of the past matches this filter.">
                    <button type="button" className="button small" onClick={() => setQ("")}>
                      Clear the filter
                    </button>
                  </Empty>
                )
              }
            />
          )}
        </Remote>
      </div>
    </>
  );
}

/** How much a growing number has grown since `mark` last changed. */
function useNewSince(count: number, mark: number): number {
  const base = useMemo(() => ({ count }), [mark]); // eslint-disable-line react-hooks/exhaustive-deps
  return Math.max(0, count - base.count);
}
