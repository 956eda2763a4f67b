/** "May jd cancel orders in /etl at prod, and why?" (ui.md S18) */
import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { accountsQuery, controllersQuery, roleRowsQuery } from "../../api/access";
import { permissionsQuery } from "../../api/permissions";
import { Glyph } from "../../components/Glyph";
import { Failure, Loading } from "../../components/Panel";
import { explain, permissionRows } from "../../domain/permissions";
import { type PartProps } from "./Access";
import styles from "./access.module.css";
import { accountLook } from "./Accounts";

export function TryAs({ service, search, set }: PartProps) {
  const accounts = useQuery(accountsQuery(service));
  const controllers = useQuery(controllersQuery());
  const session = useQuery(permissionsQuery());
  const leaves = useMemo(() => (session.data === undefined ? [] : permissionRows(session.data).filter(({ isLeaf }) => isLeaf)), [session.data]);
  const account = accounts.data?.find(({ accountName }) => accountName === search.account) ?? accounts.data?.[0];
  const permission = search.permission ?? "sos:products:controller:orders:view";
  const isOfController = permission.startsWith("sos:products:controller");
  const controllerId = isOfController ? (search.controller ?? controllers.data?.[0] ?? "") : "";
  const path = search.path ?? "";
  const roles = useQueries({ queries: (account?.roles ?? []).map((role) => ({ ...roleRowsQuery(service, role, controllers.data ?? []), enabled: controllers.data !== undefined })) });
  const failed = roles.find((role) => role.isError);
  const rows = roles.flatMap((role) => (role.data === undefined ? [] : [role.data]));
  return (
    <div className={styles.try}>
      <div className={styles.question}>
        <label className="field">
          <span className="field-label">May</span>
          <select className="input" aria-label="May account" value={account?.accountName ?? ""} onChange={(event) => set({ account: event.target.value })}>
            {(accounts.data ?? []).map(({ accountName }) => (
              <option key={accountName}>{accountName}</option>
            ))}
          </select>
        </label>
        <label className="field">
          <span className="field-label">do</span>
          <select className="input" aria-label="do permission" value={permission} onChange={(event) => set({ permission: event.target.value })}>
            {leaves.map((leaf) => (
              <option key={leaf.path} value={leaf.path}>
                {leaf.path.replace("sos:products:", "")}
              </option>
            ))}
          </select>
        </label>
        {isOfController && (
          <label className="field">
            <span className="field-label">at Controller</span>
            <select className="input" aria-label="at Controller" value={controllerId} onChange={(event) => set({ controller: event.target.value })}>
              {(controllers.data ?? []).map((id) => (
                <option key={id}>{id}</option>
              ))}
            </select>
          </label>
        )}
        <label className="field">
          <span className="field-label">with the object</span>
          <input className="input mono" placeholder="any, or /etl/nightly" value={path} onChange={(event) => set({ path: event.target.value || undefined })} />
        </label>
      </div>
      {failed !== undefined ? <Failure error={failed.error} /> : account === undefined || rows.length < roles.length ? <Loading /> : <Answer name={account.accountName} state={accountLook(account).word} result={explain(rows, permission, controllerId, path)} />}
    </div>
  );
}

function Answer({ name, state, result }: { name: string; state: string; result: { may: boolean; why: string[] } }) {
  return (
    <div className={styles.answer} role="status" data-state={result.may ? "finished" : "failed"}>
      <p>
        <span className={styles.sign}>
          <Glyph name={result.may ? "FINISHED" : "FAILED"} size={18} />
        </span>
        <strong>
          {result.may ? "Yes" : "No"}: {name} {result.may ? "may" : "may not"},
        </strong>{" "}
        because
      </p>
      <ul>
        {result.why.map((line) => (
          <li key={line}>{line}</li>
        ))}
        {state !== "may log in" && <li>besides, the account is {state}: it cannot log in at all</li>}
      </ul>
    </div>
  );
}
