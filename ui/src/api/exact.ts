/**
 * Event ids have more digits than a JavaScript number is exact for (microseconds × 1000 + counter). They are read as texts
 * of digits and compared as such; rounded, two events would look like one. Pure.
 */

/** An event id or revision: small ones may be numbers. */
export type Revision = number | string;

/** Inside a JSON text a quote is escaped, so that this pattern only meets names of fields. */
const LONG = /"(rev|eventId|next|from)":\s*(\d{16,})/g;

export function parseJson(text: string): unknown {
  return JSON.parse(text.replaceAll(LONG, '"$1":"$2"')) as unknown;
}

export function isLater(one: Revision, two: Revision): boolean {
  const [a, b] = [String(one), String(two)];
  return a.length === b.length ? a > b : a.length > b.length;
}
