/**
 * Serves the built UI and a pretended Cockpit API on 127.0.0.1 (port from PORT, default 4447): `npx vite build && node dev/server.mjs`.
 * Development only. Any account with the password `stellwerk` gets in. Sends the content security policy that the UI must live with.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { World } from "./world.mjs";

const world = new World();
const dist = join(fileURLToPath(import.meta.url), "../../dist");
const POLICY = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const TOKEN = "development";

function json(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(value));
}

const refuse = (response, message, code = "JOC-400") => json(response, 420, { error: { code, message } });

function filtered(rows, q, path = (row) => row.workflow.path ?? row.workflow) {
  const terms = (q ?? "").match(/(?:[a-z]+:)?(?:"[^"]*"|[^\s"])+/g) ?? [];
  return rows.filter((row) =>
    terms.every((term) => {
      const [, key, value] = /^(?:([a-z]+):)?(.*)$/s.exec(term);
      const values = value.replaceAll('"', "").toLowerCase().split(",");
      const text = { state: row.state?._text ?? row.outcome, order: row.orderId, workflow: path(row), agent: row.agentId }[key] ?? `${row.orderId} ${path(row)}`;
      return values.some((each) => (key === undefined ? text.toLowerCase().includes(each) : new RegExp(`^${each.replace(/[|#/.$+]/g, "\\$&").replaceAll("*", ".*")}$`).test(String(text).toLowerCase())));
    }),
  );
}

function paged(rows, search, sortBy) {
  const sort = search.get("sort") ?? sortBy;
  const name = sort?.replace(/^-/, "");
  const value = (row) => (name === "since" ? row.state?.since : name === "orderId" ? row.orderId : row[name]) ?? 0;
  const sorted = sort === undefined ? rows : [...rows].sort((a, b) => (value(a) < value(b) ? -1 : 1) * (sort.startsWith("-") ? -1 : 1));
  const limit = Number(search.get("limit") ?? 200);
  return { rows: sorted.slice(0, limit), total: rows.length, totalIsExact: true, asOf: Date.now() };
}

const counts = () => {
  const byState = {};
  for (const order of world.orders.values()) byState[order.state._text] = (byState[order.state._text] ?? 0) + 1;
  return byState;
};

const GET = {
  counts: () => ({ counts: counts(), asOf: Date.now() }),
  attention: () => {
    const orders = [...world.orders.values()];
    const failed = orders.filter((order) => order.state._text === "FAILED");
    const prompting = orders.filter((order) => order.state._text === "PROMPTING");
    const groups = [];
    if (failed.length > 0) groups.push({ kind: "failed", severity: "error", title: failed.length + ' orders failed in /fin/ledger-close · exit 12: disk quota exceeded', count: failed.length, since: Math.min(...failed.map((order) => order.state.since)), sample: failed.map((order) => order.orderId), link: "/orders?q=state:failed", remedy: "Read the log, mend the cause, then resume the orders." });
    for (const order of prompting) groups.push({ kind: "prompt", severity: "warning", title: `asks: ${order.prompt}`, count: 1, since: order.state.since, sample: [order.orderId], remedy: "Answer the question." });
    return { groups };
  },
  topology: () => ({
    nodes: [
      { id: "cockpit", kind: "cockpit", role: "active", state: "RUNNING", version: "0.1" },
      { id: "controller", kind: "controller", role: "active", state: "COUPLED", version: "0.1" },
      { id: "agent-1", kind: "agent", state: "COUPLED", version: "0.1" },
      { id: "agent-2", kind: "agent", state: process.env.LOST === "1" ? "COUPLINGFAILED" : "COUPLED", version: "0.1", ...(process.env.LOST === "1" ? { message: "connection refused" } : {}) },
    ],
    links: [
      { from: "cockpit", to: "controller", state: "COUPLED", lagEvents: 0, lastSeen: Date.now() },
      { from: "controller", to: "agent-1", state: "COUPLED" },
      { from: "controller", to: "agent-2", state: process.env.LOST === "1" ? "RECONNECTING" : "COUPLED", since: Date.now() - 95_000 },
    ],
  }),
  orders: (search) => paged(filtered([...world.orders.values()], search.get("q")), search, "-since"),
  workflows: (search) =>
    paged(
      filtered(world.workflows, search.get("q"), (row) => row.path).map((workflow) => {
        const byState = {};
        for (const order of world.orders.values()) if (order.workflow.path === workflow.path) byState[order.state._text] = (byState[order.state._text] ?? 0) + 1;
        const runs = world.history.filter((run) => run.workflow === workflow.path && run.end !== undefined).slice(-20);
        return { key: workflow.path, controllerId: "controller", path: workflow.path, title: workflow.title, versionId: workflow.versionId, deployedAt: Date.parse(workflow.versionDate), counts: { byState }, lastRuns: runs, usual: { p50: 92_000, p90: 190_000 }, rev: world.rev };
      }),
      search,
      "path",
    ),
  "history/orders": (search) => paged(filtered(world.history, search.get("q")), search, "-start"),
  "history/tasks": (search) => paged(filtered(world.tasks, search.get("q")), search, "-start"),
};

function act(order, verb, body) {
  if (verb === "cancel") {
    world.change(order, { state: { _text: "CANCELLED", since: Date.now() } }, "OrderCancelled", {});
    world.orders.delete(order.orderId);
    world.tell("orders", { removed: [order.orderId] });
  } else if (verb === "suspend") world.change(order, { state: { _text: "SUSPENDED", since: Date.now() } }, "OrderSuspended", {});
  else {
    world.change(order, { state: { _text: "WAITING", since: Date.now() }, prompt: undefined }, verb === "confirm" ? "OrderPromptAnswered" : "OrderResumed", body.position === undefined ? {} : { position: body.position });
    setTimeout(() => {
      const task = world.begin(order, order.label ?? "transmit", "agent-2");
      world.write(task, "out", "second try, quota was raised");
      setTimeout(() => {
        world.end(order, task, 0);
        world.finish(order);
      }, 6000);
    }, 800);
  }
}

const POST = {
  "controller/ids": () => ({ selected: "controller", controllerIds: ["controller"] }),
  workflow: (body) => ({ workflow: world.workflow(body.workflowId.path) }),
  touch: () => ({ ok: true }),
  "authentication/logout": () => ({ isAuthenticated: false, account: "root", accessToken: "" }),
  "orders/add": (body) => {
    const [{ workflowPath, orderName, arguments: given = {} }] = body.orders;
    if (workflowPath === "/etl/nightly-load" && given.business_date === undefined) throw new Error("JocBadRequestException: Argument 'business_date' is required");
    const order = world.add(workflowPath, orderName ?? "root", Date.now(), given);
    setTimeout(() => {
      const [name] = Object.keys(world.workflow(workflowPath).jobs);
      const task = world.begin(order, name, "agent-1");
      for (let n = 1; n <= 30; n += 1) setTimeout(() => world.write(task, "out", `chunk ${n} of 30`), n * 300);
      setTimeout(() => {
        world.end(order, task, 0);
        world.finish(order);
      }, 11_000);
    }, 400);
    return { orderIds: [order.orderId] };
  },
};
for (const verb of ["cancel", "suspend", "resume", "confirm"])
  POST[`orders/${verb}`] = (body) => {
    const orders = body.orderIds.map((id) => world.orders.get(id)).filter((order) => order !== undefined);
    if (orders.length === 0) throw new Error("ControllerObjectNotExistException: No orders found.");
    for (const order of orders) act(order, verb, body);
    return { ok: true };
  };

let streams = 0;
const open = new Map();

function stream(request, response, search) {
  const streamId = String((streams += 1));
  const topics = new Set((search.get("topics") ?? "").split(","));
  open.set(streamId, topics);
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  let id = 0;
  const send = (event, data) => response.write(`event: ${event}\nid: ${(id += 1)}\ndata: ${JSON.stringify(data)}\n\n`);
  send("stream", { streamId });
  const listener = (topic, patch) => topics.has(topic) && send("patch", { topic, ...patch });
  world.listeners.add(listener);
  const counting = setInterval(() => send("counts", { by: "state", counts: counts() }), 2000);
  const beating = setInterval(() => response.write(": hb\n\n"), 10_000);
  request.on("close", () => {
    world.listeners.delete(listener);
    clearInterval(counting);
    clearInterval(beating);
    open.delete(streamId);
  });
}

function native(request, response, path, search) {
  const answer = GET[path];
  if (answer !== undefined) return json(response, 200, answer(search));
  if (path === "stream") return stream(request, response, search);
  const order = /^order\/(.+)\/events$/.exec(path);
  if (order !== null) {
    const events = world.events.get(decodeURIComponent(order[1])) ?? [];
    const from = search.get("from");
    return json(response, 200, { events: from === null ? events : events.filter((event) => event.eventId > Number(from)) });
  }
  const log = /^log\/(order|task)\/(.+)$/.exec(path);
  if (log !== null) {
    const tasks = log[1] === "task" ? [log[2]] : world.tasks.filter((task) => String(task.historyId) === log[2]).map((task) => String(task.taskId));
    const logs = tasks.map((id) => world.logs.get(id)).filter((each) => each !== undefined);
    const lines = logs.flatMap((each) => each.lines).map((line, index) => ({ ...line, n: index + 1 }));
    const [from, to] = (search.get("line") ?? "1-1000").split("-").map(Number);
    return json(response, 200, { lines: lines.slice(from - 1, to), totalLines: lines.length, totalBytes: logs.reduce((sum, each) => sum + each.bytes, 0), complete: logs.every((each) => each.complete) });
  }
  return refuse(response, `there is no ${path}`);
}

async function api(request, response, path, search) {
  let text = "";
  for await (const chunk of request) text += chunk;
  const body = text === "" ? {} : JSON.parse(text);
  if (path === "authentication/login") {
    const [account, password] = Buffer.from((request.headers.authorization ?? "").slice(6), "base64").toString().split(":");
    if (password !== "stellwerk") return json(response, 401, { isAuthenticated: false, message: "Could not login" });
    return json(response, 200, { accessToken: TOKEN, account, role: "administrator", isAuthenticated: true, sessionTimeout: 1_800_000 });
  }
  if (request.headers["x-access-token"] !== TOKEN) return json(response, 440, { isAuthenticated: false, message: "SessionNotExistException: gone" });
  if (path.startsWith("stellwerk/stream/")) {
    const topics = open.get(path.slice("stellwerk/stream/".length));
    if (topics === undefined) return refuse(response, "no such stream");
    topics.clear();
    for (const topic of body.topics) topics.add(topic);
    return json(response, 200, { ok: true });
  }
  if (path.startsWith("stellwerk/")) return native(request, response, path.slice("stellwerk/".length), search);
  const answer = POST[path];
  if (answer === undefined) return refuse(response, `there is no ${path}`);
  try {
    return json(response, 200, answer(body));
  } catch (error) {
    return refuse(response, error.message);
  }
}

function file(response, path) {
  const wanted = normalize(join(dist, path));
  const found = wanted.startsWith(dist) && existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(dist, "index.html");
  response.writeHead(200, { "Content-Type": TYPES[extname(found)] ?? "application/octet-stream", "Content-Security-Policy": POLICY });
  createReadStream(found).pipe(response);
}

createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname.startsWith("/joc/api/")) void api(request, response, url.pathname.slice("/joc/api/".length), url.searchParams);
  else if (url.pathname.startsWith("/ui/")) file(response, url.pathname.slice("/ui/".length));
  else response.writeHead(302, { Location: "/ui/" }).end();
}).listen(Number(process.env.PORT ?? 4447), "127.0.0.1", function listening() {
  console.log(`http://127.0.0.1:${this.address().port}/ui/  (password: stellwerk)`);
});
