/** Roles: the matrix of permissions by Controller, and folders. Edits are collected and saved together. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, accountsQuery, changePermissions, controllersQuery, deleteRole, type Edit, roleRowsQuery, rolesQuery, storeRole } from "../../api/access";
import { permissionsQuery } from "../../api/permissions";
import { Empty, Remote } from "../../components/Panel";
import { type Grant, permissionRows, type RoleRows } from "../../domain/permissions";
import { plural } from "../../domain/words";
import { type PartProps } from "./Access";
import styles from "./access.module.css";
import { Folders } from "./Folders";
import { Matrix } from "./Matrix";
import { Verb } from "../../components/Verb";

export function Roles({ service, readOnly, search, set }: PartProps) {
  const roles = useQuery(rolesQuery(service));
  const [open, setOpen] = useState<"add" | "delete">();
  const name = search.role ?? roles.data?.[0]?.roleName ?? "";
  return (
    <div className={styles.roles}>
      <nav className={styles.names} aria-label="Roles">
        <Remote query={roles}>
          {(all) => (
            <ul>
              {all.map(({ roleName }) => (
                <li key={roleName}>
                  <button type="button" aria-current={roleName === name || undefined} onClick={() => set({ role: roleName })}>
                    {roleName}
                  </button>
                </li>
              ))}
            </ul>
          )}
        </Remote>
        <div className={styles.verbs}>
          <Verb why={readOnly} onClick={() => setOpen("add")}>
            Add role…
          </Verb>
          <Verb why={readOnly ?? (name === "" ? "There is no role." : undefined)} onClick={() => setOpen("delete")}>
            Delete…
          </Verb>
        </div>
      </nav>
      {name === "" ? <Empty title="This identity service has no roles." /> : <Role key={`${service} ${name}`} service={service} name={name} readOnly={readOnly} />}
      {open === "add" && <AddRole service={service} taken={(roles.data ?? []).map(({ roleName }) => roleName)} onAdded={(role) => set({ role })} onClose={() => setOpen(undefined)} />}
      {open === "delete" && (
        <RequestDialog
          title={`Delete role ${name}`}
          request={(comment) => deleteRole(service, name, comment)}
          button={`Delete role ${name}`}
          danger
          typed={name}
          effect={<Holders service={service} role={name} />}
          done={() => `Deleted role ${name}`}
          refresh={ACCESS_KEYS}
          onDone={() => set({ role: undefined })}
          onClose={() => setOpen(undefined)}
        />
      )}
    </div>
  );
}

/** Whom a change of the role concerns. */
function Holders({ service, role }: { service: string; role: string }) {
  const { data } = useQuery(accountsQuery(service));
  if (data === undefined) return null;
  const names = data.filter(({ roles }) => roles.includes(role)).map(({ accountName }) => accountName);
  if (names.length === 0) return <>No account has this role.</>;
  return (
    <>
      {plural(names.length, "account has", "accounts have")} this role: {names.slice(0, 8).join(", ")}
      {names.length > 8 && " and others"}. Changes count at once, also for who is logged in.
    </>
  );
}

function AddRole({ service, taken, onAdded, onClose }: { service: string; taken: readonly string[]; onAdded: (name: string) => void; onClose: () => void }) {
  const [text, setText] = useState("");
  const name = text.trim();
  return (
    <RequestDialog
      title="Add role"
      request={(comment) => storeRole(service, name, comment)}
      button="Add role"
      problem={name === "" ? "A role needs a name." : taken.includes(name) ? `There is a role ${name} already.` : undefined}
      effect="A new role permits nothing until permissions are given to it."
      done={() => `Added role ${name}`}
      refresh={ACCESS_KEYS}
      onDone={() => onAdded(name)}
      onClose={onClose}
    >
      <label className="field">
        <span className="field-label">Name</span>
        <input className="input" data-autofocus value={text} onChange={(event) => setText(event.target.value)} />
      </label>
    </RequestDialog>
  );
}

function Role({ service, name, readOnly }: { service: string; name: string; readOnly: string | undefined }) {
  const controllers = useQuery(controllersQuery());
  const ids = controllers.data ?? [];
  const rows = useQuery({ ...roleRowsQuery(service, name, ids), enabled: controllers.data !== undefined });
  return <Remote query={rows}>{(stored) => <Editor service={service} stored={stored} controllerIds={ids} readOnly={readOnly} />}</Remote>;
}

interface EditorProps {
  service: string;
  stored: RoleRows;
  controllerIds: readonly string[];
  readOnly: string | undefined;
}

function Editor({ service, stored, controllerIds, readOnly }: EditorProps) {
  const session = useQuery(permissionsQuery());
  const tree = useMemo(() => (session.data === undefined ? [] : permissionRows(session.data)), [session.data]);
  const [edits, setEdits] = useState<readonly Edit[]>([]);
  const [isSaving, setSaving] = useState(false);
  const edited = useMemo(() => withEdits(stored, edits), [stored, edits]);
  const scopes = ["", ...controllerIds];
  function edit(next: Edit) {
    const others = edits.filter((one) => one.controllerId !== next.controllerId || one.permissionPath !== next.permissionPath);
    const row = stored.permissions[next.controllerId]?.find((grant) => grant.permissionPath === next.permissionPath);
    const before = row === undefined ? "none" : row.excluded ? "excluded" : "granted";
    setEdits(before === next.held ? others : [...others, next]);
  }
  return (
    <div className={styles.role}>
      <div className={styles.scroll}>
        <Matrix tree={tree} rows={edited} scopes={scopes} readOnly={readOnly} edits={edits} onEdit={edit} />
        <Folders service={service} role={stored.name} folders={stored.folders} scopes={scopes} readOnly={readOnly} />
      </div>
      {edits.length > 0 && (
        <div className={styles.save} role="toolbar" aria-label="Changes of the role">
          <b>{plural(edits.length, "change")}, not saved yet</b>
          <button type="button" className="button small" onClick={() => setEdits([])}>
            Discard
          </button>
          <button type="button" className="button small primary" onClick={() => setSaving(true)}>
            Save {plural(edits.length, "change")}…
          </button>
        </div>
      )}
      {isSaving && (
        <RequestDialog
          title={`Change role ${stored.name}`}
          request={(comment) => changePermissions(service, stored.name, edits, comment)}
          button={`Save ${plural(edits.length, "change")}`}
          effect={<Holders service={service} role={stored.name} />}
          done={() => `Changed role ${stored.name}`}
          refresh={ACCESS_KEYS}
          onDone={() => setEdits([])}
          onClose={() => setSaving(false)}
        >
          <ul className={actionStyles.touched}>
            {edits.map((one) => (
              <li key={`${one.controllerId} ${one.permissionPath}`}>
                <code>{one.permissionPath}</code>
                <span>
                  {{ granted: "is granted", excluded: "is excluded", none: "is taken away" }[one.held]}
                  {one.controllerId !== "" && ` at ${one.controllerId}`}
                </span>
              </li>
            ))}
          </ul>
        </RequestDialog>
      )}
      <p className="visually-hidden" role="status">
        {edits.length > 0 ? `${plural(edits.length, "change")} not saved` : ""}
      </p>
    </div>
  );
}

/** The rows as they would be with the edits. */
function withEdits(stored: RoleRows, edits: readonly Edit[]): RoleRows["permissions"] {
  const rows: Record<string, Grant[]> = { ...stored.permissions };
  for (const { controllerId, permissionPath, held } of edits) {
    const others = (rows[controllerId] ?? []).filter((grant) => grant.permissionPath !== permissionPath);
    rows[controllerId] = held === "none" ? others : [...others, { permissionPath, excluded: held === "excluded" }];
  }
  return rows;
}
