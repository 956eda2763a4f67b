/** Counts by state: legend and filter in one; several states are ORed. */
import { Chip } from "../../components/StateChip";
import list from "../../components/list.module.css";
import { valuesOf, withTerm } from "../../domain/filter";
import { STATES } from "../../domain/states";
import { numberWords } from "../../domain/words";

export function StateBar({ counts, q, onChange }: { counts: Record<string, number>; q: string; onChange: (q: string) => void }) {
  const chosen = valuesOf(q, "state").map((value) => value.toUpperCase());
  const shown = STATES.filter((state) => (counts[state.name] ?? 0) > 0 || chosen.includes(state.name));
  if (shown.length === 0) return null;
  return (
    <div className={list.states} role="group" aria-label="Orders by state">
      {shown.map((state) => {
        const pressed = chosen.includes(state.name);
        const next = pressed ? chosen.filter((name) => name !== state.name) : [...chosen, state.name];
        return (
          <button
            key={state.name}
            type="button"
            className={list.state}
            aria-pressed={pressed}
            onClick={() => onChange(withTerm(q, "state", next.map((name) => name.toLowerCase())))}
          >
            <Chip look={state} count={numberWords(counts[state.name] ?? 0)} />
          </button>
        );
      })}
    </div>
  );
}
