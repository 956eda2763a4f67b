/** One cluster: its nodes in their places, what flows between them, who arbitrates, who takes over, what has happened. */
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type ClusterWatch, type TopologyLink, type TopologyNode } from "../../api/types";
import { Glyph } from "../../components/Glyph";
import { Panel } from "../../components/Panel";
import { Ago, When } from "../../components/Time";
import { changeWords, clusterCondition, historyLines, nodeName, readinessWords, type Shown, watchesWords } from "../../domain/clusters";
import { condition } from "../../domain/topology";
import { durationWords, plural, sizeWords } from "../../domain/words";
import { type Steering } from "./ClusterDialog";
import styles from "./clusters.module.css";
import { NodeBox } from "./NodeBox";

const FIRST_LINES = 4;

interface CardProps {
  shown: Shown;
  title: string;
  onSteer: (steering: Steering) => void;
}

export function Card({ shown, title, onSteer }: CardProps) {
  const { cluster, nodes } = shown;
  const state = clusterCondition(shown);
  const isPair = cluster.kind !== "cockpit";
  return (
    <Panel
      title={
        <span className={styles.title}>
          <Link to="/clusters/$" params={{ _splat: cluster.id }}>
            {title}
          </Link>
          <span className={styles.state} data-state={state.colour}>
            <Glyph name={state.glyph} size={14} /> {state.word}
            {cluster.since !== undefined && (
              <span className="muted">
                {" "}
                since <When time={cluster.since} />
              </span>
            )}
          </span>
        </span>
      }
      aside={cluster.term !== undefined && <span title="Grows whenever the role goes to another node">term {cluster.term}</span>}
    >
      <div className={styles.card}>
        {cluster.lossToConfirm !== undefined && <LossToConfirm shown={shown} onSteer={onSteer} />}
        <div className={isPair ? styles.pair : styles.members}>
          <Place shown={shown} node={nodes[0]} onSteer={onSteer} />
          {isPair && <Between shown={shown} />}
          {nodes.slice(1).map((node) => (
            <Place key={node.id} shown={shown} node={node} onSteer={onSteer} />
          ))}
        </div>
        <div className={styles.facts}>
          {(cluster.watches ?? []).length > 0 && <Watches watches={cluster.watches ?? []} needed={cluster.watchesNeeded} />}
          {isPair && <LastChange shown={shown} />}
        </div>
        <div className={styles.foot}>
          <Ready shown={shown} />
          {isPair && <SwitchOver shown={shown} onSteer={onSteer} />}
        </div>
        <History shown={shown} />
      </div>
    </Panel>
  );
}

function Place({ shown, node, onSteer }: { shown: Shown; node: TopologyNode | undefined; onSteer: (steering: Steering) => void }) {
  if (node === undefined) return null;
  return <NodeBox node={node} isActive={node.id === shown.active?.id} onSteer={onSteer} />;
}

/** Two arrows: the journal towards the passive node with its lag, the acknowledgements back. */
function Between({ shown }: { shown: Shown }) {
  const { nodes, active, passive, journal, back } = shown;
  if (active === undefined || passive === undefined) return <div className={styles.between} />;
  const toRight = nodes[0]?.id === active.id;
  const cut = journal === undefined || !condition(journal.state).good;
  return (
    <div className={styles.between} data-cut={cut || undefined}>
      <Arrow toRight={toRight} cut={cut} words="journal" link={journal} ear={passive} />
      <p className={styles.lag}>{lagWords(journal)}</p>
      <Arrow toRight={!toRight} cut={cut} words="acknowledgements" link={back} ear={active} />
    </div>
  );
}

function lagWords(link: TopologyLink | undefined): string {
  if (link?.lagEvents === undefined) return "lag not known";
  if (link.lagEvents === 0) return "nothing behind";
  const bytes = link.lagBytes === undefined ? "" : ` (${sizeWords(link.lagBytes)})`;
  return `${plural(link.lagEvents, "event")}${bytes} behind`;
}

function Arrow({ toRight, cut, words, link, ear }: { toRight: boolean; cut: boolean; words: string; link: TopologyLink | undefined; ear: TopologyNode }) {
  return (
    <div className={styles.arrow} data-right={toRight || undefined}>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" x2="100" y1="5" y2="5" stroke="currentColor" strokeWidth="2" strokeDasharray={cut ? "5 4" : undefined} vectorEffect="non-scaling-stroke" />
      </svg>
      <svg className={styles.head} width="9" height="12" viewBox="0 0 9 12" aria-hidden="true">
        <path d={toRight ? "M1 1l6 5-6 5" : "M8 1L2 6l6 5"} fill="none" stroke="currentColor" strokeWidth="2" />
      </svg>
      <span>
        {words}
        {link?.lastSeen !== undefined && (
          <>
            {" "}
            · heard <Ago time={link.lastSeen} />
            <span className="visually-hidden"> by {nodeName(ear)}</span>
          </>
        )}
      </span>
    </div>
  );
}

function Watches({ watches, needed }: { watches: readonly ClusterWatch[]; needed: number | undefined }) {
  return (
    <div className={styles.watches}>
      <span className={styles.label}>Watches</span>
      <ul>
        {watches.map((watch) => {
          const state = condition(watch.connected ? "CONNECTED" : "LOST");
          return (
            <li key={watch.id} data-state={state.colour}>
              <span className={styles.state}>
                <Glyph name={state.glyph} size={12} />
              </span>
              {watch.id}
              <span className="muted">
                {watch.connected ? "" : " is away"}
                {watch.decides ? "" : " (only looks on)"}
              </span>
            </li>
          );
        })}
      </ul>
      <span className="muted">{watchesWords(watches, needed)}</span>
    </div>
  );
}

function LastChange({ shown }: { shown: Shown }) {
  const last = shown.cluster.lastChange;
  return (
    <p>
      <span className={styles.label}>Roles last changed</span>{" "}
      {last === undefined ? (
        "never, as far as is known"
      ) : (
        <>
          <Ago time={last.time} />: {changeWords(last)}
        </>
      )}
    </p>
  );
}

function Ready({ shown }: { shown: Shown }) {
  const { ready, words, remedy } = readinessWords(shown);
  return (
    <p className={styles.ready} data-state={ready ? "finished" : "failed"}>
      <span className={styles.state}>
        <Glyph name={ready ? "FINISHED" : "BLOCKED"} size={16} />
      </span>
      <span>
        {words} {remedy !== undefined && <span className="muted">{remedy}</span>}
      </span>
    </p>
  );
}

function SwitchOver({ shown, onSteer }: { shown: Shown; onSteer: (steering: Steering) => void }) {
  const can = shown.cluster.can?.["switchOver"];
  const isPossible = can === true;
  return (
    <div className={styles.verb}>
      <button
        type="button"
        className="button"
        aria-disabled={!isPossible}
        title={isPossible ? undefined : String(can ?? "")}
        onClick={() => isPossible && onSteer({ verb: "switchOver", clusterId: shown.cluster.id })}
      >
        Switch over…
      </button>
    </div>
  );
}

function LossToConfirm({ shown, onSteer }: { shown: Shown; onSteer: (steering: Steering) => void }) {
  const can = shown.cluster.can?.["confirmLoss"];
  return (
    <div className={styles.loss} role="status">
      <p>
        <strong>{shown.cluster.lossToConfirm} may be lost, and nobody can tell.</strong> The other node waits for a person who makes sure that it has
        stopped.
      </p>
      <button
        type="button"
        className="button danger"
        aria-disabled={can !== true}
        title={can === true ? undefined : String(can ?? "")}
        onClick={() => can === true && onSteer({ verb: "confirmLoss", clusterId: shown.cluster.id })}
      >
        Confirm loss…
      </button>
    </div>
  );
}

function History({ shown }: { shown: Shown }) {
  const [all, setAll] = useState(false);
  const lines = historyLines(shown.cluster.history ?? []);
  if (lines.length === 0) return null;
  return (
    <div className={styles.history}>
      <h3>What has happened</h3>
      <ol>
        {lines.slice(0, all ? undefined : FIRST_LINES).map((line, index) => (
          <li key={`${line.time ?? "?"} ${index}`} data-state={line.colour}>
            <span className="muted">
              <When time={line.time} />
            </span>
            <span>
              {line.words}
              {line.until !== undefined && <span className="muted"> · coupled again after {durationWords(line.until)}</span>}
            </span>
          </li>
        ))}
      </ol>
      {lines.length > FIRST_LINES && (
        <button type="button" className="button small quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Show less" : `Show ${lines.length - FIRST_LINES} more`}
        </button>
      )}
    </div>
  );
}
