/**
 * The day as lanes of bars (ui.md S8): outlines are planned, filled ones have happened, the dotted gap is lateness. A click
 * on a bar selects its order; by keyboard the list does the same. Lanes are virtual, bars of a full lane drawn together.
 */
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { type PlanDay } from "../../api/plan";
import { shortClock } from "../../domain/clock";
import { type Bar, hourMarks, lanes, laneWords, type PlanGroup, type PlanLane, type Planned } from "../../domain/plan";
import { splitPath } from "../../domain/words";
import styles from "./plan.module.css";

const LANE = 36;

interface TimelineProps {
  rows: readonly Planned[];
  day: PlanDay;
  group: PlanGroup;
  now: number;
  selected: ReadonlySet<string>;
  onSelect: (orderId: string) => void;
}

export function Timeline({ rows, day, group, now, selected, onSelect }: TimelineProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const { begin, end, timeZone } = day;
  const clock = useMemo(() => shortClock(timeZone), [timeZone]);
  const all = useMemo(() => lanes(rows, group, begin, end, now, clock), [rows, group, begin, end, now, clock]);
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LANE,
    getItemKey: (index) => all[index]?.key ?? index,
    overscan: 8,
  });
  const marks = useMemo(() => hourMarks(begin, end, (time) => clock(time).slice(0, 2), 2), [begin, end, clock]);
  const nowAt = (now - begin) / (end - begin);
  return (
    <div className={styles.listed}>
      <div ref={scroller} className={styles.scroller}>
        <div className={styles.timeline}>
          <div className={styles.axis} aria-hidden="true">
            <span className={styles.title}>{timeZone}</span>
            <div className={styles.hours}>
              {marks.map((mark) => (
                <span key={mark.at} style={{ left: `${mark.at * 100}%` }}>
                  {mark.words}
                </span>
              ))}
              {nowAt >= 0 && nowAt <= 1 && <i className={styles.now} style={{ left: `${nowAt * 100}%`, height: virtual.getTotalSize() + 28 }} />}
            </div>
          </div>
          <ul aria-label="Timeline of the day" style={{ position: "relative", height: virtual.getTotalSize(), margin: 0, padding: 0, listStyle: "none" }}>
            {virtual.getVirtualItems().map((item) => {
              const lane = all[item.index];
              return lane === undefined ? null : (
                <li key={lane.key} className={styles.lane} style={{ transform: `translateY(${item.start}px)` }}>
                  <Title lane={lane} group={group} clock={clock} />
                  <div className={styles.bars} aria-hidden="true">
                    {lane.bars.map((bar, index) => (
                      <BarButton key={`${bar.orderId} ${bar.kind} ${index}`} bar={bar} isSelected={selected.has(bar.orderId)} onSelect={onSelect} />
                    ))}
                  </div>
                </li>
              );
            })}
          </ul>
        </div>
      </div>
      <Legend />
    </div>
  );
}

function Title({ lane, group, clock }: { lane: PlanLane; group: PlanGroup; clock: (time: number) => string }) {
  const { name, folder } = splitPath(lane.title);
  return (
    <div className={styles.title}>
      <Link to="/plan/$date" params={(old) => ({ date: old.date ?? "today" })} search={(old) => ({ ...old, view: "list", q: `${group}:${lane.key}` })} title={lane.title}>
        {group === "folder" ? lane.title : name}
      </Link>
      <small>
        {group !== "folder" && <>{folder} · </>}
        {laneWords(lane, clock)}
      </small>
    </div>
  );
}

function BarButton({ bar, isSelected, onSelect }: { bar: Bar; isSelected: boolean; onSelect: (orderId: string) => void }) {
  return (
    <button
      type="button"
      tabIndex={-1}
      className={styles.bar}
      data-kind={bar.kind}
      data-state={bar.look.colour}
      data-family={bar.look.family}
      aria-pressed={isSelected}
      title={bar.words()}
      style={{ left: `${bar.from * 100}%`, width: `${(bar.to - bar.from) * 100}%` }}
      onClick={() => bar.count === undefined && onSelect(bar.orderId)}
    >
      {bar.ticks?.map((tick, index) => (
        <i key={index} className={styles.tick} style={{ left: `${bar.to === bar.from ? 0 : ((tick - bar.from) / (bar.to - bar.from)) * 100}%` }} />
      ))}
      {bar.count !== undefined && bar.to - bar.from > 0.03 && <span className={styles.many}>{bar.count}</span>}
    </button>
  );
}

function Legend() {
  return (
    <p className={styles.legend} aria-hidden="true">
      <span>
        <i className={styles.bar} data-kind="planned" data-state="planned" /> planned
      </span>
      <span>
        <i className={styles.bar} data-kind="planned" data-state="scheduled" /> submitted
      </span>
      <span>
        <i className={styles.bar} data-kind="actual" data-state="finished" data-family="done" /> has run
      </span>
      <span>
        <i className={styles.bar} data-kind="actual" data-state="running" data-family="active" /> runs
      </span>
      <span>
        <i className={styles.bar} data-kind="actual" data-state="failed" data-family="bad" /> failed
      </span>
      <span>
        <i className={styles.bar} data-kind="gap" /> late
      </span>
    </p>
  );
}
