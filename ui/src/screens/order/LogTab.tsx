/** The logs of the order: its tasks at the left, the chosen one's output at the right. */
import { Glyph } from "../../components/Glyph";
import { Empty } from "../../components/Panel";
import { Lasted } from "../../components/Time";
import { outcomeLook } from "../../domain/states";
import { clockWords, plural } from "../../domain/words";
import { LogView } from "../../log/LogView";
import styles from "./order.module.css";
import { taskThatMatters } from "./StoryTab";
import { type OrderKnowledge } from "./useOrder";

interface LogTabProps {
  order: OrderKnowledge;
  task: string | undefined;
  line: number | undefined;
  onTask: (task: string) => void;
  onLine: (line: number) => void;
}

export const WHOLE_ORDER = "order";

export function LogTab({ order, task, line, onTask, onLine }: LogTabProps) {
  const historyId = order.history?.historyId ?? order.row?.historyId;
  const chosen = task ?? taskThatMatters(order)?.taskId;
  const tasks = [...order.tasks].sort((a, b) => (a.start ?? 0) - (b.start ?? 0));
  const current = tasks.find((each) => String(each.taskId) === String(chosen));
  const whole = String(chosen) === WHOLE_ORDER;
  if (historyId === undefined && tasks.length === 0)
    return <Empty title="No log yet.">The order has not started. Its log begins with its start.</Empty>;
  return (
    <div className={styles.logs}>
      <nav aria-label="Tasks of the order" className={styles.tasks}>
        {historyId !== undefined && (
          <button type="button" aria-current={whole} onClick={() => onTask(WHOLE_ORDER)}>
            <b>Whole order</b>
            <span className="muted">all steps in one</span>
          </button>
        )}
        {tasks.map((each) => {
          const look = outcomeLook(each.outcome);
          return (
            <button key={String(each.taskId)} type="button" aria-current={String(each.taskId) === String(chosen)} onClick={() => onTask(String(each.taskId))}>
              <b data-state={look.colour} className={styles.taskName}>
                <Glyph name={look.name} size={12} /> <span>
                  {each.orderId.startsWith(`${order.orderId}|`) && `${each.orderId.slice(order.orderId.length + 1)} · `}
                  {each.label ?? each.job}
                </span>
              </b>
              <span className="muted">
                {each.start !== undefined && clockWords(each.start)} · <Lasted start={each.start} end={each.end} />
                {each.logLines !== undefined && ` · ${plural(each.logLines, "line")}`}
              </span>
            </button>
          );
        })}
      </nav>
      {whole && historyId !== undefined ? (
        <LogView key="order" kind="order" id={String(historyId)} anchor={line} onAnchor={onLine} label="Log of the order" />
      ) : chosen !== undefined && !whole ? (
        <LogView
          key={String(chosen)}
          kind="task"
          id={String(chosen)}
          anchor={line}
          onAnchor={onLine}
          openAtError={current !== undefined && outcomeLook(current.outcome).family === "bad"}
          label={`Log of ${current?.label ?? current?.job ?? "the task"}`}
        />
      ) : (
        <Empty title="No job has run yet." />
      )}
    </div>
  );
}
