/**
 * A pretended installation for working on the screens: sample workflows, orders that walk through them in real time, logs.
 * Development only: neither shipped nor a test's truth; the browser tests run against a real installation.
 */
const WORKFLOWS = [
  {
    path: "/etl/nightly-load",
    title: "Nightly load of both regions",
    orderPreparation: {
      parameters: {
        business_date: { type: "String", facet: "\\d{4}-\\d{2}-\\d{2}", message: "a date such as 2026-11-24" },
        chunk_size: { type: "Number", default: "5000" },
        verbose: { type: "Boolean", default: "false" },
        regions: { type: { TYPE: "List", elementType: "String" }, default: "['eu', 'us']" },
      },
      allowUndeclared: false,
    },
    instructions: [
      job("extract"),
      { TYPE: "Fork", branches: [{ id: "eu", workflow: { instructions: [job("load", "load-eu"), job("check", "check-eu")] } }, { id: "us", workflow: { instructions: [job("load", "load-us")] } }] },
      { TYPE: "If", predicate: "$returnCode == 0", then: { instructions: [job("publish")] }, else: { instructions: [{ TYPE: "Fail", message: "'nothing to publish'" }] } },
    ],
    jobs: jobs("extract", "load", "check", "publish"),
  },
  {
    path: "/etl/import-rates",
    title: "Import of exchange rates, with retries",
    instructions: [
      { TYPE: "Try", maxTries: 3, retryDelays: [5, 10], try: { instructions: [job("fetch-rates")] }, catch: { instructions: [{ TYPE: "Retry" }] } },
      job("store-rates"),
    ],
    jobs: jobs("fetch-rates", "store-rates"),
  },
  {
    path: "/fin/settlement",
    title: "Settlement, released by a person",
    instructions: [job("collect"), job("reconcile"), { TYPE: "Prompt", question: "Release the settlement to the clearing house?" }, job("transmit")],
    jobs: jobs("collect", "reconcile", "transmit"),
  },
  { path: "/fin/ledger-close", title: "Close of the ledger; fails now and then", instructions: [job("lock-ledger"), job("sum-up"), job("report")], jobs: jobs("lock-ledger", "sum-up", "report") },
  { path: "/ops/long-report", title: "A long job with much output", instructions: [job("render"), { TYPE: "Sleep", duration: "20" }, job("mail")], jobs: jobs("render", "mail") },
];

function job(jobName, label) {
  return label === undefined ? { TYPE: "Execute.Named", jobName } : { TYPE: "Execute.Named", jobName, label };
}

function jobs(...names) {
  return Object.fromEntries(names.map((name, index) => [name, { agentName: index % 2 === 0 ? "agent-1" : "agent-2", executable: { TYPE: "ShellScriptExecutable", script: `#!/bin/sh\nset -e\necho "${name} begins"\n./${name}.sh "$JS7_ORDER_ID"` }, timeout: 3600 }]));
}

export class World {
  constructor(now = Date.now()) {
    this.workflows = WORKFLOWS.map((workflow, index) => ({ ...workflow, versionId: `3f9c0a1${index}`, versionDate: new Date(now - 86_400_000 * (index + 1)).toISOString(), isCurrentVersion: true, state: { _text: "IN_SYNC" } }));
    this.orders = new Map();
    this.history = [];
    this.tasks = [];
    this.events = new Map();
    this.logs = new Map();
    this.listeners = new Set();
    this.rev = 1;
    this.nextId = 1000;
    this.seed = 7;
    this.past(now);
    this.present(now);
  }

  random() {
    this.seed = (this.seed * 48271) % 2147483647;
    return this.seed / 2147483647;
  }

  past(now) {
    for (let n = 0; n < 60; n += 1) {
      const workflow = this.workflows[n % this.workflows.length];
      const start = now - (60 - n) * 1_500_000;
      const failed = this.random() < 0.12;
      const ms = 20_000 + this.random() * 200_000;
      this.history.push({ controllerId: "controller", historyId: this.nextId++, orderId: `#2026-11-23#T${String(n).padStart(11, "0")}-nightly`, workflow: workflow.path, planned: start - 2000, start, end: start + ms, ms, outcome: failed ? "FAILED" : "SUCCESSFUL", ...(failed ? { message: "disk quota exceeded", returnCode: 12 } : { returnCode: 0 }) });
    }
  }

  present(now) {
    const later = this.add("/etl/nightly-load", "tomorrow", now + 7_800_000, { business_date: "2026-11-25" });
    later.state = { _text: "SCHEDULED", since: now };
    const prompting = this.add("/fin/settlement", "morning", now - 900_000, {});
    this.run(prompting, "collect", "agent-1", now - 890_000, 40_000, 0, ["collected 1 204 positions"]);
    this.run(prompting, "reconcile", "agent-2", now - 840_000, 61_000, 0, ["differences: 0"]);
    this.change(prompting, { state: { _text: "PROMPTING", since: now - 770_000 }, position: [2], prompt: "Release the settlement to the clearing house?", job: undefined }, "OrderPrompted", { question: "Release the settlement to the clearing house?" });
    for (let n = 0; n < 4; n += 1) this.fail("/fin/ledger-close", `close-${n}`, now - 3_600_000 + n * 60_000);
    const suspended = this.add("/ops/long-report", "weekly", now - 500_000, {});
    this.change(suspended, { state: { _text: "SUSPENDED", since: now - 400_000 }, position: [0], label: "render" }, "OrderSuspended", {});
    for (const name of ["a", "b", "c"]) this.stream(name);
    for (let n = 0; n < 3; n += 1) this.walk("/etl/nightly-load", `live-${n}`);
    this.walk("/etl/import-rates", "rates");
  }

  add(path, name, scheduledFor, args = {}) {
    const orderId = `#2026-11-24#T${String(this.nextId++).padStart(11, "0")}-${name}`;
    const order = { key: orderId, controllerId: "controller", orderId, workflow: { path, versionId: this.workflow(path).versionId }, position: [0], state: { _text: "SCHEDULED", since: Date.now() }, scheduledFor, arguments: args, can: {}, historyId: this.nextId++ };
    this.orders.set(orderId, order);
    this.change(order, {}, "OrderAdded", { workflowPosition: { workflowId: order.workflow, position: [0] }, scheduledFor, arguments: args }, scheduledFor);
    return order;
  }

  workflow(path) {
    return this.workflows.find((each) => each.path === path || each.path.endsWith(`/${path}`));
  }

  change(order, part, type, payload, time = part.state?.since ?? Date.now()) {
    Object.assign(order, part);
    for (const key of Object.keys(part)) if (part[key] === undefined) delete order[key];
    const text = order.state._text;
    order.can = { suspend: ["RUNNING", "WAITING", "SCHEDULED", "PROMPTING", "INPROGRESS"].includes(text) || "Failed", resume: ["FAILED", "SUSPENDED"].includes(text) || "Processing", cancel: !["FINISHED", "CANCELLED"].includes(text) || "Finished", confirm: text === "PROMPTING" || "Ready" };
    order.rev = this.rev++;
    const list = this.events.get(order.orderId) ?? [];
    if (type !== undefined) list.push({ eventId: Date.now() * 1000 + (this.rev % 1000), time, source: "Controller", type, payload });
    this.events.set(order.orderId, list);
    this.tell("orders", { rows: [order] });
    this.tell(`order:${order.orderId}`, { rows: [order] });
  }

  begin(order, name, agentId, start = Date.now()) {
    const task = { controllerId: "controller", taskId: this.nextId++, historyId: order.historyId, orderId: order.orderId, workflow: order.workflow.path, job: name, label: name, start, outcome: "INCOMPLETE", agentId, attempt: this.tasks.filter((each) => each.orderId === order.orderId && each.job === name).length + 1 };
    this.tasks.push(task);
    this.write(task, "main", `[Start] Job=${name}, Agent ${agentId}`, start);
    if (order.startedAt === undefined) {
      order.startedAt = start;
      this.history.push({ controllerId: "controller", historyId: order.historyId, orderId: order.orderId, workflow: order.workflow.path, planned: order.scheduledFor, start, outcome: "INCOMPLETE" });
      this.change(order, {}, "OrderStarted", {}, start);
    }
    this.change(order, { state: { _text: "RUNNING", since: start }, job: name, label: name, agentId }, "OrderProcessingStarted", { subagentId: agentId }, start);
    return task;
  }

  end(order, task, returnCode, end = Date.now(), message) {
    Object.assign(task, { end, ms: end - task.start, returnCode, outcome: returnCode === 0 ? "SUCCESSFUL" : "FAILED", ...(message === undefined ? {} : { message }) });
    this.write(task, "main", `[End] returnCode=${returnCode}`, end);
    this.logs.get(String(task.taskId)).complete = true;
    this.change(order, { lastOutcome: { _text: returnCode === 0 ? "Succeeded" : "Failed", returnCode, ...(message === undefined ? {} : { message }) } }, "OrderProcessed", { outcome: { TYPE: returnCode === 0 ? "Succeeded" : "Failed", ...(message === undefined ? {} : { message }), namedValues: { returnCode } } }, end);
  }

  run(order, name, agentId, start, ms, returnCode, lines) {
    const task = this.begin(order, name, agentId, start);
    lines.forEach((line, index) => this.write(task, line.startsWith("E:") ? "err" : "out", line.replace(/^E:/, ""), start + (ms * (index + 1)) / (lines.length + 1)));
    this.end(order, task, returnCode, start + ms, returnCode === 0 ? undefined : "disk quota exceeded");
    return task;
  }

  fail(path, name, start) {
    const order = this.add(path, name, start);
    this.run(order, "lock-ledger", "agent-1", start + 400, 2000, 0, ["ledger 2026-11 locked"]);
    this.change(order, { position: [1] }, "OrderMoved", { to: [1] }, start + 2400);
    const lines = Array.from({ length: 40 }, (_, index) => `summing account group ${index + 1} of 40 … ${(this.random() * 1e6).toFixed(2)} EUR`);
    this.run(order, "sum-up", "agent-2", start + 2500, 41_000, 12, [...lines, "\x1b[33mwarning:\x1b[0m scratch space below 1 %", "E:write: /scratch/sums.tmp: \x1b[1;31mDisk quota exceeded\x1b[0m", "E:<script>alert('not markup')</script>"]);
    this.change(order, { state: { _text: "FAILED", since: start + 43_600 }, position: [1], label: "sum-up", job: "sum-up", errorKey: "exit 12" }, "OrderFailed", { movedTo: [1], outcome: { TYPE: "Failed", namedValues: { returnCode: 12 } } });
  }

  write(task, ch, txt, t = Date.now()) {
    const log = this.logs.get(String(task.taskId)) ?? { lines: [], bytes: 0, complete: false };
    log.lines.push({ n: log.lines.length + 1, t: Math.round(t), ch, txt });
    log.bytes += txt.length + 1;
    this.logs.set(String(task.taskId), log);
    task.logLines = log.lines.length;
    this.tell(`log:task:${task.taskId}`, { rows: [{ key: String(log.lines.length), rev: log.lines.length }] });
  }

  /** An endless job with streaming output. */
  stream(name) {
    const order = this.add("/ops/long-report", `stream-${name}`, Date.now());
    const task = this.begin(order, "render", "agent-1");
    let page = 0;
    setInterval(() => {
      page += 1;
      this.write(task, page % 17 === 0 ? "err" : "out", page % 17 === 0 ? `font missing on page ${page}, using a substitute` : `\x1b[32m✓\x1b[0m rendered page ${page} of 90000`);
    }, 400);
  }

  /** An order that goes through its jobs again and again. */
  walk(path, name) {
    const names = Object.keys(this.workflow(path).jobs);
    const order = this.add(path, name, Date.now());
    let step = 0;
    let task;
    const beat = () => {
      if (order.state._text === "SUSPENDED" || order.state._text === "CANCELLED") return;
      if (task !== undefined) {
        this.end(order, task, 0);
        task = undefined;
        step += 1;
      }
      if (step >= names.length) {
        this.finish(order);
        setTimeout(() => this.walk(path, name), 2000);
        return;
      }
      const at = { extract: [0], load: [1, "fork+eu", 0], check: [1, "fork+eu", 1], publish: [2, "then", 0], "fetch-rates": [0, "try+0", 0], "store-rates": [1] }[names[step]] ?? [step];
      this.change(order, { position: at }, "OrderMoved", { to: at });
      task = this.begin(order, names[step], step % 2 === 0 ? "agent-1" : "agent-2");
      this.write(task, "out", `${names[step]} begins`);
      setTimeout(beat, 2500 + this.random() * 5000);
    };
    setTimeout(beat, 300 + this.random() * 3000);
  }

  finish(order) {
    const past = this.history.find((each) => each.historyId === order.historyId);
    if (past !== undefined) Object.assign(past, { end: Date.now(), ms: Date.now() - past.start, outcome: "SUCCESSFUL" });
    this.change(order, { state: { _text: "FINISHED", since: Date.now() } }, "OrderFinished", {});
    this.orders.delete(order.orderId);
    this.tell("orders", { removed: [order.orderId] });
    this.tell(`order:${order.orderId}`, { removed: [order.orderId] });
  }

  tell(topic, patch) {
    for (const listener of this.listeners) listener(topic, patch);
  }
}
