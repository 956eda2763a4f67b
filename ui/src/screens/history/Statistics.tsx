/** S22 Statistics: how much ran, how long, what failed, where (ui.md S9, S22). Every line leads to its runs in History. */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import { get, NATIVE } from "../../api/http";
import { type AgentLoad, type Durations, type Failure, type StatisticsOf, type StatisticsRows, type Throughput } from "../../api/types";
import { Bars } from "../../components/Bars";
import { FilterField } from "../../components/FilterField";
import { WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { Empty, Panel, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { dateTimeWords, durationWords, numberWords, plural } from "../../domain/words";
import styles from "./statistics.module.css";

const RANGES = [
  { value: "1h", label: "1 hour" },
  { value: "24h", label: "24 hours" },
  { value: "7d", label: "7 days" },
  { value: "30d", label: "30 days" },
] as const;

interface Asked {
  of: StatisticsOf;
  q: string;
  range: string;
}

const statistics = <Answer,>(name: string, { of, q, range }: Asked) =>
  queryOptions({
    queryKey: ["stats", name, of, q, range],
    queryFn: ({ signal }) => get<Answer>(`${NATIVE}stats/${name}`, { of, q: q === "" ? undefined : q, from: `-${range}` }, signal),
    staleTime: 60_000,
  });

export function Statistics() {
  const { q = "", of: given, range: wanted } = useSearch({ from: "/history/$kind" });
  const navigate = useNavigate({ from: "/history/$kind" });
  const of: StatisticsOf = given === "tasks" ? "tasks" : "orders";
  const range = RANGES.find((one) => one.value === wanted)?.value ?? "24h";
  const asked = { of, q, range };
  const setQ = useCallback((text: string) => void navigate({ search: (old) => ({ ...old, q: text }), replace: true }), [navigate]);
  return (
    <>
      <div className={list.bar}>
        <FilterField value={q} onChange={setQ} placeholder="workflow:/etl/* state:failed …" label="Filter statistics" />
        <label className={styles.choice}>
          Of{" "}
          <select className="input" value={of} onChange={(event) => void navigate({ search: (old) => ({ ...old, of: event.target.value }) })}>
            <option value="orders">orders</option>
            <option value="tasks">tasks</option>
          </select>
        </label>
        <label className={styles.choice}>
          Last{" "}
          <select className="input" value={range} onChange={(event) => void navigate({ search: (old) => ({ ...old, range: event.target.value }) })}>
            {RANGES.map((one) => (
              <option key={one.value} value={one.value}>
                {one.label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className={styles.page} tabIndex={0} role="region" aria-label="Figures">
        <Over asked={asked} />
        <Lasting asked={asked} />
        <div className={styles.two}>
          <Failing asked={asked} />
          <Agents asked={asked} />
        </div>
      </div>
    </>
  );
}

function Over({ asked }: { asked: Asked }) {
  const query = useQuery(statistics<Throughput>("throughput", asked));
  return (
    <Panel title="Starts over time" aside={query.data !== undefined && <Since answer={query.data} />}>
      <Remote query={query}>{(answer) => <Outcomes answer={answer} of={asked.of} />}</Remote>
    </Panel>
  );
}

/** What is counted, where that is less than was asked for. */
function Since({ answer }: { answer: { from: number; isWhole: boolean } }) {
  return answer.isWhole ? null : (
    <>
      too many to count: those since <When time={answer.from} />
    </>
  );
}

function Outcomes({ answer, of }: { answer: Throughput; of: StatisticsOf }) {
  const sum = (name: "successful" | "failed" | "incomplete") => answer.buckets.reduce((total, bucket) => total + bucket[name], 0);
  const [successful, failed, incomplete] = [sum("successful"), sum("failed"), sum("incomplete")];
  const total = successful + failed + incomplete;
  if (total === 0) return <Empty title="Nothing has started in this time.">Choose a longer time, or another filter.</Empty>;
  const share = (count: number) => `${((count / total) * 100).toFixed(1)} %`;
  return (
    <>
      <dl className={styles.outcomes}>
        <div data-state="finished">
          <dt>successful</dt>
          <dd>
            {numberWords(successful)} <small>{share(successful)}</small>
          </dd>
        </div>
        <div data-state="failed">
          <dt>failed</dt>
          <dd>
            {numberWords(failed)} <small>{share(failed)}</small>
          </dd>
        </div>
        <div data-state="running">
          <dt>not ended</dt>
          <dd>
            {numberWords(incomplete)} <small>{share(incomplete)}</small>
          </dd>
        </div>
      </dl>
      <Bars
        title={`Starts of ${of} per ${widthWords(answer.bucket)}`}
        keyHeader="From"
        parts={[
          { name: "successful", colour: "finished" },
          { name: "not ended", colour: "running" },
          { name: "failed", colour: "failed" },
        ]}
        bars={answer.buckets.map((bucket) => ({
          key: String(bucket.start),
          label: dateTimeWords(bucket.start).slice(0, 16),
          values: [bucket.successful, bucket.incomplete, bucket.failed],
        }))}
      />
    </>
  );
}

/** `30 minutes`, `1 hour`, `7 days`; buckets are of such widths. */
function widthWords(milliseconds: number): string {
  for (const [size, unit] of [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const) {
    if (milliseconds % size === 0) return plural(milliseconds / size, unit);
  }
  return durationWords(milliseconds);
}

const quoted = (name: string): string => (/[\s,"]/.test(name) ? `"${name}"` : name);

/** Where the runs behind a line are listed. */
function RunsLink({ asked, terms, children }: { asked: Asked; terms: string; children: React.ReactNode }) {
  const q = [terms, `started:>-${asked.range}`].filter((part) => part !== "").join(" ");
  return (
    <Link to="/history/$kind" params={{ kind: asked.of }} search={{ q }}>
      {children}
    </Link>
  );
}

function place(row: { workflow: string; job?: string }): string {
  return `workflow:${quoted(row.workflow)}${row.job === undefined ? "" : ` job:${quoted(row.job)}`}`;
}

function Lasting({ asked }: { asked: Asked }) {
  const query = useQuery({ ...statistics<StatisticsRows<Durations>>("durations", asked), placeholderData: keepPreviousData });
  return (
    <Panel title={asked.of === "tasks" ? "Durations by job" : "Durations by workflow"} aside="what took most time altogether first" flush>
      <Remote query={query}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty title="Nothing has run in this time." />
          ) : (
            <div className={styles.scroll} tabIndex={0} role="region" aria-label="Durations">
              <table className={styles.table}>
                <thead>
                  <tr>
                    <th scope="col">Workflow</th>
                    {asked.of === "tasks" && (
                      <th scope="col" className={styles.words}>
                        Job
                      </th>
                    )}
                    <th scope="col">Runs</th>
                    <th scope="col">Failed</th>
                    <th scope="col">Half within</th>
                    <th scope="col">90 % within</th>
                    <th scope="col">99 % within</th>
                    <th scope="col">Longest</th>
                    <th scope="col">Altogether</th>
                    <th scope="col">Half, 90 %, longest</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <tr key={`${row.workflow} ${row.job ?? ""}`}>
                      <th scope="row">
                        <WorkflowLink path={row.workflow} full />
                      </th>
                      {asked.of === "tasks" && <td className={styles.words}>{row.job}</td>}
                      <td>
                        <RunsLink asked={asked} terms={place(row)}>
                          {numberWords(row.count)}
                        </RunsLink>
                      </td>
                      <td>
                        {row.failed > 0 ? (
                          <RunsLink asked={asked} terms={`${place(row)} state:failed`}>
                            <span className={styles.failed}>{numberWords(row.failed)}</span>
                          </RunsLink>
                        ) : (
                          <span className="muted">0</span>
                        )}
                      </td>
                      {[row.p50, row.p90, row.p99, row.longest, row.total].map((value, index) => (
                        <td key={index}>{value === undefined ? <span className="muted">–</span> : durationWords(value)}</td>
                      ))}
                      <td className={styles.range} aria-hidden="true">
                        <Range row={row} most={Math.max(...rows.map((other) => other.longest ?? 0))} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Remote>
    </Panel>
  );
}

/** Half, nine tenths and the longest on one scale, which is of square roots so that short ones are seen, too. */
function Range({ row, most }: { row: Durations; most: number }) {
  if (row.longest === undefined || most === 0) return null;
  const at = (value: number | undefined) => `${Math.sqrt((value ?? 0) / most) * 100}%`;
  return (
    <div className={styles.scale}>
      <i className={styles.whisker} style={{ width: at(row.longest) }} />
      <i className={styles.most} style={{ width: at(row.p90) }} />
      <i className={styles.half} style={{ width: at(row.p50) }} />
    </div>
  );
}

function Failing({ asked }: { asked: Asked }) {
  const query = useQuery({ ...statistics<StatisticsRows<Failure>>("failures", asked), placeholderData: keepPreviousData });
  return (
    <Panel title="Failures" aside="most often first" flush>
      <Remote query={query}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty title="Nothing has failed in this time." />
          ) : (
            <div className={styles.scroll} tabIndex={0} role="region" aria-label="Failures">
              <table className={styles.table}>
                <thead>
                  <tr>
                    <th scope="col">Where</th>
                    <th scope="col" className={styles.words}>
                      Error
                    </th>
                    <th scope="col">Times</th>
                    <th scope="col">Last</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <tr key={`${row.workflow} ${row.job ?? ""} ${row.error ?? ""}`}>
                      <th scope="row">
                        <WorkflowLink path={row.workflow} full />
                        {row.job !== undefined && <> › {row.job}</>}
                      </th>
                      <td className={styles.words}>{row.error ?? <span className="muted">no text</span>}</td>
                      <td>
                        <RunsLink asked={asked} terms={`${place(row)} state:failed`}>
                          {numberWords(row.count)}
                        </RunsLink>
                      </td>
                      <td>
                        <When time={row.last} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Remote>
    </Panel>
  );
}

function Agents({ asked }: { asked: Asked }) {
  // A filter of orders may have terms that tasks do not have, and the other way round.
  const query = useQuery({ ...statistics<StatisticsRows<AgentLoad>>("agents", { ...asked, of: "tasks" }), placeholderData: keepPreviousData });
  return (
    <Panel title="Agents" aside="busiest first" flush>
      <Remote query={query}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty title="No Agent has worked in this time." />
          ) : (
            <div className={styles.scroll} tabIndex={0} role="region" aria-label="Agents">
              <table className={styles.table}>
                <thead>
                  <tr>
                    <th scope="col">Agent</th>
                    <th scope="col">Tasks</th>
                    <th scope="col">Failed</th>
                    <th scope="col">Working time</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <tr key={row.agentId}>
                      <th scope="row">{row.agentId}</th>
                      <td>
                        <RunsLink asked={{ ...asked, of: "tasks" }} terms={`agent:${quoted(row.agentId)}`}>
                          {numberWords(row.count)}
                        </RunsLink>
                      </td>
                      <td>{numberWords(row.failed)}</td>
                      <td>{durationWords(row.busy ?? 0)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Remote>
    </Panel>
  );
}
