import { describe, expect, it } from "vitest";
import { type PublishedObject } from "../api/inventory";
import { isChosen, isForced, keyOf, planPublishing } from "./publishing";

const object = (path: string, more: Partial<PublishedObject> = {}): PublishedObject => ({
  id: 1, path, objectType: "WORKFLOW", reason: "chosen", after: {}, valid: true, published: true,
  changes: [{ action: "change", controllerId: "prod", orders: 2 }], ...more,
});
const script = object("/SET", { objectType: "INCLUDESCRIPT", reason: "needed", published: false, changes: [{ action: "create" }] });
const nightly = object("/NIGHT", { objectType: "SCHEDULE", reason: "refers", changes: [{ action: "change" }] });
const none = new Map<string, boolean>();

describe("what is published", () => {
  it("is what was chosen and what that needs; what refers to it only if asked for", () => {
    expect([object("/LOAD"), script, nightly].map((one) => isChosen(one, none))).toEqual([true, true, false]);
    expect(isChosen(nightly, new Map([[keyOf(nightly), true]]))).toBe(true);
    expect(isForced(script)).toBe(true);
    expect(isChosen(script, new Map([[keyOf(script), false]]))).toBe(true);
    expect(isChosen({ ...script, published: true }, new Map([[keyOf(script), false]]))).toBe(false);
  });

  it("goes out in the order in which it is needed", () => {
    const plan = planPublishing([object("/LOAD"), script, nightly], new Map([[keyOf(nightly), true]]), ["prod"], "CHG-1");
    expect(plan.requests.map(({ path }) => path)).toEqual(["inventory/release", "inventory/deployment/deploy", "inventory/release"]);
    expect(plan.requests[1]?.body).toEqual({
      controllerIds: ["prod"],
      store: { draftConfigurations: [{ configuration: { path: "/LOAD", objectType: "WORKFLOW" } }] },
      auditLog: { comment: "CHG-1" },
    });
    expect(plan.requests[2]?.body).toMatchObject({ update: [{ path: "/NIGHT", objectType: "SCHEDULE" }] });
    expect(plan.button).toBe("Deploy 1 and release 2 objects");
    expect(plan.effects).toEqual([
      "At prod: 1 changed.",
      "2 orders at prod keep the version that they have.",
      "In the Cockpit: 1 new, 1 changed.",
      "Plans that exist stay as they are; days that are planned from now on follow the new one.",
    ]);
    expect(plan.refused).toBeUndefined();
  });

  it.each([
    [[], ["prod"], "Nothing is chosen."],
    [[object("/LOAD")], [], "Choose a Controller."],
    [[object("/LOAD", { valid: false })], ["prod"], "Nothing is chosen."],
    [[object("/NEW", { valid: false, reason: "needed", published: false, invalidMsg: "$.jobs: missing" })], ["prod"], "/NEW is not valid: $.jobs: missing"],
  ])("says why not: %#", (objects, controllers, refused) => {
    expect(planPublishing(objects, none, controllers, "").refused).toBe(refused);
  });

  it("needs no Controller for what is only released", () => {
    const plan = planPublishing([script], none, [], "");
    expect(plan).toMatchObject({ button: "Release 1 object", requests: [{ path: "inventory/release", body: { update: [{ path: "/SET" }] } }] });
    expect(plan.refused).toBeUndefined();
  });
});
