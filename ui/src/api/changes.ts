/**
 * Every change a person can make, as the very request that is sent; "Show as" is written from the same object (ui.md P5).
 * Pure: sending is `change` in http.ts.
 */
import { type Position } from "./types";

export interface Change {
  /** Below `/joc/api/`. */
  path: string;
  body: Record<string, unknown>;
  /** Of our own command line, where it has the verb. */
  cli?: string[];
  /** The vendor's script and its arguments, where there is one. */
  vendor?: string[];
}

export interface AddOrderRequest {
  controllerId: string;
  workflowPath: string;
  orderName?: string;
  /** Absent: now. Else `never`, `now + 900`, or `yyyy-mm-dd HH:mm:ss` in `timeZone`. */
  scheduledFor?: string;
  timeZone?: string;
  arguments?: Record<string, unknown>;
  startPosition?: string;
  tags?: string[];
  priority?: number;
  forceJobAdmission?: boolean;
}

export function addOrder(request: AddOrderRequest): Change {
  const { controllerId, ...order } = request;
  const kept = withoutEmpty(order);
  const cli = ["order", "add", request.workflowPath];
  const vendor = ["add-order", `--controller-id=${controllerId}`, `--workflow=${request.workflowPath}`];
  if (request.orderName) {
    cli.push("--name", request.orderName);
    vendor.push(`--order-name=${request.orderName}`);
  }
  if (request.scheduledFor) {
    cli.push("--at", request.scheduledFor);
    vendor.push(`--date-to=${request.scheduledFor}`);
  }
  for (const [name, value] of Object.entries(request.arguments ?? {}))
    cli.push("--argument", `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return { path: "orders/add", body: { controllerId, orders: [kept] }, cli, vendor };
}

interface OrderSelection {
  controllerId: string;
  orderIds: string[];
  comment?: string;
}

function selection({ controllerId, orderIds, comment }: OrderSelection): Record<string, unknown> {
  const body: Record<string, unknown> = { controllerId, orderIds };
  if (comment) body["auditLog"] = { comment };
  return body;
}

function verb(name: string, orders: OrderSelection, options: Record<string, unknown> = {}): Change {
  const given = withoutEmpty(options);
  const flags = Object.entries(given).map(([key, value]) => (value === true ? `--${kebab(key)}` : `--${kebab(key)}=${plain(value)}`));
  return {
    path: `orders/${name}`,
    body: { ...selection(orders), ...given },
    cli: ["order", name, ...orders.orderIds, ...flags],
    vendor: [`${name}-order`, `--controller-id=${orders.controllerId}`, `--order-id=${orders.orderIds.join(",")}`, ...flags],
  };
}

export const cancelOrders = (orders: OrderSelection & { kill?: boolean; deep?: boolean }): Change =>
  verb("cancel", orders, { kill: orders.kill, deep: orders.deep });

export const suspendOrders = (orders: OrderSelection & { kill?: boolean; deep?: boolean; reset?: boolean }): Change =>
  verb("suspend", orders, { kill: orders.kill, deep: orders.deep, reset: orders.reset });

export const resumeOrders = (
  orders: OrderSelection & { fromCurrentBlock?: boolean; position?: string | Position; force?: boolean },
): Change =>
  verb("resume", orders, { fromCurrentBlock: orders.fromCurrentBlock, position: orders.position, force: orders.force });

export const confirmOrders = (orders: OrderSelection): Change => verb("confirm", orders);

interface Steered {
  controllerId: string;
  comment?: string;
}

function steering(path: string, { controllerId, comment }: Steered, body: Record<string, unknown>, cli?: string[]): Change {
  const request = { path, body: { controllerId, ...body, ...(comment ? { auditLog: { comment } } : {}) } };
  return cli === undefined ? request : { ...request, cli };
}

export const switchOverControllers = (steered: Steered): Change =>
  steering("controller/cluster/switchover", steered, {}, ["cluster", "switch-over", "--yes"]);

export const switchOverDirectors = (steered: Steered & { agentId: string }): Change =>
  steering("agent/cluster/switchover", steered, { agentId: steered.agentId });

export const confirmLossOfController = (steered: Steered & { url: string }): Change =>
  steering("controller/cluster/confirm_node_loss", steered, { url: steered.url }, ["cluster", "confirm-loss", steered.url, "--yes"]);

export const confirmLossOfDirector = (steered: Steered & { agentId: string }): Change =>
  steering("agent/cluster/confirm_node_loss", steered, { agentId: steered.agentId });

export const endController = (steered: Steered & { url: string; restart: boolean; withSwitchover: boolean }): Change =>
  steering(steered.restart ? "controller/restart" : "controller/terminate", steered, {
    url: steered.url,
    withSwitchover: steered.withSwitchover,
  });

export const switchCockpit = ({ memberId, comment }: { memberId: string; comment?: string }): Change => ({
  path: "joc/cluster/switch_member",
  body: { memberId, ...(comment ? { auditLog: { comment } } : {}) },
});

interface AlertSelection {
  ids: readonly number[];
  comment?: string;
}

const alerts = (name: string, { ids, comment }: AlertSelection, more: object = {}, flags: string[] = []): Change => ({
  path: `stellwerk/alerts/${name}`,
  body: { ids, ...more, ...(comment ? { comment, auditLog: { comment } } : {}) },
  cli: ["notify", name, ...ids.map(String), ...flags, ...(comment ? ["--comment", comment] : [])],
});

export const acknowledgeAlerts = (selected: AlertSelection): Change => alerts("acknowledge", selected);
export const resolveAlerts = (selected: AlertSelection): Change => alerts("resolve", selected);
/** `hours` 0: no longer muted. */
export const muteAlerts = (selected: AlertSelection & { hours: number; now: number }): Change =>
  alerts("mute", selected, selected.hours === 0 ? {} : { until: selected.now + selected.hours * 3_600_000 }, [
    "--for",
    selected.hours === 0 ? "off" : `${selected.hours}h`,
  ]);

export const testChannel = (name: string): Change => ({ path: "stellwerk/channels/test", body: { name }, cli: ["notify", "test", name] });
export const retryChannel = (name: string): Change => ({ path: "stellwerk/channels/retry", body: { name }, cli: ["notify", "retry", name] });

export const storeNotification = (configuration: string): Change => ({ path: "notification/store", body: { configuration } });
export const releaseNotification = (configuration: string): Change => ({ path: "notification/release", body: { configuration } });
export const deleteNotificationDraft = (): Change => ({ path: "notification/delete", body: {} });

/** The texts of "Show as": what a script would send. The token is a variable: it is never shown. */
export function showAs(request: Change, origin: string): { curl: string; stellwerk?: string; vendor?: string } {
  const body = JSON.stringify(request.body);
  const curl = [
    `curl -X POST ${origin}/joc/api/${request.path}`,
    `  -H "X-Access-Token: $TOKEN" -H 'Content-Type: application/json'`,
    `  -d ${quoted(body)}`,
  ].join(" \\\n");
  const texts = request.cli === undefined ? { curl } : { curl, stellwerk: ["stellwerk", ...request.cli].map(quoted).join(" ") };
  if (request.vendor === undefined) return texts;
  const script = ["operate-workflow.sh", ...request.vendor.map(quoted), `--url=${origin}`, "--user=$ACCOUNT"].join(" ");
  return { ...texts, vendor: script };
}

/** A word of a POSIX shell line. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function withoutEmpty(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) =>
        value !== undefined &&
        value !== "" &&
        value !== false &&
        !(Array.isArray(value) && value.length === 0) &&
        !(typeof value === "object" && value !== null && Object.keys(value).length === 0),
    ),
  );
}

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
