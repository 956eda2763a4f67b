/** Names under which nobody can log in, whatever the identity service. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, type BlockedAccount, blockAccount, blockedQuery, unblockAccounts } from "../../api/access";
import { type Column, DataTable } from "../../components/DataTable";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { plural } from "../../domain/words";
import { type PartProps } from "./Access";
import { Verb } from "../../components/Verb";

const COLUMNS: readonly Column<BlockedAccount>[] = [
  { id: "name", header: "Account", width: "minmax(140px, 1fr)", cell: ({ accountName }) => <b>{accountName}</b> },
  { id: "since", header: "Since", width: "130px", cell: ({ since }) => <When time={Date.parse(since)} /> },
  { id: "comment", header: "Comment", width: "minmax(200px, 2fr)", cell: ({ comment }) => comment ?? "" },
];

export function Blocklist({ readOnly }: PartProps) {
  const query = useQuery(blockedQuery());
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<"block" | "unblock">();
  const [name, setName] = useState("");
  const names = (query.data ?? []).map(({ accountName }) => accountName).filter((one) => selected.has(one));
  const what = names.length === 1 ? (names[0] ?? "") : plural(names.length, "account");
  return (
    <>
      <div className={list.bar} role="toolbar" aria-label="Block list">
        <Verb why={readOnly} onClick={() => setOpen("block")}>
          Block a name…
        </Verb>
        <Verb why={readOnly ?? (names.length === 0 ? "Select names first." : undefined)} onClick={() => setOpen("unblock")}>
          Unblock…
        </Verb>
        <span className={list.count} role="status">
          {plural(query.data?.length ?? 0, "blocked name")}
        </span>
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {(rows) => (
            <DataTable label="Block list" columns={COLUMNS} rows={rows} keyOf={(row) => row.accountName} selected={selected} onSelect={setSelected} empty={<Empty title="Nobody is blocked." />} />
          )}
        </Remote>
      </div>
      {open === "block" && (
        <RequestDialog
          title="Block a name"
          request={(comment) => blockAccount(name.trim(), comment)}
          button="Block the name"
          danger
          problem={name.trim() === "" ? "Say which name." : undefined}
          effect="Nobody can log in under this name, also where no account has it; sessions end now. The comment stands in the block list."
          done={() => `Blocked ${name.trim()}`}
          refresh={ACCESS_KEYS}
          onDone={() => setName("")}
          onClose={() => setOpen(undefined)}
        >
          <label className="field">
            <span className="field-label">Account</span>
            <input className="input" data-autofocus value={name} onChange={(event) => setName(event.target.value)} />
          </label>
        </RequestDialog>
      )}
      {open === "unblock" && (
        <RequestDialog
          title={`Unblock ${what}`}
          request={(comment) => unblockAccounts(names, comment)}
          button={`Unblock ${what}`}
          effect="They can log in again, if their accounts are not disabled."
          done={() => `Unblocked ${what}`}
          refresh={ACCESS_KEYS}
          onDone={() => setSelected(new Set())}
          onClose={() => setOpen(undefined)}
        />
      )}
    </>
  );
}
