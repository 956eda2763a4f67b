/** The filter as text (ui.md 4.3): applied while typing, kept in the URL, problems named at once. */
import { useEffect, useState } from "react";
import { parseFilter } from "../domain/filter";
import { Icon } from "./Icon";
import styles from "./list.module.css";

interface FilterFieldProps {
  value: string;
  onChange: (text: string) => void;
  placeholder: string;
  label?: string;
}

export function FilterField({ value, onChange, placeholder, label = "Filter" }: FilterFieldProps) {
  const [text, setText] = useState(value);
  const [from, setFrom] = useState(value);
  const [sent, setSent] = useState(value);
  if (from !== value) {
    setFrom(value);
    // Changed from outside (a chip, back, a link), not by what was typed here: then the URL leads.
    if (value !== sent) setText(value);
  }
  const { problems } = parseFilter(text);
  const valid = problems.length === 0;
  useEffect(() => {
    if (text === value || !valid) return;
    const timer = setTimeout(() => {
      setSent(text);
      onChange(text);
    }, 200);
    return () => clearTimeout(timer);
  }, [text, value, valid, onChange]);
  return (
    <>
      <div className={styles.filter}>
        <Icon name="search" size={14} />
        <input
          className="input mono"
          data-filter-field
          aria-label={label}
          aria-invalid={!valid}
          aria-describedby={valid ? undefined : "filter-problems"}
          placeholder={placeholder}
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && valid) {
              setSent(text);
              onChange(text);
            }
            if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
      </div>
      {!valid && (
        <p id="filter-problems" className={styles.problems} role="alert">
          {problems.join(" ")}
        </p>
      )}
    </>
  );
}
