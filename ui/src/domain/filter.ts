/**
 * The filter language (ui.md 4.3): `query = { term }`, terms ANDed, `,` is OR, `-` negates. One parser for lists and palette.
 * Pure. `matches` answers for the keys that a live row can tell, and `undefined` where only the server knows.
 */
import { type OrderRow } from "../api/types";

export const KEYS = [
  "state", "reason", "workflow", "folder", "tag", "otag", "agent", "subagent", "job", "label", "order", "plan", "late",
  "started", "ended", "duration", "exit", "error", "lock", "board", "schedule", "user", "type", "version", "changed", "kind", "severity",
] as const;
export type Key = (typeof KEYS)[number];

export interface Term {
  negated: boolean;
  /** Absent: free text. */
  key?: Key;
  values: string[];
}

export interface Filter {
  terms: Term[];
  problems: string[];
}

export function parseFilter(text: string): Filter {
  const filter: Filter = { terms: [], problems: [] };
  for (const word of words(text)) {
    const negated = word.startsWith("-") && word.length > 1;
    const bare = negated ? word.slice(1) : word;
    const colon = bare.search(/[:]/);
    const key = colon > 0 && /^[a-z]+$/.test(bare.slice(0, colon)) ? bare.slice(0, colon) : undefined;
    if (key === undefined) {
      filter.terms.push({ negated, values: [unquoted(bare)] });
      continue;
    }
    if (!(KEYS as readonly string[]).includes(key)) {
      filter.problems.push(`There is no key "${key}:". Did you mean "${nearest(key)}:"?`);
      continue;
    }
    const values = splitValues(bare.slice(colon + 1)).filter((value) => value !== "");
    if (values.length === 0) filter.problems.push(`"${key}:" needs a value.`);
    else filter.terms.push({ negated, key: key as Key, values });
  }
  return filter;
}

export function printFilter(terms: readonly Term[]): string {
  return terms
    .map(({ negated, key, values }) => `${negated ? "-" : ""}${key === undefined ? "" : `${key}:`}${values.map(quotedValue).join(",")}`)
    .join(" ");
}

/** The text with the values of one key replaced (no values: without the key); the order of the rest stays. */
export function withTerm(text: string, key: Key, values: readonly string[]): string {
  const terms = parseFilter(text).terms;
  const kept = terms.filter((term) => term.key !== key || term.negated);
  return printFilter(values.length === 0 ? kept : [{ negated: false, key, values: [...values] }, ...kept]);
}

export function valuesOf(text: string, key: Key): string[] {
  return parseFilter(text).terms.flatMap((term) => (term.key === key && !term.negated ? term.values : []));
}

/** Does the order belong to the filter? `undefined`: the row does not tell, the server has to be asked. */
export function matchesOrder(filter: Filter, order: OrderRow): boolean | undefined {
  let unsure = false;
  for (const term of filter.terms) {
    const told = termMatches(term, order);
    if (told === undefined) unsure = true;
    else if (told === term.negated) return false;
  }
  return unsure ? undefined : true;
}

function termMatches(term: Term, order: OrderRow): boolean | undefined {
  const any = (...texts: (string | undefined)[]): boolean =>
    term.values.some((value) => texts.some((text) => text !== undefined && glob(value, text)));
  switch (term.key) {
    case undefined:
      return term.values.every((value) =>
        [order.orderId, order.workflow.path, order.label, order.job].some((text) => text?.toLowerCase().includes(value.toLowerCase())),
      );
    case "state":
      return any(order.state._text);
    case "reason":
      return any(order.state._reason);
    case "workflow":
      return any(order.workflow.path, order.workflow.path.split("/").at(-1), order.workflow.path.replace(/^\//, ""));
    case "agent":
      return any(order.agentId);
    case "subagent":
      return any(order.subagentId);
    case "job":
      return any(order.job);
    case "label":
      return any(order.label);
    case "order":
      return any(order.orderId);
    case "otag":
    case "tag":
      return any(...(order.tags ?? []));
    default:
      return undefined;
  }
}

/** `*` and `?`, whole text, whatever the case. */
export function glob(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "is").test(text);
}

function words(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g) ?? [];
}

function splitValues(text: string): string[] {
  return (text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []).map(unquoted);
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, "$1") : text;
}

function quotedValue(value: string): string {
  return /[\s",:\\]/.test(value) || value.startsWith("-") ? `"${value.replaceAll(/["\\]/g, "\\$&")}"` : value;
}

function nearest(word: string): string {
  let best: string = KEYS[0];
  let least = Number.POSITIVE_INFINITY;
  for (const key of KEYS) {
    const distance = editDistance(word, key);
    if (distance < least) [best, least] = [key, distance];
  }
  return best;
}

function editDistance(first: string, second: string): number {
  let row = Array.from({ length: second.length + 1 }, (_, index) => index);
  for (let i = 1; i <= first.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= second.length; j += 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (first[i - 1] === second[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[second.length] ?? 0;
}
