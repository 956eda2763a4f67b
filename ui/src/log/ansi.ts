/**
 * Job output to coloured spans: SGR colours become tokens, every other escape is dropped, control characters become visible,
 * `\r` keeps what a terminal would show last. Output is untrusted: the result is text and class names, never markup. Pure.
 */
export interface Span {
  text: string;
  colour?: AnsiColour;
  bold?: true;
  dim?: true;
  italic?: true;
  underline?: true;
}

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
export type AnsiColour = (typeof COLOURS)[number];

// CSI (kept if it ends in `m`), OSC with its text, and other two-character escapes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-9;:]*)([ -/]*[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]?/g;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

type Style = Omit<Span, "text">;

export function spans(line: string): Span[] {
  const text = lastOverwrite(line);
  const found: Span[] = [];
  let style: Style = {};
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    push(found, text.slice(from, match.index), style);
    if (match[2] === "m") style = styled(style, match[1] ?? "");
    from = match.index + match[0].length;
  }
  push(found, text.slice(from), style);
  return found;
}

/** What a terminal shows of `10 %\r20 %\r30 %`: the last; a final `\r` belongs to the line's end. */
export function lastOverwrite(line: string): string {
  const trimmed = line.replace(/[\r\n]+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("\r") + 1);
}

/** The plain text, for search and copy. */
export function plainText(line: string): string {
  return spans(line)
    .map((span) => span.text)
    .join("");
}

function push(found: Span[], text: string, style: Style): void {
  if (text !== "") found.push({ text: visible(text), ...style });
}

/** Control characters and bidirectional overrides as their pictures or code points: nothing in a log may hide. */
function visible(text: string): string {
  return text.replaceAll(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : `⟨U+${code.toString(16).toUpperCase()}⟩`;
  });
}

function styled(style: Style, codes: string): Style {
  let next: Style = { ...style };
  const numbers = codes === "" ? [0] : codes.split(/[;:]/).map(Number);
  for (let index = 0; index < numbers.length; index += 1) {
    const code = numbers[index] ?? 0;
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next = without(next, "bold", "dim");
    else if (code === 23) next = without(next, "italic");
    else if (code === 24) next = without(next, "underline");
    else if (code === 39) next = without(next, "colour");
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next.colour = COLOURS[code % 10] as AnsiColour;
    else if (code === 38 || code === 48) {
      // 256 colours and true colour: the first sixteen have a token, the rest is left plain; their arguments are skipped.
      const kind = numbers[index + 1];
      const value = numbers[index + 2] ?? 0;
      if (code === 38 && kind === 5 && value < 16) next.colour = COLOURS[value % 8] as AnsiColour;
      index += kind === 5 ? 2 : kind === 2 ? 4 : 0;
    }
  }
  return next;
}

function without(style: Style, ...names: (keyof Style)[]): Style {
  const next = { ...style };
  for (const name of names) delete next[name];
  return next;
}
