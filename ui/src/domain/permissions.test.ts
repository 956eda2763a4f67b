import { describe, expect, it } from "vitest";
import { explain, held, may, nextHeld, permissionRows, type RoleRows, type SessionPermissions } from "./permissions";

const SESSION: SessionPermissions = {
  roles: ["it_operator"],
  joc: { dailyPlan: { view: true, manage: false }, administration: { accounts: { view: true } }, getLog: false },
  controllerDefaults: { orders: { view: true, suspendResume: false } },
  controllers: { prod: { orders: { view: false, suspendResume: true } } },
};

describe("what a session may do", () => {
  it("is read from the API's tree by the short names of the specification", () => {
    expect(may(SESSION, "joc:dailyplan:view")).toBe(true);
    expect(may(SESSION, "joc:dailyplan:manage")).toBe(false);
    expect(may(SESSION, "joc:administration:accounts:view")).toBe(true);
    expect(may(SESSION, "joc:auditlog:view")).toBe(false);
  });
  it("is told for one Controller, or for any", () => {
    expect(may(SESSION, "ctl:orders:suspend_resume", "test")).toBe(false);
    expect(may(SESSION, "ctl:orders:suspend_resume", "prod")).toBe(true);
    expect(may(SESSION, "ctl:orders:view", "prod")).toBe(false);
    expect(may(SESSION, "ctl:orders:suspend_resume")).toBe(true);
  });
});

describe("the rows of a role", () => {
  const general = [{ permissionPath: "sos:products:controller:orders", excluded: false }];
  it("cover what is below them", () => {
    expect(held("sos:products:controller:orders", general)).toBe("granted");
    expect(held("sos:products:controller:orders:view", general)).toBe("inherited");
    expect(held("sos:products:controller:locks:view", general)).toBe("none");
    expect(held("sos:products:controller:ordersx", general)).toBe("none");
  });
  it("exclude more strongly than they grant", () => {
    const own = [{ permissionPath: "sos:products:controller:orders:cancel", excluded: true }];
    expect(held("sos:products:controller:orders:cancel", own, general)).toBe("excluded");
    expect(held("sos:products:controller:orders:cancel", general, own)).toBe("barred");
    expect(held("sos:products:controller:orders:view", own, general)).toBe("inherited");
  });
  it("are gone round by one key: none, granted, excluded", () => {
    expect([nextHeld("none"), nextHeld("inherited"), nextHeld("granted"), nextHeld("excluded")]).toEqual(["granted", "granted", "excluded", "none"]);
  });
});

describe("the tree", () => {
  it("is what the server tells, by the specification's names, parents right above their children", () => {
    const rows = permissionRows(SESSION);
    expect(rows.map(({ path, level }) => `${level} ${path.replace("sos:products", "")}`)).toEqual([
      "0 ", "1 :controller", "2 :controller:orders", "3 :controller:orders:view", "3 :controller:orders:suspend_resume",
      "1 :joc", "2 :joc:dailyplan", "3 :joc:dailyplan:view", "3 :joc:dailyplan:manage",
      "2 :joc:administration", "3 :joc:administration:accounts", "4 :joc:administration:accounts:view", "2 :joc:get_log",
    ]);
    expect(rows.filter((row) => row.isLeaf).map((row) => row.word)).toEqual(["view", "suspend resume", "view", "manage", "view", "get log"]);
  });
});

describe("why an account may or may not", () => {
  const operator: RoleRows = {
    name: "it_operator",
    permissions: { "": [{ permissionPath: "sos:products:controller:orders", excluded: false }], prod: [{ permissionPath: "sos:products:controller:orders:cancel", excluded: true }] },
    folders: { "": [{ folder: "/etl", recursive: true }] },
  };
  const cancel = "sos:products:controller:orders:cancel";
  it("names the row that grants, and the folder", () => {
    expect(explain([operator], cancel, "test", "/etl/eu/nightly")).toEqual({
      may: true,
      why: ["role it_operator grants sos:products:controller:orders", "/etl/eu/nightly lies in /etl/**"],
    });
  });
  it("names the row that excludes", () => {
    expect(explain([operator], cancel, "prod", "/etl/nightly")).toEqual({ may: false, why: [`role it_operator excludes ${cancel} at prod`] });
  });
  it("says that nothing grants, or that the folder is another one", () => {
    expect(explain([operator], "sos:products:joc:cluster:manage", "", undefined).why[0]).toContain("no role grants");
    expect(explain([operator], cancel, "test", "/fin/close").why[0]).toContain("restricted to /etl/**");
    expect(explain([operator], cancel, "test", "/etlx/close").may).toBe(false);
  });
});
