"""From the API through the engine's decisions and the projection back to the API: only journal and HTTP are spared.

The Controller here decides items and orders with the real code, and its events are handed to the projection. The
workflows have no jobs, so no Agent is needed.
"""

from __future__ import annotations

from typing import Any

import pytest

CONTROLLER_ID = "controller"

QUESTION: dict[str, Any] = {
    "orderPreparation": {"parameters": {"file": {"type": "String"}, "count": {"type": "Number", "default": "1"}}},
    "instructions": [
        {"TYPE": "Prompt", "question": '"Load $file?"'},
        {"TYPE": "Fail", "message": "'not today'", "label": "failing"},
        {"TYPE": "EmptyInstruction", "label": "behind"},
    ],
}
WAITING: dict[str, Any] = {"instructions": [{"TYPE": "Sleep", "duration": "3600"}, {"TYPE": "Fail"}]}


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


@pytest.fixture
async def world(empty_world: Any) -> Any:
    made = empty_world
    await made.deploy("/f/QUESTION", QUESTION)
    await made.deploy("/f/WAITING", WAITING)
    return made


async def test_an_order_asks_fails_is_resumed_behind_the_failure_and_finishes(world: Any) -> None:
    id_ = await world.add("QUESTION", arguments={"file": "a.csv"})
    assert await world.see() == {id_: "PROMPTING"}
    shown = await world.client.post("order", {"controllerId": CONTROLLER_ID, "orderId": id_})
    assert shown["question"] == "Load a.csv?" and shown["arguments"]["file"] == "a.csv"
    await world.do("confirm", id_)
    assert await world.see() == {id_: "FAILED"}
    # At the same place: the instruction that failed is executed again, and fails again.
    before = len(world.controller.lines)
    await world.do("resume", id_)
    assert len(world.controller.lines) > before and await world.see() == {id_: "FAILED"}
    await world.do("resume", id_, position="behind", variables={"fixed": True})
    assert await world.see() == {}
    ended = await world.client.post("order", {"controllerId": CONTROLLER_ID, "orderId": id_})
    assert ended["state"]["_text"] == "FINISHED" and ended["workflowId"]["path"] == "/f/QUESTION"


@pytest.mark.parametrize(
    "arguments, code",
    [
        ({}, "MissingOrderArgument"),
        ({"file": 3}, "WrongValueType"),
        ({"file": "x", "other": 1}, "UndeclaredOrderArgument"),
        ({"file": "x", "js7Workflow.path": "y"}, "FinalOrderArgument"),
    ],
)
async def test_arguments_are_checked_by_the_controller(world: Any, arguments: dict[str, Any], code: str) -> None:
    request = {"controllerId": CONTROLLER_ID, "orders": [{"workflowPath": "QUESTION", "arguments": arguments}]}
    answer = await world.client.post("orders/add", request, status=419)
    assert code in answer["errors"][0]["message"]
    assert await world.see() == {}


async def test_an_unknown_workflow_is_refused(world: Any) -> None:
    request = {"controllerId": CONTROLLER_ID, "orders": [{"workflowPath": "/f/NONE"}]}
    answer = await world.client.post("orders/add", request, status=419)
    assert "NONE" in answer["errors"][0]["message"]


async def test_a_waiting_order_is_suspended_resumed_and_let_run(world: Any) -> None:
    id_ = await world.add("WAITING")
    assert await world.see() == {id_: "WAITING"}
    await world.do("suspend", id_, reset=True)
    assert await world.see() == {id_: "SUSPENDED"}
    await world.do("resume", id_)
    assert await world.see() == {id_: "WAITING"}
    await world.do("continue", id_)
    assert await world.see() == {id_: "FAILED"}
    await world.do("cancel", id_)
    assert await world.see() == {}


async def test_an_order_for_later_is_scheduled_and_can_be_cancelled_or_started(world: Any) -> None:
    never, later = (
        await world.add("WAITING", scheduledFor="never"),
        await world.add("WAITING", scheduledFor="now + 900"),
    )
    assert await world.see() == {never: "PENDING", later: "SCHEDULED"}
    await world.do("continue", later)
    await world.do("cancel", never)
    assert await world.see() == {later: "WAITING"}
    answer = await world.do("cancel", never, status=420)
    assert answer["error"]["code"] == "JOC-161"


async def test_start_stop_and_block_positions_are_those_of_the_engine(world: Any) -> None:
    id_ = await world.add("QUESTION", arguments={"file": "x"}, startPosition="behind")
    assert await world.see() == {}
    assert (await world.client.post("order", {"controllerId": CONTROLLER_ID, "orderId": id_}))["state"][
        "_text"
    ] == "FINISHED"
    branch = {"instructions": [{"TYPE": "Prompt", "question": "'inside'"}]}
    block = {"TYPE": "If", "predicate": "false", "then": branch, "label": "block"}
    await world.deploy("/f/BLOCK", {"instructions": [block, {"TYPE": "Fail"}]})
    inside = await world.add("BLOCK", blockPosition="block")
    assert await world.see() == {inside: "PROMPTING"}
    await world.do("confirm", inside)
    assert await world.see() == {}


async def test_a_workflow_that_refers_to_nothing_known_is_refused_by_the_controller(world: Any) -> None:
    await world.client.post("agents/inventory/store", {
        "controllerId": CONTROLLER_ID,
        "agents": [{"agentId": "agent-9", "agentName": "Stored only", "url": "http://127.0.0.1:9"}],
    })  # fmt: skip
    job = {"agentName": "Stored only", "executable": {"TYPE": "ShellScriptExecutable", "script": ""}}
    content = {"instructions": [{"TYPE": "Execute.Named", "jobName": "j"}], "jobs": {"j": job}}
    await world.client.post("inventory/store", {"path": "/J", "objectType": "WORKFLOW", "configuration": content})
    answer = await world.deploy_drafts("/J", status=420)
    assert answer["error"]["code"] == "JOC-415" and "MissingReferencedItem" in answer["error"]["message"]
    assert "Agent:agent-9" in answer["error"]["message"]


async def test_workflows_are_in_sync_when_the_controller_has_them(world: Any) -> None:
    await world.see()
    answer = await world.client.post("workflows", {"controllerId": CONTROLLER_ID})
    assert [(item["path"], item["state"]["_text"]) for item in answer["workflows"]] == [
        ("/f/QUESTION", "IN_SYNC"),
        ("/f/WAITING", "IN_SYNC"),
    ]
