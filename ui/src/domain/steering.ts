/** The verbs on clusters and their nodes: what each does, the request, what has to be typed before (ui.md S15, 4.3). Pure. */
import {
  type Change,
  confirmLossOfController,
  confirmLossOfDirector,
  endController,
  switchCockpit,
  switchOverControllers,
  switchOverDirectors,
} from "../api/changes";
import { type Topology, type TopologyNode } from "../api/types";
import { nodeName, type Shown, shownClusters } from "./clusters";

export type Steering = { verb: "switchOver" | "confirmLoss"; clusterId: string } | { verb: "terminate" | "restart" | "switchTo"; nodeId: string };

export interface SteeringOptions {
  /** Of the active node of a pair: hand the role over before it ends. */
  withSwitchover: boolean;
  comment: string;
}

export interface Plan {
  title: string;
  button: string;
  done: string;
  danger: boolean;
  /** Tier C: this name has to be typed. */
  typed?: string;
  effect: string;
  /** Why it must not be done now. */
  refused?: string;
  request: Change;
  shown?: Shown;
  node?: TopologyNode;
}

/** Undefined: what it was about is not there any more. */
export function planOf(steering: Steering, topology: Topology, options: SteeringOptions): Plan | undefined {
  const clusters = shownClusters(topology);
  if ("clusterId" in steering) {
    const shown = clusters.find(({ cluster }) => cluster.id === steering.clusterId);
    if (shown === undefined) return undefined;
    return steering.verb === "switchOver" ? switchOver(shown, options) : confirmLoss(shown, options);
  }
  const node = topology.nodes.find(({ id, can }) => id === steering.nodeId && can?.[steering.verb] !== undefined);
  if (node === undefined) return undefined;
  const shown = clusters.find(({ cluster }) => cluster.id === node.cluster);
  if (steering.verb === "switchTo") return switchTo(node, shown, options);
  return end(node, shown, steering.verb === "restart", options);
}

function refusal(can: boolean | string | undefined): { refused?: string } {
  return can === true ? {} : { refused: typeof can === "string" ? can : "This is not possible now." };
}

function switchOver(shown: Shown, { comment }: SteeringOptions): Plan {
  const { cluster, active, passive } = shown;
  const controllerId = cluster.controllerId ?? "";
  const agentId = cluster.agentId;
  return {
    title: `Switch over ${cluster.name}`,
    button: "Switch over",
    done: `${nodeName(passive)} takes over from ${nodeName(active)}`,
    danger: false,
    effect:
      `${nodeName(passive)} becomes the active node; ${nodeName(active)} starts again as the passive one and couples anew. ` +
      "Nothing is lost, jobs go on; nothing new starts for a moment.",
    ...refusal(cluster.can?.["switchOver"]),
    request: agentId === undefined ? switchOverControllers({ controllerId, comment }) : switchOverDirectors({ controllerId, agentId, comment }),
    shown,
  };
}

function confirmLoss(shown: Shown, { comment }: SteeringOptions): Plan {
  const { cluster, nodes } = shown;
  const lost = nodes.find(({ name }) => name === cluster.lossToConfirm);
  const name = cluster.lossToConfirm ?? "the node";
  const controllerId = cluster.controllerId ?? "";
  const agentId = cluster.agentId;
  const answers = lost !== undefined && lost.state !== "LOST";
  return {
    title: `Confirm the loss of ${name}`,
    button: `Confirm loss of ${name}`,
    done: `The loss of ${name} is confirmed`,
    danger: true,
    typed: name,
    effect: `Only if ${name} is really stopped. If it still runs, two nodes are active, and jobs start twice.`,
    ...(answers ? { refused: `${name} answers: it is not lost. Stop it first.` } : refusal(cluster.can?.["confirmLoss"])),
    request:
      agentId === undefined
        ? confirmLossOfController({ controllerId, url: lost?.url ?? "", comment })
        : confirmLossOfDirector({ controllerId, agentId, comment }),
    shown,
  };
}

function switchTo(node: TopologyNode, shown: Shown | undefined, { comment }: SteeringOptions): Plan {
  return {
    title: `Make ${nodeName(node)} the active Cockpit`,
    button: `Switch to ${nodeName(node)}`,
    done: `${nodeName(node)} becomes the active Cockpit`,
    danger: false,
    effect: "History, daily plan and the watch of Controllers move there. People may go on at any of the Cockpits.",
    ...refusal(node.can?.["switchTo"]),
    request: switchCockpit({ memberId: node.memberId ?? "", comment }),
    ...(shown === undefined ? {} : { shown }),
    node,
  };
}

/** Whether a node can hand its role over before it ends. */
export function canHandOver(node: TopologyNode, shown: Shown | undefined): boolean {
  return shown !== undefined && shown.active?.id === node.id && shown.cluster.can?.["switchOver"] === true;
}

function end(node: TopologyNode, shown: Shown | undefined, restart: boolean, { withSwitchover, comment }: SteeringOptions): Plan {
  const name = shown === undefined ? node.id : nodeName(node);
  const isPassive = shown?.passive?.id === node.id;
  const handsOver = withSwitchover && canHandOver(node, shown);
  const verb = restart ? "Restart" : "Stop";
  const back = restart ? " It starts again at once." : " Somebody has to start it again.";
  const effect = handsOver
    ? `${nodeName(shown?.passive)} takes over, then ${name} ends.${back}`
    : isPassive
      ? `${nodeName(shown?.active)} goes on alone; until ${name} is back nobody takes over.${back}`
      : shown === undefined
        ? `Until it runs again no order starts or moves, except on the Agents.${back}`
        : `Nobody takes over: until ${name} runs again no order starts or moves, except on the Agents.${back}`;
  return {
    title: `${verb} ${name}`,
    button: `${verb} ${name}`,
    done: restart ? `${name} starts again` : `${name} ends`,
    danger: !restart,
    // Ending what nobody takes over is not done by a slip (tier C); a restart comes back by itself.
    ...(handsOver || isPassive || restart ? {} : { typed: name }),
    effect,
    ...refusal(node.can?.[restart ? "restart" : "terminate"]),
    request: endController({
      controllerId: node.controllerId ?? "",
      url: node.url ?? "",
      restart,
      withSwitchover: handsOver,
      comment,
    }),
    ...(shown === undefined ? {} : { shown }),
    node,
  };
}
