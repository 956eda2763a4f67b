/**
 * Parts of a page with all their states (ui.md 4.3): loading, failed with retry and report, three kinds of empty.
 * A failed part never takes the page with it.
 */
import { type UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { ApiError } from "../api/errors";
import { copy } from "./clipboard";
import styles from "./panel.module.css";

export function Panel({ title, aside, children, flush = false }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={styles.panel}>
      {title !== undefined && (
        <header className={styles.head}>
          <h2>{title}</h2>
          {aside !== undefined && <div className={styles.aside}>{aside}</div>}
        </header>
      )}
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

/** Draws a query: nothing for 150 ms, then that it loads; its error in its place; old content stays while it refreshes. */
export function Remote<Value>({ query, children }: { query: UseQueryResult<Value>; children: (value: Value) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <Loading />;
}

export function Loading() {
  const [patience, setPatience] = useState(0);
  useEffect(() => {
    const timers = [150, 3000, 15_000].map((wait, index) => setTimeout(() => setPatience(index + 1), wait));
    return () => timers.forEach(clearTimeout);
  }, []);
  const words = ["", "Loading…", "Still loading; the server has not answered yet.", "No answer for 15 s. Reload the page, or look whether the Cockpit runs."];
  return (
    <p className={styles.loading} role="status">
      {words[patience]}
    </p>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : undefined;
  const report = known?.report ?? String(error);
  return (
    <div className={styles.failure} role="alert">
      <p>
        <strong>{known?.message ?? (error instanceof Error ? error.message : String(error))}</strong>{" "}
        {known !== undefined && <code>{known.code}</code>}
      </p>
      {known !== undefined && known.details.length > 1 && (
        <ul>
          {known.details.map((detail) => (
            <li key={`${detail.path}${detail.message}`}>
              {detail.path !== "" && <code>{detail.path}</code>} {detail.message}
            </li>
          ))}
        </ul>
      )}
      {known !== undefined && <p className="muted">{known.remedy}</p>}
      <p className={styles.actions}>
        {retry !== undefined && (
          <button type="button" className="button" onClick={retry}>
            Try again
          </button>
        )}
        <button type="button" className="button quiet" onClick={() => void copy(report, "the report")}>
          Copy report
        </button>
      </p>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p>{title}</p>
      {children !== undefined && <div className="muted">{children}</div>}
    </div>
  );
}
