/** Identity services: who checks passwords, in which order; settings of each as JSON. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, deleteService, type IdentityService, reorderServices, servicesQuery, serviceSettingsQuery, storeService, storeServiceSettings } from "../../api/access";
import { type Column, DataTable } from "../../components/DataTable";
import list from "../../components/list.module.css";
import { Empty, Remote } from "../../components/Panel";
import { Chip } from "../../components/StateChip";
import { stateLook } from "../../domain/states";
import { type PartProps } from "./Access";
import { Verb } from "../../components/Verb";

const COLUMNS: readonly Column<IdentityService>[] = [
  { id: "order", header: "Order", width: "60px", cell: ({ ordering }) => ordering ?? "" },
  { id: "name", header: "Name", width: "minmax(160px, 1fr)", cell: ({ identityServiceName }) => <b>{identityServiceName}</b> },
  { id: "type", header: "Type", width: "140px", cell: ({ identityServiceType }) => identityServiceType },
  {
    id: "state",
    header: "State",
    width: "120px",
    cell: ({ disabled }) => <Chip small look={disabled ? { ...stateLook("SUSPENDED"), word: "disabled" } : { ...stateLook("FINISHED"), word: "asked" }} />,
  },
  { id: "required", header: "Must agree", width: "100px", cell: ({ required }) => (required ? "required" : "optional") },
  { id: "factor", header: "Second factor", width: "minmax(120px, 1fr)", cell: ({ secondFactor, secondFactorIdentityServiceName }) => (secondFactor ? "is one" : (secondFactorIdentityServiceName ?? "none")) },
];

type Open = { kind: "edit" | "settings" | "delete"; service: IdentityService } | { kind: "add" };

export function Services({ readOnly }: PartProps) {
  const query = useQuery(servicesQuery());
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<Open>();
  const [order, setOrder] = useState<string[]>();
  const all = query.data?.identityServiceItems ?? [];
  const names = all.map(({ identityServiceName }) => identityServiceName);
  const chosen = all.filter(({ identityServiceName }) => selected.has(identityServiceName));
  const one = chosen.length === 1 ? chosen[0] : undefined;
  const why = readOnly ?? (one === undefined ? "Select one identity service." : undefined);
  const at = one === undefined ? -1 : names.indexOf(one.identityServiceName);
  const close = () => setOpen(undefined);
  return (
    <>
      <div className={list.bar} role="toolbar" aria-label="Identity services">
        <Verb why={readOnly} onClick={() => setOpen({ kind: "add" })}>
          Add…
        </Verb>
        <Verb why={why} onClick={() => one !== undefined && setOpen({ kind: "edit", service: one })}>
          Change…
        </Verb>
        <Verb why={why} onClick={() => one !== undefined && setOpen({ kind: "settings", service: one })}>
          Settings…
        </Verb>
        <Verb why={why ?? (at === 0 ? "It is the first one." : undefined)} onClick={() => setOrder(moved(names, at))}>
          Ask earlier…
        </Verb>
        <Verb why={why} onClick={() => one !== undefined && setOpen({ kind: "delete", service: one })}>
          Delete…
        </Verb>
      </div>
      <div className={list.rows}>
        <Remote query={query}>
          {({ identityServiceItems }) => (
            <DataTable
              label="Identity services"
              columns={COLUMNS}
              rows={identityServiceItems}
              keyOf={({ identityServiceName }) => identityServiceName}
              selected={selected}
              onSelect={setSelected}
              empty={<Empty title="There is no identity service." />}
            />
          )}
        </Remote>
      </div>
      {open?.kind === "add" && <ServiceDialog types={query.data?.identityServiceTypes ?? []} taken={names} onClose={close} />}
      {open?.kind === "edit" && <ServiceDialog service={open.service} types={query.data?.identityServiceTypes ?? []} taken={names} onClose={close} />}
      {open?.kind === "settings" && <SettingsDialog service={open.service} onClose={close} />}
      {open?.kind === "delete" && (
        <RequestDialog
          title={`Delete ${open.service.identityServiceName}`}
          request={(comment) => deleteService(open.service.identityServiceName, comment)}
          button={`Delete ${open.service.identityServiceName}`}
          danger
          typed={open.service.identityServiceName}
          effect="Its accounts, roles and permissions are deleted with it, and their sessions end now."
          done={() => `Deleted ${open.service.identityServiceName}`}
          refresh={ACCESS_KEYS}
          onDone={() => setSelected(new Set())}
          onClose={close}
        />
      )}
      {order !== undefined && (
        <RequestDialog
          title="Change the order of identity services"
          request={(comment) => reorderServices(order, comment)}
          button="Change the order"
          effect={`They are asked in this order: ${order.join(", ")}. The first that accepts a password decides.`}
          done={() => "Changed the order"}
          refresh={ACCESS_KEYS}
          onClose={() => setOrder(undefined)}
        />
      )}
    </>
  );
}

function moved(names: readonly string[], at: number): string[] {
  const name = names[at];
  return name === undefined || at === 0 ? [...names] : names.toSpliced(at, 1).toSpliced(at - 1, 0, name);
}

function ServiceDialog({ service, types, taken, onClose }: { service?: IdentityService; types: readonly string[]; taken: readonly string[]; onClose: () => void }) {
  const isNew = service === undefined;
  const [form, setForm] = useState({
    identityServiceName: service?.identityServiceName ?? "",
    identityServiceType: service?.identityServiceType ?? types[0] ?? "JOC",
    disabled: service?.disabled ?? isNew,
    required: service?.required ?? false,
  });
  const name = form.identityServiceName.trim();
  const problem = name === "" ? "An identity service needs a name." : isNew && taken.includes(name) ? `There is an identity service ${name} already.` : undefined;
  return (
    <RequestDialog
      title={isNew ? "Add identity service" : `Change ${name}`}
      request={(comment) => storeService({ ...form, identityServiceName: name }, service, comment)}
      button={isNew ? "Add identity service" : "Change identity service"}
      problem={problem}
      effect={form.required ? "Required ones must all accept a login; their permissions are added together." : "Optional ones are asked in their order; the first that accepts decides."}
      done={() => (isNew ? `Added ${name}` : `Changed ${name}`)}
      refresh={ACCESS_KEYS}
      onClose={onClose}
    >
      <div className={actionStyles.arguments}>
        <label className="field">
          <span className="field-label">Name</span>
          <input className="input" data-autofocus={isNew || undefined} disabled={!isNew} value={form.identityServiceName} onChange={(event) => setForm({ ...form, identityServiceName: event.target.value })} />
        </label>
        <label className="field">
          <span className="field-label">Type</span>
          <select className="input" disabled={!isNew} value={form.identityServiceType} onChange={(event) => setForm({ ...form, identityServiceType: event.target.value })}>
            {types.map((type) => (
              <option key={type}>{type}</option>
            ))}
          </select>
        </label>
      </div>
      <label className="check">
        <input type="checkbox" checked={form.disabled} onChange={(event) => setForm({ ...form, disabled: event.target.checked })} />
        disabled: it is not asked
      </label>
      <label className="check">
        <input type="checkbox" checked={form.required} onChange={(event) => setForm({ ...form, required: event.target.checked })} />
        required
      </label>
    </RequestDialog>
  );
}

function SettingsDialog({ service, onClose }: { service: IdentityService; onClose: () => void }) {
  const query = useQuery(serviceSettingsQuery(service));
  return <Remote query={query}>{(stored) => <SettingsForm service={service} stored={stored} onClose={onClose} />}</Remote>;
}

function SettingsForm({ service, stored, onClose }: { service: IdentityService; stored: string; onClose: () => void }) {
  const [text, setText] = useState(() => pretty(stored));
  const isObject = isJsonObject(text);
  return (
    <RequestDialog
      title={`Settings of ${service.identityServiceName}`}
      size={640}
      withoutComment
      hidden
      request={() => (isObject ? storeServiceSettings(service, text) : undefined)}
      button="Save settings"
      problem={isObject ? undefined : "The settings must be a JSON object."}
      done={() => `Saved the settings of ${service.identityServiceName}`}
      refresh={ACCESS_KEYS}
      onClose={onClose}
    >
      <label className="field">
        <span className="field-label">Settings, as JSON</span>
        <textarea className="input" rows={14} data-autofocus spellCheck={false} aria-invalid={!isObject} value={text} onChange={(event) => setText(event.target.value)} />
        <small>Members for type {service.identityServiceType}: docs/how-to/users-and-roles.md</small>
      </label>
    </RequestDialog>
  );
}

function pretty(text: string): string {
  return isJsonObject(text) ? JSON.stringify(JSON.parse(text), undefined, 2) : text;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    // Not JSON is an answer here: the form says so.
    return false;
  }
}
