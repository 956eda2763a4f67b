/**
 * The shapes of states (ui.md 5.1): one 16-px drawing per state, `currentColor`, so that a state is known without its colour.
 * Decorative by itself: the word stands beside it, or the chip names it.
 */
import { type ReactNode } from "react";

const stroke = { fill: "none", stroke: "currentColor", strokeWidth: 1.6, strokeLinecap: "round", strokeLinejoin: "round" } as const;

const SHAPES: Record<string, ReactNode> = {
  PLANNED: <circle cx="8" cy="8" r="5.6" {...stroke} strokeDasharray="2.2 2.2" />,
  PENDING: (
    <>
      <circle cx="8" cy="8" r="5.6" {...stroke} />
      <circle cx="8" cy="8" r="1.6" fill="currentColor" />
    </>
  ),
  SCHEDULED: (
    <>
      <circle cx="8" cy="8" r="5.8" {...stroke} />
      <path d="M8 4.8V8l2.2 1.6" {...stroke} />
    </>
  ),
  INPROGRESS: <path d="M3.5 4l4 4-4 4M8.5 4l4 4-4 4" {...stroke} />,
  RUNNING: <path d="M4.5 2.8v10.4L13 8z" fill="currentColor" stroke="currentColor" strokeLinejoin="round" />,
  WAITING: <path d="M4 2.5h8M4 13.5h8M5 2.5c0 3.4 6 3.4 6 5.5s-6 2.1-6 5.5M11 2.5c0 3.4-6 3.4-6 5.5s6 2.1 6 5.5" {...stroke} strokeWidth="1.3" />,
  BLOCKED: (
    <>
      <path d="M8 2.2L14.4 13.4H1.6z" fill="currentColor" stroke="currentColor" strokeLinejoin="round" />
      <path d="M8 6.4v3.2M8 11.4v.2" {...stroke} stroke="var(--sw-background)" />
    </>
  ),
  PROMPTING: (
    <path
      d="M5.2 8.4V4.1a1 1 0 012 0V7m0-.4V2.9a1 1 0 012 0v3.9m0-3a1 1 0 012 0v3.7m0-1.6a1 1 0 012 0v3.4c0 2.9-1.7 4.6-4.3 4.6-2.3 0-3.2-.9-4.2-2.7L2.7 8.9c-.4-.9.8-1.5 1.5-.7l1 1.2"
      {...stroke}
      strokeWidth="1.2"
    />
  ),
  SUSPENDED: <path d="M4 3h3v10H4zM9 3h3v10H9z" fill="currentColor" />,
  FAILED: (
    <>
      <rect x="2" y="2" width="12" height="12" rx="2" fill="currentColor" />
      <path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" {...stroke} stroke="var(--glyph-cut, var(--sw-background))" strokeWidth="1.9" />
    </>
  ),
  BROKEN: (
    <>
      <rect x="2" y="2" width="12" height="12" rx="2" fill="currentColor" />
      <path d="M9 3.8L5.8 8.6h2.1L7 12.2l3.3-4.8H8.2z" fill="var(--glyph-cut, var(--sw-background))" />
    </>
  ),
  UNKNOWN: (
    <>
      <rect x="2" y="2" width="12" height="12" rx="2" {...stroke} strokeDasharray="1.6 2" strokeWidth="1.2" />
      <path d="M6.2 6.3c0-2.4 3.6-2.3 3.6-.1 0 1.5-1.8 1.5-1.8 3M8 11.2v.2" {...stroke} strokeWidth="1.4" />
    </>
  ),
  FINISHED: <path d="M3 8.6l3.4 3.4L13 4.8" {...stroke} strokeWidth="2" />,
  CANCELLED: (
    <>
      <circle cx="8" cy="8" r="5.6" {...stroke} />
      <path d="M4.2 11.8l7.6-7.6" {...stroke} />
    </>
  ),
};

export function Glyph({ name, size = 14 }: { name: string; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {SHAPES[name] ?? SHAPES["UNKNOWN"]}
    </svg>
  );
}
