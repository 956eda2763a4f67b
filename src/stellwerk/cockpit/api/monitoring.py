"""`/monitoring/*`: notifications, their acknowledgement, and when Controllers and Agents were there (cockpit-api 7)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import and_, or_, select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.database.tables.history import history_agents, history_controllers
from stellwerk.cockpit.database.tables.live import live_agents, live_controllers
from stellwerk.cockpit.database.tables.monitoring import (
    mon_not_acknowledgements,
    mon_notifications,
    mon_outbox,
    mon_sysnotifications,
)
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.monitoring.alerts import AlertDesk
from stellwerk.cockpit.monitoring.availability import Period, entries
from stellwerk.cockpit.monitoring.model import ORDERS, SYSTEM, Category, Range, Type, Warn
from stellwerk.cockpit.monitoring.news import MonitoringNews
from stellwerk.cockpit.projection.observations import Observation
from stellwerk.values.json import decoder

VIEW, MANAGE = "joc:notification:view", "joc:notification:manage"
MAXIMUM_ROWS = 10_000
_notes, _system, _acks = mon_notifications.c, mon_sysnotifications.c, mon_not_acknowledgements.c
_observation = decoder(Observation)


class NotificationsRequest(msgspec.Struct, rename="camel"):
    """`types`: SUCCESS, ERROR, WARNING, RECOVERED, ACKNOWLEDGED. Without `dateFrom`: all that are kept."""

    controller_id: str = ""
    date_from: str | None = None
    time_zone: str | None = None
    limit: int = MAXIMUM_ROWS
    types: list[str] = []
    notification_ids: list[int] = []


class NotificationRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notification_id: int


class AcknowledgeRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notification_ids: list[int]
    comment: str | None = None


class SystemNotificationsRequest(msgspec.Struct, rename="camel"):
    date_from: str | None = None
    time_zone: str | None = None
    limit: int = MAXIMUM_ROWS
    types: list[str] = []
    categories: list[str] = []
    notification_ids: list[int] = []


class SystemNotificationRequest(msgspec.Struct, rename="camel"):
    notification_id: int


class SystemAcknowledgeRequest(msgspec.Struct, rename="camel"):
    notification_ids: list[int]
    comment: str | None = None


class AvailabilityRequest(msgspec.Struct, rename="camel"):
    """Without `dateFrom`: the last 7 days."""

    controller_id: str = ""
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None


class Notifications(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    notifications: list[dict[str, Any]]


class OneNotification(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    notification: dict[str, Any]


class Controllers(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    controllers: list[dict[str, Any]]


class Agents(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    controllers: list[dict[str, Any]]


# --- notifications of orders and tasks


async def notifications(context: RequestContext, request: NotificationsRequest) -> Notifications:
    """Notifications of orders and tasks, newest first."""
    where = _visible(context, request.controller_id)
    where += _since(context, request, _notes.created) + _of_types(request.types, _notes.type)
    if request.notification_ids:
        where.append(_notes.id.in_(request.notification_ids))
    rows = await _read_orders(context, where, request.limit)
    return Notifications(timestamp(context.now_ms()), [_item(context, row) for row in rows])


async def notification(context: RequestContext, request: NotificationRequest) -> OneNotification:
    """One notification, with what was sent of it."""
    where = [*_visible(context, request.controller_id), _notes.id == request.notification_id]
    rows = await _read_orders(context, where, 1)
    if not rows:
        raise ObjectNotFound(f"Couldn't find the notification with id {request.notification_id}")
    item = _item(context, rows[0]) | {"monitors": await _monitors(context, ORDERS, request.notification_id)}
    return OneNotification(timestamp(context.now_ms()), item)


async def acknowledge(context: RequestContext, request: AcknowledgeRequest) -> Ok:
    """Say that somebody takes care."""
    query = select(_notes.id).where(*_visible(context, request.controller_id), _notes.id.in_(request.notification_ids))
    await _acknowledge(context, ORDERS, query, request.notification_ids, request.comment)
    return context.ok()


async def _acknowledge(
    context: RequestContext, application: int, query: Any, wanted: list[int], comment: str | None
) -> None:
    if not wanted:
        raise BadRequest("notificationIds: give at least one")
    async with context.database.read() as connection:
        found = set((await connection.execute(query)).scalars())
    if missing := sorted(set(wanted) - found):
        raise ObjectNotFound(f"Couldn't find the notifications with id {', '.join(map(str, missing))}")
    desk, news = context.services.get(AlertDesk), context.services.get(MonitoringNews)
    await desk.acknowledge_notifications(application, sorted(found), context.account, comment)
    await news.changed()


def _visible(context: RequestContext, controller_id: str) -> list[Any]:
    return permitted(context, "ctl:orders:view", _notes.controller_id, controller_id, workflow=_notes.workflow)


async def _read_orders(context: RequestContext, where: list[Any], limit: int) -> list[Any]:
    join = and_(_acks.application == ORDERS, _acks.not_id == _notes.id)
    query = (
        select(mon_notifications, _acks.account, _acks.comment, _acks.created.label("acknowledged"))
        .outerjoin(mon_not_acknowledgements, join)
        .where(*where)
        .order_by(_notes.id.desc())
        .limit(_limit(limit))
    )
    async with context.database.read() as connection:
        return list(await connection.execute(query))


def _item(context: RequestContext, row: Any) -> dict[str, Any]:
    """Type `OrderNotificationItem`."""
    seen: Observation = _observation.decode(row.data)
    item: dict[str, Any] = {
        "notificationId": row.id,
        "recoveredNotificationId": row.recovered_id,
        "type": _type_name(row),
        "created": timestamp(row.created),
        "hasMonitors": row.has_monitors,
        "controllerId": row.controller_id,
        "orderId": row.order_id,
        "workflow": context.services.get(WorkflowNames).path(row.workflow),
        "message": row.message,
        # Ours: what kind of warning it is.
        "warn": Warn(row.warn).name if row.warn else None,
        "acknowledgement": _acknowledgement(row),
    }
    if row.range == Range.WORKFLOW_JOB:
        is_over = seen.kind == "task"
        state = {"severity": 2, "_text": "FAILED"} if seen.is_error else {"severity": 6, "_text": "SUCCESSFUL"}
        job = {
            "job": seen.job,
            "label": seen.label,
            "startTime": timestamp(seen.started or seen.time_ms),
            "endTime": timestamp(seen.time_ms) if is_over else None,
            "position": seen.position,
            "state": state if is_over else {"severity": 3, "_text": "INCOMPLETE"},
            "criticality": "normal",
            "taskId": seen.task_id,
            "agentUrl": seen.agent_id or "",
            "exitCode": seen.return_code,
        }
        item["job"] = _without_none(job)
    return _without_none(item)


# --- notifications of the system


async def system_notifications(context: RequestContext, request: SystemNotificationsRequest) -> Notifications:
    """Notifications of the system, newest first."""
    where = _since(context, request, _system.created) + _of_types(request.types, _system.type)
    if request.categories:
        names = {category.name: category for category in Category}
        if unknown := set(request.categories) - names.keys():
            raise BadRequest(f"categories: unknown {', '.join(sorted(unknown))}; known: {', '.join(names)}")
        where.append(_system.category.in_([int(names[name]) for name in request.categories]))
    if request.notification_ids:
        where.append(_system.id.in_(request.notification_ids))
    rows = await _read_system(context, where, request.limit)
    return Notifications(timestamp(context.now_ms()), [_system_item(row) for row in rows])


async def system_notification(context: RequestContext, request: SystemNotificationRequest) -> OneNotification:
    """One notification of the system, with what was sent of it."""
    rows = await _read_system(context, [_system.id == request.notification_id], 1)
    if not rows:
        raise ObjectNotFound(f"Couldn't find the notification with id {request.notification_id}")
    item = _system_item(rows[0]) | {"monitors": await _monitors(context, SYSTEM, request.notification_id)}
    return OneNotification(timestamp(context.now_ms()), item)


async def acknowledge_system(context: RequestContext, request: SystemAcknowledgeRequest) -> Ok:
    """Say that somebody takes care."""
    query = select(_system.id).where(*_visible_system(context), _system.id.in_(request.notification_ids))
    await _acknowledge(context, SYSTEM, query, request.notification_ids, request.comment)
    return context.ok()


def _visible_system(context: RequestContext) -> list[Any]:
    """What belongs to no Controller concerns everybody."""
    own = permitted(context, "ctl:view", _system.controller_id)
    return [or_(_system.controller_id == "", and_(*own))] if own else []


async def _read_system(context: RequestContext, where: list[Any], limit: int) -> list[Any]:
    join = and_(_acks.application == SYSTEM, _acks.not_id == _system.id)
    query = (
        select(mon_sysnotifications, _acks.account, _acks.comment, _acks.created.label("acknowledged"))
        .outerjoin(mon_not_acknowledgements, join)
        .where(*_visible_system(context), *where)
        .order_by(_system.id.desc())
        .limit(_limit(limit))
    )
    async with context.database.read() as connection:
        return list(await connection.execute(query))


def _system_item(row: Any) -> dict[str, Any]:
    item = {
        "notificationId": row.id,
        "type": _type_name(row),
        "category": Category(row.category).name,
        "source": row.source,
        "notifier": row.notifier,
        "time": timestamp(row.time),
        "created": timestamp(row.created),
        "message": row.message,
        "exception": row.exception,
        "hasMonitors": row.has_monitors,
        "acknowledgement": _acknowledgement(row),
    }
    return _without_none(item)


# --- both


def _type_name(row: Any) -> str:
    return Type.ACKNOWLEDGED.name if row.acknowledged is not None else Type(row.type).name


def _acknowledgement(row: Any) -> dict[str, Any] | None:
    if row.acknowledged is None:
        return None
    created = timestamp(row.acknowledged)
    return _without_none({"account": row.account, "comment": row.comment, "created": created})


def _of_types(types: list[str], column: Any) -> list[Any]:
    if not types:
        return []
    names = {type_.name: type_ for type_ in Type}
    if unknown := set(types) - names.keys():
        raise BadRequest(f"types: unknown {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    plain = [int(names[name]) for name in types if name != "ACKNOWLEDGED"]
    wanted = and_(column.in_(plain), _acks.not_id.is_(None))
    return [or_(wanted, _acks.not_id.is_not(None)) if "ACKNOWLEDGED" in types else wanted]


def _since(context: RequestContext, request: Any, column: Any) -> list[Any]:
    first = instant_ms(request.date_from, context.now_ms(), time_zone=request.time_zone, is_past=True)
    return [] if first is None else [column >= first]


def _limit(limit: int) -> int:
    return MAXIMUM_ROWS if limit < 0 else min(limit, MAXIMUM_ROWS)


async def _monitors(context: RequestContext, application: int, not_id: int) -> list[dict[str, Any]]:
    """What was sent of a notification, and how that went."""
    table = mon_outbox.c
    query = select(mon_outbox).where(table.application == application, table.not_id == not_id).order_by(table.id)
    async with context.database.read() as connection:
        return [delivery_item(row) for row in await connection.execute(query)]


def delivery_item(row: Any) -> dict[str, Any]:
    item = {
        "type": row.kind,
        "name": row.name,
        "messageId": row.message_id,
        "state": ("WAITING", "SENT", "DEAD")[row.state],
        "attempts": row.attempts,
        "error": row.error_text is not None,
        "errorText": row.error_text,
        "created": timestamp(row.created),
        "modified": timestamp(row.modified),
    }
    return _without_none(item)


def _without_none(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


# --- availability


async def controllers(context: RequestContext, request: AvailabilityRequest) -> Controllers:
    """When Controllers were there."""
    first, end, now = _range(context, request)
    table, live = history_controllers.c, live_controllers.c
    query = (
        select(history_controllers, live.state)
        .outerjoin(live_controllers, live.controller_id == table.controller_id)
        .where(*permitted(context, "ctl:view", table.controller_id, request.controller_id))
        .order_by(table.controller_id, table.ready_event_id)
    )
    async with context.database.read() as connection:
        rows = list(await connection.execute(query))
    periods: dict[str, list[Period]] = {}
    for row in rows:
        periods.setdefault(row.controller_id, []).append(
            Period(row.ready_time, row.shutdown_time or row.last_known_time, is_known=row.shutdown_time is not None)
        )
    found = [
        {"controllerId": controller_id, **entries(list_, first, end, now)} for controller_id, list_ in periods.items()
    ]
    return Controllers(timestamp(context.now_ms()), found)


async def agents(context: RequestContext, request: AvailabilityRequest) -> Agents:
    """When Agents were there, by Controller."""
    first, end, now = _range(context, request)
    table, live = history_agents.c, live_agents.c
    join = and_(live.controller_id == table.controller_id, live.kind == "A", live.agent_id == table.agent_id)
    query = (
        select(history_agents, live.uri.label("url"))
        .outerjoin(live_agents, join)
        .where(*permitted(context, "ctl:agents:view", table.controller_id, request.controller_id))
        .order_by(table.controller_id, table.agent_id, table.ready_event_id)
    )
    async with context.database.read() as connection:
        rows = list(await connection.execute(query))
    periods: dict[tuple[str, str, str | None], list[Period]] = {}
    for row in rows:
        over = min((time for time in (row.shutdown_time, row.coupling_failed_time) if time is not None), default=None)
        key = (row.controller_id, row.agent_id, row.url)
        periods.setdefault(key, []).append(Period(row.ready_time, over, message=row.coupling_failed_message))
    by_controller: dict[str, list[dict[str, Any]]] = {}
    for (controller_id, agent_id, url), list_ in periods.items():
        item = {"agentId": agent_id, "url": url, **entries(list_, first, end, now)}
        by_controller.setdefault(controller_id, []).append(_without_none(item))
    found = [{"controllerId": controller_id, "agents": list_} for controller_id, list_ in by_controller.items()]
    return Agents(timestamp(context.now_ms()), found)


def _range(context: RequestContext, request: AvailabilityRequest) -> tuple[int, int, int]:
    now, zone = context.now_ms(), request.time_zone
    first = instant_ms(request.date_from, now, time_zone=zone, is_past=True)
    end = instant_ms(request.date_to, now, time_zone=zone, is_end=True, is_past=True)
    first = now - 7 * 86_400_000 if first is None else first
    end = now if end is None else min(end, now)
    if end <= first:
        raise BadRequest("dateTo must be after dateFrom, and dateFrom in the past")
    return first, end, now


ROUTES = [
    Route("/monitoring/notifications", NotificationsRequest, Notifications, VIEW, False, notifications),
    Route("/monitoring/notification", NotificationRequest, OneNotification, VIEW, False, notification),
    Route(
        "/monitoring/notification/acknowledge",
        AcknowledgeRequest,
        Ok,
        MANAGE,
        True,
        acknowledge,
        category="MONITORING",
    ),
    Route("/monitoring/sysnotifications", SystemNotificationsRequest, Notifications, VIEW, False, system_notifications),
    Route("/monitoring/sysnotification", SystemNotificationRequest, OneNotification, VIEW, False, system_notification),
    Route(
        "/monitoring/sysnotification/acknowledge",
        SystemAcknowledgeRequest,
        Ok,
        MANAGE,
        True,
        acknowledge_system,
        category="MONITORING",
    ),
    Route("/monitoring/controllers", AvailabilityRequest, Controllers, "ctl:view", False, controllers),
    Route("/monitoring/agents", AvailabilityRequest, Agents, "ctl:agents:view", False, agents),
]
