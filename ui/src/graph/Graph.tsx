/**
 * The drawn graph: React Flow pans, zooms and renders only what is visible; places come from layout.ts. The drawing is hidden
 * from readers, its twin is the outline. Orders appear as counts per node and state that change in place.
 */
import { type NodeProps, Panel, ReactFlow, ReactFlowProvider, useReactFlow, useStore, ViewportPortal, type Node } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { createContext, memo, useContext, useEffect, useMemo } from "react";
import { Glyph } from "../components/Glyph";
import { Icon } from "../components/Icon";
import { STATES } from "../domain/states";
import { numberWords } from "../domain/words";
import styles from "./graph.module.css";
import { type Layout, type PlacedEdge, type PlacedNode } from "./layout";
import { type StateCounts } from "./twin";

interface Live {
  counts: ReadonlyMap<string, StateCounts>;
  selected: string | undefined;
  stale: boolean;
}

const LiveContext = createContext<Live>({ counts: new Map(), selected: undefined, stale: false });

interface GraphProps {
  layout: Layout;
  counts: ReadonlyMap<string, StateCounts>;
  selected: string | undefined;
  onSelect: (key: string | undefined) => void;
  /** The numbers are of an earlier time: the stream is down. */
  stale?: boolean;
  direction: "tb" | "lr";
  onTurn?: () => void;
}

type DrawnNode = Node<{ placed: PlacedNode }>;

export function Graph(props: GraphProps) {
  return (
    <ReactFlowProvider>
      <Drawing {...props} />
    </ReactFlowProvider>
  );
}

function Drawing({ layout, counts, selected, onSelect, stale = false, direction, onTurn }: GraphProps) {
  const nodes = useMemo(() => layout.nodes.map(drawn), [layout]);
  const live = useMemo(() => ({ counts, selected, stale }), [counts, selected, stale]);
  return (
    <LiveContext value={live}>
      <div className={styles.graph} data-stale={stale || undefined} data-direction={direction}>
        <div className={styles.canvas} aria-hidden="true">
          <ReactFlow<DrawnNode>
            nodes={nodes}
            nodeTypes={NODE_TYPES}
            nodesDraggable={false}
            nodesConnectable={false}
            nodesFocusable={false}
            edgesFocusable={false}
            elementsSelectable={false}
            disableKeyboardA11y
            onlyRenderVisibleElements={layout.nodes.length > 150}
            onNodeClick={(_, node) => onSelect(node.data.placed.step?.key ?? node.id)}
            onPaneClick={() => onSelect(undefined)}
            minZoom={0.1}
            maxZoom={2}
            zoomOnDoubleClick={false}
            proOptions={{ hideAttribution: true }}
          >
            <ViewportPortal>
              <Edges layout={layout} />
            </ViewportPortal>
            <FitOnce layout={layout} />
          </ReactFlow>
        </div>
        <Controls layout={layout} direction={direction} onTurn={onTurn} />
      </div>
    </LiveContext>
  );
}

function drawn(placed: PlacedNode): DrawnNode {
  return {
    id: placed.id,
    type: placed.kind,
    position: { x: placed.x, y: placed.y },
    width: placed.width,
    height: placed.height,
    zIndex: placed.kind === "frame" ? placed.depth * 2 - 100 : placed.kind === "compartment" ? placed.depth * 2 - 99 : 1,
    data: { placed },
    style: { width: placed.width, height: placed.height },
  };
}

/** Small graphs are shown whole and not blown up; large ones from their start. */
function FitOnce({ layout }: { layout: Layout }) {
  const { setViewport } = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useEffect(() => {
    if (width > 0) void setViewport(fitted(layout, width, height));
  }, [layout, width, height, setViewport]);
  return null;
}

function fitted(layout: Layout, width: number, height: number): { x: number; y: number; zoom: number } {
  const margin = 24;
  const whole = Math.min((width - 2 * margin) / layout.width, (height - 2 * margin) / layout.height);
  const zoom = Math.min(1, Math.max(0.55, whole));
  const x = layout.width * zoom < width - 2 * margin ? (width - layout.width * zoom) / 2 : margin;
  const y = layout.height * zoom < height - 2 * margin ? Math.min((height - layout.height * zoom) / 2, 64) : margin;
  return { x, y, zoom };
}

function Controls({ layout, direction, onTurn }: { layout: Layout; direction: "tb" | "lr"; onTurn: (() => void) | undefined }) {
  const flow = useReactFlow();
  const zoom = useStore((state) => state.transform[2]);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  return (
    <Panel position="bottom-left" className={styles.controls ?? ""}>
      <button type="button" className="button small icon" aria-label="Zoom out" onClick={() => void flow.zoomOut()}>
        <Icon name="minus" size={14} />
      </button>
      <span className={styles.zoom}>{Math.round(zoom * 100)} %</span>
      <button type="button" className="button small icon" aria-label="Zoom in" onClick={() => void flow.zoomIn()}>
        <Icon name="plus" size={14} />
      </button>
      <button
        type="button"
        className="button small icon"
        aria-label="Show the whole workflow"
        onClick={() =>
          void flow.fitBounds({ x: 0, y: 0, width: layout.width, height: layout.height }, { padding: 0.05, duration: 0 }).then(() => {
            if (flow.getZoom() > 1) void flow.setViewport(fitted(layout, width, height));
          })
        }
      >
        <Icon name="fit" size={14} />
      </button>
      {onTurn !== undefined && (
        <button type="button" className="button small icon" aria-label={direction === "tb" ? "Draw from left to right" : "Draw from top to bottom"} onClick={onTurn}>
          <Icon name="turn" size={14} />
        </button>
      )}
    </Panel>
  );
}

const Edges = memo(function Edges({ layout }: { layout: Layout }) {
  return (
    <svg className={styles.edges} width={layout.width} height={layout.height} style={{ zIndex: 0 }}>
      <defs>
        {(["flow", "caught", "back"] as const).map((kind) => (
          <marker key={kind} id={`arrow-${kind}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
            <path d="M1 1L7 4L1 7z" className={styles[`arrow-${kind}`]} />
          </marker>
        ))}
      </defs>
      {layout.edges.map((edge) => (
        <path key={edge.id} d={rounded(edge)} className={styles[`edge-${edge.kind}`]} markerEnd={edge.arrow ? `url(#arrow-${edge.kind})` : undefined} />
      ))}
    </svg>
  );
});

/** An orthogonal line with corners of radius 6. */
export function rounded({ points }: PlacedEdge): string {
  const radius = 6;
  let path = `M${points[0]?.join(" ")}`;
  for (let index = 1; index < points.length; index += 1) {
    const [x, y] = points[index] as [number, number];
    const [fromX, fromY] = points[index - 1] as [number, number];
    const next = points[index + 1];
    if (next === undefined) {
      path += `L${x} ${y}`;
      continue;
    }
    const before = Math.min(radius, Math.hypot(x - fromX, y - fromY) / 2);
    const after = Math.min(radius, Math.hypot(next[0] - x, next[1] - y) / 2);
    const corner = Math.min(before, after);
    path += `L${x - Math.sign(x - fromX) * corner} ${y - Math.sign(y - fromY) * corner}Q${x} ${y} ${x + Math.sign(next[0] - x) * corner} ${y + Math.sign(next[1] - y) * corner}`;
  }
  return path;
}

function Pills({ id }: { id: string }) {
  const { counts } = useContext(LiveContext);
  const mine = counts.get(id);
  if (mine === undefined) return null;
  return (
    <span className={styles.pills}>
      {STATES.filter((state) => (mine[state.name] ?? 0) > 0).map((state) => (
        // The key makes a changed number a new element, which fades in.
        <span key={`${state.name} ${mine[state.name]}`} className={styles.pill} data-state={state.colour} title={`${mine[state.name]} ${state.word}`}>
          <Glyph name={state.name} size={11} />
          {numberWords(mine[state.name] ?? 0)}
        </span>
      ))}
    </span>
  );
}

function useMarks(id: string): { "data-selected": true | undefined; "data-running": true | undefined } {
  const { selected, counts } = useContext(LiveContext);
  return { "data-selected": selected === id || undefined, "data-running": (counts.get(id)?.["RUNNING"] ?? 0) > 0 || undefined };
}

function StepNode({ id, data: { placed } }: NodeProps<DrawnNode>) {
  const step = placed.step;
  const marks = useMarks(id);
  if (step === undefined) return null;
  const words = step.summary === "" ? step.keyword : step.summary;
  return (
    <div className={styles.step} data-type={step.type} data-unknown={!step.known || undefined} {...marks}>
      <Icon name={step.icon} size={18} />
      <span className={styles.texts}>
        <span className={styles.title}>{step.title}</span>
        {words !== step.title && <span className={styles.summary}>{words}</span>}
      </span>
      <Pills id={id} />
    </div>
  );
}

function FrameNode({ id, data: { placed } }: NodeProps<DrawnNode>) {
  const step = placed.step;
  const marks = useMarks(id);
  if (step === undefined) return null;
  return (
    <div className={styles.frame} {...marks}>
      <header style={{ maxWidth: placed.header }} title={step.summary}>
        <Icon name={step.icon} size={14} />
        <b>{step.title}</b>
        <span>{step.summary}</span>
      </header>
      <Pills id={id} />
    </div>
  );
}

function DotNode({ id, type }: NodeProps<DrawnNode>) {
  return (
    <div className={styles.dot} data-kind={type}>
      <i />
      <Pills id={id} />
    </div>
  );
}

function LaneNode({ data: { placed } }: NodeProps<DrawnNode>) {
  return (
    <div className={styles.lane} title={placed.text}>
      {placed.text}
    </div>
  );
}

const NODE_TYPES = { step: StepNode, frame: FrameNode, start: DotNode, end: DotNode, lane: LaneNode, compartment: () => <div className={styles.compartment} /> };
