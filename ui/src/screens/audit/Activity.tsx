/** When there was much to see: the entries over their time, as bars and as a sentence. */
import { histogram } from "../../domain/audit";
import { dateTimeWords, durationWords } from "../../domain/words";
import styles from "./audit.module.css";

const PARTS = 96;

export function Activity({ times }: { times: readonly number[] }) {
  const counted = histogram(times, PARTS);
  if (counted === undefined || times.length < 2) return null;
  const most = Math.max(...counted.parts);
  const each = durationWords((counted.end - counted.begin) / PARTS);
  return (
    <figure className={styles.activity}>
      <svg viewBox={`0 0 ${PARTS * 4} 28`} preserveAspectRatio="none" aria-hidden="true">
        {counted.parts.map((count, index) => count > 0 && <rect key={index} x={index * 4} width={3} y={28 - Math.max(3, (count / most) * 28)} height={Math.max(3, (count / most) * 28)} />)}
      </svg>
      <figcaption>
        {dateTimeWords(counted.begin).slice(0, 16)} to {dateTimeWords(counted.end).slice(0, 16)}, at most {most} in {each}
      </figcaption>
    </figure>
  );
}
