"""Native history: `history/orders`, `history/tasks`, `order/<id>/events`, `log/<order|task>/<id>` (ui.md 4.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Table, and_, false

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.folders import require_workflow
from stellwerk.cockpit.api.native_filter import (
    Condition,
    Meaning,
    Paging,
    Term,
    contains,
    glob,
    instant,
    is_pattern,
    number,
    terms,
)
from stellwerk.cockpit.api.native_orders import PREFIX, workflow_meaning, workflows_at
from stellwerk.cockpit.api.native_page import ListRequest, Page, permitted, read_page
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.database.tables.history import IS_ROOT, history_order_steps, history_orders, is_severity
from stellwerk.cockpit.history.selection import MAXIMUM_ALTERNATIVES, Selection, unindexed
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.projection import reading
from stellwerk.cockpit.projection.model import BY_CODE, BY_TEXT, RUNNING, normalized, position_text
from stellwerk.cockpit.projection.reading import LogPart

#: States of orders that are no outcome of their own, and their severity.
_STATES = {"CANCELLED": 2, "BROKEN": 2, "SUSPENDED": 1, "UNKNOWN": 2}
_SEVERITIES = {"SUCCESSFUL": 0, "FINISHED": 0, "INCOMPLETE": 1, "RUNNING": 1, "FAILED": 2}


class HistoryRow(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A row of `N:history/orders` and `N:history/tasks`."""

    controller_id: str
    order_id: str
    workflow: str
    start: int
    outcome: str
    history_id: int | None = None
    task_id: int | None = None
    job: str | None = None
    label: str | None = None
    position: str | None = None
    planned: int | None = None
    end: int | None = None
    ms: int | None = None
    message: str | None = None
    return_code: int | None = None
    attempt: int | None = None
    agent_id: str | None = None
    subagent_id: str | None = None
    version_id: str | None = None
    log_bytes: int | None = None
    log_lines: int | None = None
    stderr_lines: int | None = None


def _outcome_meaning(table: Table, *, has_state: bool) -> Meaning:
    def meaning(value: str) -> Condition:
        name = value.upper()
        if has_state and name in _STATES:
            return and_(is_severity(table, _STATES[name]), table.c.state == BY_TEXT[name].code)
        if name not in _SEVERITIES:
            raise BadRequest(f"q: '{value}' is no outcome; give successful, incomplete or failed")
        return is_severity(table, _SEVERITIES[name])

    return meaning


def _exactly(column: Any) -> Meaning:
    """Equality with regard to case, which an index serves, or a pattern without."""

    def meaning(value: str) -> Condition:
        return glob(column)(value) if is_pattern(value) else column == value

    return meaning


def _workflow_meaning(names: WorkflowNames, column: Any) -> Meaning:
    def meaning(value: str) -> Condition:
        return workflow_meaning(names, unindexed(column))(value) if is_pattern(value) else column == name_of(value)

    return meaning


def _selection(
    context: RequestContext, request: ListRequest, table: Table, keys: dict[str, Meaning], text: Meaning
) -> Selection:
    """What the request is about: `keys` and `text` are those of its query."""
    ranges = [] if table is not history_orders else [IS_ROOT]
    where = permitted(
        context,
        "ctl:orders:view",
        table.c.controller_id,
        request.controller_id,
        workflow=unindexed(table.c.workflow_name),
    )
    found = terms(request.q, keys)
    alternatives = _alternatives(found, keys, context.services.get(WorkflowNames), table)
    for term in found:
        if term.key == "state" and len(term.values) == 1 and not term.is_negated:
            ranges.append(keys["state"](term.values[0]))
        elif term.key == "started" and not term.is_negated:
            ranges.append(term.condition(keys["started"]))
        elif term.key == "job" and alternatives is not None and term is not alternatives[0]:
            where.append(term.condition(_exactly(unindexed(table.c.job_name))))
        elif alternatives is None or term is not alternatives[0]:
            where.append(term.condition(keys[term.key] if term.key else text))
    return Selection(table, ranges, [] if alternatives is None else alternatives[1], where)


def _alternatives(
    found: list[Term], keys: dict[str, Meaning], names: WorkflowNames, table: Table
) -> tuple[Term, list[Condition]] | None:
    """The term by whose index the rows are found, and a condition for each of its values."""
    for key in ("order", "workflow", "job", "state"):
        for term in found:
            if term.key != key or key not in keys:
                continue
            if term.are_exact and (key != "state" or len(term.values) > 1):
                return term, [keys[key](value) for value in dict.fromkeys(term.values)]
            if key == "workflow" and not term.is_negated and all("/" in value for value in term.values):
                few = {name for value in term.values for name in workflows_at(names, value)}
                if len(few) <= MAXIMUM_ALTERNATIVES:
                    return term, [table.c.workflow_name == name for name in sorted(few)] or [false()]
    return None


async def history_orders_page(context: RequestContext, request: ListRequest) -> Page:
    """Started orders, newest first."""
    names = context.services.get(WorkflowNames)
    return await _page(context, selected_orders(context, request), request, lambda row: order_row(row, names))


def selected_orders(context: RequestContext, request: ListRequest) -> Selection:
    """The orders that a query finds."""
    table, now = history_orders.c, context.now_ms()
    keys: dict[str, Meaning] = {
        "state": _outcome_meaning(history_orders, has_state=True),
        "workflow": _workflow_meaning(context.services.get(WorkflowNames), table.workflow_name),
        "order": _exactly(table.order_id),
        "error": contains(table.error_text),
        "exit": number(table.error_return_code),
        "started": instant(table.start_time, now),
        "ended": instant(table.end_time, now),
    }
    return _selection(context, request, history_orders, keys, contains(table.order_id, table.workflow_name))


def order_row(row: Any, names: WorkflowNames) -> HistoryRow:
    """From a row of `history_orders`."""
    state = BY_CODE.get(row.state)
    return HistoryRow(
        controller_id=row.controller_id,
        history_id=row.id,
        order_id=row.order_id,
        workflow=names.path(row.workflow_name),
        version_id=row.workflow_version_id,
        position=row.workflow_position,
        planned=row.start_time_scheduled,
        start=row.start_time,
        end=row.end_time,
        ms=None if row.end_time is None else row.end_time - row.start_time,
        outcome="SUCCESSFUL" if row.severity == 0 else (state or RUNNING).text,
        return_code=row.error_return_code if row.error else row.end_return_code,
        message=row.error_text,
    )


async def history_tasks_page(context: RequestContext, request: ListRequest) -> Page:
    """Attempts of jobs, newest first."""
    names = context.services.get(WorkflowNames)
    return await _page(context, selected_tasks(context, request), request, lambda row: task_row(row, names))


def selected_tasks(context: RequestContext, request: ListRequest) -> Selection:
    """The tasks that a query finds."""
    table, now = history_order_steps.c, context.now_ms()
    keys: dict[str, Meaning] = {
        "state": _outcome_meaning(history_order_steps, has_state=False),
        "workflow": _workflow_meaning(context.services.get(WorkflowNames), table.workflow_name),
        "order": _exactly(table.order_id),
        "job": _exactly(table.job_name),
        "label": glob(table.job_label),
        "agent": glob(table.agent_id),
        "subagent": glob(table.subagent_id),
        "error": contains(table.error_text),
        "exit": number(table.return_code),
        "started": instant(table.start_time, now),
        "ended": instant(table.end_time, now),
    }
    text = contains(table.order_id, table.job_name, table.workflow_name)
    return _selection(context, request, history_order_steps, keys, text)


def task_row(row: Any, names: WorkflowNames) -> HistoryRow:
    """From a row of `history_order_steps`."""
    return HistoryRow(
        controller_id=row.controller_id,
        task_id=row.id,
        history_id=row.ho_id,
        order_id=row.order_id,
        workflow=names.path(row.workflow_name),
        version_id=row.workflow_version_id,
        job=row.job_name,
        label=row.job_label,
        position=row.workflow_position,
        start=row.start_time,
        end=row.end_time,
        ms=None if row.end_time is None else row.end_time - row.start_time,
        outcome=row.outcome or "RUNNING",
        return_code=row.return_code,
        message=row.error_text,
        attempt=row.attempt,
        agent_id=row.agent_id,
        subagent_id=row.subagent_id,
        log_bytes=row.log_bytes,
        log_lines=row.log_lines,
        stderr_lines=row.stderr_lines,
    )


async def _page(
    context: RequestContext, selection: Selection, request: ListRequest, to_row: Callable[[Any], HistoryRow]
) -> Page:
    sort = request.sort or "-start"
    if sort not in ("start", "-start"):
        raise BadRequest("sort: history is sorted by start or -start")
    descending = sort.startswith("-")
    paging = Paging([(selection.table.c.start_time, descending), (selection.table.c.id, descending)])

    return await read_page(context, selection, paging, request, to_row, lambda row: (row.start_time, row.id))


class EventsRequest(msgspec.Struct, rename="camel"):
    """`from`: event id to begin at; `dir`: forward or backward from there."""

    from_: int | None = msgspec.field(default=None, name="from")
    dir: str = "forward"
    limit: int = 200
    level: str = "all"
    controller_id: str = ""


class OrderEvent(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    event_id: int
    time: int
    source: str
    type: str
    order_id: str
    payload: dict[str, Any]
    position: str | None = None


class OrderEvents(msgspec.Struct, frozen=True, omit_defaults=True):
    """`next`: event id for the next request in the same direction."""

    events: list[OrderEvent]
    total: int
    next: int | None = None


#: Folded away in the story (ui.md S6): moves, attaching, marks.
_NOT_STORY = frozenset(
    {
        "OrderMoved",
        "OrderAttachable",
        "OrderAttached",
        "OrderDetachable",
        "OrderDetached",
        "OrderCancellationMarked",
        "OrderCancellationMarkedOnAgent",
        "OrderSuspensionMarked",
        "OrderSuspensionMarkedOnAgent",
        "OrderResumptionMarked",
        "OrderGoMarked",
        "OrderGoes",
        "OrderAwoke",
        "OrderStateReset",
        "OrderDeletionMarked",
    }
)
_ENVELOPE = ("eventId", "timestamp", "Key", "TYPE")


async def order_events(context: RequestContext, request: EventsRequest) -> OrderEvents:
    """Engine events of an order and its children, with the position before each."""
    if request.dir not in ("forward", "backward") or request.level not in ("all", "story"):
        raise BadRequest("give dir=forward or backward, level=story or all")
    order_id = context.path_parameters["id"]
    async with context.database.read() as connection:
        order = await reading.find_order(connection, order_id=order_id, controller_id=request.controller_id)
        if order is None:
            raise ObjectNotFound(f"there is no order '{order_id}', neither at a Controller nor in the history")
        context.require("ctl:orders:view", order.controller_id)
        await require_workflow(context, order.workflow, order.controller_id)
        lines = await reading.order_event_lines(connection, order)
    found = [item for item in reading.story(lines) if request.level == "all" or item.event.TYPE not in _NOT_STORY]
    total = len(found)
    limit = max(1, min(request.limit, 5000))
    if request.dir == "backward":
        found = [item for item in found if request.from_ is None or item.event.event_id <= request.from_]
        page, rest = found[-limit:], found[:-limit]
        following = rest[-1].event.event_id if rest else None
    else:
        found = [item for item in found if request.from_ is None or item.event.event_id >= request.from_]
        page, rest = found[:limit], found[limit:]
        following = rest[0].event.event_id if rest else None
    return OrderEvents(events=[_order_event(item) for item in page], total=total, next=following)


def _order_event(item: reading.StoryEvent) -> OrderEvent:
    event = item.event
    payload = msgspec.json.decode(item.line)
    for name in _ENVELOPE:
        payload.pop(name, None)
    return OrderEvent(
        event_id=event.event_id,
        time=event.time_ms,
        source="agent" if event.timestamp is not None else "controller",
        type=event.TYPE,
        order_id=event.Key,
        payload=payload,
        position=position_text(normalized(item.position)) if item.position else None,
    )


class LogRequest(msgspec.Struct, rename="camel"):
    """One of `line=a-b`, `tail=n`, `byte=a-b`; nothing: the first lines."""

    line: str | None = None
    tail: int | None = None
    byte: str | None = None


async def log(context: RequestContext, request: LogRequest) -> LogPart:
    """A range of lines of a task's log, or of an order's (its tasks, one after the other)."""
    kind, text = context.path_parameters["kind"], context.path_parameters["id"]
    if kind not in ("order", "task"):
        raise BadRequest(f"'{kind}' has no log; give order or task")
    if sum(value is not None for value in (request.line, request.tail, request.byte)) > 1:
        raise BadRequest("give only one of line, tail and byte")
    async with context.database.read() as connection:
        if kind == "task":
            return await _task_part(context, connection, text, request)
        return await _order_part(context, connection, text, request)


async def _task_part(context: RequestContext, connection: Any, text: str, request: LogRequest) -> LogPart:
    found = await reading.task_log(connection, _id(text)) if text.isdigit() else None
    if found is None:
        raise ObjectNotFound(f"there is no task '{text}' in the history")
    context.require("ctl:orders:view", found.controller_id)
    await require_workflow(context, found.workflow, found.controller_id)
    if request.byte is not None:
        first, last = await reading.lines_of_bytes(connection, found.task_id, *_range(request.byte, "byte"))
    else:
        first, last = _lines_wanted(request, found.lines)
    lines = await reading.task_lines(connection, found.task_id, first, last) if last >= first else []
    if not lines and found.lines and await reading.are_logs_removed(connection, [found.task_id]):
        return reading.REMOVED_LOG
    return LogPart(lines=lines, total_lines=found.lines, total_bytes=found.bytes, complete=found.is_complete)


async def _order_part(context: RequestContext, connection: Any, text: str, request: LogRequest) -> LogPart:
    """By history id, or by order id (the latest order of this name)."""
    if request.byte is not None:
        raise BadRequest("byte ranges exist for logs of tasks only; give line or tail")
    order = await reading.find_order(connection, history_id=_id(text)) if text.isdigit() else None
    order = order or await reading.find_order(connection, order_id=text)
    if order is None:
        raise ObjectNotFound(f"there is no order '{text}' in the history")
    context.require("ctl:orders:view", order.controller_id)
    await require_workflow(context, order.workflow, order.controller_id)
    tasks = await reading.tasks_of_order(connection, order.history_id)
    total = sum(task.log_lines for task in tasks)
    first, last = _lines_wanted(request, total)
    lines = await reading.order_lines(connection, tasks, first, last) if last >= first else []
    logged = [task.id for task in tasks if task.log_lines]
    if not lines and await reading.are_logs_removed(connection, logged[: reading.MAXIMUM_LINES]):
        return reading.REMOVED_LOG
    return LogPart(
        lines=lines, total_lines=total, total_bytes=sum(task.log_bytes for task in tasks), complete=order.is_over
    )


def _id(text: str) -> int:
    return min(int(text[:19]), 2**63 - 1)


def _lines_wanted(request: LogRequest, total: int) -> tuple[int, int]:
    if request.tail is not None:
        count = max(0, min(request.tail, reading.MAXIMUM_LINES))
        return max(1, total - count + 1), total
    return _range(request.line, "line") if request.line is not None else (1, reading.MAXIMUM_LINES)


def _range(text: str, name: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,15})-(\d{1,15})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise BadRequest(f"{name}: '{text}' is no range; give e.g. {name}=1-100")
    return int(match[1]), int(match[2])


_VIEW = "ctl:orders:view"
ROUTES = [
    Route(f"{PREFIX}/history/orders", ListRequest, Page, _VIEW, False, history_orders_page, method="GET"),
    Route(f"{PREFIX}/history/tasks", ListRequest, Page, _VIEW, False, history_tasks_page, method="GET"),
    Route(f"{PREFIX}/order/{{id}}/events", EventsRequest, OrderEvents, _VIEW, False, order_events, method="GET"),
    Route(f"{PREFIX}/log/{{kind}}/{{id}}", LogRequest, LogPart, _VIEW, False, log, method="GET"),
]
