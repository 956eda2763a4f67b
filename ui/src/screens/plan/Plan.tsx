/** S8 Daily plan (ui.md S8): are we on plan, what is late, what runs tonight, which day has too much or nothing. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useKeys } from "../../app/keys";
import { planRoute } from "../../app/router";
import { useMay } from "../../api/permissions";
import { type PlanDay, planDayQuery, planLiveQuery, planOrdersQuery, planSummaryQuery } from "../../api/plan";
import { FilterField } from "../../components/FilterField";
import { Icon } from "../../components/Icon";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Failure, Loading } from "../../components/Panel";
import { Tabs } from "../../components/Tabs";
import { shortClock, zoneOf } from "../../domain/clock";
import { parseFilter } from "../../domain/filter";
import { addDays, countOrders, dateWords, isDate, matchesPlanned, type PlanGroup, planned, whyEmpty } from "../../domain/plan";
import { numberWords, plural, whenWords } from "../../domain/words";
import { useCountsEvent, useNow, useOnChange, useTopic } from "../../live/react";
import { CalendarView } from "./CalendarView";
import { GenerateDialog } from "./GenerateDialog";
import styles from "./plan.module.css";
import { PlanActions } from "./PlanActions";
import { PlanList } from "./PlanList";
import { Timeline } from "./Timeline";

const VIEWS = ["timeline", "list", "calendar"] as const;
type View = (typeof VIEWS)[number];
const MANY = 2000;
const GROUPS: readonly PlanGroup[] = ["workflow", "schedule", "folder"];

export function Plan() {
  const { date: asked } = planRoute.useParams();
  const search = planRoute.useSearch();
  const navigate = planRoute.useNavigate();
  const client = useQueryClient();
  const day = useQuery(planDayQuery(isDate(asked) ? asked : undefined));
  const date = isDate(asked) ? asked : (day.data?.date ?? "");
  const orders = useQuery({ ...planOrdersQuery(date), enabled: date !== "" });
  const live = useQuery({ ...planLiveQuery(date), enabled: date !== "" });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const now = useNow();
  // Lateness and the now line move with the time; the rows are not made anew for each second.
  const step = (orders.data?.length ?? 0) > MANY ? 60_000 : 10_000;
  const moment = Math.floor(now / step) * step;
  const q = search.q ?? "";
  const view: View = VIEWS.find((name) => name === search.view) ?? "timeline";
  const group: PlanGroup = GROUPS.find((name) => name === search.group) ?? "workflow";

  const refetch = useCallback(() => void client.invalidateQueries({ queryKey: ["plan"] }), [client]);
  useOnChange(useTopic("plan"), refetch, 1000);
  // States change all the time: what they change is fetched again, days of many orders less often.
  const refetchStates = useCallback(() => {
    for (const part of ["orders", "summary", "live", "cycle"]) void client.invalidateQueries({ queryKey: ["plan", part] });
  }, [client]);
  const [counted, setCounted] = useState(0);
  useTopic("counts");
  useCountsEvent(useCallback(() => setCounted((count) => count + 1), []));
  useOnChange(counted, refetchStates, (orders.data?.length ?? 0) > MANY ? 30_000 : 2000);
  useEffect(() => setSelected(new Set()), [date]);

  const all = useMemo(() => (orders.data ?? []).map((item) => planned(item, moment, live.data)), [orders.data, live.data, moment]);
  const filter = useMemo(() => parseFilter(q), [q]);
  const shown = useMemo(() => all.filter((row) => matchesPlanned(filter, row)), [all, filter]);
  const chosen = useMemo(() => shown.filter((row) => selected.has(row.item.orderId)), [shown, selected]);

  const set = useCallback((part: { [Name in keyof typeof search]?: string | undefined }) => void navigate({ search: (old) => defined({ ...old, ...part }), replace: part.q !== undefined }), [navigate]);
  const goTo = useCallback((to: string) => void navigate({ params: { date: to }, search: ({ order: _, ...old }) => old }), [navigate]);
  const setQ = useCallback((text: string) => set({ q: text }), [set]);
  const select = useCallback((orderId: string) => setSelected((old) => toggled(old, orderId)), []);
  useKeys(
    useMemo(
      () => [
        { keys: "[", words: "the day before", run: () => goTo(addDays(date, -1)) },
        { keys: "]", words: "the next day", run: () => goTo(addDays(date, 1)) },
        ...VIEWS.map((name, index) => ({ keys: String(index + 1), words: name, run: () => set({ view: name }) })),
      ],
      [date, goTo, set],
    ),
  );

  if (asked !== "today" && !isDate(asked))
    return (
      <>
        <PageTitle title="Daily plan" />
        <Empty title={`“${asked}” is no date.`}>
          <Link to="/plan/$date" params={{ date: "today" }}>Go to today</Link>
        </Empty>
      </>
    );
  return (
    <div className={list.page}>
      <PageTitle
        title={date === "" ? "Daily plan" : `${dateWords(date)} – Daily plan`}
        actions={<DayActions date={date} day={day.data} view={view} onDate={goTo} dialog={search.dialog} onDialog={(dialog) => set({ dialog })} />}
        below={day.data !== undefined && <Below day={day.data} late={all.filter((row) => row.lateBy !== undefined).length} onLate={() => setQ("late:yes")} />}
      >
        {date === "" ? "Daily plan" : `Daily plan, ${dateWords(date)}`}
        {day.data?.today === date && <small className={styles.today}>today</small>}
      </PageTitle>
      <div className={list.card}>
        <Tabs
          label="Daily plan"
          value={view}
          tabs={[
            { value: "timeline", label: "Timeline" },
            { value: "list", label: "List" },
            { value: "calendar", label: "Calendar" },
          ]}
          onChange={(name) => set({ view: name })}
        />
        <div className={list.bar}>
          <FilterField value={q} onChange={setQ} placeholder={view === "calendar" ? "workflow:nightly schedule:…" : "a name, late:yes, state:planned, folder:/etl"} label="Filter the plan" />
          {view === "timeline" && (
            <label className={styles.group}>
              by
              <select className="input" aria-label="Group by" value={group} onChange={(event) => set({ group: event.target.value })}>
                {GROUPS.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          )}
          {view === "timeline" && shown.length > 0 && (
            <button type="button" className="button small" onClick={() => setSelected(chosen.length === shown.length ? new Set() : new Set(shown.map((row) => row.item.orderId)))}>
              {chosen.length === shown.length ? "Select none" : "Select all"}
            </button>
          )}
          {view !== "calendar" && (
            <span className={list.count} role="status">
              {shown.length === all.length ? plural(countOrders(all), "order") : `${numberWords(countOrders(shown))} of ${plural(countOrders(all), "order")}`}
            </span>
          )}
        </div>
        <div className={list.rows} role="tabpanel" aria-label={view}>
          {view === "calendar" ? (
            <CalendarView date={date} q={q} inverted={search.inverted === "1"} onInverted={(isOn) => set({ inverted: isOn ? "1" : undefined })} today={day.data?.today ?? ""} />
          ) : orders.isError || day.isError ? (
            <Failure error={orders.error ?? day.error} retry={refetch} />
          ) : orders.data === undefined || day.data === undefined ? (
            <Loading />
          ) : shown.length === 0 ? (
            <Nothing day={day.data} isFiltered={all.length > 0} onClear={() => setQ("")} onGenerate={() => set({ dialog: "generate" })} />
          ) : view === "list" ? (
            <PlanList rows={shown} zone={zoneOf(day.data.timeZone)} sort={search.sort} onSort={(sort) => set({ sort })} selected={selected} onSelect={setSelected} cycle={search.order} onCycle={(order) => set({ order })} />
          ) : (
            <Timeline rows={shown} day={day.data} group={group} now={moment} selected={selected} onSelect={select} />
          )}
        </div>
        {view !== "calendar" && chosen.length > 0 && <PlanActions rows={chosen} zone={day.data?.timeZone ?? "Etc/UTC"} onDone={() => setSelected(new Set())} />}
      </div>
    </div>
  );
}

function defined<Values extends object>(values: Values): { [Name in keyof Values]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [Name in keyof Values]?: string };
}

function toggled(old: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(old);
  if (!next.delete(key)) next.add(key);
  return next;
}

interface DayActionsProps {
  date: string;
  day: PlanDay | undefined;
  view: View;
  dialog: string | undefined;
  onDate: (date: string) => void;
  onDialog: (dialog: string | undefined) => void;
}

function DayActions({ date, day, dialog, onDate, onDialog }: DayActionsProps) {
  const may = useMay();
  const mayPlan = may("ctl:orders:create");
  return (
    <>
      <div className={styles.days}>
        <button type="button" className="button icon" aria-label="The day before" title="The day before ([)" disabled={date === ""} onClick={() => onDate(addDays(date, -1))}>
          <span className={styles.back}>
            <Icon name="chevron" />
          </span>
        </button>
        <input className="input" type="date" aria-label="Date of the plan" value={date} onChange={(event) => isDate(event.target.value) && onDate(event.target.value)} />
        <button type="button" className="button icon" aria-label="The next day" title="The next day (])" disabled={date === ""} onClick={() => onDate(addDays(date, 1))}>
          <Icon name="chevron" />
        </button>
        <button type="button" className="button" disabled={day === undefined || day.today === date} onClick={() => day !== undefined && onDate(day.today)}>
          Today
        </button>
      </div>
      <button
        type="button"
        className="button"
        aria-disabled={!mayPlan}
        title={mayPlan ? undefined : "You lack the permission orders:create"}
        onClick={() => mayPlan && onDialog("generate")}
      >
        <Icon name="plus" size={14} /> Plan days…
      </button>
      {dialog === "generate" && date !== "" && <GenerateDialog date={date} onClose={() => onDialog(undefined)} />}
    </>
  );
}

function Below({ day, late, onLate }: { day: PlanDay; late: number; onLate: () => void }) {
  // Counted by the server: an entry of a cycle does not tell how many of its orders have run.
  const { data: counts } = useQuery(planSummaryQuery(day.date));
  const hours = Math.round((day.end - day.begin) / 3_600_000);
  return (
    <>
      {counts !== undefined && (
        <span>
          {numberWords(counts.finished)} done · {numberWords(counts.submitted + counts.submittedLate)} submitted · {numberWords(counts.planned + counts.plannedLate)} planned
        </span>
      )}
      {late > 0 && (
        <button type="button" className={styles.late} onClick={onLate}>
          ▲ {numberWords(late)} late
        </button>
      )}
      <span>
        {day.timeZone}, the day begins {shortClock(day.timeZone)(day.begin)}
        {hours !== 24 && <b> and has {hours} hours: clocks change</b>}
      </span>
      {day.plans.some((plan) => !plan.isComplete) && <b>The planning was broken off; the service goes on with it.</b>}
    </>
  );
}

function Nothing({ day, isFiltered, onClear, onGenerate }: { day: PlanDay; isFiltered: boolean; onClear: () => void; onGenerate: () => void }) {
  const now = useNow();
  const may = useMay();
  if (isFiltered)
    return (
      <Empty title="Nothing of this day matches this filter.">
        <button type="button" className="button small" onClick={onClear}>
          Clear the filter
        </button>
      </Empty>
    );
  return (
    <Empty title="No orders are planned for this day.">
      <p>{whyEmpty(day, (time) => whenWords(time, now, zoneOf(day.timeZone)))}</p>
      {day.date >= day.today && may("ctl:orders:create") && (
        <p style={{ marginTop: 8 }}>
          <button type="button" className="button small" onClick={onGenerate}>
            Plan it now…
          </button>
        </p>
      )}
    </Empty>
  );
}
