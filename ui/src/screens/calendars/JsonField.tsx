/** The whole object as JSON, for what the form does not know. */
import { useState } from "react";
import styles from "./calendars.module.css";

interface JsonFieldProps<Json extends object> {
  value: Json;
  onChange: (value: Json) => void;
}

export function JsonField<Json extends object>({ value, onChange }: JsonFieldProps<Json>) {
  const [text, setText] = useState<string>();
  const shown = text ?? JSON.stringify(value, undefined, 2);
  const parsed = text === undefined ? value : objectOf(text);
  return (
    <details className={styles.json} onToggle={() => setText(undefined)}>
      <summary>As JSON</summary>
      <textarea
        className="input"
        rows={14}
        spellCheck={false}
        aria-label="The object as JSON"
        aria-invalid={parsed === undefined}
        value={shown}
        onChange={(event) => {
          setText(event.target.value);
          const next = objectOf(event.target.value);
          if (next !== undefined) onChange(next as Json);
        }}
        onBlur={() => parsed !== undefined && setText(undefined)}
      />
      {parsed === undefined && (
        <p className="field-error" role="alert">
          This is no JSON object yet; the form keeps what it last was.
        </p>
      )}
    </details>
  );
}

function objectOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // Not JSON while one types: the field says so.
    return undefined;
  }
}
