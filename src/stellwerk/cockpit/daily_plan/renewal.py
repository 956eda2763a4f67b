"""`PlanRenewal`: planned orders follow what is deployed and released (cockpit-services 2.2, 2.6, 2.10, 4.5).

Whoever changes a workflow or schedule takes the orders of it back from a date on, makes the change, and has the dates
planned again. Orders that have started stay. Also when the change fails the dates are planned again: by what is still
there. A call that is broken off between the two is repeated by the caller, like every deployment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.daily_plan.changes import PlanChanges
from stellwerk.cockpit.daily_plan.generation import Generation
from stellwerk.cockpit.daily_plan.selection import (
    PLANNED_STATE,
    SUBMITTED_STATE,
    PlanFilter,
    PlannedRow,
    PlanReader,
    slices,
)
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.daily_plan import dpl_submissions
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan import Schedule


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The orders that are meant: of these workflows and of these schedules, by name, at one Controller."""

    controller_id: str
    workflows: frozenset[str] = frozenset()
    schedules: frozenset[str] = frozenset()
    #: None: from now on.
    first: date | None = None
    #: Also orders whose start has passed.
    include_late: bool = False


class PlanRenewal:
    """Takes planned orders back, and plans them again."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reader: PlanReader,
        changes: PlanChanges,
        settings: DailyPlanSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reader = reader
        self._changes = changes
        self._settings = settings

    async def take_back(self, scope: Scope) -> None:
        """Cancel the orders at the Controller, and delete them from the plan.

        Raises `BulkError` if the Controller does not give some back; they stay in the plan.
        """
        rows = await self._rows(scope)
        await self._changes.cancel(row for row in rows if row.submitted)
        await self._changes.delete([msgspec.structs.replace(row, submitted=False) for row in rows])

    async def plan_again(self, scope: Scope, account: str) -> None:
        """Plan the dates that have a plan; orders are submitted where their schedules ask for it."""
        dates = await self._dates(scope)
        if not dates:
            return
        # Orders of either: generation asks for both, so that each kind has a pass of its own.
        everything = Generation(
            controller_id=scope.controller_id, dates=dates, account=account, include_late=scope.include_late
        )
        parts = []
        if scope.schedules:
            wants_schedule = partial(_is_named, scope.schedules)
            parts.append(msgspec.structs.replace(everything, wants_schedule=wants_schedule))
        if scope.workflows:
            wants_workflow = partial(_has_name, scope.workflows)
            parts.append(msgspec.structs.replace(everything, wants_workflow=wants_workflow))
        for generation in parts:
            await self._changes.generate(generation, overwrite=False, submit=False)

    async def _rows(self, scope: Scope) -> list[PlannedRow]:
        now_ms, first = self._clock.now_ms(), self._first(scope)
        found: dict[int, PlannedRow] = {}
        everything = PlanFilter(
            controller_ids=[scope.controller_id],
            date_from=first.isoformat(),
            states=[PLANNED_STATE, SUBMITTED_STATE],
        )
        filters = [msgspec.structs.replace(everything, workflow_names=part) for part in slices(sorted(scope.workflows))]
        filters += [
            msgspec.structs.replace(everything, schedule_names=part) for part in slices(sorted(scope.schedules))
        ]
        for filter_ in filters:
            found |= {row.id: row for row in await self._reader.select(filter_, now_ms)}
        return [row for row in found.values() if row.is_fresh and (scope.include_late or row.planned_start > now_ms)]

    async def _dates(self, scope: Scope) -> list[date]:
        table = dpl_submissions.c
        query = select(table.submission_for_date).where(
            table.controller_id == scope.controller_id, table.submission_for_date >= self._first(scope).isoformat()
        )
        async with self._database.read() as connection:
            texts: Iterable[str] = (await connection.execute(query)).scalars()
            return sorted(date.fromisoformat(text) for text in texts)

    def _first(self, scope: Scope) -> date:
        # Schedules of other time zones may still be at the day before.
        return scope.first or self._settings.read().plan_date(self._clock.now_ms()) - timedelta(days=1)


def _is_named(names: frozenset[str], schedule: Schedule) -> bool:
    return schedule.name in names


def _has_name(names: frozenset[str], path: str) -> bool:
    return name_of(path) in names
