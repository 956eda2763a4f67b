/**
 * From what a person has chosen to publish to the requests that do it, in their order (ui.md 4.8): what jobs include is released
 * first, then comes the deployment, schedules come after their workflows. Pure.
 */
import { type Change } from "../api/changes";
import { deployDrafts, type PublishedObject, releaseObjects, type TargetChange } from "../api/inventory";
import { typeLook } from "./inventory";
import { plural } from "./words";

export const keyOf = ({ objectType, path }: { objectType: string; path: string }): string => `${objectType} ${path}`;

/** What has never been published must go along with what needs it. */
export const isForced = (object: PublishedObject): boolean => object.reason === "needed" && !object.published;

export function isChosen(object: PublishedObject, choice: ReadonlyMap<string, boolean>): boolean {
  if (isForced(object)) return true;
  return choice.get(keyOf(object)) ?? (object.reason !== "refers" && object.valid);
}

export const hasChange = (object: PublishedObject): boolean => object.changes.some(({ action }) => action !== "same");

export interface PublishingPlan {
  deployed: PublishedObject[];
  released: PublishedObject[];
  requests: Change[];
  /** Why nothing can be sent. */
  refused?: string;
  /** What will happen, sentence by sentence. */
  effects: string[];
  button: string;
}

export function planPublishing(
  objects: readonly PublishedObject[],
  choice: ReadonlyMap<string, boolean>,
  controllerIds: readonly string[],
  comment: string,
): PublishingPlan {
  const chosen = objects.filter((object) => isChosen(object, choice));
  const deployed = chosen.filter(({ objectType }) => typeLook(objectType).publishing === "deploy");
  const released = chosen.filter(({ objectType }) => typeLook(objectType).publishing !== "deploy");
  const schedules = released.filter(({ objectType }) => objectType === "SCHEDULE");
  const before = released.filter(({ objectType }) => objectType !== "SCHEDULE");
  const requests: Change[] = [];
  if (before.length > 0) requests.push(releaseObjects(before, { comment }));
  if (deployed.length > 0 && controllerIds.length > 0) requests.push(deployDrafts(deployed, controllerIds, { comment }));
  if (schedules.length > 0) requests.push(releaseObjects(schedules, { comment }));
  const invalid = chosen.find(({ valid }) => !valid);
  const refused =
    chosen.length === 0
      ? "Nothing is chosen."
      : invalid !== undefined
        ? `${invalid.path} is not valid: ${invalid.invalidMsg ?? "it has no content"}`
        : deployed.length > 0 && controllerIds.length === 0
          ? "Choose a Controller."
          : undefined;
  return {
    deployed,
    released,
    requests,
    ...(refused === undefined ? {} : { refused }),
    effects: effectsOf(deployed, released, controllerIds),
    button: buttonOf(deployed.length, released.length),
  };
}

function buttonOf(deployed: number, released: number): string {
  if (released === 0) return `Deploy ${plural(deployed, "object")}`;
  if (deployed === 0) return `Release ${plural(released, "object")}`;
  return `Deploy ${deployed} and release ${plural(released, "object")}`;
}

function effectsOf(deployed: readonly PublishedObject[], released: readonly PublishedObject[], controllerIds: readonly string[]): string[] {
  const effects = controllerIds.flatMap((id) => {
    const changes = deployed.flatMap((object) => object.changes.filter(({ controllerId }) => controllerId === id).map((change) => ({ object, change })));
    if (changes.length === 0) return [];
    const orders = changes.filter(({ change }) => change.action === "change").reduce((sum, { change }) => sum + (change.orders ?? 0), 0);
    return [
      `At ${id}: ${countWords(changes.map(({ change }) => change))}.`,
      ...(orders === 0 ? [] : [`${plural(orders, "order")} at ${id} keep${orders === 1 ? "s" : ""} the version that ${orders === 1 ? "it has" : "they have"}.`]),
    ];
  });
  if (released.length > 0) effects.push(`In the Cockpit: ${countWords(released.flatMap(({ changes }) => changes))}.`);
  if (released.some(({ objectType }) => objectType === "SCHEDULE" || objectType.endsWith("CALENDAR")))
    effects.push("Plans that exist stay as they are; days that are planned from now on follow the new one.");
  return effects;
}

function countWords(changes: readonly TargetChange[]): string {
  const count = (action: TargetChange["action"]) => changes.filter((change) => change.action === action).length;
  const words = [
    [count("create"), "new"],
    [count("change"), "changed"],
    [count("same"), "the same again"],
  ] as const;
  return words
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
}
