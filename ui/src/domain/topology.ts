/** Components and their links in words and in the look of states (ui.md 5.1 "Component states"). Pure. */
import { type Topology, type TopologyLink, type TopologyNode } from "../api/types";
import { type StateColour } from "../design/tokens";

export interface Condition {
  word: string;
  glyph: string;
  colour: StateColour;
  good: boolean;
}

const GOOD = new Set(["COUPLED", "RUNNING", "ACTIVE", "CONNECTED", "OK", "READY", "IN_SYNC", "UP", "OPERATIONAL"]);
const ON_THE_WAY = new Set(["RECONNECTING", "CONNECTING", "RESETTING", "RESET", "INITIALISED", "INITIALIZED", "OUTSTANDING", "NOT_IN_SYNC", "COUPLING", "STARTING"]);
const AWAY = new Set(["DISABLED", "SHUTDOWN", "SHUT_DOWN", "STOPPED"]);
const LOST = new Set(["LOST", "INOPERABLE", "COUPLINGFAILED", "COUPLING_FAILED", "UNREACHABLE", "DOWN", "FAILED", "DECOUPLED"]);

export function condition(state: string): Condition {
  const name = state.toUpperCase();
  const word = name.toLowerCase().replaceAll("_", " ").replace("couplingfailed", "coupling failed").replace("shutdown", "shut down");
  if (GOOD.has(name)) return { word, glyph: "FINISHED", colour: "finished", good: true };
  if (ON_THE_WAY.has(name)) return { word, glyph: "WAITING", colour: "waiting", good: false };
  if (AWAY.has(name)) return { word, glyph: "PENDING", colour: "pending", good: false };
  if (LOST.has(name)) return { word, glyph: "FAILED", colour: "failed", good: false };
  return { word, glyph: "UNKNOWN", colour: "unknown", good: false };
}

export interface Tier {
  title: string;
  nodes: { node: TopologyNode; link: TopologyLink | undefined }[];
}

const TIERS: readonly { title: string; kinds: readonly string[] }[] = [
  { title: "Cockpit", kinds: ["cockpit", "database"] },
  { title: "Controller", kinds: ["controller"] },
  { title: "Agents", kinds: ["agent", "director"] },
  { title: "Subagents", kinds: ["subagent"] },
];

/** Layers from top to bottom, each node with the link by which the layer above reaches it. */
export function tiers(topology: Topology): Tier[] {
  const known = TIERS.flatMap((tier) => tier.kinds);
  const all = [...TIERS, { title: "Others", kinds: [...new Set(topology.nodes.map(({ kind }) => kind))].filter((kind) => !known.includes(kind)) }];
  return all
    .map(({ title, kinds }) => ({
      title,
      nodes: topology.nodes
        .filter(({ kind }) => kinds.includes(kind))
        .map((node) => ({ node, link: linkTo(node, topology) })),
    }))
    .filter((tier) => tier.nodes.length > 0);
}

/** From the layer above; a passive node is reached by its active one only. */
function linkTo(node: TopologyNode, topology: Topology): TopologyLink | undefined {
  const links = topology.links.filter(({ to }) => to === node.id);
  const fromPeer = ({ from }: TopologyLink) => node.cluster !== undefined && topology.nodes.some(({ id, cluster }) => id === from && cluster === node.cluster);
  return links.find((link) => !fromPeer(link)) ?? (node.role === "active" ? undefined : links[0]);
}

/** What is wrong with the machinery; empty when all is coupled. */
export function troubles(topology: Topology): string[] {
  return topology.nodes.filter((node) => !condition(node.state).good).map((node) => `${node.kind} ${node.id}: ${condition(node.state).word}`);
}
