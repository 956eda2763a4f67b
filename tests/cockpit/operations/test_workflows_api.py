"""Deployed workflows as people see them (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.live import live_items

CONTROLLER_ID = "controller"


async def _at_controller(cockpit: Cockpit, *items: tuple[str, str, str, bool, str]) -> None:
    rows = [
        {
            "controller_id": CONTROLLER_ID,
            "type": type_,
            "path": path,
            "version_id": version,
            "is_current": is_current,
            "event_id": 1,
            "content": content,
        }
        for type_, path, version, is_current, content in items
    ]
    async with cockpit.database.write() as connection:
        await connection.execute(insert(live_items), rows)


async def test_a_deployed_workflow_is_shown_in_inventory_spelling_with_positions(deployed: Any, client: Any) -> None:
    request = {"controllerId": CONTROLLER_ID, "workflowId": {"path": "/nightly/LOAD"}}
    shown = (await client.post("workflow", request))["workflow"]
    assert shown["path"] == "/nightly/LOAD" and shown["isCurrentVersion"] is True and shown["suspended"] is False
    assert shown["versionId"] == deployed.signed_items()[0]["versionId"]
    assert [item["positionString"] for item in shown["instructions"]] == ["0", "1"]
    assert shown["jobs"]["load"]["agentName"] == "Primary Agent"
    assert shown["state"] == {"_text": "UNKNOWN", "severity": 2}
    compact = (await client.post("workflow", {**request, "compact": True}))["workflow"]
    assert "instructions" not in compact and "jobs" not in compact


async def test_unknown_workflows_are_named(deployed: Any, client: Any) -> None:
    request = {"controllerId": CONTROLLER_ID, "workflowId": {"path": "/NONE"}}
    answer = await client.post("workflow", request, status=420)
    assert answer["error"]["code"] == "JOC-002" and "/NONE" in answer["error"]["message"]


async def test_former_versions_are_listed_as_long_as_the_controller_has_them(
    deployed: Any, client: Any, cockpit: Cockpit
) -> None:
    first = deployed.signed_items()[0]["versionId"]
    request = {"path": "/nightly/LOAD", "objectType": "WORKFLOW", "configuration": {"instructions": []}}
    await client.post("inventory/store", request)
    entry = {"configuration": {"path": "/nightly/LOAD", "objectType": "WORKFLOW"}}
    await client.post(
        "inventory/deployment/deploy",
        {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": [entry]}},
    )
    second = deployed.signed_items()[0]["versionId"]

    async def listed(**filters: Any) -> list[tuple[str, bool, str]]:
        answer = await client.post("workflows", {"controllerId": CONTROLLER_ID, **filters})
        return [(item["versionId"], item["isCurrentVersion"], item["state"]["_text"]) for item in answer["workflows"]]

    assert await listed() == [(second, True, "UNKNOWN")]
    await _at_controller(cockpit, ("Workflow", "LOAD", first, False, "{}"), ("Workflow", "LOAD", second, True, "{}"))
    both = [(second, True, "IN_SYNC"), (first, False, "IN_SYNC")]
    assert await listed() == both
    assert await listed(folders=[{"folder": "/nightly", "recursive": True}]) == both
    assert await listed(folders=[{"folder": "/"}]) == []
    assert await listed(workflowIds=[{"path": "LOAD", "versionId": first}]) == [both[1]]
    assert await listed(regex="LO.D$") == both
    assert await listed(agentNames=["Primary Agent"]) == [both[1]]
    assert await listed(states=["NOT_IN_SYNC"]) == []
    old = {"controllerId": CONTROLLER_ID, "workflowId": {"path": "LOAD", "versionId": first}}
    assert (await client.post("workflow", old))["workflow"]["isCurrentVersion"] is False


async def test_a_suspended_workflow_is_shown_as_such(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await _at_controller(
        cockpit, ("WorkflowPathControl", "LOAD", "", False, '{"path":"LOAD","suspended":true,"skip":[]}')
    )
    [item] = (await client.post("workflows", {"controllerId": CONTROLLER_ID}))["workflows"]
    assert item["suspended"] is True and item["state"]["_text"] == "SUSPENDED"
