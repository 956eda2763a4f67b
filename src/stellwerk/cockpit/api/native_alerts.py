"""Native `alerts`: the inbox of S16, what people do with alerts, and the channels (ui.md 4.4, S16)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import and_, func, or_, select, true, update

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.monitoring import MANAGE, VIEW, delivery_item
from stellwerk.cockpit.api.native_filter import Condition, Meaning, Paging, conditions, contains, glob, instant
from stellwerk.cockpit.api.native_orders import PREFIX, workflow_meaning
from stellwerk.cockpit.api.native_page import ListRequest, Page, Rows, permitted, read_page
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route
from stellwerk.cockpit.database.tables.monitoring import (
    mon_alerts,
    mon_not_acknowledgements,
    mon_notifications,
    mon_outbox,
    mon_sysnotifications,
)
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.monitoring import alerts as rows
from stellwerk.cockpit.monitoring.alerts import AlertDesk
from stellwerk.cockpit.monitoring.delivery import DEAD, SENT, WAITING
from stellwerk.cockpit.monitoring.model import ORDERS, SYSTEM, Type
from stellwerk.cockpit.monitoring.news import MonitoringNews
from stellwerk.cockpit.monitoring.sending import Sending
from stellwerk.cockpit.monitoring.store import NotificationStore

_table = mon_alerts.c
OCCURRENCES = 100
MAXIMUM_IDS = 1000


class AlertRow(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A row of `N:alerts`."""

    key: str
    id: int
    kind: str
    severity: str
    state: str
    title: str
    count: int
    first: int
    last: int
    state_since: int
    controller_id: str = ""
    workflow: str | None = None
    job: str | None = None
    message: str | None = None
    account: str | None = None
    comment: str | None = None
    muted_until: int | None = None
    order_id: str | None = None
    history_id: int | None = None
    task_id: int | None = None
    #: Channel → state of the last message: waiting, sent, dead.
    channels: dict[str, str] = {}


class AlertsPage(Page, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """Also how many there are in each state, whatever the filter, and when the last one was resolved."""

    counts: dict[str, int] = {}
    last_resolved: int | None = None


class AlertAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """`occurrences` and `deliveries`: the newest first."""

    alert: AlertRow
    occurrences: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]


class ChangeRequest(msgspec.Struct, rename="camel"):
    """`ids` of alerts; `until`: epoch milliseconds, for `mute` (absent: no longer muted)."""

    ids: list[int]
    comment: str | None = None
    until: int | None = None


class ChangedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Ids of the alerts that are different now."""

    changed: list[int]


class ChannelRow(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A channel of the configuration in force, or one that messages still wait for."""

    name: str
    kind: str
    is_configured: bool
    waiting: int
    sent: int
    dead: int
    last_sent: int | None = None
    last_error: str | None = None


class Channels(msgspec.Struct, frozen=True, rename="camel"):
    channels: list[ChannelRow]
    as_of: int


class ChannelRequest(msgspec.Struct, rename="camel"):
    name: str


class TestAnswer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    ok: bool
    message_id: str
    error: str | None = None


async def alerts(context: RequestContext, request: ListRequest) -> AlertsPage:
    """Alerts, the newest first; `q` may say `state:open`."""
    now, names = context.now_ms(), context.services.get(WorkflowNames)
    keys: dict[str, Meaning] = {
        "state": _one_of(_table.state, ("open", "acknowledged", "resolved")),
        "severity": _one_of(_table.severity, ("error", "warning")),
        "kind": glob(_table.kind),
        "workflow": workflow_meaning(names, _table.workflow),
        "job": glob(_table.job),
        "order": glob(_table.order_id),
        "user": glob(_table.account),
        "error": contains(_table.message),
        "started": instant(_table.first_time, now),
        "changed": instant(_table.last_time, now),
    }

    def text(value: str) -> Condition:
        return or_(contains(_table.title)(value), contains(_table.message)(value))

    visible = _visible(context, request.controller_id)
    where = [*visible, *conditions(request.q, keys, text)]
    paging = Paging([(_table.last_time, True), (_table.id, True)])
    page = await read_page(
        context, Rows(select(mon_alerts), where), paging, request, lambda row: row, lambda row: (row.last_time, row.id)
    )
    counted = select(_table.state, func.count(), func.max(_table.state_time)).where(*visible).group_by(_table.state)
    async with context.database.read() as connection:
        states = {state: (count, last) for state, count, last in await connection.execute(counted)}
    channels = await _channels_of(context, [row.id for row in page.rows])
    values = msgspec.structs.asdict(page) | {"rows": [_row(context, row, channels) for row in page.rows]}
    counts = {state: count for state, (count, _) in states.items()}
    last_resolved = states[rows.RESOLVED][1] if rows.RESOLVED in states else None
    return AlertsPage(**values, counts=counts, last_resolved=last_resolved)


def _one_of(column: Any, known: tuple[str, ...]) -> Meaning:
    def meaning(value: str) -> Condition:
        if value not in known:
            raise BadRequest(f"q: '{value}' is none of {', '.join(known)}")
        return column == value  # type: ignore[no-any-return]

    return meaning


def _visible(context: RequestContext, controller_id: str = "") -> list[Any]:
    """Of workflows that may be seen; of the system to who may see the Controller, or if it belongs to none."""
    of_orders = permitted(context, "ctl:orders:view", _table.controller_id, controller_id, workflow=_table.workflow)
    of_system = permitted(context, "ctl:view", _table.controller_id, controller_id)
    if not of_orders and not of_system:
        return []
    return [
        or_(
            and_(_table.workflow.is_not(None), *of_orders),
            and_(_table.workflow.is_(None), or_(_table.controller_id == "", and_(true(), *of_system))),
        )
    ]


async def _channels_of(context: RequestContext, ids: list[int]) -> dict[int, dict[str, str]]:
    if not ids:
        return {}
    outbox = mon_outbox.c
    last = select(func.max(outbox.id)).where(outbox.alert_id.in_(ids)).group_by(outbox.alert_id, outbox.name)
    query = select(outbox.alert_id, outbox.name, outbox.state).where(outbox.id.in_(last))
    found: dict[int, dict[str, str]] = {}
    async with context.database.read() as connection:
        for alert_id, name, state in await connection.execute(query):
            found.setdefault(alert_id, {})[name] = ("waiting", "sent", "dead")[state]
    return found


def _row(context: RequestContext, row: Any, channels: dict[int, dict[str, str]]) -> AlertRow:
    muted = row.muted_until if row.muted_until is not None and row.muted_until > context.now_ms() else None
    path = None if row.workflow is None else context.services.get(WorkflowNames).path(row.workflow)
    return AlertRow(
        key=str(row.id),
        id=row.id,
        kind=row.kind,
        severity=row.severity,
        state=row.state,
        title=row.title,
        count=row.occurrences,
        first=row.first_time,
        last=row.last_time,
        state_since=row.state_time,
        controller_id=row.controller_id,
        workflow=path,
        job=row.job,
        message=row.message,
        account=row.account,
        comment=row.comment,
        muted_until=muted,
        order_id=row.order_id,
        history_id=row.history_id,
        task_id=row.task_id,
        channels=channels.get(row.id, {}),
    )


async def alert(context: RequestContext, request: NoRequest) -> AlertAnswer:
    """One alert with its occurrences and what was sent."""
    text = context.path_parameters["id"]
    where = [*_visible(context), _table.id == (int(text) if text.isdigit() else 0)]
    acks = mon_not_acknowledgements.c
    async with context.database.read() as connection:
        row = (await connection.execute(select(mon_alerts).where(*where))).first()
        if row is None:
            raise ObjectNotFound(f"there is no alert {text}")
        occurrences: list[dict[str, Any]] = []
        table: Any
        for application, table in ((ORDERS, mon_notifications), (SYSTEM, mon_sysnotifications)):
            join = and_(acks.application == application, acks.not_id == table.c.id)
            query = (
                select(table, acks.account.label("by"), acks.comment.label("said"))
                .outerjoin(mon_not_acknowledgements, join)
                .where(table.c.alert_id == row.id)
                .order_by(table.c.id.desc())
                .limit(OCCURRENCES)
            )
            occurrences += [_occurrence(found) for found in await connection.execute(query)]
        sent = select(mon_outbox).where(mon_outbox.c.alert_id == row.id).order_by(mon_outbox.c.id.desc())
        deliveries = [delivery_item(found) for found in await connection.execute(sent.limit(OCCURRENCES))]
    channels = await _channels_of(context, [row.id])
    return AlertAnswer(_row(context, row, channels), occurrences, deliveries)


def _occurrence(row: Any) -> dict[str, Any]:
    item = {
        "notificationId": row.id,
        "type": Type(row.type).name,
        "time": row.created,
        "message": row.message,
        "orderId": getattr(row, "order_id", None),
        "historyId": getattr(row, "history_id", None) or None,
        "taskId": getattr(row, "task_id", None) or None,
        "acknowledgedBy": row.by,
        "comment": row.said,
    }
    return {name: value for name, value in item.items() if value is not None}


async def acknowledge(context: RequestContext, request: ChangeRequest) -> ChangedAnswer:
    """Say that somebody takes care of these alerts."""
    ids = await _permitted_ids(context, request)
    done = await context.services.get(AlertDesk).acknowledge(ids, context.account, request.comment)
    return await _changed(context, done)


async def resolve(context: RequestContext, request: ChangeRequest) -> ChangedAnswer:
    """Say that it is over."""
    ids = await _permitted_ids(context, request)
    done = await context.services.get(AlertDesk).resolve(ids, context.account, request.comment)
    return await _changed(context, done)


async def mute(context: RequestContext, request: ChangeRequest) -> ChangedAnswer:
    """Send nobody anything of these alerts until a time."""
    if request.until is not None and request.until <= context.now_ms():
        raise BadRequest("until: must be in the future")
    ids = await _permitted_ids(context, request)
    done = await context.services.get(AlertDesk).mute(ids, request.until, context.account, request.comment)
    return await _changed(context, done)


async def _permitted_ids(context: RequestContext, request: ChangeRequest) -> list[int]:
    if not 0 < len(request.ids) <= MAXIMUM_IDS:
        raise BadRequest(f"ids: give 1 to {MAXIMUM_IDS}")
    query = select(_table.id).where(*_visible(context), _table.id.in_(request.ids))
    async with context.database.read() as connection:
        found = set((await connection.execute(query)).scalars())
    if missing := sorted(set(request.ids) - found):
        raise ObjectNotFound(f"there is no alert {', '.join(map(str, missing))}")
    return sorted(found)


async def _changed(context: RequestContext, done: list[int]) -> ChangedAnswer:
    await context.services.get(MonitoringNews).changed()
    return ChangedAnswer(done)


async def channels(context: RequestContext, request: NoRequest) -> Channels:
    """The channels, and how their messages fare."""
    table = mon_outbox.c
    counted = select(table.kind, table.name, table.state, func.count(), func.max(table.modified)).group_by(
        table.kind, table.name, table.state
    )
    found: dict[tuple[str, str], dict[int, tuple[int, int]]] = {
        (monitor.kind, monitor.name): {} for monitor in context.services.get(NotificationStore).current.monitors
    }
    configured = set(found)
    async with context.database.read() as connection:
        for kind, name, state, count, last in await connection.execute(counted):
            found.setdefault((kind, name), {})[state] = (count, last)
        errors: dict[str, str] = {}
        for kind, name in found:
            failed = (
                select(table.error_text)
                .where(table.kind == kind, table.name == name, table.error_text.is_not(None))
                .order_by(table.modified.desc())
                .limit(1)
            )
            error = (await connection.execute(failed)).scalar()
            if error is not None:
                errors[name] = error
    none = (0, None)
    list_ = [
        ChannelRow(
            name=name,
            kind=kind,
            is_configured=(kind, name) in configured,
            waiting=states.get(WAITING, none)[0],
            sent=states.get(SENT, none)[0],
            dead=states.get(DEAD, none)[0],
            last_sent=states.get(SENT, none)[1],
            last_error=errors.get(name),
        )
        for (kind, name), states in sorted(found.items())
    ]
    return Channels(list_, context.now_ms())


async def test_channel(context: RequestContext, request: ChannelRequest) -> TestAnswer:
    """Send a test message now, and say how that went."""
    message_id, error = await context.services.get(Sending).test(request.name)
    return TestAnswer(error is None, message_id, error)


async def retry(context: RequestContext, request: ChannelRequest) -> Ok:
    """Send the channel's dead letters, and what waits, now."""
    table = mon_outbox.c
    async with context.database.write() as connection:
        now = context.now_ms()
        await connection.execute(
            update(mon_outbox)
            .where(table.name == request.name, table.state.in_([WAITING, DEAD]))
            .values(state=WAITING, due=now, created=now)
        )
    await context.services.get(Sending).wake()
    return context.ok()


ROUTES = [
    Route(f"{PREFIX}/alerts", ListRequest, AlertsPage, VIEW, False, alerts, method="GET"),
    Route(f"{PREFIX}/alerts/{{id}}", NoRequest, AlertAnswer, VIEW, False, alert, method="GET"),
    Route(
        f"{PREFIX}/alerts/acknowledge", ChangeRequest, ChangedAnswer, MANAGE, True, acknowledge, category="MONITORING"
    ),
    Route(f"{PREFIX}/alerts/resolve", ChangeRequest, ChangedAnswer, MANAGE, True, resolve, category="MONITORING"),
    Route(f"{PREFIX}/alerts/mute", ChangeRequest, ChangedAnswer, MANAGE, True, mute, category="MONITORING"),
    Route(f"{PREFIX}/channels", NoRequest, Channels, VIEW, False, channels, method="GET"),
    Route(f"{PREFIX}/channels/test", ChannelRequest, TestAnswer, MANAGE, True, test_channel, category="MONITORING"),
    Route(f"{PREFIX}/channels/retry", ChannelRequest, Ok, MANAGE, True, retry, category="MONITORING"),
]
