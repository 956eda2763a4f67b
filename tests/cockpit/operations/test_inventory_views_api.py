"""Rename, copy, replace, revert, and the views of inventory and trash (cockpit-api 3; cockpit-services 1.5, 1.8)."""

from __future__ import annotations

from typing import Any

import pytest

CONTROLLER_ID = "controller"
SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "##!include COMMON --replace='a','b'\necho"}


def workflow(**members: Any) -> dict[str, Any]:
    return {
        "title": "Loads what came in",
        "jobResourceNames": ["ENV"],
        "instructions": [
            {
                "TYPE": "Lock",
                "demands": [{"lockName": "LOCK"}],
                "lockedWorkflow": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}]},
            },
            {"TYPE": "ConsumeNotices", "noticeBoardNames": "'DONE' && 'DONE'", "subworkflow": {"instructions": []}},
        ],
        "jobs": {"load": {"agentName": "Primary Agent", "executable": SCRIPT, "jobTemplate": {"name": "JOB"}}},
        **members,
    }


OBJECTS: list[tuple[str, str, Any]] = [
    ("/a/ENV", "JOBRESOURCE", {"env": {"A": "'1'"}}),
    ("/a/LOCK", "LOCK", {"limit": 1}),
    ("/a/DONE", "NOTICEBOARD", {"postOrderToNoticeId": "'x'", "endOfLife": "1"}),
    ("/a/COMMON", "INCLUDESCRIPT", {"script": "set -e"}),
    ("/a/JOB", "JOBTEMPLATE", {"executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}),
    ("/a/flows/LOAD", "WORKFLOW", workflow()),
    ("/a/flows/CALL", "WORKFLOW", {"instructions": [{"TYPE": "AddOrder", "workflowName": "LOAD"}]}),
    ("/a/HOLIDAYS", "NONWORKINGDAYSCALENDAR", {}),
    ("/a/DAYS", "WORKINGDAYSCALENDAR", {"excludes": {"nonWorkingDayCalendars": ["HOLIDAYS"]}}),
    (
        "/a/flows/NIGHT",
        "SCHEDULE",
        {
            "workflowNames": ["LOAD"],
            "calendars": [{"calendarName": "DAYS"}],
            "nonWorkingDayCalendars": [{"calendarName": "HOLIDAYS"}],
        },
    ),
]


@pytest.fixture
async def world(registered: Any, client: Any) -> Any:
    """A folder `/a` with objects that refer to each other, all valid."""
    for path, object_type, configuration in OBJECTS:
        request = {"path": path, "objectType": object_type, "configuration": configuration}
        answer = await client.post("inventory/store", request)
        assert answer["valid"], answer
    return registered


async def read(client: Any, name: str, object_type: str = "WORKFLOW", **options: Any) -> Any:
    return await client.post("inventory/read/configuration", {"path": name, "objectType": object_type}, **options)


async def publish(client: Any) -> None:
    """Release, then deploy the folder `/a`."""
    folder = {"path": "/a", "objectType": "FOLDER", "recursive": True}
    await client.post("inventory/release", {"update": [folder]})
    store = {"draftConfigurations": [{"configuration": folder}]}
    await client.post("inventory/deployment/deploy", {"controllerIds": [CONTROLLER_ID], "store": store})


async def invalid(client: Any) -> list[str]:
    report = await client.post("inventory/revalidate/folder", {"path": "/", "recursive": True})
    return [item["path"] for item in report["invalidObjs"]]


def same(answer: Any, path: str) -> None:
    assert answer["path"] == path and isinstance(answer["id"], int), answer


# --- rename -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, object_type", [(path, object_type) for path, object_type, _ in OBJECTS])
async def test_drafts_follow_the_new_name_of_what_they_refer_to(
    world: Any, client: Any, path: str, object_type: str
) -> None:
    request = {"path": path, "objectType": object_type, "newPath": "NEW"}
    same(await client.post("inventory/rename", request), path.rsplit("/", 1)[0] + "/NEW")
    assert await invalid(client) == []
    old = path.rsplit("/", 1)[1]
    for other, other_type, _ in OBJECTS:
        if other != path:
            assert f'"{old}"' not in str((await read(client, other, other_type))["configuration"]).replace("'", '"')


async def test_a_renamed_deployed_workflow_is_a_draft_and_replaces_the_old_one(world: Any, client: Any) -> None:
    await publish(client)
    await client.post("inventory/rename", {"path": "LOAD", "objectType": "WORKFLOW", "newPath": "../LOADER"})
    found = await read(client, "/a/LOADER")
    assert (found["deployed"], found["state"]) == (False, "DRAFT_IS_NEWER")
    assert (await read(client, "CALL"))["deployed"] is False
    await publish(client)
    operations = world.items[-1]
    assert {"TYPE": "RemoveVersioned", "path": "Workflow:LOAD"} in operations
    assert sorted(item["path"] for item in world.signed_items()) == ["CALL", "LOADER"]


async def test_an_object_takes_the_former_name_of_another_in_one_deployment(world: Any, client: Any) -> None:
    await publish(client)
    await client.post("inventory/rename", {"path": "LOCK", "objectType": "LOCK", "newPath": "FORMER"})
    lock = {"path": "/a/LOCK", "objectType": "LOCK", "configuration": {"limit": 3}}
    await client.post("inventory/store", lock)
    folder = {"configuration": {"path": "/a", "objectType": "FOLDER", "recursive": True}}
    store = {"draftConfigurations": [folder]}
    await client.post("inventory/deployment/deploy", {"controllerIds": [CONTROLLER_ID], "store": store})
    items = [operation for operation in world.items[-1] if "Lock" in str(operation) and "Signed" not in str(operation)]
    assert {item["item"]["path"]: item["item"]["limit"] for item in items} == {"FORMER": 1, "LOCK": 3}


async def test_a_moved_object_stays_deployed_or_released(world: Any, client: Any) -> None:
    await publish(client)
    for name, object_type in (("LOAD", "WORKFLOW"), ("NIGHT", "SCHEDULE")):
        request = {"path": name, "objectType": object_type, "newPath": f"/other/{name}"}
        same(await client.post("inventory/rename", request), f"/other/{name}")
        found = await read(client, name, object_type)
        assert found["deployed"] or found["released"]
    history = (await client.post("inventory/deployment/history", {}))["depHistory"]
    assert "/other/LOAD" in {entry["path"] for entry in history}
    # A renamed job template leaves the workflows that it was copied into deployed.
    await client.post("inventory/rename", {"path": "JOB", "objectType": "JOBTEMPLATE", "newPath": "TEMPLATE"})
    load = await read(client, "LOAD")
    assert load["configuration"]["jobs"]["load"]["jobTemplate"] == {"name": "TEMPLATE"} and load["deployed"] is True
    assert (await read(client, "TEMPLATE", "JOBTEMPLATE"))["released"] is True


async def test_a_folder_is_renamed_with_what_is_in_it_or_merged(world: Any, client: Any) -> None:
    same(await client.post("inventory/rename", {"path": "/a", "objectType": "FOLDER", "newPath": "/b/c"}), "/b/c")
    assert (await read(client, "LOAD"))["path"] == "/b/c/flows/LOAD"
    await client.post("inventory/read/folder", {"path": "/a"}, status=420)
    lock = {"path": "/d/flows/OTHER", "objectType": "LOCK", "configuration": {}}
    await client.post("inventory/store", lock)
    await client.post("inventory/rename", {"path": "/b/c", "objectType": "FOLDER", "newPath": "/d"})
    folder = await client.post("inventory/read/folder", {"path": "/d/flows"})
    assert [item["name"] for item in (*folder["workflows"], *folder["locks"])] == ["CALL", "LOAD", "OTHER"]
    assert await invalid(client) == []
    for target, text in (("/d/flows/x", "lie in itself"), ("/", "root folder")):
        request = {"path": "/d", "objectType": "FOLDER", "newPath": target}
        assert text in (await client.post("inventory/rename", request, status=420))["error"]["message"]


async def test_a_name_that_is_taken_is_refused_but_its_case_may_change(world: Any, client: Any) -> None:
    request = {"path": "LOAD", "objectType": "WORKFLOW", "newPath": "call"}
    answer = await client.post("inventory/rename", request, status=420)
    assert answer["error"]["code"] == "JOC-171" and "/a/flows/CALL" in answer["error"]["message"]
    check = await client.post("inventory/validate/path", request, status=420)
    assert check["error"]["code"] == "JOC-171"
    same(await client.post("inventory/rename", {**request, "newPath": "Load"}), "/a/flows/Load")
    assert await invalid(client) == []
    assert (await client.post("inventory/validate/path", {**request, "path": "/a/flows/Load", "newPath": "x"}))["ok"]
    bad = await client.post("inventory/validate/path", {"path": "/a b", "objectType": "LOCK"}, status=420)
    assert "Spaces" in bad["error"]["message"]
    missing = await client.post("inventory/rename", {"path": "CALL", "objectType": "WORKFLOW"}, status=420)
    assert missing["error"]["code"] == "JOC-406"


async def test_names_are_replaced_by_a_regular_expression(world: Any, client: Any) -> None:
    request = {"path": "/a", "search": "^(LO)(.*)$", "replace": "$2-$1"}
    assert (await client.post("inventory/replace/folder", request))["ok"] is True
    assert (await read(client, "AD-LO"))["configuration"]["instructions"][0]["demands"] == [{"lockName": "CK-LO"}]
    assert await invalid(client) == []
    objects = [{"path": "AD-LO", "objectType": "WORKFLOW"}]
    await client.post("inventory/replace", {"objects": objects, "search": "-LO", "replace": ""})
    assert (await read(client, "AD"))["path"] == "/a/flows/AD"
    bad = await client.post("inventory/replace", {"objects": [], "search": "(", "replace": ""}, status=420)
    assert bad["error"]["code"] == "JOC-400" and "search" in bad["error"]["message"]
    # One name that is not possible: none is changed.
    clash = {"path": "/a", "search": ".*", "replace": "SAME"}
    await client.post("inventory/replace/folder", clash, status=420)
    assert (await read(client, "AD"))["path"] == "/a/flows/AD"


# --- copy and revert --------------------------------------------------------------------------------------------------


async def test_a_copied_folder_refers_to_itself_and_a_shallow_one_to_the_originals(world: Any, client: Any) -> None:
    request: dict[str, Any] = {"path": "/a", "objectType": "FOLDER", "newPath": "/b"}
    same(await client.post("inventory/copy", request), "/b")
    copied = (await read(client, "/b/flows/LOAD-copy"))["configuration"]
    assert copied["jobResourceNames"] == ["ENV-copy"]
    assert copied["instructions"][1]["noticeBoardNames"] == "'DONE-copy' && 'DONE-copy'"
    assert copied["jobs"]["load"]["executable"]["script"].startswith("##!include COMMON-copy --replace")
    shallow = {**request, "newPath": "/c", "prefix": "my", "shallowCopy": True}
    await client.post("inventory/copy", shallow)
    assert (await read(client, "/c/flows/my-LOAD"))["configuration"]["jobResourceNames"] == ["ENV"]
    await read(client, "my-ENV", "JOBRESOURCE", status=420)
    assert await invalid(client) == []


async def test_a_copied_object_gets_a_numbered_suffix_where_its_name_stays(world: Any, client: Any) -> None:
    request = {"path": "LOCK", "objectType": "LOCK", "newPath": "/b/LOCK"}
    same(await client.post("inventory/copy", request), "/b/LOCK-copy")
    same(await client.post("inventory/copy", request), "/b/LOCK-copy1")
    same(await client.post("inventory/copy", {**request, "path": "LOCK-copy", "newPath": "LOCK-copy"}), "/b/LOCK-copy2")
    same(await client.post("inventory/copy", {**request, "newPath": "OTHER"}), "/a/OTHER")
    taken = await client.post("inventory/copy", {**request, "newPath": "other"}, status=420)
    assert taken["error"]["code"] == "JOC-171"


async def test_drafts_become_again_what_was_published(world: Any, client: Any) -> None:
    unpublished = await client.post(
        "inventory/delete_draft", {"objects": [{"path": "LOAD", "objectType": "WORKFLOW"}]}, status=420
    )
    assert "No previously deployed version" in unpublished["error"]["message"]
    await publish(client)
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("/a/flows/LOAD", "WORKFLOW", workflow(title="changed")),
        ("/a/flows/NIGHT", "SCHEDULE", {"workflowNames": []}),
    ]
    for path, object_type, configuration in changes:
        request = {"path": path, "objectType": object_type, "configuration": configuration}
        await client.post("inventory/store", request)
    answer = await client.post("inventory/delete_draft/folder", {"path": "/a", "recursive": True})
    assert sorted(item["path"] for item in answer["updated"]) == ["/a/flows/LOAD", "/a/flows/NIGHT"]
    load, night = await read(client, "LOAD"), await read(client, "NIGHT", "SCHEDULE")
    assert (load["deployed"], load["configuration"]["title"]) == (True, "Loads what came in")
    assert (night["released"], night["valid"]) == (True, True)
    again = await client.post(
        "inventory/delete_draft", {"objects": [{"path": "LOAD", "objectType": "WORKFLOW"}]}, status=420
    )
    assert "Draft of [/a/flows/LOAD] doesn't exist" in again["error"]["message"]


# --- views ------------------------------------------------------------------------------------------------------------


def flat(folders: list[dict[str, Any]]) -> list[str]:
    return [path for folder in folders for path in (folder["path"], *flat(folder["folders"]))]


async def test_the_tree_shows_folders_of_inventory_types_and_trash(world: Any, client: Any) -> None:
    await client.post("inventory/store", {"path": "/empty", "objectType": "FOLDER"})

    async def tree(**request: Any) -> list[str]:
        return flat((await client.post("tree", request))["folders"])

    assert await tree(forInventory=True, types=["INVENTORY"]) == ["/", "/a", "/a/flows", "/empty"]
    assert await tree(types=["SCHEDULE"]) == ["/", "/a", "/a/flows"]
    assert await tree(types=["LOCK"]) == ["/", "/a"]
    assert await tree(types=["REPORT"]) == ["/"]
    assert await tree(forInventory=True, folders=[{"folder": "/a"}]) == ["/", "/a"]
    assert await tree(forInventory=True, folders=[{"folder": "/a", "recursive": True}]) == ["/", "/a", "/a/flows"]
    await client.post("inventory/remove", {"objects": [{"path": "NIGHT", "objectType": "SCHEDULE"}]})
    assert await tree(forInventoryTrash=True) == ["/", "/a", "/a/flows"]
    trash = await client.post("inventory/trash/read/folder", {"path": "/a/flows"})
    assert [(item["name"], item["deleted"]) for item in trash["schedules"]] == [("NIGHT", True)]
    item = await client.post("inventory/trash/read/configuration", {"id": trash["schedules"][0]["id"]})
    assert item["configuration"]["workflowNames"] == ["LOAD"] and item["path"] == "/a/flows/NIGHT"


async def test_objects_are_searched_by_name_state_and_content(world: Any, client: Any) -> None:
    async def search(**request: Any) -> list[str]:
        answer = await client.post("inventory/search", {"returnType": "WORKFLOW", **request})
        return [item["name"] for item in answer["results"]]

    assert await search() == ["CALL", "LOAD"]
    assert await search(search="oa") == ["LOAD"]
    assert await search(search="came in") == ["LOAD"]
    assert await search(folders=["/nowhere"]) == []
    assert await search(advanced={"workflow": "LOAD"}) == ["CALL"]
    assert await search(advanced={"lock": "LO*", "noticeBoard": "DONE", "agentName": "Prim"}) == ["LOAD"]
    assert await search(advanced={"jobName": "oad", "jobScript": "ECHO", "jobCountFrom": 1, "jobCountTo": 1}) == [
        "LOAD"
    ]
    assert await search(advanced={"jobName": "oad", "jobNameExactMatch": True}) == []
    assert await search(deployedOrReleased=True) == []
    await publish(client)
    assert await search(deployedOrReleased=True) == ["CALL", "LOAD"]
    assert await search(undeployedOrUnreleased=True) == []
    assert await search(returnType="CALENDAR") == ["DAYS", "HOLIDAYS"]
    quick = await client.post("inventory/quick/search", {"search": "lo", "returnTypes": ["WORKFLOW", "LOCK"]})
    assert [(item["name"], item["objectType"]) for item in quick["results"]] == [("LOAD", "WORKFLOW"), ("LOCK", "LOCK")]
    assert quick["token"]
    short = await client.post("inventory/quick/search", {"search": "l"}, status=420)
    assert short["error"]["code"] == "JOC-400"


async def test_references_are_shown_in_both_directions(world: Any, client: Any) -> None:
    answer = await client.post("inventory/workflow/references", {"path": "LOAD"})
    assert [item["path"] for item in answer["workflows"]] == ["/a/flows/CALL"]
    assert [item["path"] for item in answer["schedules"]] == ["/a/flows/NIGHT"]
    only = await client.post("inventory/workflow/references", {"path": "LOAD", "objectTypes": ["SCHEDULE"]})
    assert "workflows" not in only
    request = {"operationType": "DEPLOY", "configurations": [{"name": "LOAD", "type": "WORKFLOW"}]}
    graph = await client.post("inventory/dependencies", request)
    [requested] = graph["requestedItems"]
    by_id = {int(id_): item["name"] for id_, item in graph["objects"].items()}
    load = graph["objects"][str(requested)]
    assert sorted(by_id[id_] for id_ in load["references"]) == ["COMMON", "DONE", "ENV", "JOB", "LOCK"]
    assert sorted(by_id[id_] for id_ in load["referencedBy"]) == ["CALL", "NIGHT"]
    assert sorted(by_id.values()) == sorted(path.rsplit("/", 1)[1] for path, _, _ in OBJECTS)
    assert load["enforcedReferences"] == load["references"]
    await publish(client)
    graph = await client.post("inventory/dependencies", request)
    assert graph["objects"][str(requested)]["enforcedReferences"] == []


async def test_what_can_be_deployed_or_released_is_shown_with_its_versions(world: Any, client: Any) -> None:
    request = {"folder": "/a", "recursive": True}
    await publish(client)
    changed = {"path": "/a/flows/LOAD", "objectType": "WORKFLOW", "configuration": workflow(title="changed")}
    await client.post("inventory/store", changed)
    answer = await client.post("inventory/deployables", request)
    assert sorted(item["objectName"] for item in answer["deployables"]) == ["DONE", "ENV", "LOCK"]
    [flows] = answer["folders"]
    call, load = flows["deployables"]
    assert (call["objectName"], call["deployed"], len(call["deployablesVersions"])) == ("CALL", True, 1)
    draft, version = load["deployablesVersions"]
    assert "commitId" not in draft and version["versions"][0]["controllerId"] == CONTROLLER_ID
    drafts = await client.post("inventory/deployables", {**request, "withoutDeployed": True})
    assert drafts["deployables"] == [] and [item["objectName"] for item in drafts["folders"][0]["deployables"]] == [
        "LOAD"
    ]
    one = await client.post("inventory/deployable", {"path": "LOAD", "objectType": "WORKFLOW"})
    assert one["deployable"] == load
    answer = await client.post("inventory/releasables", request)
    names = [item["objectName"] for item in (*answer["releasables"], *answer["folders"][0]["releasables"])]
    assert sorted(names) == ["COMMON", "DAYS", "HOLIDAYS", "JOB", "NIGHT"]
    one = await client.post("inventory/releasable", {"path": "NIGHT", "objectType": "SCHEDULE"})
    [version] = one["releasable"]["releasableVersions"]
    assert one["releasable"]["released"] is True and version["releasePath"] == "/a/flows/NIGHT"


async def test_counts_and_paths(world: Any, client: Any) -> None:
    counts = await client.post("inventory/statistics", {})
    assert (counts["numOfWorkflows"], counts["numOfJobs"], counts["numOfCalendars"]) == (2, 1, 2)
    answer = await client.post("inventory/path", {"name": "LOAD", "objectType": "WORKFLOW"})
    assert answer["path"] == "/a/flows/LOAD"
