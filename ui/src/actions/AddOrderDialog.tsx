/** Adds an order by a form of the workflow's declared parameters (ui.md S4, 4.8). */
import { Modal } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { addOrder, type AddOrderRequest } from "../api/changes";
import { type WorkflowJson } from "../api/types";
import { Failure } from "../components/Panel";
import { say } from "../components/toasts";
import { type ArgumentField, argumentsOf, type FieldValue, fieldsOf, problemOf, undeclaredAllowed } from "../domain/arguments";
import { shortId, splitPath } from "../domain/words";
import styles from "./actions.module.css";
import { ArgumentInput } from "./ArgumentInput";
import { ShowAs } from "./ShowAs";
import { useChange } from "./useChange";
import { useSendKey } from "./useSendKey";

type Start = "now" | "at" | "in" | "never";

interface AddOrderDialogProps {
  controllerId: string;
  workflow: WorkflowJson;
  /** To begin with, e.g. the arguments of an order that is added again. */
  given?: Record<string, unknown>;
  onClose: () => void;
}

export function AddOrderDialog({ controllerId, workflow, given = {}, onClose }: AddOrderDialogProps) {
  const fields = fieldsOf(workflow.orderPreparation);
  const [values, setValues] = useState<Record<string, FieldValue>>(() => texts(fields, given));
  const [extra, setExtra] = useState<{ name: string; value: string }[]>([]);
  const [name, setName] = useState("");
  const [tags, setTags] = useState("");
  const [start, setStart] = useState<Start>("now");
  const [when, setWhen] = useState("");
  const [checked, setChecked] = useState(false);

  const change = useChange<{ orderIds: string[] }>(({ orderIds }) => {
    const id = orderIds[0] ?? "";
    say(
      <>
        Added{" "}
        <Link to="/order/$orderId" params={{ orderId: id }}>
          {shortId(id)}
        </Link>
      </>,
    );
    onClose();
  });

  const problems = fields.map((field) => problemOf(field, values[field.name]));
  const whenProblem = problemOfStart(start, when);
  const faulty = problems.some((problem) => problem !== undefined) || whenProblem !== undefined;
  const request = addOrder(requestOf());

  function requestOf(): AddOrderRequest {
    const added = Object.fromEntries(extra.filter((each) => each.name !== "").map((each) => [each.name, each.value]));
    const made: AddOrderRequest = {
      controllerId,
      workflowPath: workflow.path,
      orderName: name.trim(),
      arguments: { ...argumentsOf(fields, values), ...added },
      tags: tags.split(/[\s,]+/).filter((tag) => tag !== ""),
    };
    if (start === "never") made.scheduledFor = "never";
    if (start === "in" && whenProblem === undefined) made.scheduledFor = `now + ${Math.round(Number(when) * 60)}`;
    if (start === "at" && whenProblem === undefined) {
      made.scheduledFor = when.replace("T", " ").padEnd(19, ":00");
      made.timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    }
    return made;
  }

  function send() {
    setChecked(true);
    if (!faulty && !change.isPending) change.mutate(request);
  }
  useSendKey(send);

  return (
    <Modal opened onClose={onClose} title={`Add order to ${splitPath(workflow.path).name}`} size={640}>
      <form
        noValidate
        className={styles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {fields.length > 0 && (
          <fieldset className={styles.options}>
            <legend>Arguments</legend>
            <div className={styles.arguments}>
              {fields.map((field, index) => (
                <ArgumentInput
                  key={field.name}
                  field={field}
                  value={values[field.name]}
                  problem={checked ? problems[index] : undefined}
                  autoFocus={index === 0}
                  onChange={(value) => setValues({ ...values, [field.name]: value })}
                />
              ))}
            </div>
          </fieldset>
        )}
        {fields.length === 0 && <p className="muted">This workflow declares no parameters.</p>}
        {undeclaredAllowed(workflow.orderPreparation) && (
          <div className={styles.items}>
            {extra.map((each, index) => (
              <div key={index} className={styles.item}>
                <input
                  className="input"
                  aria-label="Name of the argument"
                  placeholder="name"
                  value={each.name}
                  onChange={(event) => setExtra(extra.with(index, { ...each, name: event.target.value }))}
                />
                <input
                  className="input"
                  aria-label={`Value of ${each.name === "" ? "the argument" : each.name}`}
                  placeholder="value"
                  value={each.value}
                  onChange={(event) => setExtra(extra.with(index, { ...each, value: event.target.value }))}
                />
              </div>
            ))}
            <div>
              <button type="button" className="button quiet small" onClick={() => setExtra([...extra, { name: "", value: "" }])}>
                + another argument
              </button>
            </div>
          </div>
        )}
        <fieldset className={styles.options}>
          <legend>Start</legend>
          <div className={styles.row}>
            {(["now", "at", "in", "never"] as const).map((choice) => (
              <label key={choice} className="check">
                <input type="radio" name="start" checked={start === choice} onChange={() => setStart(choice)} />
                {{ now: "now", at: "at a time", in: "in some minutes", never: "no start time" }[choice]}
              </label>
            ))}
            {start === "at" && (
              <input className="input" type="datetime-local" aria-label="Start at" value={when} onChange={(event) => setWhen(event.target.value)} />
            )}
            {start === "in" && (
              <input
                className="input"
                inputMode="decimal"
                aria-label="Start in minutes"
                placeholder="15"
                value={when}
                onChange={(event) => setWhen(event.target.value)}
              />
            )}
          </div>
          {checked && whenProblem !== undefined && <p className="field-error">{whenProblem}</p>}
        </fieldset>
        <div className={styles.arguments}>
          <label className="field">
            <span className="field-label">Name</span>
            <input className="input" value={name} placeholder="your account" onChange={(event) => setName(event.target.value)} />
          </label>
          <label className="field">
            <span className="field-label">Tags</span>
            <input className="input" value={tags} placeholder="none" onChange={(event) => setTags(event.target.value)} />
          </label>
        </div>
        <ShowAs requests={[request]} />
        {checked && faulty && (
          <p className="field-error" role="alert">
            {[...problems, whenProblem].filter((problem) => problem !== undefined).join(" ")}
          </p>
        )}
        {change.isError && <Failure error={change.error} />}
        <footer className={styles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={change.isPending}>
            {change.isPending ? "Sending…" : "Add order"}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

function problemOfStart(start: Start, when: string): string | undefined {
  if (start === "at" && when === "") return "Say when to start.";
  if (start === "in" && !(Number(when) > 0)) return "Say in how many minutes to start, such as 15.";
  return undefined;
}

function texts(fields: readonly ArgumentField[], given: Record<string, unknown>): Record<string, FieldValue> {
  const values: Record<string, FieldValue> = {};
  for (const { name, kind } of fields) {
    const value = given[name];
    if (value === undefined) continue;
    if (kind === "list" && Array.isArray(value)) values[name] = value.map(String);
    else values[name] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return values;
}
