/** The text of an object with what is wrong with it, and for workflows the drawing beside it: the cursor leads the one through the other. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { type EditedObject, type Finding } from "../../api/inventory";
import { checkQuery, schemaQuery } from "../../api/inventory_queries";
import { Icon } from "../../components/Icon";
import { Failure, Loading } from "../../components/Panel";
import { type JsonText, pathAt, placeOf, readJson } from "../../domain/json_text";
import { plural } from "../../domain/words";
import styles from "./inventory.module.css";
import { type DraftState } from "./useDraft";

const JsonEditor = lazy(() => import("../../editor/JsonEditor"));
const GraphPreview = lazy(() => import("./GraphPreview"));

/** After the last key, before the text is read and checked (ui.md S13). */
const QUIET = 300;

interface EditTabProps {
  object: EditedObject;
  state: DraftState;
  mode: string | undefined;
  node: string | undefined;
  onMode: (mode: string) => void;
  onNode: (node: string | undefined) => void;
}

export function EditTab({ object, state, mode, node, onMode, onNode }: EditTabProps) {
  const { path, objectType } = object;
  const { draft, changed } = state;
  const quiet = useQuiet(draft.text);
  const json = useMemo(() => readJson(quiet), [quiet]);
  const schema = useQuery(schemaQuery(objectType));
  const isRead = json.fault === undefined;
  const check = useQuery({ ...checkQuery({ path, objectType }, json), enabled: changed && isRead });
  const problems = !changed ? object.problems : isRead ? (check.data ?? []) : [];
  const markers = useMemo(() => problems.map((problem) => markerOf(json, problem)), [json, problems]);
  const [goTo, setGoTo] = useState<{ offset: number; focus: boolean }>();
  const [cursor, setCursor] = useState(0);
  const goToStep = useCallback(
    (key: string | undefined, place: string | undefined) => {
      onNode(key);
      if (place !== undefined) setGoTo({ offset: placeOf(json, place).value, focus: false });
    },
    [onNode, json],
  );
  const isWorkflow = objectType === "WORKFLOW";
  const shown = isWorkflow ? (mode === "json" || mode === "graph" ? mode : "split") : "json";

  return (
    <div className={styles.edit} data-mode={shown}>
      <div className={styles.editBar}>
        {isWorkflow && (
          <div className={styles.modes} role="group" aria-label="Show">
            {(["split", "json", "graph"] as const).map((value) => (
              <button key={value} type="button" className="button small" aria-pressed={shown === value} onClick={() => onMode(value)}>
                {value === "split" ? "Both" : value === "json" ? "JSON" : "Graph"}
              </button>
            ))}
          </div>
        )}
        <span className="muted">Ctrl-Space completes, F8 next problem, Ctrl-M then Tab leaves the text</span>
      </div>
      <div className={styles.editors}>
        {shown !== "graph" && (
          <div className={styles.text}>
            <Suspense fallback={<Loading />}>
              <JsonEditor
                path={path}
                objectType={objectType}
                label={`JSON of ${object.name}`}
                text={draft.text}
                readOnly={!object.can.change}
                schema={schema.data}
                markers={markers}
                goTo={goTo}
                onChange={state.type}
                onCursor={setCursor}
                onSave={() => void state.save()}
              />
            </Suspense>
          </div>
        )}
        {shown !== "json" && (
          <Suspense fallback={<Loading />}>
            <GraphPreview
              path={path}
              json={json}
              at={pathAt(json, cursor)}
              node={node}
              onNode={goToStep}
            />
          </Suspense>
        )}
      </div>
      <Problems json={json} problems={problems} checking={changed && (quiet !== draft.text || check.isFetching)} error={changed ? check.error : null} onGo={(offset) => setGoTo({ offset, focus: true })} />
    </div>
  );
}

function useQuiet(text: string): string {
  const [quiet, setQuiet] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setQuiet(text), QUIET);
    return () => clearTimeout(timer);
  }, [text]);
  return quiet;
}

function markerOf(json: JsonText, { path, message, remedy }: Finding) {
  const { start, end } = placeOf(json, path);
  return { start, end, message: remedy === undefined ? message : `${message} (${remedy})` };
}

interface ProblemsProps {
  json: JsonText;
  problems: readonly Finding[];
  checking: boolean;
  error: Error | null;
  onGo: (offset: number) => void;
}

function Problems({ json, problems, checking, error, onGo }: ProblemsProps) {
  const { fault, text } = json;
  const count = problems.length + (fault === undefined ? 0 : 1);
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length;
  return (
    <section className={styles.problems} aria-label="Problems">
      <h2>
        <span data-state={count > 0 ? "failed" : "finished"} className={styles.mark}>
          {count === 0 ? (checking ? "Checking…" : "Nothing is wrong") : plural(count, "problem")}
        </span>
        {count > 0 && checking && <span className="muted"> checking…</span>}
      </h2>
      {error !== null && <Failure error={error} />}
      {count > 0 && (
        <ul>
          {fault !== undefined && (
            <li>
              <button type="button" onClick={() => onGo(fault.offset)}>
                <Icon name="fail" size={14} />
                <code>line {lineOf(fault.offset)}</code> {fault.message}
              </button>
            </li>
          )}
          {problems.map((problem) => (
            <li key={`${problem.path} ${problem.message}`}>
              <button type="button" onClick={() => onGo(placeOf(json, problem.path).start)}>
                <Icon name="fail" size={14} />
                <code>{problem.path}</code> {problem.message}
                {problem.remedy !== undefined && <span className="muted"> – {problem.remedy}</span>}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
