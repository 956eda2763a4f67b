/** Other variables for planned orders of one workflow, by its declared parameters (cockpit-services 4.7). */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ArgumentInput } from "../../actions/ArgumentInput";
import { RequestDialog } from "../../actions/RequestDialog";
import { changeVariables, PLAN_KEYS, plannedVariablesQuery } from "../../api/plan";
import { workflowQuery } from "../../api/queries";
import { type WorkflowJson } from "../../api/types";
import { Remote } from "../../components/Panel";
import { type ArgumentField, argumentsOf, type FieldValue, fieldsOf, problemOf } from "../../domain/arguments";
import { countOrders, planAllows } from "../../domain/plan";
import { plural } from "../../domain/words";
import { type PlanDialogProps, selectionOf, Touched } from "./PlanActions";

export function VariablesDialog(props: PlanDialogProps) {
  const first = props.rows.find((row) => planAllows("variables", row) === true)?.item;
  const variables = useQuery({ ...plannedVariablesQuery({ controllerId: first?.controllerId ?? "", orderId: first?.orderId ?? "" }), enabled: first !== undefined });
  const workflow = useQuery(workflowQuery(first?.controllerId, first?.workflowPath ?? ""));
  return <Remote query={variables}>{(present) => <Remote query={workflow}>{(json) => <Form {...props} workflow={json} present={present} />}</Remote>}</Remote>;
}

function Form({ rows, onDone, onClose, workflow, present }: PlanDialogProps & { workflow: WorkflowJson; present: Record<string, unknown> }) {
  const declared = fieldsOf(workflow.orderPreparation);
  const known = new Set(declared.map((field) => field.name));
  const others: ArgumentField[] = Object.entries(present)
    .filter(([name]) => !known.has(name))
    .map(([name, value]) => ({ name, kind: typeof value === "string" ? "text" : "json", required: false }));
  const fields = [...declared, ...others];
  const [before] = useState(() => textsOf(fields, present));
  const [values, setValues] = useState(before);
  const able = rows.filter((row) => planAllows("variables", row) === true);
  const count = plural(countOrders(able), "order");
  const isMixed = new Set(able.map((row) => row.item.workflowPath)).size > 1;
  const changed = fields.filter((field) => JSON.stringify(values[field.name]) !== JSON.stringify(before[field.name]));
  const removed = changed.filter((field) => (values[field.name] ?? "") === "").map((field) => field.name);
  const wrong = fields.map((field) => problemOf(field, values[field.name])).find((problem) => problem !== undefined);
  const problem = isMixed ? "The selected orders are of several workflows: change those of one at a time." : changed.length === 0 ? "Nothing is changed yet." : wrong;
  return (
    <RequestDialog
      title={`Change the variables of ${count}`}
      size={640}
      request={(comment) => changeVariables(selectionOf("variables", rows, comment), argumentsOf(changed, values), removed)}
      button={`Change ${count}`}
      problem={problem}
      effect="The others keep their values. Submitted orders are taken back and submitted again under new ids."
      done={() => `Changed the variables of ${count}`}
      refresh={PLAN_KEYS}
      onDone={onDone}
      onClose={onClose}
    >
      <Touched verb="variables" rows={rows} />
      {fields.length === 0 ? (
        <p className="muted">This workflow declares no parameters, and the order has no variables.</p>
      ) : (
        <div className={actionStyles.arguments}>
          {fields.map((field, index) => (
            <ArgumentInput
              key={field.name}
              field={field}
              value={values[field.name]}
              problem={problemOf(field, values[field.name])}
              autoFocus={index === 0}
              onChange={(value) => setValues({ ...values, [field.name]: value })}
            />
          ))}
        </div>
      )}
    </RequestDialog>
  );
}

function textsOf(fields: readonly ArgumentField[], present: Record<string, unknown>): Record<string, FieldValue> {
  const texts: Record<string, FieldValue> = {};
  for (const { name, kind } of fields) {
    const value = present[name];
    if (value === undefined) continue;
    texts[name] = kind === "list" && Array.isArray(value) ? value.map(String) : typeof value === "string" ? value : JSON.stringify(value);
  }
  return texts;
}
