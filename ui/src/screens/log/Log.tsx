/** S7 Log on a page of its own: `/log/task/88#L120` (ui.md 4.2). */
import { useQuery } from "@tanstack/react-query";
import { useLocation, useNavigate, useParams } from "@tanstack/react-router";
import { historyQuery } from "../../api/queries";
import { OrderLink, WorkflowLink } from "../../components/links";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { OutcomeChip } from "../../components/StateChip";
import { LogView } from "../../log/LogView";

export function Log() {
  const { kind: given, id } = useParams({ from: "/log/$kind/$id" });
  const kind = given === "task" ? "task" : "order";
  const hash = useLocation({ select: (location) => location.hash });
  const navigate = useNavigate({ from: "/log/$kind/$id" });
  const anchor = /^L(\d+)/.exec(hash)?.[1];
  // Whose log it is, for the title; the log itself does not wait for it.
  const rows = useQuery(historyQuery(kind === "task" ? "tasks" : "orders", { limit: 200, sort: "-start" }));
  const row = rows.data?.rows.find((each) => String(kind === "task" ? each.taskId : each.historyId) === id);
  const name = row === undefined ? `${kind} ${id}` : kind === "task" ? (row.label ?? row.job ?? id) : row.orderId;
  return (
    <div className={list.page}>
      <PageTitle
        title={`${name} – Log`}
        below={
          row !== undefined && (
            <>
              <WorkflowLink path={typeof row.workflow === "string" ? row.workflow : row.workflow.path} full />
              <OrderLink orderId={row.orderId} width={60} />
            </>
          )
        }
      >
        Log of {name}
        {row !== undefined && <OutcomeChip outcome={row.outcome} />}
      </PageTitle>
      <div className={list.card} style={{ overflow: "hidden" }}>
        <LogView
          key={`${kind} ${id}`}
          kind={kind}
          id={id}
          anchor={anchor === undefined ? undefined : Number(anchor)}
          onAnchor={(line) => void navigate({ hash: `L${line}`, replace: true })}
          label={`Log of ${name}`}
          openAtError={row !== undefined && ["FAILED", "BROKEN"].includes(row.outcome.toUpperCase())}
        />
      </div>
    </div>
  );
}
