/** Outline, drawing and inspector of one workflow; the chosen node is in the URL. */
import { useMemo } from "react";
import { type OrderRow } from "../../api/types";
import { findStep, type Step } from "../../graph/blocks";
import { Graph } from "../../graph/Graph";
import { layout } from "../../graph/layout";
import { Outline } from "../../graph/Outline";
import { useLamp } from "../../live/react";
import { Inspector } from "./Inspector";
import { type Places } from "./Workflow";
import styles from "./workflow.module.css";

interface GraphTabProps {
  steps: readonly Step[];
  orders: readonly OrderRow[];
  places: Places;
  selected: string | undefined;
  onSelect: (key: string | undefined) => void;
  direction: "tb" | "lr";
  onTurn: () => void;
}

export function GraphTab({ steps, orders, places, selected, onSelect, direction, onTurn }: GraphTabProps) {
  const drawn = useMemo(() => layout(steps, direction), [steps, direction]);
  const lamp = useLamp();
  const step = selected === undefined ? undefined : findStep(steps, selected);
  const here = orders.filter((order) => places.placeOf.get(order.orderId) === selected);
  return (
    <div className={styles.three} data-inspector={selected !== undefined || undefined}>
      <aside className={styles.outline} aria-label="Outline">
        <Outline steps={steps} counts={places.counts} selected={selected} onSelect={onSelect} />
      </aside>
      <Graph
        layout={drawn}
        counts={places.counts}
        selected={selected}
        onSelect={onSelect}
        stale={lamp.kind !== "live"}
        direction={direction}
        onTurn={onTurn}
      />
      {selected !== undefined && <Inspector step={step} place={selected} orders={here} onClose={() => onSelect(undefined)} />}
    </div>
  );
}
