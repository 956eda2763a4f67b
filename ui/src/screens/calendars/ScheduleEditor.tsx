/** A schedule: which workflows, on which calendars' days, at which times; beside it the starts of the next days. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type ObjectContent, objectsQuery, runTimesQuery } from "../../api/calendars";
import { Icon } from "../../components/Icon";
import { Failure, Loading } from "../../components/Panel";
import { type Assignment, type Period, periodProblem, type ScheduleJson, startsOf, WHEN_HOLIDAY } from "../../domain/calendars";
import { shortClock, timeZones, zoneOf } from "../../domain/clock";
import { addDays, dateWords } from "../../domain/plan";
import { plural, splitPath } from "../../domain/words";
import styles from "./calendars.module.css";
import { Head, useDraft } from "./Head";
import { JsonField } from "./JsonField";

const SPANS = [7, 14, 31, 92] as const;

export function ScheduleEditor({ content, readOnly }: { content: ObjectContent; readOnly: string | undefined }) {
  const { draft, setDraft, isChanged, discard } = useDraft<ScheduleJson>(content.configuration);
  const calendars = useQuery(objectsQuery("calendars"));
  const names = (type: string) => (calendars.data ?? []).filter(({ objectType }) => objectType === type).map(({ path }) => splitPath(path).name);
  const assignments = draft.calendars ?? [];
  const problem = assignments.flatMap(({ periods = [] }) => periods).map(periodProblem).find((one) => one !== undefined);
  const workflows = draft.workflowNames ?? (draft.workflowName === undefined ? [] : [draft.workflowName]);
  const setAssignments = (next: Assignment[]) => setDraft({ ...draft, calendars: next });
  return (
    <>
      <Head content={content} draft={draft} isChanged={isChanged} readOnly={readOnly} problem={problem} onDiscard={discard} />
      <div className={styles.editor}>
        <div className={styles.form}>
          <fieldset disabled={readOnly !== undefined} className={styles.fields}>
            <label className="field">
              <span className="field-label">Title</span>
              <input className="input" value={draft.title ?? ""} onChange={(event) => setDraft({ ...draft, title: event.target.value })} />
            </label>
            <Names label="Workflows" names={workflows} onChange={(next) => setDraft({ ...withoutOldName(draft), workflowNames: next })} />
            <label className="check">
              <input type="checkbox" checked={draft.planOrderAutomatically === true} onChange={(event) => setDraft({ ...draft, planOrderAutomatically: event.target.checked })} />
              planned each day by the service
            </label>
            <label className="check">
              <input type="checkbox" checked={draft.submitOrderToControllerWhenPlanned === true} onChange={(event) => setDraft({ ...draft, submitOrderToControllerWhenPlanned: event.target.checked })} />
              submitted to the Controller at once when planned
            </label>
            {assignments.map((assignment, index) => (
              <AssignmentForm
                key={index}
                assignment={assignment}
                names={names("WORKINGDAYSCALENDAR")}
                onChange={(next) => setAssignments(assignments.with(index, next))}
                onRemove={() => setAssignments(assignments.toSpliced(index, 1))}
              />
            ))}
            <div>
              <button
                type="button"
                className="button small"
                disabled={names("WORKINGDAYSCALENDAR").length === 0}
                onClick={() => setAssignments([...assignments, { calendarName: names("WORKINGDAYSCALENDAR")[0] ?? "", timeZone: "Etc/UTC", periods: [{ singleStart: "02:00:00", whenHoliday: "SUPPRESS" }] }])}
              >
                <Icon name="plus" size={12} /> Calendar
              </button>
            </div>
            <fieldset className={styles.plain}>
              <legend>Days off</legend>
              {names("NONWORKINGDAYSCALENDAR").map((name) => {
                const chosen = draft.nonWorkingDayCalendars ?? [];
                return (
                  <label key={name} className="check">
                    <input
                      type="checkbox"
                      checked={chosen.some(({ calendarName }) => calendarName === name)}
                      onChange={(event) => setDraft({ ...draft, nonWorkingDayCalendars: event.target.checked ? [...chosen, { calendarName: name }] : chosen.filter(({ calendarName }) => calendarName !== name) })}
                    />
                    {name}
                  </label>
                );
              })}
              {names("NONWORKINGDAYSCALENDAR").length === 0 && <p className="muted">There is no calendar of days off.</p>}
            </fieldset>
            <JsonField value={draft} onChange={setDraft} />
          </fieldset>
        </div>
        <div className={styles.outcome}>
          <Starts schedule={draft} problem={problem} />
        </div>
      </div>
    </>
  );
}

function withoutOldName({ workflowName: _, ...schedule }: ScheduleJson): ScheduleJson {
  return schedule;
}

function Names({ label, names, onChange }: { label: string; names: readonly string[]; onChange: (names: string[]) => void }) {
  const [text, setText] = useState(names.join(", "));
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <input
        className="input mono"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          onChange(event.target.value.split(/[\s,]+/).filter((name) => name !== ""));
        }}
      />
    </label>
  );
}

interface AssignmentFormProps {
  assignment: Assignment;
  names: readonly string[];
  onChange: (assignment: Assignment) => void;
  onRemove: () => void;
}

function AssignmentForm({ assignment, names, onChange, onRemove }: AssignmentFormProps) {
  const periods = assignment.periods ?? [];
  const zone = assignment.timeZone ?? "Etc/UTC";
  const setPeriods = (next: Period[]) => onChange({ ...assignment, periods: next });
  return (
    <section className={styles.assignment} aria-label={`Calendar ${assignment.calendarName}`}>
      <div className={styles.pair}>
        <label className="field">
          <span className="field-label">On the days of</span>
          <select className="input" aria-label="On the days of" value={assignment.calendarName} onChange={(event) => onChange({ ...assignment, calendarName: event.target.value })}>
            {[...new Set([assignment.calendarName, ...names])].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="field">
          <span className="field-label">Time zone</span>
          <select className="input" aria-label="Time zone" value={zone} onChange={(event) => onChange({ ...assignment, timeZone: event.target.value })}>
            {[...new Set([zone, ...timeZones()])].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {(assignment["includes"] !== undefined || assignment["excludes"] !== undefined) && <p className="muted">Restricted to some of these days: see JSON.</p>}
      {periods.map((period, index) => (
        <PeriodForm key={index} period={period} onChange={(next) => setPeriods(periods.with(index, next))} onRemove={() => setPeriods(periods.toSpliced(index, 1))} />
      ))}
      <div className={styles.verbs}>
        <button type="button" className="button small" onClick={() => setPeriods([...periods, { singleStart: "02:00:00", whenHoliday: "SUPPRESS" }])}>
          <Icon name="plus" size={12} /> Start time
        </button>
        <button type="button" className="button small" onClick={() => setPeriods([...periods, { begin: "08:00:00", end: "18:00:00", repeat: "01:00:00", whenHoliday: "SUPPRESS" }])}>
          <Icon name="plus" size={12} /> Repeated
        </button>
        <button type="button" className="button small quiet" onClick={onRemove}>
          Remove calendar {assignment.calendarName}
        </button>
      </div>
    </section>
  );
}

function PeriodForm({ period, onChange, onRemove }: { period: Period; onChange: (period: Period) => void; onRemove: () => void }) {
  const problem = periodProblem(period);
  const field = (name: "singleStart" | "begin" | "end" | "repeat", label: string) => (
    <label className={styles.time}>
      {label}
      <input className="input mono" aria-label={label} value={period[name] ?? ""} onChange={(event) => onChange({ ...period, [name]: event.target.value })} />
    </label>
  );
  return (
    <div className={styles.period}>
      {period.singleStart !== undefined ? (
        field("singleStart", "at")
      ) : (
        <>
          {field("begin", "from")}
          {field("end", "to")}
          {field("repeat", "every")}
        </>
      )}
      <select
        className="input"
        aria-label="On non-working days"
        value={period.whenHoliday ?? ""}
        onChange={(event) => {
          const { whenHoliday: _, ...rest } = period;
          onChange(event.target.value === "" ? rest : { ...rest, whenHoliday: event.target.value });
        }}
      >
        {WHEN_HOLIDAY.map(({ value, words }) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
      <button type="button" className="button small icon" aria-label="Remove these starts" onClick={onRemove}>
        <Icon name="close" size={12} />
      </button>
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function Starts({ schedule, problem }: { schedule: ScheduleJson; problem: string | undefined }) {
  const [span, setSpan] = useState<number>(14);
  const [first] = useState(() => new Date().toISOString().slice(0, 10));
  const zone = zoneOf(schedule.calendars?.[0]?.timeZone ?? "Etc/UTC");
  const query = useQuery({ ...runTimesQuery(schedule, first, addDays(first, span - 1)), enabled: problem === undefined, placeholderData: keepPreviousData });
  const days = query.data === undefined ? [] : startsOf(query.data, shortClock(zone));
  return (
    <>
      <div className={styles.yearLine}>
        <h3>Starts of the next</h3>
        <select className="input" aria-label="Days that are looked at" style={{ width: "auto" }} value={span} onChange={(event) => setSpan(Number(event.target.value))}>
          {SPANS.map((days) => (
            <option key={days} value={days}>
              {days} days
            </option>
          ))}
        </select>
        <span className="muted" role="status">
          {query.data !== undefined && `on ${plural(days.length, "day")}, times of ${zone}`}
        </span>
      </div>
      {problem !== undefined ? (
        <p className={styles.why}>{problem}</p>
      ) : query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.data === undefined ? (
        <Loading />
      ) : days.length === 0 ? (
        <p className={styles.why}>Nothing starts in these days. Only released calendars count.</p>
      ) : (
        <table className={styles.starts}>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Starts</th>
            </tr>
          </thead>
          <tbody>
            {days.map(({ date, starts }) => (
              <tr key={date}>
                <th scope="row">{dateWords(date)}</th>
                <td>{starts.join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
