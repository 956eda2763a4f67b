/**
 * JSON as the text that a person edits: where each value stands, and which value stands at a place. Paths are those of the
 * server's findings: `$.instructions[0].label`. A text that is not right yet has the places before its fault. Pure.
 */

export interface JsonPlace {
  /** Of the member's name if it has one, else of the value. */
  start: number;
  /** Where the value begins. */
  value: number;
  /** Behind the value. */
  end: number;
}

export interface JsonText {
  text: string;
  /** Absent: the text is no JSON. */
  value?: unknown;
  fault?: { message: string; offset: number };
  places: ReadonlyMap<string, JsonPlace>;
}

/** Deeper texts are refused by the server, too. */
const MAXIMUM_DEPTH = 200;

class Fault extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

export function readJson(text: string): JsonText {
  const places = new Map<string, JsonPlace>();
  try {
    const end = skip(text, scan(text, skip(text, 0), "$", 0, places, undefined));
    if (end < text.length) throw new Fault("There is something after the end of the JSON.", end);
    return { text, value: JSON.parse(text) as unknown, places };
  } catch (fault) {
    if (fault instanceof Fault) return { text, fault: { message: fault.message, offset: fault.offset }, places };
    return { text, fault: { message: fault instanceof Error ? fault.message : String(fault), offset: 0 }, places };
  }
}

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

function match(expression: RegExp, text: string, at: number): number | undefined {
  expression.lastIndex = at;
  return expression.test(text) ? expression.lastIndex : undefined;
}

const skip = (text: string, at: number): number => match(SPACE, text, at) ?? at;

function scan(text: string, at: number, path: string, depth: number, places: Map<string, JsonPlace>, name: number | undefined): number {
  if (depth > MAXIMUM_DEPTH) throw new Fault("This is nested too deeply.", at);
  const place: JsonPlace = { start: name ?? at, value: at, end: text.length };
  places.set(path, place);
  const first = text[at];
  let end: number | undefined;
  if (first === "{") end = members(text, at + 1, path, depth, places);
  else if (first === "[") end = elements(text, at + 1, path, depth, places);
  else end = match(first === '"' ? STRING : SCALAR, text, at);
  if (end === undefined) throw new Fault(first === undefined ? "The text ends too early: a value is missing." : first === '"' ? "A text that does not end, or has a wrong escape." : "A value is expected here.", at);
  if (!isExact(text.slice(at, end))) throw new Fault("A browser does not keep all digits of this number: write it as a text in double quotes.", at);
  place.end = end;
  return end;
}

/** Whether a number comes back as it was written; what is no number does. */
function isExact(token: string): boolean {
  if (!/^-?\d/.test(token) || String(Number(token)) === token || Number.isSafeInteger(Number(token))) return true;
  return token.replace(/[eE].*|[-.]/g, "").replace(/^0+|0+$/g, "").length <= 15;
}

function members(text: string, begin: number, path: string, depth: number, places: Map<string, JsonPlace>): number {
  let at = skip(text, begin);
  if (text[at] === "}") return at + 1;
  for (;;) {
    const end = text[at] === '"' ? match(STRING, text, at) : undefined;
    if (end === undefined) throw new Fault("The name of a member in double quotes is expected here.", at);
    const name = JSON.parse(text.slice(at, end)) as string;
    const colon = skip(text, end);
    if (text[colon] !== ":") throw new Fault(`A colon is missing after "${name}".`, colon);
    const after = skip(text, scan(text, skip(text, colon + 1), `${path}.${name}`, depth + 1, places, at));
    if (text[after] === "}") return after + 1;
    if (text[after] !== ",") throw new Fault(`A comma or } is missing after the value of "${name}".`, after);
    at = skip(text, after + 1);
  }
}

function elements(text: string, begin: number, path: string, depth: number, places: Map<string, JsonPlace>): number {
  let at = skip(text, begin);
  if (text[at] === "]") return at + 1;
  for (let index = 0; ; index += 1) {
    const after = skip(text, scan(text, at, `${path}[${index}]`, depth + 1, places, undefined));
    if (text[after] === "]") return after + 1;
    if (text[after] !== ",") throw new Fault("A comma or ] is missing.", after);
    at = skip(text, after + 1);
  }
}

/** The place of a path; if the text does not have it, of what encloses it. */
export function placeOf({ places, text }: JsonText, path: string): JsonPlace {
  for (let known = path; known !== ""; known = parentPath(known)) {
    const place = places.get(known);
    if (place !== undefined) return place;
  }
  return { start: 0, value: 0, end: text.length };
}

/** `$.jobs.load` → `$.jobs`; empty for what is no path. */
function parentPath(path: string): string {
  const cut = Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
  return cut <= 0 ? "" : path.slice(0, cut);
}

/** The innermost value around a place. */
export function pathAt({ places }: JsonText, offset: number): string {
  let found = "$";
  let size = Number.POSITIVE_INFINITY;
  for (const [path, { start, end }] of places)
    if (start <= offset && offset <= end && end - start <= size) {
      found = path;
      size = end - start;
    }
  return found;
}

/** The path of each object and array of a value, by identity. */
export function pathsOfObjects(value: unknown, path = "$", found = new Map<object, string>()): Map<object, string> {
  if (typeof value !== "object" || value === null) return found;
  found.set(value, path);
  if (Array.isArray(value)) value.forEach((item, index) => pathsOfObjects(item, `${path}[${index}]`, found));
  else for (const [name, item] of Object.entries(value)) pathsOfObjects(item, `${path}.${name}`, found);
  return found;
}

/** The form in which people edit what is stored. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value ?? {}, null, 2)}\n`;
