/** Times that are never ambiguous (ui.md P12): relative or short on screen, absolute with zones on hover and in the markup. */
import { useNow } from "../live/react";
import { durationWords, fullTime, relativeWords, whenWords } from "../domain/words";

export function When({ time }: { time: number | undefined }) {
  const now = useNow();
  if (time === undefined) return <span className="muted">–</span>;
  return (
    <time dateTime={new Date(time).toISOString()} title={fullTime(time)}>
      {whenWords(time, now)}
    </time>
  );
}

export function Ago({ time }: { time: number | undefined }) {
  const now = useNow();
  if (time === undefined) return <span className="muted">–</span>;
  return (
    <time dateTime={new Date(time).toISOString()} title={fullTime(time)}>
      {relativeWords(time, now)}
    </time>
  );
}

/** How long something has lasted, still counting while it has no end. */
export function Lasted({ start, end }: { start: number | undefined; end?: number | undefined }) {
  return start === undefined ? <span className="muted">–</span> : end === undefined ? <Running start={start} /> : <>{durationWords(end - start)}</>;
}

function Running({ start }: { start: number }) {
  return <>{durationWords(useNow() - start)}</>;
}
