"""Locks, plans, boards and workflows that meet at them, searches (cockpit-api 3, 7)."""

from __future__ import annotations

from typing import Any

import pytest

SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}
LOCKED: dict[str, Any] = {
    "orderPreparation": {"allowUndeclared": True},
    "instructions": [
        {
            "TYPE": "Lock",
            "lockName": "L",
            "count": 1,
            "lockedWorkflow": {"instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]},
        }
    ],
}
EXCLUSIVE: dict[str, Any] = {
    "instructions": [
        {
            "TYPE": "Lock",
            "lockName": "L",
            "lockedWorkflow": {"instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]},
        }
    ],
}
POSTS: dict[str, Any] = {
    "instructions": [
        {"TYPE": "Prompt", "question": "'post?'"},
        {"TYPE": "PostNotices", "noticeBoardNames": ["DAILY"]},
        {"TYPE": "AddOrder", "workflowName": "WAITS", "arguments": {}},
    ]
}
WAITS: dict[str, Any] = {
    "orderPreparation": {"allowUndeclared": True},
    "instructions": [
        {"TYPE": "ExpectNotices", "noticeBoardNames": "'DAILY'"},
        {
            "TYPE": "ConsumeNotices",
            "noticeBoardNames": "'READY'",
            "subworkflow": {"instructions": [{"TYPE": "Prompt", "question": "'go on?'", "label": "ask"}]},
        },
    ],
}
BOARD = {"endOfLife": "$js7EpochMilli + 86400000", "expectOrderToNoticeId": "'k'", "postOrderToNoticeId": "'k'"}
SOURCE = {"workflowName": "WAITS", "agentName": "Primary Agent", "directoryExpr": "'/tmp'", "pattern": "x"}
DAY = {"planSchemaId": "DailyPlan", "noticeSpaceKey": "2099-01-31"}


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


async def test_locks_are_shown_with_who_holds_them_and_who_waits(empty_world: Any) -> None:
    world = empty_world
    await world.deploy("/l/L", {"limit": 2}, "LOCK")
    await world.deploy("/l/FREE", {}, "LOCK")
    await world.deploy("/w/SHARES", LOCKED)
    await world.deploy("/w/ALONE", EXCLUSIVE)
    first, second = await world.add("SHARES"), await world.add("SHARES")
    third = await world.add("ALONE")
    answer = await world.call("locks")
    free, lock = answer["locks"]
    assert free == {
        "lock": {**free["lock"], "path": "/l/FREE"},
        "acquiredLockCount": 0,
        "ordersHoldingLocksCount": 0,
        "ordersWaitingForLocksCount": 0,
        "workflows": [],
    }
    assert lock["lock"]["state"]["_text"] == "IN_SYNC"
    counts = (lock["acquiredLockCount"], lock["ordersHoldingLocksCount"], lock["ordersWaitingForLocksCount"])
    assert counts == (2, 2, 1)
    alone, shares = lock["workflows"]
    assert [item["order"]["orderId"] for item in shares["ordersHoldingLocks"]] == sorted([first, second])
    assert shares["ordersHoldingLocks"][0]["lock"] == {"id": "L", "type": "SHARED", "count": 1}
    assert alone["path"] == "/w/ALONE" and alone["ordersHoldingLocks"] == []
    assert alone["ordersWaitingForLocks"][0]["order"]["orderId"] == third
    assert alone["ordersWaitingForLocks"][0]["lock"] == {"id": "L", "type": "EXCLUSIVE"}
    await world.do("confirm", first, second)
    one = (await world.call("lock", lockPath="L"))["lock"]
    counts = (one["acquiredLockCount"], one["ordersHoldingLocksCount"], one["ordersWaitingForLocksCount"])
    assert counts == (2, 1, 0), "an exclusive one has all of it"
    assert "workflows" not in (await world.call("lock", lockPath="/l/L", compact=True))["lock"]
    assert [item["lock"]["path"] for item in (await world.call("locks", lockPaths=["FREE"]))["locks"]] == ["/l/FREE"]
    assert (await world.call("locks", folders=[{"folder": "/w"}]))["locks"] == []
    missing = await world.call("lock", lockPath="NONE", status=420)
    assert missing["error"]["code"] == "JOC-161"


@pytest.fixture
async def world(empty_world: Any) -> Any:
    """`WAITS` expects at `DAILY`, where `POSTS` posts; both are in the plan of a day."""
    await empty_world.deploy("/c/DAILY", {"boardType": "PLANNABLE"}, "NOTICEBOARD")
    await empty_world.deploy("/b/READY", BOARD, "NOTICEBOARD")
    await empty_world.deploy("/f/WAITS", WAITS)
    await empty_world.deploy("/f/POSTS", POSTS)
    await empty_world.deploy("/f/FILES", SOURCE, "FILEORDERSOURCE")  # with it comes the schema of the daily plan
    return empty_world


async def _plans(world: Any, **filters: Any) -> dict[str, tuple[str, int]]:
    """Plan → state, number of orders."""
    answer = await world.call("plans", **filters)
    return {plan["planId"]["noticeSpaceKey"]: (plan["state"]["_text"], plan["numOfOrders"]) for plan in answer["plans"]}


async def test_plans_are_shown_closed_opened_and_deleted(world: Any) -> None:
    assert await _plans(world) == {"Global": ("OPEN", 0)}
    id_ = await world.add("WAITS", planId=DAY)
    await world.add("WAITS")
    assert await _plans(world) == {"Global": ("OPEN", 1), "2099-01-31": ("OPEN", 1)}
    await world.call("plans/close", planIds=[DAY])
    assert await _plans(world, onlyClosedPlans=True) == {"2099-01-31": ("CLOSED", 1)}
    ids = (await world.call("plans/ids", planSchemaIds=["DailyPlan"]))["plans"]
    assert [(plan["planId"], plan["closed"], "numOfOrders" in plan) for plan in ids] == [(DAY, True, False)]
    refused = await world.call("plans/delete", planIds=[DAY], status=420)
    assert "not finished due to 1 orders" in refused["error"]["message"]
    await world.call("plans/open", planIds=[DAY])
    assert await _plans(world, onlyOpenPlans=True, noticeSpaceKeys=["2099-01-31"]) == {"2099-01-31": ("OPEN", 1)}
    await world.do("cancel", id_)
    await world.call("plans/delete", planIds=[DAY])
    assert await _plans(world) == {"Global": ("OPEN", 1)}
    refused = await world.call("plans/close", planIds=[{**DAY, "planSchemaId": "None"}], status=420)
    assert refused["error"]["code"] == "JOC-161"
    assert (await world.call("plans/close", planIds=[], status=420))["error"]["code"] == "JOC-400"
    # With their orders and boards.
    waiting = await world.add("WAITS", planId={**DAY, "noticeSpaceKey": "2099-03-01"})
    await world.call("notices/post", noticeBoardPaths=["DAILY"], noticeId="DailyPlan/2099-02-01")
    [plan] = (await world.call("plans", noticeSpaceKeys=["2099-03-01"], includeOrders=True))["plans"]
    assert [order["orderId"] for order in plan["orders"]] == [waiting] and plan["numOfNoticeBoards"] == 0
    [plan] = (await world.call("plans", noticeBoardPaths=["/c/DAILY"]))["plans"]
    assert plan["planId"]["noticeSpaceKey"] == "2099-02-01" and plan["numOfNoticeBoards"] == 1
    [board] = plan["noticeBoards"]
    assert [notice["id"] for notice in board["notices"]] == ["DailyPlan/2099-02-01"]


async def test_workflows_are_shown_with_those_they_meet_at_boards(world: Any) -> None:
    boards = await world.call("workflows/boards")
    assert [item["path"] for item in boards["postingWorkflows"]] == ["/f/POSTS"]
    [waits] = boards["consumingWorkflows"]
    assert waits["path"] == "/f/WAITS" and waits["consumeNotices"] == ["READY"] and waits["expectNotices"] == ["DAILY"]
    posts = (await world.call("workflow/dependencies", workflowId={"path": "POSTS"}))["workflow"]
    assert [item["path"] for item in posts["postNoticeBoards"]["DAILY"]] == ["/f/WAITS"]
    assert [item["path"] for item in posts["addOrderToWorkflows"]] == ["/f/WAITS"]
    waits = (await world.call("workflow/dependencies", workflowId={"path": "/f/WAITS"}))["workflow"]
    assert [item["path"] for item in waits["expectedNoticeBoards"]["DAILY"]] == ["/f/POSTS"]
    assert waits["consumeNoticeBoards"] == {"READY": []}
    assert [item["path"] for item in waits["addOrderFromWorkflows"]] == ["/f/POSTS"]
    board = (await world.call("notice/board/dependencies", noticeBoardPath="DAILY"))["noticeBoard"]
    assert [item["path"] for item in board["postingWorkflows"]] == ["/f/POSTS"]
    assert [item["path"] for item in board["expectingWorkflows"]] == ["/f/WAITS"] and board["consumingWorkflows"] == []
    both = (await world.call("notice/boards/dependencies"))["noticeBoards"]
    assert [item["path"] for item in both] == ["/b/READY", "/c/DAILY"]
    before = await world.call("workflow/state", workflowId={"path": "/f/WAITS"})
    await world.call("workflows/suspend", workflowPaths=["/f/WAITS"])
    after = await world.call("workflow/state", workflowId={"path": "/f/WAITS"})
    assert [answer["state"]["_text"] for answer in (before, after)] == ["IN_SYNC", "SUSPENDED"]


async def test_a_snapshot_of_plans_shows_who_will_post_and_who_expects(world: Any) -> None:
    waiting = await world.add("WAITS", planId=DAY)
    later = await world.add("POSTS", planId=DAY, scheduledFor="2099-01-31T12:00:00")
    now = await world.add("POSTS", planId=DAY)
    await world.add("WAITS")
    snapshot = await world.call("workflows/boards/snapshot", planSchemaIds=["DailyPlan"])
    [posts] = snapshot["postingWorkflows"]
    assert (posts["presentDueOrderIds"], posts["futureDueOrderIds"]) == ([now], [later])
    [expects] = snapshot["expectingWorkflows"]
    assert (expects["numOfExpectingOrders"], expects["expectingOrderIds"]) == (1, [waiting])
    assert snapshot["orders"].keys() == {waiting, later, now}
    assert snapshot["noticeBoards"].keys() == {"DailyPlan/2099-01-31/DAILY"}
    assert snapshot["noticeBoards"]["DailyPlan/2099-01-31/DAILY"]["planId"] == DAY
    # What is expected is posted.
    expected = [{"noticeBoardPath": "/c/DAILY", "workflowPaths": ["/f/POSTS"]}]
    nobody = await world.call("notices/post/expected", expectedNotices=expected, status=420)
    assert nobody["error"]["code"] == "JOC-161"
    expected = [{"noticeBoardPath": "/c/DAILY", "workflowPaths": ["/f/WAITS"]}]
    await world.call("notices/post/expected", expectedNotices=expected)
    await world.call("notices/post", noticeBoardPaths=["READY"], noticeId="k")
    assert (await world.see())[waiting] == "PROMPTING"


async def test_what_is_deployed_or_released_is_found(world: Any) -> None:
    async def found(path: str, **members: Any) -> list[str]:
        return [item["path"] for item in (await world.call(path, **members))["results"]]

    assert await found("workflows/search") == ["/f/POSTS", "/f/WAITS"]
    assert await found("workflows/search", search="ost") == ["/f/POSTS"]
    assert await found("workflows/search", search="*", folders=["/g"]) == []
    assert await found("workflows/search", advanced={"noticeBoard": "READY"}) == ["/f/WAITS"]
    assert await found("workflows/search", states=["NOT_IN_SYNC"]) == []
    assert await found("workflows/search", instructionStates=["SKIPPED"]) == []
    await world.call("workflow/skip", workflowPath="WAITS", labels=["ask"])
    assert await found("workflows/search", instructionStates=["SKIPPED", "STOPPED"]) == ["/f/WAITS"]
    assert await found("notice/boards/search", search="re") == ["/b/READY"]
    assert await found("locks/search") == []
    assert await found("workflows/quick/search", search="po") == ["/f/POSTS"]
    assert await found("workflows/quick/search", search="os") == [], "names begin with it"
    assert await found("notice/boards/quick/search", search="DA") == ["/c/DAILY"]
    assert await found("locks/quick/search", search="x", quit=True) == []
    short = await world.call("workflows/quick/search", search="p", status=420)
    wrong = await world.call("workflows/search", instructionStates=["DANCING"], status=420)
    assert short["error"]["code"] == wrong["error"]["code"] == "JOC-400"
    # What has been released, and the schedules of a workflow.
    calendar = {"type": "WORKINGDAYSCALENDAR", "includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}
    schedule = {
        "workflowNames": ["WAITS"],
        "title": "each day",
        "calendars": [{"calendarName": "all-days", "timeZone": "UTC", "periods": [{"singleStart": "12:00:00"}]}],
        "orderParameterisations": [{"orderName": "noon", "variables": {"a": "b"}}],
    }
    for path, type_, content in (
        ("/d/all-days", "WORKINGDAYSCALENDAR", calendar),
        ("/d/noon", "SCHEDULE", schedule),
    ):
        stored = await world.client.post(
            "inventory/store", {"path": path, "objectType": type_, "configuration": content}
        )
        assert stored["valid"], stored["invalidMsg"]
        await world.client.post("inventory/release", {"update": [{"path": path, "objectType": type_}]})
    [template] = (await world.call("workflow/order_templates", workflowPath="/f/WAITS"))["schedules"]
    assert template["path"] == "/d/noon" and template["title"] == "each day"
    assert template["orderParameterisations"][0]["orderName"] == "noon"
    assert (await world.call("workflow/order_templates", workflowPath="POSTS"))["schedules"] == []
    for path, request, expected in (
        ("calendars/search", {"search": "all"}, ["/d/all-days"]),
        ("calendars/quick/search", {"search": "al"}, ["/d/all-days"]),
        ("schedules/quick/search", {"search": "no"}, ["/d/noon"]),
        ("schedules/quick/search", {"search": "all"}, []),
    ):
        answer = await world.client.post(path, request)
        assert [item["path"] for item in answer["results"]] == expected, path
