/** The accounts of an identity service: state, roles, and what can be done with them. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, type Account, accountsQuery, type AccountVerb, blockAccount, onAccounts } from "../../api/access";
import { type Column, DataTable } from "../../components/DataTable";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { Chip } from "../../components/StateChip";
import { type StateLook, stateLook } from "../../domain/states";
import { plural } from "../../domain/words";
import { type PartProps } from "./Access";
import styles from "./access.module.css";
import { AccountDialog } from "./AccountDialog";
import { Verb } from "../../components/Verb";

export function accountLook({ blocked, disabled }: Account): StateLook {
  if (blocked) return { ...stateLook("FAILED"), word: "blocked" };
  return disabled ? { ...stateLook("SUSPENDED"), word: "disabled" } : { ...stateLook("FINISHED"), word: "may log in" };
}

const COLUMNS: readonly Column<Account>[] = [
  { id: "name", header: "Account", width: "minmax(140px, 1fr)", cell: ({ accountName, email }) => <span className={list.two}><b>{accountName}</b>{email !== undefined && <small>{email}</small>}</span> },
  { id: "state", header: "State", width: "130px", cell: (account) => <Chip look={accountLook(account)} small /> },
  { id: "roles", header: "Roles", width: "minmax(200px, 2fr)", cell: ({ roles }) => (roles.length === 0 ? <span className="muted">none: it may do nothing</span> : roles.join(", ")) },
  { id: "password", header: "Password", width: "160px", cell: ({ forcePasswordChange }) => (forcePasswordChange ? "must be changed" : "") },
];

type Open = { kind: "edit"; account: Account | undefined } | { kind: "block"; account: Account } | { kind: AccountVerb; accounts: Account[] };

const VERBS: Record<AccountVerb, { label: string; done: string; danger: boolean; effect: string }> = {
  enable: { label: "Enable", done: "Enabled", danger: false, effect: "They can log in again." },
  disable: { label: "Disable", done: "Disabled", danger: true, effect: "They cannot log in any more, and their sessions end now." },
  delete: { label: "Delete", done: "Deleted", danger: true, effect: "The accounts are deleted, and their sessions end now. What they have done stays in the audit log." },
  resetpassword: { label: "Reset password", done: "Reset the password of", danger: true, effect: "They get the initial password of the settings, which they must change at once; their sessions end now." },
  forcepasswordchange: { label: "Demand a new password", done: "Demanded a new password of", danger: false, effect: "At the next login they must choose another password." },
};

export function Accounts({ service, readOnly }: PartProps) {
  const query = useQuery(accountsQuery(service));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<Open>();
  const chosen = (query.data ?? []).filter(({ accountName }) => selected.has(accountName));
  const one = chosen.length === 1 ? chosen[0] : undefined;
  const none = readOnly ?? (chosen.length === 0 ? "Select accounts first." : undefined);
  const single = readOnly ?? (one === undefined ? "Select one account." : undefined);
  const close = () => setOpen(undefined);
  return (
    <>
      <div className={list.bar} role="toolbar" aria-label="Accounts">
        <Verb why={readOnly} onClick={() => setOpen({ kind: "edit", account: undefined })}>
          Add account…
        </Verb>
        <Verb why={single} onClick={() => setOpen({ kind: "edit", account: one })}>
          Change…
        </Verb>
        {(Object.keys(VERBS) as AccountVerb[]).map((verb) => (
          <Verb key={verb} why={none ?? notFor(verb, chosen)} onClick={() => setOpen({ kind: verb, accounts: chosen })}>
            {VERBS[verb].label}…
          </Verb>
        ))}
        <Verb why={single} onClick={() => one !== undefined && setOpen({ kind: "block", account: one })}>
          Block…
        </Verb>
        <span className={list.count} role="status">
          {plural(query.data?.length ?? 0, "account")}
        </span>
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {(accounts) => (
            <DataTable
              label="Accounts"
              rowHeight={42}
              columns={COLUMNS}
              rows={accounts}
              keyOf={(account) => account.accountName}
              selected={selected}
              onSelect={setSelected}
              onOpen={(account) => readOnly === undefined && setOpen({ kind: "edit", account })}
              empty={<Empty title={`The identity service ${service} keeps no accounts here.`} />}
            />
          )}
        </Remote>
      </div>
      {open?.kind === "edit" && <AccountDialog service={service} account={open.account} taken={(query.data ?? []).map(({ accountName }) => accountName)} onClose={close} />}
      {open?.kind === "block" && (
        <RequestDialog
          title={`Block ${open.account.accountName}`}
          request={(comment) => blockAccount(open.account.accountName, comment)}
          button={`Block ${open.account.accountName}`}
          danger
          effect="Nobody can log in under this name, at no identity service; sessions end now. The comment stands in the block list."
          done={() => `Blocked ${open.account.accountName}`}
          refresh={ACCESS_KEYS}
          onClose={close}
        />
      )}
      {open !== undefined && open.kind !== "edit" && open.kind !== "block" && <VerbDialog service={service} verb={open.kind} accounts={open.accounts} onClose={close} />}
    </>
  );
}

function notFor(verb: AccountVerb, accounts: readonly Account[]): string | undefined {
  if (verb === "enable" && accounts.every(({ disabled }) => !disabled)) return "None of them is disabled.";
  return verb === "disable" && accounts.every(({ disabled }) => disabled) ? "They are disabled already." : undefined;
}

function VerbDialog({ service, verb, accounts, onClose }: { service: string; verb: AccountVerb; accounts: Account[]; onClose: () => void }) {
  const { label, done, danger, effect } = VERBS[verb];
  const names = accounts.map(({ accountName }) => accountName);
  const what = names.length === 1 ? (names[0] ?? "") : plural(names.length, "account");
  return (
    <RequestDialog
      title={`${label}: ${what}`}
      request={(comment) => onAccounts(verb, service, names, comment)}
      button={`${label}: ${what}`}
      danger={danger}
      effect={effect}
      done={() => `${done} ${what}`}
      refresh={ACCESS_KEYS}
      onClose={onClose}
    >
      <p className={styles.names}>{names.join(", ")}</p>
    </RequestDialog>
  );
}
