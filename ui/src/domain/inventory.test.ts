import { describe, expect, it } from "vitest";
import { importFields } from "../api/inventory";
import { deploymentGroups, foldersAbove, inventoryAddress, inventoryPlace, isDraft, isPublished, joinPath, markOf, nameFault, treeRows, treeStep, TYPES, typeLook, versionBefore } from "./inventory";

const folder = (path: string) => ({ path });
const object = (path: string, objectType = "WORKFLOW") => ({ path, objectType });
const parts = new Map([
  ["/", { folders: [folder("/etl"), folder("/fin")], objects: [object("/LOAD")] }],
  ["/etl", { folders: [folder("/etl/eu")], objects: [object("/etl/LOCK", "LOCK"), object("/etl/NIGHT")] }],
]);

describe("the tree", () => {
  const open = new Set(["/etl", "/etl/eu"]);
  const rows = treeRows(parts, open);

  it("shows what is open, folders first, and what is still on its way", () => {
    expect(rows.map(({ key, level, place, of }) => [key, level, `${place}/${of}`])).toEqual([
      ["FOLDER /etl", 1, "1/3"],
      ["FOLDER /etl/eu", 2, "1/3"],
      ["LOCK /etl/LOCK", 2, "2/3"],
      ["WORKFLOW /etl/NIGHT", 2, "3/3"],
      ["FOLDER /fin", 1, "2/3"],
      ["WORKFLOW /LOAD", 1, "3/3"],
    ]);
    expect(rows.map(({ open: isOpen, loading }) => [isOpen, loading])[1]).toEqual([true, true]);
  });

  it.each([
    ["FOLDER /etl", "ArrowDown", { go: "FOLDER /etl/eu" }],
    ["FOLDER /etl/eu", "ArrowUp", { go: "FOLDER /etl" }],
    ["FOLDER /fin", "ArrowRight", { open: "/fin" }],
    ["FOLDER /etl", "ArrowRight", { go: "FOLDER /etl/eu" }],
    ["FOLDER /etl/eu", "ArrowRight", undefined],
    ["FOLDER /etl", "ArrowLeft", { close: "/etl" }],
    ["LOCK /etl/LOCK", "ArrowLeft", { go: "FOLDER /etl" }],
    ["WORKFLOW /LOAD", "ArrowLeft", undefined],
    ["WORKFLOW /LOAD", "Home", { go: "FOLDER /etl" }],
    ["FOLDER /etl", "End", { go: "WORKFLOW /LOAD" }],
    ["WORKFLOW /LOAD", "ArrowDown", undefined],
    ["nowhere", "ArrowDown", undefined],
  ])("leads from %s by %s", (current, key, expected) => {
    expect(treeStep(rows, current, key)).toEqual(expected);
  });

  it("knows what lies above an object", () => {
    expect(foldersAbove("/etl/eu/NIGHT")).toEqual(["/etl", "/etl/eu"]);
    expect(foldersAbove("/LOAD")).toEqual([]);
    expect(joinPath("/", "LOAD")).toBe("/LOAD");
    expect(joinPath("/etl", "LOAD")).toBe("/etl/LOAD");
  });
});

describe("addresses", () => {
  it.each([
    ["/etl/LOAD", "WORKFLOW"],
    ["/etl", "FOLDER"],
    ["/trash", "FOLDER"],
    ["/trash", "LOCK"],
    ["/", "FOLDER"],
  ])("of %s (%s) lead back to it", (path, objectType) => {
    const { splat, type } = inventoryAddress(path, objectType);
    expect(inventoryPlace(splat, type)).toEqual(objectType === "FOLDER" ? { kind: "folder", path } : { kind: "object", path, objectType });
  });
  it("of the trash is the specification's", () => {
    expect(inventoryPlace("trash", undefined)).toEqual({ kind: "trash" });
  });
});

describe("marks", () => {
  it("say what is wrong before what is published", () => {
    expect(markOf({ state: "DEPLOYMENT_IS_NEWER", valid: false }).word).toBe("not valid");
    expect(markOf({ state: "DEPLOYMENT_IS_NEWER", valid: true }).word).toBe("deployed");
    expect(markOf({ state: "RELEASE_NOT_EXIST", valid: true }).word).toBe("draft");
    expect(markOf({ state: "NO_CONFIGURATION_EXIST", valid: true }).word).toBe("stored");
  });
  it("tell drafts from what is published, and what is both", () => {
    const both = ["DEPLOYMENT_IS_NEWER", "RELEASE_IS_NEWER", "DRAFT_IS_NEWER", "DEPLOYMENT_NOT_EXIST"].map((state) => [isDraft(state), isPublished(state)]);
    expect(both).toEqual([[false, true], [false, true], [true, true], [true, false]]);
  });
  it("have a look for each type, known or not", () => {
    expect(TYPES).toHaveLength(11);
    expect(typeLook("FOLDER").icon).toBe("folder");
    expect(typeLook("HOLOGRAM")).toMatchObject({ word: "hologram", icon: "question" });
  });
  it("name what is wrong with a name", () => {
    expect(["", "a/b", "a b"].map(nameFault).every((fault) => fault !== undefined)).toBe(true);
    expect(nameFault("nightly-load_2")).toBeUndefined();
  });
});

describe("deployments", () => {
  const row = (deploymentId: number, commitId: string, path: string, more: object = {}) => ({
    deploymentId, commitId, path, controllerId: "prod", account: "jd", deployType: "WORKFLOW", operation: "UPDATE", state: "DEPLOYED",
    deploymentDate: new Date(1_700_000_000_000 + deploymentId * 1000).toISOString(), ...more,
  });
  const rows = [
    row(6, "c", "/LOAD", { state: "NOT_DEPLOYED", errorMessage: "unknown job", controllerId: "test" }),
    row(5, "c", "/LOAD"),
    row(4, "b", "/etl/LOAD", { state: "NOT_DEPLOYED", errorMessage: "no" }),
    row(3, "a", "/etl/LOAD"),
    row(2, "a", "/GATE", { deployType: "LOCK" }),
    row(1, "0", "/GATE", { deployType: "LOCK", operation: "DELETE" }),
  ];
  it("are the rows of one commit, with what became of them", () => {
    const shown = deploymentGroups(rows).map(({ commitId, state, objects, controllers, message }) => ({ commitId, state, objects, controllers, message }));
    expect(shown).toEqual([
      { commitId: "c", state: "partly", objects: 1, controllers: ["test", "prod"], message: "unknown job" },
      { commitId: "b", state: "refused", objects: 1, controllers: ["prod"], message: "no" },
      { commitId: "a", state: "deployed", objects: 2, controllers: ["prod"], message: undefined },
      { commitId: "0", state: "deployed", objects: 1, controllers: ["prod"], message: undefined },
    ]);
  });
  it("know what they replaced: what was refused or deleted does not count", () => {
    const [, load, refused, first, gate] = rows as [never, (typeof rows)[0], (typeof rows)[0], (typeof rows)[0], (typeof rows)[0]];
    expect(versionBefore(rows, load)?.commitId).toBe("a");
    expect(versionBefore(rows, refused)?.commitId).toBe("a");
    expect(versionBefore(rows, first)).toBeUndefined();
    expect(versionBefore(rows, gate)).toBeUndefined();
  });
});

describe("an import", () => {
  it.each([
    ["keep", { targetFolder: "/a", overwrite: "false" }],
    ["replace", { targetFolder: "/a", overwrite: "true" }],
    ["suffix", { targetFolder: "/a", overwrite: "false", suffix: "again" }],
  ] as const)("says what becomes of taken names: %s", (taken, fields) => {
    expect(importFields({ folder: "/a", taken, suffix: "again" })).toEqual(fields);
  });
});
