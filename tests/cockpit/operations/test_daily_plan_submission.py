"""Planned orders reach the Controller, each once, whatever is killed or gets lost (cockpit-services 4.5, 4.6)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from plan_world import CONTROLLER_ID, DyingWrites, Killed, PlanWorld, at, each, in_days, schedule
from sqlalchemy import select, update

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.daily_plan.selection import PlanFilter, PlanReader
from stellwerk.cockpit.daily_plan.submission import Submitter
from stellwerk.cockpit.database.tables.daily_plan import dpl_history
from stellwerk.cockpit.projection.writer import ProjectionWriter
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.events import encode_line
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem

TOMORROW, DAY_AFTER = in_days(1), in_days(2)


@pytest.fixture
async def planned(plans: PlanWorld) -> PlanWorld:
    """Six orders tomorrow: three single starts, a cycle of three."""
    for number in range(3):
        await plans.release(f"/plans/s{number}", schedule(at(f"0{number}:30:00")))
    await plans.release("/plans/hourly", schedule(each("01:00:00", "10:00", "13:00")))
    await plans.generate(TOMORROW)
    return plans


async def history(world: PlanWorld) -> list[Any]:
    async with world.cockpit.database.read() as connection:
        return list(await connection.execute(select(dpl_history).order_by(dpl_history.c.id)))


def sent(world: PlanWorld) -> list[dict[str, Any]]:
    return [command["order"] for command in world.controller.commands if command["TYPE"] == "AddOrder"]


async def test_orders_are_sent_with_all_they_need(plans: PlanWorld) -> None:
    parameterisation = {
        "orderName": "n1",
        "variables": {"a": "x", "n": 3},
        "positions": {"startPosition": "load"},
        "priority": 5,
        "forceJobAdmission": True,
    }
    await plans.release("/plans/nightly", schedule(at("02:00"), orderParameterisations=[parameterisation]))
    await plans.generate(TOMORROW)
    [row] = await plans.rows()
    await plans.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert sent(plans) == [
        {
            "id": row.order_id,
            "workflowPath": "LOAD",
            "planId": ["DailyPlan", str(TOMORROW)],
            "arguments": {"a": "x", "n": 3},
            "deleteWhenTerminated": True,
            "scheduledFor": row.planned_start,
            "priority": 5,
            "forceAdmission": True,
            "startPosition": "load",
        }
    ]
    [order] = await plans.orders(TOMORROW)
    assert order["state"] == {"_text": "SUBMITTED", "severity": 5} and order["submitted"] is True


async def test_what_is_submitted_is_not_sent_again(planned: PlanWorld) -> None:
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW), dailyPlanDateTo=str(DAY_AFTER))
    assert len(sent(planned)) == 6
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == 6
    answer = await planned.client.post(
        "daily_plan/orders/summary", {"controllerIds": [CONTROLLER_ID], "dailyPlanDateFrom": str(TOMORROW)}
    )
    assert answer == {"submitted": 6, "submittedLate": 0, "planned": 0, "plannedLate": 0, "finished": 0}


async def test_one_id_of_a_cycle_submits_the_whole_cycle(planned: PlanWorld) -> None:
    cycle = (await planned.orders(TOMORROW))[-1]
    await planned.do("submit", orderIds=cycle["orderId"])
    assert sorted(order["id"][25:31] for order in sent(planned)) == ["00001-", "00002-", "00003-"]


async def test_generation_submits_what_asks_for_it(plans: PlanWorld) -> None:
    await plans.release("/plans/now", schedule(at("02:00"), submitOrderToControllerWhenPlanned=True))
    await plans.release("/plans/later", schedule(at("03:00")))
    await plans.generate(TOMORROW)
    assert [item["state"]["_text"] for item in await plans.orders(TOMORROW)] == ["SUBMITTED", "PLANNED"]
    await plans.generate(DAY_AFTER, withSubmit=True)
    assert {item["state"]["_text"] for item in await plans.orders(DAY_AFTER)} == {"SUBMITTED"}
    # A call that was broken off before it submitted is repeated.
    await plans.generate(TOMORROW, withSubmit=True)
    assert {item["state"]["_text"] for item in await plans.orders(TOMORROW)} == {"SUBMITTED"}


async def test_a_refused_order_stays_planned_and_its_message_is_kept(planned: PlanWorld) -> None:
    [first, *_] = await planned.rows()

    def refuse(command: dict[str, Any]) -> Problem | None:
        is_first = command.get("order", {}).get("id") == first.order_id
        return Problem(message="the argument 'file' is missing") if is_first else None

    planned.controller.refuse = refuse
    answer = await planned.do("submit", dailyPlanDateFrom=str(TOMORROW), status=419)
    assert [error["path"] for error in answer["errors"]] == [first.order_id]
    states = Counter(item["state"]["_text"] for item in await planned.orders(TOMORROW, expandCycleOrders=True))
    assert states == {"PLANNED": 1, "SUBMITTED": 5}
    main = await planned.client.post("daily_plan/history", {"controllerId": CONTROLLER_ID})
    assert [(day["date"], day["countTotal"], day["countSubmitted"]) for day in main["dates"]] == [(str(TOMORROW), 6, 5)]
    request = {"controllerId": CONTROLLER_ID, "date": str(TOMORROW)}
    [submission] = (await planned.client.post("daily_plan/history/submissions", request))["submissionTimes"]
    assert (submission["countTotal"], submission["countSubmitted"]) == (6, 5)
    shown = await planned.client.post(
        "daily_plan/history/submissions/orders",
        {**request, "submissionTime": submission["submissionTime"], "submitted": "false"},
    )
    assert [order["orderId"] for order in shown["orders"]] == [first.order_id]
    assert first.order_id in shown["errorMessages"][0] and "file" in shown["errorMessages"][0]
    # What is mended is sent the next time, under the same id.
    planned.controller.refuse = lambda command: None
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert sent(planned)[-1]["id"] == first.order_id and len(sent(planned)) == 6


async def test_the_plan_schema_is_sent_to_a_controller_that_misses_it(planned: PlanWorld) -> None:
    def refuse(command: dict[str, Any]) -> Problem | None:
        knows = any(
            item.get("item", {}).get("id") == "DailyPlan" for items in planned.controller.items for item in items
        )
        return None if knows else Problem.of("UnknownKey", type="PlanSchema", key="PlanSchema:DailyPlan")

    planned.controller.refuse = refuse
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == 6


async def test_a_lost_answer_is_found_out_and_nothing_is_sent_twice(planned: PlanWorld) -> None:
    planned.controller.lost_answers = 1
    answer = await planned.do("submit", dailyPlanDateFrom=str(TOMORROW), status=420)
    assert answer["error"]["code"] == "JOC-402"
    assert len(sent(planned)) == 6
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == 6, "all of them had arrived"
    assert {item["state"]["_text"] for item in await planned.orders(TOMORROW)} == {"SUBMITTED"}
    assert all(row.submitted for row in await history(planned))


async def test_a_lost_request_is_sent_again(planned: PlanWorld) -> None:
    planned.controller.lost_requests = 1
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW), status=420)
    assert sent(planned) == []
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == len({order["id"] for order in sent(planned)}) == 6
    rows = await history(planned)
    assert Counter(row.submitted for row in rows) == {False: 6, True: 6}
    assert all(row.message for row in rows if not row.submitted)


@pytest.mark.parametrize("is_behind", [False, True])
async def test_death_at_any_write_leaves_no_order_out_and_sends_none_twice(planned: PlanWorld, is_behind: bool) -> None:
    submitter, reader = planned.cockpit.services.get(Submitter), planned.cockpit.services.get(PlanReader)
    deaths = 0
    while True:
        rows = await reader.select(PlanFilter(controller_ids=[CONTROLLER_ID], states=["PLANNED"]), 0)
        dying = DyingWrites(planned.cockpit.database.write, deaths, is_behind=is_behind)
        try:
            await submitter.submit(CONTROLLER_ID, rows, "root", dying)
            break
        except Killed:
            deaths += 1
    assert deaths >= 2, "before and after sending"
    assert Counter(order["id"] for order in sent(planned)) == Counter(row.order_id for row in await planned.rows())
    assert {item["state"]["_text"] for item in await planned.orders(TOMORROW)} == {"SUBMITTED"}


async def test_an_order_that_ran_and_was_deleted_before_the_death_is_not_run_again(planned: PlanWorld) -> None:
    submitter, reader = planned.cockpit.services.get(Submitter), planned.cockpit.services.get(PlanReader)
    rows = await reader.select(PlanFilter(controller_ids=[CONTROLLER_ID]), 0)
    with pytest.raises(Killed):
        await submitter.submit(
            CONTROLLER_ID, rows, "root", DyingWrites(planned.cockpit.database.write, 1, is_behind=False)
        )
    # The Controller has forgotten them; its events and the history have not.
    await submitter.settle(CONTROLLER_ID, planned.cockpit.database.write)
    assert {item["state"]["_text"] for item in await planned.orders(TOMORROW)} == {"SUBMITTED"}
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == 6


async def test_what_another_cockpit_sends_is_left_alone_until_it_must_have_ended(planned: PlanWorld) -> None:
    submitter, reader = planned.cockpit.services.get(Submitter), planned.cockpit.services.get(PlanReader)
    rows = await reader.select(PlanFilter(controller_ids=[CONTROLLER_ID]), 0)
    with pytest.raises(Killed):
        await submitter.submit(
            CONTROLLER_ID, rows, "root", DyingWrites(planned.cockpit.database.write, 0, is_behind=True)
        )
    assert sent(planned) == []

    async def of_another(**values: Any) -> None:
        async with planned.cockpit.database.write() as connection:
            await connection.execute(update(dpl_history).values(submitter="other:member/run", **values))

    await of_another()
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    await planned.do("delete", dailyPlanDateFrom=str(TOMORROW))
    removal = {"controllerId": CONTROLLER_ID, "filter": {"dateFor": str(TOMORROW)}}
    await planned.client.post("daily_plan/submissions/delete", removal)
    assert sent(planned) == [] and len(await planned.rows()) == 6
    await of_another(submission_time=dpl_history.c.submission_time - 61_000)
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert len(sent(planned)) == 6


async def test_submissions_at_once_send_each_order_once(planned: PlanWorld) -> None:
    calls = [planned.do("submit", dailyPlanDateFrom=str(TOMORROW)) for _ in range(4)]
    await asyncio.gather(*calls)
    assert Counter(order["id"] for order in sent(planned)) == Counter(row.order_id for row in await planned.rows())


async def test_a_cancelled_order_is_planned_again_and_gets_a_new_id_with_its_next_submission(
    planned: PlanWorld,
) -> None:
    [first, *_] = await planned.rows()
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    await planned.do("cancel", orderIds=[first.order_id])
    assert planned.controller.commands[-1] == {
        "TYPE": "CancelOrders",
        "orderIds": [first.order_id],
        "mode": {"TYPE": "FreshOnly"},
    }
    [item, *_] = await planned.orders(TOMORROW)
    assert (item["orderId"], item["state"]["_text"]) == (first.order_id, "PLANNED")
    await planned.do("submit", orderIds=[first.order_id])
    again = sent(planned)[-1]["id"]
    assert again != first.order_id and again[:13] == first.order_id[:13] and again[25:] == first.order_id[25:]
    assert (await planned.orders(TOMORROW))[0]["orderId"] == again


async def test_a_cancelled_cycle_keeps_together_and_keeps_its_variables(plans: PlanWorld) -> None:
    parameterisation = [{"orderName": "n", "variables": {"a": "x"}}]
    await plans.release(
        "/plans/c", schedule(each("01:00:00", "10:00", "13:00"), orderParameterisations=parameterisation)
    )
    await plans.generate(TOMORROW)
    [cycle] = await plans.orders(TOMORROW)
    await plans.do("submit", orderIds=[cycle["orderId"]])
    await plans.do("cancel", orderIds=[cycle["orderId"]])
    await plans.do("submit", orderIds=[cycle["orderId"]])
    again = sent(plans)[3:]
    assert len(again) == 3 and len({order["id"][:25] for order in again}) == 1
    assert all(order["arguments"] == {"a": "x"} for order in again)
    await plans.check_sound()


async def test_what_has_started_cannot_be_cancelled_and_what_was_cancelled_is_no_error(planned: PlanWorld) -> None:
    first, second, third, *_ = await planned.rows()
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    # It has ended and is deleted, which history does not know yet.
    planned.controller.started.append(third.order_id)

    def refuse(command: dict[str, Any]) -> Problem | None:
        if command["TYPE"] != "CancelOrders":
            return None
        if command["orderIds"] == [first.order_id]:
            return Problem.of("CancelStartedOrder", orderId=first.order_id)
        return Problem.of("UnknownKey", type="OrderId", key=f"Order:{command['orderIds'][0]}")

    planned.controller.refuse = refuse
    ids = [first.order_id, second.order_id, third.order_id]
    answer = await planned.do("cancel", orderIds=ids, status=419)
    assert [error["path"] for error in answer["errors"]] == [first.order_id, third.order_id]
    states = {item["orderId"]: item["state"]["_text"] for item in await planned.orders(orderIds=ids)}
    assert states == {first.order_id: "SUBMITTED", second.order_id: "PLANNED", third.order_id: "SUBMITTED"}


async def test_history_makes_orders_finished_and_late(planned: PlanWorld, cockpit: Cockpit) -> None:
    first, second, *_ = await planned.rows()
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    await finish(cockpit, first, started=first.planned_start + 61_000)
    items = {item["orderId"]: item for item in await planned.orders(TOMORROW)}
    assert items[first.order_id]["state"] == {"_text": "FINISHED", "severity": 6}
    assert items[first.order_id]["late"] is True and items[second.order_id]["late"] is False
    assert [item["orderId"] for item in await planned.orders(TOMORROW, states=["FINISHED"])] == [first.order_id]
    assert [item["orderId"] for item in await planned.orders(TOMORROW, late=True)] == [first.order_id]
    answer = await planned.do("modify", orderIds=[first.order_id], scheduledFor="cur + 60", status=420)
    assert "Some orders are not in the state SCHEDULED or PLANNED" in answer["error"]["message"]


async def finish(cockpit: Cockpit, row: Any, started: int) -> None:
    """Events of the order as the Controller writes them, projected."""
    workflow = {"path": "LOAD", "versionId": "v1"}
    events = [
        ({"TYPE": "OrderAdded", "workflowId": workflow, "scheduledFor": row.planned_start}, started - 5),
        ({"TYPE": "OrderStarted"}, started),
        ({"TYPE": "OrderFinished"}, started + 1000),
    ]
    lines = [encode_line(time * 1000, row.order_id, encode(event), time) for event, time in events]
    await ProjectionWriter(cockpit.database, CONTROLLER_ID).project(lines)


async def test_an_unreachable_controller_is_told_and_nothing_is_lost(planned: PlanWorld) -> None:
    await planned.controller.server.stop()
    answer = await planned.do("submit", dailyPlanDateFrom=str(TOMORROW), status=420)
    assert answer["error"]["code"] == "JOC-402"
    assert {item["state"]["_text"] for item in await planned.orders(TOMORROW)} == {"PLANNED"}
    with pytest.raises(PeerUnreachableError):
        await planned.cockpit.services.get(Submitter).settle(CONTROLLER_ID, planned.cockpit.database.write)
