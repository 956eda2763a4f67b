"""Tags, their groups, and what has them (cockpit-api 3, 7; cockpit-services 1.9)."""

from __future__ import annotations

from typing import Any

from archived import archive, export, folder_export, import_archive, unpacked
from plan_world import PlanWorld, at, in_days, schedule

CONTROLLER_ID = "controller"
EMPTY: dict[str, Any] = {"instructions": [], "jobs": {}}


async def store(client: Any, path: str, object_type: str = "WORKFLOW", configuration: Any = EMPTY) -> None:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    await client.post("inventory/store", request)


async def tag(client: Any, path: str, *tags: str, status: int = 200) -> Any:
    return await client.post("inventory/workflow/tags/store", {"path": path, "tags": list(tags)}, status=status)


async def tags_of(client: Any, path: str) -> list[str]:
    return (await client.post("inventory/workflow/tags", {"path": path}))["tags"]  # type: ignore[no-any-return]


async def all_tags(client: Any, kind: str = "") -> list[str]:
    return (await client.post(f"tags{kind}"))["tags"]  # type: ignore[no-any-return]


async def test_tags_are_added_ordered_grouped_renamed_and_deleted(client: Any) -> None:
    assert await all_tags(client) == []
    for kind, rename in (("", "tag/rename"), ("/job", "tag/job/rename")):
        await client.post(f"tags{kind}/add", {"tags": ["night", "site:paris", "day"]})
        await client.post(f"tags{kind}/add", {"tags": ["paris", "lyon"]})
        assert await all_tags(client, kind) == ["night", "site:paris", "day", "lyon"]
        await client.post(f"tags{kind}/ordering", {"tags": ["lyon", "site:paris"]})
        assert await all_tags(client, kind) == ["lyon", "site:paris", "night", "day"]
        await client.post(rename, {"name": "site:paris", "newName": "nice"})
        await client.post(rename, {"name": "lyon", "newName": "site:lyon"})
        taken = await client.post(rename, {"name": "night", "newName": "nice"}, status=420)
        assert "'nice' exists already" in taken["error"]["message"]
        await client.post(f"tags{kind}/delete", {"tags": ["day", "unknown"]})
        assert await all_tags(client, kind) == ["site:lyon", "site:nice", "night"]
    other = await client.post("tags/add", {"tags": ["team:nice"]}, status=420)
    assert other["error"]["code"] == "JOC-400" and "different groups" in other["error"]["message"]
    for path, request in (
        ("tag/rename", {"name": "unknown", "newName": "x"}),
        ("tags/ordering", {"tags": ["unknown"]}),
        ("tags/group/read", {"group": "unknown"}),
        ("tags/group/rename", {"name": "unknown", "newName": "x"}),
        ("tags/groups/ordering", {"groups": ["unknown"]}),
        ("tags/group/store", {"group": "site", "tags": ["unknown"]}),
    ):
        assert "unknown" in (await client.post(path, request, status=420))["error"]["message"]
    # Groups are of all kinds.
    await client.post("tags/groups/add", {"groups": ["team", "site"]})
    assert (await client.post("tags/groups"))["groups"] == ["site", "team"]
    await client.post("tags/groups/ordering", {"groups": ["team"]})
    await client.post("tags/group/rename", {"name": "site", "newName": "town"})
    assert (await client.post("tags/groups"))["groups"] == ["team", "town"]
    assert (await client.post("tags/group/read", {"group": "town"}))["tags"] == ["lyon", "nice"]
    assert (await client.post("tags/group/store", {"group": "town", "tags": ["night", "lyon"]}))["tags"] == [
        "lyon",
        "night",
    ]
    assert await all_tags(client) == await all_tags(client, "/job") == ["town:lyon", "nice", "town:night"]
    await client.post("tags/groups/delete", {"groups": ["town"]})
    assert await all_tags(client) == ["lyon", "nice", "night"]


async def test_tags_of_workflows_and_jobs_follow_them_through_their_life(client: Any) -> None:
    for path in ("/a/ONE", "/a/b/TWO", "/c/THREE"):
        await store(client, path)
    await tag(client, "/a/ONE", "site:paris", "night")
    assert await tags_of(client, "ONE") == ["site:paris", "night"]
    assert "spaces" in (await tag(client, "/a/ONE", "not possible", status=420))["error"]["message"].lower()
    await tag(client, "/a/UNKNOWN", "x", status=420)
    folders = {"folders": [{"folder": "/a", "recursive": True}], "addTags": ["both"], "deleteTags": ["night"]}
    await client.post("inventory/workflow/tags/store/folder", folders)
    assert await tags_of(client, "ONE") == ["site:paris", "both"] and await tags_of(client, "TWO") == ["both"]
    jobs = [{"jobName": "load", "jobTags": ["slow", "io:disk"]}, {"jobName": "end", "jobTags": ["quick"]}]
    await client.post("inventory/workflow/tags/job/store", {"path": "/a/ONE", "jobs": jobs})
    renamed = {"path": "/a/ONE", "jobName": "load", "newJobName": "fetch"}
    await client.post("inventory/workflow/tags/job/rename", renamed)
    await client.post("inventory/workflow/tags/job/store", {"path": "/a/ONE", "jobs": [{"jobName": "end"}]})
    found = await client.post("inventory/workflow/tags/job", {"path": "/a/ONE", "jobNames": []})
    assert found["jobs"] == [{"jobName": "fetch", "jobTags": ["slow", "io:disk"]}]
    assert (await client.post("inventory/workflow/tags/job", {"path": "ONE", "jobNames": ["x"]}))["jobs"] == []
    # What has a tag.
    with_tag = await client.post("inventory/read/tag", {"tag": "site:paris"})
    assert [item["path"] for item in with_tag["workflows"]] == ["/a/ONE"]
    assert (await client.post("inventory/read/job/tag", {"tag": "disk"}))["workflows"][0]["path"] == "/a/ONE"
    used = await client.post("tags/used", {"folders": [{"folder": "/a", "recursive": False}]})
    assert used["both"] == ["/a/ONE"] and used["night"] == []
    assert (await client.post("tags/used"))["both"] == ["/a/ONE", "/a/b/TWO"]
    assert (await client.post("tags/job/used"))["io:disk"] == ["/a/ONE"]
    search = await client.post("inventory/search", {"returnType": "WORKFLOW", "tags": ["both"]})
    assert [item["path"] for item in search["results"]] == ["/a/ONE", "/a/b/TWO"]
    # Renamed, removed, restored: the tags stay. Deleted for good: they are gone.
    await client.post("inventory/rename", {"path": "/a/ONE", "objectType": "WORKFLOW", "newPath": "/a/FIRST"})
    assert await tags_of(client, "FIRST") == ["site:paris", "both"]
    named = {"path": "/a/FIRST", "objectType": "WORKFLOW"}
    await client.post("inventory/remove", {"objects": [named]})
    await client.post("inventory/trash/restore", named)
    assert await tags_of(client, "FIRST") == ["site:paris", "both"]
    await client.post("inventory/remove", {"objects": [named]})
    await client.post("inventory/trash/delete", {"objects": [named]})
    await store(client, "/a/FIRST")
    assert await tags_of(client, "FIRST") == [] and await tags_of(client, "TWO") == ["both"]


async def test_tags_of_orders_are_known_when_an_object_gives_them(client: Any) -> None:
    add = {"TYPE": "AddOrder", "workflowName": "NEXT", "arguments": {}, "tags": ["child", "not possible"]}
    await store(client, "/a/W", configuration={"instructions": [add]})
    night = {"workflowNames": ["W"], "orderParameterisations": [{"orderName": "o", "tags": ["nightly", "child"]}]}
    await store(client, "/a/S", "SCHEDULE", night)
    assert await all_tags(client, "/order") == ["child", "nightly"]


async def test_tags_go_into_archives_and_come_back(client: Any) -> None:
    await store(client, "/acme/ONE")
    await store(client, "/acme/TWO")
    await client.post("tags/add", {"tags": ["unused"]})
    await tag(client, "/acme/ONE", "site:paris", "night")
    jobs = [{"jobName": "load", "jobTags": ["slow"]}]
    await client.post("inventory/workflow/tags/job/store", {"path": "/acme/ONE", "jobs": jobs})
    data = await export(client, "inventory/export/folder", folder_export())
    written = unpacked(data, "ZIP")["tags.json"]
    assert [item["name"] for item in written["tags"]] == ["paris", "night"]
    assert written["jobTags"] == [{"name": "ONE", "jobs": {"load": ["slow"]}}]
    everything = unpacked(await export(client, "inventory/export/folder", folder_export(inclAllTags=True)), "ZIP")
    assert [item["name"] for item in everything["tags.json"]["tags"]] == ["unused", "paris", "night"]
    # They come to those that a workflow has, or replace them; a new name takes its tags along.
    await tag(client, "/acme/ONE", "own")
    await import_archive(client, data)  # ONE exists, and is left alone with its tags
    assert await tags_of(client, "ONE") == ["own"]
    await import_archive(client, data, overwrite="true")
    assert await tags_of(client, "ONE") == ["site:paris", "night", "own"]
    await import_archive(client, data, overwrite="true", overwriteTags="true")
    assert await tags_of(client, "ONE") == ["site:paris", "night"] and await tags_of(client, "TWO") == []
    await import_archive(client, data, suffix="copy", targetFolder="/second")
    assert await tags_of(client, "ONE-copy") == ["site:paris", "night"]
    found = await client.post("inventory/workflow/tags/job", {"path": "ONE-copy"})
    assert found["jobs"] == [{"jobName": "load", "jobTags": ["slow"]}]
    wrong = archive({"a/W.workflow.json": EMPTY, "tags.json": {"tags": [{"name": "a b"}]}})
    refused = await import_archive(client, wrong, status=420)
    assert refused["error"]["code"] == "JOC-417" and "tags.json: tag 'a b'" in refused["error"]["message"]
    old = {"tags": [{"name": "old", "ordering": 1, "usedBy": [{"name": "W", "type": "WORKFLOW"}]}]}
    await import_archive(client, archive({"a/W.workflow.json": EMPTY, "workflow.tags.json": old}))
    assert await tags_of(client, "W") == ["old"]


async def test_lists_are_narrowed_to_workflows_with_a_tag(plans: PlanWorld, client: Any) -> None:
    await store(client, "/other/NEXT")
    entry = {"configuration": {"path": "/other/NEXT", "objectType": "WORKFLOW"}}
    request = {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": [entry]}}
    await client.post("inventory/deployment/deploy", request)
    await tag(client, "LOAD", "site:paris")
    await tag(client, "NEXT", "lyon")
    await store(client, "/other/DRAFT")
    await tag(client, "DRAFT", "later")

    async def workflows(**members: Any) -> list[str]:
        answer = await client.post("workflows", {"controllerId": CONTROLLER_ID, **members})
        return [item["path"] for item in answer["workflows"]]

    assert await workflows(workflowTags=["site:paris"]) == ["/nightly/LOAD"]
    assert await workflows(workflowTags=["paris", "lyon"]) == ["/nightly/LOAD", "/other/NEXT"]
    one = await client.post("workflow", {"controllerId": CONTROLLER_ID, "workflowId": {"path": "LOAD"}})
    assert one["workflow"]["workflowTags"] == ["paris"]
    for text, names in (("pa", ["paris"]), ("l?o", ["lyon"]), ("later", [])):
        found = await client.post("workflows/tag/search", {"controllerId": CONTROLLER_ID, "search": text})
        assert [item["name"] for item in found["results"]] == names
    await client.post("workflows/tag/search", {"controllerId": CONTROLLER_ID, "search": "p"}, status=420)
    # The daily plan.
    day = in_days(3)
    await plans.release("/plans/one", schedule(at("02:00")))
    await plans.release("/plans/two", schedule(at("03:00"), workflows=("NEXT",)))
    await plans.generate(day)
    assert len(await plans.orders(day)) == 2
    [order] = await plans.orders(day, workflowTags=["lyon"])
    assert order["workflowPath"] == "/other/NEXT"
    answer = await client.post("daily_plan/orders", {"dailyPlanDateFrom": str(day), "workflowTags": ["paris"]})
    assert answer["workflowTagsPerWorkflow"] == {"LOAD": ["paris"]}
