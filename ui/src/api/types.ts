/**
 * Shapes of the Cockpit's answers that the screens read: the native rows of ui.md 4.4 and the compatible types of
 * cockpit-api.md 8. Times are epoch milliseconds; an absent field is unknown, never zero.
 */

/** Alternating instruction number and branch id, e.g. `[0, "fork+eu", 1]` (workflow-language.md 3.1). */
export type Position = (number | string)[];

export interface WorkflowId {
  path: string;
  versionId?: string;
}

export interface OrderState {
  _text: string;
  _reason?: string;
  since?: number;
  until?: number;
}

export interface Outcome {
  _text?: string;
  TYPE?: string;
  returnCode?: number;
  message?: string;
}

/** A verb's answer: `true`, or the code or words of why it is refused. */
export type Permission = boolean | string;

export interface OrderVerbs {
  suspend?: Permission;
  resume?: Permission;
  cancel?: Permission;
  continue?: Permission;
  confirm?: Permission;
}

/** A row of `orders` and of topic `order:<id>`. */
export interface OrderRow {
  controllerId: string;
  orderId: string;
  workflow: WorkflowId;
  position?: Position;
  positionString?: string;
  label?: string;
  state: OrderState;
  marked?: string;
  agentId?: string;
  subagentId?: string;
  job?: string;
  scheduledFor?: number;
  startedAt?: number;
  lastOutcome?: Outcome;
  errorKey?: string;
  retry?: { n: number; max?: number };
  children?: { total: number; byState: Record<string, number> };
  parent?: string;
  /** The question of a prompt: usually a text, but any JSON value may be asked. */
  prompt?: unknown;
  late?: number;
  tags?: string[];
  arguments?: Record<string, unknown>;
  stderrLines?: number;
  can?: OrderVerbs;
  historyId?: number | string;
  taskId?: number | string;
  rev?: number;
}

export interface RunMark {
  historyId: number | string;
  orderId?: string;
  end?: number;
  ms?: number;
  outcome: string;
}

/** A row of `workflows` and of topic `workflow:<path>`. */
export interface WorkflowRow {
  controllerId?: string;
  path: string;
  title?: string;
  versionId?: string;
  deployedAt?: number;
  sync?: { _text: string };
  suspended?: { since?: number; by?: string };
  counts?: { byState: Record<string, number> };
  nodes?: Record<string, { byState: Record<string, number> }>;
  lastRuns?: RunMark[];
  usual?: { p50: number; p90: number };
  nextStart?: number;
  tags?: string[];
  rev?: number;
}

/** A row of `history/orders` or `history/tasks`. */
export interface HistoryRow {
  controllerId?: string;
  historyId?: number | string;
  taskId?: number | string;
  orderId: string;
  workflow: string | WorkflowId;
  job?: string;
  label?: string;
  position?: Position | string;
  planned?: number;
  start?: number;
  end?: number;
  ms?: number;
  outcome: string;
  message?: string;
  returnCode?: number;
  errorKey?: string;
  attempt?: number;
  agentId?: string;
  subagentId?: string;
  logBytes?: number;
  logLines?: number;
  stderrLines?: number;
}

export type StatisticsOf = "orders" | "tasks";

/** Counts starts from `from` to `to`; not whole: there was too much, and `from` is later than asked for. */
interface StatisticsSpan {
  from: number;
  to: number;
  isWhole: boolean;
}

/** `stats/throughput`; `bucket` in milliseconds. */
export interface Throughput extends StatisticsSpan {
  bucket: number;
  buckets: { start: number; successful: number; incomplete: number; failed: number }[];
}

/** `stats/durations`, `stats/failures`, `stats/agents`. */
export interface StatisticsRows<Row> extends StatisticsSpan {
  rows: Row[];
}

/** Durations in milliseconds, of what has ended. */
export interface Durations {
  workflow: string;
  job?: string;
  count: number;
  successful: number;
  failed: number;
  p50?: number;
  p90?: number;
  p99?: number;
  longest?: number;
  total?: number;
}

export interface Failure {
  workflow: string;
  job?: string;
  error?: string;
  count: number;
  last: number;
}

export interface AgentLoad {
  agentId: string;
  count: number;
  failed: number;
  /** Milliseconds. */
  busy?: number;
}

/** A task whose log has the text, with the first lines that do. */
export interface LogHit {
  task: HistoryRow;
  lines: { n: number; t: number; ch: string; txt?: string }[];
  hasMoreLines?: boolean;
}

/** `history/search`; `next`: there may be more further back. */
export interface LogSearch {
  hits: LogHit[];
  next?: string;
}

/** One page of rows by key set. */
export interface Page<Row> {
  rows: Row[];
  next?: string;
  prev?: string;
  total?: number;
  totalIsExact?: boolean;
  asOf?: number;
}

export interface AttentionSample {
  orderId?: string;
  workflow?: string;
  [key: string]: unknown;
}

export interface AttentionGroup {
  id?: string;
  kind: string;
  severity: string | number;
  title: string;
  count: number;
  since?: number;
  sample: (string | AttentionSample)[];
  link?: string;
  remedy?: string;
}

export interface Counts {
  counts: Record<string, number>;
  asOf?: number;
}

export interface TopologyNode {
  id: string;
  kind: string;
  role?: string;
  state: string;
  url?: string;
  version?: string;
  startedAt?: number;
  message?: string;
  /** The cluster that it belongs to, and its name there. */
  cluster?: string;
  name?: string;
  controllerId?: string;
  subagentId?: string;
  memberId?: string;
  term?: number;
  lastSeen?: number;
  /** Bytes. */
  journal?: { bytes: number; free: number };
  cert?: { end: number };
  can?: Record<string, Permission>;
}

export interface TopologyLink {
  from: string;
  to: string;
  state: string;
  since?: number;
  lagEvents?: number;
  lagBytes?: number;
  /** When `to` has last heard `from`. */
  lastSeen?: number;
  error?: string;
}

/** What has happened to a pair; without `time` and `event`: read from a snapshot. */
export interface ClusterChange {
  state: string;
  time?: number;
  event?: string;
  active?: string;
  lost?: string;
}

export interface ClusterWatch {
  id: string;
  connected: boolean;
  decides: boolean;
  lastSeen?: number;
}

/** A pair of Controllers or Directors, or the Cockpits that share a database (ui.md S15). */
export interface Cluster {
  id: string;
  kind: "controller" | "agent" | "cockpit";
  name: string;
  state: string;
  nodes: string[];
  controllerId?: string;
  agentId?: string;
  since?: number;
  term?: number;
  active?: string;
  readiness?: { canFailOver: boolean; reason?: string; silenceLimit?: number; needsConfirmation?: boolean };
  watches?: ClusterWatch[];
  watchesNeeded?: number;
  lossToConfirm?: string;
  lastChange?: ClusterChange;
  history?: ClusterChange[];
  can?: Record<string, Permission>;
}

export interface Topology {
  nodes: TopologyNode[];
  links: TopologyLink[];
  clusters?: Cluster[];
  asOf?: number;
}

/** An engine event of one order, newest knowledge of any component. */
export interface OrderEvent {
  eventId: number;
  time: number;
  source?: string;
  type: string;
  orderId?: string;
  position?: Position | string;
  payload: Record<string, unknown>;
}

export interface LogLine {
  /** Line number from 1. */
  n: number;
  /** Epoch milliseconds. */
  t: number;
  /** Channel: `out`, `err`, `main`, `detail`. */
  ch: string;
  lvl?: string;
  txt: string;
}

export interface LogRange {
  lines: LogLine[];
  totalLines: number;
  totalBytes: number;
  complete: boolean;
  removed?: boolean;
}

export interface LogIndex {
  errors: number[];
}

/** `authentication/login` (cockpit-api.md 1.2). */
export interface LoginAnswer {
  accessToken: string;
  account: string;
  isAuthenticated: boolean;
  message?: string;
  role?: string;
  /** `<type>:<name>` */
  identityService?: string;
  sessionTimeout?: number;
  forcePasswordChange?: boolean;
  /** The first factor is right, and this service asks for the second one; there is no token yet. Spelled so by the API. */
  secondFactoridentityService?: string;
}

/** Anything under `workflow.instructions`; the graph reads what it knows and keeps the rest. */
export interface InstructionJson {
  TYPE: string;
  label?: string;
  position?: Position;
  positionString?: string;
  [field: string]: unknown;
}

export interface JobJson {
  agentName?: string;
  agentPath?: string;
  executable?: { TYPE: string; script?: string; command?: string; path?: string; env?: Record<string, string> };
  title?: string;
  timeout?: number;
  [field: string]: unknown;
}

export interface ParameterJson {
  type?: string | { TYPE?: string; elementType?: unknown; [field: string]: unknown } | null;
  default?: unknown;
  final?: string;
  listParameters?: Record<string, { type?: string; default?: unknown }>;
  list?: { name?: string; value?: string }[] | string[];
  facet?: string;
  message?: string;
}

export interface OrderPreparationJson {
  parameters?: Record<string, ParameterJson>;
  allowUndeclared?: boolean;
}

export interface WorkflowJson {
  path: string;
  versionId?: string;
  versionDate?: string;
  isCurrentVersion?: boolean;
  title?: string;
  timeZone?: string;
  suspended?: boolean;
  state?: { _text?: string };
  instructions?: InstructionJson[];
  jobs?: Record<string, JobJson>;
  orderPreparation?: OrderPreparationJson;
}

/** A row of `alerts` (ui.md S16): the same thing at the same place. */
export interface AlertRow {
  key: string;
  id: number;
  kind: string;
  severity: "error" | "warning";
  state: "open" | "acknowledged" | "resolved";
  title: string;
  count: number;
  first: number;
  last: number;
  stateSince: number;
  controllerId?: string;
  workflow?: string;
  job?: string;
  message?: string;
  account?: string;
  comment?: string;
  mutedUntil?: number;
  orderId?: string;
  historyId?: number;
  taskId?: number;
  /** Channel → waiting, sent, dead. */
  channels?: Record<string, string>;
}

export interface AlertsPage extends Page<AlertRow> {
  counts?: Partial<Record<AlertRow["state"], number>>;
  lastResolved?: number;
}

export interface AlertDetail {
  alert: AlertRow;
  occurrences: { notificationId: number; type: string; time: number; message?: string; orderId?: string; historyId?: number; taskId?: number }[];
  deliveries: { name: string; type: string; state: string; attempts: number; errorText?: string; created: string; messageId: string }[];
}

export interface ChannelRow {
  name: string;
  kind: string;
  isConfigured: boolean;
  waiting: number;
  sent: number;
  dead: number;
  lastSent?: number;
  lastError?: string;
}

/** The notification configuration (`notification`). */
export interface NotificationConfiguration {
  configuration: string;
  state: string;
  released: boolean;
  hasReleases: boolean;
  validation?: { validationError?: { message: string; line?: number } };
  configurationDate?: string;
}
