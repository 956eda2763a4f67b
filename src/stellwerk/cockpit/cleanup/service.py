"""The service `cleanup` of the active Cockpit (cockpit-services 9.3).

It works in the period that the settings name, or when it is told to, for at most four hours. Each batch is one short
transaction behind the fence, as large as 50 ms allow; after each, others get as much time as it took, unless the
settings force it. So nobody waits for it, and it needs nobody to be idle. A run that its period ends is gone on with in
the next one, with the tasks that are left; so is one of a Cockpit that has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from sqlalchemy import select

from stellwerk.cockpit.cleanup.settings import CleanupSettings, Window, gives_way, next_batch_size
from stellwerk.cockpit.cleanup.tasks import CleanupTask, cleanup_tasks
from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock

#: Between two looks at the clock.
PERIOD_SECONDS = 60.0
RUN_NOW_MS = 4 * 3600 * 1000
VARIABLE = "cleanup"
SECTION = "cleanup"

_logger = structlog.get_logger(__name__)


class CleanupRun(msgspec.Struct, kw_only=True, rename="camel"):
    """The last run, as it is stored. `state`: RUNNING, COMPLETED, UNCOMPLETED."""

    state: str
    started: int
    #: Begin of the period it belongs to; 0 for one that was asked for.
    window: int
    #: The tasks that are not done, the next one first.
    remaining: list[str]
    #: Rows by task.
    removed: dict[str, int]
    ended: int | None = None


class CleanupService:
    """An `ActiveService`, and runnable."""

    def __init__(
        self, fence: Fence, clock: Clock, settings: Settings, *, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        self._fence = fence
        self._clock = clock
        self._all_settings = settings
        self._period = period_seconds
        self._is_wanted = False
        self._is_running = False
        self._rounds = Rounds("cleanup", self._look, retry_seconds=period_seconds)
        settings.on_change(self._rounds.wake)

    async def start(self, mode: StartMode) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        """After the batch that is under way, which is undone."""
        await self._rounds.stop()

    async def run_now(self) -> str:
        if self._is_running or self._is_wanted:
            return "ALREADY_RUNNING"
        if not self.settings().has_work:
            return "MISSING_CONFIGURATION"
        self._is_wanted = True
        self._rounds.wake()
        return "RUNNING"

    def settings(self) -> CleanupSettings:
        """The settings as of now."""
        text, seconds, integer = self._all_settings.text, self._all_settings.seconds, self._all_settings.integer
        return CleanupSettings(
            time_zone=text(SECTION, "time_zone") or "UTC",
            weekdays=frozenset(int(day) for day in (text(SECTION, "period") or "").split(",") if day.strip()),
            period_begin=text(SECTION, "period_begin") or "",
            period_end=text(SECTION, "period_end") or "",
            force=self._all_settings.boolean(SECTION, "force_cleanup"),
            pause_duration=seconds(SECTION, "force_cleanup.history_pause_duration"),
            pause_delay=seconds(SECTION, "force_cleanup.history_pause_delay"),
            batch_size=integer(SECTION, "batch_size"),
            order_history_age=seconds(SECTION, "order_history_age"),
            order_history_logs_age=seconds(SECTION, "order_history_logs_age"),
            daily_plan_history_age=seconds(SECTION, "daily_plan_history_age"),
            audit_log_age=seconds(SECTION, "audit_log_age"),
            monitoring_history_age=seconds(SECTION, "monitoring_history_age"),
            notification_history_age=seconds(SECTION, "notification_history_age"),
            profile_age=seconds(SECTION, "profile_age"),
            failed_login_history_age=seconds(SECTION, "failed_login_history_age"),
            deployment_history_versions=integer(SECTION, "deployment_history_versions"),
        )

    async def last_run(self) -> CleanupRun | None:
        """What is stored of the last run."""
        query = select(joc_variables.c.text_value).where(joc_variables.c.name == VARIABLE)
        async with self._fence.database.read() as connection:
            stored = (await connection.execute(query)).scalar()
        return msgspec.json.decode(stored, type=CleanupRun) if stored else None

    async def _look(self) -> float:
        """Run, if it is time or asked for."""
        now = self._clock.now_ms()
        settings = self.settings()
        window: Window | None
        if self._is_wanted:
            window, number = (now, now + RUN_NOW_MS), 0
        else:
            window = settings.window(now)
            if window is None:
                return self._period
            number = window[0]
        last = await self.last_run()
        if number and last is not None and last.state == "COMPLETED" and last.window == number:
            return self._period
        self._is_running, self._is_wanted = True, False
        try:
            await self.run(settings, window[1], number, last)
        finally:
            self._is_running = False
        return self._period

    async def run(
        self, settings: CleanupSettings, end_ms: int, window: int = 0, last: CleanupRun | None = None
    ) -> CleanupRun:
        """Work until nothing is left or the clock shows `end_ms`; begins with what the last run has left."""
        now = self._clock.now_ms()
        left = [] if last is None or last.state == "COMPLETED" else last.remaining
        tasks = sorted(
            cleanup_tasks(settings, now), key=lambda task: left.index(task.name) if task.name in left else 99
        )
        run = CleanupRun(
            state="RUNNING", started=now, window=window, remaining=[task.name for task in tasks], removed={}
        )
        await self._store(run)
        pace = _Pace(settings)
        for task in tasks:
            if not await self._run_task(task, run, pace, lambda: self._clock.now_ms() >= end_ms):
                run.state = "UNCOMPLETED"
                break
            run.remaining.remove(task.name)
            await self._store(run)
        else:
            run.state = "COMPLETED"
        run.ended = self._clock.now_ms()
        await self._store(run)
        _logger.info("cleanup", state=run.state, removed=run.removed, remaining=run.remaining)
        return run

    async def _run_task(self, task: CleanupTask, run: CleanupRun, pace: _Pace, is_over: Callable[[], bool]) -> bool:
        """False: the period is over before the task is done."""
        for step in task.steps:
            while True:
                if is_over():
                    return False
                began = pace.now()
                async with self._fence.write() as connection:
                    # The wait for the writer is not what the batch takes.
                    began = pace.now()
                    removed = await step(connection, pace.batch_size)
                if removed is None:
                    break
                run.removed[task.name] = run.removed.get(task.name, 0) + removed
                await pace.after_batch(pace.now() - began)
        return True

    async def _store(self, run: CleanupRun) -> None:
        text = msgspec.json.encode(run).decode()
        async with self._fence.write() as connection:
            statement = self._fence.database.upsert(joc_variables, ["name"], ["text_value"])
            await connection.execute(statement, [{"name": VARIABLE, "text_value": text}])


class _Pace:
    """How large batches are, and how long others have the database between them."""

    def __init__(self, settings: CleanupSettings) -> None:
        self._settings = settings
        self._began = self.now()
        self.batch_size = min(100, settings.batch_size)

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    async def after_batch(self, seconds: float) -> None:
        self.batch_size = next_batch_size(self.batch_size, seconds, self._settings.batch_size)
        await asyncio.sleep(seconds if gives_way(self._settings, self.now() - self._began) else 0)
