/** S4 Workflow: what it does, where its orders are now, adding one (ui.md S4). Graph, orders and runs of one version. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { AddOrderDialog } from "../../actions/AddOrderDialog";
import { type KeyBinding, useKeys } from "../../app/keys";
import { controllerQuery, ordersQuery, workflowQuery } from "../../api/queries";
import { type OrderRow, type WorkflowJson } from "../../api/types";
import { Icon } from "../../components/Icon";
import { PageTitle } from "../../components/PageTitle";
import { Remote } from "../../components/Panel";
import { Tabs } from "../../components/Tabs";
import { When } from "../../components/Time";
import { plural, splitPath } from "../../domain/words";
import { placeOf, type Step, stepsOf } from "../../graph/blocks";
import { type StateCounts } from "../../graph/twin";
import { mergeRows } from "../../live/merge";
import { useOnChange, useTopic } from "../../live/react";
import { GraphTab } from "./GraphTab";
import { OrdersTab } from "./OrdersTab";
import { RunsTab } from "./RunsTab";
import styles from "./workflow.module.css";

const keyOf = (row: OrderRow): string => row.orderId;
const ORDERS = 500;

export function Workflow() {
  const { _splat = "" } = useParams({ from: "/workflow/$" });
  const path = `/${_splat}`;
  const search = useSearch({ from: "/workflow/$" });
  const navigate = useNavigate({ from: "/workflow/$" });
  const controller = useQuery(controllerQuery());
  const workflow = useQuery(workflowQuery(controller.data, path, search.v));
  const orders = useLiveOrders(path);
  const steps = useMemo(() => (workflow.data === undefined ? [] : stepsOf(workflow.data)), [workflow.data]);
  const places = useMemo(() => countPlaces(steps, orders.rows), [steps, orders.rows]);
  const tab = search.tab === "orders" || search.tab === "runs" ? search.tab : "graph";
  const adding = search.dialog === "add";
  const { name } = splitPath(path);

  const set = useCallback(
    (part: { tab?: string; node?: string | undefined; dialog?: string | undefined; dir?: string }) =>
      void navigate({ search: (old) => clean({ ...old, ...part }), replace: part.tab === undefined && part.dialog === undefined }),
    [navigate],
  );
  useKeys(useMemo<KeyBinding[]>(() => [{ keys: "n", words: "add order…", run: () => set({ dialog: "add" }) }], [set]));

  return (
    <div className={styles.page}>
      <PageTitle
        title={`${name} – Workflow`}
        actions={
          <>
            <Link to="/inventory/$" params={{ _splat }} search={{ type: "WORKFLOW" }} className="button">
              Edit
            </Link>
            <button type="button" className="button primary" disabled={workflow.data === undefined} onClick={() => set({ dialog: "add" })}>
              <Icon name="plus" size={14} /> Add order
            </button>
          </>
        }
        below={workflow.data !== undefined && <Facts workflow={workflow.data} orders={orders.rows.length} />}
      >
        {workflow.data?.title === undefined ? (
          name
        ) : (
          <>
            {name} <small className={styles.subtitle}>{workflow.data.title}</small>
          </>
        )}
      </PageTitle>
      <div className={styles.card}>
        <Tabs
          label="Workflow"
          value={tab}
          tabs={[
            { value: "graph", label: "Graph" },
            { value: "orders", label: `Orders ${orders.rows.length}` },
            { value: "runs", label: "Runs" },
          ]}
          onChange={(value) => set({ tab: value })}
        />
        <div className={styles.content} role="tabpanel" aria-label={tab}>
          {controller.isError ? (
            <Remote query={controller}>{() => null}</Remote>
          ) : (
            <Remote query={workflow}>
              {() =>
                tab === "graph" ? (
                  <GraphTab
                    steps={steps}
                    orders={orders.rows}
                    places={places}
                    selected={search.node}
                    onSelect={(node) => set({ node })}
                    direction={search.dir === "lr" ? "lr" : "tb"}
                    onTurn={() => set({ dir: search.dir === "lr" ? "tb" : "lr" })}
                  />
                ) : tab === "orders" ? (
                  <OrdersTab path={path} orders={orders.rows} />
                ) : (
                  <RunsTab path={path} />
                )
              }
            </Remote>
          )}
        </div>
      </div>
      {adding && workflow.data !== undefined && controller.data !== undefined && (
        <AddOrderDialog controllerId={controller.data} workflow={{ ...workflow.data, path }} onClose={() => set({ dialog: undefined })} />
      )}
    </div>
  );
}

function clean(search: Record<string, string | undefined>) {
  return Object.fromEntries(Object.entries(search).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""));
}

function Facts({ workflow, orders }: { workflow: WorkflowJson; orders: number }) {
  const sync = workflow.state?._text?.toLowerCase().replaceAll("_", " ");
  return (
    <>
      <span>{workflow.path}</span>
      {sync !== undefined && <span>workflow: {sync}</span>}
      {workflow.versionId !== undefined && (
        <span>
          version <code>{workflow.versionId.slice(0, 12)}</code>
        </span>
      )}
      {workflow.versionDate !== undefined && (
        <span>
          deployed <When time={Date.parse(workflow.versionDate)} />
        </span>
      )}
      {workflow.suspended === true && <strong>suspended: orders do not start steps</strong>}
      <span>{plural(orders, "order")} now</span>
    </>
  );
}

/** The orders of this workflow that are not over, kept by the stream. */
function useLiveOrders(path: string): { rows: OrderRow[] } {
  const q = `workflow:"${path}"`;
  const query = useQuery(ordersQuery({ q, limit: ORDERS }));
  const topic = useTopic("orders");
  const { refetch } = query;
  useOnChange(topic.gap, () => void refetch());
  const rows = useMemo(() => {
    const belongs = (row: OrderRow) => row.workflow.path === path || `/${row.workflow.path}` === path;
    const merged = mergeRows(query.data?.rows ?? [], topic, keyOf, belongs);
    const gone = (row: OrderRow) => ["FINISHED", "CANCELLED"].includes(row.state._text);
    return [...merged.arriving, ...merged.rows.filter((row) => !merged.leaving.has(row.orderId))].filter((row) => !gone(row));
  }, [query.data, topic, path]);
  return { rows };
}

export interface Places {
  counts: ReadonlyMap<string, StateCounts>;
  placeOf: ReadonlyMap<string, string>;
}

function countPlaces(steps: readonly Step[], orders: readonly OrderRow[]): Places {
  const counts = new Map<string, StateCounts>();
  const places = new Map<string, string>();
  for (const order of orders) {
    const fresh = ["SCHEDULED", "PENDING", "PLANNED", "BLOCKED"].includes(order.state._text);
    const place = fresh ? "start" : placeOf(steps, order.position ?? order.positionString);
    places.set(order.orderId, place);
    const mine = counts.get(place) ?? {};
    mine[order.state._text] = (mine[order.state._text] ?? 0) + 1;
    counts.set(place, mine);
  }
  return { counts, placeOf: places };
}
