"""Schedules become planned orders, each once, whatever happens meanwhile (cockpit-services 4.5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from plan_world import CONTROLLER_ID, DyingWrites, Killed, PlanWorld, at, each, in_days, schedule

from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.daily_plan import generation
from stellwerk.cockpit.daily_plan.generation import Generation, Generator
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import PlanSources
from stellwerk.cockpit.database import Database

TOMORROW, DAY_AFTER = in_days(1), in_days(2)


@pytest.fixture
async def busy(plans: PlanWorld) -> PlanWorld:
    """Twelve schedules, some of them cyclic: 24 orders a day."""
    for number in range(12):
        period = each("06:00:00", "01:00:00", "23:00:00") if number % 3 == 0 else at(f"{number:02}:30:00")
        await plans.release(f"/plans/s{number}", schedule(period, workflows=("LOAD",)))
    return plans


async def test_a_day_is_planned_with_single_starts_and_cycles(plans: PlanWorld) -> None:
    single = schedule(
        at("02:00"),
        orderParameterisations=[{"orderName": "n1", "variables": {"a": "x"}, "priority": 7, "tags": ["t"]}],
    )
    await plans.release("/plans/nightly", single)
    await plans.release("/plans/hourly", schedule(each("01:00:00", "10:00", "13:00")))
    await plans.generate(TOMORROW)

    night, hours = await plans.orders(TOMORROW)
    assert night["orderId"].startswith(f"#{TOMORROW}#P") and night["orderId"].endswith("-n1")
    assert len(night["orderId"].split("-n1")[0] + "-") == 25
    assert night["plannedStartTime"] == f"{TOMORROW}T02:00:00.000Z"
    assert night["state"] == {"_text": "PLANNED", "severity": 4} and night["submitted"] is False
    assert (night["workflowPath"], night["schedulePath"]) == ("/nightly/LOAD", "/plans/nightly")
    assert night["tags"] == ["t"] and night["startMode"] == 0 and night["late"] is False
    assert hours["orderId"].startswith(f"#{TOMORROW}#C") and hours["orderId"].endswith("-00001-3-hourly")
    assert hours["period"] == {"begin": "10:00", "end": "13:00", "repeat": 3600}
    cycle = hours["cyclicOrder"]
    assert (cycle["count"], cycle["firstStart"], cycle["lastStart"]) == (
        3,
        f"{TOMORROW}T10:00:00.000Z",
        f"{TOMORROW}T12:00:00.000Z",
    )
    expanded = await plans.orders(TOMORROW, expandCycleOrders=True)
    assert [item["orderId"][-14:] for item in expanded[1:]] == [f"0000{n}-3-hourly"[-14:] for n in (1, 2, 3)]
    variables = {"controllerId": CONTROLLER_ID, "orderId": night["orderId"]}
    answer = await plans.client.post("daily_plan/order/variables", variables)
    assert answer["variables"] == {"a": "x"}
    await plans.check_sound()


async def test_a_second_generation_adds_nothing_and_overwriting_makes_new_orders(busy: PlanWorld) -> None:
    await busy.generate(TOMORROW)
    first = await busy.rows()
    assert len(first) == 8 + 4 * 4
    await busy.generate(TOMORROW)
    assert [row.id for row in await busy.rows()] == [row.id for row in first]
    await busy.generate(TOMORROW, overwrite=True)
    again = await busy.rows()
    assert [row.planned_start for row in again] == [row.planned_start for row in first]
    assert not {row.order_id for row in again} & {row.order_id for row in first}
    await busy.check_sound()


async def test_only_what_is_asked_for_is_planned(busy: PlanWorld) -> None:
    await busy.release("/other/by-hand", schedule(at("05:00"), planOrderAutomatically=False))
    await busy.generate(TOMORROW, schedulePaths={"singles": ["/plans/s1"]})
    assert [row.schedule_name for row in await busy.rows()] == ["s1"]
    await busy.generate(TOMORROW, schedulePaths={"folders": [{"folder": "/other", "recursive": True}]})
    assert len(await busy.rows()) == 1
    await busy.generate(TOMORROW, schedulePaths={"folders": [{"folder": "/other"}]}, includeNonAutoPlannedOrders="true")
    assert [row.schedule_name for row in await busy.rows()] == ["s1", "by-hand"]
    await busy.generate(TOMORROW, workflowPaths={"singles": ["/nightly/NONE"]})
    assert len(await busy.rows()) == 2


async def test_what_cannot_be_planned_leaves_the_rest_alone(plans: PlanWorld) -> None:
    await plans.release("/plans/good", schedule(at("04:00")))
    await plans.release("/plans/missing-workflow", schedule(at("04:00"), workflows=("NONE",)))
    lost: Any = schedule(at("04:00"))
    lost["calendars"][0]["calendarName"] = "not-released"
    await plans.release("/plans/missing-calendar", lost)
    await plans.release("/plans/damaged", {"workflowNames": 7, "planOrderAutomatically": True})
    await plans.generate(TOMORROW)
    assert [row.schedule_name for row in await plans.rows()] == ["good"]


async def test_starts_that_have_passed_are_planned_only_if_asked_for(plans: PlanWorld) -> None:
    await plans.release("/plans/nightly", schedule(at("00:00:00")))
    yesterday = in_days(-1)
    await plans.generate(yesterday)
    assert await plans.rows() == []
    filter_ = {"dateFrom": str(yesterday), "dateTo": str(yesterday)}
    listed = await plans.client.post("daily_plan/submissions", {"controllerId": CONTROLLER_ID, "filter": filter_})
    assert listed["submissionHistoryItems"] == [], "a date for which nothing was stored has no plan"
    await plans.generate(yesterday, includeLate=True)
    [late] = await plans.orders(yesterday)
    assert late["late"] is True
    assert await plans.orders(yesterday, late="true", states=["SUBMITTED"]) == []
    assert len(await plans.orders(yesterday, late="true")) == 1


async def test_the_plan_day_begins_when_the_setting_says(plans: PlanWorld) -> None:
    await plans.set(period_begin="06:00:00")
    await plans.release("/plans/early", schedule(at("05:00")))
    await plans.generate(TOMORROW)
    [order] = await plans.orders(TOMORROW)
    assert order["plannedStartTime"] == f"{DAY_AFTER}T05:00:00.000Z"
    assert order["orderId"].startswith(f"#{TOMORROW}#")


async def test_a_request_without_date_or_for_an_unknown_controller_is_refused(plans: PlanWorld) -> None:
    answer = await plans.client.post("daily_plan/orders/generate", {"controllerId": CONTROLLER_ID}, status=420)
    assert answer["error"]["code"] == "JOC-406"
    answer = await plans.generate(TOMORROW, status=420, controllerId="nobody")
    assert answer["error"]["code"] == "JOC-404"
    answer = await plans.client.post(
        "daily_plan/orders/generate", {"controllerId": CONTROLLER_ID, "dailyPlanDate": "31.1.2026"}, status=420
    )
    assert answer["error"]["code"] == "JOC-400" and "31.1.2026" in answer["error"]["message"]


@pytest.mark.parametrize("is_behind", [False, True])
async def test_death_at_any_write_leaves_no_order_out_and_doubles_none(
    busy: PlanWorld, monkeypatch: pytest.MonkeyPatch, is_behind: bool
) -> None:
    monkeypatch.setattr(generation, "SLICE_SCHEDULES", 3)
    generator = busy.cockpit.services.get(Generator)
    days = (TOMORROW, DAY_AFTER)
    wanted = Generation(controller_id=CONTROLLER_ID, dates=days, account="root")
    deaths = 0
    while True:
        dying = DyingWrites(busy.cockpit.database.write, deaths, is_behind=is_behind)
        try:
            await generator.generate(wanted, dying)
            break
        except Killed:
            deaths += 1
        await busy.check_sound()
        # Another try that dies at once behind: what is left of two deaths is no more than of one.
        with pytest.raises(Killed):
            await generator.generate(wanted, DyingWrites(busy.cockpit.database.write, 1, is_behind=is_behind))
        await busy.check_sound()
        if deaths % 4 == 0:
            await busy.client.post(
                "daily_plan/submissions/delete",
                {"controllerId": CONTROLLER_ID, "filter": {"dateFrom": str(TOMORROW), "dateTo": str(DAY_AFTER)}},
            )
    assert deaths >= 12, "each transaction of two days"
    assert len(await busy.check_sound()) == 2 * 24


async def test_generations_at_once_plan_each_order_once(busy: PlanWorld, database_url: str) -> None:
    """As many Cockpits would do that share the database."""
    services = busy.cockpit.services
    sources, settings = services.get(PlanSources), services.get(DailyPlanSettings)
    wanted = Generation(controller_id=CONTROLLER_ID, dates=(TOMORROW, DAY_AFTER), account="root")
    generators = [services.get(Generator)]
    others = [] if busy.cockpit.database.is_sqlite else [await Database.open(database_url) for _ in range(2)]
    for database in others:
        ids = OrderIds(database, busy.cockpit.clock)
        generators.append(Generator(database, busy.cockpit.clock, ids, sources, settings))
    databases = [busy.cockpit.database, *others]
    counts = await asyncio.gather(
        *(
            generator.generate(wanted, database.write)
            for generator, database in zip(generators, databases, strict=True)
            for _ in range(3)
        )
    )
    for database in others:
        await database.close()
    assert sum(counts) == 2 * 24
    assert len(await busy.check_sound()) == 2 * 24


async def test_many_orders_are_written_in_slices(busy: PlanWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "SLICE_ORDERS", 5)
    slices: list[int] = []
    wanted = Generation(controller_id=CONTROLLER_ID, dates=[TOMORROW], account="root")
    added = await busy.cockpit.services.get(Generator).generate(wanted, busy.cockpit.database.write, slices.append)
    assert added == sum(slices) == 24 and len(slices) >= 4
    await busy.check_sound()
