/** A form for one more rule of a calendar. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { countriesQuery, nationalHolidays, objectsQuery } from "../../api/calendars";
import { Failure } from "../../components/Panel";
import { type CalendarJson, type Kind, type Side, withRule } from "../../domain/calendars";
import { isDate } from "../../domain/plan";
import { splitPath } from "../../domain/words";
import styles from "./calendars.module.css";

const FORMS: readonly { kind: Kind; words: string }[] = [
  { kind: "weekdays", words: "days of the week" },
  { kind: "monthdays", words: "days of the month" },
  { kind: "ultimos", words: "days from the end of the month" },
  { kind: "repetitions", words: "a repetition" },
  { kind: "dates", words: "a date" },
  { kind: "holidays", words: "holidays of a country" },
  { kind: "nonWorkingDayCalendars", words: "the days of a calendar of days off" },
];
const WEEK = [
  [1, "Mo"],
  [2, "Tu"],
  [3, "We"],
  [4, "Th"],
  [5, "Fr"],
  [6, "Sa"],
  [0, "Su"],
] as const;

interface AddRuleProps {
  calendar: CalendarJson;
  year: number;
  onAdd: (calendar: CalendarJson) => void;
}

export function AddRule({ calendar, year, onAdd }: AddRuleProps) {
  const [side, setSide] = useState<Side>("includes");
  const [kind, setKind] = useState<Kind>("weekdays");
  const [days, setDays] = useState<readonly number[]>([1, 2, 3, 4, 5]);
  const [numbers, setNumbers] = useState("1");
  const [repetition, setRepetition] = useState({ repetition: "WEEKLY", from: `${year}-01-01`, step: "1" });
  const [date, setDate] = useState("");
  const [country, setCountry] = useState("");
  const [region, setRegion] = useState("");
  const [other, setOther] = useState("");
  const [error, setError] = useState<unknown>();
  const countries = useQuery({ ...countriesQuery(), enabled: kind === "holidays" });
  const calendars = useQuery({ ...objectsQuery("calendars"), enabled: kind === "nonWorkingDayCalendars" });
  const regions = countries.data?.find(({ code }) => code === country)?.subdivisions ?? [];
  const effective: Side = kind === "nonWorkingDayCalendars" ? "excludes" : side;
  const element = elementOf();

  function elementOf(): unknown {
    const list = numbers.split(/[\s,]+/).map(Number).filter((number) => Number.isInteger(number) && number >= 1 && number <= 31);
    switch (kind) {
      case "weekdays":
        return days.length === 0 ? undefined : { days: [...days].sort() };
      case "monthdays":
      case "ultimos":
        return list.length === 0 ? undefined : { days: list };
      case "repetitions": {
        const step = Number(repetition.step);
        return isDate(repetition.from) && Number.isInteger(step) && step > 0 ? { repetition: repetition.repetition, from: repetition.from, step } : undefined;
      }
      case "dates":
        return isDate(date) ? date : undefined;
      case "nonWorkingDayCalendars":
        return other === "" ? undefined : other;
      default:
        return undefined;
    }
  }

  async function addHolidays() {
    setError(undefined);
    try {
      const dates = await nationalHolidays(country, region, year, year + 1);
      onAdd(withRule(calendar, effective, "holidays", { nationalCalendar: country, dates }));
    } catch (problem) {
      setError(problem);
    }
  }

  return (
    <section className={styles.add} aria-label="Another rule">
      <h3>Another rule</h3>
      <div className={styles.pair}>
        <select className="input" aria-label="Side of the rule" value={effective} disabled={kind === "nonWorkingDayCalendars"} onChange={(event) => setSide(event.target.value as Side)}>
          <option value="includes">put in</option>
          <option value="excludes">take out</option>
        </select>
        <select className="input" aria-label="Kind of the rule" value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
          {FORMS.map((form) => (
            <option key={form.kind} value={form.kind}>
              {form.words}
            </option>
          ))}
        </select>
      </div>
      {kind === "weekdays" && (
        <div className={styles.week} role="group" aria-label="Days of the week">
          {WEEK.map(([day, word]) => (
            <label key={day} className="check">
              <input type="checkbox" checked={days.includes(day)} onChange={(event) => setDays(event.target.checked ? [...days, day] : days.filter((one) => one !== day))} />
              {word}
            </label>
          ))}
        </div>
      )}
      {(kind === "monthdays" || kind === "ultimos") && (
        <label className="field">
          <span className="field-label">{kind === "ultimos" ? "Counted from the end; 1 is the last" : "Days; 1 is the first"}</span>
          <input className="input" value={numbers} onChange={(event) => setNumbers(event.target.value)} />
        </label>
      )}
      {kind === "repetitions" && (
        <div className={styles.pair}>
          <label className="field">
            <span className="field-label">Every</span>
            <input className="input" inputMode="numeric" value={repetition.step} onChange={(event) => setRepetition({ ...repetition, step: event.target.value })} />
          </label>
          <select className="input" aria-label="Unit" value={repetition.repetition} onChange={(event) => setRepetition({ ...repetition, repetition: event.target.value })}>
            <option value="DAILY">days</option>
            <option value="WEEKLY">weeks</option>
            <option value="MONTHLY">months</option>
            <option value="YEARLY">years</option>
          </select>
          <label className="field">
            <span className="field-label">From</span>
            <input className="input" type="date" value={repetition.from} onChange={(event) => setRepetition({ ...repetition, from: event.target.value })} />
          </label>
        </div>
      )}
      {kind === "dates" && <input className="input" type="date" aria-label="Date of the rule" value={date} onChange={(event) => setDate(event.target.value)} />}
      {kind === "nonWorkingDayCalendars" && (
        <select className="input" aria-label="Calendar of days off" value={other} onChange={(event) => setOther(event.target.value)}>
          <option value="">choose…</option>
          {(calendars.data ?? [])
            .filter(({ objectType }) => objectType === "NONWORKINGDAYSCALENDAR")
            .map(({ path }) => (
              <option key={path}>{splitPath(path).name}</option>
            ))}
        </select>
      )}
      {kind === "holidays" && (
        <div className={styles.pair}>
          <select
            className="input"
            aria-label="Country"
            value={country}
            onChange={(event) => {
              setCountry(event.target.value);
              setRegion("");
            }}
          >
            <option value="">choose…</option>
            {(countries.data ?? []).map(({ code }) => (
              <option key={code}>{code}</option>
            ))}
          </select>
          {regions.length > 0 && (
            <select className="input" aria-label="Region" value={region} onChange={(event) => setRegion(event.target.value)}>
              <option value="">whole country</option>
              {regions.map((code) => (
                <option key={code}>{code}</option>
              ))}
            </select>
          )}
        </div>
      )}
      {error !== undefined && <Failure error={error} />}
      <div>
        {kind === "holidays" ? (
          <button type="button" className="button small" disabled={country === ""} onClick={() => void addHolidays()}>
            Add holidays of {year} and {year + 1}
          </button>
        ) : (
          <button type="button" className="button small" disabled={element === undefined} onClick={() => onAdd(withRule(calendar, effective, kind, element))}>
            Add rule
          </button>
        )}
      </div>
    </section>
  );
}
