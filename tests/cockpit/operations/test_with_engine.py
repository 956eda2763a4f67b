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


HOURLY = {"TYPE": "Periodic", "period": 3600, "offsets": [0]}
ALL_DAY = {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": 86400}]}
LOCKED = {"TYPE": "Lock", "demands": [{"lockName": "L"}], "lockedWorkflow": {"instructions": []}}
ALL: list[tuple[str, str, dict[str, Any]]] = [
    ("/all/L", "LOCK", {"limit": 1}),
    ("/all/B", "NOTICEBOARD", {"postOrderToNoticeId": "'x'", "endOfLife": "$js7EpochMilli"}),
    ("/all/R", "JOBRESOURCE", {"arguments": {"a": "'b'"}}),
    (
        "/all/USES",
        "WORKFLOW",
        {
            "jobResourceNames": ["R"],
            "dayOffset": "06:00:00",
            "orderPreparation": {"parameters": {"file": {"type": "String"}}},
            "instructions": [
                LOCKED,
                {"TYPE": "PostNotices", "noticeBoardNames": ["B"]},
                {
                    "TYPE": "Cycle",
                    "cycleWorkflow": {"instructions": []},
                    "schedule": {"schemes": [{"repeat": HOURLY, "admissionTimeScheme": ALL_DAY}]},
                },
            ],
        },
    ),
    ("/all/IN", "FILEORDERSOURCE", {"workflowName": "USES", "agentName": "agent-1", "directory": "/in"}),
]


async def test_the_controller_accepts_what_is_deployed_revoked_and_deployed_again(world: Any) -> None:
    """Every deployable type, with a calendar of the workflow's own; all references are looked at by the Controller."""
    before = set(world.controller.state.current)
    simple = len(list(world.controller.state.simple_items()))
    entry = {"configuration": {"path": "/all", "objectType": "FOLDER", "recursive": True}}
    for path, object_type, configuration in ALL:
        request = {"path": path, "objectType": object_type, "configuration": configuration}
        stored = await world.client.post("inventory/store", request)
        assert stored["valid"], stored.get("invalidMsg")
    for _ in range(2):
        store = {"draftConfigurations": [entry]}
        await world.client.post("inventory/deployment/deploy", {"controllerIds": [CONTROLLER_ID], "store": store})
        assert "USES" in world.controller.state.current
        revocation = {"controllerIds": [CONTROLLER_ID], "deployConfigurations": [entry]}
        await world.client.post("inventory/deployment/revoke", revocation)
        assert set(world.controller.state.current) == before
        left = [item.key for item in world.controller.state.simple_items()]
        # The plan schema of file orders stays: plans may be in use.
        assert len(left) <= simple + 1, left
    await world.client.post("inventory/remove/folder", {"path": "/all"})


async def test_a_workflow_is_revoked_when_its_waiting_orders_are_cancelled_or_gone(world: Any) -> None:
    later, running = await world.add("WAITING", scheduledFor="now + 900"), await world.add("WAITING")
    await world.see()
    entry = {"configuration": {"path": "WAITING", "objectType": "WORKFLOW"}}
    revocation = {"controllerIds": [CONTROLLER_ID], "deployConfigurations": [entry]}
    refused = await world.client.post("inventory/deployment/revoke", revocation, status=420)
    assert running in refused["error"]["message"] and later not in refused["error"]["message"]
    assert (await world.see())[later] == "SCHEDULED", "nothing is cancelled when it would be in vain"
    await world.do("suspend", running, reset=True)
    await world.do("cancel", running)
    assert await world.see() == {later: "SCHEDULED"}
    await world.client.post("inventory/deployment/revoke", revocation)
    assert await world.see() == {}
    assert "WAITING" not in world.controller.state.current


async def test_orders_are_found_and_workflows_suspended_by_tags(world: Any, client: Any) -> None:
    await client.post("inventory/workflow/tags/store", {"path": "WAITING", "tags": ["site:paris"]})
    waiting = await world.add("WAITING", scheduledFor="2099-01-01 00:00:00")
    asking = await world.add("QUESTION", arguments={"file": "a"}, scheduledFor="2099-01-01 00:00:00")
    answer = await world.call("orders", workflowTags=["paris"])
    assert [item["orderId"] for item in answer["orders"]] == [waiting]
    assert answer["workflowTagsPerWorkflow"] == {"WAITING": ["paris"]}
    everything = await world.call("orders", withoutWorkflowTags=True)
    assert {item["orderId"] for item in everything["orders"]} == {waiting, asking}
    assert everything["workflowTagsPerWorkflow"] == {}
    # Commands are for them alone.
    await world.call("workflows/suspend", workflowTags=["site:paris"])
    found = (await world.call("workflows"))["workflows"]
    assert [item["path"] for item in found if item["suspended"]] == ["/f/WAITING"]
    await world.call("workflows/resume", workflowTags=["unknown"], status=420)
