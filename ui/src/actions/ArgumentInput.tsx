/** One declared parameter as a field of its type. */
import { useId } from "react";
import { type ArgumentField, type FieldValue } from "../domain/arguments";
import styles from "./actions.module.css";

interface ArgumentInputProps {
  field: ArgumentField;
  value: FieldValue | undefined;
  problem: string | undefined;
  autoFocus: boolean;
  onChange: (value: FieldValue) => void;
}

export function ArgumentInput({ field, value, problem, autoFocus, onChange }: ArgumentInputProps) {
  const id = useId();
  const text = typeof value === "string" ? value : "";
  const common = {
    id,
    className: "input",
    "aria-invalid": problem !== undefined,
    "aria-required": field.required,
    "aria-describedby": `${id}-note`,
    ...(autoFocus ? { "data-autofocus": true } : {}),
  } as const;
  const standard = field.defaultText === undefined ? "" : `default ${field.defaultText}`;
  return (
    <div className={`field ${field.kind === "json" || field.kind === "list" ? styles.wide : ""}`}>
      <label htmlFor={field.kind === "list" ? undefined : id} id={`${id}-label`}>
        {field.name}
        {field.required && <span aria-hidden="true"> *</span>}
      </label>
      {field.kind === "list" ? (
        <ListItems label={`${id}-label`} items={Array.isArray(value) ? value : [""]} placeholder={standard} onChange={onChange} />
      ) : field.kind === "json" ? (
        <textarea {...common} rows={3} placeholder={standard} value={text} onChange={(event) => onChange(event.target.value)} />
      ) : field.kind === "boolean" || field.choices !== undefined ? (
        <select {...common} value={text} onChange={(event) => onChange(event.target.value)}>
          <option value="">{field.required ? "choose…" : standard}</option>
          {(field.choices ?? ["true", "false"]).map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      ) : (
        <input
          {...common}
          inputMode={field.kind === "number" ? "decimal" : "text"}
          placeholder={standard}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
      <small id={`${id}-note`} className={problem === undefined ? undefined : "field-error"}>
        {problem ?? field.hint ?? { text: "", number: "number", boolean: "", list: "list of texts", json: "JSON" }[field.kind]}
      </small>
    </div>
  );
}

interface ListItemsProps {
  label: string;
  items: string[];
  placeholder: string;
  onChange: (items: string[]) => void;
}

function ListItems({ label, items, placeholder, onChange }: ListItemsProps) {
  return (
    <div className={styles.items} role="group" aria-labelledby={label}>
      {items.map((item, index) => (
        <div key={index} className={styles.item}>
          <input
            className="input"
            aria-label={`Item ${index + 1}`}
            placeholder={index === 0 ? placeholder : ""}
            value={item}
            onChange={(event) => onChange(items.with(index, event.target.value))}
          />
          <button type="button" className="button small" aria-label={`Remove item ${index + 1}`} onClick={() => onChange(items.toSpliced(index, 1))}>
            –
          </button>
        </div>
      ))}
      <div>
        <button type="button" className="button quiet small" onClick={() => onChange([...items, ""])}>
          + item
        </button>
      </div>
    </div>
  );
}
