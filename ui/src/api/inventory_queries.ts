/** Reads of the inventory as TanStack queries with stable keys. Whatever is changed there makes all of them old. */
import { queryOptions } from "@tanstack/react-query";
import { get, NATIVE, post } from "./http";
import { type DeploymentRow, type EditedObject, type Finding, type ObjectId, type PublishedObject, type TrashItem, type Tree } from "./inventory";

export const INVENTORY = "inventory";
const FRESH = { staleTime: 10_000 } as const;

export const treeQuery = (folder: string) =>
  queryOptions({
    queryKey: [INVENTORY, "tree", folder],
    queryFn: ({ signal }) => get<Tree>(`${NATIVE}inventory/tree`, { folder }, signal),
    // What others store meanwhile; the stream does not tell of drafts.
    refetchInterval: 60_000,
    ...FRESH,
  });

export const objectQuery = ({ path, objectType }: ObjectId) =>
  queryOptions({
    queryKey: [INVENTORY, "object", objectType, path],
    queryFn: ({ signal }) => get<EditedObject>(`${NATIVE}inventory/object`, { path, objectType }, signal),
    // Whether somebody else has stored it meanwhile.
    refetchInterval: 20_000,
    ...FRESH,
  });

export const schemaQuery = (objectType: string) =>
  queryOptions({
    queryKey: ["schema", objectType],
    queryFn: ({ signal }) => get<Record<string, unknown>>(`${NATIVE}inventory/schema`, { objectType }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Numbers of texts that have been read: a key that needs no look into a long text with each key that is pressed. */
const readings = new WeakMap<object, number>();
let lastReading = 0;

function numberOf(reading: object): number {
  const known = readings.get(reading);
  if (known !== undefined) return known;
  lastReading += 1;
  readings.set(reading, lastReading);
  return lastReading;
}

/** `read`: the text as it has been read, one object for each reading. */
export const checkQuery = (object: ObjectId, read: { value?: unknown }) =>
  queryOptions({
    queryKey: ["check", object, numberOf(read)],
    queryFn: async ({ signal }) =>
      (await post<{ problems: Finding[] }>(`${NATIVE}inventory/check`, { ...object, configuration: read.value }, signal)).problems,
    staleTime: 5000,
    gcTime: 10_000,
  });

export const versionQuery = ({ path, objectType }: ObjectId, commitId: string | undefined) =>
  queryOptions({
    queryKey: [INVENTORY, "version", objectType, path, commitId],
    enabled: commitId !== undefined,
    queryFn: async ({ signal }) =>
      (await post<{ configuration: unknown }>("inventory/read/configuration", { path, objectType, commitId }, signal)).configuration,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const publishingQuery = (objects: readonly (ObjectId & { recursive?: boolean })[], controllerIds: readonly string[]) =>
  queryOptions({
    queryKey: [INVENTORY, "publishing", objects, controllerIds],
    queryFn: async ({ signal }) =>
      (await post<{ objects: PublishedObject[] }>(`${NATIVE}inventory/publishing`, { objects, controllerIds }, signal)).objects,
    staleTime: 0,
    refetchOnWindowFocus: false,
  });

export const searchQuery = (text: string) =>
  queryOptions({
    queryKey: [INVENTORY, "search", text],
    enabled: text.length >= 2,
    queryFn: async ({ signal }) =>
      (await post<{ results: (ObjectId & { name: string })[] }>("inventory/quick/search", { search: text }, signal)).results,
    ...FRESH,
  });

export const trashQuery = () =>
  queryOptions({
    queryKey: [INVENTORY, "trash"],
    queryFn: async ({ signal }) => {
      const answer = await post<Record<string, unknown>>("inventory/trash/read/folder", { path: "/", recursive: true }, signal);
      const items = Object.values(answer).filter(Array.isArray).flat() as TrashItem[];
      return items.sort((one, other) => one.path.localeCompare(other.path));
    },
    ...FRESH,
  });

/** Newest rows first. */
export const deploymentsQuery = (limit: number) =>
  queryOptions({
    queryKey: [INVENTORY, "deployments", limit],
    queryFn: async ({ signal }) =>
      (await post<{ depHistory: DeploymentRow[] }>("inventory/deployment/history", { compactFilter: { limit } }, signal)).depHistory,
    refetchInterval: 20_000,
    ...FRESH,
  });

export const controllersQuery = () =>
  queryOptions({
    queryKey: ["controllers"],
    queryFn: async ({ signal }) => (await post<{ controllerIds: string[] }>("controller/ids", {}, signal)).controllerIds,
    staleTime: 60_000,
  });


/** Names of Agents for new objects; who may not see Agents writes them by hand. */
export const agentNamesQuery = () =>
  queryOptions({
    queryKey: ["agent-names"],
    queryFn: async ({ signal }) => {
      const answer = await post<{ agents?: { agentName: string }[] }>("agents/inventory", {}, signal);
      return (answer.agents ?? []).map(({ agentName }) => agentName);
    },
    retry: false,
    staleTime: 60_000,
  });
