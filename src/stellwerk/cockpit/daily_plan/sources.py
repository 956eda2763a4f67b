"""What a plan is made of: released schedules and calendars, workflows deployed to a Controller, past durations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy import func, select

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.history import IS_ROOT, history_orders
from stellwerk.cockpit.database.tables.inventory import inv_released_configurations
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import folder_of
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import FINISHED
from stellwerk.language.calendars import Calendar, read_calendar
from stellwerk.language.daily_plan import Calendars, Schedule, read_schedule
from stellwerk.language.reader import ReadError
from stellwerk.values.json import decode

#: Whether an object at a path may be seen.
Permits = Callable[[str], bool]

#: Objects that are read without a pause.
AT_ONCE = 100

_logger = structlog.get_logger(__name__)


def everything(path: str) -> bool:
    """Permits all."""
    return True


class PlanSource(msgspec.Struct, frozen=True):
    """What plans of one Controller are made of."""

    #: By path.
    schedules: tuple[Schedule, ...]
    calendars: Calendars
    #: Name → folder of the workflows that are deployed there.
    workflow_folders: Mapping[str, str]
    workflows_with_variables: frozenset[str]
    #: Name of a workflow → milliseconds that its successful orders took.
    durations: Mapping[str, int]


class PlanSources:
    """Reads them anew for each plan."""

    def __init__(self, database: Database, deployer: Deployer) -> None:
        self._database = database
        self._deployer = deployer

    async def read(self, controller_id: str, permits: Permits = everything) -> PlanSource:
        """Calendars and workflows that are not permitted count as unknown."""
        deployed = await self._deployer.current(controller_id, [ObjectType.WORKFLOW])
        workflows = [item for item in deployed if permits(item.path)]
        with_variables: set[str] = set()
        for number, item in enumerate(workflows):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if declares_variables(decode(item.inv_content)):
                with_variables.add(item.name)
        return PlanSource(
            schedules=await self.schedules(),
            calendars=await self.calendars(permits),
            workflow_folders={item.name: folder_of(item.path) for item in workflows},
            workflows_with_variables=frozenset(with_variables),
            durations=await self._durations(controller_id),
        )

    async def schedules(self) -> tuple[Schedule, ...]:
        """All released ones by path. One that cannot be read is told in the log, and is as if it were not there."""
        found: list[Schedule] = []
        for number, (path, content) in enumerate(await self._released(ObjectType.SCHEDULE)):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # reading is computation: others get their turn
            try:
                found.append(msgspec.structs.replace(read_schedule(content), path=path))
            except ReadError as error:
                _logger.error("a released schedule cannot be read", path=path, problem=str(error))
        return tuple(found)

    async def calendars(self, permits: Permits = everything) -> Calendars:
        """All released ones."""
        return Calendars(
            await self._calendars(ObjectType.WORKINGDAYSCALENDAR, permits),
            await self._calendars(ObjectType.NONWORKINGDAYSCALENDAR, permits),
        )

    async def _calendars(self, type_: ObjectType, permits: Permits) -> dict[str, Calendar]:
        found: dict[str, Calendar] = {}
        for path, content in await self._released(type_):
            if not permits(path):
                continue
            try:
                found[path.rpartition("/")[2]] = read_calendar(content)
            except ReadError as error:
                _logger.error("a released calendar cannot be read", path=path, problem=str(error))
        return found

    async def _released(self, type_: ObjectType) -> list[tuple[str, Any]]:
        table = inv_released_configurations
        query = select(table.c.path, table.c.content).where(table.c.type == int(type_)).order_by(table.c.path)
        async with self._database.read() as connection:
            rows = list(await connection.execute(query))
        found: list[tuple[str, Any]] = []
        for number, row in enumerate(rows):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            found.append((row.path, decode(row.content)))
        return found

    async def _durations(self, controller_id: str) -> dict[str, int]:
        table = history_orders
        query = (
            select(table.c.workflow_name, func.avg(table.c.end_time - table.c.start_time).label("duration"))
            .where(table.c.controller_id == controller_id, IS_ROOT, table.c.state == FINISHED.code)
            .group_by(table.c.workflow_name)
        )
        async with self._database.read() as connection:
            return {row.workflow_name: int(row.duration or 0) for row in await connection.execute(query)}


def declares_variables(workflow: Any) -> bool:
    """Whether a workflow (in inventory spelling) has order variables."""
    preparation = workflow.get("orderPreparation") if isinstance(workflow, dict) else None
    preparation = preparation or (workflow.get("orderRequirements") if isinstance(workflow, dict) else None)
    return bool(preparation and preparation.get("parameters"))
