"""Locks, boards, plans and their commands on a real Controller, across restarts (orders spec 6.7, 6.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from node_world import NodeWorld, workflow

from stellwerk.values.problems import ProblemError

DAILY_PLAN = {
    "TYPE": "PlanSchema",
    "id": "DailyPlan",
    "unknownPlanIsOpenFunction": "day => $day >= $unknownPlansOpenFrom",
    "namedValues": {"unknownPlansOpenFrom": ""},
}
DAY = ["DailyPlan", "2026-01-15"]
PROMPT = {"TYPE": "Prompt", "question": "'?'"}
KEY = "match($js7OrderId, '#([^#]+)#.*', '$1')"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NodeWorld]:
    async with NodeWorld(tmp_path, ()) as world:
        yield world


def simple(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"TYPE": "AddOrChangeSimple", "item": item} for item in items]


async def problem_of(world: NodeWorld, command: dict[str, Any]) -> str:
    with pytest.raises(ProblemError) as caught:
        await world.command(command)
    return str(caught.value.problem)


async def add(world: NodeWorld, order_id: str, path: str = "W", plan: list[str] = DAY) -> None:
    await world.add_order(order_id, path, planId=plan)


async def restart(world: NodeWorld) -> None:
    """As after `kill -9`; what is recovered must be what there was."""
    before = world.snapshot(world.running_controller)
    await world.stop_controller(orderly=False)
    await world.start_controller()
    assert world.snapshot(world.running_controller) == before


async def test_a_plan_is_closed_finished_and_deleted(world: NodeWorld) -> None:
    await world.items(*simple(DAILY_PLAN, {"TYPE": "PlannableBoard", "path": "B"}))
    await world.deploy(workflow("W", {"TYPE": "PostNotices", "boardPaths": ["B"]}, PROMPT))
    await add(world, "O")
    await world.until_event("O", "OrderPrompted")
    await world.command({"TYPE": "ChangePlan", "planId": DAY, "status": "Closed"})
    await world.command({"TYPE": "ChangePlan", "planId": DAY, "status": "Closed"})
    refused = await problem_of(world, {"TYPE": "AddOrder", "order": {"id": "P", "workflowPath": "W", "planId": DAY}})
    assert "PlanIsClosed" in refused
    refused = await problem_of(world, {"TYPE": "ChangePlan", "planId": DAY, "status": "Deleted"})
    assert "cannot be deleted because it is not finished" in refused
    await restart(world)
    await world.command({"TYPE": "AnswerOrderPrompt", "orderId": "O"})
    await world.command({"TYPE": "DeleteOrdersWhenTerminated", "orderIds": ["O"]})
    kinds = [event["TYPE"] for event in world.events() if event["TYPE"].startswith(("Plan", "Notice"))]
    assert kinds == ["PlanClosed", "PlanFinished", "NoticeDeleted", "PlanDeleted"]
    await world.command({"TYPE": "ChangePlan", "planId": DAY, "status": "Open"})
    await add(world, "Q")
    await restart(world)


async def test_a_finished_plan_is_kept_for_its_time(world: NodeWorld) -> None:
    await world.items(*simple(DAILY_PLAN))
    await world.deploy(workflow("W"))
    change = {"TYPE": "ChangePlanSchema", "planSchemaId": "DailyPlan", "finishedPlanRetentionPeriod": 0.2}
    await world.command(change)
    await world.command({"TYPE": "ChangePlan", "planId": DAY, "status": "Closed"})
    await restart(world)
    refused = await problem_of(world, {"TYPE": "AddOrder", "order": {"id": "P", "workflowPath": "W", "planId": DAY}})
    assert "PlanIs" in refused

    def is_deleted() -> bool:
        return any(event["TYPE"] == "PlanDeleted" for event in world.events())

    await world.until(is_deleted, "PlanDeleted")


async def test_days_of_the_past_are_unknown_and_not_open(world: NodeWorld) -> None:
    await world.items(*simple(DAILY_PLAN))
    await world.deploy(workflow("W"))
    await world.command(
        {"TYPE": "ChangePlanSchema", "planSchemaId": "DailyPlan", "namedValues": {"unknownPlansOpenFrom": "2026-01-15"}}
    )
    old = ["DailyPlan", "2026-01-14"]
    refused = await problem_of(world, {"TYPE": "AddOrder", "order": {"id": "P", "workflowPath": "W", "planId": old}})
    assert "PlanIsDeleted" in refused
    await add(world, "O")
    for plan in (["Nowhere", "1"], ["DailyPlan"]):
        order = {"id": "P", "workflowPath": "W", "planId": plan}
        assert await problem_of(world, {"TYPE": "AddOrder", "order": order})
    assert "P" not in world.running_controller.state.orders


async def test_orders_of_different_days_do_not_meet_at_a_plannable_board(world: NodeWorld) -> None:
    await world.items(*simple(DAILY_PLAN, {"TYPE": "PlannableBoard", "path": "B"}))
    await world.deploy(
        workflow("P", {"TYPE": "PostNotices", "boardPaths": ["B"]}),
        workflow("E", {"TYPE": "ExpectNotices", "boardPaths": "'B'", "whenNotAnnounced": "SkipWhenNoNotice"}),
    )
    # announced by an order of this day that comes later
    await world.command(
        {
            "TYPE": "AddOrder",
            "order": {"id": "P1", "workflowPath": "P", "planId": DAY, "scheduledFor": 4_000_000_000_000},
        }
    )
    await add(world, "E1", "E")
    await add(world, "E2", "E", ["DailyPlan", "2026-01-16"])
    assert world.of("E1")[-1] == "OrderNoticesExpected"
    assert "OrderFinished" in world.of("E2")  # nothing is announced there
    await restart(world)
    await world.command({"TYPE": "CancelOrders", "orderIds": ["P1"]})
    await add(world, "P2", "P")
    await world.until_done("E1")


async def test_a_board_changes_its_type_under_waiting_orders(world: NodeWorld) -> None:
    board = {"path": "B", "postOrderToNoticeKey": KEY, "expectOrderToNoticeKey": KEY}
    await world.items(*simple(DAILY_PLAN, {"TYPE": "GlobalBoard", **board}))
    await world.deploy(
        workflow("E", {"TYPE": "ExpectNotices", "boardPaths": "'B'"}),
        workflow("P", {"TYPE": "PostNotices", "boardPaths": ["B"]}),
    )
    await add(world, "#2026-01-15#E", "E")
    await world.command({"TYPE": "PostNotice", "noticeId": ["B", "2026-01-16"]})
    change = {
        "TYPE": "ChangeGlobalToPlannableBoard",
        "plannableBoard": {"path": "B", "postOrderToNoticeKey": '""', "expectOrderToNoticeKey": '""'},
        "planSchemaId": "DailyPlan",
        "splitNoticeKey": 'key => [$key, ""]',
    }
    await world.command(change)
    moved = [event for event in world.events() if event["TYPE"] == "NoticeMoved"]
    assert {str(event["toPlannedNoticeKey"]) for event in moved} >= {"['DailyPlan', '2026-01-16']"}
    assert world.of("#2026-01-15#E")[-2:] == ["OrderStateReset", "OrderNoticesExpected"]
    assert "already" in await problem_of(world, change)
    await restart(world)
    await add(world, "#2026-01-16#E", "E", ["DailyPlan", "2026-01-16"])
    assert world.of("#2026-01-16#E")[-1] == "OrderFinished"
    await add(world, "#2026-01-15#P", "P")
    await world.until_done("#2026-01-15#E")
    await world.command(
        {
            "TYPE": "ChangePlannableToGlobalBoard",
            "globalBoard": board,
            "planSchemaId": "DailyPlan",
            "makeNoticeKey": "(planKey, noticeKey) => $planKey",
        }
    )
    await world.add_order("#2026-01-15#F", "E")
    assert world.of("#2026-01-15#F")[-1] == "OrderFinished"


async def test_a_board_does_not_change_its_type_by_an_update(world: NodeWorld) -> None:
    await world.items(*simple({"TYPE": "PlannableBoard", "path": "B"}))
    board = {"TYPE": "GlobalBoard", "path": "B", "postOrderToNoticeKey": "'k'", "expectOrderToNoticeKey": "'k'"}
    with pytest.raises(ProblemError):
        await world.items(*simple(board))
    assert [event["TYPE"] for event in world.events()].count("UnsignedSimpleItemChanged") == 0


async def test_what_is_in_use_is_not_deleted_and_what_is_free_is(world: NodeWorld) -> None:
    lock, board = {"TYPE": "Lock", "path": "L"}, {"TYPE": "PlannableBoard", "path": "B"}
    calendar = {"TYPE": "Calendar", "path": "C", "orderIdPattern": "#([^#]+)#.*", "periodDatePattern": "yyyy-MM-dd"}
    await world.items(*simple(lock, board, calendar))
    body = {"instructions": [{"TYPE": "PostNotices", "boardPaths": ["B"]}]}
    await world.deploy(
        workflow("W", {"TYPE": "Lock", "demands": [{"lockPath": "L"}], "lockedWorkflow": body}, calendarPath="C")
    )
    for path in ("Lock:L", "Board:B", "Calendar:C"):
        with pytest.raises(ProblemError) as caught:
            await world.items({"TYPE": "DeleteSimple", "path": path})
        assert "ItemIsStillReferenced" in str(caught.value)
    await world.items(
        {"TYPE": "AddVersion", "versionId": "x"},
        {"TYPE": "RemoveVersioned", "path": "Workflow:W"},
        *({"TYPE": "DeleteSimple", "path": path} for path in ("Lock:L", "Board:B", "Calendar:C")),
    )
    await restart(world)
    state = world.running_controller.state
    assert not state.locks.items and not state.calendars and not state.notices.boards


async def test_a_lock_in_use_cannot_be_deleted_and_its_limit_can_change(world: NodeWorld) -> None:
    await world.items(*simple({"TYPE": "Lock", "path": "L", "limit": 2}))
    demand = {"lockPath": "L", "count": 1}
    await world.deploy(
        workflow("W", {"TYPE": "Lock", "demands": [demand], "lockedWorkflow": {"instructions": [PROMPT]}})
    )
    for name in "OPQ":
        await world.add_order(name, "W")
    assert world.of("Q")[-1] == "OrderLocksQueued"
    await restart(world)
    await world.items(*simple({"TYPE": "Lock", "path": "L", "limit": 1}))
    await world.command({"TYPE": "AnswerOrderPrompt", "orderId": "O"})
    await world.until_done("O")
    assert world.of("Q")[-1] == "OrderLocksQueued"  # one holder is left, which is the new limit
    await world.items(*simple({"TYPE": "Lock", "path": "L", "limit": 3}))
    assert world.of("Q")[-1] == "OrderPrompted"
    await restart(world)


async def test_notices_by_command(world: NodeWorld) -> None:
    board = {"TYPE": "GlobalBoard", "path": "B", "postOrderToNoticeKey": "'k'", "expectOrderToNoticeKey": "'k'"}
    await world.items(*simple(board))
    for notice_id in (["C", "k"], [], "x", ["DailyPlan", "2026-01-15", "B"], ["a", "b", "c", "d", "e"]):
        assert await problem_of(world, {"TYPE": "PostNotice", "noticeId": notice_id})
    await world.command({"TYPE": "PostNotice", "boardPath": "B", "noticeId": "k", "endOfLife": 4_000_000_000_000})
    await restart(world)
    await world.command({"TYPE": "DeleteNotice", "noticeId": ["B", "k"]})
    assert "UnknownKey" in await problem_of(world, {"TYPE": "DeleteNotice", "noticeId": ["B", "k"]})
