"""Alerts: what is the same thing at the same place is one row, open → acknowledged → resolved → open again (ui.md S16).

`occurred` and `resolve…` are called in the transaction of the notifications; `AlertDesk` is what people do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import insert_row
from stellwerk.cockpit.database.tables.monitoring import (
    mon_alerts,
    mon_not_acknowledgements,
    mon_notifications,
    mon_sysnotifications,
)
from stellwerk.cockpit.monitoring.model import ORDERS, SYSTEM, Occurrence
from stellwerk.effects.clock import Clock

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
_table = mon_alerts.c
#: Longest stored message and comment (cockpit-services 5.4).
MESSAGE_LENGTH, COMMENT_LENGTH = 4000, 2000


class Alert(msgspec.Struct, frozen=True):
    """The alert of an occurrence after it has been counted."""

    id: int
    #: It was not there, or resolved.
    is_new: bool
    is_muted: bool


async def occurred(connection: AsyncConnection, occurrence: Occurrence) -> Alert:
    """Count it. One that was resolved is open again; one that is acknowledged stays so."""
    found = (await connection.execute(select(mon_alerts).where(_table.fingerprint == occurrence.fingerprint))).first()
    message = (occurrence.message or "")[:MESSAGE_LENGTH] or None
    last = {
        "severity": occurrence.severity,
        "title": occurrence.title[:500],
        "message": message,
        "last_time": occurrence.time_ms,
        "order_id": occurrence.order_id,
        "history_id": occurrence.history_id,
    }
    if found is None:
        values = last | {
            "fingerprint": occurrence.fingerprint,
            "kind": occurrence.kind,
            "state": OPEN,
            "controller_id": occurrence.controller_id,
            "workflow": occurrence.workflow,
            "job": occurrence.job,
            "task_id": occurrence.task_id,
            "occurrences": 1,
            "first_time": occurrence.time_ms,
            "state_time": occurrence.time_ms,
        }
        return Alert(await insert_row(connection, mon_alerts, values), True, False)
    # An order that fails because its job has failed, at the same place: one thing, told by two events.
    is_same = occurrence.task_id is None and found.order_id == occurrence.order_id and found.state != RESOLVED
    is_same &= occurrence.order_id is not None and found.message == message
    values = last | {"occurrences": found.occurrences + (0 if is_same else 1)}
    if is_same:
        del values["title"]  # it names the job
    if occurrence.task_id is not None:
        values |= {"task_id": occurrence.task_id, "job": occurrence.job}
    if found.state == RESOLVED:
        values |= {"state": OPEN, "state_time": occurrence.time_ms, "account": None, "comment": None}
        values |= {"first_time": occurrence.time_ms, "occurrences": 1}
    await connection.execute(update(mon_alerts).where(_table.id == found.id).values(values))
    is_muted = found.muted_until is not None and found.muted_until > occurrence.time_ms
    return Alert(found.id, found.state == RESOLVED, is_muted)


async def resolve(connection: AsyncConnection, fingerprints: Collection[str], now_ms: int) -> bool:
    """What has become good by itself; gives whether there was anything."""
    if not fingerprints:
        return False
    return await _resolve(connection, _table.fingerprint.in_(list(fingerprints)), now_ms)


async def resolve_recovered(connection: AsyncConnection, alert_ids: Collection[int], now_ms: int) -> bool:
    """Those of which no order has an open error any more."""
    if not alert_ids:
        return False
    is_open = exists().where(mon_notifications.c.alert_id == _table.id, mon_notifications.c.is_open)
    return await _resolve(connection, _table.id.in_(list(alert_ids)) & ~is_open, now_ms)


async def _resolve(connection: AsyncConnection, condition: ColumnElement[bool], now_ms: int) -> bool:
    done = await connection.execute(
        update(mon_alerts)
        .where(condition, _table.state != RESOLVED)
        .values(state=RESOLVED, state_time=now_ms, muted_until=None)
    )
    return done.rowcount > 0


class AlertDesk:
    """What people do with alerts and notifications. Ids that are not there are left out; gives those changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def acknowledge(self, ids: Sequence[int], account: str, comment: str | None) -> list[int]:
        """All that is open of them, with the notifications behind."""
        return await self._change(ids, [OPEN], account, comment, state=ACKNOWLEDGED)

    async def resolve(self, ids: Sequence[int], account: str, comment: str | None) -> list[int]:
        """By a person: their orders' errors are no longer open."""
        done = await self._change(ids, [OPEN, ACKNOWLEDGED], account, comment, state=RESOLVED, muted_until=None)
        async with self._database.write() as connection:
            table = mon_notifications
            await connection.execute(
                update(table).where(table.c.alert_id.in_(done), table.c.is_open).values(is_open=False)
            )
        return done

    async def mute(self, ids: Sequence[int], until_ms: int | None, account: str, comment: str | None) -> list[int]:
        """Nobody is sent anything until then; None: again."""
        values: dict[str, Any] = {"muted_until": until_ms, "account": account}
        if comment:
            values["comment"] = comment[:COMMENT_LENGTH]
        async with self._database.write() as connection:
            rows = await connection.execute(
                update(mon_alerts)
                .where(_table.id.in_(ids), _table.state != RESOLVED)
                .values(values)
                .returning(_table.id)
            )
            return sorted(rows.scalars())

    async def _change(
        self, ids: Sequence[int], states: Sequence[str], account: str, comment: str | None, **values: Any
    ) -> list[int]:
        now = self._clock.now_ms()
        comment = (comment or "")[:COMMENT_LENGTH] or None
        async with self._database.write() as connection:
            rows = await connection.execute(
                update(mon_alerts)
                .where(_table.id.in_(ids), _table.state.in_(states))
                .values(account=account, comment=comment, state_time=now, **values)
                .returning(_table.id)
            )
            done = sorted(rows.scalars())
            for application, table in ((ORDERS, mon_notifications), (SYSTEM, mon_sysnotifications)):
                not_ids = list(
                    (await connection.execute(select(table.c.id).where(table.c.alert_id.in_(done)))).scalars()
                )
                await self._note(connection, application, not_ids, account, comment, now)
        return done

    async def acknowledge_notifications(
        self, application: int, not_ids: Sequence[int], account: str, comment: str | None
    ) -> None:
        """Single notifications, as the compatible API does; of the newest one of an alert, the alert, too."""
        now = self._clock.now_ms()
        comment = (comment or "")[:COMMENT_LENGTH] or None
        table = mon_notifications if application == ORDERS else mon_sysnotifications
        async with self._database.write() as connection:
            await self._note(connection, application, not_ids, account, comment, now)
            newest = select(table.c.id).where(table.c.alert_id == _table.id).order_by(table.c.id.desc()).limit(1)
            await connection.execute(
                update(mon_alerts)
                .where(_table.state == OPEN, newest.scalar_subquery().in_(not_ids))
                .values(state=ACKNOWLEDGED, account=account, comment=comment, state_time=now)
            )

    async def _note(
        self,
        connection: AsyncConnection,
        application: int,
        not_ids: Sequence[int],
        account: str,
        comment: str | None,
        now: int,
    ) -> None:
        rows = [
            {"application": application, "not_id": id_, "account": account, "comment": comment, "created": now}
            for id_ in not_ids
        ]
        if rows:
            statement = self._database.upsert(mon_not_acknowledgements, ["application", "not_id"])
            await connection.execute(statement, rows)
