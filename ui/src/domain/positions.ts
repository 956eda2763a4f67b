/** Positions of orders in workflows (workflow-language.md 3): text form, normal form, parents. Pure. */
import { type Position } from "../api/types";

/** `[0,"fork+eu",1]` → `0/fork+eu:1` */
export function positionText(position: Position): string {
  let text = "";
  position.forEach((part, index) => {
    text += index === 0 ? String(part) : index % 2 === 1 ? `/${part}` : `:${part}`;
  });
  return text;
}

/** `0/fork+eu:1` → `[0,"fork+eu",1]`. Branch ids hold no colon, so that the form is unambiguous. */
export function parsePosition(text: string): Position {
  const position: Position = [];
  for (const [index, part] of text.split("/").entries()) {
    if (index === 0) {
      position.push(Number(part));
      continue;
    }
    const colon = part.lastIndexOf(":");
    position.push(part.slice(0, colon), Number(part.slice(colon + 1)));
  }
  return position;
}

/** Without the counters of tries and cycles: where in the definition the order stands (3.2). */
export function normalPosition(position: Position): Position {
  return position.map((part) => {
    if (typeof part === "number") return part;
    for (const kind of ["try", "catch", "cycle"]) if (part === kind || part.startsWith(`${kind}+`)) return kind;
    return part;
  });
}

/** The key of a node: the text of the normal form. */
export function nodeKey(position: Position | string | undefined): string | undefined {
  if (position === undefined) return undefined;
  const parsed = typeof position === "string" ? parsePosition(position) : position;
  return parsed.length === 0 ? undefined : positionText(normalPosition(parsed));
}
