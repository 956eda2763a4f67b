/** S6 Order: what happened, why it is here, what it prints, what can be done (ui.md S6). */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { AddOrderDialog } from "../../actions/AddOrderDialog";
import { VerbButtons } from "../../actions/VerbButtons";
import { workflowQuery } from "../../api/queries";
import { type HistoryRow, type OrderRow, type WorkflowJson } from "../../api/types";
import { Icon } from "../../components/Icon";
import { OrderLink, WorkflowLink } from "../../components/links";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Failure, Loading } from "../../components/Panel";
import { StateChip } from "../../components/StateChip";
import { Tabs } from "../../components/Tabs";
import { Lasted, When } from "../../components/Time";
import { stepOf, whyLong } from "../../domain/explain";
import { shortId } from "../../domain/words";
import { flatten, stepsOf } from "../../graph/blocks";
import { useNow } from "../../live/react";
import { EventsTab } from "./EventsTab";
import { LogTab } from "./LogTab";
import styles from "./order.module.css";
import { StoryTab } from "./StoryTab";
import { useOrder } from "./useOrder";
import { VariablesTab } from "./VariablesTab";

const TABS = ["story", "log", "events", "variables"] as const;
type TabName = (typeof TABS)[number];

export function Order() {
  const { orderId } = useParams({ from: "/order/$orderId" });
  const search = useSearch({ from: "/order/$orderId" });
  const navigate = useNavigate({ from: "/order/$orderId" });
  const client = useQueryClient();
  const order = useOrder(orderId);
  const [adding, setAdding] = useState(false);
  const tab: TabName = TABS.find((name) => name === search.tab) ?? "story";
  const { row } = order;
  const workflow = useQuery(workflowQuery(row?.controllerId, row?.workflow.path ?? "", row?.workflow.versionId));
  const labels = useMemo(() => (workflow.data === undefined ? [] : labelsOf(workflow.data)), [workflow.data]);
  const shown = useMemo(() => (row === undefined ? [] : [row]), [row]);

  const set = useCallback(
    (part: Record<string, string | undefined>) =>
      void navigate({
        search: (old) => Object.fromEntries(Object.entries({ ...old, ...part }).filter(([, value]) => value !== undefined)),
        replace: part["tab"] === undefined,
      }),
    [navigate],
  );

  if (order.error !== undefined && row === undefined) return <Failure error={order.error} retry={() => void client.invalidateQueries()} />;
  if (row === undefined)
    return (
      <>
        <PageTitle title={`${shortId(orderId)} – Order`}>{shortId(orderId, 60)}</PageTitle>
        {order.loading ? (
          <Loading />
        ) : (
          <Empty title="Neither the Controller nor the history knows this order.">
            It may have been cleaned up, or never have started. <Link to="/history/$kind" params={{ kind: "orders" }}>Look at the history</Link>
          </Empty>
        )}
      </>
    );

  return (
    <div className={styles.page}>
      <PageTitle
        title={`${orderId} – Order`}
        actions={
          <>
            <VerbButtons orders={shown} labels={labels} keys />
            <button type="button" className="button" disabled={workflow.data === undefined} onClick={() => setAdding(true)}>
              <Icon name="plus" size={14} /> Add again…
            </button>
          </>
        }
        below={<Facts row={row} history={order.history} />}
      >
        <span className="mono">{orderId}</span>
        <StateChip state={row.state} marked={row.marked} />
      </PageTitle>
      <Why row={row} />
      <div className={styles.card}>
        <Tabs
          label="Order"
          value={tab}
          tabs={[
            { value: "story", label: "Story" },
            { value: "log", label: "Log" },
            { value: "events", label: `Events ${order.events.length}` },
            { value: "variables", label: "Variables" },
          ]}
          onChange={(value) => set({ tab: value })}
        />
        <div className={styles.content} role="tabpanel" aria-label={tab}>
          {tab === "story" && <StoryTab order={order} all={search.all === "1"} onAll={(all) => set({ all: all ? "1" : undefined })} />}
          {tab === "log" && (
            <LogTab
              order={order}
              task={search.node}
              line={search.line === undefined ? undefined : Number(search.line)}
              onTask={(node) => set({ node, line: undefined })}
              onLine={(line) => set({ line: String(line) })}
            />
          )}
          {tab === "events" && <EventsTab events={order.events} />}
          {tab === "variables" && <VariablesTab row={row} events={order.events} />}
        </div>
      </div>
      {adding && workflow.data !== undefined && (
        <AddOrderDialog
          controllerId={row.controllerId}
          workflow={{ ...workflow.data, path: row.workflow.path }}
          given={row.arguments ?? {}}
          onClose={() => setAdding(false)}
        />
      )}
    </div>
  );
}

function labelsOf(workflow: WorkflowJson): string[] {
  return flatten(stepsOf(workflow)).flatMap((step) => (step.label === undefined ? [] : [step.label]));
}

function Facts({ row, history }: { row: OrderRow; history: HistoryRow | undefined }) {
  const started = row.startedAt ?? history?.start;
  return (
    <>
      <span>
        <WorkflowLink path={row.workflow.path} full />
        {stepOf(row) !== undefined && <> ▸ {stepOf(row)}</>}
      </span>
      {row.scheduledFor !== undefined && (
        <span>
          planned <When time={row.scheduledFor} />
        </span>
      )}
      {started !== undefined && (
        <span>
          started <When time={started} /> · <Lasted start={started} end={history?.end} />
        </span>
      )}
      {row.agentId !== undefined && <span>Agent {row.agentId}</span>}
      {row.parent !== undefined && (
        <span>
          branch of <OrderLink orderId={row.parent} />
        </span>
      )}
      {(row.tags ?? []).length > 0 && <span>tags {row.tags?.join(", ")}</span>}
    </>
  );
}

function Why({ row }: { row: OrderRow }) {
  const now = useNow();
  return (
    <p className={styles.why} data-bad={["FAILED", "BROKEN", "BLOCKED"].includes(row.state._text) || undefined}>
      {whyLong(row, now)}
    </p>
  );
}
