/** Orders by state as a bar of parts and a legend of numbers; each number opens its list. */
import { Link } from "@tanstack/react-router";
import { Glyph } from "../../components/Glyph";
import { STATES } from "../../domain/states";
import { numberWords, plural } from "../../domain/words";
import styles from "./overview.module.css";

/** Shown even at zero, so that nothing moves when the first one comes. */
const ALWAYS = new Set(["RUNNING", "WAITING", "PROMPTING", "SUSPENDED", "FAILED", "SCHEDULED"]);

export function OrdersNow({ counts }: { counts: Record<string, number> }) {
  const byName = new Map(Object.entries(counts).map(([name, count]) => [name.toUpperCase(), count]));
  const states = STATES.map((state) => ({ state, count: byName.get(state.name) ?? 0 })).filter(
    ({ state, count }) => count > 0 || ALWAYS.has(state.name),
  );
  const total = states.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <div className={styles.strip} aria-hidden="true">
        {states
          .filter(({ count }) => count > 0)
          .map(({ state, count }) => (
            <span key={state.name} data-state={state.colour} style={{ flexGrow: count }} />
          ))}
      </div>
      <ul className={styles.numbers} aria-label={`${plural(total, "order")} by state`}>
        {states.map(({ state, count }) => (
          <li key={state.name} data-state={state.colour} data-zero={count === 0 || undefined}>
            <Link to="/orders" search={{ q: `state:${state.name.toLowerCase()}` }}>
              <b>{numberWords(count)}</b>
              <span>
                <Glyph name={state.name} size={13} /> {state.word}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
