/** Another start time, for the orders themselves or for copies of them (cockpit-services 4.7). */
import { useId, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { copyPlanned, movePlanned, type NewStart, PLAN_KEYS } from "../../api/plan";
import { timeZones } from "../../domain/clock";
import { countOrders, planAllows } from "../../domain/plan";
import { plural, shortId } from "../../domain/words";
import styles from "./plan.module.css";
import { type PlanDialogProps, selectionOf, Touched } from "./PlanActions";
import { type Choice, newStartOf, startProblem } from "./start";

const CHOICES: readonly { value: Choice; words: string }[] = [
  { value: "at", words: "at" },
  { value: "by", words: "moved by" },
  { value: "date", words: "on another date, at the same time of day" },
  { value: "now", words: "now" },
  { value: "never", words: "without a start time" },
];

export function MoveDialog({ rows, zone, onDone, onClose, isCopy }: PlanDialogProps & { isCopy: boolean }) {
  const verb = isCopy ? "copy" : "move";
  const id = useId();
  const [choice, setChoice] = useState<Choice>("at");
  const [when, setWhen] = useState("");
  const [offset, setOffset] = useState("00:30");
  const [date, setDate] = useState("");
  const [timeZone, setTimeZone] = useState(zone);
  const [stick, setStick] = useState(false);
  const given = { choice, when, offset, date, timeZone };
  const start: NewStart = { ...newStartOf(given), ...(stick ? { stickDailyPlanDate: true } : {}) };
  const able = rows.filter((row) => planAllows(verb, row) === true);
  const count = plural(countOrders(able), "order");
  return (
    <RequestDialog<{ orderIds?: Record<string, string> }>
      title={isCopy ? `Copy ${count}` : `Change the start of ${count}`}
      request={(comment) => (isCopy ? copyPlanned : movePlanned)(selectionOf(verb, rows, comment), start)}
      button={isCopy ? `Copy ${count}` : `Change ${count}`}
      problem={startProblem(given)}
      effect={
        isCopy
          ? "The orders stay as they are; copies with ids of their own are planned, and submitted where the original is."
          : "Planned orders get the new time. Submitted ones are taken back and submitted again under new ids. Of a cycle all orders that have not started are moved."
      }
      done={({ orderIds = {} }) => {
        const made = Object.values(orderIds);
        const words = isCopy ? `Copied ${count}` : `Changed the start of ${count}`;
        return made.length === 1 && made[0] !== undefined ? `${words}: ${shortId(made[0])}` : words;
      }}
      refresh={PLAN_KEYS}
      onDone={onDone}
      onClose={onClose}
    >
      <Touched verb={verb} rows={rows} />
      <fieldset className={actionStyles.options}>
        <legend>{isCopy ? "Copies start" : "Start"}</legend>
        {CHOICES.map(({ value, words }) => (
          <div key={value} className={styles.choice}>
            <label className="check">
              <input type="radio" name={id} checked={choice === value} onChange={() => setChoice(value)} />
              {words}
            </label>
            {value === choice && value === "at" && (
              <div className={actionStyles.row}>
                <input className="input" type="datetime-local" aria-label="Start at" value={when} onChange={(event) => setWhen(event.target.value)} />
                <select className="input" aria-label="Time zone" value={timeZone} onChange={(event) => setTimeZone(event.target.value)}>
                  {[...new Set([zone, ...timeZones()])].map((name) => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </div>
            )}
            {value === choice && value === "by" && (
              <input className="input mono" aria-label="Moved by hours and minutes" placeholder="-01:15" value={offset} onChange={(event) => setOffset(event.target.value)} />
            )}
            {value === choice && value === "date" && (
              <input className="input" type="date" aria-label="Date" value={date} onChange={(event) => setDate(event.target.value)} />
            )}
          </div>
        ))}
        <label className="check">
          <input type="checkbox" checked={stick} onChange={(event) => setStick(event.target.checked)} />
          keep them in this day&rsquo;s plan, also where the new time is of another day
        </label>
      </fieldset>
    </RequestDialog>
  );
}
