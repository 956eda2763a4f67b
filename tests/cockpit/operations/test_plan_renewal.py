"""The daily plan follows what is deployed and released (cockpit-services 2.2, 2.6, 2.10); what is sent once more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from plan_world import EVERY_DAY, PlanWorld, at, in_days, schedule

from stellwerk.values.problems import Problem

CONTROLLER_ID = "controller"
SUBMITTED: Any = {"submitOrderToControllerWhenPlanned": True}
DAY, LATER = in_days(3), in_days(4)


@pytest.fixture
async def night(plans: PlanWorld, client: Any) -> PlanWorld:
    """The schedule `/plans/NIGHT` starts `LOAD` each day at two, and `/plans/OTHER` at three; two days are planned."""
    await client.post(
        "inventory/store",
        {"path": "/days/every-day", "objectType": "WORKINGDAYSCALENDAR", "configuration": EVERY_DAY},
    )
    for name, time in (("NIGHT", "02:00"), ("OTHER", "03:00")):
        await store(client, f"/plans/{name}", schedule(at(time), **SUBMITTED))
        await release(client, f"/plans/{name}")
    await plans.generate(DAY, LATER)
    return plans


async def store(client: Any, path: str, configuration: Any, object_type: str = "SCHEDULE") -> None:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    await client.post("inventory/store", request)


async def release(client: Any, path: str, status: int = 200, **members: Any) -> Any:
    request = {"update": [{"path": path, "objectType": "SCHEDULE"}], **members}
    return await client.post("inventory/release", request, status=status)


async def starts(plans: PlanWorld) -> list[tuple[str, str, str]]:
    """Schedule, start (day and hour), state of all orders of both days."""
    orders = await plans.orders(DAY, LATER)
    return sorted(
        (item["schedulePath"].rpartition("/")[2], item["plannedStartTime"][8:13], item["state"]["_text"])
        for item in orders
    )


def expected(*entries: tuple[str, Any, str]) -> list[tuple[str, str, str]]:
    return sorted((name, f"{day.day:02}T{hour}", "SUBMITTED") for name, day, hour in entries)


BOTH_DAYS = expected(("NIGHT", DAY, "02"), ("NIGHT", LATER, "02"), ("OTHER", DAY, "03"), ("OTHER", LATER, "03"))


async def test_the_plan_follows_a_schedule_that_is_released_and_recalled(night: PlanWorld, client: Any) -> None:
    assert await starts(night) == BOTH_DAYS
    await store(client, "/plans/NIGHT", schedule(at("05:00"), **SUBMITTED))
    await release(client, "/plans/NIGHT")
    assert await starts(night) == BOTH_DAYS  # nobody has asked
    await release(client, "/plans/NIGHT", addOrdersDateFrom=str(LATER))
    assert await starts(night) == expected(
        ("NIGHT", DAY, "02"), ("NIGHT", LATER, "05"), ("OTHER", DAY, "03"), ("OTHER", LATER, "03")
    )
    await release(client, "/plans/NIGHT", addOrdersDateFrom="now")
    both = expected(("NIGHT", DAY, "05"), ("NIGHT", LATER, "05"), ("OTHER", DAY, "03"), ("OTHER", LATER, "03"))
    assert await starts(night) == both
    # Under another name, its former orders go.
    await client.post("inventory/rename", {"path": "/plans/NIGHT", "objectType": "SCHEDULE", "newPath": "/plans/DUSK"})
    await release(client, "/plans/DUSK", addOrdersDateFrom="now")
    assert {name for name, _, _ in await starts(night)} == {"DUSK", "OTHER"}
    keep = {"releasables": [{"path": "/plans/OTHER", "objectType": "SCHEDULE"}], "keepOrders": True}
    await client.post("inventory/releasables/recall", keep)
    assert {name for name, _, _ in await starts(night)} == {"DUSK", "OTHER"}
    both_recalled = {
        "releasables": [{"path": f"/plans/{name}", "objectType": "SCHEDULE"} for name in ("DUSK", "OTHER")]
    }
    await client.post("inventory/releasables/recall", both_recalled)
    assert await starts(night) == []
    wrong = await release(client, "/plans/DUSK", 420, addOrdersDateFrom="tomorrow")
    assert "tomorrow" in wrong["error"]["message"]
    # What the plan says is what the Controller has.
    sent = {command["order"]["id"] for command in night.controller.commands if command["TYPE"] == "AddOrder"}
    cancelled = {
        id_ for command in night.controller.commands if command["TYPE"] == "CancelOrders" for id_ in command["orderIds"]
    }
    assert sent == cancelled


async def test_orders_get_the_new_version_of_their_workflow_or_nothing_changes(
    night: PlanWorld, client: Any, registered: Any
) -> None:
    entry = {"configuration": {"path": "LOAD", "objectType": "WORKFLOW"}}
    request = {
        "controllerIds": [CONTROLLER_ID],
        "store": {"draftConfigurations": [entry]},
        "addOrdersDateFrom": str(LATER),
    }
    before = {item["orderId"] for item in await night.orders(DAY, LATER)}
    await client.post("inventory/deployment/deploy", request)
    after = {item["orderId"] for item in await night.orders(DAY, LATER)}
    assert await starts(night) == BOTH_DAYS and len(before & after) == 2  # those of the first day
    # The Controller refuses the deployment: the orders are there all the same.
    registered.refuse_items = Problem(message="no")
    refused = await client.post("inventory/deployment/deploy", request, status=420)
    assert "refuses the deployment" in refused["error"]["message"] and await starts(night) == BOTH_DAYS
    registered.refuse_items = None
    # It does not give the orders back: nothing is deployed, nothing is lost.
    registered.refuse = lambda command: Problem(message="busy") if command["TYPE"] == "CancelOrders" else None
    deployments = len(registered.items)
    failed = await client.post("inventory/deployment/deploy", request, status=419)
    assert "busy" in json.dumps(failed) and len(registered.items) == deployments and await starts(night) == BOTH_DAYS
    registered.refuse = lambda command: None
    # Revoked, there is nothing to start.
    revoke = {"controllerIds": [CONTROLLER_ID], "deployConfigurations": [entry]}
    await client.post("inventory/deployment/revoke", revoke)
    assert await starts(night) == []


async def test_all_that_is_deployed_is_sent_again(
    plans: PlanWorld, client: Any, registered: Any, deployed: Any
) -> None:
    await store(client, "/nightly/LOCK", {"limit": 1}, "LOCK")
    entry = {"configuration": {"path": "LOCK", "objectType": "LOCK"}}
    request = {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": [entry]}}
    await client.post("inventory/deployment/deploy", request)
    # A draft that is not deployed stays one.
    draft = {"timeZone": "Etc/UTC", "instructions": []}
    await store(client, "/nightly/LOAD", draft, "WORKFLOW")
    await client.post("inventory/deployment/redeploy", {"controllerId": CONTROLLER_ID})
    [workflow] = registered.signed_items()
    assert workflow["path"] == "LOAD" and workflow["jobs"]
    simple = [operation["item"] for operation in registered.items[-1] if operation["TYPE"] == "AddOrChangeSimple"]
    assert {"TYPE": "Lock", "path": "LOCK", "limit": 1} in simple
    read = await client.post("inventory/read/configuration", {"path": "LOAD", "objectType": "WORKFLOW"})
    assert read["deployed"] is False and read["deployments"][0]["commitId"] == workflow["versionId"]
    count = len(registered.items)
    elsewhere = {"controllerId": CONTROLLER_ID, "folder": "/elsewhere", "recursive": True}
    await client.post("inventory/deployment/synchronize", elsewhere)
    assert len(registered.items) == count
    await client.post("inventory/deployment/synchronize", elsewhere | {"folder": "/"})
    assert registered.signed_items()[0]["path"] == "LOAD"  # nothing has been heard of it at the Controller
    await plans.set(period_begin="06:00:00")
    await client.post("daily_plan/calendar/deploy")
    [operation] = registered.items[-1]
    assert (operation["item"]["path"], operation["item"]["dateOffset"]) == ("dailyPlan", 6 * 3600)
