/** The inventory: shapes of answers, and changes as the very requests that are sent (ui.md S13, S14). Pure. */
import { type Change } from "./changes";

export interface Finding {
  /** `$.instructions[0].label` */
  path: string;
  message: string;
  remedy?: string;
}

export interface FolderCount {
  objects: number;
  drafts: number;
  invalid: number;
}

export interface TreeFolder {
  path: string;
  name: string;
  count: FolderCount;
  hasFolders: boolean;
}

export interface TreeObject {
  id: number;
  path: string;
  name: string;
  objectType: string;
  state: string;
  valid: boolean;
  modified: number;
  title?: string;
}

export interface Tree {
  path: string;
  folders: TreeFolder[];
  objects: TreeObject[];
  mayChange: boolean;
}

/** At the other end of a reference; without a path: nothing has this name, or it may not be seen. */
export interface Neighbour {
  name: string;
  objectType: string;
  path?: string;
  state?: string;
  valid?: boolean;
  hidden?: boolean;
}

export interface ObjectVersion {
  commitId: string;
  operation: "update" | "delete";
  account: string;
  time: number;
  path: string;
  at: { controllerId: string; current: boolean }[];
  refused?: string;
}

export interface EditedObject {
  id: number;
  path: string;
  name: string;
  objectType: string;
  configuration: unknown;
  revision: string;
  modified: number;
  state: string;
  valid: boolean;
  problems: Finding[];
  uses: Neighbour[];
  usedBy: Neighbour[];
  versions: ObjectVersion[];
  release?: { time: number; path: string; configuration: unknown };
  can: { change: boolean; publish: boolean; controllers: string[] };
}

export interface Stored {
  id: number;
  path: string;
  configuration: unknown;
  revision: string;
  problems: Finding[];
}

/** What publishing an object changes at one Controller; without `controllerId`: in the Cockpit, by a release. */
export interface TargetChange {
  action: "create" | "change" | "same";
  controllerId?: string;
  commitId?: string;
  before?: unknown;
  orders?: number;
}

export interface PublishedObject {
  id: number;
  path: string;
  objectType: string;
  reason: "chosen" | "needed" | "refers";
  because?: string;
  after: unknown;
  valid: boolean;
  invalidMsg?: string;
  published: boolean;
  changes: TargetChange[];
}

export interface TrashItem {
  id: number;
  path: string;
  name: string;
  objectType: string;
  modified: string;
  title?: string;
}

/** A row of `inventory/deployment/history`: one object at one Controller. */
export interface DeploymentRow {
  account: string;
  commitId: string;
  controllerId: string;
  deploymentDate: string;
  deploymentId: number;
  deployType: string;
  path: string;
  folder: string;
  operation: "UPDATE" | "DELETE";
  state: "DEPLOYED" | "NOT_DEPLOYED";
  errorMessage?: string;
}

export interface ObjectId {
  path: string;
  objectType: string;
}

// --- changes -----------------------------------------------------------------------------------------------------------

/** The word for a type on the command line. */
const cliType = (objectType: string): string => objectType.toLowerCase();

interface Commented {
  comment?: string;
}

const audited = ({ comment }: Commented): Record<string, unknown> => (comment ? { auditLog: { comment } } : {});

export const storeObject = (object: ObjectId & { configuration: unknown; revision?: string | undefined }): Change => ({
  path: "stellwerk/inventory/store",
  body: {
    path: object.path,
    objectType: object.objectType,
    configuration: object.configuration,
    ...(object.revision === undefined ? {} : { revision: object.revision }),
  },
});

/** Folders have no content; neither is there anything to overwrite. */
export const createFolder = (path: string): Change => ({ path: "inventory/store", body: { path, objectType: "FOLDER" } });

export const renameObject = ({ path, objectType }: ObjectId, newPath: string): Change => ({
  path: "inventory/rename",
  body: { path, objectType, newPath },
});

export const copyObject = ({ path, objectType }: ObjectId, newPath: string): Change => ({
  path: "inventory/copy",
  body: { path, objectType, newPath, shallowCopy: true },
});

export const removeObject = ({ path, objectType }: ObjectId, options: Commented = {}): Change => ({
  path: "inventory/remove",
  body: { objects: [{ path, objectType }], ...audited(options) },
  cli: ["inventory", "remove", path, "--type", cliType(objectType)],
});

export const restoreObject = ({ path, objectType }: ObjectId, newPath?: string): Change => ({
  path: "inventory/trash/restore",
  body: { path, objectType, ...(newPath === undefined || newPath === path ? {} : { newPath }) },
  cli: ["inventory", "restore", path, "--type", cliType(objectType), ...(newPath === undefined || newPath === path ? [] : ["--to", newPath])],
});

export const deleteForGood = (objects: readonly ObjectId[]): Change => ({
  path: "inventory/trash/delete",
  body: { objects: objects.map(({ path, objectType }) => ({ path, objectType })) },
});

export const revertDraft = ({ path, objectType }: ObjectId): Change => ({
  path: "inventory/delete_draft",
  body: { objects: [{ path, objectType }] },
});

const published = ({ path, objectType }: ObjectId, commitId?: string) => ({
  configuration: { path, objectType, ...(commitId === undefined ? {} : { commitId }) },
});

export const deployDrafts = (objects: readonly ObjectId[], controllerIds: readonly string[], options: Commented = {}): Change => ({
  path: "inventory/deployment/deploy",
  body: { controllerIds, store: { draftConfigurations: objects.map((object) => published(object)) }, ...audited(options) },
});

/** Versions that have been deployed before, to these Controllers (again). */
export const deployVersions = (objects: readonly (ObjectId & { commitId: string })[], controllerIds: readonly string[], options: Commented = {}): Change => ({
  path: "inventory/deployment/deploy",
  body: { controllerIds, store: { deployConfigurations: objects.map((object) => published(object, object.commitId)) }, ...audited(options) },
});

export const revokeObjects = (objects: readonly ObjectId[], controllerIds: readonly string[], options: Commented = {}): Change => ({
  path: "inventory/deployment/revoke",
  body: { controllerIds, deployConfigurations: objects.map((object) => published(object)), ...audited(options) },
});

export const releaseObjects = (objects: readonly ObjectId[], options: Commented = {}): Change => ({
  path: "inventory/release",
  body: { update: objects.map(({ path, objectType }) => ({ path, objectType })), ...audited(options) },
});

export const recallObjects = (objects: readonly ObjectId[], options: Commented = {}): Change => ({
  path: "inventory/releasables/recall",
  body: { releasables: objects.map(({ path, objectType }) => ({ path, objectType })), ...audited(options) },
});

export interface ExportChoice {
  folder: string;
  recursive: boolean;
  withDrafts: boolean;
  format: "ZIP" | "TAR_GZ";
  fileName: string;
}

export const exportFolder = ({ folder, recursive, withDrafts, format, fileName }: ExportChoice): Change => ({
  path: "inventory/export/folder",
  body: {
    exportFile: { filename: fileName, format },
    shallowCopy: { folders: [folder], recursive, onlyValidObjects: false, withoutDrafts: !withDrafts },
  },
  cli: ["inventory", "export", fileName, "--folder", folder, ...(withDrafts ? [] : ["--published"])],
});

export interface ImportChoice {
  folder: string;
  taken: "keep" | "replace" | "suffix";
  suffix: string;
}

/** The fields of the form that goes with the archive. */
export const importFields = ({ folder, taken, suffix }: ImportChoice): Record<string, string> => ({
  targetFolder: folder,
  overwrite: String(taken === "replace"),
  ...(taken === "suffix" && suffix !== "" ? { suffix } : {}),
});
