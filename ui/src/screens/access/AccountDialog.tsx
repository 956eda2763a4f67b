/** Adds or changes an account. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, type Account, rolesQuery, storeAccount } from "../../api/access";
import { Remote } from "../../components/Panel";

interface AccountDialogProps {
  service: string;
  /** Absent: a new one. */
  account: Account | undefined;
  taken: readonly string[];
  onClose: () => void;
}

export function AccountDialog({ service, account, taken, onClose }: AccountDialogProps) {
  const isNew = account === undefined;
  const roles = useQuery(rolesQuery(service));
  const [form, setForm] = useState({
    accountName: account?.accountName ?? "",
    email: account?.email ?? "",
    password: "",
    disabled: account?.disabled ?? false,
    forcePasswordChange: account?.forcePasswordChange ?? true,
    roles: account?.roles ?? [],
  });
  const set = (part: Partial<typeof form>) => setForm({ ...form, ...part });
  const name = form.accountName.trim();
  const problem = name === "" ? "An account needs a name." : isNew && taken.includes(name) ? `There is an account ${name} already.` : undefined;
  return (
    <RequestDialog
      title={isNew ? "Add account" : `Change ${account.accountName}`}
      request={(comment) => storeAccount({ ...form, accountName: name, identityServiceName: service }, comment)}
      button={isNew ? "Add account" : "Change account"}
      problem={problem}
      effect={isNew && form.password === "" ? "It gets the initial password of the settings, which must be changed at the first login." : undefined}
      done={() => (isNew ? `Added ${name}` : `Changed ${name}`)}
      hidden={form.password !== ""}
      refresh={ACCESS_KEYS}
      onClose={onClose}
    >
      <div className={actionStyles.arguments}>
        <label className="field">
          <span className="field-label">Name</span>
          <input className="input" data-autofocus={isNew || undefined} autoComplete="off" value={form.accountName} disabled={!isNew} onChange={(event) => set({ accountName: event.target.value })} />
        </label>
        <label className="field">
          <span className="field-label">E-mail</span>
          <input className="input" type="email" autoComplete="off" value={form.email} onChange={(event) => set({ email: event.target.value })} />
        </label>
        <label className="field">
          <span className="field-label">{isNew ? "Password" : "New password"}</span>
          <input className="input" type="password" autoComplete="new-password" placeholder={isNew ? "the initial one" : "as it is"} value={form.password} onChange={(event) => set({ password: event.target.value })} />
        </label>
      </div>
      <fieldset className={actionStyles.options}>
        <legend>Roles</legend>
        <Remote query={roles}>
          {(known) => (
            <>
              {known.map(({ roleName }) => (
                <label key={roleName} className="check">
                  <input
                    type="checkbox"
                    checked={form.roles.includes(roleName)}
                    onChange={(event) => set({ roles: event.target.checked ? [...form.roles, roleName] : form.roles.filter((role) => role !== roleName) })}
                  />
                  {roleName}
                </label>
              ))}
            </>
          )}
        </Remote>
      </fieldset>
      <fieldset className={actionStyles.options}>
        <legend>Login</legend>
        <label className="check">
          <input type="checkbox" checked={form.forcePasswordChange} onChange={(event) => set({ forcePasswordChange: event.target.checked })} />
          must choose another password at the next login
        </label>
        <label className="check">
          <input type="checkbox" checked={form.disabled} onChange={(event) => set({ disabled: event.target.checked })} />
          disabled
        </label>
      </fieldset>
    </RequestDialog>
  );
}
