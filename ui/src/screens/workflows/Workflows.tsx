/** S3 Workflows: finding one, and seeing which are ill (ui.md S3). */
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { type RunMark, type WorkflowRow } from "../../api/types";
import { usePages } from "../../api/usePages";
import { type Column, DataTable } from "../../components/DataTable";
import { FilterField } from "../../components/FilterField";
import { WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { Chip } from "../../components/StateChip";
import { When } from "../../components/Time";
import { glob, parseFilter } from "../../domain/filter";
import { outcomeLook, STATES } from "../../domain/states";
import { durationWords, numberWords, splitPath } from "../../domain/words";
import { useLiveList } from "../../live/useLiveList";
import styles from "./workflows.module.css";

const COLUMNS: readonly Column<WorkflowRow>[] = [
  {
    id: "name",
    header: "Workflow",
    width: "minmax(200px, 2fr)",
    sort: "path",
    cell: (row) => (
      <span className={list.two}>
        <WorkflowLink path={row.path} />
        <small title={row.title}>{row.title ?? splitPath(row.path).folder}</small>
      </span>
    ),
  },
  { id: "folder", header: "Folder", width: "minmax(80px, 1fr)", cell: (row) => splitPath(row.path).folder },
  { id: "now", header: "Orders now", width: "minmax(180px, 2fr)", cell: (row) => <Now row={row} /> },
  { id: "runs", header: "Last runs", width: "196px", cell: (row) => <Runs runs={row.lastRuns ?? []} /> },
  { id: "usual", header: "Usual", width: "80px", right: true, cell: (row) => <Usual row={row} /> },
  { id: "deployed", header: "Deployed", width: "110px", cell: (row) => <When time={row.deployedAt} /> },
];

const keyOf = (row: WorkflowRow): string => row.path;

export function Workflows() {
  const { q = "", sort } = useSearch({ from: "/workflows" });
  const navigate = useNavigate({ from: "/workflows" });
  const filter = useMemo(() => parseFilter(q), [q]);
  const matches = useCallback(
    (row: WorkflowRow) =>
      filter.terms.every((term) => {
        if (term.key === undefined) return term.values.every((value) => row.path.toLowerCase().includes(value.toLowerCase())) !== term.negated;
        if (term.key === "workflow" || term.key === "folder")
          return term.values.some((value) => glob(value, row.path) || glob(value, splitPath(row.path).name) || row.path.startsWith(`${value}/`)) !== term.negated;
        return true;
      }),
    [filter],
  );
  const { query, rows, onEnd, refetch } = usePages("workflows", q, sort);
  const live = useLiveList({ page: rows, topic: "workflows", keyOf, matches, refetch });
  const setQ = useCallback((text: string) => void navigate({ search: (old) => ({ ...old, q: text }), replace: true }), [navigate]);

  return (
    <div className={list.page}>
      <PageTitle title="Workflows" />
      <div className={list.card}>
        <div className={list.bar}>
          <FilterField value={q} onChange={setQ} placeholder="a name, or folder:/etl" label="Filter workflows" />
          <span className={list.count} role="status">
            {numberWords(live.rows.length)} workflows
          </span>
        </div>
        <div className={list.rows}>
          <Remote query={query}>
            {() => (
              <DataTable
                label="Workflows"
                rowHeight={46}
                columns={COLUMNS}
                rows={live.rows}
                keyOf={keyOf}
                sort={sort}
                onSort={(name) => void navigate({ search: (old) => ({ ...old, sort: name }) })}
                onHold={live.onHold}
                onEnd={onEnd}
                onOpen={(row) => void navigate({ to: "/workflow/$", params: { _splat: row.path.replace(/^\//, "") } })}
                empty={
                  q === "" ? (
                    <Empty title="No workflow is deployed yet.">
                      Deploy one with <code>stellwerk deploy FILE</code>; it appears here.
                    </Empty>
                  ) : (
                    <Empty title="No workflow matches this filter.">
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
      </div>
    </div>
  );
}

function Now({ row }: { row: WorkflowRow }) {
  const counts = row.counts?.byState ?? {};
  const present = STATES.filter((state) => (counts[state.name] ?? 0) > 0);
  if (present.length === 0) return <span className="muted">no orders</span>;
  return (
    <span className={styles.now}>
      {present.map((state) => (
        <Link key={state.name} to="/orders" search={{ q: `state:${state.name.toLowerCase()} workflow:${row.path}` }}>
          <Chip look={state} small count={numberWords(counts[state.name] ?? 0)} />
        </Link>
      ))}
    </span>
  );
}

/** How long a good run takes: the server's word, else the median of the last ones. */
function Usual({ row }: { row: WorkflowRow }) {
  const good = (row.lastRuns ?? []).filter((run) => outcomeLook(run.outcome).name === "FINISHED" && run.ms !== undefined);
  const sorted = good.map((run) => run.ms ?? 0).sort((a, b) => a - b);
  const usual = row.usual?.p50 ?? sorted[Math.floor(sorted.length / 2)];
  return usual === undefined ? <span className="muted">–</span> : <>{durationWords(usual)}</>;
}

/** Height is the duration in relation to the longest, shape and colour the outcome; each opens its order. */
function Runs({ runs }: { runs: readonly RunMark[] }) {
  const longest = Math.max(1, ...runs.map((run) => run.ms ?? 0));
  if (runs.length === 0) return <span className="muted">no run has ended</span>;
  return (
    <span className={styles.runs}>
      {runs.slice(-20).map((run) => {
        const look = outcomeLook(run.outcome);
        const words = `${look.word}${run.ms === undefined ? "" : ` in ${durationWords(run.ms)}`}`;
        const bar = <i style={{ height: `${Math.max(25, ((run.ms ?? 0) / longest) * 100)}%` }} />;
        return run.orderId === undefined ? (
          <span key={String(run.historyId)} className={styles.run} data-state={look.colour} data-family={look.family} title={words}>
            {bar}
          </span>
        ) : (
          <Link
            key={String(run.historyId)}
            to="/order/$orderId"
            params={{ orderId: run.orderId }}
            className={styles.run}
            data-state={look.colour}
            data-family={look.family}
            title={words}
            aria-label={words}
            tabIndex={-1}
          >
            {bar}
          </Link>
        );
      })}
    </span>
  );
}
