/** One setting by its type, with its default and what it does. */
import { useId } from "react";
import { timeZones } from "../../domain/clock";
import { HINTS, keyOf, nameWords, sectionWords, type SettingField, settingProblem, weekdaysOf, weekdaysText } from "../../domain/settings";
import styles from "./settings.module.css";

interface FieldProps {
  field: SettingField;
  value: string | null;
  isEdited: boolean;
  readOnly: string | undefined;
  withSection: boolean;
  onChange: (value: string | null) => void;
}

const WEEK = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"] as const;

export function Field({ field, value, isEdited, readOnly, withSection, onChange }: FieldProps) {
  const id = useId();
  const problem = settingProblem(field.type, value);
  const hint = HINTS[keyOf(field)];
  const differs = value !== field.standard;
  return (
    <div className={styles.field} data-child={field.parent !== undefined || undefined} data-edited={isEdited || undefined}>
      <div>
        <label htmlFor={id} id={`${id}-label`}>
          {withSection && <span className="muted">{sectionWords(field.section)}: </span>}
          {nameWords(field.name)}
        </label>
        {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
      </div>
      <div>
        <Input id={id} field={field} value={value} isOff={readOnly !== undefined} isWrong={problem !== undefined} hint={hint === undefined ? undefined : `${id}-hint`} onChange={onChange} />
        {problem !== undefined && (
          <p className="field-error" role="alert">
            {problem}
          </p>
        )}
      </div>
      <div className={styles.standard}>
        <span>default {field.standard === null || field.standard === "" ? "not set" : field.type === "PASSWORD" ? "•••" : field.standard}</span>
        {differs && readOnly === undefined && (
          <button type="button" className="button quiet small" aria-label={`reset ${nameWords(field.name)} to its default`} onClick={() => onChange(field.standard)}>
            reset
          </button>
        )}
      </div>
    </div>
  );
}

interface InputProps {
  id: string;
  field: SettingField;
  value: string | null;
  isOff: boolean;
  isWrong: boolean;
  hint: string | undefined;
  onChange: (value: string | null) => void;
}

function Input({ id, field, value, isOff, isWrong, hint, onChange }: InputProps) {
  const common = { id, className: "input", disabled: isOff, "aria-describedby": hint, "aria-invalid": isWrong };
  const text = value ?? "";
  // Empty means "not set" where that is the default.
  const given = (next: string): string | null => (next === "" && field.standard === null ? null : next);
  switch (field.type) {
    case "BOOLEAN":
      return field.standard === null ? (
        <Choice {...common} value={text} choices={["", "true", "false"]} onChange={(next) => onChange(given(next))} />
      ) : (
        <input id={id} type="checkbox" className={styles.box} disabled={isOff} aria-describedby={hint} checked={text === "true"} onChange={(event) => onChange(String(event.target.checked))} />
      );
    case "LIST":
      return <Choice {...common} value={text} choices={field.choices} onChange={onChange} />;
    case "TIMEZONE":
      return <Choice {...common} value={text} choices={[...new Set([text, "UTC", ...timeZones()])]} onChange={onChange} />;
    case "WEEKDAYS":
      return (
        <div className={styles.week} role="group" aria-labelledby={`${id}-label`}>
          {WEEK.map((word, index) => {
            const days = weekdaysOf(value);
            const day = index + 1;
            return (
              <label key={word} className="check">
                <input id={index === 0 ? id : undefined} type="checkbox" disabled={isOff} checked={days.includes(day)} onChange={(event) => onChange(weekdaysText(event.target.checked ? [...days, day] : days.filter((one) => one !== day)))} />
                {word}
              </label>
            );
          })}
        </div>
      );
    case "ARRAY":
      return <textarea {...common} rows={3} value={text} onChange={(event) => onChange(given(event.target.value))} />;
    case "PASSWORD":
      return <input {...common} type="password" autoComplete="off" value={text} onChange={(event) => onChange(given(event.target.value))} />;
    default:
      return <input {...common} inputMode={field.type.endsWith("INTEGER") ? "numeric" : "text"} value={text} onChange={(event) => onChange(given(event.target.value))} />;
  }
}

function Choice({ value, choices, onChange, ...common }: { id: string; className: string; disabled: boolean; value: string; choices: readonly string[]; onChange: (value: string) => void }) {
  return (
    <select {...common} value={value} onChange={(event) => onChange(event.target.value)}>
      {choices.map((choice) => (
        <option key={choice} value={choice}>
          {choice === "" ? "not set" : choice}
        </option>
      ))}
    </select>
  );
}
