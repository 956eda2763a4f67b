/**
 * A form from a workflow's declared parameters (workflow-language.md 5.1, cockpit-services.md 1.2): what to ask for, which
 * texts are wrong and why, and the JSON values that `orders/add` takes. Pure.
 */
import { type OrderPreparationJson, type ParameterJson } from "../api/types";

export type FieldKind = "text" | "number" | "boolean" | "list" | "json";

export interface ArgumentField {
  name: string;
  kind: FieldKind;
  required: boolean;
  /** The default as people read it: `7`, `today`. */
  defaultText?: string;
  choices?: string[];
  pattern?: string;
  hint?: string;
}

/** What is in the form: a text, a choice for booleans (`""` is the default), the items of a list. */
export type FieldValue = string | string[];

export function fieldsOf(preparation: OrderPreparationJson | undefined): ArgumentField[] {
  return Object.entries(preparation?.parameters ?? {})
    .filter(([, parameter]) => parameter.final === undefined)
    .map(([name, parameter]) => fieldOf(name, parameter));
}

/** May arguments be given that are not declared? Without any declaration: yes. */
export function undeclaredAllowed(preparation: OrderPreparationJson | undefined): boolean {
  return preparation === undefined || preparation.allowUndeclared === true;
}

function fieldOf(name: string, parameter: ParameterJson): ArgumentField {
  const field: ArgumentField = { name, kind: kindOf(parameter), required: parameter.default === undefined };
  const choices = parameter.list?.map((choice) => (typeof choice === "string" ? choice : (choice.value ?? choice.name ?? "")));
  if (parameter.default !== undefined) field.defaultText = readableDefault(parameter.default);
  if (choices !== undefined && choices.length > 0) field.choices = choices.map(readableDefault);
  if (parameter.facet !== undefined) field.pattern = parameter.facet;
  if (parameter.message !== undefined) field.hint = parameter.message;
  return field;
}

function kindOf({ type, listParameters }: ParameterJson): FieldKind {
  if (type === "Number") return "number";
  if (type === "Boolean") return "boolean";
  if (type === "String" || type === undefined || type === null || type === "Any") return "text";
  if (typeof type === "object" && type.TYPE === "List" && typeof type.elementType === "string") return "list";
  if (type === "List" && listParameters === undefined) return "list";
  return "json";
}

/** A default is an expression; a string constant is shown without its quotes. */
function readableDefault(value: unknown): string {
  return typeof value === "string" ? constantText(value) : JSON.stringify(value);
}

/** `'some text'` → `some text`; any other expression as it is. */
export function constantText(expression: string): string {
  return /^(['"])((?:(?!\1).)*)\1$/s.exec(expression)?.[2] ?? expression;
}

/** Why the value cannot be sent, or undefined. An empty optional field is the default. */
export function problemOf(field: ArgumentField, value: FieldValue | undefined): string | undefined {
  if (isEmpty(value)) return field.required ? `${field.name} is required.` : undefined;
  if (Array.isArray(value)) return undefined;
  const text = value as string;
  if (field.kind === "number" && !/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text.trim())) return `${field.name} must be a number, such as 42 or 1.5.`;
  if (field.kind === "json" && parsed(text) === undefined) return `${field.name} must be JSON, such as [{"name": "a"}] or {"a": 1}.`;
  if (field.pattern !== undefined && !new RegExp(`^(?:${field.pattern})$`, "u").test(text))
    return field.hint ?? `${field.name} must match ${field.pattern}.`;
  return undefined;
}

/** The arguments of the request: only what was given; numbers as JSON numbers, booleans as booleans. */
export function argumentsOf(fields: readonly ArgumentField[], values: Record<string, FieldValue>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (isEmpty(value)) continue;
    given[field.name] = jsonOf(field, value as FieldValue);
  }
  return given;
}

function jsonOf(field: ArgumentField, value: FieldValue): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== "");
  switch (field.kind) {
    case "number": {
      // A number that JavaScript would round travels as text; the server reads it exactly.
      const number = Number(value);
      return String(number) === value.trim() ? number : value.trim();
    }
    case "boolean":
      return value === "true";
    case "json":
      return parsed(value);
    default:
      return value;
  }
}

function isEmpty(value: FieldValue | undefined): boolean {
  return value === undefined || value === "" || (Array.isArray(value) && value.every((item) => item === ""));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON is an answer, not an accident: the form says so.
    return undefined;
  }
}
