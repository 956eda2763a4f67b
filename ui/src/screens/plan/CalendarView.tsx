/** The year of the plan (ui.md S8): how many orders start on which day, planned or as forecast; a click opens the day. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { useMay } from "../../api/permissions";
import { PLAN_KEYS, type ProjectedDay, type ProjectionFilter, projectionsQuery, recreateProjections } from "../../api/plan";
import { Icon } from "../../components/Icon";
import { Remote } from "../../components/Panel";
import { Ago } from "../../components/Time";
import { YearGrid } from "../../components/YearGrid";
import { parseFilter } from "../../domain/filter";
import { dateWords } from "../../domain/plan";
import { plural } from "../../domain/words";
import styles from "./plan.module.css";

interface CalendarViewProps {
  date: string;
  q: string;
  today: string;
  inverted: boolean;
  onInverted: (isOn: boolean) => void;
}

export function CalendarView({ date, q, today, inverted, onInverted }: CalendarViewProps) {
  const [year, setYear] = useState(Number(date.slice(0, 4)) || new Date().getUTCFullYear());
  const [isRecreating, setRecreating] = useState(false);
  const may = useMay();
  const filter = useMemo(() => projectionFilter(q, inverted), [q, inverted]);
  const query = useQuery(projectionsQuery(year, filter));
  return (
    <div className={styles.calendar}>
      <div className={styles.yearLine}>
        <button type="button" className="button icon" aria-label="The year before" onClick={() => setYear(year - 1)}>
          <span className={styles.back}>
            <Icon name="chevron" />
          </span>
        </button>
        <h2>{year}</h2>
        <button type="button" className="button icon" aria-label="The next year" onClick={() => setYear(year + 1)}>
          <Icon name="chevron" />
        </button>
        <label className="check">
          <input type="checkbox" checked={inverted} onChange={(event) => onInverted(event.target.checked)} />
          show what does not start
        </label>
        <span className="muted">
          Framed: planned. Others: forecast
          {query.data?.surveyDate !== undefined && (
            <>
              , computed <Ago time={Date.parse(query.data.surveyDate)} />
            </>
          )}
          .
        </span>
        {may("ctl:orders:view") && (
          <button type="button" className="button small" onClick={() => setRecreating(true)}>
            Compute anew…
          </button>
        )}
      </div>
      <Remote query={query}>{({ days }) => <Year year={year} days={days} today={today} inverted={inverted} />}</Remote>
      {isRecreating && (
        <RequestDialog
          title="Compute the forecast anew"
          request={() => recreateProjections()}
          withoutComment
          button="Compute the forecast"
          effect="The forecast of the coming months is computed from the released schedules and calendars. No plan changes."
          done={() => "The forecast is computed anew"}
          refresh={PLAN_KEYS}
          onClose={() => setRecreating(false)}
        />
      )}
    </div>
  );
}

function projectionFilter(q: string, inverted: boolean): ProjectionFilter {
  const { terms } = parseFilter(q);
  const values = (key: "workflow" | "schedule") => terms.flatMap((term) => (term.key === key && !term.negated ? term.values : []));
  const filter: ProjectionFilter = {};
  if (values("schedule").length > 0) filter.schedulePaths = values("schedule");
  if (values("workflow").length > 0) filter.workflowPaths = values("workflow");
  if (inverted) filter.withoutStartTime = true;
  return filter;
}

function Year({ year, days, today, inverted }: { year: number; days: ReadonlyMap<string, ProjectedDay>; today: string; inverted: boolean }) {
  const count = (day: ProjectedDay | undefined): number | undefined => (inverted ? day?.numOfNonPeriods : day?.numOfOrders);
  const most = Math.max(1, ...[...days.values()].map((day) => count(day) ?? 0));
  return (
    <YearGrid
      year={year}
      day={(date) => {
        const day = days.get(date);
        const number = count(day);
        const what = inverted ? `${plural(number ?? 0, "schedule does", "schedules do")} not start` : plural(number ?? 0, "order");
        const words = number === undefined ? "not known" : `${what}, ${day?.planned === true ? "planned" : "forecast"}`;
        return (
          <Link
            to="/plan/$date"
            params={{ date }}
            search={(old) => ({ ...old, view: "list" })}
            preload={false}
            className={styles.day}
            data-shade={number === undefined || number === 0 ? 0 : Math.ceil((number / most) * 4)}
            data-planned={day?.planned === true}
            data-empty={number === undefined || number === 0 || undefined}
            data-today={date === today || undefined}
            title={`${dateWords(date)}: ${words}`}
            aria-label={`${dateWords(date)}: ${words}`}
          >
            {Number(date.slice(8))}
          </Link>
        );
      }}
    />
  );
}
