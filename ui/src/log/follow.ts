/**
 * Does the log follow its end (ui.md S7)? Any sign of reading stops it, without a jump; only the person, or being at the
 * end again, starts it. Pure.
 */
export type Follow = { kind: "following" } | { kind: "reading"; seen: number } | { kind: "complete" };

export type FollowEvent =
  | { kind: "scrolled-up"; lastLine: number }
  | { kind: "selected"; lastLine: number }
  | { kind: "searched"; lastLine: number }
  | { kind: "anchored"; lastLine: number }
  | { kind: "at-end" }
  | { kind: "follow" }
  | { kind: "completed" }
  | { kind: "continued" };

export const STARTING: Follow = { kind: "following" };

export function followNext(follow: Follow, event: FollowEvent): Follow {
  switch (event.kind) {
    case "completed":
      return { kind: "complete" };
    case "continued":
      return follow.kind === "complete" ? { kind: "following" } : follow;
    case "follow":
    case "at-end":
      return follow.kind === "complete" ? follow : { kind: "following" };
    default:
      return follow.kind === "following" ? { kind: "reading", seen: event.lastLine } : follow;
  }
}

/** How many lines have come since one began to read. */
export function behind(follow: Follow, totalLines: number): number {
  return follow.kind === "reading" ? Math.max(0, totalLines - follow.seen) : 0;
}
