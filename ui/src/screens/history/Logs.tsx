/** Search in the logs of all tasks (ui.md S7, S9): lines with a text, newest first, found page by page. */
import { useInfiniteQuery, type UseQueryResult } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useCallback, useState } from "react";
import { get, NATIVE } from "../../api/http";
import { type LogHit, type LogSearch } from "../../api/types";
import { FilterField } from "../../components/FilterField";
import { Icon } from "../../components/Icon";
import { OrderLink, WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { OutcomeChip } from "../../components/StateChip";
import { When } from "../../components/Time";
import styles from "./logs.module.css";

export function Logs() {
  const { q = "", text = "" } = useSearch({ from: "/history/$kind" });
  const navigate = useNavigate({ from: "/history/$kind" });
  const setQ = useCallback((value: string) => void navigate({ search: (old) => ({ ...old, q: value }), replace: true }), [navigate]);
  return (
    <>
      <div className={list.bar}>
        <TextField key={text} text={text} onSearch={(value) => void navigate({ search: (old) => ({ ...old, text: value }) })} />
        <FilterField value={q} onChange={setQ} placeholder="workflow:/etl/* job:load started:>-7d …" label="Filter tasks" />
      </div>
      <div className={styles.found} tabIndex={0} role="region" aria-label="Found lines">
        {text === "" ? (
          <Empty title="Find what jobs have printed.">
            Words as they stand in a line, e.g. <code>disk quota</code>. The last one may be the beginning of a word.
          </Empty>
        ) : (
          <Found text={text} q={q} />
        )}
      </div>
    </>
  );
}

function TextField({ text, onSearch }: { text: string; onSearch: (text: string) => void }) {
  const [value, setValue] = useState(text);
  function submit(event: FormEvent) {
    event.preventDefault();
    onSearch(value.trim());
  }
  return (
    <form className={list.filter} role="search" onSubmit={submit}>
      <Icon name="search" size={14} />
      <input className="input" aria-label="Text in logs" placeholder="text in logs" spellCheck={false} value={value} onChange={(event) => setValue(event.target.value)} />
    </form>
  );
}

function Found({ text, q }: { text: string; q: string }) {
  const query = useInfiniteQuery({
    queryKey: ["history/search", text, q],
    queryFn: ({ pageParam, signal }) => get<LogSearch>(`${NATIVE}history/search`, { text, q: q === "" ? undefined : q, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    staleTime: 60_000,
  });
  const hits = query.data?.pages.flatMap((page) => page.hits) ?? [];
  return (
    <Remote query={query as UseQueryResult<unknown>}>
      {() => (
        <>
          {hits.length === 0 && !query.hasNextPage && <Empty title="No log has a line with this text.">Its first word has to be whole; upper and lower case are the same.</Empty>}
          <ul className={styles.hits}>
            {hits.map((hit) => (
              <Hit key={hit.task.taskId} hit={hit} text={text} />
            ))}
          </ul>
          <p className={styles.end} role="status">
            {query.hasNextPage ? (
              <button type="button" className="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                {query.isFetchingNextPage ? "Looking…" : "Look further back"}
              </button>
            ) : (
              hits.length > 0 && "These are all."
            )}
          </p>
        </>
      )}
    </Remote>
  );
}

function Hit({ hit: { task, lines, hasMoreLines }, text }: { hit: LogHit; text: string }) {
  const path = typeof task.workflow === "string" ? task.workflow : task.workflow.path;
  const log = { kind: "task", id: String(task.taskId) };
  return (
    <li>
      <p className={styles.head}>
        <OutcomeChip outcome={task.outcome} />
        <Link to="/log/$kind/$id" params={log} search={{ find: text }}>
          <b>{task.label ?? task.job}</b>
        </Link>
        <span>
          of <OrderLink orderId={task.orderId} /> in <WorkflowLink path={path} full />
        </span>
        <When time={task.start} />
      </p>
      <ol className={styles.lines}>
        {lines.map((line) => (
          <li key={line.n} value={line.n} data-channel={line.ch}>
            <Marked line={line.txt ?? ""} text={text} />
          </li>
        ))}
      </ol>
      {hasMoreLines === true && (
        <p className="muted">
          <Link to="/log/$kind/$id" params={log} search={{ find: text }}>
            more lines in the log
          </Link>
        </p>
      )}
    </li>
  );
}

function Marked({ line, text }: { line: string; text: string }): ReactNode {
  const at = line.toLowerCase().indexOf(text.toLowerCase());
  if (at < 0) return line;
  return (
    <>
      {line.slice(0, at)}
      <mark>{line.slice(at, at + text.length)}</mark>
      {line.slice(at + text.length)}
    </>
  );
}
