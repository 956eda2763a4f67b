"""Clusters in `topology`: the Cockpits themselves, and a pair of Controllers that tells less than ours (JS7)."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_nodes import NodeCluster
from tests.cockpit.cluster.conftest import CockpitCluster, eventually, register
from tests.cockpit.conftest import Client
from tests.cockpit.test_live_api import Sse

pytestmark = pytest.mark.postgresql


async def shown(client: Client, cluster_id: str) -> dict[str, Any]:
    """The cluster with its nodes by name; empty if there is none."""
    topology = await client.get("stellwerk/topology")
    nodes = {node["id"]: node for node in topology["nodes"]}
    found = [cluster for cluster in topology["clusters"] if cluster["id"] == cluster_id]
    return {**found[0], "nodes": {nodes[id_]["name"]: nodes[id_] for id_ in found[0]["nodes"]}} if found else {}


async def figures(cluster: CockpitCluster, name: str) -> dict[str, float]:
    async with cluster.http.get(f"http://127.0.0.1:{cluster.cockpits[name].port}/metrics") as answer:
        lines = [line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[0] != "#"]
    return {figure: float(value) for figure, value in lines}


async def test_cockpits_are_a_cluster_and_each_says_who_may_take_over(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    alone = await cluster.client("a")
    assert await shown(alone, "cockpit") == {}, "one Cockpit is no cluster"
    await cluster.start("b")
    await cluster.start("c", as_api_server=True)
    for name in ("a", "b"):
        client = await cluster.client(name)
        cockpits = await shown(client, "cockpit")
        roles = {title: (node["role"], node["state"]) for title, node in cockpits["nodes"].items()}
        assert roles == {
            "a": ("active", "RUNNING"),
            "b": ("inactive", "RUNNING"),
            "c": ("api-server", "RUNNING"),
        }
        assert (cockpits["state"], cockpits["active"]) == ("Active", cockpits["nodes"]["a"]["id"])
        assert cockpits["readiness"] == {"canFailOver": True, "silenceLimit": 2400}
        can = {title: node["can"]["switchTo"] for title, node in cockpits["nodes"].items()}
        assert can == {
            "a": "It is the active one.",
            "b": True,
            "c": "An API server never becomes active.",
        }
    await client.post("joc/cluster/switch_member", {"memberId": cockpits["nodes"]["b"]["memberId"]})
    await cluster.until_active("b")
    await cluster.stop("a")

    async def has_no_heir() -> bool:
        seen = await shown(client, "cockpit")
        reason = "no other Cockpit runs that may become active"
        return bool(seen["nodes"]["a"]["state"] == "LOST" and seen["readiness"].get("reason") == reason)

    await eventually(has_no_heir, "nobody could take over from b")


async def test_figures_of_the_lease(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    active, passive = await figures(cluster, "a"), await figures(cluster, "b")
    assert (active['stellwerk_cockpit_role{role="active"}'], passive['stellwerk_cockpit_role{role="active"}']) == (1, 0)
    assert passive['stellwerk_cockpit_role{role="passive"}'] == 1

    async def ages() -> bool:
        seen = [(await figures(cluster, name)).get("stellwerk_cockpit_lease_age_seconds") for name in ("a", "b")]
        return all(age is not None and 0 <= age < 2.4 for age in seen)

    await eventually(ages, "both see the role being renewed")


async def test_a_pair_that_does_not_tell_its_status_is_shown_by_its_state(
    cluster: CockpitCluster, pair: NodeCluster
) -> None:
    await cluster.start("a")
    client = await cluster.client("a")
    await register(client, pair)
    seen = await shown(client, "controller/controller")
    assert (seen["state"], seen["active"]) == ("Coupled", "controller/Primary")
    assert {name: node["role"] for name, node in seen["nodes"].items()} == {"Primary": "active", "Backup": "passive"}
    assert seen["readiness"] == {"canFailOver": False, "reason": "Backup does not say whether it is ready"}
    assert "journal" not in seen["nodes"]["Primary"]


async def test_who_reads_the_topic_is_told_when_the_nodes_have_been_asked_again(
    cluster: CockpitCluster, pair: NodeCluster
) -> None:
    await cluster.start("a")
    client = await cluster.client("a")
    await register(client, pair)
    asked = pair.primary.state_requests
    async with await client.raw("GET", "stellwerk/stream", params={"topics": "cluster"}) as response:
        stream = Sse(response)
        for _ in range(3):
            patch = await stream.until("patch", "cluster")
            assert patch["refetch"] is True
    assert pair.primary.state_requests > asked
    await pair.primary.stop()

    async def is_lost() -> bool:
        return bool((await shown(client, "controller/controller"))["nodes"]["Primary"]["state"] == "LOST")

    await eventually(is_lost, "the node that has gone is shown as lost")
