/** The audit log (cockpit-api 1.8, 7): changing calls, and logins. */
import { queryOptions } from "@tanstack/react-query";
import { type AuditRequest } from "../domain/audit";
import { post } from "./http";

export interface AuditEntry {
  id: number;
  account: string;
  /** `./orders/suspend` */
  request: string;
  /** ISO text. */
  created: string;
  controllerId?: string;
  category?: string;
  comment?: string;
  /** The body, JSON as text, secrets masked. */
  parameters?: string;
  timeSpent?: number;
  ticketLink?: string;
  /** The HTTP status of the answer. */
  status?: number;
}

export interface AuditObject {
  path: string;
  type: string;
}

export interface LoginEntry {
  accountName: string;
  loginDate: string;
  loginSuccess: boolean;
  details?: { loginHistoryItems: { identityServiceName: string; message: string }[] };
}

export const auditQuery = (request: AuditRequest) =>
  queryOptions({
    queryKey: ["audit", request],
    queryFn: async ({ signal }) => (await post<{ auditLog: AuditEntry[] }>("audit_log", request, signal)).auditLog,
    staleTime: 10_000,
  });

export const auditDetailsQuery = (auditLogId: number) =>
  queryOptions({
    queryKey: ["audit", "details", auditLogId],
    queryFn: async ({ signal }) => (await post<{ auditLogDetails: AuditObject[] }>("audit_log/details", { auditLogId }, signal)).auditLogDetails,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const loginsQuery = (accountName: string, dateFrom: string | undefined) =>
  queryOptions({
    queryKey: ["audit", "logins", accountName, dateFrom],
    queryFn: async ({ signal }) => (await post<{ loginHistoryItems: LoginEntry[] }>("audit_log/login_history", { accountName, dateFrom }, signal)).loginHistoryItems,
    staleTime: 10_000,
  });
