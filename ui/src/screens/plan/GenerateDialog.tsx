/** Plans days (cockpit-services 4.5): which dates, which schedules, what becomes of what is planned already. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { generatePlan, PLAN_KEYS } from "../../api/plan";
import { controllerQuery } from "../../api/queries";
import { addDays, isDate } from "../../domain/plan";
import { plural } from "../../domain/words";

const MAXIMUM_DAYS = 100;

export function GenerateDialog({ date, onClose }: { date: string; onClose: () => void }) {
  const controller = useQuery(controllerQuery());
  const [from, setFrom] = useState(date);
  const [to, setTo] = useState(date);
  const [schedules, setSchedules] = useState("");
  const [flags, setFlags] = useState({ overwrite: false, withSubmit: false, includeLate: false, includeNonAutoPlannedOrders: false });
  const dates = datesOf(from, to);
  const problem =
    controller.data === undefined
      ? "No Controller is known yet."
      : dates.length === 0
        ? "The last date must not lie before the first one."
        : dates.length > MAXIMUM_DAYS
          ? `Plan at most ${MAXIMUM_DAYS} days at once.`
          : undefined;
  const days = plural(dates.length, "day");
  const check = (name: keyof typeof flags, words: string) => (
    <label className="check">
      <input type="checkbox" checked={flags[name]} onChange={(event) => setFlags({ ...flags, [name]: event.target.checked })} />
      {words}
    </label>
  );
  return (
    <RequestDialog
      title="Plan days"
      request={(comment) =>
        problem !== undefined || controller.data === undefined
          ? undefined
          : generatePlan({ controllerId: controller.data, dailyPlanDates: dates, schedulePaths: schedules.split(/[\s,]+/).filter((path) => path !== ""), comment, ...flags })
      }
      button={`Plan ${days}`}
      danger={flags.overwrite}
      problem={problem}
      effect={
        flags.overwrite
          ? "What has not started is taken back, deleted and planned anew from the released schedules."
          : "Orders of the released schedules are added; what is planned already stays as it is."
      }
      done={() => `Planned ${days}`}
      refresh={PLAN_KEYS}
      onClose={onClose}
    >
      <div className={actionStyles.arguments}>
        <label className="field">
          <span className="field-label">First date</span>
          <input
            className="input"
            type="date"
            data-autofocus
            value={from}
            onChange={(event) => {
              setFrom(event.target.value);
              if (event.target.value > to) setTo(event.target.value);
            }}
          />
        </label>
        <label className="field">
          <span className="field-label">Last date</span>
          <input className="input" type="date" value={to} onChange={(event) => setTo(event.target.value)} />
        </label>
      </div>
      <label className="field">
        <span className="field-label">Schedules</span>
        <input className="input mono" placeholder="all" value={schedules} onChange={(event) => setSchedules(event.target.value)} />
        <small>Names or paths with spaces between them; empty: all that are planned automatically.</small>
      </label>
      <fieldset className={actionStyles.options}>
        <legend>Options</legend>
        {check("withSubmit", "submit them to the Controller as well")}
        {check("includeLate", "also starts that have passed; they start at once when they are submitted")}
        {check("includeNonAutoPlannedOrders", "also schedules that are not planned automatically")}
        {check("overwrite", "plan anew what is planned already and has not started")}
      </fieldset>
    </RequestDialog>
  );
}

function datesOf(from: string, to: string): string[] {
  const dates: string[] = [];
  if (isDate(from) && isDate(to)) for (let date = from; date <= to && dates.length <= MAXIMUM_DAYS; date = addDays(date, 1)) dates.push(date);
  return dates;
}
