/** One deployment: each object at each Controller, what it changed, deployed again or taken back (ui.md S14). */
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ChangeDialog, CommentField } from "../../actions/ChangeDialog";
import { type KeyBinding, useKeys } from "../../app/keys";
import { deployVersions, type DeploymentRow } from "../../api/inventory";
import { INVENTORY, versionQuery } from "../../api/inventory_queries";
import { Diff } from "../../components/Diff";
import { Glyph } from "../../components/Glyph";
import { Icon } from "../../components/Icon";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Failure, Loading, Panel, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { say } from "../../components/toasts";
import { type DeploymentGroup, inventoryAddress, typeLook, versionBefore } from "../../domain/inventory";
import { jsonText } from "../../domain/json_text";
import { plural, splitPath } from "../../domain/words";
import { DeploymentState } from "./DeploymentState";
import styles from "./deployments.module.css";

interface DeploymentProps {
  commitId: string;
  query: UseQueryResult<DeploymentRow[]>;
  group: DeploymentGroup<DeploymentRow> | undefined;
}

export function Deployment({ commitId, query, group }: DeploymentProps) {
  const short = commitId.slice(0, 8);
  const [dialog, setDialog] = useState<"again" | "back">();
  const plan = useMemo(() => (group === undefined ? undefined : planBack(group, query.data ?? [])), [group, query.data]);
  const updates = group?.rows.filter(({ operation }) => operation === "UPDATE") ?? [];
  const canGoBack = (plan?.back.length ?? 0) > 0 && group?.state !== "refused";
  useKeys(useMemo<KeyBinding[]>(() => (canGoBack ? [{ keys: "v", words: "back to the versions before…", run: () => setDialog("back") }] : []), [canGoBack]));
  return (
    <>
      <PageTitle
        title={`${short} – Deployments`}
        actions={
          group !== undefined && (
            <>
              <button type="button" className="button" disabled={updates.length === 0} onClick={() => setDialog("again")}>
                <Icon name="deployments" size={14} /> Deploy again…
              </button>
              <button type="button" className="button" disabled={!canGoBack} title={canGoBack ? undefined : "There are no versions before it"} onClick={() => setDialog("back")}>
                <Icon name="history" size={14} /> Back to the versions before…
              </button>
            </>
          )
        }
        below={
          <>
            <Link to="/deployments/$" params={{ _splat: "" }} search={{}}>
              All deployments
            </Link>
            {group !== undefined && (
              <>
                <DeploymentState state={group.state} />
                <span>
                  <When time={group.time} /> by {group.account}
                </span>
                <span>{plural(group.objects, "object")}</span>
              </>
            )}
          </>
        }
      >
        Deployment <code>{short}</code>
      </PageTitle>
      {group === undefined ? (
        <Panel>
          <Remote query={query}>{() => <Empty title={`There is no deployment ${commitId} among the newest.`}>The page of an object has all its versions.</Empty>}</Remote>
        </Panel>
      ) : (
        <div className={styles.detail}>
          {group.message !== undefined && (
            <p className={styles.refusal} role="status">
              <strong>Refused:</strong> {group.message}
            </p>
          )}
          <Matrix group={group} />
          <Changed group={group} all={query.data ?? []} />
        </div>
      )}
      {group !== undefined && dialog === "again" && (
        <VersionsDialog
          title={`Deploy ${short} again`}
          button={`Deploy ${plural(objectsOf(updates).length, "object")}`}
          objects={objectsOf(updates).map((object) => ({ ...object, commitId }))}
          controllers={group.controllers}
          effect="The objects go out as they were in this deployment, under a new version. Drafts in the inventory stay as they are."
          onClose={() => setDialog(undefined)}
        />
      )}
      {group !== undefined && plan !== undefined && dialog === "back" && (
        <VersionsDialog
          title={`Back to what was before ${short}`}
          button={`Deploy ${plural(plan.back.length, "former version")}`}
          danger
          objects={plan.back}
          controllers={group.controllers}
          effect={`The former versions go out under a new version. Drafts in the inventory stay as they are.${plan.staying.length === 0 ? "" : ` New with this deployment, so that they stay: ${plan.staying.join(", ")}.`}`}
          onClose={() => setDialog(undefined)}
        />
      )}
    </>
  );
}

type Version = { path: string; objectType: string; commitId: string };

const objectsOf = (rows: readonly DeploymentRow[]): { path: string; objectType: string }[] => [
  ...new Map(rows.map(({ path, deployType }) => [`${deployType} ${path}`, { path, objectType: deployType }])).values(),
];

/** The versions that the deployment replaced, and the objects that had none. */
function planBack(group: DeploymentGroup<DeploymentRow>, all: readonly DeploymentRow[]): { back: Version[]; staying: string[] } {
  const back = new Map<string, Version>();
  const staying = new Set<string>();
  for (const row of group.rows.filter(({ state }) => state === "DEPLOYED")) {
    const former = versionBefore(all, row);
    if (former === undefined) staying.add(splitPath(row.path).name);
    else back.set(`${row.deployType} ${row.path}`, { path: former.path, objectType: former.deployType, commitId: former.commitId });
  }
  return { back: [...back.values()], staying: [...staying] };
}

/** Objects × Controllers. */
function Matrix({ group }: { group: DeploymentGroup<DeploymentRow> }) {
  const { object } = useSearch({ from: "/deployments/$" });
  const navigate = useNavigate({ from: "/deployments/$" });
  const objects = objectsOf(group.rows);
  return (
    <Panel title="Objects" flush>
      <div className={styles.scroller} tabIndex={0} role="region" aria-label="Objects at Controllers">
        <table className={styles.matrix}>
          <thead>
            <tr>
              <th scope="col">Object</th>
              {group.controllers.map((id) => (
                <th key={id} scope="col">
                  {id}
                </th>
              ))}
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {objects.map(({ path, objectType }) => {
              const own = group.rows.filter((row) => row.path === path && row.deployType === objectType);
              const first = own[0];
              const { splat, type } = inventoryAddress(path, objectType);
              return (
                <tr key={`${objectType} ${path}`} data-shown={own.some(({ deploymentId }) => String(deploymentId) === object) || undefined}>
                  <th scope="row">
                    <Icon name={typeLook(objectType).icon} size={14} />
                    <Link to="/inventory/$" params={{ _splat: splat }} search={type === undefined ? {} : { type }}>
                      {path}
                    </Link>{" "}
                    <span className="muted">{typeLook(objectType).word}</span>
                  </th>
                  {group.controllers.map((id) => (
                    <td key={id}>
                      <Cell row={own.find(({ controllerId }) => controllerId === id)} />
                    </td>
                  ))}
                  <td className={styles.right}>
                    {first !== undefined && (
                      <button type="button" className="button small" onClick={() => void navigate({ search: { object: String(first.deploymentId) }, replace: true })}>
                        Differences
                      </button>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Cell({ row }: { row: DeploymentRow | undefined }) {
  if (row === undefined) return <span className="muted">–</span>;
  const good = row.state === "DEPLOYED";
  return (
    <span className={styles.state} data-state={good ? "finished" : "failed"} title={row.errorMessage}>
      <Glyph name={good ? "FINISHED" : "FAILED"} size={13} />
      {good ? (row.operation === "DELETE" ? "deleted" : "deployed") : "refused"}
    </span>
  );
}

/** What one object's deployment changed, compared with the version before at the same Controller. */
function Changed({ group, all }: { group: DeploymentGroup<DeploymentRow>; all: readonly DeploymentRow[] }) {
  const { object } = useSearch({ from: "/deployments/$" });
  const row = group.rows.find(({ deploymentId }) => String(deploymentId) === object) ?? group.rows[0];
  const former = row === undefined ? undefined : versionBefore(all, row);
  const isUpdate = row?.operation === "UPDATE";
  const after = useQuery(versionQuery({ path: row?.path ?? "", objectType: row?.deployType ?? "" }, isUpdate ? row.commitId : undefined));
  const before = useQuery(versionQuery({ path: row?.path ?? "", objectType: row?.deployType ?? "" }, former?.commitId));
  if (row === undefined) return null;
  const failed = after.error ?? before.error;
  const isLoading = (isUpdate && after.data === undefined) || (former !== undefined && before.data === undefined);
  return (
    <Panel title={`What changed in ${splitPath(row.path).name}`}>
      {failed !== null ? (
        <>
          <Failure error={failed} />
          <p className="muted">An object that is not in the inventory any more cannot be compared.</p>
        </>
      ) : isLoading ? (
        <Loading />
      ) : (
        <Diff
          before={former === undefined ? "" : jsonText(before.data)}
          after={isUpdate ? jsonText(after.data) : ""}
          beforeLabel={former === undefined ? "nothing" : `${former.commitId.slice(0, 8)}, before`}
          afterLabel={isUpdate ? `${row.commitId.slice(0, 8)}, this deployment` : "deleted"}
        />
      )}
    </Panel>
  );
}

interface VersionsDialogProps {
  title: string;
  button: string;
  danger?: boolean;
  objects: readonly Version[];
  controllers: readonly string[];
  effect: string;
  onClose: () => void;
}

function VersionsDialog({ title, button, danger = false, objects, controllers, effect, onClose }: VersionsDialogProps) {
  const navigate = useNavigate();
  const [comment, setComment] = useState("");
  return (
    <ChangeDialog
      title={title}
      request={deployVersions(objects, controllers, { comment })}
      button={button}
      danger={danger}
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`Deployed ${plural(objects.length, "object")} to ${controllers.join(", ")}`);
        onClose();
        void navigate({ to: "/deployments/$", params: { _splat: "" }, search: {} });
      }}
    >
      <ul className={actionStyles.touched}>
        {objects.map(({ path, objectType, commitId }) => (
          <li key={`${objectType} ${path}`}>
            <code>{path}</code>
            <code>{commitId.slice(0, 8)}</code>
          </li>
        ))}
      </ul>
      <p className={actionStyles.effect}>{effect}</p>
      <CommentField value={comment} onChange={setComment} autoFocus />
    </ChangeDialog>
  );
}
