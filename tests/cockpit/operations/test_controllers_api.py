"""Registration of Controllers and Agents (cockpit-api 2.3)."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.deployment.key_files import CERTIFICATE_FILE, KEY_FILE, ensure_key_files
from stellwerk.cockpit.deployment.keys import SigningKeys
from stellwerk.wire.signatures import SignatureVerifier, sign

CONTROLLER_ID = "controller"


async def test_a_controller_is_registered_under_the_id_that_it_tells(registered: Any, client: Any) -> None:
    ids = await client.post("controller/ids")
    assert (ids["controllerIds"], ids["selected"]) == ([CONTROLLER_ID], CONTROLLER_ID)
    answer = await client.post("controllers", {"controllerId": ""})
    [item] = answer["controllers"]
    assert (item["controllerId"], item["url"], item["role"]) == (CONTROLLER_ID, registered.url, "STANDALONE")
    assert [agent["agentId"] for agent in answer["agents"]] == ["agent-1"]


async def test_commands_are_sent_with_the_credentials_of_the_file(registered: Any) -> None:
    assert "cockpit" in registered.logins


async def test_a_refused_login_says_what_to_look_at(controller: Any, client: Any) -> None:
    request = {"controllers": [{"url": controller.url, "role": "STANDALONE"}]}
    controller.known_user = "somebody else"
    await client.post("controller/register", request)
    order = {"controllerId": CONTROLLER_ID, "orders": [{"workflowPath": "LOAD"}]}
    answer = await client.post("orders/add", order, status=420)
    assert "private/controllers/controller.toml" in answer["error"]["message"]


async def test_the_state_of_a_controller_is_asked_now(registered: Any, client: Any) -> None:
    item = (await client.post("controller", {"controllerId": CONTROLLER_ID}))["controller"]
    assert item["connectionState"] == {"_text": "established", "severity": 0}
    assert item["clusterNodeState"] == {"_text": "active", "severity": 0}
    assert item["version"] == "2.9.1" and item["host"] == "h"


async def test_an_unreachable_controller_is_434_for_state_and_420_for_changes(registered: Any, client: Any) -> None:
    await registered.server.stop()
    answer = await client.post("controller", {"controllerId": CONTROLLER_ID}, status=434)
    assert answer["error"]["code"] == "JOC-402"
    components = await client.post("controller/components", {"controllerId": CONTROLLER_ID})
    assert components["controllers"][0]["connectionState"]["_text"] == "unreachable"
    assert components["jocs"][0]["current"] is True and components["database"]["componentState"]["severity"] == 0
    request = {"controllerId": CONTROLLER_ID, "agentIds": ["agent-1"]}
    answer = await client.post("agents/inventory/deploy", request, status=420)
    assert answer["error"]["code"] == "JOC-402"


async def test_a_url_of_another_controller_is_refused(registered: Any, client: Any) -> None:
    request = {"controllerId": "other", "controllers": [{"url": registered.url, "role": "STANDALONE"}]}
    answer = await client.post("controller/register", request, status=420)
    assert answer["error"]["code"] == "JOC-400" and "'controller', not 'other'" in answer["error"]["message"]
    answer = await client.post("controller/test", {"url": "nonsense"}, status=420)
    assert "is not a valid url" in answer["error"]["message"]
    assert (await client.post("controller/test", {"url": registered.url}))["controller"][
        "controllerId"
    ] == CONTROLLER_ID


async def test_unknown_controllers_are_named(registered: Any, client: Any) -> None:
    answer = await client.post("controller", {"controllerId": "nobody"}, status=420)
    assert answer["error"]["code"] == "JOC-404" and "'nobody'" in answer["error"]["message"]


async def test_an_agent_is_deployed_with_its_subagent_in_one_transaction(registered: Any, client: Any) -> None:
    [operations] = registered.items
    assert [operation["item"] for operation in operations] == [
        {"TYPE": "AgentRef", "path": "agent-1", "directors": ["agent-1"], "processLimit": 7},
        {
            "TYPE": "SubagentItem",
            "id": "agent-1",
            "agentPath": "agent-1",
            "uri": "http://127.0.0.1:4445",
            "disabled": False,
        },
    ]
    [agent] = (await client.post("agents", {"controllerId": CONTROLLER_ID}))["agents"]
    assert agent["state"]["_text"] == "UNKNOWN" and agent["runningTasks"] == 0
    [agent] = (await client.post("agents/inventory", {"controllerId": CONTROLLER_ID}))["agents"]
    assert agent["deployed"] is True and agent["agentName"] == "Primary Agent"


async def test_names_and_urls_of_agents_are_unique(registered: Any, client: Any) -> None:
    agent = {"agentId": "agent-2", "agentName": "Second", "url": "http://127.0.0.1:4446"}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"url": "http://127.0.0.1:4445/"}, "url"),
        ({"agentName": "Primary Agent"}, "name"),
        ({"agentNameAliases": ["Primary Agent"]}, "name"),
        ({"agentId": "no blanks"}, "not a valid Agent Id"),
        ({"url": "127.0.0.1"}, "not a valid url"),
    ]
    for change, text in changes:
        request = {"controllerId": CONTROLLER_ID, "agents": [agent | change]}
        answer = await client.post("agents/inventory/store", request, status=420)
        assert answer["error"]["code"] == "JOC-400" and text in answer["error"]["message"], change


def _subagents(**roles: str) -> list[dict[str, Any]]:
    return [
        {"subagentId": name.replace("_", "-"), "url": f"http://127.0.0.1:{5000 + number}", "isDirector": role}
        for number, (name, role) in enumerate(roles.items())
    ]


async def test_a_clustered_agent_is_deployed_with_all_its_subagents(registered: Any, client: Any) -> None:
    subagents = _subagents(pair_3="NO_DIRECTOR", pair_1="PRIMARY_DIRECTOR", pair_2="SECONDARY_DIRECTOR")
    agent = {"agentId": "pair", "agentName": "Pair", "subagents": subagents, "forceFailoverConfirmation": True}
    await client.post("agents/inventory/cluster/store", {"controllerId": CONTROLLER_ID, "clusterAgents": [agent]})
    ids = {"controllerId": CONTROLLER_ID, "clusterAgentIds": ["pair"]}
    await client.post("agents/inventory/cluster/deploy", ids)
    reference, *items = [operation["item"] for operation in registered.items[-1]]
    assert reference["directors"] == ["pair-1", "pair-2"] and reference["requireFailoverConfirmation"] is True
    assert [item["id"] for item in items] == ["pair-1", "pair-3", "pair-2"]
    assert items[0]["uri"] == "http://127.0.0.1:5001"

    [shown] = (await client.post("agents/inventory/cluster", {"controllerId": CONTROLLER_ID}))["agents"]
    assert shown["url"] == "http://127.0.0.1:5001" and shown["deployed"] is True
    assert [item["isDirector"] for item in shown["subagents"]] == [
        "PRIMARY_DIRECTOR",
        "NO_DIRECTOR",
        "SECONDARY_DIRECTOR",
    ]
    answer = await client.post(
        "agents/inventory/disable", {"controllerId": CONTROLLER_ID, "agentIds": ["pair"]}, status=420
    )
    assert answer["error"]["code"] == "JOC-400"
    await client.post("agents/inventory/cluster/revoke", ids)
    assert [operation["path"] for operation in registered.items[-1]] == [
        "Agent:pair",
        "Subagent:pair-1",
        "Subagent:pair-3",
        "Subagent:pair-2",
    ]


async def test_a_stand_alone_agent_becomes_clustered(registered: Any, client: Any) -> None:
    subagents = _subagents(agent_1="PRIMARY_DIRECTOR", agent_1_2="SECONDARY_DIRECTOR")
    subagents[0]["url"] = "http://127.0.0.1:4445"
    agent = {"agentId": "agent-1", "agentName": "Primary Agent", "subagents": subagents}
    assert (await client.post("agents/inventory/cluster", {"controllerId": CONTROLLER_ID}))["agents"] == []
    await client.post("agents/inventory/cluster/store", {"controllerId": CONTROLLER_ID, "clusterAgents": [agent]})
    [shown] = (await client.post("agents/inventory/cluster", {"controllerId": CONTROLLER_ID}))["agents"]
    assert [item["subagentId"] for item in shown["subagents"]] == ["agent-1", "agent-1-2"]


async def test_a_clustered_agent_that_cannot_be_is_refused(registered: Any, client: Any) -> None:
    bad: list[tuple[list[dict[str, Any]], str]] = [
        ([], "primary Director"),
        (_subagents(pair_1="SECONDARY_DIRECTOR"), "PRIMARY_DIRECTOR"),
        (_subagents(pair_1="PRIMARY_DIRECTOR", pair_2="PRIMARY_DIRECTOR"), "PRIMARY_DIRECTOR"),
        (_subagents(agent_1="PRIMARY_DIRECTOR"), "'agent-1' is already used by Agent 'agent-1'"),
        (_subagents(pair_1="PRIMARY_DIRECTOR") * 2, "PRIMARY_DIRECTOR"),
        ([*_subagents(pair_1="PRIMARY_DIRECTOR"), *_subagents(pair_2="NO_DIRECTOR")], "different ids and urls"),
    ]
    for subagents, text in bad:
        agent = {"agentId": "pair", "agentName": "Pair", "subagents": subagents}
        request = {"controllerId": CONTROLLER_ID, "clusterAgents": [agent]}
        answer = await client.post("agents/inventory/cluster/store", request, status=420)
        assert answer["error"]["code"] == "JOC-400" and text in answer["error"]["message"], subagents


async def test_agents_are_disabled_revoked_reset_and_deleted(registered: Any, client: Any) -> None:
    request = {"controllerId": CONTROLLER_ID, "agentIds": ["agent-1"]}
    await client.post("agents/inventory/disable", request)
    assert registered.items[-1][0]["item"]["disabled"] is True
    await client.post("agents/inventory/enable", request)
    assert registered.items[-1][0]["item"]["disabled"] is False
    await client.post("agent/reset", {"controllerId": CONTROLLER_ID, "agentId": "agent-1", "force": True})
    assert registered.commands[-1] == {"TYPE": "ResetAgent", "agentPath": "agent-1", "force": True}
    await client.post("agents/inventory/revoke", request)
    assert registered.items[-1] == [
        {"TYPE": "DeleteSimple", "path": "Agent:agent-1"},
        {"TYPE": "DeleteSimple", "path": "Subagent:agent-1"},
    ]
    assert (await client.post("agents", {"controllerId": CONTROLLER_ID}))["agents"] == []
    await client.post("agent/delete", {"controllerId": CONTROLLER_ID, "agentId": "agent-1"})
    assert (await client.post("agents/inventory", {"controllerId": CONTROLLER_ID}))["agents"] == []
    answer = await client.post("agents/inventory/deploy", request, status=420)
    assert answer["error"]["code"] == "JOC-400" and "agent-1" in answer["error"]["message"]


async def test_a_controller_can_be_forgotten(registered: Any, client: Any) -> None:
    await client.post("controller/unregister", {"controllerId": CONTROLLER_ID})
    assert (await client.post("controller/ids"))["controllerIds"] == []


async def test_the_certificate_is_handed_over_and_the_key_is_kept(cockpit: Cockpit) -> None:
    file = cockpit.configuration.data / CERTIFICATE_FILE
    first = file.read_bytes()
    assert b"BEGIN CERTIFICATE" in first and b"PRIVATE" not in first
    assert stat.S_ISREG(file.stat().st_mode)
    again = Cockpit(cockpit.configuration)
    await again.start(listen=False)
    try:
        assert file.read_bytes() == first
    finally:
        await again.stop()


async def test_a_key_that_was_made_before_the_first_start_is_taken_over(tmp_path: Path) -> None:
    certificate = ensure_key_files(tmp_path, datetime(2026, 1, 31, tzinfo=UTC))
    assert ensure_key_files(tmp_path, datetime(2026, 2, 1, tzinfo=UTC)) == certificate
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    cockpit = Cockpit(CockpitConfiguration(data=tmp_path, first_password="x" * 12))
    await cockpit.start(listen=False)
    try:
        signature = sign("text", await cockpit.services.get(SigningKeys).signing_key("anybody"))
        SignatureVerifier.from_pem([certificate]).verify("text", signature)
        assert (tmp_path / CERTIFICATE_FILE).read_bytes() == certificate
    finally:
        await cockpit.stop()


async def test_a_controller_is_aborted_even_if_its_answer_gets_lost(registered: Any, client: Any) -> None:
    await client.post("controller/abort", {"controllerId": CONTROLLER_ID})
    assert registered.commands[-1] == {"TYPE": "EmergencyStop", "restart": False}
    registered.lost_answers = 1
    assert (await client.post("controller/abort_and_restart", {"controllerId": CONTROLLER_ID}))["ok"] is True
    assert registered.commands[-1] == {"TYPE": "EmergencyStop", "restart": True}
    await registered.server.stop()
    answer = await client.post("controller/abort", {"controllerId": CONTROLLER_ID}, status=420)
    assert answer["error"]["code"] == "JOC-402"
