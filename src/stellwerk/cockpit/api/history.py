"""Compatible history and logs: `orders/history`, `order/history`, `order/log*`, `tasks/history`, `task/log*`
(cockpit-api 2.3, 8; cockpit-services 5.3, 5.5)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.downloads import download
from stellwerk.cockpit.api.errors import MissingParameter, ObjectNotFound
from stellwerk.cockpit.api.folders import require_workflow
from stellwerk.cockpit.api.history_filters import JobsFilter, OrdersFilter, row_limit, selected_orders, selected_tasks
from stellwerk.cockpit.api.routes import Answer, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.database.tables.history import (
    IS_CHILD,
    history_order_states,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.history.selection import Selection
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.projection import reading
from stellwerk.cockpit.projection.lines import decode_event
from stellwerk.cockpit.projection.model import BY_CODE, UNKNOWN
from stellwerk.values.json import decode

#: Longest wait of a poll for running logs (cockpit-services 5.5), and the pause in which entries are collected.
RUNNING_SECONDS = 60.0
COLLECT_SECONDS = 0.5
#: Above this size the log is offered for download only (`log_maximum_display_size`).
MAXIMUM_DISPLAY_BYTES = 10 * 1024 * 1024
_SHOWN = {0: ("SUCCESSFUL", 6), 1: ("INCOMPLETE", 3), 2: ("FAILED", 2)}


class OrderHistory(msgspec.Struct, frozen=True, rename="camel"):
    """Items of type `OrderHistoryItem` or `TaskHistoryItem`."""

    delivery_date: str
    history: list[dict[str, Any]]
    #: By name of the workflow; of those that have some.
    workflow_tags_per_workflow: dict[str, list[str]] = {}


class OrderHistoryFilter(msgspec.Struct, rename="camel"):
    controller_id: str
    history_id: int | None = None
    order_id: str | None = None


class TaskFilter(msgspec.Struct, rename="camel"):
    controller_id: str
    task_id: int


class RunningOrderFilter(msgspec.Struct, rename="camel"):
    controller_id: str
    history_id: int
    event_id: int


class RunningTaskFilter(msgspec.Struct, rename="camel"):
    controller_id: str
    task_id: int
    event_id: int


# --- lists


async def orders_history(context: RequestContext, request: OrdersFilter) -> OrderHistory:
    """Started orders, newest first."""
    names = context.services.get(WorkflowNames)
    rows = await _newest(context, selected_orders(context, request), request.limit)
    history = [order_item(row, names) for row in rows]
    if request.compact:
        for item in history:
            item.pop("arguments", None)
    return OrderHistory(timestamp(context.now_ms()), history, await _tags(context, request, rows))


async def tasks_history(context: RequestContext, request: JobsFilter) -> OrderHistory:
    """Attempts of jobs, newest first; each try is an item of its own."""
    names = context.services.get(WorkflowNames)
    rows = await _newest(context, selected_tasks(context, request), request.limit)
    history = [task_item(row, names) for row in rows]
    return OrderHistory(timestamp(context.now_ms()), history, await _tags(context, request, rows))


async def _tags(
    context: RequestContext, request: OrdersFilter | JobsFilter, rows: Sequence[Any]
) -> dict[str, list[str]]:
    tags = {} if request.without_workflow_tags else await context.services.get(Inventory).workflow_tags()
    return {name: tags[name] for name in sorted({row.workflow_name for row in rows}) if name in tags}


async def _newest(context: RequestContext, selection: Selection, limit: int) -> Sequence[Any]:
    order = [selection.table.c.start_time.desc(), selection.table.c.id.desc()]
    async with context.database.read() as connection:
        rows: Sequence[Any] = (await connection.execute(selection.page(order, row_limit(limit)))).all()
    return rows


# --- items


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _state(severity: int) -> dict[str, Any]:
    text, display = _SHOWN[severity]
    return {"_text": text, "severity": display}


def order_item(row: Any, names: WorkflowNames) -> dict[str, Any]:
    """`OrderHistoryItem`."""
    state = BY_CODE.get(row.state, UNKNOWN)
    position = row.start_workflow_position
    return _present(
        surveyDate=timestamp(row.modified),
        controllerId=row.controller_id,
        orderId=row.order_id,
        historyId=row.id,
        workflow=names.path(row.workflow_name),
        plannedTime=timestamp(row.start_time_scheduled or row.start_time),
        startTime=timestamp(row.start_time),
        endTime=timestamp(row.end_time) if row.end_time is not None else None,
        position=position if position != "0" else None,
        sequence=row.start_event_id // 1000,
        state=_state(row.severity),
        orderState={"_text": state.text, "severity": state.severity},
        arguments=_arguments(row.start_variables),
    )


def task_item(row: Any, names: WorkflowNames) -> dict[str, Any]:
    """`TaskHistoryItem`."""
    error = {"code": row.error_code or "", "message": row.error_text or row.error_state or ""} if row.error else None
    return _present(
        surveyDate=timestamp(row.modified),
        controllerId=row.controller_id,
        taskId=row.id,
        orderId=row.order_id,
        job=row.job_name,
        label=row.job_label,
        workflow=names.path(row.workflow_name),
        position=row.workflow_position,
        agentUrl=row.agent_id or "",
        startTime=timestamp(row.start_time),
        endTime=timestamp(row.end_time) if row.end_time is not None else None,
        state=_state(row.severity),
        exitCode=row.return_code,
        criticality=(row.criticality or "normal").lower(),
        retryCounter=row.retry_counter,
        attempt=row.attempt,
        sequence=row.start_event_id // 1000,
        arguments=_arguments(row.start_variables),
        error=error,
    )


def _arguments(text: str | None) -> dict[str, Any] | None:
    """Variables as stored; a text that was cut at 4000 characters is no JSON any more and is left out."""
    if not text:
        return None
    try:
        value = decode(text)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) and value else None


# --- one order


async def order_history(context: RequestContext, request: OrderHistoryFilter) -> dict[str, Any]:
    """Children (orders and tasks) of one order in the order of time, and its states."""
    order = await _order(context, request)
    names = context.services.get(WorkflowNames)
    states, steps, orders = history_order_states.c, history_order_steps.c, history_orders.c
    async with context.database.read() as connection:
        row = (await connection.execute(select(history_orders).where(orders.id == order.history_id))).first()
        tasks = (await connection.execute(select(history_order_steps).where(steps.ho_id == order.history_id))).all()
        children = (
            await connection.execute(select(history_orders).where(IS_CHILD, orders.parent_id == order.history_id))
        ).all()
        state_rows = (
            await connection.execute(
                select(history_order_states).where(states.ho_id == order.history_id).order_by(states.state_event_id)
            )
        ).all()
    items = [(task.start_event_id, {"task": task_item(task, names)}) for task in tasks]
    items += [(child.start_event_id, {"order": order_item(child, names)}) for child in children]
    items.sort(key=lambda item: item[0])
    shown_states = []
    for state_row in state_rows:
        state = BY_CODE.get(state_row.state, UNKNOWN)
        shown_states.append(
            _present(
                state={"_text": state.text, "severity": state.severity},
                stateTime=timestamp(state_row.state_time),
                stateText=state_row.state_text,
            )
        )
    workflow = None
    if row is not None:
        workflow = {"path": names.path(row.workflow_name), "versionId": row.workflow_version_id}
    return _present(
        deliveryDate=timestamp(context.now_ms()),
        historyId=order.history_id,
        orderId=order.order_id,
        workflow=workflow,
        states=shown_states,
        hasTasks=bool(tasks),
        hasOrders=bool(children),
        children=[item for _, item in items],
    )


async def _order(context: RequestContext, request: OrderHistoryFilter) -> reading.OrderIdentity:
    if request.history_id is None and not request.order_id:
        raise MissingParameter("historyId")
    async with context.database.read() as connection:
        order = await reading.find_order(
            connection,
            history_id=request.history_id,
            order_id=request.order_id,
            controller_id=request.controller_id,
        )
    if order is None:
        which = request.history_id if request.history_id is not None else request.order_id
        raise ObjectNotFound(f"Couldn't find the order '{which}' in the history")
    await require_workflow(context, order.workflow, order.controller_id)
    return order


async def order_log(context: RequestContext, request: OrderHistoryFilter) -> dict[str, Any]:
    """The order's log: an entry per event worth one; `complete` is false while it goes on."""
    order = await _order(context, request)
    entries, last = await _entries(context, order, 0)
    return {
        "deliveryDate": timestamp(context.now_ms()),
        "historyId": order.history_id,
        "complete": order.is_over,
        "eventId": last,
        "logEvents": entries,
    }


async def _entries(
    context: RequestContext, order: reading.OrderIdentity, after: int
) -> tuple[list[dict[str, Any]], int]:
    """Entries of events after event id `after`, and the newest event id."""
    async with context.database.read() as connection:
        lines = await reading.order_event_lines(connection, order)
        tasks = await reading.tasks_of_order(connection, order.history_id)
        zone = await reading.controller_timezone(connection, order.controller_id)
    entries = reading.order_log_entries(lines, tasks, zone, after=after)
    return entries, decode_event(lines[-1]).event_id if lines else after


async def order_log_running(context: RequestContext, request: RunningOrderFilter) -> dict[str, Any]:
    """Wait for entries after `eventId`, at most a minute."""
    identity = OrderHistoryFilter(request.controller_id, request.history_id)

    async def look() -> tuple[bool, dict[str, Any]]:
        order = await _order(context, identity)
        entries, last = await _entries(context, order, request.event_id)
        answer = {
            "deliveryDate": timestamp(context.now_ms()),
            "historyId": order.history_id,
            "complete": order.is_over,
            "eventId": last,
            "logEvents": entries,
        }
        return bool(entries) or order.is_over, answer

    return await _wait(context, f"log:order:{request.history_id}", look)


async def order_log_download(context: RequestContext, request: OrderHistoryFilter) -> Answer:
    """The order log as text."""
    order = await _order(context, request)
    entries, _ = await _entries(context, order, 0)
    text = "".join(_entry_text(entry) for entry in entries)
    return download(f"sos-{quote(order.order_id, safe='')}-{order.history_id}.order.log", text.encode())


def _entry_text(entry: dict[str, Any]) -> str:
    """One line (cockpit-services 5.5, download)."""
    info = [f"id={entry['orderId']}", f"pos={entry['position']}"]
    if "job" in entry:
        info.append(f"Job={entry['job']}")
    error = entry.get("error")
    if error is not None:
        names = (("status", "errorState"), ("code", "errorCode"), ("reason", "errorReason"), ("msg", "errorText"))
        info.append("Error(" + ", ".join(f"{short}={error[name]}" for short, name in names if name in error) + ")")
    if "returnCode" in entry:
        info.append(f"returnCode={entry['returnCode']}")
    variables = "arguments" if "arguments" in entry else "returnValues"
    if entry.get(variables):
        info.append(f"{variables}(" + ",".join(f"{name}={value}" for name, value in entry[variables].items()) + ")")
    if "moved" in entry:
        info.append(f"Moved To(pos={entry['moved']['to']['position']})")
    if "retrying" in entry:
        info.append(f"Retrying(delayedUntil={entry['retrying'].get('delayedUntil', '')})")
    if "caught" in entry:
        info.append(f"Caught(cause={entry['caught']['cause']})")
    level, event = entry["logLevel"] + "]", entry["logEvent"] + "]"
    return f"{entry['controllerDatetime']} [{level:<8} [{event:<15} {', '.join(info)}\n"


# --- tasks


async def task_log(context: RequestContext, request: TaskFilter) -> Answer:
    """The task's log as text; headers say whether it is complete and from where to go on."""
    log = await _task(context, request.controller_id, request.task_id)
    if log.bytes > MAXIMUM_DISPLAY_BYTES:
        size = log.bytes // (1024 * 1024)
        text = f"[INFO] The size of the log is too big: {size}MB\n[INFO] Try to download the log.\n"
    else:
        text, _ = await _task_text(context, log, 1)
        if log.lines and not text:
            text = "[INFO] The log has been removed by the cleanup service.\n"
    headers = {
        "X-Log-Complete": str(log.is_complete).lower(),
        "X-Log-Task-Id": str(log.task_id),
        "X-Uncompressed-Length": str(len(text.encode())),
        "Access-Control-Expose-Headers": "X-Log-Complete, X-Log-Event-Id, X-Log-Task-Id, X-Uncompressed-Length",
    }
    if not log.is_complete:
        headers["X-Log-Event-Id"] = str(log.lines)
    body = text.encode()
    if "gzip" in context.headers.get("accept-encoding", "") and len(body) > 1024:
        body = await asyncio.to_thread(gzip.compress, body, 5)
        headers["Content-Encoding"] = "gzip"
    return Answer(body, media_type="text/plain; charset=UTF-8", headers=headers)


async def _task(context: RequestContext, controller_id: str, task_id: int) -> reading.TaskLog:
    async with context.database.read() as connection:
        log = await reading.task_log(connection, task_id)
    if log is None or log.controller_id != controller_id:
        raise ObjectNotFound(f"Couldn't find the task '{task_id}' of Controller '{controller_id}' in the history")
    await require_workflow(context, log.workflow, log.controller_id)
    return log


async def _task_text(context: RequestContext, log: reading.TaskLog, first: int) -> tuple[str, int]:
    """Text from line `first` on, and the number of the last line."""
    parts: list[str] = []
    async with context.database.read() as connection:
        zone = await reading.controller_timezone(connection, log.controller_id)
        while first <= log.lines:
            lines = await reading.task_lines(connection, log.task_id, first, log.lines)
            if not lines:
                break
            parts.append(reading.log_text(lines, zone))
            first = lines[-1].n + 1
    return "".join(parts), first - 1


async def task_log_running(context: RequestContext, request: RunningTaskFilter) -> dict[str, Any]:
    """Wait for text after `eventId` (the number of the last line that was delivered), at most a minute."""

    async def look() -> tuple[bool, dict[str, Any]]:
        log = await _task(context, request.controller_id, request.task_id)
        text, last = await _task_text(context, log, max(0, request.event_id) + 1)
        answer: dict[str, Any] = {
            "deliveryDate": timestamp(context.now_ms()),
            "controllerId": request.controller_id,
            "taskId": request.task_id,
            "eventId": max(last, request.event_id),
            "complete": log.is_complete,
            "log": text,
        }
        return bool(text) or log.is_complete, answer

    return await _wait(context, f"log:task:{request.task_id}", look)


async def task_log_download(context: RequestContext, request: TaskFilter) -> Answer:
    """The whole task log as a file."""
    log = await _task(context, request.controller_id, request.task_id)
    text, _ = await _task_text(context, log, 1)
    path = context.services.get(WorkflowNames).path(log.workflow).replace("/", ",")
    return download(f"sos-{path}.{log.job}-{log.task_id}.task.log", text.encode())


async def task_log_unsubscribe(context: RequestContext, request: TaskFilter) -> Ok:
    """Followers hold nothing here: each poll stands for itself."""
    return context.ok()


async def order_log_unsubscribe(context: RequestContext, request: OrderHistoryFilter) -> Ok:
    """The same of orders."""
    return context.ok()


async def _wait(context: RequestContext, topic: str, look: Any) -> dict[str, Any]:
    """`look` at once, then after each change of `topic`, until it is satisfied or time is up."""
    hub = context.services.get(LiveHub)
    subscription = hub.subscribe([topic])
    end = asyncio.get_running_loop().time() + min(RUNNING_SECONDS, context.configuration.events_response_seconds)
    try:
        while True:
            subscription.drain()
            is_done, answer = await look()
            if is_done or hub.closing.is_set() or context.session.revoked.is_set():
                return answer  # type: ignore[no-any-return]
            try:
                async with asyncio.timeout_at(end):
                    await subscription.changed.wait()
            except TimeoutError:
                return answer  # type: ignore[no-any-return]
            await asyncio.sleep(min(COLLECT_SECONDS, context.configuration.events_collect_seconds))
    finally:
        hub.unsubscribe(subscription)


_VIEW = "ctl:orders:view"
ROUTES = [
    Route("/orders/history", OrdersFilter, OrderHistory, _VIEW, False, orders_history),
    Route("/order/history", OrderHistoryFilter, dict[str, Any], _VIEW, False, order_history),
    Route("/order/log", OrderHistoryFilter, dict[str, Any], _VIEW, False, order_log),
    Route(
        "/order/log/running", RunningOrderFilter, dict[str, Any], _VIEW, False, order_log_running, renews_session=False
    ),
    Route("/order/log/download", OrderHistoryFilter, None, _VIEW, False, order_log_download),
    Route("/order/log/download", OrderHistoryFilter, None, _VIEW, False, order_log_download, method="GET"),
    Route("/order/log/unsubscribe", OrderHistoryFilter, Ok, _VIEW, False, order_log_unsubscribe),
    Route("/tasks/history", JobsFilter, OrderHistory, _VIEW, False, tasks_history),
    Route("/task/log", TaskFilter, None, _VIEW, False, task_log),
    Route("/task/log/running", RunningTaskFilter, dict[str, Any], _VIEW, False, task_log_running, renews_session=False),
    Route("/task/log/download", TaskFilter, None, _VIEW, False, task_log_download),
    Route("/task/log/download", TaskFilter, None, _VIEW, False, task_log_download, method="GET"),
    Route("/task/log/unsubscribe", TaskFilter, Ok, _VIEW, False, task_log_unsubscribe),
]
