/**
 * Login through an OpenID Connect provider: authorization code flow with PKCE (RFC 7636).
 *
 * `leaveFor` goes to the provider; what proves that the answer is for this tab (state, verifier, nonce) waits in
 * `sessionStorage`. `comeBack` finds the answer in the address, takes it out of there, and logs in. Each attempt is good once.
 */
import { type DeviceService } from "./devices";
import { base64url } from "./encoding";
import { ApiError } from "./errors";
import { loginWithCode, post } from "./http";
import { type LoginAnswer } from "./types";

export interface Provider {
  identityServiceName: string;
  iamOidcName: string;
}

interface ClientAnswer {
  iamOidcClientId: string;
  authorizationEndpoint: string;
  scopes: string[];
}

interface Attempt {
  service: string;
  state: string;
  verifier: string;
  nonce: string;
  /** Where the person was. */
  place: string;
}

const KEY = "stellwerk.signOn";

/** The ways to log in besides a password. */
export interface Offered {
  providers: Provider[];
  devices: DeviceService[];
}

export async function offered(signal?: AbortSignal): Promise<Offered> {
  const answer = await post<{ oidcServiceItems?: Provider[]; fidoServiceItems?: DeviceService[] }>(
    "iam/identityproviders",
    {},
    signal,
  );
  return { providers: answer.oidcServiceItems ?? [], devices: answer.fidoServiceItems ?? [] };
}

/** The one address to register at the provider. */
export const redirectUri = (): string => `${window.location.origin}/ui/`;

export async function leaveFor(service: string): Promise<void> {
  if (!window.isSecureContext)
    throw new ApiError(0, "INSECURE", "The browser allows this only over HTTPS: open the Cockpit by its https address.", "");
  const told = await post<ClientAnswer>("iam/identityclient", { identityServiceName: service });
  const { pathname, search, hash } = window.location;
  const attempt: Attempt = { service, state: random(), verifier: random(), nonce: random(), place: pathname + search + hash };
  sessionStorage.setItem(KEY, JSON.stringify(attempt));
  window.location.assign(await authorizationUrl(told, attempt));
}

async function authorizationUrl(told: ClientAnswer, attempt: Attempt): Promise<string> {
  const url = new URL(told.authorizationEndpoint);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier));
  const members = {
    response_type: "code",
    client_id: told.iamOidcClientId,
    redirect_uri: redirectUri(),
    scope: told.scopes.join(" "),
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(members)) url.searchParams.set(name, value);
  return url.href;
}

/** Whether the address holds a provider's answer to an attempt of this tab. */
export function hasComeBack(): boolean {
  const query = new URLSearchParams(window.location.search);
  return query.has("state") && (query.has("code") || query.has("error")) && sessionStorage.getItem(KEY) !== null;
}

export async function comeBack(): Promise<LoginAnswer> {
  const query = new URLSearchParams(window.location.search);
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const attempt = kept === null ? undefined : (JSON.parse(kept) as Attempt);
  // A code does not stay in the address, nor in the browser's history.
  window.history.replaceState(null, "", attempt?.place ?? "/ui/");
  if (attempt === undefined || query.get("state") !== attempt.state)
    throw new ApiError(0, "STATE", "This answer of the provider belongs to another login. Log in again.", "");
  const code = query.get("code");
  if (code === null)
    throw new ApiError(0, "PROVIDER", `The provider has refused the login: ${query.get("error_description") ?? query.get("error")}`, "");
  return loginWithCode(attempt.service, {
    code,
    redirect_uri: redirectUri(),
    code_verifier: attempt.verifier,
    nonce: attempt.nonce,
  });
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}
