/** The day as a list; the orders of a cycle open below it. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { cycleQuery } from "../../api/plan";
import { type Column, DataTable } from "../../components/DataTable";
import { OrderLink, WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { Chip } from "../../components/StateChip";
import { shortClock } from "../../domain/clock";
import { planned, type Planned } from "../../domain/plan";
import { durationWords, fullTime, shortId, splitPath } from "../../domain/words";
import { useNow } from "../../live/react";
import styles from "./plan.module.css";

interface PlanListProps {
  rows: readonly Planned[];
  zone: string;
  sort: string | undefined;
  onSort: (sort: string) => void;
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  /** The order whose cycle is open. */
  cycle: string | undefined;
  onCycle: (orderId: string | undefined) => void;
}

const keyOf = (row: Planned): string => row.item.orderId;

const ORDER: Record<string, (first: Planned, second: Planned) => number> = {
  start: (first, second) => first.start - second.start,
  workflow: (first, second) => first.item.workflowPath.localeCompare(second.item.workflowPath),
  state: (first, second) => first.look.word.localeCompare(second.look.word),
  late: (first, second) => (first.lateBy ?? 0) - (second.lateBy ?? 0),
};

export function PlanList({ rows, zone, sort, onSort, selected, onSelect, cycle, onCycle }: PlanListProps) {
  const sorted = useMemo(() => {
    const compare = ORDER[sort?.replace(/^-/, "") ?? "start"] ?? ORDER["start"];
    const made = compare === undefined ? [...rows] : rows.toSorted(compare);
    return sort?.startsWith("-") ? made.reverse() : made;
  }, [rows, sort]);
  const columns = useMemo(() => columnsOf(zone, onCycle), [zone, onCycle]);
  const open = rows.find((row) => row.item.orderId === cycle);
  return (
    <div className={styles.listed}>
      <div className={list.rows}>
        <DataTable label="Planned orders" rowHeight={46} columns={columns} rows={sorted} keyOf={keyOf} sort={sort} onSort={onSort} selected={selected} onSelect={onSelect} empty={<Empty title="No orders." />} />
      </div>
      {open !== undefined && <Cycle row={open} zone={zone} onClose={() => onCycle(undefined)} />}
    </div>
  );
}

function columnsOf(zone: string, onCycle: ((orderId: string) => void) | undefined): Column<Planned>[] {
  const clock = shortClock(zone);
  return [
    { id: "state", header: "State", width: "116px", sort: "state", cell: ({ look }) => <Chip look={look} small /> },
    {
      id: "start",
      header: "Start",
      width: "176px",
      sort: "start",
      cell: (row) => (
        <>
          <time dateTime={new Date(row.start).toISOString()} title={fullTime(row.start)}>
            {clock(row.start)}
          </time>
          {row.lateBy !== undefined && <span className={styles.lateWords}>▲ +{durationWords(row.lateBy)}</span>}
        </>
      ),
    },
    { id: "order", header: "Order", width: "minmax(220px, 1.6fr)", cell: (row) => <Name row={row} clock={clock} onCycle={onCycle} /> },
    {
      id: "workflow",
      header: "Workflow",
      width: "minmax(130px, 1fr)",
      sort: "workflow",
      cell: ({ item }) => (
        <span className={list.two}>
          <WorkflowLink path={item.workflowPath} />
          <small>{splitPath(item.workflowPath).folder}</small>
        </span>
      ),
    },
    { id: "schedule", header: "Schedule", width: "minmax(120px, 1fr)", cell: ({ item }) => <span title={item.schedulePath}>{item.schedulePath === undefined ? "" : splitPath(item.schedulePath).name}</span> },
    { id: "expected", header: "Usually", width: "80px", right: true, cell: (row) => (row.expectedEnd > row.start ? durationWords(row.expectedEnd - row.start) : <span className="muted">–</span>) },
    {
      id: "actual",
      header: "Actual",
      width: "140px",
      right: true,
      cell: ({ startedAt, endedAt }) =>
        startedAt === undefined ? <span className="muted">–</span> : <span title={fullTime(startedAt)}>{endedAt === undefined ? `since ${clock(startedAt)}` : `${clock(startedAt)}, ${durationWords(endedAt - startedAt)}`}</span>,
    },
  ];
}

function Name({ row, clock, onCycle }: { row: Planned; clock: (time: number) => string; onCycle: ((orderId: string) => void) | undefined }) {
  const { item } = row;
  const cycle = item.cyclicOrder;
  return (
    <span className={list.two}>
      {item.submitted && cycle === undefined ? <OrderLink orderId={item.orderId} width={40} /> : <code title={item.orderId}>{shortId(item.orderId, 40)}</code>}
      <small>
        {cycle === undefined || onCycle === undefined ? (
          item.orderName
        ) : (
          <button type="button" className={styles.open} onClick={() => onCycle(item.orderId)}>
            {cycle.count} starts, {clock(Date.parse(cycle.firstStart))}–{clock(Date.parse(cycle.lastStart))}
            {item.period?.repeat !== undefined && `, every ${durationWords(item.period.repeat * 1000)}`}
          </button>
        )}
      </small>
    </span>
  );
}

const NONE: ReadonlySet<string> = new Set();

function Cycle({ row, zone, onClose }: { row: Planned; zone: string; onClose: () => void }) {
  const query = useQuery(cycleQuery(row.item));
  const now = useNow();
  const columns = useMemo(() => columnsOf(zone, undefined).filter(({ id }) => ["state", "start", "order", "actual"].includes(id)), [zone]);
  return (
    <section className={styles.cycle} aria-label={`Orders of the cycle ${row.item.orderName}`}>
      <header>
        <h2>Cycle {row.item.orderName}</h2>
        <button type="button" className="button small" onClick={onClose}>
          Close
        </button>
      </header>
      <Remote query={query}>
        {(items) => (
          <DataTable label="Orders of the cycle" columns={columns} rows={items.map((item) => planned(item, now))} keyOf={keyOf} gone={NONE} maxHeight={220} rowHeight={40} empty={<Empty title="No order of this cycle is left." />} />
        )}
      </Remote>
    </section>
  );
}
