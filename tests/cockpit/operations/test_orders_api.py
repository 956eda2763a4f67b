"""Adding orders and commands on orders (cockpit-api 2.3)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import insert

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.projection.model import NEVER_MS, LiveOrder, encode_live_order, live_state
from stellwerk.values.problems import Problem

CONTROLLER_ID = "controller"


def add_request(*orders: dict[str, Any]) -> dict[str, Any]:
    return {"controllerId": CONTROLLER_ID, "orders": [{"workflowPath": "/nightly/LOAD", **order} for order in orders]}


def selection(**members: Any) -> dict[str, Any]:
    return {"controllerId": CONTROLLER_ID, **members}


async def live(cockpit: Cockpit, *orders: LiveOrder) -> None:
    """Rows as the projection writes them."""
    rows = [
        {
            "controller_id": CONTROLLER_ID,
            "order_id": order.order_id,
            "history_id": order.history_id,
            "workflow_path": order.workflow_path,
            "workflow_version_id": order.workflow_version_id,
            "workflow_position": "0",
            "state": live_state(order).code,
            "is_child": order.is_child,
            "since": order.since,
            "revision": 1,
            "data": encode_live_order(order),
        }
        for order in orders
    ]
    async with cockpit.database.write() as connection:
        await connection.execute(insert(live_orders), rows)


def order(id_: str, state: str, **members: Any) -> LiveOrder:
    values: dict[str, Any] = {
        "history_id": 1,
        "main_history_id": 1,
        "workflow_path": "LOAD",
        "workflow_version_id": "v1",
        "position": [0],
        "since": 1,
        "added": 1,
    }
    return LiveOrder(order_id=id_, state=state, **(values | members))


def problem_for(*order_ids: str) -> Any:
    """Refuse commands that name one of these orders, all or nothing."""

    def refuse(command: dict[str, Any]) -> Problem | None:
        named = command.get("orderIds") or [command.get("orderId") or command.get("order", {}).get("id")]
        unknown = [id_ for id_ in named if id_ in order_ids]
        return Problem.of("UnknownKey", type="OrderId", key=f"Order:{unknown[0]}") if unknown else None

    return refuse


# --- add --------------------------------------------------------------------------------------------------------------


async def test_an_order_is_added_with_an_id_by_convention(deployed: Any, client: Any) -> None:
    request = add_request({"orderName": "load", "arguments": {"file": "a.csv", "n": 3, "on": True}})
    answer = await client.post("orders/add", request)
    [id_] = answer["orderIds"]
    assert re.fullmatch(r"#\d{4}-\d{2}-\d{2}#T\d{11}-load", id_)
    assert deployed.commands[-1] == {
        "TYPE": "AddOrder",
        "order": {
            "id": id_,
            "workflowPath": "LOAD",
            "planId": [],
            "arguments": {"file": "a.csv", "n": 3, "on": True},
            "deleteWhenTerminated": True,
        },
    }


async def test_numbers_of_arguments_stay_exact(deployed: Any, client: Any) -> None:
    body = '{"controllerId":"controller","orders":[{"workflowPath":"LOAD","arguments":{"x":0.10,"y":1e3}}]}'
    async with await client.raw("POST", "orders/add", body.encode()) as response:
        assert response.status == 200, await response.text()
    from decimal import Decimal

    arguments = deployed.commands[-1]["order"]["arguments"]
    assert str(arguments["x"]) == "0.10" and arguments["y"] == Decimal("1000")


async def test_many_orders_go_in_one_batch_with_ids_that_are_all_different(deployed: Any, client: Any) -> None:
    answer = await client.post("orders/add", add_request(*[{"orderName": f"o{n}"} for n in range(150)]))
    assert len(set(answer["orderIds"])) == 150 and deployed.batches == 1
    assert len({id_[:25] for id_ in answer["orderIds"]}) == 150
    assert [command["order"]["id"] for command in deployed.commands[-150:]] == answer["orderIds"]


async def test_ids_go_on_after_a_restart(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    from stellwerk.cockpit.controllers.order_ids import OrderIds

    class Standing:
        def now_ms(self) -> int:
            return 1_769_860_800_123

        def zone(self) -> str:
            return "UTC"

    first = await OrderIds(cockpit.database, Standing()).next(["a"] * 3)
    second = await OrderIds(cockpit.database, Standing()).next(["a"] * 3)
    assert len({*first, *second}) == 6 and max(first) < min(second)


async def test_members_of_a_new_order(deployed: Any, client: Any) -> None:
    await client.post(
        "orders/add",
        add_request(
            {
                "scheduledFor": "2030-01-31 12:00:00",
                "timeZone": "Europe/Berlin",
                "startPosition": "load",
                "endPositions": [[1], "load"],
                "forceJobAdmission": "true",
                "priority": "5",
                "planId": {"planSchemaId": "DailyPlan", "noticeSpaceKey": "2030-01-31"},
            },
            {"scheduledFor": "never", "orderName": ""},
        ),
    )
    first, second = (command["order"] for command in deployed.commands[-2:])
    assert first["scheduledFor"] == 1_896_087_600_000
    assert first["startPosition"] == "load" and first["stopPositions"] == [[1], "load"]
    assert first["forceAdmission"] is True and first["priority"] == 5
    assert first["planId"] == ["DailyPlan", "2030-01-31"]
    assert second["scheduledFor"] == NEVER_MS and second["id"].endswith("-root")


@pytest.mark.parametrize(
    "change, text",
    [
        ({"orderName": "no blanks"}, "Spaces"),
        ({"scheduledFor": "tomorrow"}, "scheduledFor"),
        ({"scheduledFor": "2030-01-31 12:00", "timeZone": "Mars/Olympus"}, "time zone"),
        ({"arguments": [1]}, "arguments"),
        ({"startPosition": [{}]}, "startPosition"),
    ],
)
async def test_requests_that_make_no_order_are_refused_before_anything_is_sent(
    deployed: Any, client: Any, change: dict[str, Any], text: str
) -> None:
    answer = await client.post("orders/add", add_request({}, change), status=420)
    assert answer["error"]["code"] == "JOC-400" and text in answer["error"]["message"]
    assert deployed.commands == []


async def test_a_refused_order_is_named_and_the_others_are_added(deployed: Any, client: Any) -> None:
    refused = Problem.of("MissingOrderArgument", name="file", type="String")
    deployed.refuse = lambda command: refused if "bad" in command["order"]["id"] else None
    answer = await client.post("orders/add", add_request({"orderName": "good"}, {"orderName": "bad"}), status=419)
    [failure] = answer["errors"]
    assert failure["code"] == "COMMAND-001" and failure["path"].endswith("-bad")
    assert "MissingOrderArgument" in failure["message"] and "file" in failure["message"]
    assert [command["order"]["id"][-4:] for command in deployed.commands] == ["good"]


async def test_an_unreachable_controller_is_an_error(deployed: Any, client: Any) -> None:
    await deployed.server.stop()
    answer = await client.post("orders/add", add_request({}), status=420)
    assert answer["error"]["code"] == "JOC-402"


async def test_after_a_lost_answer_nothing_is_added_twice(deployed: Any, client: Any) -> None:
    """The order may have ended and been deleted meanwhile: the Controller would not know it again."""
    deployed.lost_answers = 1
    answer = await client.post("orders/add", add_request({}))
    assert [command["order"]["id"] for command in deployed.commands] == answer["orderIds"]


async def test_after_a_lost_request_the_same_order_is_sent_again(deployed: Any, client: Any) -> None:
    deployed.lost_requests = 1
    answer = await client.post("orders/add", add_request({}))
    assert [command["order"]["id"] for command in deployed.commands] == answer["orderIds"]


async def _with_key(client: Any, key: str, body: Any) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key}
    async with await client.raw("POST", "orders/add", json.dumps(body).encode(), headers=headers) as response:
        return response.status, await response.json()


async def test_a_repeat_with_the_same_key_gives_the_first_answer(deployed: Any, client: Any) -> None:
    status, first = await _with_key(client, "k1", add_request({}))
    again_status, again = await _with_key(client, "k1", add_request({}))
    assert (status, again_status) == (200, 200) and first["orderIds"] == again["orderIds"]
    assert len(deployed.commands) == 1
    other_status, other = await _with_key(client, "k2", add_request({}))
    assert other_status == 200 and other["orderIds"] != first["orderIds"]
    conflict, answer = await _with_key(client, "k1", add_request({}, {}))
    assert conflict == 420 and answer["error"]["code"] == "JOC-409"


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_repeat_after_an_unknown_outcome_adds_the_order_once(deployed: Any, client: Any, lost: str) -> None:
    if lost == "request":
        deployed.lost_requests = 1
    else:
        deployed.lost_answers = 1
    deployed.is_mute = True  # whether it has arrived cannot be found out
    status, answer = await _with_key(client, "k", add_request({}))
    assert status == 420 and answer["error"]["code"] == "JOC-402"
    deployed.is_mute = False
    status, answer = await _with_key(client, "k", add_request({}))
    assert status == 200
    assert [command["order"]["id"] for command in deployed.commands] == answer["orderIds"]


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_explicit_ids_are_sent_even_if_the_projection_does_not_know_them_yet(deployed: Any, client: Any) -> None:
    await client.post("orders/cancel", selection(orderIds=["#A", "#B"], kill=True))
    assert deployed.commands == [
        {"TYPE": "CancelOrders", "orderIds": ["#A", "#B"], "mode": {"TYPE": "FreshOrStarted", "kill": {}}}
    ]
    await client.post("orders/suspend", selection(orderIds="#A", reset=True))
    assert deployed.commands[-1] == {"TYPE": "SuspendOrders", "orderIds": ["#A"], "mode": {"resetState": True}}
    await client.post("orders/confirm", selection(orderIds=["#A"]))
    assert deployed.commands[-1] == {"TYPE": "AnswerOrderPrompt", "orderId": "#A"}


async def test_orders_that_are_gone_do_not_keep_others_from_being_cancelled(deployed: Any, client: Any) -> None:
    deployed.refuse = problem_for("#gone")
    answer = await client.post("orders/cancel", selection(orderIds=["#A", "#gone"]), status=419)
    assert [failure["path"] for failure in answer["errors"]] == ["#gone"]
    assert [command["orderIds"] for command in deployed.commands] == [["#A"]]
    answer = await client.post("orders/cancel", selection(orderIds=["#gone"]), status=420)
    assert answer["error"]["code"] == "JOC-161" and "No orders found." in answer["error"]["message"]


async def test_a_refused_command_says_why(deployed: Any, client: Any) -> None:
    deployed.refuse = lambda command: Problem.of("CannotSuspendOrder")
    answer = await client.post("orders/suspend", selection(orderIds=["#A"]), status=420)
    assert "CannotSuspendOrder" in answer["error"]["message"]


async def test_orders_are_selected_by_workflow_folder_state_and_date(
    deployed: Any, client: Any, cockpit: Cockpit
) -> None:
    await live(
        cockpit,
        order("#1", "Fresh", scheduled_for=NEVER_MS),
        order("#2", "Processing"),
        order("#3", "Finished"),
        order("#4", "Processing", workflow_path="OTHER", workflow_version_id="v2"),
        order("#5", "Fresh", scheduled_for=1_000),
    )

    async def cancelled(**members: Any) -> list[str]:
        await client.post("orders/cancel", selection(**members))
        ids: list[str] = deployed.commands[-1]["orderIds"]
        return ids

    assert await cancelled(workflowIds=[{"path": "/nightly/LOAD"}]) == ["#1", "#2", "#5"]
    assert await cancelled(workflowIds=[{"path": "OTHER", "versionId": "v2"}]) == ["#4"]
    assert await cancelled(folders=[{"folder": "/nightly"}], states=["RUNNING"]) == ["#2"]
    assert await cancelled(folders=[{"folder": "/", "recursive": True}], states=["PENDING", "BLOCKED"]) == ["#1", "#5"]
    assert await cancelled(folders=[{"folder": "/nightly"}], dateTo="1970-01-02T00:00:00Z") == ["#2", "#5"]
    answer = await client.post(
        "orders/cancel", selection(workflowIds=[{"path": "OTHER", "versionId": "v3"}]), status=420
    )
    assert answer["error"]["code"] == "JOC-161"
    answer = await client.post(
        "orders/cancel", selection(folders=[{"folder": "/"}], dateFrom="2d", dateTo="-2d"), status=420
    )
    assert answer["error"]["code"] == "JOC-400"


async def test_deep_also_means_child_orders(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await live(
        cockpit,
        order("#1", "Forked", children=["#1|a"]),
        order("#1|a", "Processing", parent="#1"),
        order("#10", "Ready"),
    )
    await client.post("orders/cancel", selection(orderIds=["#1"], deep=True))
    assert deployed.commands[-1]["orderIds"] == ["#1", "#1|a"]


async def test_failed_orders_are_resumed_as_succeeded_and_suspended_ones_are_not(
    deployed: Any, client: Any, cockpit: Cockpit
) -> None:
    await live(
        cockpit,
        order("#f1", "Failed", outcome="Failed"),
        order("#f2", "Failed", outcome="Failed"),
        order("#s", "Ready", is_suspended=True),
        order("#running", "Processing"),
    )
    await client.post("orders/resume", selection(workflowIds=[{"path": "LOAD"}]))
    assert deployed.commands == [
        {"TYPE": "ResumeOrders", "orderIds": ["#f1", "#f2"], "asSucceeded": True},
        {"TYPE": "ResumeOrders", "orderIds": ["#s"]},
    ]


async def test_an_order_is_resumed_elsewhere_with_variables(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    [workflow] = deployed.signed_items()
    await live(cockpit, order("#f", "Failed", position=[0, "try+1", 2], workflow_version_id=workflow["versionId"]))
    await client.post(
        "orders/resume", selection(orderIds=["#f"], position="load", variables={"a": 1, "returnCode": "3"})
    )
    assert deployed.commands[-1] == {
        "TYPE": "ResumeOrder",
        "orderId": "#f",
        "position": [0],
        "asSucceeded": True,
        "historyOperations": [
            {
                "TYPE": "Append",
                "position": [0],
                "outcome": {"TYPE": "Succeeded", "namedValues": {"a": 1, "returnCode": 3}},
            }
        ],
    }
    await client.post("orders/resume", selection(orderIds=["#f"], fromCurrentBlock=True))
    assert deployed.commands[-1]["position"] == [0, "try+1", 0]
    await client.post("orders/resume", selection(orderIds=["#f"], position=[1], force=True))
    assert deployed.commands[-1]["position"] == [1] and deployed.commands[-1]["restartKilledJob"] is True
    answer = await client.post("orders/resume", selection(orderIds=["#f"], position="NOWHERE"), status=420)
    assert "NOWHERE" in answer["error"]["message"]


async def test_waiting_orders_are_let_run_at_their_position(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await live(cockpit, order("#w", "DelayingRetry", position=[0, "catch+0", 0]), order("#p", "Prompting"))
    await client.post("orders/continue", selection(orderIds=["#w", "#p"]))
    assert deployed.commands == [{"TYPE": "GoOrder", "orderId": "#w", "position": [0, "catch+0", 0]}]
    answer = await client.post("orders/continue", selection(orderIds=["#p"]), status=420)
    assert answer["error"]["code"] == "JOC-161" and "No continuable orders found." in answer["error"]["message"]
    await client.post("orders/confirm", selection(workflowIds=[{"path": "LOAD"}]))
    assert deployed.commands[-1] == {"TYPE": "AnswerOrderPrompt", "orderId": "#p"}


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_orders_are_shown_with_state_workflow_and_what_can_be_done(
    deployed: Any, client: Any, cockpit: Cockpit
) -> None:
    await live(
        cockpit,
        order("#1", "Fresh", scheduled_for=NEVER_MS, arguments=b'{"a":0.10}'),
        order("#2", "Prompting", question=b'"Go on?"', position=[0, "try+2", 1]),
        order("#3", "Failed", outcome="Failed", return_code=7, message="no"),
    )
    answer = await client.post("orders", selection())
    first, second, third = answer["orders"]
    assert first["state"] == {"_text": "PENDING", "severity": 10} and first["scheduledNever"] is True
    assert first["workflowId"] == {"path": "/nightly/LOAD", "versionId": "v1"} and first["arguments"] == {"a": 0.1}
    assert second["question"] == "Go on?" and second["positionString"] == "0/try:1"
    assert third["isResumable"] is True and third["isSuspendible"] is False
    assert third["lastOutcome"] == {"TYPE": "Failed", "message": "no", "namedValues": {"returnCode": 7}}
    failed = await client.post("orders", selection(states=["FAILED"], compact=True))
    assert [item["orderId"] for item in failed["orders"]] == ["#3"] and "arguments" not in failed["orders"][0]
    assert len((await client.post("orders", selection(limit=2)))["orders"]) == 2
    matching = await client.post("orders", selection(regex="LOAD,#[12]$"))
    assert [item["orderId"] for item in matching["orders"]] == ["#1", "#2"]
    answer = await client.post("orders", selection(regex="("), status=420)
    assert "regex" in answer["error"]["message"]


async def test_one_order_is_shown_and_an_unknown_one_is_not(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await live(cockpit, order("#1", "Processing", agent_id="agent-1", attached="Attached"))
    view = await client.post("order", selection(orderId="#1"))
    assert view["state"]["_text"] == "RUNNING" and view["attachedState"] == {"TYPE": "Attached", "agentName": "agent-1"}
    assert view["deliveryDate"]
    answer = await client.post("order", selection(orderId="#2"), status=420)
    assert answer["error"]["code"] == "JOC-161"
