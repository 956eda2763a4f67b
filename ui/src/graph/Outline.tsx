/** The graph's accessible twin: a tree that arrows walk; its choice is the graph's choice and the other way round. */
import { type KeyboardEvent, useEffect, useMemo, useRef } from "react";
import { Glyph } from "../components/Glyph";
import { Icon } from "../components/Icon";
import { STATES } from "../domain/states";
import { type Step } from "./blocks";
import styles from "./graph.module.css";
import { outline, spoken, type StateCounts, walkTo } from "./twin";

interface OutlineProps {
  steps: readonly Step[];
  counts: ReadonlyMap<string, StateCounts>;
  selected: string | undefined;
  onSelect: (key: string) => void;
}

export function Outline({ steps, counts, selected, onSelect }: OutlineProps) {
  const rows = useMemo(() => outline(steps), [steps]);
  const tree = useRef<HTMLDivElement>(null);
  const current = rows.some((row) => row.key === selected) ? selected : rows[0]?.key;
  const byKey = useRef(false);

  useEffect(() => {
    if (!byKey.current) return;
    byKey.current = false;
    tree.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }, [current]);

  function keyDown(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey || current === undefined) return;
    const next = walkTo(rows, current, event.key);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    byKey.current = true;
    onSelect(next);
  }

  return (
    <div ref={tree} role="tree" aria-label="Steps of the workflow" className={styles.outline} onKeyDown={keyDown}>
      {rows.map((row) => {
        const mine = counts.get(row.key);
        return (
          <div
            key={row.key}
            role="treeitem"
            aria-level={row.level}
            aria-posinset={row.place}
            aria-setsize={row.of}
            aria-selected={row.key === selected}
            tabIndex={row.key === current ? 0 : -1}
            style={{ paddingLeft: 6 + (row.level - 1) * 16 }}
            onClick={() => onSelect(row.key)}
          >
            <span className="visually-hidden">{spoken(row, mine)}</span>
            <Icon name={row.step.icon} size={14} />
            <span className={styles.outlineText} aria-hidden="true">
              {row.branch !== undefined && <span className="muted">{row.branch} · </span>}
              {row.step.title}
            </span>
            {mine !== undefined && (
              <span className={styles.outlinePills} aria-hidden="true">
                {STATES.filter((state) => (mine[state.name] ?? 0) > 0).map((state) => (
                  <span key={state.name} data-state={state.colour}>
                    <Glyph name={state.name} size={11} />
                    {mine[state.name]}
                  </span>
                ))}
              </span>
            )}
          </div>
        );
      })}
    </div>
  );
}
