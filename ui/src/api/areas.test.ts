/** The requests of plan, access, calendars: what is sent, and what "Show as" makes of it. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { showAs } from "./changes";

let access: typeof import("./access");
let plan: typeof import("./plan");
let calendars: typeof import("./calendars");

beforeAll(async () => {
  // The session is looked up when its module is loaded; there is none here.
  vi.stubGlobal("sessionStorage", { getItem: () => null });
  [access, plan, calendars] = await Promise.all([import("./access"), import("./plan"), import("./calendars")]);
});

describe("changes of the plan", () => {
  const selection = () => ({ controllerId: "c", orderIds: ["#1"], comment: "CHG-1" });
  it("name the orders, and hold only what was chosen", () => {
    expect(plan.submitPlanned(selection())).toEqual({ path: "daily_plan/orders/submit", body: { controllerIds: ["c"], orderIds: ["#1"], auditLog: { comment: "CHG-1" } } });
    expect(plan.movePlanned({ ...selection(), comment: "" }, { scheduledFor: "cur + 00:30" }).body).toEqual({ controllerId: "c", orderIds: ["#1"], scheduledFor: "cur + 00:30" });
    expect(plan.copyPlanned({ ...selection(), comment: "" }, { scheduledFor: "2026-11-24 18:00", timeZone: "Europe/Berlin", stickDailyPlanDate: true }).body).toEqual({
      controllerId: "c", orderIds: ["#1"], scheduledFor: "2026-11-24 18:00", timeZone: "Europe/Berlin", stickDailyPlanDate: true,
    });
    expect(plan.changeVariables({ ...selection(), comment: "" }, { n: 3 }, []).body).toEqual({ controllerId: "c", orderIds: ["#1"], variables: { n: 3 } });
  });
  it("generate all schedules, or those named", () => {
    const generation = { controllerId: "c", dailyPlanDates: ["2026-11-24"], schedulePaths: [], overwrite: false, withSubmit: true, includeLate: false, includeNonAutoPlannedOrders: false };
    expect(plan.generatePlan(generation).body).toEqual({ controllerId: "c", dailyPlanDates: ["2026-11-24"], withSubmit: true });
    expect(plan.generatePlan({ ...generation, schedulePaths: ["/a"] }).body).toMatchObject({ schedulePaths: { singles: ["/a"] } });
  });
});

describe("changes of access", () => {
  it("send a role's edits column by column, what is stored before what is taken away", () => {
    const edits = [
      { controllerId: "", permissionPath: "p:a", held: "granted" },
      { controllerId: "prod", permissionPath: "p:b", held: "excluded" },
      { controllerId: "", permissionPath: "p:c", held: "none" },
    ] as const;
    const changes = access.changePermissions("JOC", "ops", edits, "");
    expect(changes.map(({ path, body }) => [path, body["controllerId"]])).toEqual([["iam/permissions/store", ""], ["iam/permissions/delete", ""], ["iam/permissions/store", "prod"]]);
    expect(changes[2]?.body["permissions"]).toEqual([{ permissionPath: "p:b", excluded: true }]);
    expect(changes.map((change) => showAs(change, "https://c").stellwerk)).toEqual([
      "stellwerk role add ops --service JOC --permission p:a",
      "stellwerk role revoke ops --service JOC --permission p:c",
      "stellwerk role add ops --service JOC --controller prod --exclude p:b",
    ]);
  });
  it("are shown as our commands only where these do the same", () => {
    const shown = (change: import("./changes").Change) => showAs(change, "https://c").stellwerk;
    expect(shown(access.onAccounts("disable", "JOC", ["a", "b"], "left us"))).toBe("stellwerk user disable a b --service JOC --comment 'left us'");
    expect(shown(access.onAccounts("resetpassword", "JOC", ["a", "b"], ""))).toBeUndefined();
    expect(shown(access.onAccounts("forcepasswordchange", "JOC", ["a"], ""))).toBeUndefined();
    const scope = { identityServiceName: "JOC", roleName: "ops", controllerId: "" };
    expect(shown(access.storeFolders(scope, [{ folder: "/etl", recursive: true }], ""))).toBe("stellwerk role add ops --service JOC --folder /etl");
    expect(shown(access.storeFolders(scope, [{ folder: "/etl", recursive: false }], ""))).toBeUndefined();
  });
  it("leave an account's password as it is unless one is given", () => {
    const form = { identityServiceName: "JOC", accountName: "a", email: "", password: "", disabled: false, forcePasswordChange: true, roles: ["r"] };
    expect(access.storeAccount(form, "").body).toEqual({ identityServiceName: "JOC", accountName: "a", disabled: false, forcePasswordChange: true, roles: ["r"] });
    expect(access.storeAccount({ ...form, password: "x" }, "").body["password"]).toBe("x");
  });
  it("keep what the form of an identity service does not show", () => {
    const stored = { identityServiceName: "ldap", identityServiceType: "LDAP", serviceAuthenticationScheme: "TWO-FACTOR", ordering: 2, disabled: true, required: false, secondFactor: false, secondFactorIdentityServiceName: "fido" };
    const { body } = access.storeService({ identityServiceName: "ldap", identityServiceType: "LDAP", disabled: false, required: true }, stored, "");
    expect(body).toEqual({ ...stored, disabled: false, required: true });
  });
});

describe("changes of calendars", () => {
  it("store the whole object, and release by path and type", () => {
    expect(calendars.storeObject("/a", "SCHEDULE", { title: "t" }, "").body).toEqual({ path: "/a", objectType: "SCHEDULE", configuration: { title: "t" } });
    expect(calendars.releaseObject("/a", "SCHEDULE", "c").body).toEqual({ update: [{ path: "/a", objectType: "SCHEDULE" }], auditLog: { comment: "c" } });
  });
});
