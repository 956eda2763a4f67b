/** S17 Audit (ui.md S17): who did what to which object, with which comment; and who has logged in. */
import { Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { auditRoute } from "../../app/router";
import { type AuditEntry, auditQuery, type LoginEntry, loginsQuery } from "../../api/audit";
import { type Column, DataTable } from "../../components/DataTable";
import { download } from "../../components/download";
import { FilterField } from "../../components/FilterField";
import { Icon } from "../../components/Icon";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { Chip } from "../../components/StateChip";
import { Tabs } from "../../components/Tabs";
import { When } from "../../components/Time";
import { AUDIT_LIMIT, auditCsv, auditJsonLines, auditRequest, isRefused, pathOf, PERIODS, sentence } from "../../domain/audit";
import { type StateLook, stateLook } from "../../domain/states";
import { numberWords, plural } from "../../domain/words";
import { Activity } from "./Activity";
import styles from "./audit.module.css";
import { Entry } from "./Entry";

const result = (good: boolean, goodWord: string, badWord: string): StateLook =>
  good ? { ...stateLook("FINISHED"), word: goodWord } : { ...stateLook("FAILED"), word: badWord };

function columns(onOpen: (entry: AuditEntry) => void): Column<AuditEntry>[] {
  return [
    { id: "time", header: "Time", width: "104px", cell: ({ created }) => <When time={Date.parse(created)} /> },
    { id: "account", header: "Account", width: "minmax(90px, .6fr)", cell: ({ account }) => <b>{account}</b> },
    {
      id: "did",
      header: "What",
      width: "minmax(260px, 2.2fr)",
      cell: (entry) => (
        <span className={list.two}>
          <button type="button" className={styles.open} onClick={() => onOpen(entry)}>
            {sentence(entry)}
          </button>
          <small className="mono">{pathOf(entry)}</small>
        </span>
      ),
    },
    { id: "controller", header: "Controller", width: "minmax(80px, .5fr)", cell: ({ controllerId }) => controllerId ?? "" },
    {
      id: "comment",
      header: "Comment",
      width: "minmax(120px, 1fr)",
      cell: ({ comment, ticketLink }) => (
        <span title={comment}>
          {comment}
          {ticketLink !== undefined && <span className="muted"> {ticketLink}</span>}
        </span>
      ),
    },
    { id: "result", header: "Result", width: "112px", cell: (entry) => <Chip small look={result(!isRefused(entry), "done", `refused ${entry.status ?? ""}`)} /> },
  ];
}

export function Audit() {
  const search = auditRoute.useSearch();
  const navigate = auditRoute.useNavigate();
  const set = useCallback(
    (part: { [Name in keyof typeof search]?: string | undefined }) =>
      void navigate({ search: (old) => Object.fromEntries(Object.entries({ ...old, ...part }).filter(([, value]) => value !== undefined)), replace: true }),
    [navigate],
  );
  const tab = search.tab === "logins" ? "logins" : "calls";
  return (
    <div className={list.page}>
      <PageTitle title={tab === "logins" ? "Logins – Audit log" : "Audit log"}>Audit log</PageTitle>
      <div className={list.card}>
        <Tabs
          label="Audit log"
          value={tab}
          tabs={[
            { value: "calls", label: "Changes" },
            { value: "logins", label: "Logins" },
          ]}
          onChange={(value) => set({ tab: value === "calls" ? undefined : value, q: undefined, entry: undefined })}
        />
        {tab === "calls" ? <Calls search={search} set={set} /> : <Logins search={search} set={set} />}
      </div>
    </div>
  );
}

interface PartProps {
  search: ReturnType<typeof auditRoute.useSearch>;
  set: (part: { [Name in keyof PartProps["search"]]?: string | undefined }) => void;
}

function Since({ search, set }: PartProps) {
  return (
    <select className={`input ${styles.since}`} aria-label="Period" value={search.since ?? "7d"} onChange={(event) => set({ since: event.target.value === "7d" ? undefined : event.target.value })}>
      {PERIODS.map(({ value, words }) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </select>
  );
}

function Calls({ search, set }: PartProps) {
  const { q = "", since = "7d", comment = "", entry } = search;
  const { request, problems } = useMemo(() => auditRequest(q, since, comment), [q, since, comment]);
  const query = useQuery({ ...auditQuery(request), enabled: problems.length === 0 });
  const onOpen = useCallback((one: AuditEntry) => set({ entry: String(one.id) }), [set]);
  const shown = useMemo(() => columns(onOpen), [onOpen]);
  const entries = query.data ?? [];
  const open = entries.find(({ id }) => String(id) === entry);
  const setQ = useCallback((text: string) => set({ q: text === "" ? undefined : text }), [set]);
  const words = PERIODS.find(({ value }) => value === since)?.words ?? since;
  return (
    <>
      <div className={list.bar}>
        <FilterField value={q} onChange={setQ} placeholder="user:jd type:workflow kind:inventory folder:/etl nightly" label="Filter the audit log" />
        <input className={`input ${styles.comment}`} aria-label="Comment" placeholder="comment" defaultValue={comment} onBlur={(event) => set({ comment: event.target.value || undefined })} onKeyDown={(event) => event.key === "Enter" && set({ comment: event.currentTarget.value || undefined })} />
        <Since search={search} set={set} />
        <span className={list.count} role="status">
          {entries.length >= AUDIT_LIMIT ? `the newest ${numberWords(entries.length)}; narrow the filter for older ones` : plural(entries.length, "change")}
        </span>
        <button type="button" className="button small" onClick={() => void query.refetch()}>
          Refresh
        </button>
        <Menu position="bottom-end" width={180}>
          <Menu.Target>
            <button type="button" className="button small" disabled={entries.length === 0}>
              <Icon name="download" size={14} /> Export
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => download("audit-log.csv", "text/csv", auditCsv(entries))}>CSV</Menu.Item>
            <Menu.Item onClick={() => download("audit-log.jsonl", "application/jsonl", auditJsonLines(entries))}>JSON lines</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        {problems.length > 0 && (
          <p className={list.problems} role="alert">
            {problems.join(" ")}
          </p>
        )}
      </div>
      <Activity times={entries.map(({ created }) => Date.parse(created))} />
      <div className={list.rows}>
        <Remote query={query}>
          {(rows) => (
            <DataTable
              label="Audit log"
              rowHeight={46}
              columns={shown}
              rows={rows}
              keyOf={(row) => String(row.id)}
              onOpen={onOpen}
              empty={
                <Empty title={q === "" && comment === "" ? `Nobody has changed anything in the last ${words}.` : "No change matches this filter."}>
                  What is older than the setting audit_log_age is cleaned up.
                </Empty>
              }
            />
          )}
        </Remote>
      </div>
      {open !== undefined && <Entry entry={open} onClose={() => set({ entry: undefined })} />}
    </>
  );
}

const LOGINS: readonly Column<LoginEntry>[] = [
  { id: "time", header: "Time", width: "120px", cell: ({ loginDate }) => <When time={Date.parse(loginDate)} /> },
  { id: "account", header: "Account", width: "minmax(120px, 1fr)", cell: ({ accountName }) => <b>{accountName}</b> },
  { id: "result", header: "Result", width: "120px", cell: ({ loginSuccess }) => <Chip small look={result(loginSuccess, "logged in", "refused")} /> },
  {
    id: "why",
    header: "Why",
    width: "minmax(200px, 3fr)",
    cell: ({ details }) => (details?.loginHistoryItems ?? []).map((item) => [item.identityServiceName, item.message].filter((part) => part !== "").join(": ")).join("; "),
  },
];

function Logins({ search, set }: PartProps) {
  const { q = "", since = "7d" } = search;
  const query = useQuery(loginsQuery(q, since === "all" ? undefined : `-${since}`));
  const rows = query.data ?? [];
  const refused = rows.filter(({ loginSuccess }) => !loginSuccess).length;
  return (
    <>
      <div className={list.bar}>
        <input className={`input ${styles.comment}`} aria-label="Account" placeholder="account" defaultValue={q} onBlur={(event) => set({ q: event.target.value || undefined })} onKeyDown={(event) => event.key === "Enter" && set({ q: event.currentTarget.value || undefined })} />
        <Since search={search} set={set} />
        <span className={list.count} role="status">
          {plural(rows.length, "login")}
          {refused > 0 && `, ${numberWords(refused)} refused`}
        </span>
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {(all) => (
            <DataTable label="Logins" columns={LOGINS} rows={all.map((row, index) => ({ ...row, key: String(index) }))} keyOf={(row) => (row as LoginEntry & { key: string }).key} empty={<Empty title="Nobody has tried to log in." />} />
          )}
        </Remote>
      </div>
    </>
  );
}
