/**
 * Who is logged in, in this tab. The token lives in memory and `sessionStorage` (ui.md 7.1), travels only in the header
 * `X-Access-Token`, and never enters a URL. An ended session asks for the password over the page, which stays as it is.
 */
export interface Session {
  account: string;
  token: string;
  role: string;
  /** `<type>:<name>` */
  identityService?: string;
}

export type SessionState = { kind: "out" } | { kind: "in"; session: Session } | { kind: "ended"; account: string };

const KEY = "stellwerk.session";
const listeners = new Set<() => void>();
let state: SessionState = restored();

function restored(): SessionState {
  const kept = sessionStorage.getItem(KEY);
  if (kept === null) return { kind: "out" };
  try {
    const session = JSON.parse(kept) as Session;
    return typeof session.token === "string" ? { kind: "in", session } : { kind: "out" };
  } catch {
    // A damaged entry is the same as none: log in again.
    return { kind: "out" };
  }
}

function become(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

export const sessionStore = {
  get: (): SessionState => state,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  token: (): string | undefined => (state.kind === "in" ? state.session.token : undefined),
  begin(session: Session): void {
    sessionStorage.setItem(KEY, JSON.stringify(session));
    become({ kind: "in", session });
  },
  /** The server no longer knows the token that was used; a newer login in the meantime stands. */
  ended(token: string): void {
    if (state.kind !== "in" || state.session.token !== token) return;
    sessionStorage.removeItem(KEY);
    become({ kind: "ended", account: state.session.account });
  },
  leave(): void {
    sessionStorage.removeItem(KEY);
    become({ kind: "out" });
  },
};
