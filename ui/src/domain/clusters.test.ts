import { describe, expect, it } from "vitest";
import { showAs } from "../api/changes";
import { type Cluster, type Topology, type TopologyNode } from "../api/types";
import { clusterCondition, historyLines, readinessWords, type Shown, shownClusters, standAlone, watchesWords } from "./clusters";
import { planOf, type Steering } from "./steering";
import { tiers } from "./topology";

const OPTIONS = { withSwitchover: true, comment: "patching" };

function node(name: string, more: Partial<TopologyNode> = {}): TopologyNode {
  const can = { terminate: true, restart: true };
  return { id: `c/${name}`, kind: "controller", name, cluster: "controller/c", controllerId: "c", url: `http://${name}`, state: "RUNNING", role: "active", can, ...more };
}

function topology(cluster: Partial<Cluster> = {}, nodes: TopologyNode[] = [node("Primary"), node("Backup", { state: "COUPLED", role: "passive" })]): Topology {
  const made: Cluster = {
    id: "controller/c",
    kind: "controller",
    name: "c",
    state: "Coupled",
    nodes: nodes.map(({ id }) => id),
    controllerId: "c",
    active: "c/Primary",
    readiness: { canFailOver: true, silenceLimit: 3500 },
    can: { switchOver: true, confirmLoss: "No node's loss waits for a person." },
    ...cluster,
  };
  return {
    nodes,
    links: [
      { from: "c/Primary", to: "c/Backup", state: "COUPLED", lagEvents: 0 },
      { from: "c/Backup", to: "c/Primary", state: "COUPLED" },
      { from: "cockpit", to: "c/Primary", state: "COUPLED" },
    ],
    clusters: [made],
  };
}

const only = (value: Topology): Shown => shownClusters(value)[0] as Shown;
const lost = (name: string, more: Partial<TopologyNode> = {}) => {
  const { role: _, ...silent } = node(name, { state: "LOST", message: "refused", ...more });
  return silent as TopologyNode;
};
const plan = (steering: Steering, value: Topology, options = OPTIONS) => planOf(steering, value, options);

describe("a cluster in words", () => {
  it("says who takes over, at once and after a silence", () => {
    const shown = only(topology());
    expect(clusterCondition(shown)).toMatchObject({ good: true, word: "coupled" });
    expect(readinessWords(shown)).toEqual({ ready: true, words: "If Primary ends now, Backup takes over at once; if Primary only falls silent, after about 3.5 s." });
  });

  it("says why nobody takes over, and what to do", () => {
    const shown = only(topology({ state: "PassiveLost", readiness: { canFailOver: false, reason: "Backup does not answer" } }, [node("Primary"), lost("Backup")]));
    expect(clusterCondition(shown)).toMatchObject({ good: false, word: "passive node lost" });
    expect(readinessWords(shown)).toMatchObject({
      ready: false,
      words: "If Primary is lost now, nobody takes over: Backup does not answer.",
      remedy: "Start Backup again; it couples by itself.",
    });
  });

  it("is not well when a node does not answer, though the journal still says coupled", () => {
    const shown = only(topology({}, [lost("Primary"), node("Backup", { state: "COUPLED", role: "passive" })]));
    expect(clusterCondition(shown)).toMatchObject({ good: false, word: "coupled, but Primary does not answer" });
    expect(readinessWords(shown).words).toBe("Primary does not answer; Backup is about to take over.");
  });

  it("waits for a person where one has to confirm", () => {
    const shown = only(topology({ lossToConfirm: "Primary" }, [lost("Primary"), node("Backup", { state: "COUPLED", role: "passive" })]));
    expect(readinessWords(shown)).toMatchObject({ ready: false, words: "Primary does not answer; Backup takes over as soon as a person has confirmed the loss." });
  });

  it("counts the watches that decide", () => {
    const watch = (id: string, connected: boolean, decides = true) => ({ id, connected, decides });
    expect(watchesWords([watch("joc", true), watch("w1", false), watch("w2", true), watch("guest", true, false)], 2)).toBe("2 of 3 are there, 2 must agree");
    expect(watchesWords([watch("joc", true)], 1)).toBe("decides alone");
  });

  it("tells the history newest first, with the time until the nodes were coupled again", () => {
    const lines = historyLines([
      { state: "Coupled", event: "ClusterCoupled", time: 9000, active: "Backup" },
      { state: "PreparedToBeCoupled", event: "ClusterCouplingPrepared", time: 8900, active: "Backup" },
      { state: "FailedOver", event: "ClusterFailedOver", time: 5000, active: "Backup", lost: "Primary" },
      { state: "Coupled", event: "ClusterCoupled", time: 1000, active: "Primary" },
      { state: "PassiveLost" },
    ]);
    expect(lines.map(({ words, until }) => [words, until])).toEqual([
      ["coupled, Backup active", undefined],
      ["fail-over: Primary was lost, Backup took over", 4000],
      ["coupled, Primary active", undefined],
      ["passive node lost, since when is not known", undefined],
    ]);
  });

  it("a state of a newer server is shown as it is, never as well", () => {
    expect(clusterCondition(only(topology({ state: "Levitating" })))).toMatchObject({ good: false, word: "levitating" });
  });

  it("who belongs to no cluster stands alone", () => {
    const value = topology();
    const cockpit: TopologyNode = { id: "cockpit", kind: "cockpit", state: "RUNNING" };
    expect(standAlone({ ...value, nodes: [...value.nodes, cockpit, { id: "database", kind: "database", state: "RUNNING" }] })).toEqual([cockpit]);
  });

  it("the Overview shows how the layer above reaches the active node, and the active one the passive node", () => {
    const reached = tiers(topology())[0]?.nodes.map(({ link }) => link?.from);
    expect(reached).toEqual(["cockpit", "c/Primary"]);
  });
});

describe("steering", () => {
  it("a switch-over is one request, also as command", () => {
    const made = plan({ verb: "switchOver", clusterId: "controller/c" }, topology());
    expect(made).toMatchObject({ danger: false, request: { path: "controller/cluster/switchover", body: { controllerId: "c", auditLog: { comment: "patching" } } } });
    expect(made?.typed).toBeUndefined();
    expect(made?.refused).toBeUndefined();
    expect(showAs(made?.request ?? { path: "", body: {} }, "http://h").stellwerk).toBe("stellwerk cluster switch-over --yes");
  });

  it("what the server refuses is refused with its words", () => {
    const why = "The nodes are not coupled (PassiveLost).";
    expect(plan({ verb: "switchOver", clusterId: "controller/c" }, topology({ can: { switchOver: why } }))?.refused).toBe(why);
  });

  it("a loss is confirmed only by typing the node's name, and never of a node that answers", () => {
    const passive = node("Backup", { state: "COUPLED", role: "passive" });
    const waiting = { lossToConfirm: "Primary", can: { confirmLoss: true } };
    const gone = plan({ verb: "confirmLoss", clusterId: "controller/c" }, topology(waiting, [lost("Primary"), passive]));
    expect(gone).toMatchObject({ typed: "Primary", danger: true, request: { path: "controller/cluster/confirm_node_loss", body: { url: "http://Primary" } } });
    expect(gone?.refused).toBeUndefined();
    const there = plan({ verb: "confirmLoss", clusterId: "controller/c" }, topology(waiting));
    expect(there?.refused).toBe("Primary answers: it is not lost. Stop it first.");
  });

  it("the active node hands over before it stops; without that its name has to be typed", () => {
    const steering: Steering = { verb: "terminate", nodeId: "c/Primary" };
    const first = plan(steering, topology());
    expect(first).toMatchObject({ request: { path: "controller/terminate", body: { url: "http://Primary", withSwitchover: true } } });
    expect(first?.typed).toBeUndefined();
    const second = plan(steering, topology(), { ...OPTIONS, withSwitchover: false });
    expect(second).toMatchObject({ typed: "Primary", request: { body: { withSwitchover: false } } });
    const uncoupled = plan(steering, topology({ can: { switchOver: "not coupled" } }));
    expect(uncoupled, "there is nobody to hand over to").toMatchObject({ typed: "Primary", request: { body: { withSwitchover: false } } });
  });

  it("the passive node stops without a word to type; a Controller that stands alone does not", () => {
    expect(plan({ verb: "terminate", nodeId: "c/Backup" }, topology())?.typed).toBeUndefined();
    const { cluster: _, ...alone } = node("c", { id: "c" });
    expect(plan({ verb: "terminate", nodeId: "c" }, { nodes: [alone], links: [], clusters: [] })).toMatchObject({ typed: "c" });
    expect(plan({ verb: "restart", nodeId: "c" }, { nodes: [alone], links: [], clusters: [] })?.typed).toBeUndefined();
  });

  it("Directors and Cockpits have requests of their own", () => {
    const directors = topology({ kind: "agent", id: "agent/a", name: "a", agentId: "a", can: { switchOver: true } });
    expect(plan({ verb: "switchOver", clusterId: "agent/a" }, directors)?.request).toMatchObject({ path: "agent/cluster/switchover", body: { controllerId: "c", agentId: "a" } });
    const standby: TopologyNode = { id: "joc#1", kind: "cockpit", name: "n2", memberId: "m2", state: "RUNNING", can: { switchTo: true } };
    expect(plan({ verb: "switchTo", nodeId: "joc#1" }, { nodes: [standby], links: [] })?.request).toMatchObject({ path: "joc/cluster/switch_member", body: { memberId: "m2" } });
  });

  it("what is gone meanwhile has no plan", () => {
    expect(plan({ verb: "switchOver", clusterId: "controller/other" }, topology())).toBeUndefined();
    expect(plan({ verb: "restart", nodeId: "c/Third" }, topology())).toBeUndefined();
  });
});
