/** What needs a person: causes with their count, newest knowledge in place, each with a way on (ui.md S2). */
import { Link } from "@tanstack/react-router";
import { type AttentionGroup } from "../../api/types";
import { Glyph } from "../../components/Glyph";
import { Empty } from "../../components/Panel";
import { OrderLink } from "../../components/links";
import { Ago } from "../../components/Time";
import { type StateColour } from "../../design/tokens";
import styles from "./overview.module.css";

interface Look {
  glyph: string;
  colour: StateColour;
}

/** By the attention rule's kind; an unknown kind of a newer server is drawn by its severity. */
function lookOf({ kind, severity }: AttentionGroup): Look {
  const name = kind.toLowerCase();
  if (name.includes("prompt")) return { glyph: "PROMPTING", colour: "prompting" };
  if (name.includes("suspend")) return { glyph: "SUSPENDED", colour: "suspended" };
  if (name.includes("broken")) return { glyph: "BROKEN", colour: "broken" };
  if (name.includes("fail")) return { glyph: "FAILED", colour: "failed" };
  if (name.includes("late") || name.includes("blocked") || name.includes("overdue")) return { glyph: "BLOCKED", colour: "blocked" };
  if (severity === 1 || String(severity).toLowerCase() === "error") return { glyph: "FAILED", colour: "failed" };
  return { glyph: "BLOCKED", colour: "blocked" };
}

function orderIds(group: AttentionGroup): string[] {
  return group.sample
    .map((sample) => (typeof sample === "string" ? sample : sample.orderId))
    .filter((id): id is string => id !== undefined && id.startsWith("#"));
}

export function Attention({ groups }: { groups: readonly AttentionGroup[] }) {
  if (groups.length === 0)
    return <Empty title="All quiet.">No component is missing, no order has failed, none asks a question or is late.</Empty>;
  return (
    <ul className={styles.attention} aria-label="Needs a person">
      {groups.map((group) => {
        const look = lookOf(group);
        const ids = orderIds(group);
        return (
          <li key={group.id ?? `${group.kind} ${group.title}`} data-state={look.colour}>
            <span className={styles.glyph}>
              <Glyph name={look.glyph} size={18} />
            </span>
            <div className={styles.cause}>
              <p className={styles.title}>{group.title}</p>
              {group.remedy !== undefined && <p className="muted">{group.remedy}</p>}
              {ids.length > 0 && (
                <p className={styles.samples}>
                  {ids.slice(0, 3).map((id) => (
                    <OrderLink key={id} orderId={id} width={40} />
                  ))}
                  {group.count > 3 && <span className="muted">and {group.count - Math.min(3, ids.length)} more</span>}
                </p>
              )}
            </div>
            <span className="muted">{group.since !== undefined && <Ago time={group.since} />}</span>
            <Way group={group} ids={ids} />
          </li>
        );
      })}
    </ul>
  );
}

/** One order opens at once; several open as a filtered list. */
function Way({ group, ids }: { group: AttentionGroup; ids: readonly string[] }) {
  const only = ids[0];
  if (only !== undefined && group.count === 1)
    return (
      <Link className="button small" to="/order/$orderId" params={{ orderId: only }}>
        Open
      </Link>
    );
  const cluster = group.link?.match(/^\/clusters\/?(.*)$/)?.[1];
  if (cluster !== undefined)
    return (
      <Link className="button small" to="/clusters/$" params={{ _splat: cluster }}>
        Open
      </Link>
    );
  const query = group.link === undefined ? null : new URLSearchParams(group.link.split("?")[1] ?? "").get("q");
  if (query !== null)
    return (
      <Link className="button small" to="/orders" search={{ q: query }}>
        Open {group.count > 1 ? group.count : ""}
      </Link>
    );
  return <span />;
}
