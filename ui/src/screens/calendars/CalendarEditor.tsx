/** The rules of a calendar, and the year that they make (ui.md S12): a day says why it counts, and can be put in or out. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { calendarsRoute } from "../../app/router";
import { calendarDatesQuery, covers, type ObjectContent } from "../../api/calendars";
import { Icon } from "../../components/Icon";
import { Failure, Remote } from "../../components/Panel";
import { Verb } from "../../components/Verb";
import { YearGrid } from "../../components/YearGrid";
import { alone, type CalendarJson, type Rule, rulesOf, whyDay, withDay, withoutRule } from "../../domain/calendars";
import { dateWords, isDate } from "../../domain/plan";
import { plural } from "../../domain/words";
import { AddRule } from "./AddRule";
import styles from "./calendars.module.css";
import { Head, useDraft } from "./Head";
import { JsonField } from "./JsonField";

export function CalendarEditor({ content, readOnly }: { content: ObjectContent; readOnly: string | undefined }) {
  const { draft, setDraft, isChanged, discard } = useDraft<CalendarJson>(content.configuration);
  const search = calendarsRoute.useSearch();
  const navigate = calendarsRoute.useNavigate();
  const set = (part: { year?: string; day?: string }) => void navigate({ search: (old) => ({ ...old, ...part }), replace: true });
  const year = Number(search.year ?? new Date().getUTCFullYear());
  const day = search.day !== undefined && isDate(search.day) ? search.day : undefined;
  const query = useQuery({ ...calendarDatesQuery(draft, `${year}-01-01`, `${year}-12-31`), placeholderData: keepPreviousData });
  const rules = useMemo(() => rulesOf(draft), [draft]);
  return (
    <>
      <Head content={content} draft={draft} isChanged={isChanged} readOnly={readOnly} onDiscard={discard} />
      <div className={styles.editor}>
        <div className={styles.form}>
          <fieldset disabled={readOnly !== undefined} className={styles.fields}>
            <label className="field">
              <span className="field-label">Title</span>
              <input className="input" value={draft.title ?? ""} onChange={(event) => setDraft(withText(draft, "title", event.target.value))} />
            </label>
            <div className={styles.pair}>
              <label className="field">
                <span className="field-label">First day</span>
                <input className="input" type="date" value={draft.from ?? ""} onChange={(event) => setDraft(withText(draft, "from", event.target.value))} />
              </label>
              <label className="field">
                <span className="field-label">Last day</span>
                <input className="input" type="date" value={draft.to ?? ""} onChange={(event) => setDraft(withText(draft, "to", event.target.value))} />
              </label>
            </div>
            {(["includes", "excludes"] as const).map((side) => (
              <Rules key={side} title={side === "includes" ? "Days in" : "Days out"} rules={rules.filter((rule) => rule.side === side)} onRemove={(rule) => setDraft(withoutRule(draft, rule))} />
            ))}
            <AddRule calendar={draft} year={year} onAdd={setDraft} />
            <JsonField value={draft} onChange={setDraft} />
          </fieldset>
        </div>
        <div className={styles.outcome}>
          <div className={styles.yearLine}>
            <button type="button" className="button icon small" aria-label="The year before" onClick={() => set({ year: String(year - 1) })}>
              <span className={styles.back}>
                <Icon name="chevron" />
              </span>
            </button>
            <h3>{year}</h3>
            <button type="button" className="button icon small" aria-label="The next year" onClick={() => set({ year: String(year + 1) })}>
              <Icon name="chevron" />
            </button>
            <span className="muted" role="status">
              {query.data !== undefined && plural(query.data.dates.length, "day")}
            </span>
          </div>
          {query.isError ? (
            <Failure error={query.error} retry={() => void query.refetch()} />
          ) : (
            <Remote query={query}>
              {({ dates, withExcludes }) => (
                <>
                  {day !== undefined && (
                    <Day
                      date={day}
                      calendar={draft}
                      rules={rules}
                      isIn={dates.includes(day)}
                      isInRange={(draft.from === undefined || day >= draft.from) && (draft.to === undefined || day <= draft.to)}
                      readOnly={readOnly}
                      onChange={(isIn) => setDraft(withDay(draft, day, isIn))}
                    />
                  )}
                  <Year year={year} dates={dates} excluded={withExcludes} chosen={day} onDay={(date) => set({ day: date })} />
                </>
              )}
            </Remote>
          )}
        </div>
      </div>
    </>
  );
}

function withText(calendar: CalendarJson, name: "title" | "from" | "to", text: string): CalendarJson {
  const next = { ...calendar, [name]: text };
  if (text === "") delete next[name];
  return next;
}

function Rules({ title, rules, onRemove }: { title: string; rules: readonly Rule[]; onRemove: (rule: Rule) => void }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {rules.length === 0 ? (
        <p className="muted">no rule</p>
      ) : (
        <ul className={styles.rules}>
          {rules.map((rule) => (
            <li key={`${rule.kind} ${rule.index}`}>
              <span>{rule.words}</span>
              <button type="button" className="button small icon" aria-label={`Remove ${rule.words}`} onClick={() => onRemove(rule)}>
                <Icon name="close" size={12} />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface YearProps {
  year: number;
  dates: readonly string[];
  excluded: readonly string[];
  chosen: string | undefined;
  onDay: (date: string) => void;
}

function Year({ year, dates, excluded, chosen, onDay }: YearProps) {
  const inside = useMemo(() => new Set(dates), [dates]);
  const taken = useMemo(() => new Set(excluded), [excluded]);
  return (
    <YearGrid
      year={year}
      day={(date) => {
        const state = inside.has(date) ? "in" : taken.has(date) ? "taken" : "out";
        const words = { in: "in", taken: "taken out", out: "out" }[state];
        return (
          <button type="button" className={styles.day} data-day={state} aria-pressed={date === chosen} aria-label={`${dateWords(date)}: ${words}`} title={words} onClick={() => onDay(date)}>
            {Number(date.slice(8))}
          </button>
        );
      }}
    />
  );
}

interface DayProps {
  date: string;
  calendar: CalendarJson;
  rules: readonly Rule[];
  isIn: boolean;
  isInRange: boolean;
  readOnly: string | undefined;
  onChange: (isIn: boolean) => void;
}

/** The server is asked about each rule alone: no second way to work out days. */
function Day({ date, calendar, rules, isIn, isInRange, readOnly, onChange }: DayProps) {
  const query = useQuery({
    queryKey: ["calendars", "why", calendar, date],
    queryFn: async ({ signal }) => {
      const asked = (rule: Rule) => (rule.kind === "nonWorkingDayCalendars" ? (calendar[rule.side]?.nonWorkingDayCalendars?.[rule.index] ?? "") : alone(calendar, rule));
      const told = await Promise.all(rules.map((rule) => covers(asked(rule), date, signal)));
      return rules.filter((_, index) => told[index]);
    },
    staleTime: 60_000,
  });
  const barrier = isIn ? undefined : (query.data ?? []).find(({ side, kind }) => side === "excludes" && kind !== "dates");
  const why = readOnly ?? (isInRange ? undefined : "The calendar does not reach to this day.") ?? (barrier === undefined ? undefined : `What is taken out stays out: remove “${barrier.words}” first.`);
  return (
    <div className={styles.why} role="status">
      <p>
        <b>{dateWords(date)}</b> <Remote query={query}>{(covering) => <>{whyDay(isIn, covering, isInRange)}</>}</Remote>
      </p>
      <Verb why={why} onClick={() => onChange(!isIn)}>
        {isIn ? "Take this day out" : "Put this day in"}
      </Verb>
    </div>
  );
}
