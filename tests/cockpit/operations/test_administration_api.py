"""Order of Agents in lists, resets of several, Controllers as registered, addresses of members, small computations."""

from __future__ import annotations

import hashlib
from typing import Any

ID = {"controllerId": "controller"}
OTHER = {"agentId": "agent-2", "agentName": "Other Agent", "url": "http://127.0.0.1:4446"}
CLUSTERED = {
    "agentId": "cluster-1",
    "agentName": "Cluster",
    "subagents": [
        {"subagentId": f"s{n}", "url": f"http://127.0.0.1:446{n}", "isDirector": role}
        for n, role in enumerate(("PRIMARY_DIRECTOR", "NO_DIRECTOR", "NO_DIRECTOR"), 1)
    ],
}


async def test_agents_subagents_and_their_clusters_are_put_in_order(client: Any, registered: Any) -> None:
    await client.post("agents/inventory/store", {**ID, "agents": [OTHER]})
    await client.post("agents/inventory/cluster/store", {**ID, "clusterAgents": [CLUSTERED]})
    bundles = [
        {"agentId": "cluster-1", "subagentClusterId": name, "subagentIds": [{"subagentId": "s2", "priority": 0}]}
        for name in ("b1", "b2")
    ]
    await client.post("agents/cluster/store", {**ID, "subagentClusters": bundles})

    async def agents() -> list[str]:
        return [item["agentId"] for item in (await client.post("agents/inventory", ID))["agents"]]

    assert await agents() == ["agent-1", "agent-2"]
    await client.post("agents/inventory/ordering", {"agentId": "agent-1", "predecessorAgentId": "agent-2"})
    assert await agents() == ["agent-2", "agent-1"]
    await client.post("agents/inventory/cluster/ordering", {"agentId": "agent-1"})
    assert await agents() == ["agent-1", "agent-2"]
    unknown = await client.post("agents/inventory/ordering", {"agentId": "nobody"}, status=420)
    assert unknown["error"]["code"] == "JOC-400"

    ordering = {"subagentId": "s2", "predecessorSubagentId": "s3"}
    await client.post("agents/inventory/cluster/subagents/ordering", ordering)
    [cluster] = (await client.post("agents/inventory/cluster", ID))["agents"]
    assert [item["subagentId"] for item in cluster["subagents"]] == ["s1", "s3", "s2"]
    ordering = {"subagentClusterId": "b1", "predecessorSubagentClusterId": "b2"}
    await client.post("agents/cluster/ordering", ordering)
    found = (await client.post("agents/cluster", ID))["subagentClusters"]
    assert [item["subagentClusterId"] for item in found] == ["b2", "b1"]

    # Several Agents are reset, all deployed ones sent again.
    await client.post("agents/reset", {**ID, "agentIds": ["agent-1", "agent-2"], "force": True})
    resets = [item for item in registered.commands if item["TYPE"] == "ResetAgent"]
    assert [(item["agentPath"], item["force"]) for item in resets] == [("agent-1", True), ("agent-2", True)]
    unknown = await client.post("agents/reset", {**ID, "agentIds": ["agent-1", "nobody"]}, status=420)
    assert unknown["error"]["code"] == "JOC-400" and "nobody" in unknown["error"]["message"]
    sent = len(registered.items)
    await client.post("agents/inventory/reassign", ID)
    keys = [operation["item"].get("path") for operation in registered.items[-1]]
    assert len(registered.items) == sent + 1 and "agent-1" in keys and "agent-2" not in keys


async def test_controllers_and_members_are_shown_as_they_are_registered(
    client: Any, registered: Any, cockpit: Any
) -> None:
    await registered.server.stop()
    answer = await client.post("controllers/p", ID)
    assert [item["url"] for item in answer["controllers"]] == [registered.url]
    assert "connectionState" not in answer["controllers"][0] and answer["agents"][0]["agentId"] == "agent-1"
    assert (await client.post("controller/p", ID))["controller"]["role"] == "STANDALONE"
    unknown = await client.post("controller/p", {"controllerId": "nobody"}, status=420)
    assert unknown["error"]["code"] == "JOC-404"

    await client.post("joc/url", {"url": "https://cockpit.example/"})
    [member] = (await client.post("jocs", {}))["jocs"]
    assert member["url"] == "https://cockpit.example"
    await client.post("joc/uri", {"url": "http://another:4446", "instanceId": member["instanceId"]})
    assert (await client.post("jocs", {}))["jocs"][0]["url"] == "http://another:4446"
    for wrong in ({"url": "nonsense"}, {"url": "http://x", "instanceId": "joc#77"}):
        assert (await client.post("joc/url", wrong, status=420))["error"]["code"] == "JOC-400", wrong
    await client.post("joc/proxies/restart", {"type": "cluster"})

    # Small computations.
    dates = await client.post("utilities/convert_relative_dates", {"relativDates": ["never", "2026-01-31T12:00:00Z"]})
    assert dates["absoluteDates"] == ["9999-12-31T23:59:59.000Z", "2026-01-31T12:00:00.000Z"]
    wrong = await client.post("utilities/convert_relative_dates", {"relativDates": ["soon"]}, status=420)
    assert wrong["error"]["code"] == "JOC-400"
    assert "Europe/Berlin" in (await client.get("utilities/timezones"))["timezones"]
    async with await client.raw("POST", "utilities/hash", b"not {json") as answer:
        assert answer.content_type == "text/plain"
        assert await answer.text() == hashlib.sha512(b"not {json").hexdigest()


async def test_new_connections_are_opened_after_a_restart_of_proxies(client: Any, deployed: Any) -> None:
    order = {**ID, "orders": [{"workflowPath": "LOAD"}]}
    await client.post("orders/add", order)
    logins = len(deployed.logins)
    await client.post("orders/add", order)
    assert len(deployed.logins) == logins, "one session for all"
    await client.post("joc/proxies/restart", {"type": "cluster"})
    await client.post("orders/add", order)
    assert len(deployed.logins) > logins
