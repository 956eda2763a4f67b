import { describe, expect, it } from "vitest";
import { auditCsv, auditRequest, bodyOf, histogram, isRefused, sentence } from "./audit";

const said = (request: string, body: unknown) => sentence({ request: `./${request}`, parameters: JSON.stringify(body) });

describe("the filter", () => {
  it("becomes the API's request", () => {
    const { request, problems } = auditRequest("user:jd type:workflow,schedule kind:inventory folder:/etl nightly", "7d", "CHG-1182");
    expect(problems).toEqual([]);
    expect(request).toMatchObject({
      account: "jd",
      objectTypes: ["WORKFLOW", "SCHEDULE"],
      categories: ["INVENTORY"],
      folders: [{ folder: "/etl", recursive: true }],
      objectName: "nightly",
      comment: "CHG-1182",
      dateFrom: "-7d",
    });
    expect(auditRequest("", "all", "").request.dateFrom).toBeUndefined();
  });
  it("says what it cannot do instead of leaving it out", () => {
    for (const q of ["-user:jd", "user:a,b", "state:failed", "one two", "usr:jd"]) expect(auditRequest(q, "7d", "").problems).toHaveLength(1);
  });
});

describe("an entry in words", () => {
  it("says what was done to what", () => {
    expect(said("orders/suspend", { orderIds: ["#1", "#2"] })).toBe("suspended 2 orders");
    expect(said("orders/cancel", { orderIds: ["#2026-11-24#T1-a"] })).toBe("cancelled order #2026-11-24#T1-a");
    expect(said("orders/add", { orders: [{ workflowPath: "/etl/nightly" }] })).toBe("added an order to /etl/nightly");
    expect(said("daily_plan/orders/modify", { orderIds: ["#1"], variables: {} })).toBe("changed the variables of order #1");
    expect(said("daily_plan/orders/modify", { orderIds: ["#1"], scheduledFor: "now" })).toBe("changed the start of order #1");
    expect(said("daily_plan/orders/submit", { dailyPlanDateFrom: "2026-11-24" })).toBe("submitted orders of 2026-11-24");
    expect(said("inventory/store", { objectType: "SCHEDULE", path: "/etl/nightly" })).toBe("stored schedule /etl/nightly");
    expect(said("inventory/deployment/deploy", { store: { draftConfigurations: [{ configuration: { path: "/a" } }] } })).toBe("deployed /a");
    expect(said("inventory/release", { update: [{ path: "/a" }, { path: "/b" }] })).toBe("released 2 objects");
    expect(said("iam/permissions/store", { roleName: "ops", permissions: [1] })).toBe("changed 1 permission of role ops");
  });
  it("is named by its path where nobody has found words, or where the body is cut", () => {
    expect(said("encipherment/certificate/delete", {})).toBe("encipherment › certificate › delete");
    expect(sentence({ request: "./orders/suspend", parameters: '{"orderIds":["#1"' })).toBe("suspended orders");
    expect(bodyOf({ parameters: '{"a":' })).toBeUndefined();
  });
  it("tells a refusal", () => {
    expect([isRefused({ status: 200 }), isRefused({ status: 420 }), isRefused({})]).toEqual([false, true, false]);
  });
});

describe("the whole", () => {
  it("is counted by time", () => {
    expect(histogram([], 4)).toBeUndefined();
    expect(histogram([0, 10, 100], 4)?.parts).toEqual([2, 0, 0, 1]);
    expect(histogram([5], 4)?.parts).toEqual([1, 0, 0, 0]);
  });
  it("is exported without formulas and with quotation marks doubled", () => {
    const csv = auditCsv([{ id: 1, account: "=cmd()", request: "./x", created: "2026", comment: 'said "a, b"', parameters: "{}" }]);
    expect(csv).toContain("2026,'=cmd(),./x,,,\"said \"\"a, b\"\"\",");
    expect(csv.split("\r\n")).toHaveLength(3);
  });
});
