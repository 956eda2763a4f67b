"""Notice boards: what lies on them, posting and deleting (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

import pytest

CONTROLLER_ID = "controller"

BOARD: dict[str, Any] = {
    "endOfLife": "$js7EpochMilli + 24 * 3600 * 1000",
    "expectOrderToNoticeId": "'k'",
    "postOrderToNoticeId": "'k'",
}
PLANNED: dict[str, Any] = {"boardType": "PLANNABLE"}
EXPECTING: dict[str, Any] = {
    "orderPreparation": {"allowUndeclared": True},
    "instructions": [
        {"TYPE": "ExpectNotices", "noticeBoardNames": "'READY'"},
        {"TYPE": "Prompt", "question": "'go on?'"},
    ],
}


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


@pytest.fixture
async def world(empty_world: Any) -> Any:
    await empty_world.deploy("/b/READY", BOARD, "NOTICEBOARD")
    await empty_world.deploy("/c/DAILY", PLANNED, "NOTICEBOARD")
    await empty_world.deploy("/f/WAITS", EXPECTING)
    return empty_world


async def _boards(world: Any, **filters: Any) -> dict[str, dict[str, str]]:
    """Board path → notice id → state."""
    answer = await world.call("notice/boards", **filters)
    return {
        board["path"]: {notice["id"]: notice["state"]["_text"] for notice in board["notices"]}
        for board in answer["noticeBoards"]
    }


async def test_boards_without_notices_have_empty_lists(world: Any) -> None:
    assert await _boards(world) == {"/b/READY": {}, "/c/DAILY": {}}
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": {}}
    assert await _boards(world, folders=[{"folder": "/c"}]) == {"/c/DAILY": {}}
    assert await _boards(world, folders=[{"folder": "/d", "recursive": True}]) == {}
    [board] = (await world.call("notice/boards", noticeBoardPaths=["/b/READY"]))["noticeBoards"]
    assert board["state"] == {"_text": "IN_SYNC", "severity": 6} and board["numOfNotices"] == 0


async def test_an_expected_notice_is_shown_posted_and_lets_the_order_go_on(world: Any) -> None:
    id_ = await world.add("WAITS")
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": {"k": "EXPECTED"}}
    [board] = (await world.call("notice/boards", noticeBoardPaths=["READY"]))["noticeBoards"]
    [notice] = board["notices"]
    assert notice["expectingOrderIds"] == [id_] and notice["expectingOrders"][0]["orderId"] == id_
    assert notice["expectingOrders"][0]["expectedNotices"] == [{"boardName": "READY", "noticeId": "k"}]
    await world.call("notices/post", noticeBoardPaths=["/b/READY"], noticeId="k", endOfLife="2h", timeZone="UTC")
    assert await world.see() == {id_: "PROMPTING"}
    one = (await world.call("notice/board", noticeBoardPath="/b/READY"))["noticeBoard"]
    [notice] = one["notices"]
    assert notice["state"]["_text"] == "POSTED" and notice["expectingOrders"] == [] and "endOfLife" in notice
    assert one["numOfPostedNotices"] == 1


async def test_notices_are_posted_and_deleted_in_all_forms(world: Any) -> None:
    await world.call("notices/post", noticeBoardPaths=["READY"], noticeId="2026-01-31")
    await world.call("notices/post", notices=[{"noticeBoardPath": "/b/READY", "noticeIds": ["a", "b"]}])
    await world.call("notice/post", noticeBoardPath="READY", noticeId="c")
    four = {"2026-01-31": "POSTED", "a": "POSTED", "b": "POSTED", "c": "POSTED"}
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": four}
    await world.call("notices/delete", noticeBoardPath="/b/READY", noticeIds=["2026-01-31", "a"])
    await world.call("notices/delete", notices=[{"noticeBoardPath": "READY", "noticeIds": ["b"]}])
    await world.call("notice/delete", noticeBoardPath="READY", noticeId="c")
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": {}}


async def test_notices_of_plans_have_ids_with_their_plan(world: Any) -> None:
    # With a file order source comes the schema of the daily plan.
    source = {"workflowName": "WAITS", "agentName": "Primary Agent", "directoryExpr": "'/tmp'", "pattern": "x"}
    await world.deploy("/f/FILES", source, "FILEORDERSOURCE")
    await world.call("notices/post", noticeBoardPaths=["/c/DAILY"], noticeId="2099-01-31")
    await world.call("notices/post", noticeBoardPaths=["/c/DAILY"], noticeId="DailyPlan/2099-01-31/k")
    posted = {"DailyPlan/2099-01-31": "POSTED", "DailyPlan/2099-01-31/k": "POSTED"}
    assert await _boards(world, noticeBoardPaths=["DAILY"]) == {"/c/DAILY": posted}
    assert await _boards(world, noticeBoardPaths=["DAILY"], noticeSpaceKeys=["2099-02-01"]) == {"/c/DAILY": {}}
    assert await _boards(world, noticeBoardPaths=["DAILY"], planSchemaIds=["DailyPlan"]) == {"/c/DAILY": posted}
    await world.call("notices/delete", noticeBoardPath="DAILY", noticeIds=["DailyPlan/2099-01-31"])
    assert await _boards(world, noticeBoardPaths=["DAILY"]) == {"/c/DAILY": {"DailyPlan/2099-01-31/k": "POSTED"}}


async def test_unknown_boards_and_notices_are_named(world: Any) -> None:
    for call, members in (
        ("notices/post", {"noticeBoardPaths": ["NONE"], "noticeId": "k"}),
        ("notices/delete", {"noticeBoardPath": "NONE", "noticeIds": ["k"]}),
        ("notice/board", {"noticeBoardPath": "NONE"}),
    ):
        answer = await world.call(call, **members, status=420)
        assert answer["error"]["code"] == "JOC-161" and "NONE" in answer["error"]["message"], call
    answer = await world.call("notices/delete", noticeBoardPath="READY", noticeIds=["absent"], status=420)
    assert answer["error"]["code"] == "JOC-161" and "absent" in answer["error"]["message"]
    answer = await world.call("notices/post", noticeBoardPaths=["READY", "NONE"], noticeId="k", status=419)
    assert [error["path"] for error in answer["errors"]] == ["NONE: k"], "the other one has been posted"
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": {"k": "POSTED"}}
    assert (await world.call("notices/post", noticeId="k", status=420))["error"]["code"] == "JOC-406"
    assert (await world.call("notices/delete", status=420))["error"]["code"] == "JOC-400"


async def test_an_end_of_life_in_the_past_is_none(world: Any) -> None:
    await world.call("notices/post", noticeBoardPaths=["READY"], noticeId="k", endOfLife="-2h")
    assert await _boards(world, noticeBoardPaths=["READY"]) == {"/b/READY": {"k": "POSTED"}}
