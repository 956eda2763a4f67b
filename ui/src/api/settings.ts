/** Settings of the Cockpit, and preferences of who is logged in (cockpit-api 2.3, 7). */
import { queryOptions } from "@tanstack/react-query";
import type { Catalogue, SettingsDocument } from "../domain/settings";
import { type Change } from "./changes";
import { post } from "./http";

export const SETTINGS_KEYS = [["settings"], ["plan"]];

export const settingsQuery = () =>
  queryOptions({
    queryKey: ["settings"],
    queryFn: async ({ signal }) => {
      type Answer = { configurations: { configurationItem: string }[]; defaultGlobals?: Catalogue };
      const { configurations, defaultGlobals = {} } = await post<Answer>("configurations", { configurationType: "GLOBALS" }, signal);
      const document = JSON.parse(configurations[0]?.configurationItem ?? "{}") as SettingsDocument;
      return { catalogue: defaultGlobals, document };
    },
    staleTime: 10_000,
  });

export const storeSettings = (document: SettingsDocument, comment: string): Change => ({
  path: "settings/store",
  body: { configurationItem: JSON.stringify(document), ...(comment === "" ? {} : { auditLog: { comment } }) },
});

/** Of the person, at all browsers. Others keep theirs in the same object: members that are not ours stay. */
export interface Preferences {
  stellwerk?: { theme?: string; singleKeysOff?: boolean };
  [member: string]: unknown;
}

export const preferencesQuery = () =>
  queryOptions({
    queryKey: ["preferences"],
    queryFn: async ({ signal }) => {
      const { profileItem } = await post<{ profileItem: string }>("profile/prefs", {}, signal);
      return parsed(profileItem);
    },
    staleTime: 60_000,
  });

function parsed(text: string): Preferences {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Preferences) : {};
  } catch {
    // Somebody else's preferences in another form: there are none of ours.
    return {};
  }
}

export const storePreferences = (preferences: Preferences): Change => ({ path: "profile/prefs/store", body: { profileItem: JSON.stringify(preferences) } });

export const changeOwnPassword = (identityServiceName: string, accountName: string, oldPassword: string, password: string): Change => ({
  path: "iam/account/changepassword",
  body: { identityServiceName, accountName, oldPassword, password, repeatedPassword: password },
});
