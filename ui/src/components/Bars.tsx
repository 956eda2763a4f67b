/**
 * Parts over time as stacked bars (ui.md S22). A picture beside its table: the drawing says its sums to assistive
 * technology, the figures stand in a table that opens below. No library: some rectangles.
 */
import { numberWords } from "../domain/words";
import styles from "./bars.module.css";

export interface BarPart {
  name: string;
  /** A colour of states (`design/tokens.ts`). */
  colour: string;
}

export interface Bar {
  key: string;
  label: string;
  /** In the order of the parts. */
  values: readonly number[];
}

const WIDTH = 1000;
const HEIGHT = 140;

export function Bars({ title, parts, bars, keyHeader }: { title: string; parts: readonly BarPart[]; bars: readonly Bar[]; keyHeader: string }) {
  const most = Math.max(1, ...bars.map((bar) => sum(bar.values)));
  const step = WIDTH / Math.max(1, bars.length);
  const totals = parts.map((part, index) => `${numberWords(sum(bars.map((bar) => bar.values[index] ?? 0)))} ${part.name}`).join(", ");
  return (
    <figure className={styles.figure}>
      <figcaption>
        {title}
        <span className={styles.legend}>
          {parts.map((part) => (
            <span key={part.name} data-state={part.colour}>
              <i aria-hidden="true" /> {part.name}
            </span>
          ))}
        </span>
      </figcaption>
      <div className={styles.plot}>
        <span className={styles.most}>{numberWords(most)}</span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${title}: ${totals}`}>
          {bars.map((bar, number) => (
            <g key={bar.key}>
              <title>{`${bar.label}: ${parts.map((part, index) => `${numberWords(bar.values[index] ?? 0)} ${part.name}`).join(", ")}`}</title>
              <rect className={styles.place} x={number * step} y={0} width={step} height={HEIGHT} />
              {bar.values.map((value, index) => {
                const below = (sum(bar.values.slice(0, index)) / most) * HEIGHT;
                const height = (value / most) * HEIGHT;
                return (
                  value > 0 && (
                    <rect
                      key={parts[index]?.name}
                      data-state={parts[index]?.colour}
                      className={styles.part}
                      x={number * step + step * 0.1}
                      y={HEIGHT - below - Math.max(height, 1)}
                      width={step * 0.8}
                      height={Math.max(height, 1)}
                    />
                  )
                );
              })}
            </g>
          ))}
        </svg>
      </div>
      <div className={styles.ends} aria-hidden="true">
        <span>{bars[0]?.label}</span>
        <span>{bars.at(-1)?.label}</span>
      </div>
      <details className={styles.table}>
        <summary>Figures</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{keyHeader}</th>
              {parts.map((part) => (
                <th key={part.name} scope="col">
                  {part.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {bars
              .filter((bar) => sum(bar.values) > 0)
              .map((bar) => (
                <tr key={bar.key}>
                  <th scope="row">{bar.label}</th>
                  {parts.map((part, index) => (
                    <td key={part.name}>{numberWords(bar.values[index] ?? 0)}</td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
