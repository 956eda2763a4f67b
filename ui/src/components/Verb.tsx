/** A button that says why it cannot be pressed (ui.md P7). */
import { Tooltip } from "@mantine/core";
import { type ReactNode } from "react";

interface VerbProps {
  /** Why not; undefined: it can. */
  why: string | undefined;
  onClick: () => void;
  children: ReactNode;
}

export function Verb({ why, onClick, children }: VerbProps) {
  const button = (
    <button type="button" className="button small" aria-disabled={why !== undefined} onClick={() => why === undefined && onClick()}>
      {children}
    </button>
  );
  return why === undefined ? (
    button
  ) : (
    <Tooltip label={why} withArrow events={{ hover: true, focus: true, touch: true }}>
      {button}
    </Tooltip>
  );
}
