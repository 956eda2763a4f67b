/**
 * A log of any size as a virtual list of lines (ui.md S7): ranges on demand, follow with a pill, search in what is loaded,
 * errors marked by word and edge, links to lines. Output is text, never markup.
 */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "react";
import { logRange, type LogKind } from "../api/queries";
import { type LogLine } from "../api/types";
import { Icon } from "../components/Icon";
import { Failure } from "../components/Panel";
import { clockWords, fullTime, numberWords, sizeWords } from "../domain/words";
import { useTopic } from "../live/react";
import { plainText, spans } from "./ansi";
import { behind, type Follow, followNext, type FollowEvent, STARTING } from "./follow";
import styles from "./log.module.css";
import { LogRanges } from "./ranges";

const LINE = 20;
/** Browsers limit the height of an element: longer logs are shown through a window of this many lines. */
const WINDOW = 400_000;

interface LogViewProps {
  kind: LogKind;
  id: string;
  /** Line to open at, from the URL. */
  anchor?: number | undefined;
  onAnchor?: (line: number) => void;
  /** Open at the first error instead of at the end. */
  openAtError?: boolean;
  /** Without search and tools, for a preview beside something else. */
  compact?: boolean;
  label: string;
}

export function LogView({ kind, id, anchor, onAnchor, openAtError = false, compact = false, label }: LogViewProps) {
  const [, changed] = useReducer((count: number) => count + 1, 0);
  const [ranges, setRanges] = useState<LogRanges>();
  const [follow, send] = useReducer<Follow, [FollowEvent]>(followNext, anchor === undefined ? STARTING : { kind: "reading", seen: 0 });
  const [wrap, setWrap] = useState(compact);
  const [times, setTimes] = useState(true);
  const [windowStart, setWindowStart] = useState(0);
  const [text, setText] = useState("");
  const [hit, setHit] = useState<number>();
  const scroller = useRef<HTMLDivElement>(null);
  const opened = useRef(false);
  /** Where the view was scrolled to last, by itself or by the person: tells the two apart, and up from down. */
  const top = useRef(0);

  useEffect(() => {
    const made = new LogRanges((from, to, signal) => logRange(kind, id, from, to, signal), changed, kind === "task");
    setRanges(made);
    opened.current = false;
    made.ensure(anchor ?? 1, anchor ?? 1);
    return () => made.stop();
    // A change of the anchor alone only moves within the log that is open.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [kind, id]);

  const state = ranges?.state ?? { totalLines: 0, totalBytes: 0, complete: false, removed: false, known: false };
  const { totalLines, complete } = state;
  const topic = useTopic(complete ? undefined : `log:${kind}:${id}`);
  useEffect(() => {
    if (topic.rows.size > 0 || topic.gap > 0) ranges?.grown();
  }, [topic, ranges]);
  // The stream tells at once; this is for a server that does not stream this log.
  useEffect(() => {
    if (complete || ranges === undefined) return;
    const timer = setInterval(() => ranges.grown(), 3000);
    return () => clearInterval(timer);
  }, [complete, ranges]);
  useEffect(() => {
    if (state.known) send({ kind: complete ? "completed" : "continued" });
  }, [complete, state.known]);

  const count = Math.min(WINDOW, Math.max(0, totalLines - windowStart));
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    overscan: 20,
    ...(wrap ? {} : { measureElement: () => LINE }),
  });
  const items = virtual.getVirtualItems();
  const from = windowStart + (items[0]?.index ?? 0) + 1;
  const to = windowStart + (items.at(-1)?.index ?? 0) + 1;
  useEffect(() => {
    if (state.known && items.length > 0) ranges?.ensure(from, to);
  }, [ranges, from, to, state.known, items.length]);

  const goTo = useCallback(
    (line: number, align: "center" | "end" = "center") => {
      const start = Math.max(0, Math.min(line - WINDOW / 2, totalLines - WINDOW));
      const base = line > windowStart && line <= windowStart + WINDOW ? windowStart : Math.max(0, Math.floor(start));
      if (base !== windowStart) setWindowStart(base);
      const element = scroller.current;
      if (element === null) return;
      if (align === "end") element.scrollTop = element.scrollHeight;
      else if (wrap) virtual.scrollToIndex(line - base - 1, { align });
      else element.scrollTop = (line - base - 1) * LINE - element.clientHeight / 2;
      top.current = element.scrollTop;
    },
    [virtual, windowStart, totalLines, wrap],
  );

  // Once, when the end is here: at the anchor, else at the first error of what is loaded, else at the end.
  const endIsHere = totalLines > 0 && ranges?.line(totalLines) !== undefined;
  useEffect(() => {
    if (opened.current || ranges === undefined || !state.known || totalLines === 0) return;
    if (anchor !== undefined) {
      opened.current = true;
      goTo(anchor);
    } else if (!endIsHere) ranges.ensure(Math.max(1, totalLines - 400), totalLines);
    else {
      opened.current = true;
      const first = openAtError ? [...ranges.loaded()].find(isError)?.n : undefined;
      if (first === undefined) goTo(totalLines, "end");
      else {
        send({ kind: "anchored", lastLine: totalLines });
        setHit(first);
        goTo(first);
      }
    }
  }, [state.known, totalLines, anchor, openAtError, goTo, ranges, endIsHere]);

  const following = follow.kind === "following";
  // Before the paint, when the new lines have their height: the end never jumps into sight.
  useLayoutEffect(() => {
    if (following && opened.current && totalLines > 0) goTo(totalLines, "end");
    // Only growth moves a followed log, not a new identity of goTo.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [totalLines, following]);

  const hits = useMemo(() => {
    if (text === "" || ranges === undefined) return [];
    const needle = text.toLowerCase();
    const found: number[] = [];
    for (const line of ranges.loaded()) if (plainText(line.txt).toLowerCase().includes(needle)) found.push(line.n);
    return found;
    // `state` changes with every loaded block.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text, ranges, state]);

  function jump(step: 1 | -1, list: readonly number[]) {
    const now = hit ?? from;
    const next = step === 1 ? (list.find((line) => line > now) ?? list[0]) : (list.findLast((line) => line < now) ?? list.at(-1));
    if (next === undefined) return;
    setHit(next);
    send({ kind: "searched", lastLine: totalLines });
    goTo(next);
  }

  function errors(): number[] {
    return ranges === undefined ? [] : [...ranges.loaded()].filter(isError).map((line) => line.n);
  }

  function startFollowing() {
    send({ kind: "follow" });
    goTo(totalLines, "end");
  }

  function read(line: number) {
    send({ kind: "scrolled-up", lastLine: totalLines });
    goTo(line);
  }

  function keyDown(event: KeyboardEvent) {
    if ((event.target as HTMLElement).closest("input") !== null || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      f: startFollowing,
      G: startFollowing,
      End: startFollowing,
      g: () => read(1),
      Home: () => read(1),
      n: () => jump(1, hits),
      N: () => jump(-1, hits),
      e: () => jump(1, errors()),
      E: () => jump(-1, errors()),
      w: () => setWrap(!wrap),
      T: () => setTimes(!times),
    };
    const act = acts[event.key];
    if (["ArrowUp", "PageUp"].includes(event.key)) send({ kind: "scrolled-up", lastLine: totalLines });
    if (act === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  function scrolled() {
    const element = scroller.current;
    if (element === null || Math.abs(element.scrollTop - top.current) < 1) return;
    const up = element.scrollTop < top.current;
    top.current = element.scrollTop;
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (up) send({ kind: "scrolled-up", lastLine: totalLines });
    else if (windowStart + count === totalLines && rest < LINE * 1.5) send({ kind: "at-end" });
    // At an edge of the window the window moves on, by half.
    if (rest < LINE * 200 && windowStart + count < totalLines) setWindowStart(windowStart + WINDOW / 2);
    else if (element.scrollTop < LINE * 200 && windowStart > 0) setWindowStart(Math.max(0, windowStart - WINDOW / 2));
  }

  const missed = behind(follow, totalLines);
  return (
    <div className={styles.log} onKeyDown={keyDown}>
      {!compact && (
        <div className={styles.tools}>
          <FollowWords follow={follow} known={state.known} />
          <span className="muted">
            {numberWords(totalLines)} lines · {sizeWords(state.totalBytes)}
          </span>
          <div className={styles.find}>
            <input
              className="input"
              aria-label="Find in this log"
              placeholder="find"
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setHit(undefined);
              }}
              onKeyDown={(event) => event.key === "Enter" && jump(event.shiftKey ? -1 : 1, hits)}
            />
            <span className="muted" role="status">
              {text === "" ? "" : hits.length === 0 ? "not in the loaded lines" : `${hit === undefined ? "" : `${hits.indexOf(hit) + 1}/`}${hits.length}`}
            </span>
          </div>
          <button type="button" className="button small" onClick={() => jump(1, errors())}>
            Next error
          </button>
          <button type="button" className="button small icon" aria-label="Wrap long lines" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
            <Icon name="wrap" size={14} />
          </button>
          <button type="button" className="button small" aria-pressed={times} onClick={() => setTimes(!times)}>
            Times
          </button>
        </div>
      )}
      {state.error !== undefined && <Failure error={state.error} retry={() => ranges?.grown()} />}
      <div
        ref={scroller}
        className={styles.lines}
        role="log"
        aria-live="off"
        aria-label={label}
        tabIndex={0}
        data-wrap={wrap || undefined}
        data-times={times || undefined}
        onScroll={scrolled}
        onWheel={(event) => event.deltaY < 0 && send({ kind: "scrolled-up", lastLine: totalLines })}
        onMouseUp={() => document.getSelection()?.isCollapsed === false && send({ kind: "selected", lastLine: totalLines })}
      >
        {state.known && totalLines === 0 && <p className={styles.none}>{state.removed === true ? "This log was older than logs are kept, and has been removed." : complete ? "Nothing was written." : "No output yet. It appears here as it is written."}</p>}
        <div className={styles.space} style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const number = windowStart + item.index + 1;
            return (
              <Line
                key={number}
                number={number}
                index={item.index}
                line={ranges?.line(number)}
                top={item.start}
                measure={wrap ? virtual.measureElement : undefined}
                marked={number === anchor || number === hit}
                onAnchor={onAnchor}
              />
            );
          })}
        </div>
      </div>
      {follow.kind === "reading" && missed > 0 && (
        <button type="button" className={styles.pill} onClick={startFollowing}>
          {numberWords(missed)} new lines – follow <Icon name="down" size={12} />
        </button>
      )}
    </div>
  );
}

function FollowWords({ follow, known }: { follow: Follow; known: boolean }) {
  const words = { following: "following", reading: "reading", complete: "complete" }[follow.kind];
  return (
    <span className={styles.follow} data-kind={follow.kind}>
      {known ? words : "opening…"}
    </span>
  );
}

export function isError(line: LogLine): boolean {
  return line.ch.toLowerCase().startsWith("err") || line.ch.toLowerCase() === "stderr" || line.lvl?.toLowerCase() === "error";
}

const CHANNELS: Record<string, string> = { out: "out", stdout: "out", err: "ERR", stderr: "ERR", main: "main", detail: "detail" };

interface LineProps {
  number: number;
  index: number;
  line: LogLine | undefined;
  top: number;
  measure: ((element: Element | null) => void) | undefined;
  marked: boolean;
  onAnchor: ((line: number) => void) | undefined;
}

function Line({ number, index, line, top, measure, marked, onAnchor }: LineProps) {
  return (
    <div
      ref={measure}
      data-index={index}
      className={styles.line}
      data-error={(line !== undefined && isError(line)) || undefined}
      data-channel={line?.ch.toLowerCase()}
      data-marked={marked || undefined}
      style={{ transform: `translateY(${top}px)` }}
    >
      <button type="button" className={styles.number} tabIndex={-1} aria-label={`Link to line ${number}`} onClick={() => onAnchor?.(number)}>
        {number}
      </button>
      {line !== undefined && (
        <>
          <time className={styles.time} title={fullTime(line.t)}>
            {clockWords(line.t, true)}
          </time>
          <span className={styles.channel}>{CHANNELS[line.ch.toLowerCase()] ?? line.ch}</span>
          <span className={styles.text}>
            {spans(line.txt).map(({ text, colour, ...style }, at) => (
              <span key={at} data-ansi={colour} data-bold={style.bold} data-dim={style.dim} data-italic={style.italic} data-underline={style.underline}>
                {text}
              </span>
            ))}
          </span>
        </>
      )}
    </div>
  );
}
