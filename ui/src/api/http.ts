/**
 * One way to call the Cockpit: JSON, session header, errors as `ApiError`, server clock.
 * Must not know: React, screens.
 */
import { type FirstFactor } from "./devices";
import { ApiError, errorFrom } from "./errors";
import { type LoginAnswer } from "./types";
import { sessionStore } from "./session";

export const API = "/joc/api/";
export const NATIVE = "stellwerk/";

/** Server time minus client time, in milliseconds, from the answers' `Date` header: ages are computed on server time. */
let clockOffset = 0;
export const serverNow = (): number => Date.now() + clockOffset;

export type Query = Record<string, string | number | boolean | undefined>;

export function get<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return call<Answer>("GET", text === "" ? path : `${path}?${text}`, undefined, {}, signal);
}

export function post<Answer>(path: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
  return call<Answer>("POST", path, body, {}, signal);
}

/** A changing call carries a key of its own, so that a repeat after a torn connection gets the first answer. */
export function change<Answer>(path: string, body: unknown, idempotencyKey: string): Promise<Answer> {
  return call<Answer>("POST", path, body, { "Idempotency-Key": idempotencyKey });
}

/** A form with a file, such as an archive that is imported. */
export function upload<Answer>(path: string, fields: Record<string, string>, file: File): Promise<Answer> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, file.name);
  return call<Answer>("POST", path, form, {});
}

/** The bytes of an answer that is a file; the token goes in the header, never in an address. */
export async function download(path: string, body: unknown): Promise<Blob> {
  return await (await send("POST", path, body, {})).blob();
}

export function login(account: string, password: string): Promise<LoginAnswer> {
  return enter({ Authorization: basic(account, password) });
}

/** With what a device has signed (devices.ts); after a first factor together with that. */
export function loginWithDevice(signed: Record<string, string>, service: string, first?: FirstFactor): Promise<LoginAnswer> {
  if (first === undefined) return enter({ ...signed, "X-IDENTITY-SERVICE": headerText(service) });
  const { account, password, service: firstService } = first;
  return enter({ ...signed, Authorization: basic(account, password), "X-1ST-IDENTITY-SERVICE": headerText(firstService) });
}

function basic(account: string, password: string): string {
  return `Basic ${btoa(headerText(`${account}:${password}`))}`;
}

/** With what an OpenID Connect provider has sent the browser back (signOn.ts). */
export function loginWithCode(service: string, body: Record<string, string>): Promise<LoginAnswer> {
  return enter({ "X-IDENTITY-SERVICE": headerText(service) }, body);
}

async function enter(headers: Record<string, string>, body?: unknown): Promise<LoginAnswer> {
  const answer = await call<LoginAnswer>("POST", "authentication/login", body, headers);
  if (!answer.isAuthenticated || (answer.accessToken === "" && answer.secondFactoridentityService === undefined))
    throw new ApiError(401, "HTTP-401", answer.message ?? "The login was refused.", "authentication/login");
  return answer;
}

/** Headers hold bytes: names of services travel as UTF-8. */
function headerText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** A new password for who has just logged in and may do nothing before; the session has not begun for the page yet. */
export async function changePassword(session: LoginAnswer, oldPassword: string, password: string): Promise<void> {
  const body = {
    identityServiceName: (session.identityService ?? "").split(":").slice(1).join(":"),
    accountName: session.account,
    oldPassword,
    password,
    repeatedPassword: password,
  };
  await call("POST", "iam/account/changepassword", body, { "X-Access-Token": session.accessToken });
}

async function call<Answer>(method: "GET" | "POST", path: string, body: unknown, extra: Record<string, string>, signal?: AbortSignal): Promise<Answer> {
  return (await bodyOf(await send(method, path, body, extra, signal))) as Answer;
}

/** Raises `ApiError` for whatever is no success. */
async function send(method: "GET" | "POST", path: string, body: unknown, extra: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const token = sessionStore.token();
  const headers: Record<string, string> = { Accept: "application/json", ...extra };
  if (token !== undefined) headers["X-Access-Token"] = token;
  const init: RequestInit = { method, headers, signal: signal ?? null };
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(API + path, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, "UNREACHABLE", "The Cockpit is not reachable.", path);
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds: only a real difference counts.
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2000) clockOffset = date - Date.now();
  if (response.ok) return response;
  const error = errorFrom(response.status, path, await bodyOf(response));
  if (error.sessionEnded && token !== undefined) sessionStore.ended(token);
  throw error;
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // A proxy's page instead of JSON: the status says enough, the page itself is not for people.
    if (response.ok) throw new ApiError(response.status, "NO-JSON", "The answer is not JSON: a proxy in between?", response.url);
    return {};
  }
}
