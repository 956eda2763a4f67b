/** S14 Deployments: what went out, what was refused, and the way back (ui.md S14). */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { deploymentsRoute } from "../../app/router";
import { type DeploymentRow } from "../../api/inventory";
import { deploymentsQuery } from "../../api/inventory_queries";
import { type Column, DataTable } from "../../components/DataTable";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { type DeploymentGroup, deploymentGroups } from "../../domain/inventory";
import { plural, splitPath } from "../../domain/words";
import { DeploymentState } from "./DeploymentState";
import { Deployment } from "./Deployment";
import styles from "./deployments.module.css";

/** Rows that are read; older ones are found by the page of the object. */
const LIMIT = 2000;

type Group = DeploymentGroup<DeploymentRow>;

const COLUMNS: readonly Column<Group>[] = [
  {
    id: "time",
    header: "Deployed",
    width: "130px",
    cell: ({ commitId, time }) => (
      <Link to="/deployments/$" params={{ _splat: commitId }} search={{}}>
        <When time={time} />
      </Link>
    ),
  },
  { id: "state", header: "State", width: "minmax(110px, 0.7fr)", cell: ({ state }) => <DeploymentState state={state} /> },
  { id: "account", header: "By", width: "minmax(80px, 0.7fr)", cell: ({ account }) => account },
  {
    id: "what",
    header: "Objects",
    width: "minmax(200px, 2fr)",
    cell: (group) => (
      <span className={list.two}>
        <span>{objectWords(group)}</span>
        {group.message !== undefined && <small title={group.message}>{group.message}</small>}
      </span>
    ),
  },
  { id: "controllers", header: "Controllers", width: "minmax(110px, 1fr)", cell: ({ controllers }) => controllers.join(", ") },
  { id: "version", header: "Version", width: "96px", cell: ({ commitId }) => <code title={commitId}>{commitId.slice(0, 8)}</code> },
];

function objectWords({ rows, objects }: Group): string {
  const names = [...new Set(rows.map(({ path, operation }) => (operation === "DELETE" ? `${splitPath(path).name} (deleted)` : splitPath(path).name)))];
  return objects <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${objects - 2} more`;
}

const matches = (group: Group, text: string): boolean =>
  text === "" || [group.account, group.commitId, group.state, ...group.controllers, ...group.rows.map(({ path }) => path)].some((part) => part.toLowerCase().includes(text.toLowerCase()));

export function Deployments() {
  const { _splat = "" } = deploymentsRoute.useParams();
  const { q = "" } = useSearch({ from: "/deployments/$" });
  const navigate = useNavigate({ from: "/deployments/$" });
  const query = useQuery(deploymentsQuery(LIMIT));
  const groups = useMemo(() => deploymentGroups(query.data ?? []), [query.data]);
  if (_splat !== "") return <Deployment commitId={_splat} query={query} group={groups.find(({ commitId }) => commitId === _splat)} />;
  const shown = groups.filter((group) => matches(group, q));
  return (
    <div className={list.page}>
      <PageTitle title="Deployments" below={query.data !== undefined && <span>{plural(groups.length, "deployment")}</span>} />
      <div className={list.card}>
        <div className={list.bar}>
          <div className={list.filter}>
            <input
              className={`input ${styles.find}`}
              type="search"
              data-filter-field
              aria-label="Filter deployments"
              placeholder="Object, account, Controller, version"
              value={q}
              onChange={(event) => void navigate({ search: (old) => clean({ ...old, q: event.target.value }), replace: true })}
            />
          </div>
          <span className={list.count}>{plural(shown.length, "deployment")}</span>
        </div>
        <div className={list.rows}>
          <Remote query={query}>
            {() => (
              <DataTable
                label="Deployments"
                columns={COLUMNS}
                rows={shown}
                keyOf={({ commitId }) => commitId}
                rowHeight={44}
                onOpen={({ commitId }) => void navigate({ to: "/deployments/$", params: { _splat: commitId }, search: {} })}
                empty={
                  q === "" ? (
                    <Empty title="Nothing has been deployed yet.">
                      <Link to="/inventory/$" params={{ _splat: "" }}>
                        Write something in the Inventory
                      </Link>
                    </Empty>
                  ) : (
                    <Empty title={`No deployment matches ${q}.`}>
                      <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
                        Clear the filter
                      </button>
                    </Empty>
                  )
                }
              />
            )}
          </Remote>
        </div>
      </div>
    </div>
  );
}

const clean = (search: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(search).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""));
