/** One process of a cluster: role, state, address, age, journal, certificate, and what may be done with it. */
import { Menu } from "@mantine/core";
import { type TopologyNode } from "../../api/types";
import { Glyph } from "../../components/Glyph";
import { Icon } from "../../components/Icon";
import { Ago, Lasted, When } from "../../components/Time";
import { nodeName } from "../../domain/clusters";
import { condition } from "../../domain/topology";
import { numberWords, sizeWords } from "../../domain/words";
import { useNow } from "../../live/react";
import { type Steering } from "./ClusterDialog";
import styles from "./clusters.module.css";

/** Certificates that end sooner are worth a look (ui.md S2, attention rule 10). */
const SOON = 30 * 86_400_000;

interface NodeBoxProps {
  node: TopologyNode;
  title?: string;
  isActive: boolean;
  onSteer?: (steering: Steering) => void;
}

export function NodeBox({ node, title, isActive, onSteer }: NodeBoxProps) {
  const state = condition(node.state);
  const isHere = node.state !== "LOST" && node.state !== "UNKNOWN";
  const role = isActive ? (isHere ? "active" : "active when last heard") : node.kind === "cockpit" && node.role === "inactive" ? "standby" : node.role;
  const name = title ?? nodeName(node);
  return (
    <section className={styles.node} data-state={state.colour} data-good={state.good || undefined} data-active={(isActive && isHere) || undefined} aria-label={`Node ${name}`}>
      <header>
        <h3>
          {isActive && isHere && <span aria-hidden="true">★ </span>}
          {name}
        </h3>
        <span className={styles.role}>{role}</span>
        {onSteer !== undefined && <Verbs node={node} name={name} onSteer={onSteer} />}
      </header>
      <p className={styles.state}>
        <Glyph name={state.glyph} size={12} /> {node.state === "LOST" ? "does not answer" : state.word}
      </p>
      {node.message !== undefined && <p className={styles.message}>{node.message}</p>}
      <dl>
        {node.subagentId !== undefined && <Entry name="Subagent">{node.subagentId}</Entry>}
        {node.url !== undefined && (
          <Entry name="Address">
            <span className="mono">{node.url}</span>
          </Entry>
        )}
        {node.version !== undefined && <Entry name="Version">{node.version}</Entry>}
        {node.startedAt !== undefined && node.state !== "LOST" && (
          <Entry name="Up">
            <Lasted start={node.startedAt} />
          </Entry>
        )}
        {node.journal !== undefined && (
          <Entry name="Journal">
            {sizeWords(node.journal.bytes)} <span className="muted">({sizeWords(node.journal.free)} free)</span>
          </Entry>
        )}
        {node.kind === "cockpit" && node.cluster !== undefined && node.lastSeen !== undefined && (
          <Entry name="Heart beat">
            <Ago time={node.lastSeen} />
          </Entry>
        )}
        {node.cert !== undefined && (
          <Entry name="Certificate">
            <CertificateEnd end={node.cert.end} />
          </Entry>
        )}
      </dl>
    </section>
  );
}

function Entry({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function CertificateEnd({ end }: { end: number }) {
  const left = end - useNow();
  const days = Math.floor(left / 86_400_000);
  return (
    <span data-state={left < SOON ? "blocked" : undefined} className={left < SOON ? styles.soon : undefined}>
      ends <When time={end} />
      {left < SOON && (left < 0 ? " – it has ended" : ` – in ${numberWords(days)} days`)}
    </span>
  );
}

const VERBS = [
  { verb: "switchTo", words: "Make it the active one…", icon: "turn" },
  { verb: "restart", words: "Restart…", icon: "repeat" },
  { verb: "terminate", words: "Stop…", icon: "stop" },
] as const;

function Verbs({ node, name, onSteer }: { node: TopologyNode; name: string; onSteer: (steering: Steering) => void }) {
  const verbs = VERBS.filter(({ verb }) => node.can?.[verb] !== undefined);
  if (verbs.length === 0) return null;
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <button type="button" className="button small icon quiet" aria-label={`Actions on ${name}`}>
          ⋯
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {verbs.map(({ verb, words, icon }) => {
          const can = node.can?.[verb];
          return (
            <Menu.Item key={verb} leftSection={<Icon name={icon} />} disabled={can !== true} onClick={() => onSteer({ verb, nodeId: node.id })}>
              {words}
              {can !== true && <span className={styles.why}>{String(can)}</span>}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
