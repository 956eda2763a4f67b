"""Reading history back: lines of logs by range, events of an order, the order log rendered from them.

Everything is bounded: a range of lines, a number of events. Knows the tables, not the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.history import (
    history_log_chunks,
    history_order_events,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.database.tables.live import live_controllers, live_orders
from stellwerk.cockpit.projection.batch import Ids
from stellwerk.cockpit.projection.fold import Fold
from stellwerk.cockpit.projection.lines import Event, Outcome, decode_event
from stellwerk.cockpit.projection.logs import LogLine, lines
from stellwerk.cockpit.projection.model import normalized, position_text

MAXIMUM_LINES = 5000
#: Text of one answer; a line that is longer is cut here, and says so.
MAXIMUM_LINE_CHARACTERS = 100_000
MAXIMUM_CHARACTERS = 8_000_000


class LogPart(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Lines of a log: what was asked for, as far as it exists and is allowed at once."""

    lines: list[LogLine]
    total_lines: int
    total_bytes: int
    complete: bool
    #: The cleanup service has removed what there was.
    removed: bool = False


REMOVED_LOG = LogPart(lines=[], total_lines=0, total_bytes=0, complete=True, removed=True)


class TaskLog(msgspec.Struct, frozen=True):
    """What the task row says of its log."""

    task_id: int
    controller_id: str
    order_id: str
    job: str
    workflow: str
    lines: int
    bytes: int
    is_complete: bool


_steps, _chunks = history_order_steps.c, history_log_chunks.c


async def task_log(connection: AsyncConnection, task_id: int) -> TaskLog | None:
    row = (
        await connection.execute(
            select(
                _steps.controller_id,
                _steps.order_id,
                _steps.job_name,
                _steps.workflow_path,
                _steps.log_lines,
                _steps.log_bytes,
                _steps.end_time,
            ).where(_steps.id == task_id)
        )
    ).first()
    if row is None:
        return None
    return TaskLog(
        task_id,
        row.controller_id,
        row.order_id,
        row.job_name,
        row.workflow_path,
        row.log_lines,
        row.log_bytes,
        row.end_time is not None,
    )


async def are_logs_removed(connection: AsyncConnection, task_ids: Sequence[int]) -> bool:
    """Whether nothing is left of the logs of these tasks, all of which have had one."""
    left = select(_chunks.hos_id).where(_chunks.hos_id.in_(task_ids)).limit(1)
    return bool(task_ids) and (await connection.execute(left)).first() is None


async def task_lines(connection: AsyncConnection, task_id: int, first: int, last: int) -> list[LogLine]:
    """Lines `first` to `last` (from 1, both inclusive) of a task."""
    first = max(first, 1)
    last = min(last, first + MAXIMUM_LINES - 1)
    rows = await connection.execute(
        select(_chunks.first_line, _chunks.continues_line, _chunks.content)
        .where(_chunks.hos_id == task_id, _chunks.last_line >= first, _chunks.first_line <= last)
        .order_by(_chunks.first_event_id)
    )
    found: list[LogLine] = []
    characters = 0
    for line in lines((row.first_line, row.continues_line, row.content) for row in rows):
        if line.n < first:
            continue
        if line.n > last or characters > MAXIMUM_CHARACTERS:
            break
        if len(line.txt) > MAXIMUM_LINE_CHARACTERS:
            cut = f" … [{len(line.txt) - MAXIMUM_LINE_CHARACTERS} more characters: download the log]"
            line = msgspec.structs.replace(line, txt=line.txt[:MAXIMUM_LINE_CHARACTERS] + cut)
        characters += len(line.txt)
        found.append(line)
    return found


async def lines_of_bytes(connection: AsyncConnection, task_id: int, first: int, last: int) -> tuple[int, int]:
    """First and last line that have a part in the bytes `first` to `last` (from 0)."""
    rows = (
        await connection.execute(
            select(_chunks.first_line, _chunks.last_line)
            .where(_chunks.hos_id == task_id, _chunks.first_byte <= last, _chunks.first_byte + _chunks.bytes > first)
            .order_by(_chunks.first_event_id)
        )
    ).all()
    return (rows[0].first_line, rows[-1].last_line) if rows else (1, 0)


async def tasks_of_order(connection: AsyncConnection, history_id: int) -> list[Any]:
    """Task rows of an order and its children, in the order of their start."""
    return list(
        (
            await connection.execute(
                select(
                    _steps.id,
                    _steps.ho_id,
                    _steps.start_event_id,
                    _steps.job_name,
                    _steps.job_label,
                    _steps.log_lines,
                    _steps.log_bytes,
                    _steps.end_time,
                )
                .where(or_(_steps.ho_main_parent_id == history_id, _steps.ho_id == history_id))
                .order_by(_steps.start_event_id)
            )
        ).all()
    )


async def order_lines(connection: AsyncConnection, tasks: Sequence[Any], first: int, last: int) -> list[LogLine]:
    """Lines of the order's log: the logs of its tasks, one after the other, numbered through."""
    first = max(first, 1)
    last = min(last, first + MAXIMUM_LINES - 1)
    found: list[LogLine] = []
    offset = 0
    for task in tasks:
        if offset + task.log_lines >= first and offset < last:
            for line in await task_lines(connection, task.id, first - offset, last - offset):
                found.append(msgspec.structs.replace(line, n=line.n + offset))
        offset += task.log_lines
    return found


class OrderIdentity(msgspec.Struct, frozen=True):
    history_id: int
    main_history_id: int
    controller_id: str
    order_id: str
    #: The name of its workflow.
    workflow: str
    is_over: bool


async def find_order(
    connection: AsyncConnection, *, history_id: int | None = None, order_id: str | None = None, controller_id: str = ""
) -> OrderIdentity | None:
    """An order by history id, or the latest one with this order id; also if it has not started yet."""
    history, live = history_orders.c, live_orders.c
    statement = select(
        history.id,
        history.main_parent_id,
        history.controller_id,
        history.order_id,
        history.workflow_name,
        history.end_time,
    )
    statement = statement.where(history.id == history_id if history_id is not None else history.order_id == order_id)
    if controller_id:
        statement = statement.where(history.controller_id == controller_id)
    row = (await connection.execute(statement.order_by(history.id.desc()).limit(1))).first()
    waiting = select(live.history_id, live.controller_id, live.order_id, live.workflow_path).where(
        live.history_id == history_id if history_id is not None else live.order_id == order_id
    )
    if controller_id:
        waiting = waiting.where(live.controller_id == controller_id)
    present = (await connection.execute(waiting.limit(1))).first()
    if present is not None and (row is None or present.history_id > row.id):
        # An order that has not started is no child: it is its own root.
        id_ = present.history_id
        return OrderIdentity(id_, id_, present.controller_id, present.order_id, present.workflow_path, False)
    if row is None:
        return None
    return OrderIdentity(
        row.id, row.main_parent_id, row.controller_id, row.order_id, row.workflow_name, row.end_time is not None
    )


async def order_event_lines(connection: AsyncConnection, order: OrderIdentity) -> list[bytes]:
    """Event lines of an order and (for a root) its children, in the order of the Controller's journal."""
    events = history_order_events.c
    condition = (
        events.ho_main_parent_id == order.history_id
        if order.history_id == order.main_history_id
        else events.ho_id == order.history_id
    )
    rows = await connection.execute(select(events.content).where(condition))
    found = [line for (content,) in rows for line in bytes(content).split(b"\n")]
    found.sort(key=lambda line: decode_event(line).event_id)
    return found


def named_values(lines: Sequence[bytes], order_id: str) -> dict[str, Any]:
    """What the outcomes in an order's own events have given it, later ones over former ones; no return codes.

    Also those that a person has given when it was resumed.
    """
    values: dict[str, Any] = {}
    for line in lines:
        event = decode_event(line)
        if event.Key != order_id:
            continue
        given = [operation.get("outcome") for operation in event.history_operations or ()]
        outcomes = [event.outcome, *(msgspec.convert(outcome, Outcome) for outcome in given if outcome)]
        for outcome in outcomes:
            if outcome is not None and outcome.is_succeeded:
                values |= outcome.values
    values.pop("returnCode", None)
    return values


class StoryEvent(msgspec.Struct, frozen=True):
    """One event of an order with where the order stood before it."""

    event: Event
    line: bytes
    position: list[int | str]
    workflow: str


def story(all_lines: Sequence[bytes]) -> Iterator[StoryEvent]:
    """The events with positions, by folding them once more."""
    fold = Fold("", {}, lambda path, version: None, Ids(0, 0))
    for line in all_lines:
        event = decode_event(line)
        before = fold.order(event.Key) if isinstance(event.Key, str) else None
        position = list(before.position) if before is not None else None
        fold.fold(event, line)
        after = fold.order(event.Key) if isinstance(event.Key, str) else None
        if position is None:
            position = list(after.position) if after is not None else []
        workflow = (before or after).workflow_path if (before or after) is not None else ""  # type: ignore[union-attr]
        yield StoryEvent(event, line, position, workflow)


#: Level and name in the order log (cockpit-services 5.5); what is not here is DETAIL and keeps its name.
_LEVELS = {
    "OrderStarted": "MAIN",
    "OrderFinished": "MAIN",
    "OrderProcessingStarted": "MAIN",
    "OrderForked": "MAIN",
    "OrderJoined": "MAIN",
    "OrderAdded": "MAIN",
    "OrderFailed": "ERROR",
    "OrderFailedInFork": "ERROR",
    "OrderBroken": "ERROR",
    "OrderStopped": "ERROR",
    "OrderCancelled": "ERROR",
    "OrderSuspended": "INFO",
    "OrderSuspensionMarked": "INFO",
    "OrderResumed": "INFO",
    "OrderResumptionMarked": "INFO",
}
_NAMES = {"OrderFailedInFork": "OrderFailedinFork"}
#: Events that the order log does not show.
_SILENT = frozenset({"OrderAttachable", "OrderDetachable", "OrderDetached", "OrderDeleted", "OrderDeletionMarked"})


def order_log_entries(
    events: Sequence[bytes], tasks: Sequence[Any], timezone: str, *, after: int = 0
) -> list[dict[str, Any]]:
    """Entries of the order log in the form of cockpit-services 5.5, of events after event id `after`; only relevant
    members are present."""
    zone = _zone(timezone)
    by_start = {task.start_event_id: task for task in tasks}
    running: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for item in story(events):
        event = item.event
        if event.TYPE == "OrderProcessingStarted" and event.event_id in by_start:
            running[event.Key] = by_start[event.event_id]
        if event.TYPE in _SILENT or event.event_id <= after:
            continue
        entry: dict[str, Any] = {
            "controllerDatetime": _local(event.event_id // 1000, zone),
            "orderId": event.Key,
            "logLevel": _LEVELS.get(event.TYPE, "DETAIL"),
            "logEvent": _NAMES.get(event.TYPE, event.TYPE),
            "position": position_text(normalized(item.position)) if item.position else "0",
        }
        if event.timestamp is not None:
            entry["agentDatetime"] = _local(event.timestamp, zone)
        task = running.get(event.Key)
        if task is not None and event.TYPE in ("OrderProcessingStarted", "OrderProcessed"):
            entry |= {"job": task.job_name, "taskId": task.id}
            if task.job_label:
                entry["label"] = task.job_label
        _details(entry, event)
        entries.append(entry)
    return entries


def _details(entry: dict[str, Any], event: Event) -> None:
    outcome = event.outcome
    if outcome is not None:
        if event.TYPE == "OrderProcessed":
            entry["logLevel"] = "SUCCESS" if outcome.is_succeeded else "ERROR"
        if outcome.return_code is not None:
            entry["returnCode"] = outcome.return_code
        if outcome.values:
            entry["returnValues"] = outcome.values
        if not outcome.is_succeeded:
            error = {"errorState": outcome.TYPE, "errorText": outcome.text}
            error["errorReason"] = outcome.reason.TYPE if outcome.reason is not None else None
            error["errorCode"] = outcome.problem_code
            entry["error"] = {name: value for name, value in error.items() if value is not None}
    if event.arguments and event.TYPE in ("OrderAdded", "OrderStarted"):
        entry["arguments"] = msgspec.json.decode(event.arguments)
    if event.TYPE == "OrderMoved" and event.to is not None:
        entry["moved"] = {"to": {"position": position_text(normalized(event.to))}}
    if event.TYPE == "OrderRetrying":
        until = event.delayed_until
        entry["retrying"] = {} if until is None else {"delayedUntil": _local(until, UTC)}
    if event.TYPE == "OrderCaught":
        entry["caught"] = {"cause": "TryInstruction"}
    if event.TYPE == "OrderPrompted" and event.question:
        question = msgspec.json.decode(event.question)
        entry["question"] = question if isinstance(question, str) else bytes(event.question).decode()
    if event.TYPE == "OrderSleeping" and event.until is not None:
        entry["sleep"] = {"until": _local(event.until, UTC)}
    if event.agent_path is not None:
        entry["agentId"] = event.agent_path


async def controller_timezone(connection: AsyncConnection, controller_id: str) -> str:
    statement = select(live_controllers.c.timezone).where(live_controllers.c.controller_id == controller_id)
    return (await connection.execute(statement)).scalar_one_or_none() or "UTC"


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _local(milliseconds: int, zone: Any) -> str:
    """`2024-01-31 02:00:00.123+0100`"""
    instant = datetime.fromtimestamp(milliseconds / 1000, zone)
    return f"{instant:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}{instant:%z}"


def log_text(found: Sequence[LogLine], timezone: str) -> str:
    """The task log as text (cockpit-services 5.5): time, channel, text of each line."""
    zone = _zone(timezone)
    return "".join(f"{_local(line.t, zone)} {f'[{line.lvl}]':<9} {line.txt}\n" for line in found)
