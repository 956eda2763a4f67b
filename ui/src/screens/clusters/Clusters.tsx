/** Clusters (ui.md S15): who is active and why, can the other one take over, what has happened, may I stop this node. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { clustersRoute } from "../../app/router";
import { topologyQuery } from "../../api/queries";
import { type Topology, type TopologyNode } from "../../api/types";
import { Empty, Panel, Remote } from "../../components/Panel";
import { PageTitle } from "../../components/PageTitle";
import { clusterCondition, clusterTitle, type Shown, shownClusters, standAlone } from "../../domain/clusters";
import { clockWords, plural } from "../../domain/words";
import { useLamp, useOnChange, useTopic } from "../../live/react";
import { Card } from "./Card";
import styles from "./clusters.module.css";
import { NodeBox } from "./NodeBox";
import { ClusterDialog, type Steering } from "./ClusterDialog";

export function Clusters() {
  const { _splat: chosen = "" } = clustersRoute.useParams();
  const client = useQueryClient();
  const topology = useQuery(topologyQuery());
  const [steering, setSteering] = useState<Steering>();
  // The stream says once a second that the nodes have been asked again.
  useOnChange(useTopic("cluster"), () => void client.invalidateQueries({ queryKey: ["topology"] }), 250);
  return (
    <>
      <PageTitle title="Clusters" below={<Below topology={topology.data} />} />
      <Gone topology={topology.data} />
      <Remote query={topology}>
        {(value) => <All topology={value} chosen={chosen} onSteer={setSteering} />}
      </Remote>
      {steering !== undefined && topology.data !== undefined && (
        <ClusterDialog steering={steering} topology={topology.data} onClose={() => setSteering(undefined)} />
      )}
    </>
  );
}

function Below({ topology }: { topology: Topology | undefined }) {
  if (topology === undefined) return null;
  const clusters = shownClusters(topology);
  const wrong = clusters.filter((shown) => !clusterCondition(shown).good).length;
  const words = clusters.length === 0 ? "Nothing is clustered" : wrong === 0 ? `${plural(clusters.length, "cluster")}, all well` : `${wrong} of ${plural(clusters.length, "cluster")} not well`;
  return (
    <>
      <span>{words}</span>
      {topology.asOf !== undefined && <span>nodes asked {clockWords(topology.asOf)}</span>}
    </>
  );
}

/** The Cockpit itself is away: what is shown is old, and where another one may answer. */
function Gone({ topology }: { topology: Topology | undefined }) {
  const lamp = useLamp();
  if (lamp.kind === "live" || topology === undefined) return null;
  const others = topology.nodes.filter(({ kind, id, url }) => kind === "cockpit" && id !== "cockpit" && url !== undefined);
  return (
    <div className={styles.gone} role="status">
      <p>
        <strong>This Cockpit does not answer.</strong> What you see is as of {clockWords(lamp.since)}. Controllers and Agents go on without it; the
        page reconnects by itself.
      </p>
      {others.length > 0 && (
        <p>
          Another one:{" "}
          {others.map((node) => (
            <a key={node.id} href={`${node.url}/ui/clusters`}>
              {node.name ?? node.id}
            </a>
          ))}
        </p>
      )}
    </div>
  );
}

function All({ topology, chosen, onSteer }: { topology: Topology; chosen: string; onSteer: (steering: Steering) => void }) {
  const all = shownClusters(topology);
  const shown = chosen === "" ? all : all.filter(({ cluster }) => cluster.id === chosen);
  const alone = standAlone(topology);
  if (chosen !== "" && shown.length === 0)
    return (
      <Panel>
        <Empty title={`There is no cluster ${chosen}.`}>
          <Link to="/clusters/$" params={{ _splat: "" }}>All clusters</Link>
        </Empty>
      </Panel>
    );
  return (
    <div className={styles.cards}>
      {chosen !== "" && (
        <p>
          <Link to="/clusters/$" params={{ _splat: "" }}>All clusters</Link>
        </p>
      )}
      {shown.map((one: Shown) => (
        <Card key={one.cluster.id} shown={one} title={clusterTitle(one.cluster)} onSteer={onSteer} />
      ))}
      {chosen === "" && alone.length > 0 && <Alone nodes={alone} onSteer={onSteer} />}
    </div>
  );
}

const ALONE: Record<string, { words: string; how: string }> = {
  controller: {
    words: "It runs without a second node: while it is stopped or lost, no order starts or moves except on the Agents.",
    how: "Give it a second node and a watch: docs/how-to/pairs.md. To see it on this machine: stellwerk up --cluster",
  },
  cockpit: {
    words: "It is the only one: while it is away nobody can look or steer, and history follows later. Orders go on.",
    how: "Several Cockpits share a PostgreSQL: docs/how-to/cockpit-cluster.md",
  },
};

function Alone({ nodes, onSteer }: { nodes: readonly TopologyNode[]; onSteer: (steering: Steering) => void }) {
  return (
    <Panel title="Stand alone">
      <ul className={styles.alone}>
        {nodes.map((node) => (
          <li key={`${node.kind} ${node.id}`}>
            <NodeBox
              node={node}
              title={node.kind === "cockpit" ? `Cockpit ${node.name ?? ""}` : `Controller ${node.id}`}
              isActive={false}
              {...(node.kind === "controller" ? { onSteer } : {})}
            />
            <div className={styles.hint}>
              <p>{ALONE[node.kind]?.words}</p>
              <p className="muted">{ALONE[node.kind]?.how}</p>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
