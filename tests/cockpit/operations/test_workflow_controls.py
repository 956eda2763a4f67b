"""Workflows are suspended, stopped, skipped; orders of old versions are transferred (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

import pytest

CONTROLLER_ID = "controller"

STEPS: dict[str, Any] = {
    "instructions": [
        {"TYPE": "Prompt", "question": "'go on?'", "label": "asking"},
        {"TYPE": "Fail", "message": "'not today'", "label": "failing"},
        {"TYPE": "EmptyInstruction", "label": "behind"},
    ]
}


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


@pytest.fixture
async def world(empty_world: Any) -> Any:
    await empty_world.deploy("/f/STEPS", STEPS)
    return empty_world


async def _shown(world: Any) -> dict[str, Any]:
    answer = await world.call("workflow", workflowId={"path": "/f/STEPS"})
    shown: dict[str, Any] = answer["workflow"]
    return shown


async def test_a_suspended_workflow_holds_its_orders_until_it_is_resumed(world: Any) -> None:
    await world.call("workflows/suspend", workflowPaths=["/f/STEPS"])
    id_ = await world.add("STEPS")
    assert await world.see() == {id_: "SCHEDULED"}
    assert (await _shown(world))["suspended"] is True
    again = await world.call("workflows/suspend", folders=[{"folder": "/f"}], status=420)
    assert again["error"]["code"] == "JOC-161" and "No unsuspended workflows" in again["error"]["message"]
    await world.call("workflows/resume", folders=[{"folder": "/", "recursive": True}])
    assert await world.see() == {id_: "PROMPTING"}
    assert (await _shown(world))["suspended"] is False


async def test_all_workflows_are_suspended_only_when_that_is_said(world: Any) -> None:
    refused = await world.call("workflows/suspend", status=420)
    assert refused["error"]["code"] == "JOC-400"
    unknown = await world.call("workflows/suspend", workflowPaths=["/f/NONE"], status=420)
    assert unknown["error"]["code"] == "JOC-161" and "NONE" in unknown["error"]["message"]
    await world.call("workflows/suspend", all=True)
    assert (await _shown(world))["suspended"] is True


async def test_orders_stop_at_a_position_until_it_is_freed(world: Any) -> None:
    await world.call("workflow/stop", workflowId={"path": "/f/STEPS"}, positions=["asking"])
    assert (await _shown(world))["numOfStoppedInstructions"] == 1
    id_ = await world.add("STEPS")
    assert await world.see() == {id_: "SUSPENDED"}
    again = await world.call("workflow/stop", workflowId={"path": "STEPS"}, positions=[[0]], status=420)
    assert again["error"]["code"] == "JOC-400", "a label and its position are the same place"
    await world.call("workflow/unstop", workflowId={"path": "/f/STEPS"}, positions=["asking"])
    assert (await _shown(world))["numOfStoppedInstructions"] == 0
    none = await world.call("workflow/unstop", workflowId={"path": "/f/STEPS"}, positions=["asking"], status=420)
    assert none["error"]["code"] == "JOC-400"
    await world.do("resume", id_)
    assert await world.see() == {id_: "PROMPTING"}


@pytest.mark.parametrize("place", ["nowhere", [7], [0, "then", 0]])
async def test_places_that_do_not_exist_are_named(world: Any, place: Any) -> None:
    answer = await world.call("workflow/stop", workflowId={"path": "/f/STEPS"}, positions=[place], status=420)
    assert answer["error"]["code"] == "JOC-161" and "/f/STEPS" in answer["error"]["message"]


async def test_labelled_instructions_are_skipped(world: Any) -> None:
    await world.call("workflow/skip", workflowPath="/f/STEPS", labels=["asking", "failing"])
    assert (await _shown(world))["numOfSkippedInstructions"] == 2
    await world.add("STEPS")
    assert await world.see() == {}, "nothing is left that asks or fails"
    await world.call("workflow/unskip", workflowPath="/f/STEPS", labels=["asking"])
    id_ = await world.add("STEPS")
    assert await world.see() == {id_: "PROMPTING"}
    unknown = await world.call("workflow/skip", workflowPath="/f/STEPS", labels=["nowhere"], status=420)
    assert unknown["error"]["code"] == "JOC-161" and "nowhere" in unknown["error"]["message"]


async def test_orders_of_an_old_version_are_transferred_to_the_current_one(world: Any) -> None:
    id_ = await world.add("STEPS")
    old = (await _shown(world))["versionId"]
    await world.deploy("/f/STEPS", {"instructions": [STEPS["instructions"][0]]})
    current = (await _shown(world))["versionId"]
    listed = await world.call("workflows", folders=[{"folder": "/f"}])
    assert [(item["versionId"], item["isCurrentVersion"]) for item in listed["workflows"]] == [
        (current, True),
        (old, False),
    ]
    missing = await world.call("workflow/transition", workflowId={"path": "/f/STEPS"}, status=420)
    assert missing["error"]["code"] == "JOC-406" and "versionId" in missing["error"]["message"]
    same = await world.call("workflow/transition", workflowId={"path": "/f/STEPS", "versionId": current}, status=420)
    assert same["error"]["code"] == "JOC-400"
    await world.call("workflow/transition", workflowId={"path": "/f/STEPS", "versionId": old})
    await world.see()
    [order] = (await world.call("orders"))["orders"]
    assert order["orderId"] == id_ and order["workflowId"]["versionId"] == current
    await world.do("confirm", id_)
    assert await world.see() == {}, "the new version does not fail"


async def test_unknown_workflows_are_named(world: Any) -> None:
    answer = await world.call("workflow/stop", workflowId={"path": "/f/NONE"}, positions=["a"], status=420)
    assert answer["error"]["code"] == "JOC-002" and "/f/NONE" in answer["error"]["message"]
