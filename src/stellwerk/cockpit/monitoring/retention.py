"""What the clean-up removes of monitoring (cockpit-services 9.3): steps for its task `monitoring`.

What is still open or still to be sent stays, however old it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.monitoring import (
    mon_alerts,
    mon_not_acknowledgements,
    mon_notifications,
    mon_outbox,
    mon_sysnotifications,
)
from stellwerk.cockpit.monitoring.alerts import RESOLVED
from stellwerk.cockpit.monitoring.delivery import WAITING
from stellwerk.cockpit.monitoring.model import ORDERS, SYSTEM

#: Removes at most about so many rows in the caller's transaction; gives how many, or None when none are left.
Step = Callable[[AsyncConnection, int], Awaitable[int | None]]


def monitoring_steps(before_ms: int) -> list[Step]:
    """Everything that is over and older."""
    notes, system, outbox, alerts = mon_notifications.c, mon_sysnotifications.c, mon_outbox.c, mon_alerts.c
    unresolved = select(alerts.id).where(alerts.state != RESOLVED)
    return [
        _rows(mon_outbox, (outbox.state != WAITING) & (outbox.modified < before_ms)),
        _rows(mon_notifications, (notes.created < before_ms) & ~notes.is_open, ORDERS),
        _rows(
            mon_sysnotifications,
            (system.created < before_ms) & (system.alert_id.is_(None) | system.alert_id.not_in(unresolved)),
            SYSTEM,
        ),
        _rows(mon_alerts, (alerts.state == RESOLVED) & (alerts.state_time < before_ms)),
    ]


def _rows(table: Table, condition: ColumnElement[bool], application: int | None = None) -> Step:
    """Rows that fulfil the condition, with their acknowledgements."""

    async def step(connection: AsyncConnection, rows: int) -> int | None:
        ids: Any = (await connection.execute(select(table.c.id).where(condition).limit(rows))).scalars().all()
        if not ids:
            return None
        if application is not None:
            acknowledged = mon_not_acknowledgements.c
            await connection.execute(
                delete(mon_not_acknowledgements).where(
                    acknowledged.application == application, acknowledged.not_id.in_(ids)
                )
            )
        return (await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount

    return step
