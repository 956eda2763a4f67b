"""Counters of orders and workflows (cockpit-api 3)."""

from __future__ import annotations

from typing import Any

import pytest

ASKING: dict[str, Any] = {"instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]}


@pytest.fixture
def controller(deciding_controller: Any) -> Any:
    return deciding_controller


@pytest.fixture
async def world(empty_world: Any) -> Any:
    """Two orders ask at `/f/A`, one at `/g/B`, where another one is planned for some day."""
    await empty_world.deploy("/f/A", ASKING)
    await empty_world.deploy("/g/B", ASKING)
    for workflow in ("A", "A", "B"):
        await empty_world.add(workflow)
    await empty_world.add("B", scheduledFor="2099-01-31T12:00:00")
    return empty_world


def _counted(summary: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in summary.items() if number}


async def test_orders_are_counted_by_state(world: Any) -> None:
    async def orders(**filters: Any) -> dict[str, int]:
        return _counted((await world.call("orders/overview/snapshot", **filters))["orders"])

    assert await orders() == {"prompting": 3, "scheduled": 1}
    assert await orders(dateTo="1d", timeZone="Europe/London") == {"prompting": 3}, "what is for later is left out"
    assert await orders(folders=[{"folder": "/g"}]) == {"prompting": 1, "scheduled": 1}
    assert await orders(workflowIds=[{"path": "/f/A"}]) == {"prompting": 2}
    assert await orders(workflowIds=[{"path": "/f/A", "versionId": "another"}]) == {}
    unknown = await world.client.post("orders/overview/snapshot", {"controllerId": "nobody"}, status=420)
    assert unknown["error"]["code"] == "JOC-404"


async def test_orders_are_counted_by_workflow(world: Any) -> None:
    answer = await world.call("workflows/order_count", workflowIds=[{"path": "/g/B"}, {"path": "A"}, {"path": "/NONE"}])
    counted = {item["path"]: _counted(item["numOfOrders"]) for item in answer["workflows"]}
    assert counted == {"/g/B": {"prompting": 1, "scheduled": 1}, "/f/A": {"prompting": 2}}
    assert _counted(answer["numOfAllOrders"]) == {"prompting": 3, "scheduled": 1}


async def test_workflows_are_counted_by_what_the_controller_has(world: Any) -> None:
    answer = await world.client.post("workflows/overview/snapshot", {"controllerId": "controller"})
    assert answer["workflows"] == {"synchronized": 0, "notSynchronized": 2, "suspended": 0, "outstanding": 0}
    await world.call("workflows/suspend", workflowPaths=["/f/A"])
    answer = await world.call("workflows/overview/snapshot")
    assert answer["workflows"] == {"synchronized": 2, "notSynchronized": 0, "suspended": 1, "outstanding": 0}
