/**
 * A refused or failed call, with what a person needs: what is wrong, its code, the place, what to do.
 * Body forms: cockpit-api.md 1.3 and 1.4 (420/434 `error`, 419 `errors`, 401/403/440 authentication object).
 */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly path: string,
    readonly details: readonly { code: string; message: string; path: string }[] = [],
  ) {
    super(message);
  }

  /** The session is unknown or over: log in again, keeping the page. */
  get sessionEnded(): boolean {
    return this.status === 440 || (this.status === 401 && !this.path.startsWith("authentication/"));
  }

  get remedy(): string {
    if (this.status === 0) return "The Cockpit did not answer. Check that it runs; the page tries again by itself.";
    if (this.status === 403) return "Your role lacks this permission. Ask an administrator.";
    if (this.status === 434) return "The Cockpit does not reach the Controller. Orders go on; try again when it is coupled.";
    if (this.sessionEnded) return "Log in again to go on; nothing on this page is lost.";
    return "Correct what the message names and try again.";
  }

  /** Text for a ticket: no secrets, no token. */
  get report(): string {
    const lines = [`${this.code} ${this.message}`, `POST|GET ${this.path} → ${this.status}`];
    for (const detail of this.details) lines.push(`  ${detail.code} ${detail.path}: ${detail.message}`);
    return lines.join("\n");
  }
}

/** Reads any of the error bodies; unknown bodies become their status. */
export function errorFrom(status: number, path: string, body: unknown): ApiError {
  const object = isObject(body) ? body : {};
  const single = object["error"];
  if (isObject(single)) return new ApiError(status, text(single["code"], "JOC-420"), readable(single["message"]), path);
  const many = object["errors"];
  if (Array.isArray(many)) {
    const details = many.filter(isObject).map((item) => ({
      code: text(item["code"], "JOC-419"),
      message: readable(item["message"]),
      path: text(item["path"], ""),
    }));
    const first = details[0];
    return new ApiError(status, first?.code ?? "JOC-419", first?.message ?? "The request was refused.", path, details);
  }
  if (typeof object["message"] === "string" && object["message"] !== "")
    return new ApiError(status, `HTTP-${status}`, readable(object["message"]), path);
  return new ApiError(status, `HTTP-${status}`, `The Cockpit answered ${status} without an explanation.`, path);
}

/** Messages of the compatible API begin with a class name: `JocBadRequestException: …`. People need the rest. */
function readable(message: unknown): string {
  return text(message, "no message").replace(/^[A-Z]\w*(Exception|Error): /, "");
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
