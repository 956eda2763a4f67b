"""What the editor of the web UI asks for: tree with counts, one object whole, checks with places, stores that cannot
overwrite what somebody else has written, previews of deployments (ui.md S13)."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from tests.cockpit.conftest import Client
from tests.cockpit.identity.conftest import People
from tests.cockpit.operations.conftest import CONTROLLER_ID, WORKFLOW, RecordingController, deployment

from stellwerk.cockpit.api.native_publishing import action_of
from stellwerk.cockpit.inventory.references import Reference, place_of
from stellwerk.cockpit.inventory.tree import FolderCount, folders_in
from stellwerk.cockpit.inventory.types import FOLDER_MEMBERS, ObjectType
from stellwerk.language.inventory.object_schemas import schema_of, types_with_schema

WITH_LOCK = {
    **WORKFLOW,
    "instructions": [
        {
            "TYPE": "Lock",
            "demands": [{"lockName": "GATE"}],
            "lockedWorkflow": {"instructions": WORKFLOW["instructions"]},
        }
    ],
}


@pytest.fixture
def people(client: Client) -> People:
    return People(client)


async def get(client: Client, name: str, **query: str) -> Any:
    async with await client.raw("GET", f"stellwerk/inventory/{name}", params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def put(client: Client, path: str, object_type: str, configuration: Any) -> Any:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    return await client.post("inventory/store", request)


async def save(client: Client, path: str, configuration: Any, revision: str | None, *, status: int = 200) -> Any:
    request = {"path": path, "objectType": "WORKFLOW", "configuration": configuration, "revision": revision}
    return await client.post("stellwerk/inventory/store", request, status=status)


# --- pure -------------------------------------------------------------------------------------------------------------


def test_each_folder_counts_what_lies_below_it() -> None:
    count = FolderCount(objects=2, drafts=1)
    folders = [("/", count), ("/a", count), ("/a/b/c", FolderCount(3, 0, 1)), ("/ab", FolderCount()), ("/a/b", count)]
    found = folders_in("/", folders)
    assert [(one.path, one.count, one.has_folders) for one in found] == [
        ("/a", FolderCount(7, 2, 1), True),
        ("/ab", FolderCount(), False),
    ]
    assert [one.path for one in folders_in("/a", folders)] == ["/a/b"]
    assert folders_in("/ab", folders) == []


@pytest.mark.parametrize(
    "reference, path",
    [
        (Reference(ObjectType.LOCK, "GATE"), "$.instructions[0].demands[0].lockName"),
        (Reference(ObjectType.JOBRESOURCE, "ENV"), "$.jobs.load.jobResourceNames[1]"),
        (Reference(ObjectType.LOCK, "OTHER"), "$"),
    ],
)
def test_a_reference_stands_where_its_name_is(reference: Reference, path: str) -> None:
    jobs = {"load": {**WORKFLOW["jobs"]["load"], "jobResourceNames": ["GATE", "ENV"]}}
    assert place_of(ObjectType.WORKFLOW, {**WITH_LOCK, "jobs": jobs}, reference) == path


@pytest.mark.parametrize(
    "before, after, action", [(None, "{}", "create"), ("{}", "{}", "same"), ("{}", '{"a":1}', "change")]
)
def test_publishing_creates_changes_or_leaves(before: str | None, after: str, action: str) -> None:
    assert action_of(before, after) == action


def test_there_is_a_schema_of_each_type_that_people_write() -> None:
    without = {"REPORT", "JOBCLASS", "DEPLOYMENTDESCRIPTOR"}
    assert set(types_with_schema()) == {type_.name for types in FOLDER_MEMBERS.values() for type_ in types} - without
    for name in types_with_schema():
        jsonschema.Draft202012Validator.check_schema(schema_of(name) or {})
    assert schema_of("FOLDER") is None


# --- over HTTP --------------------------------------------------------------------------------------------------------


async def test_the_tree_is_opened_folder_by_folder(registered: RecordingController, client: Client) -> None:
    await put(client, "/etl/eu/LOAD", "WORKFLOW", WORKFLOW)
    await put(client, "/etl/BAD", "WORKFLOW", {})
    await put(client, "/etl/GATE", "LOCK", {})
    await client.post("inventory/deployment/deploy", deployment("/etl/eu/LOAD"))
    top = await get(client, "tree")
    assert top["objects"] == []
    assert top["folders"] == [
        {"path": "/etl", "name": "etl", "count": {"objects": 3, "drafts": 2, "invalid": 1}, "hasFolders": True}
    ]
    etl = await get(client, "tree", folder="/etl")
    assert etl["mayChange"] is True
    assert [(one["name"], one["state"], one["valid"]) for one in etl["objects"]] == [
        ("BAD", "DEPLOYMENT_NOT_EXIST", False),
        ("GATE", "DEPLOYMENT_NOT_EXIST", True),
    ]
    [load] = (await get(client, "tree", folder="/etl/eu"))["objects"]
    assert load["state"] == "DEPLOYMENT_IS_NEWER"


async def test_an_object_comes_with_its_problems_neighbours_and_versions(
    registered: RecordingController, client: Client
) -> None:
    await put(client, "/etl/LOAD", "WORKFLOW", WITH_LOCK)
    await put(client, "/etl/CALL", "WORKFLOW", {"instructions": [{"TYPE": "AddOrder", "workflowName": "LOAD"}]})
    found = await get(client, "object", path="/etl/LOAD", objectType="WORKFLOW")
    [problem] = found["problems"]
    assert problem["path"] == "$.instructions[0].demands[0].lockName" and "'GATE' does not exist" in problem["message"]
    assert found["uses"] == [{"name": "GATE", "objectType": "LOCK"}]
    assert [one["path"] for one in found["usedBy"]] == ["/etl/CALL"]
    assert found["can"] == {"change": True, "publish": True, "controllers": [CONTROLLER_ID]}

    await put(client, "/etl/GATE", "LOCK", {})
    await client.post("inventory/deployment/deploy", deployment("/etl/LOAD"))
    await put(client, "/etl/LOAD", "WORKFLOW", WORKFLOW)
    await client.post("inventory/deployment/deploy", deployment("/etl/LOAD"))
    found = await get(client, "object", path="/etl/LOAD", objectType="WORKFLOW")
    assert found["problems"] == [] and found["state"] == "DEPLOYMENT_IS_NEWER"
    at = [[(place["controllerId"], place["current"]) for place in one["at"]] for one in found["versions"]]
    assert at == [[(CONTROLLER_ID, True)], [(CONTROLLER_ID, False)]]


async def test_a_check_stores_nothing_and_names_the_place(registered: RecordingController, client: Client) -> None:
    configuration = {**WORKFLOW, "jobs": {"load": {**WORKFLOW["jobs"]["load"], "agentName": "Nobody"}}}
    request = {"path": "/etl/LOAD", "objectType": "WORKFLOW", "configuration": configuration}
    [problem] = (await client.post("stellwerk/inventory/check", request))["problems"]
    assert problem["path"] == "$.jobs.load.agentName" and "Nobody" in problem["message"]
    assert (await get(client, "tree"))["folders"] == []


async def test_a_store_never_overwrites_what_somebody_else_has_stored(
    registered: RecordingController, client: Client
) -> None:
    mine = await save(client, "/etl/LOAD", WORKFLOW, None)
    assert mine["configuration"]["version"] and mine["problems"] == []
    again = await save(client, "/etl/LOAD", WORKFLOW, None, status=420)
    assert again["error"]["code"] == "JOC-425" and "is there already" in again["error"]["message"]

    theirs = await save(client, "/etl/LOAD", {**WORKFLOW, "title": "theirs"}, mine["revision"])
    refused = await save(client, "/etl/LOAD", {**WORKFLOW, "title": "mine"}, mine["revision"], status=420)
    assert refused["error"]["code"] == "JOC-425" and "somebody else" in refused["error"]["message"]
    found = await get(client, "object", path="/etl/LOAD", objectType="WORKFLOW")
    assert found["configuration"]["title"] == "theirs" and found["revision"] == theirs["revision"]

    await client.post("inventory/remove", {"objects": [{"path": "/etl/LOAD", "objectType": "WORKFLOW"}]})
    gone = await save(client, "/etl/LOAD", WORKFLOW, theirs["revision"], status=420)
    assert "not there any more" in gone["error"]["message"]


async def test_a_preview_says_what_changes_where_and_what_goes_along(
    deployed: RecordingController, client: Client
) -> None:
    await put(client, "/etl/GATE", "LOCK", {})
    await put(client, "/nightly/LOAD", "WORKFLOW", WITH_LOCK)
    await put(client, "/etl/CALL", "WORKFLOW", {"instructions": [{"TYPE": "AddOrder", "workflowName": "LOAD"}]})
    await put(client, "/etl/SCRIPT", "INCLUDESCRIPT", {"script": "true"})
    items = [("/nightly/LOAD", "WORKFLOW"), ("/etl/SCRIPT", "INCLUDESCRIPT")]
    request = {
        "objects": [{"path": path, "objectType": object_type} for path, object_type in items],
        "controllerIds": [CONTROLLER_ID],
    }
    found = {one["path"]: one for one in (await client.post("stellwerk/inventory/publishing", request))["objects"]}
    assert {path: (one["reason"], one.get("because"), one["published"]) for path, one in found.items()} == {
        "/nightly/LOAD": ("chosen", None, True),
        "/etl/SCRIPT": ("chosen", None, False),
        "/etl/GATE": ("needed", "/nightly/LOAD", False),
        "/etl/CALL": ("refers", "/nightly/LOAD", False),
    }
    [load], [script] = found["/nightly/LOAD"]["changes"], found["/etl/SCRIPT"]["changes"]
    assert load["action"] == "change" and load["controllerId"] == CONTROLLER_ID
    assert load["before"]["instructions"] == WORKFLOW["instructions"]
    assert found["/nightly/LOAD"]["after"]["instructions"] == WITH_LOCK["instructions"]
    assert script == {"action": "create"}

    folder = {"objects": [{"path": "/etl", "objectType": "FOLDER"}], "controllerIds": [CONTROLLER_ID]}
    found = await client.post("stellwerk/inventory/publishing", folder)
    chosen = [one["path"] for one in found["objects"] if one["reason"] == "chosen"]
    assert chosen == ["/etl/CALL", "/etl/GATE", "/etl/SCRIPT"]


async def test_other_folders_are_neither_seen_nor_counted(
    registered: RecordingController, client: Client, people: People
) -> None:
    await put(client, "/open/CALL", "WORKFLOW", {"instructions": [{"TYPE": "AddOrder", "workflowName": "SECRET"}]})
    await put(client, "/closed/SECRET", "WORKFLOW", WORKFLOW)
    anna = await people.with_permissions(
        "anna",
        "sos:products:controller",
        "sos:products:joc:inventory",
        folders=[{"folder": "/open", "recursive": True}],
    )
    assert [one["path"] for one in (await get(anna, "tree"))["folders"]] == ["/open"]
    found = await get(anna, "object", path="/open/CALL", objectType="WORKFLOW")
    assert found["uses"] == [{"name": "SECRET", "objectType": "WORKFLOW", "hidden": True}]
    refused = await save(anna, "/closed/SECRET", {}, None, status=420)
    assert refused["error"]["code"] == "JOC-419"
    preview = {"objects": [{"path": "/closed/SECRET", "objectType": "WORKFLOW"}]}
    assert (await anna.post("stellwerk/inventory/publishing", preview, status=420))["error"]["code"] == "JOC-419"
