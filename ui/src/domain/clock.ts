/** Wall times of a zone, short: for axes and plans (ui.md P12). Pure. */
import { clockWords } from "./words";

/** `02:14` in the zone. */
export const shortClock = (zone: string) => {
  const known = zoneOf(zone);
  return (time: number): string => clockWords(time, false, known).slice(0, 5);
};

/** A zone that the browser does not know is shown as UTC. */
export function zoneOf(zone: string): string {
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
    return zone;
  } catch {
    return "UTC";
  }
}

/** All zones that the browser knows, UTC first. */
export const timeZones = (): string[] => ["Etc/UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "Etc/UTC" && zone !== "UTC")];
