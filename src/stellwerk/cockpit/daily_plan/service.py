"""The service `dailyplan` of the active Cockpit: plans and submits days ahead, once a day (cockpit-services 4.4).

A run that is broken off - the Cockpit is killed, another member takes over - is gone on with at once by whoever is
active next: the time of the last run is stored when a run has ended. What it writes goes through the fence.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import structlog
from sqlalchemy import select

from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.generation import Generation, Generator
from stellwerk.cockpit.daily_plan.news import PROJECTED, PlanNews
from stellwerk.cockpit.daily_plan.projections import Projections
from stellwerk.cockpit.daily_plan.selection import PLANNED_STATE, PlanFilter, PlanReader
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.submission import PLAN_SCHEMA, Submitter
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.daily_plan import dpl_submissions
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.effects.clock import Clock
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.language.daily_plan import PlanSettings
from stellwerk.values.problems import Problem, ProblemError

#: Between two looks at the clock.
PERIOD_SECONDS = 60.0
#: The account in submission rows.
ACCOUNT = "JS7"
LAST_RUN = "daily_plan_last_run"
_CLOSED = "daily_plan_closed"
#: Plans that Controllers have never heard of are open for so long.
_UNKNOWN_PLANS_DAYS = 31

_logger = structlog.get_logger(__name__)


class DailyPlanService:
    """An `ActiveService`, and runnable."""

    def __init__(
        self,
        fence: Fence,
        clock: Clock,
        connections: ControllerConnections,
        generator: Generator,
        submitter: Submitter,
        reader: PlanReader,
        projections: Projections,
        settings: DailyPlanSettings,
        news: PlanNews,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._fence = fence
        self._clock = clock
        self._connections = connections
        self._generator = generator
        self._submitter = submitter
        self._reader = reader
        self._projections = projections
        self._settings = settings
        self._news = news
        self._period = period_seconds
        self._is_wanted = False
        self._is_running = False
        #: A run had to leave something undone, and is repeated.
        self._is_left = False
        self._rounds = Rounds("daily-plan", self._look, retry_seconds=period_seconds)

    async def start(self, mode: StartMode) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def run_now(self) -> str:
        if self._is_running:
            return "ALREADY_RUNNING"
        if self._settings.read().days_ahead_plan == 0:
            return "MISSING_CONFIGURATION"
        self._is_wanted = True
        self._rounds.wake()
        return "RUNNING"

    async def _look(self) -> float:
        """Run, if it is time or asked for; else only settle what was broken off."""
        settings = self._settings.read()
        now = self._clock.now_ms()
        last = await self._read_variable(LAST_RUN)
        if last is None:
            await self._write_variable(LAST_RUN, numeric_value=now)
            last = {"numeric_value": now}
        is_due = settings.days_ahead_plan > 0 and settings.next_run(last["numeric_value"]) <= now
        if not is_due and not self._is_left and not self._is_wanted:
            await self._settle()
            return self._period
        self._is_wanted = False
        self._is_running = True
        try:
            is_done = await self.run(settings)
        finally:
            self._is_running = False
        self._is_left = not is_done
        if is_done:
            await self._write_variable(LAST_RUN, numeric_value=now)
        return self._period

    async def _settle(self) -> None:
        for controller_id in await self._connections.registered():
            try:
                await self._submitter.settle(controller_id, self._fence.write)
            except (PeerUnreachableError, ProblemError) as error:
                _logger.debug("submissions cannot be settled yet", controller=controller_id, error=str(error))

    async def run(self, settings: PlanSettings) -> bool:
        """Plan and submit for all Controllers; False: one could not be reached, so that the run has to be repeated."""
        is_done = True
        for controller_id in await self._connections.registered():
            await self.plan(controller_id, settings)
            try:
                await self.submit(controller_id, settings)
                await self._close_plans(controller_id, settings)
            except (PeerUnreachableError, ProblemError) as error:
                is_done = False
                _logger.warning("orders of the daily plan wait", controller=controller_id, error=str(error))
            await self._news.tell(controller_id)
        if is_done:
            await self._projections.rebuild(self._fence.write)
            await self._news.tell("", PROJECTED)
        return is_done

    async def plan(self, controller_id: str, settings: PlanSettings) -> int:
        """Generate the days that have no plan yet."""
        dates = settings.dates_to_plan(self._clock.now_ms())
        table = dpl_submissions.c
        query = select(table.submission_for_date).where(
            table.controller_id == controller_id,
            table.complete,
            table.submission_for_date.in_([day.isoformat() for day in dates]),
        )
        async with self._fence.database.read() as connection:
            known = set((await connection.execute(query)).scalars())
        missing = [day for day in dates if day.isoformat() not in known]
        if not missing:
            return 0
        generation = Generation(controller_id=controller_id, dates=missing, account=ACCOUNT)
        added = await self._generator.generate(generation, self._fence.write)
        _logger.info("daily plan", controller=controller_id, dates=len(missing), orders=added)
        return added

    async def submit(self, controller_id: str, settings: PlanSettings) -> int:
        """Submit all orders of the next days."""
        dates = settings.dates_to_submit(self._clock.now_ms())
        if not dates:
            return 0
        filter_ = PlanFilter(
            controller_ids=[controller_id],
            date_from=dates[0].isoformat(),
            date_to=dates[-1].isoformat(),
            states=[PLANNED_STATE],
        )
        rows = await self._reader.select(filter_, self._clock.now_ms())
        submitted = await self._submitter.submit(controller_id, rows, ACCOUNT, self._fence.write)
        for order_id, message in submitted.failures:
            _logger.error("a planned order is refused", controller=controller_id, order=order_id, problem=message)
        return submitted.accepted

    async def _close_plans(self, controller_id: str, settings: PlanSettings) -> None:
        """Old plans take no new orders; the Controller forgets those that have none (workflow spec 8.9)."""
        now = self._clock.now_ms()
        variable = f"{_CLOSED}:{controller_id}"
        known = await self._read_variable(variable)
        threshold = settings.oldest_open_plan(now)
        open_from = settings.today(now) - timedelta(days=_UNKNOWN_PLANS_DAYS)
        text = f"{threshold or ''} {open_from}"
        if known is not None and known["text_value"] == text:
            return
        client = await self._connections.client(controller_id)
        dates = await self._planned_dates(controller_id, open_from, threshold) if threshold else []
        commands: list[dict[str, Any]] = [
            {"TYPE": "ChangePlan", "planId": [PLAN_SCHEMA, day], "status": "Closed"} for day in dates
        ]
        values = {"unknownPlansOpenFrom": open_from.isoformat()}
        commands.append({"TYPE": "ChangePlanSchema", "planSchemaId": PLAN_SCHEMA, "namedValues": values})
        for command, result in zip(commands, await client.batch(commands, repeatable=True), strict=True):
            if isinstance(result, Problem):
                # Closed, finished and forgotten already; or nothing was ever submitted to this Controller.
                _logger.debug("plan is not closed", controller=controller_id, command=command, problem=str(result))
        await self._write_variable(variable, text_value=text)

    async def _planned_dates(self, controller_id: str, first: date, end: date) -> list[str]:
        table = dpl_submissions.c
        query = select(table.submission_for_date).where(
            table.controller_id == controller_id,
            table.submission_for_date >= first.isoformat(),
            table.submission_for_date < end.isoformat(),
        )
        async with self._fence.database.read() as connection:
            return sorted((await connection.execute(query)).scalars())

    async def _read_variable(self, name: str) -> Any:
        query = select(joc_variables.c.numeric_value, joc_variables.c.text_value).where(joc_variables.c.name == name)
        async with self._fence.database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else dict(row._mapping)

    async def _write_variable(self, name: str, **values: Any) -> None:
        database = self._fence.database
        async with self._fence.write() as connection:
            statement = database.upsert(joc_variables, ["name"], list(values))
            await connection.execute(statement, [{"name": name, **values}])
