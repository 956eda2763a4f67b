"""What follows from an observation → rows: notifications, alerts, and what is to be sent, in the caller's transaction.

Each notification has a key of what it is about; one that is there already is left alone, and nothing more follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.monitoring import mon_notifications, mon_outbox, mon_sysnotifications
from stellwerk.cockpit.monitoring import alerts, messages
from stellwerk.cockpit.monitoring.alerts import Alert
from stellwerk.cockpit.monitoring.configuration import Monitor, NotificationConfiguration
from stellwerk.cockpit.monitoring.jobs import JobSettings
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.model import (
    ORDERS,
    SYSTEM,
    Category,
    Occurrence,
    Range,
    Type,
    Warn,
    fingerprint,
)
from stellwerk.cockpit.monitoring.rules import Finding, Notice, notices
from stellwerk.cockpit.projection.model import CANCELLED, FINISHED
from stellwerk.cockpit.projection.observations import ORDER, TASK, Observation
from stellwerk.values.json import encode

_table = mon_notifications.c
#: Longest stored texts (cockpit-services 5.4).
_WARN_TEXT = 500


class Recorder:
    """One transaction's worth of recording."""

    def __init__(
        self,
        database: Database,
        connection: AsyncConnection,
        configuration: NotificationConfiguration,
        cockpit: CockpitNames,
        now_ms: int,
        new_message_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._connection = connection
        self._configuration = configuration
        self._cockpit = cockpit
        self._now = now_ms
        self._new_message_id = new_message_id
        #: What has been noted: (type, controller, workflow's path, order, job, message), for who listens.
        self.noted: list[tuple[Type, str, str, str, str | None, str]] = []
        self.noted_of_system: list[tuple[Type, Category, str, str]] = []
        #: Alerts have changed.
        self.has_changed = False

    # --- orders and tasks

    async def record(
        self,
        controller_id: str,
        observation: Observation,
        path: str,
        settings: JobSettings,
        found: Sequence[Finding],
    ) -> None:
        """Note all findings of one observation, then what has become good by it."""
        failed_before = await self._failed_before(observation) if observation.has_failed else {}
        for finding in found:
            before = failed_before.get(finding.range, {}) if finding.type is Type.RECOVERED else {}
            list_ = notices(finding, self._configuration, controller_id, path, observation, settings, before)
            alert: Alert | None = None
            for notice in list_:
                not_id = await self._insert(controller_id, observation, notice, before)
                if not_id is None:
                    continue
                if alert is None and finding.type in (Type.ERROR, Type.WARNING):
                    alert = await alerts.occurred(
                        self._connection, _occurrence(controller_id, observation, path, finding)
                    )
                    self.has_changed = True
                    self._tell(controller_id, observation, path, finding)
                await self._finish(not_id, controller_id, observation, path, settings, notice, alert)
        await self._resolve(controller_id, observation, found)

    async def _failed_before(self, observation: Observation) -> dict[Range, dict[str, int]]:
        """By range and notification id, the order's last notification if that is an ERROR."""
        query = (
            select(_table.id, _table.range, _table.notification_id, _table.type)
            .where(
                _table.main_id == observation.main_history_id,
                _table.history_id == observation.history_id,
                _table.type.in_([Type.ERROR, Type.RECOVERED]),
            )
            .order_by(_table.id)
        )
        last: dict[tuple[Range, str], tuple[int, int]] = {}
        for row in await self._connection.execute(query):
            last[Range(row.range), row.notification_id] = (row.type, row.id)
        found: dict[Range, dict[str, int]] = {}
        for (range_, id_), (type_, row_id) in last.items():
            if type_ == Type.ERROR:
                found.setdefault(range_, {})[id_] = row_id
        return found

    async def _insert(
        self, controller_id: str, observation: Observation, notice: Notice, failed_before: dict[str, int]
    ) -> int | None:
        finding = notice.finding
        is_of_task = finding.range is Range.WORKFLOW_JOB
        # A job may be seen to run too long while it does, and again at its end: one warning per task.
        event_id = 0 if finding.warn in (Warn.LONGER_THAN, Warn.LATE) else observation.event_id
        history_id = observation.task_id if finding.warn is Warn.LONGER_THAN else observation.history_id
        text = finding.text or observation.message
        values = {
            "controller_id": controller_id,
            "event_id": event_id,
            "key_id": history_id,
            "type": int(finding.type),
            "range": int(finding.range),
            "warn": int(finding.warn),
            "warn_text": (finding.text or "")[:_WARN_TEXT] or None,
            "notification_id": notice.notification_id,
            "recovered_id": failed_before.get(notice.notification_id),
            "has_monitors": notice.rule is not None and bool(notice.rule.monitors),
            "is_open": finding.type is Type.ERROR,
            "order_id": observation.order_id,
            "history_id": observation.history_id,
            "main_id": observation.main_history_id,
            "task_id": observation.task_id if is_of_task else 0,
            "workflow": observation.workflow,
            "job": (observation.label or observation.job) if is_of_task else None,
            "position": observation.position,
            "message": (text or "")[: alerts.MESSAGE_LENGTH] or None,
            "data": encode(observation).decode(),
            "created": self._now,
        }
        statement = self._database.insert(mon_notifications).values(values).on_conflict_do_nothing()
        row = (await self._connection.execute(statement.returning(_table.id))).first()
        return None if row is None else int(row.id)

    async def _finish(
        self,
        not_id: int,
        controller_id: str,
        observation: Observation,
        path: str,
        settings: JobSettings,
        notice: Notice,
        alert: Alert | None,
    ) -> None:
        if alert is not None:
            await self._connection.execute(
                update(mon_notifications).where(_table.id == not_id).values(alert_id=alert.id)
            )
        finding, rule = notice.finding, notice.rule
        if rule is None or not rule.monitors or (alert is not None and alert.is_muted):
            return
        values = messages.order_values(
            observation, finding, controller_id, path, settings, rule.notification_id, self._now, self._cockpit
        )
        subject, text = _texts(finding, observation, path)
        for monitor in rule.monitors:
            if not _wants_mail(monitor, settings, finding):
                continue
            filled = messages.message(
                monitor, values, subject=subject, text=text, controller_id=controller_id, settings=settings
            )
            await self._send(ORDERS, not_id, alert, filled)

    async def _resolve(self, controller_id: str, observation: Observation, found: Sequence[Finding]) -> None:
        if observation.kind == ORDER and observation.state in (FINISHED.text, CANCELLED.text):
            # The whole order: what its children or jobs had failed with is over, too.
            mine = _table.main_id == observation.main_history_id
            if observation.history_id != observation.main_history_id:
                mine &= _table.history_id == observation.history_id
            await self._close(mine)
        elif observation.kind == TASK and not observation.is_error:
            if observation.has_failed:
                mine = (_table.main_id == observation.main_history_id) & (_table.history_id == observation.history_id)
                await self._close(mine & (_table.range == int(Range.WORKFLOW_JOB)))
            warned = {finding.warn for finding in found if finding.type is Type.WARNING}
            place = _place(observation)
            gone = [
                fingerprint(_KINDS[warn], controller_id, *place)
                for warn in (Warn.LONGER_THAN, Warn.SHORTER_THAN, Warn.RETURN_CODE)
                if warn not in warned
            ]
            if observation.stderr_lines == 0:
                gone.append(fingerprint(_KINDS[Warn.STDERR], controller_id, *place))
            await self.resolve(gone)

    async def resolve(self, fingerprints: Sequence[str]) -> None:
        """Alerts that are over."""
        self.has_changed |= await alerts.resolve(self._connection, fingerprints, self._now)

    async def _close(self, condition: Any) -> None:
        """Errors that are over; their alerts are resolved if they have no others."""
        closed = await self._connection.execute(
            update(mon_notifications).where(condition, _table.is_open).values(is_open=False).returning(_table.alert_id)
        )
        ids = {id_ for id_ in closed.scalars() if id_ is not None}
        self.has_changed |= await alerts.resolve_recovered(self._connection, ids, self._now)

    def _tell(self, controller_id: str, observation: Observation, path: str, finding: Finding) -> None:
        job = (observation.label or observation.job) if finding.range is Range.WORKFLOW_JOB else None
        text = finding.text or observation.message or ""
        self.noted.append((finding.type, controller_id, path, observation.order_id, job, text))

    # --- the system

    async def record_system(
        self,
        key: str,
        type_: Type,
        category: Category,
        occurrence: Occurrence,
        *,
        exception: str | None = None,
        not_by: str | None = None,
    ) -> None:
        """Note it, unless its alert is known and not resolved. `not_by`: the channel that is not told, as it fails."""
        alert = await alerts.occurred(self._connection, occurrence)
        self.has_changed = True
        if not alert.is_new:
            return
        rule = self._configuration.system
        wanted = rule if rule is not None and type_.name in rule.types else None
        source = occurrence.place[0] if occurrence.place else occurrence.controller_id
        text = occurrence.title + (f": {occurrence.message}" if occurrence.message else "")
        values = {
            "key": key,
            "type": int(type_),
            "category": int(category),
            "controller_id": occurrence.controller_id,
            "source": source,
            "notifier": "stellwerk",
            "message": text[: alerts.MESSAGE_LENGTH],
            "exception": exception,
            "has_monitors": wanted is not None and bool(wanted.monitors),
            "alert_id": alert.id,
            "time": occurrence.time_ms,
            "created": self._now,
        }
        statement = self._database.insert(mon_sysnotifications).values(values).on_conflict_do_nothing()
        row = (await self._connection.execute(statement.returning(mon_sysnotifications.c.id))).first()
        if row is None:
            return
        self.noted_of_system.append((type_, category, source, text))
        shown = messages.system_values(type_, category.name, source, text, occurrence.time_ms, exception, self._cockpit)
        for monitor in wanted.monitors if wanted is not None and not alert.is_muted else ():
            if monitor.name != not_by:
                subject = f"{type_.name}: {occurrence.title}"
                await self._send(SYSTEM, row.id, alert, messages.message(monitor, shown, subject=subject, text=text))

    # --- both

    async def _send(self, application: int, not_id: int, alert: Alert | None, message: messages.Message) -> None:
        await self._connection.execute(
            insert(mon_outbox).values(
                outbox_row(application, not_id, alert.id if alert else None, message, self._new_message_id(), self._now)
            )
        )


def outbox_row(
    application: int, not_id: int, alert_id: int | None, message: messages.Message, message_id: str, now_ms: int
) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "application": application,
        "not_id": not_id,
        "alert_id": alert_id,
        "kind": message.kind,
        "name": message.name,
        "content": encode(message).decode(),
        "state": 0,
        "attempts": 0,
        "due": now_ms,
        "created": now_ms,
        "modified": now_ms,
    }


#: Kinds of alerts by their warning.
_KINDS = {
    Warn.NONE: "failed",
    Warn.LONGER_THAN: "longer",
    Warn.SHORTER_THAN: "shorter",
    Warn.RETURN_CODE: "returnCode",
    Warn.STDERR: "stderr",
    Warn.LATE: "late",
}


def _place(observation: Observation) -> tuple[str, str]:
    """The workflow, and where in it, without counters of retries and cycles."""
    branches = [part.split("+")[0] if part.startswith(_COUNTED) else part for part in observation.position.split("/")]
    return observation.workflow, "/".join(branches)


_COUNTED = ("try+", "catch+", "cycle+")


def late_fingerprint(controller_id: str, workflow: str) -> str:
    return fingerprint("late", controller_id, workflow)


def _occurrence(controller_id: str, observation: Observation, path: str, finding: Finding) -> Occurrence:
    is_of_task = finding.range is Range.WORKFLOW_JOB
    place = (observation.workflow,) if finding.warn is Warn.LATE else _place(observation)
    job = (observation.label or observation.job) if is_of_task else None
    return Occurrence(
        kind=_KINDS[finding.warn],
        severity="error" if finding.type is Type.ERROR else "warning",
        place=place,
        title=f"{path} ▸ {job}" if job else path,
        message=finding.text or observation.message,
        time_ms=observation.time_ms,
        controller_id=controller_id,
        workflow=observation.workflow,
        job=job,
        order_id=observation.order_id,
        history_id=observation.history_id,
        task_id=observation.task_id if is_of_task else None,
    )


def _texts(finding: Finding, observation: Observation, path: str) -> tuple[str, str]:
    """Subject and text for a monitor that has none of its own."""
    is_of_task = finding.range is Range.WORKFLOW_JOB
    what = f"job {observation.label or observation.job} in {path}" if is_of_task else f"order in {path}"
    subject = f"{finding.type.name}: {what}"
    lines = [subject, f"Order: {observation.order_id}"]
    if observation.return_code is not None:
        lines.append(f"Return code: {observation.return_code}")
    if text := finding.text or observation.message:
        lines.append(text)
    return subject, "\n".join(lines)


def _wants_mail(monitor: Monitor, settings: JobSettings, finding: Finding) -> bool:
    """A job may restrict of what mails are sent (cockpit-services 6.2)."""
    if monitor.kind != "MAIL" or settings.mail_types is None or finding.range is Range.WORKFLOW:
        return True
    return ("ERROR" if finding.type is Type.RECOVERED else finding.type.name) in settings.mail_types
