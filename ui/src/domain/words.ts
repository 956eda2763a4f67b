/** Durations, times, sizes and ids as people read them (ui.md 5.2). Pure; time zones come from the argument or the browser. */

const THIN_SPACE = "\u2009";

/** `12 ms`, `0.4 s`, `41 s`, `3 m 12 s`, `2 h 05`, `3 d 4 h`. */
export function durationWords(milliseconds: number): string {
  const total = Math.max(0, milliseconds) / 1000;
  if (total < 0.1) return `${Math.round(total * 1000)} ms`;
  if (total < 9.95) return `${total.toFixed(1)} s`;
  const seconds = Math.round(total);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))}`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** `3 min ago`, `in 2 h`; below five seconds `now`. */
export function relativeWords(time: number, now: number): string {
  const distance = time - now;
  const size = Math.abs(distance);
  if (size < 5000) return "now";
  const amount =
    size < 60_000
      ? `${Math.round(size / 1000)} s`
      : size < 3_600_000
        ? `${Math.round(size / 60_000)} min`
        : size < 86_400_000
          ? `${Math.floor(size / 3_600_000)} h ${Math.round((size % 3_600_000) / 60_000)} min`
          : `${Math.round(size / 86_400_000)} d`;
  return distance < 0 ? `${amount} ago` : `in ${amount}`;
}

/** By zone: making one takes a hundred times as long as using it. */
const formats = new Map<string | undefined, Intl.DateTimeFormat>();

function formatOf(zone: string | undefined): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-GB", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(zone === undefined ? {} : { timeZone: zone }),
  });
  formats.set(zone, format);
  return format;
}

function parts(time: number, zone: string | undefined): Record<string, string> {
  return Object.fromEntries(formatOf(zone).formatToParts(time).map((part) => [part.type, part.value]));
}

/** `2026-11-24 02:14:07` */
export function dateTimeWords(time: number, zone?: string): string {
  const at = parts(time, zone);
  return `${at["year"]}-${at["month"]}-${at["day"]} ${at["hour"]}:${at["minute"]}:${at["second"]}`;
}

/** `02:14:07`, with milliseconds if asked for. */
export function clockWords(time: number, milliseconds = false, zone?: string): string {
  const at = parts(time, zone);
  const clock = `${at["hour"]}:${at["minute"]}:${at["second"]}`;
  return milliseconds ? `${clock}.${String(Math.floor(time) % 1000).padStart(3, "0")}` : clock;
}

/** Today's times as a clock, other days with their date. */
export function whenWords(time: number, now: number, zone?: string): string {
  const full = dateTimeWords(time, zone);
  const today = dateTimeWords(now, zone).slice(0, 10);
  return full.startsWith(today) ? full.slice(11) : full.slice(5, 16);
}

/** The absolute time in the browser's zone and UTC, for tooltips. */
export function fullTime(time: number): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${dateTimeWords(time)} ${zone} · ${dateTimeWords(time, "UTC")} UTC`;
}

export function numberWords(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
}

export function sizeWords(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)} KiB`;
  const size = bytes / 1024 / 1024;
  return size < 1024 ? `${size.toFixed(1)} MiB` : size < 1024 * 1024 ? `${(size / 1024).toFixed(1)} GiB` : `${(size / 1024 / 1024).toFixed(1)} TiB`;
}

/** Long ids are shortened in the middle: begin and end tell them apart. */
export function shortId(id: string, width = 34): string {
  if (id.length <= width) return id;
  const head = Math.ceil((width - 1) * 0.6);
  return `${id.slice(0, head)}…${id.slice(id.length - (width - 1 - head))}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${numberWords(count)} ${count === 1 ? one : many}`;
}

/** `/etl/nightly` → name and folder. */
export function splitPath(path: string): { folder: string; name: string } {
  const cut = path.lastIndexOf("/");
  return cut < 0 ? { folder: "/", name: path } : { folder: cut === 0 ? "/" : path.slice(0, cut), name: path.slice(cut + 1) };
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
