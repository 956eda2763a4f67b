/** The order's life in sentences; beside it the last lines of the task that matters now. */
import { Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef } from "react";
import { type HistoryRow } from "../../api/types";
import { Glyph } from "../../components/Glyph";
import { Lasted } from "../../components/Time";
import { outcomeLook, stateLook } from "../../domain/states";
import { story } from "../../domain/story";
import { clockWords, fullTime, plural } from "../../domain/words";
import { LogView } from "../../log/LogView";
import { useNow } from "../../live/react";
import styles from "./order.module.css";
import { type OrderKnowledge } from "./useOrder";

export function StoryTab({ order, all, onAll }: { order: OrderKnowledge; all: boolean; onAll: (all: boolean) => void }) {
  const now = useNow();
  const rows = useMemo(() => story(order.orderId, order.events, order.tasks, Date.now()), [order.orderId, order.events, order.tasks]);
  const shown = all ? rows : rows.filter((row) => !row.minor);
  const folded = rows.length - rows.filter((row) => !row.minor).length;
  const task = taskThatMatters(order);
  const list = useRef<HTMLOListElement>(null);
  const length = shown.length;
  useEffect(() => {
    // The newest is last: keep it in sight, as long as the list is at its end anyway.
    const element = list.current;
    if (element !== null && element.scrollHeight - element.scrollTop - element.clientHeight < 200) element.scrollTop = element.scrollHeight;
  }, [length]);

  return (
    <div className={styles.story}>
      <div className={styles.column}>
        <ol ref={list} className={styles.rows} aria-label="Story of the order">
          {shown.map((row) => {
            const look = stateLook(row.glyph);
            const { task: ran } = row;
            return (
              <li key={row.key} data-state={look.colour} data-minor={row.minor || undefined}>
                <time title={fullTime(row.time)}>{clockWords(row.time)}</time>
                <span className={styles.mark}>
                  <Glyph name={row.glyph} size={14} />
                  <span className="visually-hidden">{look.word}: </span>
                </span>
                <span className={styles.words}>
                  {row.branch !== undefined && <span className={styles.branch}>{row.branch}</span>}
                  {ran?.taskId === undefined ? (
                    <span>{row.words}</span>
                  ) : (
                    <Link to="." search={(old) => ({ ...old, tab: "log", node: String(ran.taskId) })} className={styles.job}>
                      {row.words}
                    </Link>
                  )}
                  {row.detail !== undefined && <span className={styles.detail}>{row.detail}</span>}
                </span>
                <span className="muted">
                  {ran !== undefined && (
                    <>
                      {(ran.attempt ?? 1) > 1 && `attempt ${ran.attempt} · `}
                      <Lasted start={ran.start} end={ran.end} />
                    </>
                  )}
                </span>
              </li>
            );
          })}
          {shown.length === 0 && <li className="muted">Nothing has happened yet.</li>}
        </ol>
        {folded > 0 && (
          <button type="button" className="button quiet small" aria-pressed={all} onClick={() => onAll(!all)}>
            {all ? "Fold the mechanics away" : `Show all, also ${plural(folded, "event")} of mechanics`}
          </button>
        )}
      </div>
      <section className={styles.preview} aria-label="Last lines of the log">
        {task?.taskId === undefined ? (
          <p className={styles.noTask}>No job has run yet. Its output appears here, as it is written.</p>
        ) : (
          <>
            <header>
              <span data-state={outcomeLook(task.outcome).colour} className={styles.taskName}>
                <Glyph name={outcomeLook(task.outcome).name} size={13} />
                <b>{task.label ?? task.job}</b>
              </span>
              <span className="muted">
                {task.agentId} {task.end === undefined && now > 0 ? "· running" : task.returnCode !== undefined ? `· exit ${task.returnCode}` : ""}
              </span>
              <Link to="." search={(old) => ({ ...old, tab: "log", node: String(task.taskId) })}>
                whole log
              </Link>
            </header>
            <LogView key={String(task.taskId)} kind="task" id={String(task.taskId)} label={`Log of ${task.label ?? task.job ?? "the job"}`} compact />
          </>
        )}
      </section>
    </div>
  );
}

/** What one wants to read first: what runs; of a failed order what failed last; else the last. */
export function taskThatMatters({ tasks, row }: OrderKnowledge): HistoryRow | undefined {
  const byStart = [...tasks].sort((a, b) => (a.start ?? 0) - (b.start ?? 0));
  const running = byStart.findLast((task) => task.end === undefined);
  const isBad = row !== undefined && stateLook(row.state._text).family === "bad";
  const failed = isBad ? byStart.findLast((task) => outcomeLook(task.outcome).family === "bad") : undefined;
  return running ?? failed ?? byStart.at(-1);
}
