"""All members serve API and live news, sessions survive, history is exact over a fail-over (cluster.md 4.4, F51)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cluster_nodes import CONTROLLER_ID, NodeCluster
from tests.cockpit.cluster.conftest import CockpitCluster, eventually, register
from tests.cockpit.conftest import Client
from tests.cockpit.test_live_api import Sse

from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.live.sharing import SharedLive

pytestmark = pytest.mark.postgresql


async def test_sessions_survive_the_fail_over_and_a_restart_and_end_everywhere(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    token = (await cluster.client("a")).token
    there = await cluster.client("b", token)
    await there.post("touch")
    await cluster.stop("a")
    await there.post("touch")
    await cluster.start("a")
    again = await cluster.client("a", token)
    await again.post("touch")
    async with await there.raw("GET", "stellwerk/stream", params={"topics": "orders"}) as response:
        stream = Sse(response)
        await stream.next()
        await again.post("authentication/logout")
        while (await stream.next())[0] != "end":
            pass
    await there.post("touch", status=440)


async def test_history_has_each_event_once_over_fail_overs(cluster: CockpitCluster, controller: NodeCluster) -> None:
    """F51. The active member goes amid the stream, again and again."""
    await cluster.start("a")
    await cluster.start("b")
    await register(await cluster.client("a"), controller)
    names = [f"o{number}" for number in range(400)]
    last = 0
    for turn, (old, new) in enumerate([("a", "b"), ("b", "a"), ("a", "b")]):
        last = await controller.add_orders(*names[turn * 100 : turn * 100 + 100])
        if turn == 1:
            await cluster.until_projected(last)
        await cluster.stop(old)
        await cluster.until_active(new)
        await cluster.start(old)
    last = await controller.add_orders(*names[300:])
    await cluster.until_projected(last)
    assert await cluster.history() == names
    released = [command["untilEventId"] for command in controller.commands if command["TYPE"] == "ReleaseEvents"]
    assert released == sorted(released)
    assert released[-1] <= last


async def test_a_passive_member_shows_news_at_once(cluster: CockpitCluster, controller: NodeCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await register(await cluster.client("a"), controller)
    await cluster.until_projected(await controller.add_orders("first"))
    passive = await cluster.client("b")
    topics = {"topics": "orders,topology"}
    async with await passive.raw("GET", "stellwerk/stream", params=topics) as response:
        stream = Sse(response)
        hello = await stream.next()
        assert hello[0] == "stream"
        poll = asyncio.create_task(_events_until(passive, {"WorkflowStateChanged", "HistoryOrderUpdated"}))
        await controller.add_orders("second")
        rows = (await stream.until("patch", "orders"))["rows"]
        assert [row["orderId"] for row in rows] == ["second"]
        await poll
        await controller.add({"Key": "second", "TYPE": "OrderFinished"}, {"Key": "second", "TYPE": "OrderDeleted"})
        patch = await stream.until("patch", "orders")
        while not patch["removed"]:
            patch = await stream.until("patch", "orders")
        assert patch["removed"] == ["second"]
        # More at a time than fits into one item of news: fetch again.
        await controller.add_orders(*(f"many-{number:04}-{'x' * 30}" for number in range(400)))
        await stream.until("gap")
        # Another member becomes active.
        await cluster.stop("a")
        await stream.until("gap")
    orders = await passive.post("orders", {"controllerId": CONTROLLER_ID})
    assert len(orders["orders"]) == 401


async def _events_until(client: Client, wanted: set[str]) -> None:
    """Poll until all these kinds of events have come."""
    event_id = 0
    while wanted:
        answer = await client.post("events", {"controllerId": CONTROLLER_ID, "eventId": event_id})
        event_id = answer["eventId"]
        wanted = wanted - {snapshot["eventType"] for snapshot in answer["eventSnapshots"]}


async def test_links_of_the_active_member_are_shown_by_all(cluster: CockpitCluster, controller: NodeCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await register(await cluster.client("a"), controller)

    def state(name: str) -> str | None:
        link = cluster.cockpits[name].services.get(SharedLive).links().get(CONTROLLER_ID)
        return None if link is None else link.state

    await eventually(lambda: state("a") == state("b") == "coupled")
    await cluster.start("late")
    await eventually(lambda: state("late") == "coupled")
    await controller.stop()
    await eventually(lambda: {state(name) for name in ("a", "b", "late")} == {"lost"})


async def test_a_controller_registered_at_a_passive_member_is_followed_by_the_active_one(
    cluster: CockpitCluster, controller: NodeCluster
) -> None:
    await cluster.start("a")
    await cluster.start("b")
    passive = await cluster.client("b")
    await register(passive, controller)
    await cluster.until_projected(await controller.add_orders("x"))
    assert await cluster.history() == ["x"]
    await passive.post("controller/unregister", {"controllerId": CONTROLLER_ID})
    links = cluster.cockpits["a"].services.get(SharedLive)
    await eventually(lambda: not links.links())


async def components(client: Client) -> dict[str, Any]:
    answer: dict[str, Any] = await client.post("controller/components", {"controllerId": CONTROLLER_ID})
    return answer


async def test_a_pair_is_registered_appointed_shown_and_followed_at_its_active_node(
    cluster: CockpitCluster, pair: NodeCluster
) -> None:
    pair.type, pair.id_to_uri = "Empty", {}
    await cluster.start("a")
    client = await cluster.client("a")
    await register(client, pair)
    assert pair.type == "NodesAppointed"
    assert pair.id_to_uri == {"Primary": pair.primary.url, "Backup": pair.backup.url}
    shown = await components(client)
    assert shown["clusterState"] == {"_text": "ClusterNodesAppointed", "severity": 1}
    pair.type = "Coupled"
    shown = await components(client)
    assert shown["clusterState"] == {"_text": "ClusterCoupled", "severity": 0}
    assert [
        (node["role"], node["url"], node["clusterNodeState"]["_text"], node["isCoupled"])
        for node in shown["controllers"]
    ] == [("PRIMARY", pair.primary.url, "active", True), ("BACKUP", pair.backup.url, "inactive", True)]
    assert (await client.post("controller/ids"))["controllerIds"] == [CONTROLLER_ID]
    await cluster.until_projected(await pair.add_orders("at-primary"))
    # Fail-over.
    await pair.primary.stop()
    pair.active_id, pair.type = "Backup", "FailedOver"
    await cluster.until_projected(await pair.add_orders("at-backup"))
    assert await cluster.history() == ["at-primary", "at-backup"]
    shown = await components(client)
    assert shown["clusterState"]["_text"] == "ClusterFailedOver"
    assert [node["connectionState"]["_text"] for node in shown["controllers"]] == ["unreachable", "established"]
    active = (await client.post("controller", {"controllerId": CONTROLLER_ID}))["controller"]
    assert (active["url"], active["role"]) == (pair.backup.url, "BACKUP")


async def test_switch_over_and_shut_down_of_the_nodes_of_a_pair(cluster: CockpitCluster, pair: NodeCluster) -> None:
    await cluster.start("a")
    client = await cluster.client("a")
    await register(client, pair)
    request = {"controllerId": CONTROLLER_ID}
    assert "ClusterAppointNodes" not in {command["TYPE"] for command in pair.commands}  # they know each other
    await client.post("controller/cluster/switchover", request)
    assert pair.active_id == "Backup"
    refused = await client.post("controller/cluster/switchover", request, status=420)
    assert "not coupled (ClusterSwitchedOver)" in refused["error"]["message"]
    # Then Cockpits do not switch either.
    await cluster.start("b")
    switch = {"memberId": cluster.membership("b").member_id}
    refused = await client.post("joc/cluster/switch_member", switch, status=420)
    assert refused["error"]["code"] == "JOC-409"
    pair.type = "Coupled"
    missing = await client.post("controller/terminate", request, status=420)
    assert missing["error"]["code"] == "JOC-406"
    await client.post("controller/terminate", {**request, "url": pair.backup.url})
    assert pair.backup.commands[-1] == {"TYPE": "ShutDown", "clusterAction": {"TYPE": "Switchover"}}
    pair.backup.commands.clear()
    await client.post("controller/restart", {**request, "url": pair.backup.url, "withSwitchover": False})
    assert pair.backup.commands[-1] == {"TYPE": "ShutDown", "restart": True}
    unknown = await client.post("controller/terminate", {**request, "url": "http://other:1"}, status=420)
    assert "not the url of a node" in unknown["error"]["message"]


async def test_a_controller_alone_has_no_cluster_and_a_pair_needs_two_of_one_id(
    cluster: CockpitCluster, controller: NodeCluster, pair: NodeCluster
) -> None:
    await cluster.start("a")
    client = await cluster.client("a")
    await register(client, controller)
    for path in ("switchover", "appoint_nodes", "confirm_node_loss"):
        refused = await client.post(f"controller/cluster/{path}", {"controllerId": CONTROLLER_ID}, status=420)
        assert refused["error"]["code"] == "JOC-400" and "stands alone" in refused["error"]["message"]
    for roles in (["PRIMARY"], ["PRIMARY", "PRIMARY"], ["STANDALONE", "BACKUP"]):
        nodes = [{"url": url, "role": role} for url, role in zip(pair.urls, roles, strict=False)]
        await client.post("controller/register", {"controllers": nodes}, status=420)
    same = [{"url": pair.primary.url, "role": role} for role in ("PRIMARY", "BACKUP")]
    refused = await client.post("controller/register", {"controllers": same}, status=420)
    assert "different urls" in refused["error"]["message"]
    # The stand-alone one becomes a pair, and the roles change places.
    connections = cluster.cockpits["a"].services.get(ControllerConnections)
    await register(client, pair)
    assert await connections.registered() == {CONTROLLER_ID: tuple(pair.urls)}
    swapped = [{"url": pair.backup.url, "role": "PRIMARY"}, {"url": pair.primary.url, "role": "BACKUP"}]
    await client.post("controller/register", {"controllers": swapped})
    assert await connections.registered() == {CONTROLLER_ID: tuple(reversed(pair.urls))}
