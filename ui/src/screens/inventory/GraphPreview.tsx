/** The drawing of the text as it is being written; while it cannot be read the last one stays and says so. */
import { memo, useMemo, useState } from "react";
import { type WorkflowJson } from "../../api/types";
import { type JsonText, pathsOfObjects } from "../../domain/json_text";
import { flatten, type Step, stepsOf } from "../../graph/blocks";
import { Graph } from "../../graph/Graph";
import { type Layout, layout } from "../../graph/layout";
import { Outline } from "../../graph/Outline";
import { type StateCounts } from "../../graph/twin";
import styles from "./inventory.module.css";

interface GraphPreviewProps {
  path: string;
  json: JsonText;
  /** The JSON path at the cursor. */
  at: string;
  node: string | undefined;
  /** The place of a step in the text. */
  onNode: (key: string | undefined, place: string | undefined) => void;
}

interface Drawn {
  steps: Step[];
  layout: Layout;
  /** Key of a step → its JSON path. */
  places: Map<string, string>;
}

const NO_ORDERS: ReadonlyMap<string, StateCounts> = new Map();

/** Drawn anew when the text has been read, not with each key. */
export default memo(function GraphPreview({ path, json, at, node, onNode }: GraphPreviewProps) {
  const now = useMemo(() => drawn(json, path), [json, path]);
  const [last, setLast] = useState(now);
  if (now !== undefined && now !== last) setLast(now);
  const shown = now ?? last;
  const [listed, setListed] = useState(false);
  // Where the cursor is wins over what was clicked before.
  const [seen, setSeen] = useState(at);
  const [byCursor, setByCursor] = useState<string>();
  if (seen !== at) {
    setSeen(at);
    setByCursor(shown === undefined ? undefined : stepAt(shown, at));
  }
  if (shown === undefined) return <p className={styles.noGraph}>The drawing appears when the text can be read.</p>;
  const selected = byCursor ?? node;
  const choose = (key: string | undefined) => {
    setByCursor(undefined);
    onNode(key, key === undefined ? undefined : shown.places.get(key));
  };
  return (
    <div className={styles.graph}>
      {now === undefined && <p className={styles.stale}>The text cannot be read now; this is the last drawing.</p>}
      <div className={styles.drawing}>
        <Graph layout={shown.layout} counts={NO_ORDERS} selected={selected} onSelect={choose} stale={now === undefined} direction="tb" />
      </div>
      <details className={styles.steps} onToggle={(event) => setListed(event.currentTarget.open)}>
        <summary>Steps as a list</summary>
        {listed && <Outline steps={shown.steps} counts={NO_ORDERS} selected={selected} onSelect={choose} />}
      </details>
    </div>
  );
});

/** Undefined: there is no JSON, or not in a form that can be drawn; the problems say what is wrong. */
function drawn(json: JsonText, path: string): Drawn | undefined {
  if (json.fault !== undefined || typeof json.value !== "object" || json.value === null) return undefined;
  try {
    const steps = stepsOf({ ...(json.value as WorkflowJson), path });
    const paths = pathsOfObjects(json.value);
    return { steps, layout: layout(steps, "tb"), places: new Map(flatten(steps).map((step) => [step.key, paths.get(step.json) ?? "$"])) };
  } catch {
    // The drawing takes workflows as they should be; what is written now is not one, which the check says better.
    return undefined;
  }
}

/** The innermost step in whose JSON the cursor is; in a job, the first step that runs it. */
function stepAt({ steps, places }: Drawn, at: string): string | undefined {
  const job = /^\$\.jobs\.([^.]+)/.exec(at)?.[1];
  if (job !== undefined) return flatten(steps).find(({ jobName }) => jobName === job)?.key;
  let found: string | undefined;
  let length = 0;
  for (const [key, place] of places)
    if ((at === place || at.startsWith(`${place}.`) || at.startsWith(`${place}[`)) && place.length > length) {
      found = key;
      length = place.length;
    }
  return found;
}
