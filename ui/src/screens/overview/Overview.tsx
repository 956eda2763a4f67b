/** S2 Overview: what needs a person, the machinery, orders by state, what ended lately (ui.md S2). Three requests. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback } from "react";
import { attentionQuery, countsQuery, historyQuery, takeCounts, topologyQuery } from "../../api/queries";
import { type HistoryRow } from "../../api/types";
import { Empty, Panel, Remote } from "../../components/Panel";
import { OrderLink, WorkflowLink } from "../../components/links";
import { PageTitle } from "../../components/PageTitle";
import { OutcomeChip } from "../../components/StateChip";
import { Lasted, When } from "../../components/Time";
import { clockWords, plural } from "../../domain/words";
import { useCountsEvent, useOnChange, useTopic } from "../../live/react";
import { Attention } from "./Attention";
import { Machinery } from "./Machinery";
import styles from "./overview.module.css";
import { OrdersNow } from "./OrdersNow";

const LATELY = { sort: "-start", limit: 12 } as const;

export function Overview() {
  const client = useQueryClient();
  const attention = useQuery(attentionQuery());
  const counts = useQuery(countsQuery());
  const topology = useQuery(topologyQuery());
  const lately = useQuery({ ...historyQuery("orders", LATELY), refetchInterval: 30_000 });
  // "counts" brings the numbers themselves; the others say when to read again.
  useTopic("counts");
  const needs = useTopic("attention");
  const machinery = useTopic("topology");

  const again = useCallback(() => {
    void client.invalidateQueries({ queryKey: ["attention"] });
    void client.invalidateQueries({ queryKey: ["history", "orders", LATELY] });
  }, [client]);
  useOnChange(needs, again, 1000);
  useOnChange(needs.gap, () => void client.invalidateQueries({ queryKey: ["counts"] }));
  useOnChange(machinery, () => void client.invalidateQueries({ queryKey: ["topology"] }));
  useCountsEvent(useCallback((event) => takeCounts(client, event), [client]));

  const needed = attention.data?.length;
  const title = needed === undefined ? "Overview" : needed === 0 ? "Nothing needs you" : `${plural(needed, "thing needs you", "things need you")}`;
  return (
    <>
      <PageTitle
        title={`${title} – Overview`}
        below={attention.dataUpdatedAt > 0 && <span>looked at {clockWords(attention.dataUpdatedAt)}</span>}
      >
        {title}
      </PageTitle>
      <div className={styles.grid}>
        <div className={styles.full}>
          <Panel title="Needs a person" flush>
            <Remote query={attention}>{(groups) => <Attention groups={groups} />}</Remote>
          </Panel>
        </div>
        <Panel title="Orders now" aside={<Link to="/orders">all orders</Link>}>
          <Remote query={counts}>{({ counts: byState }) => <OrdersNow counts={byState} />}</Remote>
        </Panel>
        <Panel title="Machinery">
          <Remote query={topology}>{(value) => <Machinery topology={value} />}</Remote>
        </Panel>
        <div className={styles.full}>
          <Panel
            title="Latest runs"
            flush
            aside={
              <Link to="/history/$kind" params={{ kind: "orders" }}>
                history
              </Link>
            }
          >
            <Remote query={lately}>{({ rows }) => <Latest rows={rows} />}</Remote>
          </Panel>
        </div>
      </div>
    </>
  );
}

function Latest({ rows }: { rows: readonly HistoryRow[] }) {
  if (rows.length === 0)
    return (
      <Empty title="No order has run yet.">
        Add one on a <Link to="/workflows">workflow's page</Link>.
      </Empty>
    );
  return (
    <ul className={styles.latest}>
      {rows.map((row) => (
        <li key={String(row.historyId ?? row.orderId)}>
          <span className={styles.outcome}>
            <OutcomeChip outcome={row.outcome} />
          </span>
          <OrderLink orderId={row.orderId} width={44} />
          <span className={styles.grow}>
            <WorkflowLink path={typeof row.workflow === "string" ? row.workflow : row.workflow.path} full />
          </span>
          <span className="muted">
            <When time={row.end ?? row.start} />
          </span>
          <span className={styles.right}>
            <Lasted start={row.start} end={row.end} />
          </span>
        </li>
      ))}
    </ul>
  );
}
