"""Where orders may begin and go on, why they do not go on, their variables, priority and removal (cockpit-api 7)."""

from __future__ import annotations

from typing import Any

import pytest

SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}
WORKFLOW: dict[str, Any] = {
    "orderPreparation": {"allowUndeclared": True},
    "instructions": [
        {"TYPE": "Prompt", "question": "'go on?'", "label": "ask"},
        {
            "TYPE": "If",
            "predicate": "true",
            "then": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}]},
        },
        {
            "TYPE": "Fork",
            "branches": [
                {"id": "a", "workflow": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load"}]}},
                {"id": "b", "workflow": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load"}]}},
            ],
        },
    ],
    "jobs": {"load": {"agentName": "Primary Agent", "executable": SCRIPT, "parallelism": 1}},
}
ANOTHER = {"instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]}
CYCLIC = (
    "#2099-01-31#C12345678901-00001-3-x",
    "#2099-01-31#C12345678901-00002-3-x",
    "#2099-01-31#C12345678999-00001-1-x",
)


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


@pytest.fixture
async def world(empty_world: Any) -> Any:
    await empty_world.deploy("/f/W", WORKFLOW)
    await empty_world.deploy("/f/ANOTHER", ANOTHER)
    return empty_world


async def test_orders_may_begin_and_go_on_where_the_controller_permits_it(world: Any) -> None:
    answer = await world.call("orders/add/positions", workflowId={"path": "W"})
    assert answer["workflowId"]["path"] == "/f/W"
    top_and_then = ["0", "1", "1/then:0", "2"]
    assert [item["positionString"] for item in answer["positions"]] == top_and_then
    assert answer["positions"][0] == {"position": [0], "positionString": "0", "type": "Prompt", "label": "ask"}
    [block] = answer["blockPositions"]
    assert (block["positionString"], [item["positionString"] for item in block["positions"]]) == ("1", ["1/then:0"])
    added = await world.add("W", startPosition=[1, "then", 0])
    assert await world.see() == {added: "SCHEDULED"}, "it has been taken, and waits for its Agent"

    one, two = await world.add("W", arguments={"size": 1}), await world.add("W")
    resume = await world.call("orders/resume/positions", orderIds=[one])
    assert [item["positionString"] for item in resume["positions"]] == top_and_then
    assert resume["constants"] == {"size": 1} and resume["variables"] == {}
    both = await world.call("orders/resume/positions", orderIds=[one, two])
    assert [item["positionString"] for item in both["positions"]] == top_and_then and "constants" not in both
    other = await world.add("ANOTHER")
    mixed = await world.call("orders/resume/positions", orderIds=[one, other])
    assert mixed["positions"] == [] and mixed["disabledPositionChange"]["code"] == "NOT_ONE_WORKFLOW"
    missing = await world.call("orders/resume/positions", orderIds=[one, "nobody"], status=420)
    assert missing["error"]["code"] == "JOC-161" and "nobody" in missing["error"]["message"]

    values = await world.call("order/variables", orderId=one, position="load")
    assert values["constants"] == {"size": 1}, "what the order was given cannot be changed"
    wrong = await world.call("order/variables", orderId=one, position="none", status=420)
    assert wrong["error"]["code"] == "JOC-400"


async def test_orders_are_changed_removed_and_say_what_holds_them_up(world: Any) -> None:
    first = await world.add("ANOTHER")
    await world.do("change", first, priority=10000)
    await world.see()
    assert (await world.call("order", orderId=first))["priority"] == 10000
    assert (await world.do("change", first, status=420))["error"]["code"] == "JOC-406"
    unknown = await world.do("change", "nobody", priority=1, status=420)
    assert unknown["error"]["code"] == "JOC-161"

    assert (await world.call("order/obstacles", orderId=first))["obstacles"] == []
    assert (await world.call("order/obstacles", orderId="nobody"))["obstacles"] == [{"type": "OrderNotExisting"}]
    await world.call("workflows/suspend", workflowPaths=["/f/ANOTHER"])
    listed = await world.call("orders/obstacles", workflowIds=[{"path": "ANOTHER"}])
    assert listed["orders"] == [{"orderId": first, "obstacles": [{"type": "WorkflowIsSuspended"}]}]

    # Orders that the Cockpit adds leave the Controller anyway: to ask for it again is no error.
    await world.do("remove_when_terminated", first)
    await world.do("cancel", first)
    assert await world.see() == {}
    nobody = await world.do("remove_when_terminated", status=420)
    assert nobody["error"]["code"] == "JOC-161"

    for id_ in CYCLIC:
        fresh = {"id": id_, "workflowPath": "ANOTHER", "scheduledFor": 4_073_630_400_000, "deleteWhenTerminated": True}
        world.controller._command({"TYPE": "AddOrder", "order": fresh})
    cycle = await world.call("utilities/cyclic_orders", orderIds=[CYCLIC[1]])
    assert cycle["orderIds"] == list(CYCLIC[:2])
