/** One alert: when it happened, to whom it was sent, and the way to its cause. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { alertQuery } from "../../api/queries";
import { type AlertDetail } from "../../api/types";
import { OrderLink, WorkflowLink } from "../../components/links";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Panel, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { plural } from "../../domain/words";
import { AlertActions } from "./AlertActions";
import styles from "./alerts.module.css";
import { Severity } from "./parts";

export function AlertPage({ id }: { id: string }) {
  const query = useQuery(alertQuery(id));
  const alert = query.data?.alert;
  return (
    <div className={styles.page}>
      <PageTitle
        title={alert === undefined ? `Alert ${id}` : alert.title}
        below={
          <>
            <Link to="/alerts/$" params={{ _splat: "" }}>
              All alerts
            </Link>
            {alert !== undefined && <State detail={query.data as AlertDetail} />}
          </>
        }
      />
      <Remote query={query}>{(detail) => <Detail detail={detail} onDone={() => void query.refetch()} />}</Remote>
    </div>
  );
}

function State({ detail: { alert } }: { detail: AlertDetail }) {
  return (
    <>
      <Severity severity={alert.severity} />
      <span>
        {alert.state} since <When time={alert.stateSince} />
        {alert.account !== undefined && ` · ${alert.account}`}
        {alert.comment !== undefined && `: “${alert.comment}”`}
      </span>
    </>
  );
}

function Detail({ detail, onDone }: { detail: AlertDetail; onDone: () => void }) {
  const { alert, occurrences, deliveries } = detail;
  return (
    <>
      {alert.state !== "resolved" && <AlertActions alerts={[alert]} onDone={onDone} />}
      <Panel title="Cause">
        <dl className={styles.facts}>
          {alert.message !== undefined && (
            <>
              <dt>Message</dt>
              <dd className={styles.message}>{alert.message}</dd>
            </>
          )}
          <dt>Happened</dt>
          <dd>
            {plural(alert.count, "time")}, first <When time={alert.first} />, last <When time={alert.last} />
          </dd>
          {alert.workflow !== undefined && (
            <>
              <dt>Workflow</dt>
              <dd>
                <WorkflowLink path={alert.workflow} full />
              </dd>
            </>
          )}
          {alert.orderId !== undefined && (
            <>
              <dt>Last order</dt>
              <dd>
                <OrderLink orderId={alert.orderId} width={48} />{" "}
                {alert.taskId !== undefined && (
                  <Link to="/log/$kind/$id" params={{ kind: "task", id: String(alert.taskId) }}>
                    log of the job
                  </Link>
                )}
              </dd>
            </>
          )}
        </dl>
      </Panel>
      <Panel title="Occurrences" aside="the newest first">
        <table className={styles.table}>
          <thead>
            <tr>
              <th>When</th>
              <th>Type</th>
              <th>Order</th>
              <th>Message</th>
            </tr>
          </thead>
          <tbody>
            {occurrences.map((one) => (
              <tr key={`${one.notificationId}`}>
                <td>
                  <When time={one.time} />
                </td>
                <td>{one.type.toLowerCase()}</td>
                <td>{one.orderId !== undefined && <OrderLink orderId={one.orderId} width={34} />}</td>
                <td>{one.message ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
      <Panel title="Who was told">
        {deliveries.length === 0 ? (
          <Empty title="Nobody was sent anything.">No rule of the notification configuration asks for it.</Empty>
        ) : (
          <table className={styles.table}>
            <thead>
              <tr>
                <th>When</th>
                <th>Channel</th>
                <th>State</th>
                <th>Tries</th>
                <th>Error</th>
              </tr>
            </thead>
            <tbody>
              {deliveries.map((one) => (
                <tr key={one.messageId}>
                  <td>
                    <When time={Date.parse(one.created)} />
                  </td>
                  <td>{one.name}</td>
                  <td>{one.state === "DEAD" ? "given up" : one.state.toLowerCase()}</td>
                  <td>{one.attempts}</td>
                  <td>{one.errorText ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </>
  );
}
