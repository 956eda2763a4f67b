/** Inventory objects in words: types, marks of their state, what a new one looks like, names and addresses. Pure. */
import { splitPath } from "./words";

export interface TypeLook {
  type: string;
  word: string;
  icon: string;
  /** To Controllers, by deployment; or to the Cockpit's own use, by release. */
  publishing: "deploy" | "release";
  /** What it is, for who makes one. */
  what: string;
  /** A new object of this type. */
  sample: unknown;
}

export const TYPES: readonly TypeLook[] = [
  {
    type: "WORKFLOW",
    word: "workflow",
    icon: "workflows",
    publishing: "deploy",
    what: "Steps that orders take: jobs, branches, waiting",
    sample: {
      timeZone: "Etc/UTC",
      instructions: [{ TYPE: "Execute.Named", jobName: "job", label: "job" }],
      jobs: { job: { agentName: "", executable: { TYPE: "ShellScriptExecutable", script: "#!/bin/sh\necho hello\n" } } },
    },
  },
  {
    type: "SCHEDULE",
    word: "schedule",
    icon: "schedule",
    publishing: "release",
    what: "When which orders start",
    sample: {
      workflowNames: [],
      planOrderAutomatically: true,
      submitOrderToControllerWhenPlanned: true,
      calendars: [{ calendarName: "", timeZone: "Etc/UTC", periods: [{ singleStart: "06:00:00", whenHoliday: "SUPPRESS" }] }],
    },
  },
  {
    type: "WORKINGDAYSCALENDAR",
    word: "working days",
    icon: "calendar",
    publishing: "release",
    what: "Days on which orders start",
    sample: { includes: { weekdays: [{ days: [1, 2, 3, 4, 5] }] } },
  },
  {
    type: "NONWORKINGDAYSCALENDAR",
    word: "non-working days",
    icon: "calendar",
    publishing: "release",
    what: "Holidays, on which they do not",
    sample: { includes: { dates: [] } },
  },
  { type: "LOCK", word: "lock", icon: "lock", publishing: "deploy", what: "How many orders may be somewhere at a time", sample: { limit: 1 } },
  {
    type: "NOTICEBOARD",
    word: "notice board",
    icon: "flag",
    publishing: "deploy",
    what: "Where one workflow tells others that they may go on",
    sample: { boardType: "GLOBAL", postOrderToNoticeId: "replaceAll($js7OrderId, '^#([0-9]{4}-[0-9]{2}-[0-9]{2})#.*$', '$1')", endOfLife: "$js7EpochMilli + 1 * 24 * 60 * 60 * 1000" },
  },
  { type: "JOBRESOURCE", word: "job resource", icon: "box", publishing: "deploy", what: "Values and environment that jobs share", sample: { arguments: {}, env: {} } },
  {
    type: "FILEORDERSOURCE",
    word: "file watch",
    icon: "eye",
    publishing: "deploy",
    what: "Makes an order of each file that arrives",
    sample: { workflowName: "", agentName: "", directoryExpr: "'/tmp/incoming'", pattern: ".*\\.csv", timeZone: "Etc/UTC", delay: 2 },
  },
  { type: "INCLUDESCRIPT", word: "include script", icon: "shell", publishing: "release", what: "Script text that jobs include", sample: { script: "" } },
  {
    type: "JOBTEMPLATE",
    word: "job template",
    icon: "copy",
    publishing: "release",
    what: "A job that workflows take over",
    sample: { executable: { TYPE: "ShellScriptExecutable", script: "#!/bin/sh\necho hello\n" } },
  },
  { type: "REPORT", word: "report", icon: "history", publishing: "release", what: "A report that is made regularly", sample: { templateName: "", frequencies: ["monthly"] } },
];

const FOLDER: Omit<TypeLook, "publishing" | "sample" | "what"> = { type: "FOLDER", word: "folder", icon: "folder" };

export function typeLook(type: string): Omit<TypeLook, "publishing" | "sample" | "what"> & Partial<TypeLook> {
  return TYPES.find((look) => look.type === type) ?? (type === "FOLDER" ? FOLDER : { type, word: type.toLowerCase(), icon: "question" });
}

export interface Mark {
  word: string;
  /** Colour token and glyph of the state, see domain/states.ts. */
  glyph: "FINISHED" | "INPROGRESS" | "PLANNED" | "FAILED" | "UNKNOWN";
  colour: "finished" | "inprogress" | "planned" | "failed" | "unknown";
  /** One sentence. */
  meaning: string;
}

const MARKS: Record<string, Mark> = {
  DEPLOYMENT_IS_NEWER: { word: "deployed", glyph: "FINISHED", colour: "finished", meaning: "Controllers have it as it is here." },
  RELEASE_IS_NEWER: { word: "released", glyph: "FINISHED", colour: "finished", meaning: "The Cockpit works by what is here." },
  DRAFT_IS_NEWER: { word: "draft is newer", glyph: "INPROGRESS", colour: "inprogress", meaning: "What runs is an older version." },
  DEPLOYMENT_NOT_EXIST: { word: "draft", glyph: "PLANNED", colour: "planned", meaning: "It has not been deployed." },
  RELEASE_NOT_EXIST: { word: "draft", glyph: "PLANNED", colour: "planned", meaning: "It has not been released." },
};

/** The mark of an object: what is wrong comes before what is published. */
export function markOf({ state, valid }: { state?: string | undefined; valid?: boolean | undefined }): Mark {
  if (valid === false) return { word: "not valid", glyph: "FAILED", colour: "failed", meaning: "It is stored, but it cannot be deployed or released before what is wrong is mended." };
  return MARKS[state ?? ""] ?? { word: "stored", glyph: "UNKNOWN", colour: "unknown", meaning: "It is neither deployed nor released." };
}

export const isDraft = (state: string): boolean => state === "DRAFT_IS_NEWER" || state.endsWith("_NOT_EXIST");
export const isPublished = (state: string): boolean => state === "DRAFT_IS_NEWER" || state.endsWith("_IS_NEWER");

/** The first segment that this version keeps for itself (`/inventory/trash`). */
const TRASH = "trash";

/** The address of an object, or of a folder. */
export function inventoryAddress(path: string, objectType?: string): { splat: string; type?: string } {
  const splat = path.replace(/^\/+/, "");
  if (objectType !== undefined && objectType !== "FOLDER") return { splat, type: objectType };
  // A folder that is called like the trash needs to say that it is one.
  return splat === TRASH ? { splat, type: "FOLDER" } : { splat };
}

export type InventoryPlace = { kind: "trash" } | { kind: "folder"; path: string } | { kind: "object"; path: string; objectType: string };

/** What an address shows. */
export function inventoryPlace(splat: string, type: string | undefined): InventoryPlace {
  if (splat === TRASH && type === undefined) return { kind: "trash" };
  const path = `/${splat.replace(/^\/+|\/+$/g, "")}`;
  return type === undefined || type === "FOLDER" || path === "/" ? { kind: "folder", path } : { kind: "object", path, objectType: type };
}

/** `/etl/eu/nightly` → `/etl`, `/etl/eu`: what has to be open in the tree for it to be seen. */
export function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

export const joinPath = (folder: string, name: string): string => `${folder === "/" ? "" : folder}/${name}`;

/** Why a name is not possible, as the server says it; the server checks more. */
export function nameFault(name: string): string | undefined {
  if (name.trim() === "") return "A name is missing.";
  if (name.includes("/")) return "A name has no slash; the folder is chosen beside it.";
  if (/\s/.test(name)) return "A name has no spaces; use - or _.";
  return undefined;
}

export interface TreeRow<Folder, Item> {
  key: string;
  level: number;
  /** Place among its siblings from 1, and how many they are. */
  place: number;
  of: number;
  folder?: Folder;
  item?: Item;
  open?: boolean;
  /** The folder is open, and its contents are not there yet. */
  loading?: boolean;
}

interface TreePart<Folder, Item> {
  folders: readonly Folder[];
  objects: readonly Item[];
}

/** The rows of the tree that are to be seen: folders first, then objects, of what is open and there. */
export function treeRows<Folder extends { path: string }, Item extends { path: string; objectType: string }>(
  parts: ReadonlyMap<string, TreePart<Folder, Item> | undefined>,
  open: ReadonlySet<string>,
  parent = "/",
  level = 1,
): TreeRow<Folder, Item>[] {
  const part = parts.get(parent);
  if (part === undefined) return [];
  const of = part.folders.length + part.objects.length;
  const folders = part.folders.flatMap((folder, index): TreeRow<Folder, Item>[] => {
    const isOpen = open.has(folder.path);
    const row = { key: `FOLDER ${folder.path}`, level, place: index + 1, of, folder, open: isOpen, loading: isOpen && parts.get(folder.path) === undefined };
    return isOpen ? [row, ...treeRows(parts, open, folder.path, level + 1)] : [row];
  });
  const items = part.objects.map((item, index) => ({ key: `${item.objectType} ${item.path}`, level, place: part.folders.length + index + 1, of, item }));
  return [...folders, ...items];
}

/** The row to which a key leads (ARIA tree pattern): its key, or an open or closed folder. */
export function treeStep<Folder extends { path: string }, Item>(
  rows: readonly TreeRow<Folder, Item>[],
  current: string,
  key: string,
): { go?: string; open?: string; close?: string } | undefined {
  const at = rows.findIndex((row) => row.key === current);
  const row = rows[at];
  if (row === undefined) return undefined;
  const parent = rows.slice(0, at).findLast((other) => other.level < row.level);
  const neighbour = { ArrowDown: rows[at + 1], ArrowUp: rows[at - 1], Home: rows[0], End: rows.at(-1) }[key];
  if (neighbour !== undefined) return { go: neighbour.key };
  if (key === "ArrowRight" && row.folder !== undefined) {
    const child = rows[at + 1];
    if (row.open !== true) return { open: row.folder.path };
    return child !== undefined && child.level > row.level ? { go: child.key } : undefined;
  }
  if (key === "ArrowLeft") {
    if (row.folder !== undefined && row.open === true) return { close: row.folder.path };
    return parent === undefined ? undefined : { go: parent.key };
  }
  return undefined;
}

export interface DeploymentGroup<Row> {
  commitId: string;
  time: number;
  account: string;
  rows: Row[];
  controllers: string[];
  /** Objects, whatever the number of Controllers. */
  objects: number;
  state: "deployed" | "refused" | "partly";
  message?: string;
}

interface DeploymentLike {
  commitId: string;
  account: string;
  controllerId: string;
  deploymentDate: string;
  deployType: string;
  path: string;
  state: string;
  errorMessage?: string;
}

/** Rows of one commit are one deployment, at all its Controllers; newest first. */
export function deploymentGroups<Row extends DeploymentLike>(rows: readonly Row[]): DeploymentGroup<Row>[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(row.commitId, [...(groups.get(row.commitId) ?? []), row]);
  return [...groups].map(([commitId, own]) => {
    const refused = own.filter(({ state }) => state !== "DEPLOYED");
    const message = refused.find(({ errorMessage }) => errorMessage !== undefined)?.errorMessage;
    return {
      commitId,
      time: Math.max(...own.map(({ deploymentDate }) => Date.parse(deploymentDate))),
      account: own[0]?.account ?? "",
      rows: own,
      controllers: [...new Set(own.map(({ controllerId }) => controllerId))],
      objects: new Set(own.map(({ deployType, path }) => `${deployType} ${path}`)).size,
      state: refused.length === 0 ? "deployed" : refused.length === own.length ? "refused" : "partly",
      ...(message === undefined ? {} : { message }),
    };
  });
}

/** The version of the same object at the same Controller that a row replaced, among older rows. */
export function versionBefore<Row extends DeploymentLike & { operation: string; deploymentId: number }>(rows: readonly Row[], row: Row): Row | undefined {
  const former = rows
    .filter((other) => other.deploymentId < row.deploymentId && other.state === "DEPLOYED" && other.controllerId === row.controllerId && other.deployType === row.deployType && splitPath(other.path).name === splitPath(row.path).name)
    .sort((one, other) => other.deploymentId - one.deploymentId)[0];
  return former?.operation === "UPDATE" ? former : undefined;
}
