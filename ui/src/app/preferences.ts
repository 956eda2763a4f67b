/** What a person has chosen: at once in this browser, kept with the account, taken over by other browsers at their start. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useChange } from "../actions/useChange";
import { preferencesQuery, type Preferences, storePreferences } from "../api/settings";
import { chooseTheme, type ThemeChoice, themeChoice } from "../design/theme";
import { setSingleKeysOff, singleKeysOff } from "./keys";

interface Choices {
  theme?: ThemeChoice;
  singleKeysOff?: boolean;
}

export function usePreferences(): { choose: (part: Choices) => void; error: Error | null } {
  const client = useQueryClient();
  const { data, error } = useQuery(preferencesQuery());
  const save = useChange(() => undefined);
  function choose(part: Choices): void {
    if (part.theme !== undefined) chooseTheme(part.theme);
    if (part.singleKeysOff !== undefined) setSingleKeysOff(part.singleKeysOff);
    // Not known yet what others keep there: then it holds for this browser alone.
    if (data === undefined) return;
    const next: Preferences = { ...data, stellwerk: { theme: themeChoice(), singleKeysOff: singleKeysOff(), ...part } };
    client.setQueryData(preferencesQuery().queryKey, next);
    save.mutate(storePreferences(next));
  }
  return { choose, error: save.error ?? error };
}

/** Once, when it is first known what the person has chosen elsewhere. */
export function useKeptPreferences(): void {
  const { data } = useQuery(preferencesQuery());
  const isKnown = data !== undefined;
  useEffect(() => {
    const kept = data?.stellwerk;
    if (kept?.theme === "light" || kept?.theme === "dark" || kept?.theme === "system") chooseTheme(kept.theme);
    if (kept?.singleKeysOff !== undefined) setSingleKeysOff(kept.singleKeysOff);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [isKnown]);
}
