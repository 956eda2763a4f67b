"""What the cleanup service removes, task by task (cockpit-services 9.3).

A task is a row of steps; `step(connection, rows)` removes at most about so many rows in the caller's transaction and
says how many, or None when nothing of its kind is left. What hangs on a row goes before the row itself: a run that is
broken off leaves nothing that nobody finds any more.

Service and API know the tasks by name only: a table that grows gets its step here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.cleanup.history import history_steps, log_steps
from stellwerk.cockpit.cleanup.settings import CleanupSettings
from stellwerk.cockpit.database.tables.daily_plan import dpl_history, dpl_order_variables, dpl_orders, dpl_submissions
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.identity import iam_history, joc_audit_log, joc_audit_log_details
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.database.tables.monitoring import (
    mon_alerts,
    mon_not_acknowledgements,
    mon_notifications,
    mon_outbox,
    mon_sysnotifications,
)
from stellwerk.cockpit.database.tables.settings import joc_configurations

Step = Callable[[AsyncConnection, int], Awaitable[int | None]]

#: What an account has of its own in `joc_configurations`.
_OF_ACCOUNTS = ("PROFILE", "SETTING", "CUSTOMIZATION", "IGNORELIST", "GIT")


class CleanupTask(msgspec.Struct, frozen=True):
    name: str
    steps: Sequence[Step]


def cleanup_tasks(settings: CleanupSettings, now_ms: int) -> list[CleanupTask]:
    """The tasks of a run that begins now, in their order; what has an age of 0 is left out."""

    def before(age_seconds: int) -> int:
        return now_ms - age_seconds * 1000

    tasks: list[CleanupTask] = []
    if settings.order_history_logs_age:
        tasks.append(CleanupTask("history_logs", log_steps(before(settings.order_history_logs_age))))
    if settings.order_history_age:
        tasks.append(CleanupTask("history", history_steps(before(settings.order_history_age))))
    if settings.daily_plan_history_age:
        day = datetime.fromtimestamp(before(settings.daily_plan_history_age) / 1000, UTC).date().isoformat()
        tasks.append(CleanupTask("dailyplan", _daily_plan_steps(day)))
    if settings.monitoring_history_age or settings.notification_history_age:
        steps = []
        if settings.notification_history_age:
            steps += _notification_steps(before(settings.notification_history_age))
        if settings.monitoring_history_age:
            steps.append(_ended_alerts(before(settings.monitoring_history_age)))
        tasks.append(CleanupTask("monitoring", steps))
    if settings.deployment_history_versions:
        tasks.append(CleanupTask("deployment", [_old_deployments(settings.deployment_history_versions)]))
    if settings.audit_log_age:
        old = joc_audit_log.c.created < before(settings.audit_log_age)
        tasks.append(CleanupTask("auditlog", [_rows_with(joc_audit_log, old, joc_audit_log_details.c.audit_log_id)]))
    if settings.profile_age or settings.failed_login_history_age:
        steps = []
        if settings.profile_age:
            # Profiles first: it is by the logins that one sees who has been away.
            limit = before(settings.profile_age)
            steps += [_profiles(limit), _rows(iam_history, iam_history.c.login_date < limit)]
        if settings.failed_login_history_age:
            limit = before(settings.failed_login_history_age)
            steps.append(_rows(iam_history, and_(~iam_history.c.login_success, iam_history.c.login_date < limit)))
        tasks.append(CleanupTask("user_profiles", steps))
    return tasks


def _rows(table: Table, condition: ColumnElement[bool]) -> Step:
    """Rows of a table that fulfil a condition."""

    async def step(connection: AsyncConnection, rows: int) -> int | None:
        ids = (await connection.execute(select(table.c.id).where(condition).limit(rows))).scalars().all()
        if not ids:
            return None
        return (await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount

    return step


def _rows_with(table: Table, condition: ColumnElement[bool], reference: Any) -> Step:
    """The same, with the rows of another table whose column `reference` holds their ids."""

    async def step(connection: AsyncConnection, rows: int) -> int | None:
        ids = (await connection.execute(select(table.c.id).where(condition).limit(rows))).scalars().all()
        if not ids:
            return None
        removed = (await connection.execute(delete(reference.table).where(reference.in_(ids)))).rowcount
        return int(removed) + int((await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount)

    return step


def _daily_plan_steps(day: str) -> list[Step]:
    """Plans of dates before `day`, with their orders, variables, and what was sent."""
    old = select(dpl_submissions.c.id).where(dpl_submissions.c.submission_for_date < day)

    async def orders(connection: AsyncConnection, rows: int) -> int | None:
        table = dpl_orders
        query = select(table.c.id, table.c.main_part).where(table.c.submission_history_id.in_(old)).limit(rows)
        found = (await connection.execute(query)).all()
        if not found:
            return None
        ids, parts = [row.id for row in found], sorted({row.main_part for row in found})
        removed = (await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount
        # A cycle shares its variables; they go with the last of it.
        variables, left = dpl_order_variables, select(table.c.main_part).where(table.c.main_part.in_(parts))
        unused = and_(variables.c.main_part.in_(parts), variables.c.main_part.not_in(left))
        return int(removed) + int((await connection.execute(delete(variables).where(unused))).rowcount)

    # What is being sent just now is not over, however old its date.
    is_over = or_(dpl_history.c.submitted, dpl_history.c.message.is_not(None))
    history = and_(dpl_history.c.daily_plan_date < day, is_over)
    return [orders, _rows(dpl_history, history), _rows(dpl_submissions, dpl_submissions.c.id.in_(old))]


#: `mon_outbox.state` of what still has to be sent.
_TO_BE_SENT = 0
#: `application`: notifications of orders and tasks, of the system.
_APPLICATIONS = ((0, mon_notifications), (1, mon_sysnotifications))


def _notification_steps(limit_ms: int) -> list[Step]:
    """Notifications with what was sent of them and who has acknowledged them.

    An error stays while its order is at a Controller and may recover; what has not been sent yet is sent.
    """
    table = mon_notifications.c
    may_recover = and_(table.is_open, table.main_id.in_(select(live_orders.c.history_id)))
    unsent = select(mon_outbox.c.not_id).where(mon_outbox.c.state == _TO_BE_SENT)
    steps: list[Step] = []
    for application, notifications in _APPLICATIONS:
        waits = notifications.c.id.in_(unsent.where(mon_outbox.c.application == application))
        old = and_(notifications.c.created < limit_ms, ~waits)
        steps.append(_notifications(application, notifications, and_(old, ~may_recover) if application == 0 else old))
    return steps


def _notifications(application: int, table: Table, condition: ColumnElement[bool]) -> Step:
    async def step(connection: AsyncConnection, rows: int) -> int | None:
        ids = (await connection.execute(select(table.c.id).where(condition).limit(rows))).scalars().all()
        if not ids:
            return None
        removed = 0
        for part in (mon_outbox, mon_not_acknowledgements):
            own = and_(part.c.application == application, part.c.not_id.in_(ids))
            removed += int((await connection.execute(delete(part).where(own))).rowcount)
        return removed + int((await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount)

    return step


def _ended_alerts(limit_ms: int) -> Step:
    """Alerts that were resolved before, and that no notification names any more."""
    table = mon_alerts.c
    named = [select(one.c.alert_id).where(one.c.alert_id.is_not(None)) for _, one in _APPLICATIONS]
    ended = and_(table.state == "resolved", table.state_time < limit_ms, table.last_time < limit_ms)
    return _rows(mon_alerts, and_(ended, *(table.id.not_in(ids) for ids in named)))


def _old_deployments(versions: int) -> Step:
    """All but the newest rows of each object at each Controller."""
    table = dep_history
    number = func.row_number().over(
        partition_by=(table.c.controller_id, table.c.type, table.c.name), order_by=table.c.id.desc()
    )
    numbered = select(table.c.id, number.label("number")).subquery()
    return _rows(table, table.c.id.in_(select(numbered.c.id).where(numbered.c.number > versions)))


def _profiles(limit_ms: int) -> Step:
    """What accounts have stored that have neither logged in nor changed it since."""
    table, logins = joc_configurations, iam_history.c
    present = select(logins.account_name).where(logins.login_success, logins.login_date >= limit_ms)
    gone = and_(
        table.c.configuration_type.in_(_OF_ACCOUNTS),
        table.c.account != ".",
        table.c.modified < limit_ms,
        table.c.account.not_in(present),
    )
    return _rows(table, gone)
