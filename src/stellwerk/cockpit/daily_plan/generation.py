"""Generation: the orders that schedules start on a date become rows, each once (cockpit-services 4.5).

A date is written in slices, each one transaction that holds the date's submission row locked, looks for what is there
already and adds the rest; so two generations at once, or one that goes on where another was killed, add nothing twice.
A cycle is never cut: its starts are numbered together. The submission row says at last that the date is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import structlog
from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import AT_ONCE, Permits, PlanSource, PlanSources, everything
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.daily_plan import dpl_order_variables, dpl_orders, dpl_submissions
from stellwerk.cockpit.inventory.names import folder_of
from stellwerk.cockpit.projection.statements import BatchStatement
from stellwerk.effects.clock import Clock
from stellwerk.language.calendars.wall_times import duration
from stellwerk.language.daily_plan import (
    DayOfSchedule,
    OrderParameterisation,
    PlannedOrder,
    Schedule,
    SchedulePlan,
    main_part,
    order_groups,
)
from stellwerk.values.json import encode

#: Opens a write transaction: `Database.write`, or `Fence.write` for the service.
OpenWrite = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
#: One slice ends after so many orders or schedules; others may write in between.
SLICE_ORDERS = 4000
SLICE_SCHEDULES = 1000

_COLUMNS = [column.name for column in dpl_orders.columns if column.name != "id"]
_logger = structlog.get_logger(__name__)


def every_schedule(schedule: Schedule) -> bool:
    return True


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be planned, for whom."""

    controller_id: str
    dates: Sequence[date]
    account: str
    wants_schedule: Callable[[Schedule], bool] = every_schedule
    #: By path.
    wants_workflow: Permits = everything
    permits: Permits = everything
    #: Also starts that have passed already.
    include_late: bool = False
    #: Also schedules without `planOrderAutomatically`.
    include_non_automatic: bool = False


class Generator:
    """Writes plans. Knows nothing of Controllers but what is deployed to them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        order_ids: OrderIds,
        sources: PlanSources,
        settings: DailyPlanSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._order_ids = order_ids
        self._sources = sources
        self._settings = settings
        statement = database.insert(dpl_orders).on_conflict_do_nothing()
        self._insert = BatchStatement(database, statement, _COLUMNS)

    async def generate(
        self, generation: Generation, write: OpenWrite, on_slice: Callable[[int], None] = lambda count: None
    ) -> int:
        """Add what is missing of the plans of all dates; gives how many orders were added. `on_slice`: how many now."""
        source = await self._sources.read(generation.controller_id, generation.permits)
        settings = self._settings.read()
        wanted = [
            schedule
            for schedule in source.schedules
            if (schedule.plan_order_automatically or generation.include_non_automatic)
            and generation.permits(schedule.path)
            and generation.wants_schedule(schedule)
        ]
        _tell_missing_workflows(wanted, source, generation.controller_id)
        plans: list[SchedulePlan] = []
        for number, schedule in enumerate(wanted):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            plans.append(SchedulePlan(schedule, source.calendars, source.workflows_with_variables))
        added = 0
        for day in generation.dates:
            planned = (plan.day(day, settings.period_begin_seconds) for plan in plans)
            added += await self._generate_day(generation, source, planned, day, write, on_slice)
        return added

    async def _generate_day(
        self,
        generation: Generation,
        source: PlanSource,
        planned: Iterator[DayOfSchedule],
        day: date,
        write: OpenWrite,
        on_slice: Callable[[int], None],
    ) -> int:
        submission_id = await self.submission(generation.controller_id, day, generation.account, write)
        added = 0
        for days in _slices(planned):
            wanted = [self._wanted(generation, source, day_of_schedule) for day_of_schedule in days]
            added += (count := await self._write_slice(generation, source, submission_id, wanted, write))
            on_slice(count)
            await asyncio.sleep(0)  # planning is computation: others get their turn
        await self._complete(submission_id, write)
        return added

    def _wanted(self, generation: Generation, source: PlanSource, planned: DayOfSchedule) -> DayOfSchedule:
        for problem in planned.problems:
            _logger.warning(
                "a schedule is not planned", schedule=planned.schedule.path, path=problem.path, problem=problem.problem
            )
        if not generation.include_late:
            planned = planned.later_than(self._clock.now_ms())
        folders = source.workflow_folders
        orders = [
            order
            for order in planned.orders
            if order.workflow in folders and generation.wants_workflow(_join(folders[order.workflow], order.workflow))
        ]
        return _with_orders(planned, orders)

    async def submission(self, controller_id: str, day: date, account: str, write: OpenWrite) -> int:
        """The id of a date's submission row, which is made if there is none."""
        async with write() as connection:
            return await self._submission(connection, controller_id, day, account, is_complete=False)

    async def submission_in(self, connection: AsyncConnection, controller_id: str, day: date, account: str) -> int:
        """As `submission`, for orders that are moved to a date. Such a date counts as planned, as it always did."""
        return await self._submission(connection, controller_id, day, account, is_complete=True)

    async def _submission(
        self, connection: AsyncConnection, controller_id: str, day: date, account: str, *, is_complete: bool
    ) -> int:
        table = dpl_submissions
        values = {
            "controller_id": controller_id,
            "submission_for_date": day.isoformat(),
            "user_account": account,
            "complete": is_complete,
            "created": self._clock.now_ms(),
        }
        query = select(table.c.id).where(
            table.c.controller_id == controller_id, table.c.submission_for_date == day.isoformat()
        )
        await connection.execute(self._database.insert(table).values(values).on_conflict_do_nothing())
        return int((await connection.execute(query)).scalar_one())

    async def _write_slice(
        self,
        generation: Generation,
        source: PlanSource,
        submission_id: int,
        days: Sequence[DayOfSchedule],
        write: OpenWrite,
    ) -> int:
        count = sum(len(planned.orders) for planned in days)
        if count == 0:
            return 0
        # At most as many as orders; reserved before, as they come from the database, too.
        numbers = iter(await self._order_ids.numbers(count))
        async with write() as connection:
            await self._lock(connection, submission_id, generation)
            known = await self._known(connection, generation.controller_id, days)
            rows, variables = self._rows(generation, source, submission_id, days, known, numbers)
            await self._insert.execute(connection, rows)
            if variables:
                await connection.execute(insert(dpl_order_variables), variables)
        return len(rows)

    async def _lock(self, connection: AsyncConnection, submission_id: int, generation: Generation) -> None:
        """One slice of a date at a time. The row may have been deleted meanwhile: then the date is not planned."""
        query = select(dpl_submissions.c.id).where(dpl_submissions.c.id == submission_id).with_for_update()
        if (await connection.execute(query)).first() is None:
            raise PlanRemovedError(f"the plan of Controller '{generation.controller_id}' was removed while it was made")

    async def _known(
        self, connection: AsyncConnection, controller_id: str, days: Sequence[DayOfSchedule]
    ) -> set[tuple[str, int, str, str, int]]:
        """The keys of the orders that are there already."""
        starts = [order.scheduled_for for planned in days for order in planned.orders]
        names = sorted({planned.schedule.name for planned in days if planned.orders})
        table = dpl_orders.c
        found: set[tuple[str, int, str, str, int]] = set()
        for start in range(0, len(names), MAXIMUM_BOUND_VALUES // 2):
            query = select(
                table.schedule_name, table.planned_start, table.workflow_name, table.order_name, table.start_mode
            ).where(
                table.controller_id == controller_id,
                table.schedule_name.in_(names[start : start + MAXIMUM_BOUND_VALUES // 2]),
                table.planned_start.between(min(starts), max(starts)),
            )
            found.update(tuple(row) for row in await connection.execute(query))
        return found

    def _rows(
        self,
        generation: Generation,
        source: PlanSource,
        submission_id: int,
        days: Iterable[DayOfSchedule],
        known: set[tuple[str, int, str, str, int]],
        numbers: Iterator[int],
    ) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
        now = self._clock.now_ms()
        rows: list[tuple[Any, ...]] = []
        variables: list[dict[str, Any]] = []
        for planned in days:
            name, folder = planned.schedule.name, folder_of(planned.schedule.path)
            missing = [order for order in planned.orders if _key(name, order) not in known]
            for group in order_groups(planned.date, missing):
                ids = group.order_ids(next(numbers))
                first = group.orders[0]
                main = main_part(ids[0])
                assert main is not None, "these ids have been issued just now"
                if first.parameterisation.variables:
                    text = encode(first.parameterisation.variables).decode()
                    variables.append({"main_part": main, "variable_value": text, "modified": now})
                period = cycle_columns(first.period.begin, first.period.end, first.period.repeat, first.is_cyclic)
                parameterisation = parameterisation_text(first.parameterisation)
                duration_ms = source.durations.get(first.workflow, 0)
                for order_id, order in zip(ids, group.orders, strict=True):
                    start = order.scheduled_for
                    rows.append(
                        (
                            submission_id,
                            generation.controller_id,
                            order.workflow,
                            source.workflow_folders[order.workflow],
                            name,
                            folder,
                            order_id,
                            main,
                            order.order_name,
                            int(order.is_cyclic),
                            False,
                            None,
                            *period,
                            start,
                            start + duration_ms,
                            parameterisation,
                            now,
                            now,
                        )
                    )
        return rows, variables

    async def _complete(self, submission_id: int, write: OpenWrite) -> None:
        """A date for which nothing was stored has no plan."""
        table = dpl_submissions
        has_orders = exists().where(dpl_orders.c.submission_history_id == submission_id)
        async with write() as connection:
            await connection.execute(delete(table).where(table.c.id == submission_id, ~has_orders, ~table.c.complete))
            await connection.execute(update(table).where(table.c.id == submission_id).values(complete=True))


class PlanRemovedError(BadRequest):
    """Somebody has removed a submission while its date was being planned."""


def _key(schedule: str, order: PlannedOrder) -> tuple[str, int, str, str, int]:
    return schedule, order.scheduled_for, order.workflow, order.order_name, int(order.is_cyclic)


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _slices(planned: Iterable[DayOfSchedule]) -> Iterator[list[DayOfSchedule]]:
    part: list[DayOfSchedule] = []
    orders = 0
    for day_of_schedule in planned:
        part.append(day_of_schedule)
        orders += len(day_of_schedule.orders)
        if orders >= SLICE_ORDERS or len(part) >= SLICE_SCHEDULES:
            yield part
            part, orders = [], 0
    if part:
        yield part


def _with_orders(planned: DayOfSchedule, orders: Sequence[PlannedOrder]) -> DayOfSchedule:
    return replace(planned, orders=tuple(orders))


def cycle_columns(
    begin: str | None, end: str | None, repeat: str | None, is_cyclic: bool
) -> tuple[str | None, str | None, int | None]:
    """`period_begin`, `period_end`, `repeat_interval` of a row."""
    if not is_cyclic:
        return None, None, None
    return begin or "00:00:00", end or "24:00:00", duration(repeat or "0")


def parameterisation_text(item: OrderParameterisation) -> str | None:
    """Of an order what its row keeps besides variables (cockpit-services 11, 11: the priority always)."""
    values: dict[str, Any] = {}
    if item.positions:
        values["positions"] = item.positions
    if item.force_job_admission:
        values["forceJobAdmission"] = True
    if item.priority:
        values["priority"] = item.priority
    if item.tags:
        values["tags"] = list(item.tags)
    return encode(values).decode() if values else None


def _tell_missing_workflows(schedules: Iterable[Schedule], source: PlanSource, controller_id: str) -> None:
    missing = {name for item in schedules for name in item.workflow_names if name not in source.workflow_folders}
    if missing:
        _logger.info("workflows of schedules are not deployed", controller=controller_id, workflows=sorted(missing))
