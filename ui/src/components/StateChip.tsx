/** A state as shape + colour + word, never colour alone (ui.md 5.1). */
import { type OrderState } from "../api/types";
import { outcomeLook, reasonWords, type StateLook, stateLook } from "../domain/states";
import { Glyph } from "./Glyph";
import styles from "./chips.module.css";

export function Chip({ look, detail, count, small = false }: { look: StateLook; detail?: string; count?: string; small?: boolean }) {
  return (
    <span className={styles.chip} data-style={look.chip} data-state={look.colour} data-small={small || undefined}>
      <Glyph name={look.name} size={small ? 12 : 14} />
      {count !== undefined && <b className={styles.count}>{count}</b>}
      <span className={styles.word}>
        {look.word}
        {detail !== undefined && <span className={styles.detail}>: {detail}</span>}
      </span>
    </span>
  );
}

export function StateChip({ state, marked, small = false }: { state: OrderState; marked?: string | undefined; small?: boolean }) {
  const look = stateLook(state._text);
  const reason = look.name === "WAITING" ? reasonWords(state._reason) : undefined;
  return (
    <>
      <Chip look={look} small={small} {...(reason === undefined ? {} : { detail: reason })} />
      {marked !== undefined && <span className={styles.marked}>{marked.toLowerCase()}…</span>}
    </>
  );
}

export function OutcomeChip({ outcome }: { outcome: string }) {
  return <Chip look={outcomeLook(outcome)} />;
}
