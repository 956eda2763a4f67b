/**
 * The one place of colour (ui.md 5.1). Tokens become CSS variables (`--sw-…`) that style sheets, graph and charts read alike.
 * Guarantees: every state has a foreground that reads on both surfaces of its theme (tokens.test.ts computes the contrast).
 * Must not know: components, screens.
 */

export type Theme = "light" | "dark";

/** The names of states that have a colour of their own; `domain/states.ts` maps the API's words to them. */
export const STATE_COLOURS = {
  planned: { light: "#5C6675", dark: "#9AA7B8" },
  pending: { light: "#57606D", dark: "#A3AEBD" },
  scheduled: { light: "#2F5E8F", dark: "#7FB2E5" },
  inprogress: { light: "#0E6E80", dark: "#56C6DA" },
  running: { light: "#0B5CD0", dark: "#6EA8FF" },
  waiting: { light: "#8A5A00", dark: "#E3B04B" },
  blocked: { light: "#A13D00", dark: "#FF9B57" },
  prompting: { light: "#7A2FB5", dark: "#CF9BF5" },
  suspended: { light: "#5A4A8C", dark: "#B3A6E8" },
  failed: { light: "#B3121D", dark: "#FF7A7A" },
  broken: { light: "#8C1256", dark: "#F583BE" },
  unknown: { light: "#5C6675", dark: "#9AA7B8" },
  finished: { light: "#0A6B4B", dark: "#4CC79A" },
  cancelled: { light: "#575E68", dark: "#A7AFBA" },
} as const satisfies Record<string, Record<Theme, string>>;

export type StateColour = keyof typeof STATE_COLOURS;

export const SURFACES = {
  background: { light: "#FFFFFF", dark: "#12171E" },
  raised: { light: "#F5F7FA", dark: "#1A212B" },
  text: { light: "#1B2430", dark: "#E6EAF0" },
  muted: { light: "#57606D", dark: "#A3AEBD" },
  border: { light: "#7A8595", dark: "#6B7787" },
  line: { light: "#DDE2E9", dark: "#2B3542" },
  hover: { light: "#EDF1F6", dark: "#212A36" },
  selected: { light: "#E3EDFB", dark: "#1D2F4A" },
  focus: { light: "#0B5CD0", dark: "#8FBCFF" },
  link: { light: "#0B55BF", dark: "#8FBCFF" },
  accent: { light: "#12314F", dark: "#8FBCFF" },
  accentText: { light: "#FFFFFF", dark: "#0D1420" },
  bar: { light: "#12314F", dark: "#0D1218" },
  barText: { light: "#F2F6FB", dark: "#E6EAF0" },
  barMuted: { light: "#B9C8DA", dark: "#A3AEBD" },
} as const satisfies Record<string, Record<Theme, string>>;

/** Text on a solid chip: white on the light theme's deep hues, near-black on the dark theme's bright ones. */
export const ON_SOLID: Record<Theme, string> = { light: "#FFFFFF", dark: "#0D1218" };

/** SGR colours of job output, mapped to tokens that read on the raised surface (ui.md S7). */
export const ANSI_COLOURS = {
  black: { light: "#1B2430", dark: "#A3AEBD" },
  red: { light: "#B3121D", dark: "#FF7A7A" },
  green: { light: "#0A6B4B", dark: "#4CC79A" },
  yellow: { light: "#7A5000", dark: "#E3B04B" },
  blue: { light: "#0B55BF", dark: "#7FB2E5" },
  magenta: { light: "#7A2FB5", dark: "#CF9BF5" },
  cyan: { light: "#0E6E80", dark: "#56C6DA" },
  white: { light: "#57606D", dark: "#E6EAF0" },
} as const satisfies Record<string, Record<Theme, string>>;

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function declarations(theme: Theme): string {
  const lines: string[] = [`color-scheme:${theme}`, `--sw-on-solid:${ON_SOLID[theme]}`];
  for (const [name, value] of Object.entries(SURFACES)) lines.push(`--sw-${kebab(name)}:${value[theme]}`);
  for (const [name, value] of Object.entries(STATE_COLOURS)) lines.push(`--sw-state-${name}-fg:${value[theme]}`);
  for (const [name, value] of Object.entries(ANSI_COLOURS)) lines.push(`--sw-ansi-${name}:${value[theme]}`);
  return lines.join(";");
}

/** The style sheet text of all tokens; adopted by the document, so that no inline style element is needed. */
export function tokenSheet(): string {
  return `:root{${declarations("light")}}:root[data-mantine-color-scheme="dark"]{${declarations("dark")}}`;
}
