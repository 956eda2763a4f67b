/** Components and how they are coupled: the layers of the installation from top to bottom (ui.md S2 coupling map). */
import { Glyph } from "../../components/Glyph";
import { Ago } from "../../components/Time";
import { type Topology, type TopologyLink, type TopologyNode } from "../../api/types";
import { condition, tiers, troubles } from "../../domain/topology";
import { numberWords, plural } from "../../domain/words";
import styles from "./overview.module.css";

export function Machinery({ topology }: { topology: Topology }) {
  const wrong = troubles(topology);
  return (
    <>
      <p className={styles.sound}>
        {wrong.length === 0
          ? `All ${plural(topology.nodes.length, "component")} run and are coupled.`
          : `${plural(wrong.length, "component")} of ${topology.nodes.length} not well.`}
      </p>
      <ol className={styles.tiers}>
        {tiers(topology).map((tier) => (
          <li key={tier.title}>
            <h3>{tier.title}</h3>
            <ul>
              {tier.nodes.map(({ node, link }) => (
                <Box key={`${node.kind} ${node.id}`} node={node} link={link} />
              ))}
            </ul>
          </li>
        ))}
      </ol>
    </>
  );
}

function Box({ node, link }: { node: TopologyNode; link: TopologyLink | undefined }) {
  const state = condition(node.state);
  const lag = link?.lagEvents ?? 0;
  const cut = link !== undefined && !condition(link.state).good;
  return (
    <li className={styles.box} data-state={state.colour} data-good={state.good || undefined} title={node.url}>
      <p className={styles.name}>
        {node.role === "active" && <span aria-hidden="true">★ </span>}
        {node.id}
        {node.role === "active" && <span className="visually-hidden"> active</span>}
      </p>
      <p className={styles.state}>
        <Glyph name={state.glyph} size={12} /> {state.word}
        {cut && link.since !== undefined && (
          <span className="muted">
            {" "}
            <Ago time={link.since} />
          </span>
        )}
      </p>
      {(node.message ?? link?.error) !== undefined && <p className={styles.message} title={node.message ?? link?.error}>{node.message ?? link?.error}</p>}
      {node.role !== undefined && node.role !== "active" && <p className="muted">{node.role}</p>}
      {lag > 0 && <p className="muted">{numberWords(lag)} events behind</p>}
    </li>
  );
}
