/** Clusters in words: who may take over, what has happened, what a verb does (ui.md S15). Pure. */
import { type Cluster, type ClusterChange, type ClusterWatch, type Topology, type TopologyLink, type TopologyNode } from "../api/types";
import { type Condition, condition } from "./topology";
import { durationWords } from "./words";

/** A cluster with the nodes and links that belong to it. Nodes keep their places whoever is active. */
export interface Shown {
  cluster: Cluster;
  nodes: TopologyNode[];
  active: TopologyNode | undefined;
  passive: TopologyNode | undefined;
  /** The journal from the active to the passive node, and the acknowledgements back. */
  journal: TopologyLink | undefined;
  back: TopologyLink | undefined;
}

export function shownClusters(topology: Topology): Shown[] {
  return (topology.clusters ?? []).map((cluster) => {
    const nodes = cluster.nodes.flatMap((id) => topology.nodes.find((node) => node.id === id) ?? []);
    const active = nodes.find(({ id }) => id === cluster.active);
    const passive = nodes.length === 2 && active !== undefined ? nodes.find(({ id }) => id !== cluster.active) : undefined;
    const link = (from: TopologyNode | undefined, to: TopologyNode | undefined) =>
      topology.links.find((one) => from !== undefined && to !== undefined && one.from === from.id && one.to === to.id);
    return { cluster, nodes, active, passive, journal: link(active, passive), back: link(passive, active) };
  });
}

/** Controllers and Cockpits that belong to no cluster. */
export function standAlone(topology: Topology): TopologyNode[] {
  return topology.nodes.filter(({ kind, cluster }) => (kind === "controller" || kind === "cockpit") && cluster === undefined);
}

const STATES: Record<string, string> = {
  Coupled: "coupled",
  NodesAppointed: "nodes appointed, not coupled yet",
  PreparedToBeCoupled: "coupling",
  ActiveShutDown: "active node was shut down",
  PassiveLost: "passive node lost",
  SwitchedOver: "switched over, not coupled yet",
  FailedOver: "failed over, not coupled yet",
  Active: "active",
  NoActive: "nobody is active",
};
const GOOD = new Set(["Coupled", "Active"]);
const ON_THE_WAY = new Set(["NodesAppointed", "PreparedToBeCoupled", "SwitchedOver"]);

const answers = (node: TopologyNode | undefined): boolean => node !== undefined && node.state !== "LOST" && node.state !== "UNKNOWN";

/** The state of the pair; a node that does not answer comes first, for the others may not have noticed it yet. */
export function clusterCondition({ cluster, nodes }: Pick<Shown, "cluster" | "nodes">): Condition {
  const { state } = cluster;
  const silent = nodes.filter((node) => !answers(node));
  const word = STATES[state] ?? state.toLowerCase();
  if (GOOD.has(state) && (silent.length > 0 || cluster.lossToConfirm !== undefined)) {
    const who = silent.length === 0 ? cluster.lossToConfirm : silent.map(nodeName).join(" and ");
    return { ...condition("DECOUPLED"), word: `${word}, but ${who} does not answer` };
  }
  const like = GOOD.has(state) ? "COUPLED" : ON_THE_WAY.has(state) ? "COUPLING" : state === "Unknown" ? "UNKNOWN" : "DECOUPLED";
  return { ...condition(like), word };
}

export function clusterTitle({ kind, name }: Cluster): string {
  return kind === "controller" ? `Controller ${name}` : kind === "agent" ? `Directors of Agent ${name}` : "Cockpits";
}

export const nodeName = (node: TopologyNode | undefined): string => node?.name ?? node?.id ?? "a node";

/** What happens when the active node is lost now: the sentence, and what to do if nothing good. */
export function readinessWords({ cluster, active, passive, nodes }: Shown): { ready: boolean; words: string; remedy?: string } {
  const readiness = cluster.readiness;
  const who = active === undefined ? "the active node" : nodeName(active);
  if (readiness === undefined) return { ready: false, words: "Whether another node can take over is not known." };
  if (!readiness.canFailOver) {
    const words = `If ${who} is lost now, nobody takes over: ${readiness.reason ?? "the reason is not known"}.`;
    return { ready: false, words, ...remedyOf(cluster, nodes) };
  }
  if (cluster.kind !== "cockpit" && !answers(active)) {
    const heir = nodeName(passive);
    return cluster.lossToConfirm !== undefined || readiness.needsConfirmation
      ? { ready: false, words: `${who} does not answer; ${heir} takes over as soon as a person has confirmed the loss.` }
      : { ready: true, words: `${who} does not answer; ${heir} is about to take over.` };
  }
  const limit = readiness.silenceLimit === undefined ? "" : durationWords(readiness.silenceLimit);
  if (cluster.kind === "cockpit") return { ready: true, words: `If ${who} is lost now, another Cockpit takes over within ${limit}.` };
  const heir = nodeName(passive);
  if (readiness.needsConfirmation)
    return { ready: true, words: `If ${who} is lost now, ${heir} takes over as soon as a person has confirmed the loss.` };
  const silent = limit === "" ? "" : `; if ${who} only falls silent, after about ${limit}`;
  return { ready: true, words: `If ${who} ends now, ${heir} takes over at once${silent}.` };
}

function remedyOf(cluster: Cluster, nodes: readonly TopologyNode[]): { remedy?: string } {
  if (cluster.lossToConfirm !== undefined) return {};
  if (nodes.some(({ state }) => state === "UNKNOWN")) return {};
  const lost = nodes.filter(({ state }) => state === "LOST");
  if (lost.length === nodes.length) return { remedy: "Start the nodes again; they find out by themselves which one is active." };
  if (lost.length > 0) return { remedy: `Start ${lost.map(nodeName).join(" and ")} again; it couples by itself.` };
  return cluster.kind === "cockpit" ? {} : { remedy: "Nodes that reach each other, and a watch that is there, couple by themselves within seconds." };
}

export function watchesWords(watches: readonly ClusterWatch[], needed: number | undefined): string {
  const deciding = watches.filter(({ decides }) => decides);
  if (deciding.length === 0) return "no watch has come yet";
  if (deciding.length === 1) return "decides alone";
  const there = deciding.filter(({ connected }) => connected).length;
  return `${there} of ${deciding.length} are there, ${needed ?? 1} must agree`;
}

const EVENTS: Record<string, string> = {
  ClusterNodesAppointed: "nodes appointed",
  ClusterCouplingPrepared: "coupling prepared",
  ClusterCoupled: "coupled",
  ClusterPassiveLost: "passive node lost",
  ClusterSwitchedOver: "switch-over",
  ClusterFailedOver: "fail-over",
  ClusterActiveNodeShutDown: "active node shut down",
  ClusterActiveNodeRestarted: "active node started again",
  AgentClusterWatchConfirmationRequired: "a person was asked",
  AgentClusterWatchManuallyConfirmed: "a person has confirmed the loss",
};

const BREAKS = new Set(["ClusterPassiveLost", "ClusterSwitchedOver", "ClusterFailedOver", "ClusterActiveNodeShutDown"]);

export interface HistoryLine {
  time: number | undefined;
  words: string;
  /** Until the nodes were coupled again, milliseconds. */
  until: number | undefined;
  colour: "failed" | "waiting" | "finished" | "pending";
}

/** What people want to read of the history, the newest first: how coupling came about step by step is left out. */
export function historyLines(history: readonly ClusterChange[]): HistoryLine[] {
  return history.flatMap((change, index) => {
    if (change.event === "ClusterCouplingPrepared") return [];
    const coupled = history.slice(0, index).findLast(({ event }) => event === "ClusterCoupled");
    const isBreak = BREAKS.has(change.event ?? "");
    const until = isBreak && coupled?.time !== undefined && change.time !== undefined ? coupled.time - change.time : undefined;
    return [{ time: change.time, words: changeWords(change), until, colour: colourOf(change) }];
  });
}

/** One change in words. */
export function changeWords({ event, state, active, lost }: ClusterChange): string {
  const what = event === undefined ? `${STATES[state] ?? state}, since when is not known` : (EVENTS[event] ?? event);
  if (event === "ClusterFailedOver") return `${what}: ${lost ?? "the active node"} was lost, ${active ?? "the other one"} took over`;
  if (event === "ClusterSwitchedOver") return `${what} to ${active ?? "the other node"}`;
  if (event === "ClusterPassiveLost") return `passive node ${lost ?? ""} lost, ${active ?? "the active one"} went on alone`;
  if (event === "AgentClusterWatchConfirmationRequired") return `${what} whether ${lost ?? "a node"} is stopped`;
  if (event === "ClusterCoupled") return `${what}, ${active ?? "one"} active`;
  return what;
}

function colourOf({ event }: ClusterChange): HistoryLine["colour"] {
  if (event === "ClusterFailedOver" || event === "ClusterPassiveLost") return "failed";
  if (event === "ClusterCoupled") return "finished";
  return event === "ClusterSwitchedOver" || event === "AgentClusterWatchConfirmationRequired" ? "waiting" : "pending";
}
