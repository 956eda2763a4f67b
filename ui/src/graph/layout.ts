/**
 * Where each step is drawn (ui.md 5.3 "Block layout"). A workflow is nested series and parallel blocks, so that the layout is
 * one recursion, O(n): same input, same coordinates; an edit moves only what follows and the frames around it.
 *
 * Reckons in (flow, cross) coordinates: flow runs the way orders go. Top-down maps flow to y, left-right to x. Pure.
 */
import { type Branch, type Step } from "./blocks";

export type Direction = "tb" | "lr";

export interface PlacedNode {
  id: string;
  kind: "start" | "end" | "step" | "frame" | "lane" | "compartment";
  x: number;
  y: number;
  width: number;
  height: number;
  depth: number;
  step?: Step;
  text?: string;
  /** Of a frame: how wide its header may be before it meets the line of the flow. */
  header?: number;
}

export interface PlacedEdge {
  id: string;
  kind: "flow" | "caught" | "back";
  /** Corners of an orthogonal line, in drawing coordinates. */
  points: [number, number][];
  arrow: boolean;
}

export interface Layout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

const GAP = 28;
const BESIDE = 28;
const PADDING = 16;
const HEADER = 30;
const LANE = 20;
const DOT = 20;
const EMPTY = 44;
const STEP_HEIGHT = 48;
/** Words of a frame's header that are never cut, in pixels. */
const HEADER_WORDS = 170;

/** A drawn piece: its extent, the cross place of its way in and out, and what is in it, relative to its own corner. */
interface Piece {
  flow: number;
  cross: number;
  axis: number;
  nodes: Box[];
  edges: Line[];
}

interface Box {
  id: string;
  kind: PlacedNode["kind"];
  f: number;
  c: number;
  flow: number;
  cross: number;
  depth: number;
  step?: Step;
  text?: string;
  header?: number;
}

interface Line {
  id: string;
  kind: PlacedEdge["kind"];
  points: [number, number][];
  arrow: boolean;
}

export function layout(steps: readonly Step[], direction: Direction, collapsed: ReadonlySet<string> = new Set()): Layout {
  const plan = new Plan(direction, collapsed);
  const body = plan.sequence(steps, "", 0);
  const axis = Math.max(body.axis, DOT / 2);
  const start: Box = { id: "start", kind: "start", f: 0, c: axis - DOT / 2, flow: DOT, cross: DOT, depth: 0 };
  const from = DOT + (body.flow > 0 ? GAP : 0);
  const moved = shift(body, from, axis - body.axis);
  const endAt = from + body.flow + GAP;
  const end: Box = { ...start, id: "end", kind: "end", f: endAt };
  const edges: Line[] = [...moved.edges];
  if (body.flow > 0) edges.push(straight("start", DOT, from, axis));
  edges.push(straight("end", from + body.flow - (body.flow > 0 ? 0 : 0), endAt, axis));
  const cross = Math.max(axis + DOT / 2, axis - body.axis + body.cross);
  return plan.place([start, ...moved.nodes, end], edges, endAt + DOT, cross);
}

class Plan {
  constructor(
    private readonly direction: Direction,
    private readonly collapsed: ReadonlySet<string>,
  ) {}

  sequence(steps: readonly Step[], prefix: string, depth: number): Piece {
    const pieces = steps.map((step) => this.step(step, depth));
    const axis = Math.max(0, ...pieces.map((piece) => piece.axis));
    const nodes: Box[] = [];
    const edges: Line[] = [];
    let flow = 0;
    pieces.forEach((piece, index) => {
      if (index > 0) {
        edges.push(straight(`${prefix}${index}`, flow, flow + GAP, axis));
        flow += GAP;
      }
      const moved = shift(piece, flow, axis - piece.axis);
      nodes.push(...moved.nodes);
      edges.push(...moved.edges);
      flow += piece.flow;
    });
    const cross = Math.max(0, ...pieces.map((piece) => axis - piece.axis + piece.cross));
    return { flow, cross, axis, nodes, edges };
  }

  private step(step: Step, depth: number): Piece {
    if (step.branches.length === 0 || this.collapsed.has(step.key)) return this.leaf(step, depth);
    if (step.arrangement === "catch") return this.frame(step, this.tryAndCatch(step, depth), depth);
    return this.frame(step, this.beside(step, depth), depth);
  }

  private leaf(step: Step, depth: number): Piece {
    const width = textWidth(Math.max(step.title.length, Math.min(34, step.summary.length)));
    const [flow, cross] = this.direction === "tb" ? [STEP_HEIGHT, width] : [width, STEP_HEIGHT];
    return { flow, cross, axis: cross / 2, nodes: [{ id: step.key, kind: "step", f: 0, c: 0, flow, cross, depth, step }], edges: [] };
  }

  /** Branches side by side, each from the way in to the way out. */
  private beside(step: Step, depth: number): Piece {
    const lanes = step.branches.map((branch) => this.lane(step, branch, depth + 1));
    const longest = Math.max(...lanes.map((lane) => lane.flow));
    const nodes: Box[] = [];
    const edges: Line[] = [];
    let cross = step.arrangement === "loop" ? LANE : 0;
    const axes: number[] = [];
    lanes.forEach((lane, index) => {
      if (index > 0) cross += BESIDE;
      const moved = shift(lane, GAP, cross);
      nodes.push(...moved.nodes);
      edges.push(...moved.edges);
      axes.push(cross + lane.axis);
      cross += lane.cross;
    });
    const flow = longest + 2 * GAP;
    const axis = lanes.length === 1 ? (axes[0] ?? 0) : ((axes[0] ?? 0) + (axes.at(-1) ?? 0)) / 2;
    lanes.forEach((lane, index) => {
      const at = axes[index] ?? axis;
      edges.push({ id: `${step.key} in ${index}`, kind: "flow", arrow: lane.flow > 0 && step.branches[index]?.name === "", points: elbow(0, axis, GAP, at, GAP / 2) });
      edges.push({ id: `${step.key} out ${index}`, kind: "flow", arrow: false, points: elbow(GAP + lane.flow, at, flow, axis, longest - lane.flow + GAP / 2) });
    });
    if (step.arrangement === "loop")
      edges.push({ id: `${step.key} again`, kind: "back", arrow: true, points: [[flow - GAP / 2, axis], [flow - GAP / 2, 0], [GAP / 2, 0], [GAP / 2, axis]] });
    return { flow, cross, axis, nodes, edges };
  }

  private lane(step: Step, branch: Branch, depth: number): Piece {
    const body = this.sequence(branch.steps, `${step.key}/${branch.id}:`, depth);
    const empty = body.flow === 0 ? { ...body, cross: EMPTY, axis: EMPTY / 2 } : body;
    if (branch.name === "") return empty;
    const width = Math.min(220, textWidth(branch.name.length) - 76);
    const [flow, cross] = this.direction === "tb" ? [22, width] : [width, 22];
    const axis = Math.max(empty.axis, cross / 2);
    const gap = empty.flow > 0 ? GAP / 2 : 0;
    const moved = shift(empty, flow + gap, axis - empty.axis);
    const tag: Box = { id: `${step.key}/${branch.id}`, kind: "lane", f: 0, c: axis - cross / 2, flow, cross, depth, text: branch.name };
    const edges = gap > 0 ? [straight(`${tag.id} lane`, flow, flow + gap, axis), ...moved.edges] : moved.edges;
    return { flow: flow + gap + empty.flow, cross: Math.max(axis + cross / 2, axis - empty.axis + empty.cross), axis, nodes: [tag, ...moved.nodes], edges };
  }

  /** The try block, below it the catch block in a compartment of its own; the good way passes the catch block at its side. */
  private tryAndCatch(step: Step, depth: number): Piece {
    const [tried, caught] = step.branches as [Branch, Branch];
    const first = padded(this.sequence(tried.steps, `${step.key}/try:`, depth + 1));
    const second = this.lane(step, caught, depth + 1);
    const retries = caught.steps.some((inner) => inner.type === "Retry");
    const axis = LANE + Math.max(first.axis, second.axis + PADDING);
    const catchFrom = GAP + first.flow + GAP + 10;
    const compartment: Box = {
      id: `${step.key}/catch compartment`,
      kind: "compartment",
      f: catchFrom - 6,
      c: axis - second.axis - PADDING,
      flow: second.flow + 12,
      cross: second.cross + 2 * PADDING,
      depth,
    };
    const goodWay = LANE / 2;
    const flow = catchFrom + second.flow + 6 + GAP;
    const one = shift(first, GAP, axis - first.axis);
    const two = shift(second, catchFrom, axis - second.axis);
    const right = Math.max(axis - first.axis + first.cross, compartment.c + compartment.cross);
    const afterTry = GAP + first.flow;
    const edges: Line[] = [
      ...one.edges,
      ...two.edges,
      { id: `${step.key} try`, kind: "flow", arrow: tried.steps.length > 0, points: [[0, axis], [GAP, axis]] },
      { id: `${step.key} good`, kind: "flow", arrow: false, points: [[afterTry, axis], [afterTry + 8, axis], [afterTry + 8, goodWay], [flow - GAP / 2, goodWay], [flow - GAP / 2, axis], [flow, axis]] },
      { id: `${step.key} caught`, kind: "caught", arrow: true, points: [[afterTry + 8, axis], [catchFrom - 6, axis]] },
    ];
    const last = caught.steps.at(-1)?.type;
    if (last !== "Retry" && last !== "Fail" && last !== "Finish")
      edges.push({ id: `${step.key} handled`, kind: "flow", arrow: false, points: [[catchFrom + second.flow, axis], [flow, axis]] });
    let cross = right;
    if (retries) {
      cross = right + LANE;
      edges.push({ id: `${step.key} retry`, kind: "back", arrow: true, points: [[catchFrom + second.flow - STEP_HEIGHT / 2, compartment.c + compartment.cross], [catchFrom + second.flow - STEP_HEIGHT / 2, cross - 6], [GAP / 2, cross - 6], [GAP / 2, axis]] });
    }
    return { flow, cross, axis, nodes: [compartment, ...one.nodes, ...two.nodes], edges };
  }

  /** A rounded frame with a header at the top of the screen, whichever way the flow runs. */
  private frame(step: Step, body: Piece, depth: number): Piece {
    const words = 44 + 7 * (step.title.length + step.summary.length);
    const [before, after, side] = this.direction === "tb" ? [HEADER, 4, PADDING] : [PADDING, PADDING, HEADER + 6];
    // Top-down the flow enters through the header, whose words end before it; the frame makes room for most of them.
    const wider = this.direction === "tb" ? Math.max(0, Math.min(words, HEADER_WORDS) - side - body.axis) : 0;
    const flow = Math.max(body.flow + before + after, this.direction === "tb" ? 0 : Math.min(words, 300));
    const cross = body.cross + side + PADDING + 2 * wider;
    const axis = side + wider + body.axis;
    const moved = shift(body, before, side + wider);
    const box: Box = { id: step.key, kind: "frame", f: 0, c: 0, flow, cross, depth, step, header: this.direction === "tb" ? axis - 8 : flow };
    const edges: Line[] = [
      ...moved.edges,
      { ...straight(`${step.key} enter`, 0, before, axis), arrow: false },
      { ...straight(`${step.key} leave`, before + body.flow, flow, axis), arrow: false },
    ];
    return { flow, cross, axis, nodes: [box, ...moved.nodes], edges };
  }

  place(boxes: readonly Box[], lines: readonly Line[], flow: number, cross: number): Layout {
    const down = this.direction === "tb";
    const point = ([f, c]: [number, number]): [number, number] => (down ? [round(c), round(f)] : [round(f), round(c)]);
    const nodes = boxes.map((box): PlacedNode => {
      const [x, y] = point([box.f, box.c]);
      const node: PlacedNode = {
        id: box.id,
        kind: box.kind,
        x,
        y,
        width: round(down ? box.cross : box.flow),
        height: round(down ? box.flow : box.cross),
        depth: box.depth,
      };
      if (box.step !== undefined) node.step = box.step;
      if (box.text !== undefined) node.text = box.text;
      if (box.header !== undefined) node.header = box.header;
      return node;
    });
    const edges = lines.map((line) => ({ ...line, points: line.points.map(point) }));
    return { nodes, edges, width: round(down ? cross : flow), height: round(down ? flow : cross) };
  }
}

const round = (value: number): number => Math.round(value * 2) / 2;

/** Estimated, so that the layout needs no screen: 7.3 px per letter of the 13-px font, icon, padding. */
function textWidth(letters: number): number {
  return Math.max(148, Math.min(300, Math.ceil((letters * 7.3 + 88) / 4) * 4));
}

function padded(piece: Piece): Piece {
  return piece.flow > 0 ? piece : { ...piece, cross: EMPTY, axis: EMPTY / 2 };
}

function straight(id: string, from: number, to: number, axis: number): Line {
  return { id: `edge ${id}`, kind: "flow", arrow: true, points: [[from, axis], [to, axis]] };
}

/** From one axis to another, turning after `turn`. */
function elbow(from: number, axis: number, to: number, other: number, turn: number): [number, number][] {
  return axis === other ? [[from, axis], [to, other]] : [[from, axis], [from + turn, axis], [from + turn, other], [to, other]];
}

function shift(piece: Piece, f: number, c: number): Piece {
  return {
    ...piece,
    nodes: piece.nodes.map((box) => ({ ...box, f: box.f + f, c: box.c + c })),
    edges: piece.edges.map((line) => ({ ...line, points: line.points.map(([pf, pc]): [number, number] => [pf + f, pc + c]) })),
  };
}
