"""The service `monitor` of the active Cockpit (cockpit-services 6.1).

It takes observations out of `mon_observations` in the transaction that writes what follows from them; the projection
has put them there in the transaction of their rows. So each event is told once, whoever is killed and whoever takes
over. What no event says - a job that runs too long, an order that is late, a Controller that is away - is looked at
every few seconds; keys of notifications keep it from being told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, exists, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.fence import Fence, NotActiveError
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.database.tables.monitoring import mon_alerts, mon_notifications, mon_observations
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.monitoring import alerts, rules
from stellwerk.cockpit.monitoring.components import component
from stellwerk.cockpit.monitoring.delivery import Delivery
from stellwerk.cockpit.monitoring.jobs import NO_SETTINGS
from stellwerk.cockpit.monitoring.lookup import JobLookup, average_ms, needs_average
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.model import Category, Occurrence, Type, Warn, fingerprint
from stellwerk.cockpit.monitoring.news import MonitoringNews
from stellwerk.cockpit.monitoring.recording import Recorder, late_fingerprint
from stellwerk.cockpit.monitoring.store import NotificationStore
from stellwerk.cockpit.projection.follower import LinkState
from stellwerk.cockpit.projection.model import RUNNING, SCHEDULED, LiveOrder, decode_live_order
from stellwerk.cockpit.projection.observations import (
    ORDER,
    OUTPUT,
    TASK,
    Observation,
    decode_observation,
    of_task,
)
from stellwerk.effects.clock import Clock, Random

#: Between two looks at what no event says.
PERIOD_SECONDS = 5.0
#: A Controller that is away for so long is worth an alert; a restart is not.
AWAY_MS = 30_000
#: Observations in one transaction.
BATCH = 200
#: Orders looked at by one query.
_AT_ONCE = 5000
_ORDERS_AND_TASKS = (TASK, OUTPUT, ORDER)

_table = mon_observations.c
_logger = structlog.get_logger(__name__)


class MonitorService:
    """An `ActiveService`; the projection's `Watcher`."""

    def __init__(
        self,
        fence: Fence,
        clock: Clock,
        random: Random,
        store: NotificationStore,
        names: WorkflowNames,
        delivery: Delivery,
        news: MonitoringNews,
        links: Callable[[], Mapping[str, LinkState]],
        cockpit: Callable[[], CockpitNames],
        period_seconds: float = PERIOD_SECONDS,
        away_ms: int = AWAY_MS,
    ) -> None:
        """`links`: how this member stands to the Controllers it follows."""
        self._fence = fence
        self._clock = clock
        self._random = random
        self._store = store
        self._names = names
        self._delivery = delivery
        self._news = news
        self._links = links
        self._cockpit = cockpit
        self._period = period_seconds
        self._away_ms = away_ms
        self._jobs = JobLookup()
        self._is_jobs_known = False
        self._observing = Rounds("monitor", self._observe, retry_seconds=1.0)
        self._watching = Rounds("monitor-watch", self._watch, retry_seconds=period_seconds)

    # --- the watcher of the projection

    @property
    def wants_successes(self) -> bool:
        return self._store.current.wants_successes or self._jobs.some_warn or not self._is_jobs_known

    def arrived(self) -> None:
        self._observing.wake()

    def items_changed(self) -> None:
        self._is_jobs_known = False
        self._observing.wake()

    # --- the active service

    async def start(self, mode: StartMode) -> None:
        if mode is StartMode.FAILOVER:
            await self._tell_takeover()
        for rounds in self._all_rounds:
            rounds.start()

    async def stop(self) -> None:
        await asyncio.gather(*(rounds.stop() for rounds in self._all_rounds))

    @property
    def _all_rounds(self) -> tuple[Rounds, ...]:
        return self._observing, self._watching, self._delivery.rounds

    # --- observations

    async def _observe(self) -> float:
        if not self._is_jobs_known:
            async with self._fence.database.read() as connection:
                await self._jobs.refresh(connection)
            self._is_jobs_known = True
        return 0.0 if await self.take() else self._period

    async def take(self) -> int:
        """Take some observations and write what follows from them; gives how many there were."""
        try:
            return await self._take(BATCH)
        except (NotActiveError, SQLAlchemyError, OSError):
            raise
        except Exception as error:
            # One of them cannot be understood. It must not keep the others from being told of.
            _logger.error("an observation cannot be understood", exc_info=error)
            return await self._take(1, is_careful=True)

    async def _take(self, limit: int, *, is_careful: bool = False) -> int:
        now = self._clock.now_ms()
        query = select(mon_observations).order_by(_table.controller_id, _table.event_id, _table.history_id)
        async with self._fence.write() as connection:
            rows = list(await connection.execute(query.limit(limit)))
            if not rows:
                return 0
            recorder = self._recorder(connection, now)
            for row in rows:
                try:
                    # A savepoint, so that nothing is left of one that cannot be understood.
                    async with connection.begin_nested() if is_careful else nullcontext():
                        await self._record(connection, recorder, row.controller_id, decode_observation(row.data), now)
                except (SQLAlchemyError, OSError):
                    raise
                except Exception as error:
                    if not is_careful:
                        raise
                    await self._not_understood(recorder, row, error, now)
            keys = [(row.controller_id, row.event_id, row.history_id) for row in rows]
            await connection.execute(
                delete(mon_observations).where(
                    tuple_(_table.controller_id, _table.event_id, _table.history_id).in_(keys)
                )
            )
        await self._tell(recorder)
        return len(rows)

    async def _record(
        self, connection: AsyncConnection, recorder: Recorder, controller_id: str, seen: Observation, now: int
    ) -> None:
        if seen.kind not in _ORDERS_AND_TASKS:
            found = component(controller_id, seen)
            await recorder.resolve(found.resolved)
            if found.occurrence is not None:
                key = f"{controller_id}|{seen.event_id}"
                await recorder.record_system(key, found.type, found.category, found.occurrence)
            return
        settings, average = NO_SETTINGS, None
        if seen.kind != ORDER:
            settings = await self._jobs.settings(connection, controller_id, seen.workflow, seen.version, seen.job)
            if needs_average(settings):
                average = await average_ms(connection, controller_id, seen.workflow, seen.job, seen.started or now)
        findings = rules.findings(seen, settings, average)
        await recorder.record(controller_id, seen, self._names.path(seen.workflow), settings, findings)

    async def _not_understood(self, recorder: Recorder, row: Any, error: Exception, now: int) -> None:
        occurrence = Occurrence(
            kind="monitoring",
            severity="error",
            place=("monitor",),
            title=f"An event of Controller {row.controller_id} could not be looked at for alerts",
            message=f"event {row.event_id}: {type(error).__name__}: {error}",
            time_ms=now,
            controller_id=row.controller_id,
        )
        await recorder.record_system(f"monitor|{row.event_id}", Type.ERROR, Category.JOC, occurrence)

    def _recorder(self, connection: AsyncConnection, now: int) -> Recorder:
        database, current = self._fence.database, self._store.current
        return Recorder(database, connection, current, self._cockpit(), now, lambda: self._random.token_bytes(16).hex())

    async def _tell(self, recorder: Recorder) -> None:
        if recorder.has_changed or recorder.noted:
            self._delivery.wake()
            await self._news.tell(recorder.noted, recorder.noted_of_system)

    # --- what no event says

    async def _watch(self) -> float:
        await self.look()
        return self._period

    async def look(self) -> None:
        """Jobs that run too long, late orders, Controllers that are away, channels that fail."""
        now = self._clock.now_ms()
        longer = await self._running_too_long(now) if self._jobs.some_warn else []
        late, late_workflows = await self._late_orders(now)
        dead, alive = self._delivery.take_failures()
        away = {id_: link for id_, link in self._links().items() if link.state in ("lost", "failed")}
        open_ = await self._open_alerts(("late", "link", "channel"))
        resolved = [key for key in open_ if key.startswith("late|") and key not in late_workflows]
        resolved += [
            key
            for key in (_link_key(id_) for id_, link in self._links().items() if link.state == "coupled")
            if key in open_
        ]
        resolved += [key for key in (_channel_key(name) for name in alive - dead.keys()) if key in open_]
        away = {
            id_: link
            for id_, link in away.items()
            if link.since_ms <= now - self._away_ms and _link_key(id_) not in open_
        }
        if not (longer or late or dead or away or resolved):
            return
        async with self._fence.write() as connection:
            recorder = self._recorder(connection, now)
            await recorder.resolve(resolved)
            for controller_id, seen, settings, finding in longer:
                await recorder.record(controller_id, seen, self._names.path(seen.workflow), settings, [finding])
            for controller_id, seen in late:
                finding = rules.late(now - (seen.scheduled_for or now))
                await recorder.record(controller_id, seen, self._names.path(seen.workflow), NO_SETTINGS, [finding])
            for controller_id, link in away.items():
                occurrence = _away(controller_id, link, now)
                await recorder.record_system(f"link|{controller_id}|{now}", Type.ERROR, Category.CONTROLLER, occurrence)
            for name, why in dead.items():
                occurrence = _failing_channel(name, why, now)
                key = f"channel|{name}|{now}"
                await recorder.record_system(key, Type.ERROR, Category.JOC, occurrence, not_by=name)
        await self._tell(recorder)

    async def _running_too_long(self, now: int) -> list[tuple[str, Observation, Any, rules.Finding]]:
        table = live_orders.c
        # Those that run longest first: with more at a time, the others' turn comes when these have ended.
        running = select(table.controller_id, table.data).where(table.state == RUNNING.code).order_by(table.since)
        found: list[tuple[str, Observation, Any, rules.Finding]] = []
        async with self._fence.database.read() as connection:
            for row in list(await connection.execute(running.limit(_AT_ONCE))):
                order = decode_live_order(row.data)
                task = order.task
                if task is None:
                    continue
                workflow, version = order.workflow_path, order.workflow_version_id
                settings = await self._jobs.settings(connection, row.controller_id, workflow, version, task.job)
                if settings.longer is None:
                    continue
                average = None
                if settings.longer.percent is not None:
                    average = await average_ms(connection, row.controller_id, workflow, task.job, task.start_ms)
                finding = rules.longer_than(settings, average, now - task.start_ms)
                if finding is not None:
                    # As if of its output: it has not ended.
                    seen = of_task(order, task, task.start_event_id, now, is_error=None)
                    found.append((row.controller_id, seen, settings, finding))
            ids = [seen.task_id for _, seen, _, _ in found]
            notes = mon_notifications.c
            told: set[int] = set()
            for start in range(0, len(ids), MAXIMUM_BOUND_VALUES):
                part = notes.key_id.in_(ids[start : start + MAXIMUM_BOUND_VALUES])
                query = select(notes.key_id).where(*_told(Warn.LONGER_THAN), part)
                told |= set((await connection.execute(query)).scalars())
        return [item for item in found if item[1].task_id not in told]

    async def _late_orders(self, now: int) -> tuple[list[tuple[str, Observation]], set[str]]:
        """Those not told of yet, and the fingerprints of all workflows with some."""
        table = live_orders.c
        is_late = (table.state == SCHEDULED.code) & (
            table.scheduled_for < now - self._store.current.late_after_seconds * 1000
        )
        told = exists().where(*_told(Warn.LATE), mon_notifications.c.key_id == table.history_id)
        new = select(table.controller_id, table.data).where(is_late, ~told).order_by(table.scheduled_for)
        workflows = select(table.controller_id, table.workflow_path).where(is_late).distinct()
        async with self._fence.database.read() as connection:
            rows = list(await connection.execute(new.limit(_AT_ONCE)))
            late = {late_fingerprint(*row) for row in await connection.execute(workflows)}
        return [(row.controller_id, _of_late(decode_live_order(row.data), now)) for row in rows], late

    async def _open_alerts(self, kinds: Sequence[str]) -> set[str]:
        table = mon_alerts.c
        query = select(table.fingerprint).where(table.kind.in_(kinds), table.state != alerts.RESOLVED)
        async with self._fence.database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def _tell_takeover(self) -> None:
        """Another member was active before, and did not hand over."""
        now, term = self._clock.now_ms(), self._fence.term
        cockpit = self._cockpit()
        occurrence = Occurrence(
            kind="cockpit",
            severity="warning",
            place=(cockpit.id,),
            title=f"Cockpit {cockpit.title or cockpit.id} has taken over",
            message="the active Cockpit was lost; look whether it is to be started again",
            time_ms=now,
        )
        async with self._fence.write() as connection:
            recorder = self._recorder(connection, now)
            await recorder.record_system(f"cockpit|{term}", Type.WARNING, Category.JOC, occurrence)
        await self._tell(recorder)


def _told(warn: Warn) -> list[ColumnElement[bool]]:
    """Conditions on notifications of which there is one for each order or task (`key_id`)."""
    return [mon_notifications.c.event_id == 0, mon_notifications.c.warn == int(warn)]


def _link_key(controller_id: str) -> str:
    return fingerprint("link", controller_id)


def _channel_key(name: str) -> str:
    return fingerprint("channel", "", name)


def _of_late(order: LiveOrder, now: int) -> Observation:
    return Observation(
        kind=ORDER,
        event_id=0,
        time_ms=now,
        state=SCHEDULED.text,
        order_id=order.order_id,
        history_id=order.history_id,
        main_history_id=order.main_history_id,
        workflow=order.workflow_path,
        version=order.workflow_version_id,
        scheduled_for=order.scheduled_for,
    )


def _away(controller_id: str, link: LinkState, now: int) -> Occurrence:
    is_lost = link.state == "lost"
    what = f"Controller {controller_id} is not reachable"
    return Occurrence(
        kind="link",
        severity="error",
        place=(),
        title=what if is_lost else f"History of Controller {controller_id} has stopped",
        message=link.error,
        time_ms=now,
        controller_id=controller_id,
    )


def _failing_channel(name: str, why: str, now: int) -> Occurrence:
    return Occurrence(
        kind="channel",
        severity="error",
        place=(name,),
        title=f"Messages of channel {name} could not be delivered",
        message=why,
        time_ms=now,
    )
