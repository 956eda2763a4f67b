"""Agents with Subagents, Subagent clusters, archives of Agents (cockpit-api 2.3)."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from sqlalchemy import insert

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.archives import ArchiveFormat, Entry, read_archive, write_archive
from stellwerk.cockpit.database.tables.live import live_agents

CONTROLLER_ID = "controller"
AGENT = "agent-2"


def subagent(number: int, director: str = "NO_DIRECTOR", **members: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:500{number}"
    return {"subagentId": f"sub-{number}", "url": url, "isDirector": director, "title": "", **members}


@pytest.fixture
async def world(registered: Any, client: Any) -> Any:
    """With the Agent `agent-2`: two Directors and a further Subagent, deployed."""
    subagents = [subagent(1, "PRIMARY_DIRECTOR"), subagent(2, "SECONDARY_DIRECTOR"), subagent(3)]
    agent = {"agentId": AGENT, "agentName": "Second", "title": "", "subagents": subagents}
    await client.post("agents/inventory/cluster/store", {"controllerId": CONTROLLER_ID, "clusterAgents": [agent]})
    await client.post("agents/inventory/cluster/deploy", {"controllerId": CONTROLLER_ID, "clusterAgentIds": [AGENT]})
    return registered


async def call(client: Any, path: str, *, status: int = 200, **members: Any) -> Any:
    return await client.post(path, {"controllerId": CONTROLLER_ID, **members}, status=status)


async def refused(client: Any, path: str, **members: Any) -> str:
    answer = await call(client, path, status=420, **members)
    assert answer["error"]["code"] == "JOC-400", answer
    return str(answer["error"]["message"])


async def test_an_agent_is_deployed_with_all_its_subagents_in_one_transaction(world: Any, client: Any) -> None:
    items = [operation["item"] for operation in world.items[-1]]
    assert items[0] == {"TYPE": "AgentRef", "path": AGENT, "directors": ["sub-1", "sub-2"]}
    assert [(item["id"], item["agentPath"]) for item in items[1:]] == [
        ("sub-1", AGENT),
        ("sub-2", AGENT),
        ("sub-3", AGENT),
    ]
    [agent] = (await call(client, "agents/inventory/cluster"))["agents"]
    assert agent["url"] == "http://127.0.0.1:5001" and agent["deployed"] is True
    assert [(item["subagentId"], item["isDirector"]) for item in agent["subagents"]] == [
        ("sub-1", "PRIMARY_DIRECTOR"),
        ("sub-2", "SECONDARY_DIRECTOR"),
        ("sub-3", "NO_DIRECTOR"),
    ]
    assert [item["agentId"] for item in (await call(client, "agents/inventory"))["agents"]] == ["agent-1"]
    overview = await call(client, "controllers")
    assert [item["agentId"] for item in overview["clusterAgents"]] == [AGENT]


async def test_the_state_of_an_agent_is_shown_with_that_of_its_subagents(
    world: Any, client: Any, cockpit: Cockpit
) -> None:
    [agent] = (await call(client, "agents", agentIds=[AGENT]))["agents"]
    assert agent["healthState"] == {"_text": "NO_SUBAGENTS_ARE_COUPLED_AND_ENABLED", "severity": 2}
    states = [("A", AGENT, "COUPLED"), ("S", "sub-1", "COUPLED"), ("S", "sub-2", "COUPLINGFAILED")]
    common = {"controller_id": CONTROLLER_ID, "since": 1, "revision": 1}
    async with cockpit.database.write() as connection:
        rows = [{**common, "kind": kind, "agent_id": id_, "state": state} for kind, id_, state in states]
        await connection.execute(insert(live_agents), rows)
    [agent] = (await call(client, "agents", agentIds=[AGENT]))["agents"]
    assert agent["healthState"] == {"_text": "ONLY_SOME_SUBAGENTS_ARE_COUPLED_AND_ENABLED", "severity": 1}
    assert [(item["subagentId"], item["state"]["_text"]) for item in agent["subagents"]] == [
        ("sub-1", "COUPLED"),
        ("sub-2", "COUPLINGFAILED"),
        ("sub-3", "UNKNOWN"),
    ]
    severities = [item["clusterNodeState"]["severity"] for item in agent["subagents"] if "clusterNodeState" in item]
    assert severities == [2, 2], "which one is active only the Directors can say"
    assert agent["clusterState"] == {"_text": "ClusterUnknown", "severity": 4}


async def test_faulty_agents_and_subagents_are_refused_with_words(world: Any, client: Any) -> None:
    def agent(*subagents: dict[str, Any], **members: Any) -> dict[str, Any]:
        return {"agentId": "agent-3", "agentName": "Third", "subagents": list(subagents), **members}

    primary = subagent(4, "PRIMARY_DIRECTOR")
    cases = [
        (agent(), "primary Director"),
        (agent(subagent(4)), "PRIMARY_DIRECTOR"),
        (agent(primary, subagent(5, "PRIMARY_DIRECTOR")), "needs one PRIMARY_DIRECTOR"),
        (agent(primary, subagent(5, url=primary["url"])), "different ids and urls"),
        (agent(subagent(1, "PRIMARY_DIRECTOR", url="http://127.0.0.1:5009")), "Subagent Id 'sub-1' is already used"),
        (agent({**primary, "url": "http://127.0.0.1:5003/"}), "url 'http://127.0.0.1:5003' is already used"),
        (agent({**primary, "subagentId": "no blank"}), "not a valid Subagent Id"),
        (agent({**primary, "url": "nowhere"}), "not a valid url"),
        (agent(primary, agentName="Primary Agent"), "name 'Primary Agent' is already used"),
    ]
    for item, text in cases:
        assert text in await refused(client, "agents/inventory/cluster/store", clusterAgents=[item]), item
    assert len((await call(client, "agents/inventory/cluster"))["agents"]) == 1, "nothing of them was stored"
    single = {"agentId": AGENT, "agentName": "Second", "url": "http://127.0.0.1:5001"}
    assert "is a cluster" in await refused(client, "agents/inventory/store", agents=[single])
    assert "'agent-1' is no cluster" in await refused(
        client, "agents/inventory/cluster/deploy", clusterAgentIds=["agent-1"]
    )
    assert "agent-9" in await refused(client, "agents/inventory/cluster/revoke", clusterAgentIds=["agent-9"])
    assert "clustered Agent" in await refused(client, "agents/inventory/disable", agentIds=[AGENT])
    assert "sub-9" in await refused(client, "agents/inventory/cluster/subagents/enable", subagentIds=["sub-9"])


async def test_subagents_are_added_disabled_reset_and_deleted(world: Any, client: Any) -> None:
    path = "agents/inventory/cluster/subagents"
    await call(client, f"{path}/store", agentId=AGENT, subagents=[subagent(4, withGenerateSubagentCluster=True)])
    [bundle] = (await call(client, "agents/cluster"))["subagentClusters"]
    assert bundle["subagentClusterId"] == "sub-4" and bundle["subagentIds"] == [{"subagentId": "sub-4", "priority": 0}]
    await call(client, "agents/inventory/cluster/deploy", clusterAgentIds=[AGENT])
    await call(client, f"{path}/disable", subagentIds=["sub-3", "sub-4"])
    assert [operation["item"]["disabled"] for operation in world.items[-1]] == [True, True]
    await call(client, f"{path}/enable", subagentIds=["sub-3"])
    assert world.items[-1][0]["item"]["disabled"] is False
    await call(client, "agents/inventory/cluster/subagent/reset", subagentId="sub-3", force=True)
    assert world.commands[-1] == {"TYPE": "ResetSubagent", "subagentId": "sub-3", "force": True}
    await call(client, f"{path}/delete", subagentIds=["sub-4"])
    assert world.items[-1] == [{"TYPE": "DeleteSimple", "path": "Subagent:sub-4"}]
    assert (await call(client, "agents/cluster"))["subagentClusters"] == [], "its cluster had no other member"
    await call(client, f"{path}/delete", subagentIds=["sub-2"])
    assert world.items[-1][0]["item"] == {"TYPE": "AgentRef", "path": AGENT, "directors": ["sub-1"]}
    assert "primary Director" in await refused(client, f"{path}/delete", subagentIds=["sub-1"])


async def test_subagent_clusters_are_stored_deployed_revoked_and_deleted(world: Any, client: Any) -> None:
    # As the shell CLI sends them: without the Controller's id, priorities as texts.
    members = [{"subagentId": "sub-1", "priority": "0"}, {"subagentId": "sub-3", "priority": "1"}]
    bundle = {"agentId": AGENT, "subagentClusterId": "both", "title": "", "subagentIds": members}
    await client.post("agents/cluster/store", {"subagentClusters": [bundle]})
    await call(client, "agents/cluster/deploy", subagentClusterIds=["both"])
    item = {"TYPE": "SubagentBundle", "id": "both", "subagentToPriority": {"sub-1": 0, "sub-3": 1}}
    assert world.items[-1] == [{"TYPE": "AddOrChangeSimple", "item": item}]
    [shown] = (await call(client, "agents/cluster", agentIds=[AGENT]))["subagentClusters"]
    assert shown["deployed"] is True and shown["subagentIds"][1] == {"subagentId": "sub-3", "priority": 1}
    await call(client, "agents/inventory/cluster/subagents/delete", subagentIds=["sub-3"])
    assert world.items[-1][0]["item"]["subagentToPriority"] == {"sub-1": 0}, "the deployed cluster is told"
    await call(client, "agents/cluster/revoke", subagentClusterIds=["both"])
    assert world.items[-1] == [{"TYPE": "DeleteSimple", "path": "SubagentBundle:both"}]
    await call(client, "agents/cluster/delete", subagentClusterIds=["both"])
    assert (await call(client, "agents/cluster"))["subagentClusters"] == []
    assert "both" in await refused(client, "agents/cluster/deploy", subagentClusterIds=["both"])
    for change, text in (
        ({"subagentIds": [{"subagentId": "sub-9", "priority": 0}]}, "no Subagent 'sub-9'"),
        ({"subagentIds": [{"subagentId": "sub-1", "priority": "1 +"}]}, "no expression"),
        ({"subagentIds": []}, "needs Subagents"),
        ({"agentId": "agent-9"}, "unknown Agent 'agent-9'"),
    ):
        answer = await client.post("agents/cluster/store", {"subagentClusters": [bundle | change]}, status=420)
        assert text in answer["error"]["message"], change


async def test_a_revoked_or_deleted_agent_takes_everything_with_it(world: Any, client: Any) -> None:
    members = [{"subagentId": "sub-1", "priority": 0}]
    bundle = {"agentId": AGENT, "subagentClusterId": "one", "subagentIds": members}
    await client.post("agents/cluster/store", {"subagentClusters": [bundle]})
    await call(client, "agents/cluster/deploy", subagentClusterIds=["one"])
    await call(client, "agents/inventory/cluster/revoke", clusterAgentIds=[AGENT])
    assert [operation["path"] for operation in world.items[-1]] == [
        "SubagentBundle:one",
        f"Agent:{AGENT}",
        "Subagent:sub-1",
        "Subagent:sub-2",
        "Subagent:sub-3",
    ]
    await call(client, "agent/delete", agentId=AGENT)
    assert (await call(client, "agents/inventory/cluster"))["agents"] == []
    assert (await call(client, "agents/cluster"))["subagentClusters"] == []


async def _import(client: Any, data: bytes, format: str, *, status: int = 200, **fields: str) -> Any:
    form = aiohttp.FormData()
    for name, value in {"format": format, "controllerId": CONTROLLER_ID, "overwrite": "false", **fields}.items():
        form.add_field(name, value)
    form.add_field("file", data, filename="agents.archive")
    headers = {"X-Access-Token": client.token}
    url = f"{client.base}/joc/api/agents/import"
    async with client.session.post(url, data=form, headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json()


@pytest.mark.parametrize("format", ["ZIP", "TAR_GZ"])
async def test_agents_go_into_an_archive_and_come_back(world: Any, client: Any, format: str) -> None:
    members = [{"subagentId": "sub-1", "priority": 0}]
    bundle = {"agentId": AGENT, "subagentClusterId": "one", "subagentIds": members}
    await client.post("agents/cluster/store", {"subagentClusters": [bundle]})
    request = {"exportFile": {"filename": "all agents.zip", "format": format}, "agentIds": ["agent-1", AGENT]}
    async with await client.raw("POST", "agents/export", request) as response:
        assert response.status == 200 and "Content-Encoding" not in response.headers
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''all%20agents.zip"
        data = await response.read()
    names = [entry.name for entry in read_archive(data, ArchiveFormat(format))]
    assert names == ["agent-1.agent.json", f"{AGENT}.agent.json"] and not data.startswith(b"{")
    before = [await call(client, path) for path in ("agents/inventory", "agents/inventory/cluster", "agents/cluster")]
    for id_ in ("agent-1", AGENT):
        await call(client, "agent/delete", agentId=id_)
    assert (await _import(client, data, format))["ok"] is True
    after = [await call(client, path) for path in ("agents/inventory", "agents/inventory/cluster", "agents/cluster")]

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            local = ("deployed", "syncState", "ordering", "deliveryDate")
            return {name: plain(member) for name, member in value.items() if name not in local}
        return value

    assert plain(after) == plain(before)
    assert after[0]["agents"][0]["deployed"] is False


async def test_known_agents_are_overwritten_only_when_that_is_said(world: Any, client: Any) -> None:
    agent = {"agentId": "agent-1", "agentName": "Another name", "url": "http://127.0.0.1:4445"}
    content = json.dumps({"standaloneAgent": agent}).encode()
    data = write_archive([Entry("agent-1.agent.json", content)], ArchiveFormat.ZIP, modified_ms=0)
    await _import(client, data, "ZIP")
    assert (await call(client, "agents/inventory"))["agents"][0]["agentName"] == "Primary Agent"
    await _import(client, data, "ZIP", overwrite="true")
    assert (await call(client, "agents/inventory"))["agents"][0]["agentName"] == "Another name"


async def test_archives_that_cannot_be_imported_are_refused_with_words(world: Any, client: Any) -> None:
    def archive(name: str, content: bytes) -> bytes:
        return write_archive([Entry(name, content)], ArchiveFormat.ZIP, modified_ms=0)

    for data, text in (
        (b"nothing", "no readable zip archive"),
        (archive("other.json", b"{}"), "no entry *.agent.json"),
        (archive("a.agent.json", b"{}"), "a.agent.json: one of standaloneAgent and agentCluster"),
        (archive("a.agent.json", b"["), "a.agent.json: "),
    ):
        answer = await _import(client, data, "ZIP", status=420)
        assert answer["error"]["code"] == "JOC-417" and text in answer["error"]["message"], text
    answer = await call(
        client, "agents/export", exportFile={"filename": "x", "format": "ZIP"}, agentIds=["agent-9"], status=420
    )
    assert "agent-9" in answer["error"]["message"]
