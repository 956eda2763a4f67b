/** What the session may do; entries and buttons go by it (ui.md P11, 4.9). The server refuses by itself. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { may, type SessionPermissions } from "../domain/permissions";
import { post } from "./http";

export const permissionsQuery = () =>
  queryOptions({
    queryKey: ["permissions"],
    queryFn: ({ signal }) => post<SessionPermissions>("authentication/joc_cockpit_permissions", {}, signal),
    staleTime: 60_000,
  });

/** Until it is known nothing is forbidden: the server has the last word. */
export function useMay(): (permission: string, controllerId?: string) => boolean {
  const { data } = useQuery(permissionsQuery());
  return (permission, controllerId) => data === undefined || may(data, permission, controllerId);
}
