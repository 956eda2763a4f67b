import { describe, expect, it } from "vitest";
import { addOrder, cancelOrders, quoted, resumeOrders, showAs } from "./changes";
import { errorFrom } from "./errors";

describe("errors", () => {
  it("lose the class name and keep code, status and path", () => {
    const body = { error: { code: "JOC-400", message: "JocBadRequestException: no such order" } };
    expect(errorFrom(420, "orders/cancel", body)).toMatchObject({ status: 420, code: "JOC-400", message: "no such order" });
  });
  it("of bulk calls keep every refused object", () => {
    const body = { errors: [{ code: "JOC-419", message: "a", path: "x" }, { code: "JOC-400", message: "b", path: "y" }] };
    expect(errorFrom(419, "orders/add", body).details).toHaveLength(2);
  });
  it("say that a session has ended, but not for a wrong password", () => {
    expect(errorFrom(440, "orders/add", { message: "SessionNotExistException: gone" }).sessionEnded).toBe(true);
    expect(errorFrom(401, "authentication/login", { message: "wrong" }).sessionEnded).toBe(false);
  });
  it("without a readable body still say what happened", () => {
    expect(errorFrom(502, "x", undefined).message).toContain("502");
  });
});

describe("changes", () => {
  it("hold only what was chosen", () => {
    const change = cancelOrders({ controllerId: "c", orderIds: ["#1"], kill: false, deep: true, comment: "CHG-1" });
    expect(change.body).toEqual({ controllerId: "c", orderIds: ["#1"], deep: true, auditLog: { comment: "CHG-1" } });
  });
  it("add an order in one request with its arguments", () => {
    const change = addOrder({ controllerId: "c", workflowPath: "/etl/nightly", arguments: { n: 3, s: "x y" }, tags: [] });
    expect(change.body).toEqual({
      controllerId: "c",
      orders: [{ workflowPath: "/etl/nightly", arguments: { n: 3, s: "x y" } }],
    });
  });
  it("are shown as lines that a shell reads back as the same request", () => {
    const change = resumeOrders({ controllerId: "c", orderIds: ["#2026-11-24#T1-it's"], position: [1, "then", 0] });
    const texts = showAs(change, "https://cockpit");
    expect(texts.curl).toContain(`'{"controllerId":"c","orderIds":["#2026-11-24#T1-it'\\''s"],"position":[1,"then",0]}'`);
    expect(texts.curl).toContain("$TOKEN");
    expect(texts.stellwerk).toBe(`stellwerk order resume '#2026-11-24#T1-it'\\''s' '--position=[1,"then",0]'`);
  });
  it("quote only what a shell would take apart", () => {
    expect(quoted("--kill")).toBe("--kill");
    expect(quoted("a b")).toBe("'a b'");
  });
});
