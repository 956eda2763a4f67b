/** Entries of the audit log in words, the filter as the API's request, exports (ui.md S17). Pure. */
import type { AuditEntry } from "../api/audit";
import { parseFilter } from "./filter";
import { plural, shortId } from "./words";

export interface AuditRequest {
  account?: string;
  objectName?: string;
  objectTypes?: string[];
  folders?: { folder: string; recursive: boolean }[];
  categories?: string[];
  comment?: string;
  dateFrom?: string;
  limit: number;
}

export const PERIODS = [
  { value: "1d", words: "24 hours" },
  { value: "7d", words: "7 days" },
  { value: "30d", words: "30 days" },
  { value: "all", words: "all that is kept" },
] as const;

/** So many are asked for at once; the page says when there are more. */
export const AUDIT_LIMIT = 2000;

/** `user:jd type:workflow kind:inventory folder:/etl nightly` as the request, and what it cannot say. */
export function auditRequest(q: string, since: string, comment: string): { request: AuditRequest; problems: string[] } {
  const { terms, problems } = parseFilter(q);
  const request: AuditRequest = { limit: AUDIT_LIMIT };
  const wrong = [...problems];
  const texts: string[] = [];
  for (const { key, values, negated } of terms) {
    if (negated) wrong.push("The audit log cannot be filtered by what something is not.");
    else if (key === undefined) texts.push(...values);
    else if (key === "user") {
      if (values.length > 1) wrong.push("One user at a time: user:jd, or user:j*.");
      else if (values[0] !== undefined) request.account = values[0];
    } else if (key === "type") request.objectTypes = values.map((value) => value.toUpperCase());
    else if (key === "kind") request.categories = values.map((value) => value.toUpperCase());
    else if (key === "folder") request.folders = values.map((folder) => ({ folder, recursive: true }));
    else if (key === "workflow" || key === "order" || key === "schedule") texts.push(...values);
    else wrong.push(`The audit log has no "${key}:". It has user:, type:, kind:, folder: and names.`);
  }
  if (texts.length > 1) wrong.push("One name at a time; put names with spaces into quotation marks.");
  if (texts[0] !== undefined) request.objectName = texts[0];
  if (comment !== "") request.comment = comment;
  if (since !== "all") request.dateFrom = `-${since}`;
  return { request, problems: wrong };
}

type Body = Record<string, unknown>;
type Phrase = (body: Body) => string;

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const field = (value: unknown, name: string): unknown => (typeof value === "object" && value !== null ? (value as Body)[name] : undefined);

/** `3 orders`, or the one by its id. */
function orders(body: Body): string {
  const ids = list(body["orderIds"]);
  if (ids.length === 1) return `order ${shortId(text(ids[0]), 44)}`;
  if (ids.length > 1) return plural(ids.length, "order");
  const date = text(body["dailyPlanDateFrom"]);
  return date === "" ? "orders" : `orders of ${date}`;
}

const objects = (body: Body, ...names: string[]): string => {
  const items = names.flatMap((name) => list(body[name]));
  const paths = items.map((item) => (typeof item === "string" ? item : text(field(item, "path")) || text(field(field(item, "configuration"), "path")) || text(field(item, "name")))).filter((path) => path !== "");
  const path = text(body["path"]) || text(body["folder"]);
  if (path !== "") return path;
  return paths.length === 1 ? (paths[0] ?? "") : paths.length > 1 ? plural(paths.length, "object") : "objects";
};
const named = (body: Body, ...names: string[]): string => {
  for (const name of names) {
    const value = body[name];
    if (typeof value === "string" && value !== "") return value;
    if (Array.isArray(value) && value.length > 0) return value.length <= 3 ? value.map(String).join(", ") : plural(value.length, "entry", "entries");
  }
  return "";
};

const onOrders = (verb: string): Phrase => (body) => `${verb} ${orders(body)}`;
const onNamed =
  (verb: string, ...names: string[]): Phrase =>
  (body) =>
    `${verb} ${named(body, ...names)}`.trim();
const onObjects =
  (verb: string, ...names: string[]): Phrase =>
  (body) =>
    `${verb} ${objects(body, ...names)}`;

/** One phrase per call, in the past: what somebody did. */
const PHRASES: Record<string, Phrase> = {
  "orders/add": (body) => {
    const added = list(body["orders"]);
    const workflow = text(field(added[0], "workflowPath"));
    return added.length === 1 ? `added an order to ${workflow}` : `added ${plural(added.length, "order")}`;
  },
  "orders/cancel": onOrders("cancelled"),
  "orders/suspend": onOrders("suspended"),
  "orders/resume": onOrders("resumed"),
  "orders/confirm": onOrders("answered the prompt of"),
  "orders/continue": onOrders("let run"),
  "orders/change": onOrders("changed"),
  "orders/remove_when_terminated": onOrders("let go when it ends"),
  "daily_plan/orders/generate": (body) => `planned ${named(body, "dailyPlanDate", "dailyPlanDates")}`,
  "daily_plan/orders/submit": onOrders("submitted"),
  "daily_plan/orders/cancel": onOrders("took back"),
  "daily_plan/orders/delete": onOrders("removed from the plan"),
  "daily_plan/orders/copy": onOrders("copied"),
  "daily_plan/orders/modify": (body) => `changed the ${body["scheduledFor"] === undefined && body["cycle"] === undefined ? "variables" : "start"} of ${orders(body)}`,
  "daily_plan/orders/modify/priority": onOrders("changed the priority of"),
  "daily_plan/projections/recreate": () => "computed the forecast anew",
  "daily_plan/submissions/delete": (body) => `let ${text(field(body["filter"], "dateFor")) || "days"} be planned anew`,
  "inventory/store": (body) => `stored ${text(body["objectType"]).toLowerCase()} ${text(body["path"])}`,
  "inventory/rename": (body) => `renamed ${objects(body)} to ${text(body["newPath"])}`,
  "inventory/copy": (body) => `copied ${objects(body)} to ${text(body["newPath"])}`,
  "inventory/remove": onObjects("removed", "objects"),
  "inventory/remove/folder": onObjects("removed"),
  "inventory/release": onObjects("released", "update", "delete"),
  "inventory/recall": onObjects("recalled", "releasables"),
  "inventory/deployment/deploy": (body) => {
    const store = body["store"];
    const items = { all: [...list(field(store, "draftConfigurations")), ...list(field(store, "deployConfigurations"))] };
    return `deployed ${objects(items, "all")}`;
  },
  "inventory/deployment/revoke": onObjects("revoked", "deployConfigurations"),
  "inventory/import": onNamed("imported into", "targetFolder"),
  "workflows/suspend": onNamed("suspended workflow", "workflowPaths"),
  "workflows/resume": onNamed("resumed workflow", "workflowPaths"),
  "workflow/stop": (body) => `stopped jobs of ${text(body["workflowPath"]) || text(field(body["workflowId"], "path"))}`,
  "workflow/unstop": (body) => `let jobs start again in ${text(body["workflowPath"]) || text(field(body["workflowId"], "path"))}`,
  "workflow/skip": (body) => `let ${named(body, "labels")} be skipped in ${text(body["workflowPath"])}`,
  "workflow/unskip": (body) => `let ${named(body, "labels")} no longer be skipped in ${text(body["workflowPath"])}`,
  "notice/post": onNamed("posted a notice to", "noticeBoardPath"),
  "notices/post": onNamed("posted a notice to", "noticeBoardPaths"),
  "notice/delete": onNamed("deleted a notice of", "noticeBoardPath"),
  "notices/delete": onNamed("deleted notices of", "noticeBoardPaths", "noticeBoardPath"),
  "controller/terminate": onNamed("stopped Controller", "controllerId"),
  "controller/restart": onNamed("restarted Controller", "controllerId"),
  "controller/register": onNamed("registered Controller", "controllerId"),
  "controller/cluster/switchover": onNamed("switched over Controller", "controllerId"),
  "controller/cluster/confirm_node_loss": onNamed("confirmed the loss of a node of", "controllerId"),
  "agents/inventory/store": (body) => `registered ${plural(list(body["agents"]).length, "Agent")}`,
  "agents/inventory/deploy": onNamed("deployed Agents", "agentIds"),
  "joc/cluster/switch_member": onNamed("switched over to Cockpit", "memberId"),
  "iam/account/store": onNamed("stored account", "accountName"),
  "iam/account/rename": (body) => `renamed account ${text(body["accountOldName"])} to ${text(body["accountNewName"])}`,
  "iam/account/changepassword": onNamed("changed the password of", "accountName"),
  "iam/accounts/delete": onNamed("deleted account", "accountNames"),
  "iam/accounts/enable": onNamed("enabled account", "accountNames"),
  "iam/accounts/disable": onNamed("disabled account", "accountNames"),
  "iam/accounts/resetpassword": onNamed("reset the password of", "accountNames"),
  "iam/accounts/forcepasswordchange": onNamed("demanded a new password of", "accountNames"),
  "iam/blockedAccount/store": onNamed("blocked", "accountName"),
  "iam/blockedAccounts/delete": onNamed("unblocked", "accountNames"),
  "iam/sessions/cancel": (body) => (list(body["accountNames"]).length > 0 ? `ended the sessions of ${named(body, "accountNames")}` : `ended ${plural(list(body["ids"]).length, "session")}`),
  "iam/role/store": onNamed("stored role", "roleName"),
  "iam/role/rename": (body) => `renamed role ${text(body["roleOldName"])} to ${text(body["roleNewName"])}`,
  "iam/roles/delete": onNamed("deleted role", "roleNames"),
  "iam/permissions/store": (body) => `changed ${plural(list(body["permissions"]).length, "permission")} of role ${text(body["roleName"])}`,
  "iam/permissions/delete": (body) => `took ${plural(list(body["permissionPaths"]).length, "permission")} from role ${text(body["roleName"])}`,
  "iam/folders/store": (body) => `gave folders to role ${text(body["roleName"])}`,
  "iam/folders/delete": (body) => `took folders from role ${text(body["roleName"])}`,
  "iam/identityservice/store": onNamed("stored identity service", "identityServiceName"),
  "iam/identityservice/delete": onNamed("deleted identity service", "identityServiceName"),
  "settings/store": () => "changed settings",
  "configuration/save": onNamed("saved a configuration of", "configurationType"),
};

export const pathOf = (entry: Pick<AuditEntry, "request">): string => entry.request.replace(/^\.?\//, "");

export function bodyOf(entry: Pick<AuditEntry, "parameters">): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(entry.parameters ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    // A body that was cut to its maximum is no JSON any more; it is shown as text.
    return undefined;
  }
}

/** What somebody did, in words; calls without a phrase are named by their path. */
export function sentence(entry: Pick<AuditEntry, "request" | "parameters">): string {
  const path = pathOf(entry);
  const phrase = PHRASES[path];
  return phrase === undefined ? path.replaceAll("/", " › ").replaceAll("_", " ") : phrase(bodyOf(entry) ?? {});
}

/** Did the call work? Refusals are in the log, too. */
export const isRefused = (entry: Pick<AuditEntry, "status">): boolean => (entry.status ?? 200) >= 400;

/** How many entries in each of `count` equal parts of the time from the first to the last. */
export function histogram(times: readonly number[], count: number): { begin: number; end: number; parts: number[] } | undefined {
  if (times.length === 0) return undefined;
  const begin = Math.min(...times);
  const end = Math.max(...times, begin + 1);
  const parts = Array.from({ length: count }, () => 0);
  for (const time of times) {
    const index = Math.min(count - 1, Math.floor(((time - begin) / (end - begin)) * count));
    parts[index] = (parts[index] ?? 0) + 1;
  }
  return { begin, end, parts };
}

const COLUMNS = ["created", "account", "request", "controllerId", "category", "comment", "ticketLink", "timeSpent", "status", "parameters"] as const;

/** RFC 4180. A leading `=`, `+`, `-`, `@` is made text, so that no spreadsheet takes it for a formula. */
export function auditCsv(entries: readonly AuditEntry[]): string {
  const cell = (value: unknown): string => {
    const plain = value === undefined ? "" : String(value);
    const safe = /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [COLUMNS.join(","), ...entries.map((entry) => COLUMNS.map((name) => cell(entry[name])).join(","))].join("\r\n") + "\r\n";
}

export const auditJsonLines = (entries: readonly AuditEntry[]): string => entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
