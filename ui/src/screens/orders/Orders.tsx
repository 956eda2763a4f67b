/** S5 Orders: the work list; state bar = filter and legend, live rows that hold still under the cursor, verbs on many. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { VerbButtons } from "../../actions/VerbButtons";
import { countsQuery, takeCounts } from "../../api/queries";
import { type OrderRow } from "../../api/types";
import { usePages } from "../../api/usePages";
import { type Column, DataTable } from "../../components/DataTable";
import { FilterField } from "../../components/FilterField";
import { OrderLink, WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { ListPill, OfTotal } from "../../components/ListPill";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { StateChip } from "../../components/StateChip";
import { Ago, When } from "../../components/Time";
import { matchesOrder, parseFilter } from "../../domain/filter";
import { stepOf, whyShort } from "../../domain/explain";
import { numberWords } from "../../domain/words";
import { useCountsEvent, useTopic } from "../../live/react";
import { useLiveList } from "../../live/useLiveList";
import { StateBar } from "./StateBar";

const COLUMNS: readonly Column<OrderRow>[] = [
  { id: "state", header: "State", width: "minmax(124px, 0.8fr)", cell: (row) => <StateChip state={row.state} marked={row.marked} />, sort: "state" },
  { id: "order", header: "Order", width: "minmax(256px, 1.4fr)", cell: (row) => <OrderLink orderId={row.orderId} width={33} />, sort: "orderId" },
  {
    id: "workflow",
    header: "Workflow / step",
    width: "minmax(170px, 1.7fr)",
    sort: "workflow",
    cell: (row) => (
      <>
        <WorkflowLink path={row.workflow.path} full />
        {stepOf(row) !== undefined && <span className="muted"> ▸ {stepOf(row)}</span>}
      </>
    ),
  },
  { id: "why", header: "Why", width: "minmax(160px, 2fr)", cell: (row) => <span title={whyShort(row)}>{whyShort(row)}</span> },
  { id: "since", header: "Since", width: "100px", cell: (row) => <Ago time={row.state.since} />, sort: "since" },
  { id: "scheduled", header: "Scheduled", width: "100px", cell: (row) => <When time={row.scheduledFor} />, sort: "scheduledFor" },
  { id: "agent", header: "Agent", width: "90px", cell: (row) => row.agentId ?? <span className="muted">–</span> },
];

const keyOf = (row: OrderRow): string => row.orderId;
const NONE: ReadonlySet<string> = new Set();

export function Orders() {
  const { q = "", sort } = useSearch({ from: "/orders" });
  const navigate = useNavigate({ from: "/orders" });
  const [selected, setSelected] = useState<ReadonlySet<string>>(NONE);
  const filter = useMemo(() => parseFilter(q), [q]);
  const matches = useCallback((row: OrderRow) => matchesOrder(filter, row), [filter]);

  const counts = useQuery(countsQuery());
  useTopic("counts");
  const client = useQueryClient();
  useCountsEvent(useCallback((event) => takeCounts(client, event), [client]));
  const { query, rows, total, onEnd, refetch } = usePages("orders", q, sort);
  const live = useLiveList({ page: rows, topic: "orders", keyOf, matches, refetch });

  const setQ = useCallback((text: string) => void navigate({ search: (old) => ({ ...old, q: text }), replace: true }), [navigate]);
  const chosen = live.rows.filter((row) => selected.has(row.orderId));

  function select(next: ReadonlySet<string>) {
    setSelected(next);
    live.onHold("selection", next.size > 0);
  }

  return (
    <div className={list.page}>
      <PageTitle title="Orders" actions={chosen.length > 0 && <VerbButtons orders={chosen} keys />} />
      <div className={list.card}>
        <StateBar counts={counts.data?.counts ?? {}} q={q} onChange={setQ} />
        <div className={list.bar}>
          <FilterField value={q} onChange={setQ} placeholder="state:failed workflow:/etl/* …" label="Filter orders" />
          <span className={list.count} role="status">
            {chosen.length > 0 ? `${chosen.length} selected · ` : ""}
            {numberWords(live.rows.length)}
            <OfTotal shown={live.rows.length} total={total} /> orders
          </span>
          <ListPill waiting={live.waiting} onShow={live.flow} />
        </div>
        <div className={list.rows}>
          <Remote query={query}>
            {() => (
              <DataTable
                label="Orders"
                columns={COLUMNS}
                rows={live.rows}
                keyOf={keyOf}
                sort={sort}
                onSort={(name) => void navigate({ search: (old) => ({ ...old, sort: name }) })}
                selected={selected}
                onSelect={select}
                gone={live.gone}
                onHold={live.onHold}
                onEnd={onEnd}
                onOpen={(row) => void navigate({ to: "/order/$orderId", params: { orderId: row.orderId } })}
                empty={<NoOrders q={q} onClear={() => setQ("")} />}
              />
            )}
          </Remote>
        </div>
      </div>
    </div>
  );
}

function NoOrders({ q, onClear }: { q: string; onClear: () => void }) {
  if (q === "") return <Empty title="There are no orders.">Orders appear here when they are added, by a person or by a schedule.</Empty>;
  return (
    <Empty title="No order matches this filter.">
      <code>{q}</code>{" "}
      <button type="button" className="button small" onClick={onClear}>
        Clear the filter
      </button>
    </Empty>
  );
}
