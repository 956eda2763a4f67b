/** The settings of the Cockpit as fields of a form, and back (cockpit-services 8). Pure. */

export interface CatalogueEntry {
  type: string;
  ordering: number;
  default?: string | null;
  values?: string[];
  children?: Record<string, CatalogueEntry>;
}

/** Section → entries; the member `ordering` stands among them. */
export type Catalogue = Record<string, Record<string, CatalogueEntry | number>>;

interface StoredEntry {
  value?: string | null;
  ordering?: number;
  children?: Record<string, StoredEntry>;
}
export type SettingsDocument = Record<string, Record<string, StoredEntry | number>>;

export interface SettingField {
  section: string;
  name: string;
  /** Of an entry below another one: `history_pause_delay` of `force_cleanup`. */
  parent?: string;
  type: string;
  choices: string[];
  /** Texts; `null`: not set. */
  standard: string | null;
  value: string | null;
}

/** The key of a field in the edits: `section/name`, or `section/parent/name`. */
export const keyOf = ({ section, parent, name }: Pick<SettingField, "section" | "parent" | "name">): string => [section, parent, name].filter((part) => part !== undefined).join("/");

export function settingFields(catalogue: Catalogue, document: SettingsDocument): SettingField[] {
  const fields: SettingField[] = [];
  for (const [section, entries] of Object.entries(catalogue))
    for (const [name, entry] of Object.entries(entries)) {
      if (typeof entry === "number") continue;
      const stored = storedEntry(document[section]?.[name]);
      fields.push(fieldOf(section, name, entry, stored?.value));
      for (const [child, below] of Object.entries(entry.children ?? {}))
        fields.push({ ...fieldOf(section, child, below, stored?.children?.[child]?.value), parent: name });
    }
  return fields;
}

const storedEntry = (entry: StoredEntry | number | undefined): StoredEntry | undefined => (typeof entry === "object" ? entry : undefined);

function fieldOf(section: string, name: string, entry: CatalogueEntry, value: string | null | undefined): SettingField {
  const standard = entry.default ?? null;
  return { section, name, type: entry.type, choices: entry.values ?? [], standard, value: value === undefined ? standard : value };
}

/** What is to be stored: all that differs from its default, with the edits. What is left out gets its default. */
export function documentOf(fields: readonly SettingField[], edits: ReadonlyMap<string, string | null>): SettingsDocument {
  const document: Record<string, Record<string, StoredEntry>> = {};
  for (const field of fields) {
    const key = keyOf(field);
    const value = edits.has(key) ? (edits.get(key) ?? null) : field.value;
    if (value === field.standard) continue;
    const section = (document[field.section] ??= {});
    if (field.parent === undefined) section[field.name] = { ...section[field.name], value };
    else {
      const parent = (section[field.parent] ??= {});
      parent.children = { ...parent.children, [field.name]: { value } };
    }
  }
  // A parent that is there for its children's sake keeps its own value.
  for (const field of fields) {
    const entry = field.parent === undefined ? document[field.section]?.[field.name] : undefined;
    if (entry !== undefined && entry.value === undefined) entry.value = edits.get(keyOf(field)) ?? field.value;
  }
  return document;
}

/** Why a text is no value of the type; undefined: it is. The server looks again. */
export function settingProblem(type: string, value: string | null): string | undefined {
  if (value === null || value === "") return undefined;
  switch (type) {
    case "NONNEGATIVEINTEGER":
      return /^\d+$/.test(value) ? undefined : "A whole number, 0 or more.";
    case "POSITIVEINTEGER":
      return /^[1-9]\d*$/.test(value) ? undefined : "A whole number, 1 or more.";
    case "TIME":
      return /^([01]?\d|2[0-4])(:[0-5]\d){1,2}$/.test(value) ? undefined : "A time such as 06:00 or 06:00:00.";
    case "DURATION":
      return /^(0|\d+[smhdw]?)$/.test(value) ? undefined : "A duration such as 90s, 12h, 30d, 1w; 0 is off.";
    default:
      return undefined;
  }
}

const SECTIONS: Record<string, string> = {
  dailyplan: "Daily plan",
  cleanup: "Clean-up",
  identityService: "Logins",
  lognotification: "Log notification",
  joc: "Cockpit",
  git: "Git",
  kiosk: "Kiosk",
  user: "Welcome",
};
export const sectionWords = (section: string): string => SECTIONS[section] ?? section;

export const nameWords = (name: string): string => name.replaceAll("_", " ");

/** What a setting does, where its name does not say it. */
export const HINTS: Record<string, string> = {
  "dailyplan/time_zone": "of the service's run and of “today”; used at the next run",
  "dailyplan/period_begin": "when a plan's day begins, in the zone of each schedule",
  "dailyplan/start_time": "of the service's daily run; empty: half an hour before the plan's day begins",
  "dailyplan/days_ahead_plan": "0 switches the service off",
  "dailyplan/days_ahead_submit": "so many days are sent to the Controllers ahead",
  "dailyplan/age_of_plans_to_be_closed_automatically": "in days; 0: never",
  "cleanup/period": "days on which old data is deleted; none: never",
  "cleanup/order_history_age": "older history is deleted for good",
  "cleanup/order_history_logs_age": "older logs are deleted for good",
  "cleanup/audit_log_age": "older entries of the audit log are deleted for good",
  "identityService/initial_password": "of accounts that are added without one; must be changed at the first login",
  "identityService/idle_session_timeout": "a session ends when nothing is done with it for so long",
  "joc/force_comments_for_audit_log": "every change needs a comment",
  "joc/comments_for_audit_log": "suggested comments, with ; between them",
};

/** The days of WEEKDAYS: `1` is Monday. */
export const weekdaysOf = (value: string | null): number[] => (value ?? "").split(",").map(Number).filter((day) => day >= 1 && day <= 7);
export const weekdaysText = (days: readonly number[]): string | null => (days.length === 0 ? null : [...days].sort().join(","));
