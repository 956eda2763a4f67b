/** Who is logged in, at all Cockpits of the cluster. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, type ActiveSession, endSessions, sessionsQuery } from "../../api/access";
import { type Column, DataTable } from "../../components/DataTable";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { durationWords, plural } from "../../domain/words";
import { type PartProps } from "./Access";
import { Verb } from "../../components/Verb";

const COLUMNS: readonly Column<ActiveSession>[] = [
  { id: "name", header: "Account", width: "minmax(140px, 1fr)", cell: ({ accountName }) => <b>{accountName}</b> },
  { id: "service", header: "Logged in at", width: "minmax(160px, 1fr)", cell: ({ identityService }) => identityService },
  { id: "timeout", header: "Ends when idle for", width: "160px", right: true, cell: ({ timeout }) => durationWords(timeout) },
  { id: "id", header: "Session", width: "minmax(120px, 1fr)", cell: ({ id }) => <code title={id}>{id.slice(0, 12)}…</code> },
];

export function Sessions({ readOnly }: PartProps) {
  const query = useQuery(sessionsQuery());
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isEnding, setEnding] = useState(false);
  const chosen = (query.data ?? []).filter(({ id }) => selected.has(id));
  const accounts = [...new Set(chosen.map(({ accountName }) => accountName))];
  return (
    <>
      <div className={list.bar} role="toolbar" aria-label="Sessions">
        <Verb why={readOnly ?? (chosen.length === 0 ? "Select sessions first." : undefined)} onClick={() => setEnding(true)}>
          End…
        </Verb>
        <span className={list.count} role="status">
          {plural(query.data?.length ?? 0, "session")}
        </span>
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {(rows) => (
            <DataTable label="Sessions" columns={COLUMNS} rows={rows} keyOf={({ id }) => id} selected={selected} onSelect={setSelected} empty={<Empty title="Nobody is logged in." />} />
          )}
        </Remote>
      </div>
      {isEnding && (
        <RequestDialog
          title={`End ${plural(chosen.length, "session")}`}
          request={(comment) => endSessions(chosen.map(({ id }) => id), comment)}
          button={`End ${plural(chosen.length, "session")}`}
          danger
          effect={`${accounts.join(", ")} must log in again. What they have begun at Controllers goes on.`}
          done={() => `Ended ${plural(chosen.length, "session")}`}
          refresh={ACCESS_KEYS}
          onDone={() => setSelected(new Set())}
          onClose={() => setEnding(false)}
        />
      )}
    </>
  );
}
