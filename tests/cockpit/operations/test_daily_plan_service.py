"""The service of the active Cockpit: plans and submits days ahead, goes on after a death (cockpit-services 4.4)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from plan_world import CONTROLLER_ID, DyingWrites, Killed, PlanWorld, at, in_days, schedule
from sqlalchemy import select, update

from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.generation import Generator
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.projections import Projections
from stellwerk.cockpit.daily_plan.selection import PlanReader
from stellwerk.cockpit.daily_plan.service import LAST_RUN, DailyPlanService
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.submission import Submitter
from stellwerk.cockpit.database.fence import Fence, NotActiveError
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.language.daily_plan import PlanSettings

DEADLINE_SECONDS = 30


@pytest.fixture
async def planned(plans: PlanWorld) -> PlanWorld:
    await plans.set(days_ahead_plan=4, days_ahead_submit=2)
    await plans.release("/plans/nightly", schedule(at("02:00")))
    await plans.release("/plans/by-hand", schedule(at("03:00"), planOrderAutomatically=False))
    return plans


def another_service(world: PlanWorld, fence: Fence, period_seconds: float = 0.02) -> DailyPlanService:
    """As of another process, or after a restart."""
    get = world.cockpit.services.get
    return DailyPlanService(
        fence,
        world.cockpit.clock,
        get(ControllerConnections),
        get(Generator),
        get(Submitter),
        get(PlanReader),
        get(Projections),
        get(DailyPlanSettings),
        get(PlanNews),
        period_seconds,
    )


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def dates(world: PlanWorld) -> list[tuple[date, str]]:
    items = await world.orders(in_days(0), in_days(9))
    return [(date.fromisoformat(item["plannedStartTime"][:10]), item["state"]["_text"]) for item in items]


AFTER_A_RUN = [
    (in_days(1), "SUBMITTED"),
    (in_days(2), "SUBMITTED"),
    (in_days(3), "PLANNED"),
    (in_days(4), "PLANNED"),
]


async def test_a_run_plans_and_submits_days_ahead_once(planned: PlanWorld) -> None:
    answer = await planned.client.post("joc/cluster/run", {"type": "dailyplan"})
    assert answer["state"] == "RUNNING"

    async def is_done() -> bool:
        return await dates(planned) == AFTER_A_RUN and bool((await planned.cockpit.services.get(Projections).meta())[0])

    await until(is_done)
    rows = await planned.rows()
    service = planned.cockpit.services.get(DailyPlanService)
    settings = planned.cockpit.services.get(DailyPlanSettings).read()
    assert await service.plan(CONTROLLER_ID, settings) == 0
    assert await service.submit(CONTROLLER_ID, settings) == 0
    assert await planned.rows() == rows
    assert planned.controller.commands[-1]["TYPE"] == "ChangePlanSchema"


async def test_a_day_whose_orders_a_person_has_deleted_is_not_planned_again(planned: PlanWorld) -> None:
    service = planned.cockpit.services.get(DailyPlanService)
    settings = planned.cockpit.services.get(DailyPlanSettings).read()
    await service.plan(CONTROLLER_ID, settings)
    await planned.do("delete", dailyPlanDateFrom=str(in_days(4)))
    assert await service.plan(CONTROLLER_ID, settings) == 0
    assert len(await planned.rows()) == 3
    request = {"controllerId": CONTROLLER_ID, "filter": {"dateFor": str(in_days(4))}}
    await planned.client.post("daily_plan/submissions/delete", request)
    assert await service.plan(CONTROLLER_ID, settings) == 1


async def test_it_runs_when_the_time_has_come_and_not_before(planned: PlanWorld) -> None:
    """The time of the last run is in the database: what another process has done counts."""
    fence = planned.cockpit.services.get(Fence)
    service = another_service(planned, fence)
    await service.start(StartMode.AUTOMATIC)

    async def has_looked() -> bool:
        return await last_run(planned) is not None

    await until(has_looked)
    assert await planned.rows() == []
    two_days_ago = planned.cockpit.clock.now_ms() - 2 * 86_400_000
    async with planned.cockpit.database.write() as connection:
        await connection.execute(
            update(joc_variables).where(joc_variables.c.name == LAST_RUN).values(numeric_value=two_days_ago)
        )

    async def has_run() -> bool:
        known = await last_run(planned)
        return known is not None and known > two_days_ago

    await until(has_run)
    await service.stop()
    assert await dates(planned) == AFTER_A_RUN


async def last_run(world: PlanWorld) -> int | None:
    query = select(joc_variables.c.numeric_value).where(joc_variables.c.name == LAST_RUN)
    async with world.cockpit.database.read() as connection:
        found: int | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def test_no_days_ahead_switch_the_service_off(planned: PlanWorld) -> None:
    await planned.set(days_ahead_plan=0)
    answer = await planned.client.post("joc/cluster/run", {"type": "dailyplan"})
    assert answer["state"] == "MISSING_CONFIGURATION"


class DyingFence(Fence):
    """Of a process that dies at its n-th transaction."""

    def __init__(self, fence: Fence, dies_at: int, *, is_behind: bool) -> None:
        super().__init__(fence.database)
        self.term = fence.term
        self.write = DyingWrites(fence.write, dies_at, is_behind=is_behind)  # type: ignore[method-assign]


@pytest.mark.parametrize("is_behind", [False, True])
async def test_death_at_any_write_of_a_run_changes_nothing_of_its_result(planned: PlanWorld, is_behind: bool) -> None:
    fence = planned.cockpit.services.get(Fence)
    settings = planned.cockpit.services.get(DailyPlanSettings).read()
    deaths = 0
    while True:
        service = another_service(planned, DyingFence(fence, deaths, is_behind=is_behind))
        try:
            assert await service.run(settings)
            break
        except Killed:
            deaths += 1
    assert deaths >= 4
    assert await dates(planned) == AFTER_A_RUN
    added = [c["order"]["id"] for c in planned.controller.commands if c["TYPE"] == "AddOrder"]
    assert Counter(added) == Counter(row.order_id for row in await planned.rows() if row.submitted)


async def test_a_member_that_is_not_active_any_more_writes_nothing(planned: PlanWorld) -> None:
    deposed = Fence(planned.cockpit.database)
    deposed.term = 0
    with pytest.raises(NotActiveError):
        await another_service(planned, deposed).run(PlanSettings())
    assert await planned.rows() == [] and planned.controller.added == []
    service = another_service(planned, deposed)
    await service.start(StartMode.AUTOMATIC)
    assert await service.run_now() == "RUNNING"
    await until(lambda: _is_over(service))
    await service.stop()
    assert await planned.rows() == []


async def _is_over(service: DailyPlanService) -> bool:
    return service._rounds.have_ended


async def test_an_unreachable_controller_gets_its_orders_with_the_next_look(planned: PlanWorld) -> None:
    settings = planned.cockpit.services.get(DailyPlanSettings).read()
    service = planned.cockpit.services.get(DailyPlanService)
    planned.controller.lost_requests = 1
    assert await service.run(settings) is False
    assert len(await planned.rows()) == 4 and planned.controller.added == []
    # By itself, too.
    planned.controller.lost_requests = 1
    another = another_service(planned, planned.cockpit.services.get(Fence))
    await another.start(StartMode.AUTOMATIC)
    assert await another.run_now() == "RUNNING"

    async def is_done() -> bool:
        return await dates(planned) == AFTER_A_RUN

    await until(is_done)
    await another.stop()


async def test_old_plans_are_closed_once(planned: PlanWorld) -> None:
    yesterday = in_days(-1)
    await planned.generate(yesterday, includeLate=True)
    settings = planned.cockpit.services.get(DailyPlanSettings).read()
    service = planned.cockpit.services.get(DailyPlanService)
    await service.run(settings)
    await service.run(settings)
    closed = [command for command in planned.controller.commands if command["TYPE"].startswith("ChangePlan")]
    assert closed == [
        {"TYPE": "ChangePlan", "planId": ["DailyPlan", str(yesterday)], "status": "Closed"},
        {
            "TYPE": "ChangePlanSchema",
            "planSchemaId": "DailyPlan",
            "namedValues": {"unknownPlansOpenFrom": str(in_days(-31))},
        },
    ]
