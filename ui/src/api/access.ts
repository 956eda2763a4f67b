/** Identity services, accounts, roles, sessions, block list (cockpit-api 2.3): shapes, reads, changes. */
import { queryOptions } from "@tanstack/react-query";
import type { Grant, RoleRows } from "../domain/permissions";
import { type Change } from "./changes";
import { post } from "./http";

export interface IdentityService {
  identityServiceType: string;
  identityServiceName: string;
  serviceAuthenticationScheme: string;
  ordering: number | null;
  disabled: boolean;
  required: boolean;
  secondFactor: boolean;
  secondFactorIdentityServiceName?: string;
}

export interface Account {
  accountName: string;
  email?: string;
  disabled: boolean;
  blocked: boolean;
  forcePasswordChange: boolean;
  roles: string[];
}

export interface Role {
  roleName: string;
  ordering: number;
}

export interface Folder {
  folder: string;
  recursive: boolean;
}

export interface ActiveSession {
  id: string;
  accountName: string;
  identityService: string;
  /** Milliseconds until it ends if nothing is done with it. */
  timeout: number;
}

export interface BlockedAccount {
  accountName: string;
  since: string;
  comment?: string;
}

const ACCESS = ["access"] as const;
export const ACCESS_KEYS = [ACCESS, ["permissions"]];

export const servicesQuery = () =>
  queryOptions({
    queryKey: [...ACCESS, "services"],
    queryFn: ({ signal }) => post<{ identityServiceItems: IdentityService[]; identityServiceTypes: string[] }>("iam/identityservices", {}, signal),
    staleTime: 10_000,
  });

export const serviceSettingsQuery = (service: IdentityService) =>
  queryOptions({
    queryKey: [...ACCESS, "settings", service.identityServiceName],
    queryFn: async ({ signal }) => {
      const key = { configurationType: "IAM", objectType: service.identityServiceType, name: service.identityServiceName };
      return (await post<{ configuration: { configurationItem: string } }>("configuration", key, signal)).configuration.configurationItem;
    },
    staleTime: 0,
  });

export const accountsQuery = (identityServiceName: string) =>
  queryOptions({
    queryKey: [...ACCESS, "accounts", identityServiceName],
    enabled: identityServiceName !== "",
    queryFn: async ({ signal }) => (await post<{ accountItems: Account[] }>("iam/accounts", { identityServiceName }, signal)).accountItems,
    staleTime: 10_000,
  });

export const rolesQuery = (identityServiceName: string) =>
  queryOptions({
    queryKey: [...ACCESS, "roles", identityServiceName],
    enabled: identityServiceName !== "",
    queryFn: async ({ signal }) => (await post<{ roles: Role[] }>("iam/roles", { identityServiceName }, signal)).roles,
    staleTime: 10_000,
  });

export const controllersQuery = () =>
  queryOptions({
    queryKey: ["controllers"],
    queryFn: async ({ signal }) => (await post<{ controllerIds?: string[] }>("controller/ids", {}, signal)).controllerIds ?? [],
    staleTime: 60_000,
  });

/** The permissions and folders of a role, for all Controllers and for each. */
export const roleRowsQuery = (identityServiceName: string, roleName: string, controllerIds: readonly string[]) =>
  queryOptions({
    queryKey: [...ACCESS, "role", identityServiceName, roleName, controllerIds],
    enabled: roleName !== "",
    queryFn: ({ signal }) => roleRows(identityServiceName, roleName, controllerIds, signal),
    staleTime: 10_000,
  });

export async function roleRows(identityServiceName: string, roleName: string, controllerIds: readonly string[], signal: AbortSignal): Promise<RoleRows> {
  const rows: RoleRows = { name: roleName, permissions: {}, folders: {} };
  await Promise.all(
    ["", ...controllerIds].map(async (controllerId) => {
      const scope = { identityServiceName, roleName, controllerId };
      const [granted, restricted] = await Promise.all([
        post<{ permissions: Grant[] }>("iam/permissions", scope, signal),
        post<{ folders: Folder[] }>("iam/folders", scope, signal),
      ]);
      rows.permissions[controllerId] = granted.permissions;
      rows.folders[controllerId] = restricted.folders;
    }),
  );
  return rows;
}

export const sessionsQuery = () =>
  queryOptions({
    queryKey: [...ACCESS, "sessions"],
    queryFn: async ({ signal }) => (await post<{ activeSessions: ActiveSession[] }>("iam/sessions", {}, signal)).activeSessions,
    refetchInterval: 15_000,
  });

export const blockedQuery = () =>
  queryOptions({
    queryKey: [...ACCESS, "blocked"],
    queryFn: async ({ signal }) => (await post<{ blockedAccounts: BlockedAccount[] }>("iam/blockedAccounts", {}, signal)).blockedAccounts,
    staleTime: 10_000,
  });

/** A call of `iam/…` with its comment, and our command line where it has the verb. Without a comment there is no `auditLog`. */
function iam(path: string, body: Record<string, unknown>, comment: string, cli?: readonly string[]): Change {
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  const change: Change = { path: `iam/${path}`, body: comment === "" ? given : { ...given, auditLog: { comment } } };
  return cli === undefined ? change : { ...change, cli: [...cli, ...option("--comment", comment)] };
}

const option = (name: string, value: string): string[] => (value === "" ? [] : [name, value]);
const options = (name: string, values: readonly string[]): string[] => values.flatMap((value) => [name, value]);

export interface AccountForm {
  identityServiceName: string;
  accountName: string;
  email: string;
  /** Empty: as it is; of a new account the initial one. */
  password: string;
  disabled: boolean;
  forcePasswordChange: boolean;
  roles: string[];
}

export const storeAccount = ({ password, email, ...form }: AccountForm, comment: string): Change =>
  iam("account/store", { ...form, email: email === "" ? undefined : email, password: password === "" ? undefined : password }, comment);

export type AccountVerb = "enable" | "disable" | "delete" | "resetpassword" | "forcepasswordchange";

export function onAccounts(verb: AccountVerb, identityServiceName: string, accountNames: string[], comment: string): Change {
  const one = accountNames[0] ?? "";
  const service = ["--service", identityServiceName];
  const cli: Record<AccountVerb, string[] | undefined> = {
    enable: ["user", "enable", ...accountNames, ...service],
    disable: ["user", "disable", ...accountNames, ...service],
    delete: ["user", "remove", ...accountNames, ...service],
    resetpassword: accountNames.length === 1 ? ["user", "password", one, "--reset", ...service] : undefined,
    forcepasswordchange: undefined,
  };
  return iam(`accounts/${verb}`, { identityServiceName, accountNames }, comment, cli[verb]);
}

/** Not `comment` of the audit log alone: the reason stands in the block list, too. */
export const blockAccount = (accountName: string, reason: string): Change => iam("blockedAccount/store", { accountName, comment: reason === "" ? undefined : reason }, reason, ["user", "block", accountName]);
export const unblockAccounts = (accountNames: string[], comment: string): Change => iam("blockedAccounts/delete", { accountNames }, comment, ["user", "unblock", ...accountNames]);
export const endSessions = (ids: string[], comment: string): Change => iam("sessions/cancel", { ids }, comment);

export const storeRole = (identityServiceName: string, roleName: string, comment: string): Change => iam("role/store", { identityServiceName, roleName }, comment, ["role", "add", roleName, "--service", identityServiceName]);
export const deleteRole = (identityServiceName: string, roleName: string, comment: string): Change =>
  iam("roles/delete", { identityServiceName, roleNames: [roleName] }, comment, ["role", "remove", roleName, "--service", identityServiceName]);

export interface RoleScope {
  identityServiceName: string;
  roleName: string;
  controllerId: string;
}

const onRole = (verb: "add" | "revoke", { identityServiceName, roleName, controllerId }: RoleScope): string[] => [
  "role",
  verb,
  roleName,
  "--service",
  identityServiceName,
  ...option("--controller", controllerId),
];

/** The command line restricts a role to folders with all that is below them. */
export function storeFolders(scope: RoleScope, folders: Folder[], comment: string): Change {
  const names = folders.map(({ folder }) => folder);
  const cli = folders.every(({ recursive }) => recursive) ? [...onRole("add", scope), ...options("--folder", names)] : undefined;
  return iam("folders/store", { ...scope, folders }, comment, cli);
}

export const deleteFolders = (scope: RoleScope, folderNames: string[], comment: string): Change =>
  iam("folders/delete", { ...scope, folderNames }, comment, [...onRole("revoke", scope), ...options("--folder", folderNames)]);

/** What is to hold for one permission in one column. */
export interface Edit {
  controllerId: string;
  permissionPath: string;
  held: "granted" | "excluded" | "none";
}

/** One call per column and kind: what is stored, what is taken away. */
export function changePermissions(identityServiceName: string, roleName: string, edits: readonly Edit[], comment: string): Change[] {
  const changes: Change[] = [];
  for (const controllerId of new Set(edits.map((edit) => edit.controllerId))) {
    const own = edits.filter((edit) => edit.controllerId === controllerId);
    const scope = { identityServiceName, roleName, controllerId };
    const permissions = own.filter(({ held }) => held !== "none").map(({ permissionPath, held }) => ({ permissionPath, excluded: held === "excluded" }));
    const permissionPaths = own.filter(({ held }) => held === "none").map(({ permissionPath }) => permissionPath);
    const stored = (isExcluded: boolean): string[] => permissions.filter(({ excluded }) => excluded === isExcluded).map(({ permissionPath }) => permissionPath);
    const add = [...onRole("add", scope), ...options("--permission", stored(false)), ...options("--exclude", stored(true))];
    if (permissions.length > 0) changes.push(iam("permissions/store", { ...scope, permissions }, comment, add));
    const revoke = [...onRole("revoke", scope), ...options("--permission", permissionPaths)];
    if (permissionPaths.length > 0) changes.push(iam("permissions/delete", { ...scope, permissionPaths }, comment, revoke));
  }
  return changes;
}

export type ServiceForm = Pick<IdentityService, "identityServiceName" | "identityServiceType" | "disabled" | "required">;

/** `stored`: what the form does not show stays as it is. */
export function storeService(form: ServiceForm, stored: IdentityService | undefined, comment: string): Change {
  const { ordering, ...kept } = stored ?? {};
  return iam("identityservice/store", { ...kept, ...(typeof ordering === "number" ? { ordering } : {}), ...form }, comment);
}

export const deleteService = (identityServiceName: string, comment: string): Change => iam("identityservice/delete", { identityServiceName }, comment);
export const reorderServices = (identityServiceNames: string[], comment: string): Change => iam("identityservices/reorder", { identityServiceNames }, comment);

export const storeServiceSettings = (service: IdentityService, configurationItem: string): Change => ({
  path: "configuration/save",
  body: { configurationType: "IAM", objectType: service.identityServiceType, name: service.identityServiceName, configurationItem },
});
