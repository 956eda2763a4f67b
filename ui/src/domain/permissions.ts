/**
 * Permissions as people see them (cockpit-services 7.3, ui.md P11, S18): what a session may do, and what the rows of a role
 * grant, exclude and inherit. Pure. Names are in the short form `joc:dailyplan:view`, `ctl:orders:cancel`; rows of roles
 * hold the long form.
 */

/** The API's nested booleans. */
export interface PermissionTree {
  [name: string]: boolean | PermissionTree;
}

export interface SessionPermissions {
  roles: string[];
  joc: PermissionTree;
  controllerDefaults: PermissionTree;
  controllers: Record<string, PermissionTree>;
}

const CAMEL: Record<string, string> = { auditlog: "auditLog", dailyplan: "dailyPlan", filetransfer: "fileTransfer", noticeboards: "noticeBoards" };

function camel(part: string): string {
  return CAMEL[part] ?? part.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Without a Controller: whether it is permitted at any. */
export function may(session: SessionPermissions, permission: string, controllerId?: string): boolean {
  const [kind, ...parts] = permission.split(":");
  if (kind === "joc") return told(session.joc, parts);
  const own = controllerId === undefined ? Object.values(session.controllers) : [session.controllers[controllerId] ?? session.controllerDefaults];
  const trees = controllerId === undefined ? [session.controllerDefaults, ...own] : own;
  return trees.some((tree) => told(tree, parts));
}

function told(tree: PermissionTree, parts: readonly string[]): boolean {
  let node: boolean | PermissionTree | undefined = tree;
  for (const part of parts) node = typeof node === "object" ? node[camel(part)] : undefined;
  return node === true;
}

const PLAIN = Object.fromEntries(Object.entries(CAMEL).map(([plain, name]) => [name, plain]));

/** The specification's name of a member of the tree. */
const plain = (name: string): string => PLAIN[name] ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export interface PermissionNode {
  /** The long form. */
  path: string;
  /** The last part, in words. */
  word: string;
  level: number;
  isLeaf: boolean;
}

/** All permissions that there are, as the server tells them, as rows: parents before children. */
export function permissionRows({ controllerDefaults, joc }: SessionPermissions): PermissionNode[] {
  const rows: PermissionNode[] = [{ path: "sos:products", word: "everything", level: 0, isLeaf: false }];
  const add = (path: string, word: string, level: number, node: boolean | PermissionTree) => {
    rows.push({ path, word, level, isLeaf: typeof node === "boolean" });
    if (typeof node !== "boolean")
      for (const [name, child] of Object.entries(node)) add(`${path}:${plain(name)}`, plain(name).replaceAll("_", " "), level + 1, child);
  };
  add("sos:products:controller", "at Controllers", 1, controllerDefaults);
  add("sos:products:joc", "in the Cockpit", 1, joc);
  return rows;
}

/** A row of a role, for all Controllers (empty id) or one. */
export interface Grant {
  permissionPath: string;
  excluded: boolean;
}

/** `granted`, `excluded`: by a row of its own; `inherited`, `barred`: by a row above it, or of all Controllers. */
export type Held = "granted" | "excluded" | "inherited" | "barred" | "none";

export const covers = (granted: string, wanted: string): boolean => wanted === granted || wanted.startsWith(`${granted}:`);

/** What the rows of one column say, below those that hold for all Controllers. */
export function held(path: string, own: readonly Grant[], general: readonly Grant[] = []): Held {
  const row = own.find((grant) => normal(grant.permissionPath) === path);
  const all = [...own, ...general].map((grant) => ({ ...grant, permissionPath: normal(grant.permissionPath) }));
  const isBarred = all.some((grant) => grant.excluded && covers(grant.permissionPath, path));
  if (row !== undefined) return row.excluded ? "excluded" : isBarred ? "barred" : "granted";
  if (isBarred) return "barred";
  return all.some((grant) => !grant.excluded && covers(grant.permissionPath, path)) ? "inherited" : "none";
}

/** The misspelt legacy form is the same permission. */
const normal = (path: string): string => path.replace(":joc:adminstration:", ":joc:administration:");

/** What `Space` does in the matrix. */
export function nextHeld(now: Held): "granted" | "excluded" | "none" {
  return now === "granted" ? "excluded" : now === "excluded" ? "none" : "granted";
}

export interface RoleRows {
  name: string;
  /** By Controller id; the empty one holds for all. */
  permissions: Record<string, Grant[]>;
  folders: Record<string, { folder: string; recursive: boolean }[]>;
}

/** May an account with these roles do it, there, and why (ui.md S18 "Try as"). */
export function explain(roles: readonly RoleRows[], permission: string, controllerId: string, path: string | undefined): { may: boolean; why: string[] } {
  const granting: string[] = [];
  const barring: string[] = [];
  for (const role of roles)
    for (const scope of controllerId === "" ? [""] : ["", controllerId])
      for (const grant of role.permissions[scope] ?? []) {
        if (!covers(normal(grant.permissionPath), permission)) continue;
        const words = `role ${role.name} ${grant.excluded ? "excludes" : "grants"} ${grant.permissionPath}${scope === "" ? "" : ` at ${scope}`}`;
        (grant.excluded ? barring : granting).push(words);
      }
  if (barring.length > 0) return { may: false, why: barring };
  if (granting.length === 0) return { may: false, why: [`no role grants ${permission}`] };
  if (path === undefined || path === "") return { may: true, why: granting };
  const folders = roles.flatMap((role) => (controllerId === "" ? Object.values(role.folders) : [role.folders[""] ?? [], role.folders[controllerId] ?? []]).flat());
  if (folders.length === 0) return { may: true, why: [...granting, "no role is restricted to folders"] };
  const folder = folders.find((one) => inFolder(path, one.folder, one.recursive));
  if (folder === undefined) return { may: false, why: [`the roles are restricted to ${folders.map(folderWords).join(", ")}`] };
  return { may: true, why: [...granting, `${path} lies in ${folderWords(folder)}`] };
}

function inFolder(path: string, folder: string, recursive: boolean): boolean {
  const parent = path.slice(0, path.lastIndexOf("/")) || "/";
  if (path === folder || parent === folder) return true;
  return recursive && (folder === "/" || path.startsWith(`${folder}/`));
}

export function folderWords({ folder, recursive }: { folder: string; recursive: boolean }): string {
  return recursive ? `${folder === "/" ? "" : folder}/**` : `${folder} (this folder)`;
}
