/** Two texts side by side (ui.md S13): what is the same is folded; kinds are told by sign and colour, and to readers by word. */
import { Fragment, useMemo, useState } from "react";
import { countOf, diffLines, folded, linesOf, sideBySide } from "../domain/diff";
import { plural } from "../domain/words";
import styles from "./diff.module.css";

interface DiffProps {
  before: string;
  after: string;
  beforeLabel: string;
  afterLabel: string;
}

const SIGNS = { same: "", changed: "~", removed: "−", added: "+" } as const;
const WORDS = { same: "", changed: "changed", removed: "removed", added: "added" } as const;

export function Diff({ before, after, beforeLabel, afterLabel }: DiffProps) {
  const [whole, setWhole] = useState(false);
  const { rows, count } = useMemo(() => {
    const edits = diffLines(linesOf(before), linesOf(after));
    return { rows: sideBySide(edits), count: countOf(edits) };
  }, [before, after]);
  const shown = useMemo(() => (whole ? rows : folded(rows)), [rows, whole]);
  const same = count.added === 0 && count.removed === 0;
  return (
    <div className={styles.diff}>
      <div className={styles.bar}>
        <span>{same ? "No differences" : `${plural(count.added, "line")} added, ${count.removed} removed`}</span>
        {!same && (
          <button type="button" className="button quiet small" aria-pressed={whole} onClick={() => setWhole(!whole)}>
            {whole ? "Only differences" : "Whole text"}
          </button>
        )}
      </div>
      {!same && (
        <div className={styles.scroller} tabIndex={0} role="region" aria-label={`Differences of ${beforeLabel} and ${afterLabel}`}>
          <table className={styles.table}>
            <colgroup>
              <col className={styles.numbers} />
              <col />
              <col className={styles.numbers} />
              <col />
            </colgroup>
            <thead>
              <tr>
                <th scope="col" colSpan={2}>
                  {beforeLabel}
                </th>
                <th scope="col" colSpan={2}>
                  {afterLabel}
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((row, index) =>
                row.kind === "gap" ? (
                  <tr key={index} className={styles.gap}>
                    <td colSpan={4}>⋯ {plural(row.lines, "line")} the same</td>
                  </tr>
                ) : (
                  <tr key={index} data-kind={row.kind}>
                    {([row.left, row.right] as const).map((side, at) => {
                      const kind = row.kind === "changed" ? "changed" : row.kind === (at === 0 ? "removed" : "added") ? row.kind : "same";
                      return (
                        <Fragment key={at}>
                          <td className={styles.line} data-kind={kind}>
                            <span aria-hidden="true">{SIGNS[kind]}</span> {side?.line}
                          </td>
                          <td className={styles.text} data-kind={kind} data-empty={side === undefined || undefined}>
                            {side !== undefined && (
                              <>
                                {WORDS[kind] !== "" && <span className="visually-hidden">{WORDS[kind]}: </span>}
                                <code>{side.text}</code>
                              </>
                            )}
                          </td>
                        </Fragment>
                      );
                    })}
                  </tr>
                ),
              )}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
