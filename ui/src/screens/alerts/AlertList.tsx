/** The list of alerts of one state: selection, and what people do with many at once. */
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { type AlertRow } from "../../api/types";
import { usePages } from "../../api/usePages";
import { type KeyBinding, useKeys } from "../../app/keys";
import { type Column, DataTable } from "../../components/DataTable";
import { FilterField } from "../../components/FilterField";
import { OrderLink } from "../../components/links";
import list from "../../components/list.module.css";
import { OfTotal } from "../../components/ListPill";
import { Empty, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { numberWords, whenWords } from "../../domain/words";
import { useNow, useOnChange, useTopic } from "../../live/react";
import { AlertActions } from "./AlertActions";
import styles from "./alerts.module.css";
import { ChannelStates, Severity } from "./parts";

const COLUMNS: readonly Column<AlertRow>[] = [
  { id: "severity", header: "Severity", width: "104px", cell: (row) => <Severity severity={row.severity} /> },
  {
    id: "what",
    header: "What",
    width: "minmax(220px, 3fr)",
    cell: (row) => (
      <div className={list.two}>
        <Link to="/alerts/$" params={{ _splat: String(row.id) }} className={styles.title} title={row.title}>
          {row.title}
        </Link>
        <small title={row.message ?? ""}>{row.message ?? row.kind}</small>
      </div>
    ),
  },
  { id: "count", header: "Times", width: "64px", right: true, cell: (row) => `${numberWords(row.count)}×` },
  { id: "first", header: "First", width: "104px", cell: (row) => <When time={row.first} /> },
  { id: "last", header: "Last", width: "104px", cell: (row) => <When time={row.last} /> },
  { id: "order", header: "Order", width: "minmax(150px, 1fr)", cell: (row) => (row.orderId === undefined ? "" : <OrderLink orderId={row.orderId} width={22} />) },
  { id: "told", header: "Told", width: "minmax(120px, 1fr)", cell: (row) => <ChannelStates channels={row.channels ?? {}} /> },
  { id: "by", header: "By", width: "minmax(100px, 1fr)", cell: (row) => <By row={row} /> },
];

const NONE: ReadonlySet<string> = new Set();
const keyOf = (row: AlertRow): string => row.key;

function By({ row }: { row: AlertRow }) {
  const now = useNow();
  const muted = row.mutedUntil !== undefined && row.mutedUntil > now ? `muted until ${whenWords(row.mutedUntil, now)}` : undefined;
  const words = [row.comment, muted].filter((text) => text !== undefined).join(" · ");
  return (
    <div className={list.two} title={[row.account, words].filter(Boolean).join(": ")}>
      <span>{row.account ?? ""}</span>
      {words !== "" && <small>{words}</small>}
    </div>
  );
}

interface AlertListProps {
  state: AlertRow["state"];
  q: string;
  lastResolved: number | undefined;
  onQ: (q: string) => void;
}

export function AlertList({ state, q, lastResolved, onQ }: AlertListProps) {
  const navigate = useNavigate();
  const [selected, setSelected] = useState<ReadonlySet<string>>(NONE);
  const { query, rows, total, onEnd, refetch } = usePages("alerts", `state:${state}${q === "" ? "" : ` ${q}`}`, undefined);
  // Under a selection the rows hold still; the next look comes when it is gone.
  useOnChange(useTopic("alerts"), () => {
    if (selected.size === 0) refetch();
  });
  const chosen = useMemo(() => rows.filter((row) => selected.has(row.key)), [rows, selected]);
  const setQ = useCallback((text: string) => onQ(text), [onQ]);
  const clear = useCallback(() => {
    setSelected(NONE);
    refetch();
  }, [refetch]);
  const keys = useMemo<KeyBinding[]>(
    () => [{ keys: "r", words: "look again", run: refetch }],
    [refetch],
  );
  useKeys(keys);
  return (
    <>
      <div className={list.bar}>
        <FilterField value={q} onChange={setQ} placeholder="severity:error workflow:/etl/* …" label="Filter alerts" />
        <span className={list.count} role="status">
          {numberWords(rows.length)}
          <OfTotal shown={rows.length} total={total} /> {rows.length === 1 ? "alert" : "alerts"}
        </span>
      </div>
      {state !== "resolved" && chosen.length > 0 && <AlertActions alerts={chosen} onDone={clear} />}
      <div className={list.rows}>
        <Remote query={query}>
          {() => (
            <DataTable
              label="Alerts"
              columns={COLUMNS}
              rows={rows}
              keyOf={keyOf}
              rowHeight={46}
              {...(state === "resolved" ? {} : { selected, onSelect: setSelected })}
              onEnd={onEnd}
              onOpen={(row) => void navigate({ to: "/alerts/$", params: { _splat: String(row.id) } })}
              empty={<NoAlerts state={state} q={q} lastResolved={lastResolved} onClear={() => onQ("")} />}
            />
          )}
        </Remote>
      </div>
    </>
  );
}

function NoAlerts({ state, q, lastResolved, onClear }: { state: AlertRow["state"]; q: string; lastResolved: number | undefined; onClear: () => void }) {
  const now = useNow();
  if (q !== "")
    return (
      <Empty title="No alert matches this filter.">
        <button type="button" className="button small" onClick={onClear}>
          Clear the filter
        </button>
      </Empty>
    );
  if (state === "open") return <Empty title="No open alerts.">{lastResolved === undefined ? "Nothing has gone wrong yet." : `Last resolved ${whenWords(lastResolved, now)}.`}</Empty>;
  return <Empty title={state === "resolved" ? "Nothing has been resolved yet." : "Nobody is at work on an alert."} />;
}
