"""Export and import of archives (cockpit-api 2.3; cockpit-services 1.10), as the vendor's command line sends them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from archived import archive, export, folder_export, import_archive, unpacked

CONTROLLER_ID = "controller"
SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "##!include COMMON\necho hello"}

#: An archive in JS7's layout with every type of object; what they refer to is in it, too.
ARCHIVE: dict[str, Any] = {
    "acme/boards/DONE.noticeboard.json": {
        "boardType": "GLOBAL",
        "postOrderToNoticeId": "'x'",
        "endOfLife": "$js7EpochMilli + 1000",
    },
    "acme/LOCK.lock.json": {"limit": 2, "title": "one at a time"},
    "acme/ENV.jobresource.json": {"arguments": {"a": '"b"'}, "env": {"A": "$a"}},
    "acme/COMMON.script.json": {"script": "set -e\n"},
    "acme/cal/HOLIDAYS.calendar.json": {"type": "NONWORKINGDAYSCALENDAR", "includes": {"dates": ["2026-12-25"]}},
    "acme/cal/DAYS.calendar.json": {
        "type": "WORKINGDAYSCALENDAR",
        "from": "2026-01-01",
        "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]},
        "excludes": {"nonWorkingDayCalendars": ["HOLIDAYS"]},
    },
    "acme/TEMPLATE.jobtemplate.json": {"executable": SCRIPT, "jobResourceNames": ["ENV"]},
    "acme/REPORT.report.json": {"templateName": "WORKFLOWS_WITH_MOST_FAILURES", "frequencies": ["monthly"], "hits": 10},
    "acme/flows/NEXT.workflow.json": {
        "instructions": [],
        "orderPreparation": {"parameters": {"n": {"type": "Number", "default": 1.50}}},
    },
    "acme/flows/LOAD.workflow.json": {
        "timeZone": "Europe/Berlin",
        "orderPreparation": {"parameters": {"file": {"type": "String", "default": "none"}}},
        "jobResourceNames": ["ENV"],
        "instructions": [
            {
                "TYPE": "Lock",
                "demands": [{"lockName": "LOCK"}],
                "lockedWorkflow": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}]},
            },
            {"TYPE": "PostNotices", "noticeBoardNames": ["DONE"]},
            {"TYPE": "ExpectNotices", "noticeBoardNames": "'DONE'"},
            {"TYPE": "AddOrder", "workflowName": "NEXT", "arguments": {}},
        ],
        "jobs": {
            "load": {
                "agentName": "Primary Agent",
                "executable": SCRIPT,
                "jobTemplate": {"name": "TEMPLATE", "hash": "0"},
            }
        },
    },
    "acme/flows/INBOX.fileordersource.json": {
        "workflowName": "LOAD",
        "agentName": "Primary Agent",
        "directoryExpr": "'/var/in'",
        "pattern": ".*\\.csv",
    },
    "acme/flows/NIGHT.schedule.json": {
        "workflowNames": ["LOAD"],
        "calendars": [{"calendarName": "DAYS", "timeZone": "Europe/Berlin", "periods": [{"singleStart": "02:00:00"}]}],
        "nonWorkingDayCalendars": [{"calendarName": "HOLIDAYS"}],
    },
}
META = {"jocVersion": "2.8.1", "inventorySchemaVersion": "1.7.2", "apiVersion": "2.8.1"}


async def read(client: Any, path: str, object_type: str, **options: Any) -> Any:
    return await client.post("inventory/read/configuration", {"path": path, "objectType": object_type}, **options)


async def validity(client: Any) -> dict[str, str | None]:
    report = await client.post("inventory/revalidate/folder", {"path": "/", "recursive": True})
    return {
        **{item["path"]: None for item in report["validObjs"]},
        **{item["path"]: item["invalidMsg"] for item in report["invalidObjs"]},
    }


@pytest.mark.parametrize("format_", ["ZIP", "TAR_GZ"])
async def test_an_archive_of_all_types_is_imported_deployed_and_exported_as_it_was(
    registered: Any, client: Any, format_: str
) -> None:
    data = archive({"meta_inf": META, **ARCHIVE}, format_)
    assert (await import_archive(client, data, format=format_))["ok"] is True
    assert set((await validity(client)).values()) == {None}
    release = {"update": [{"path": "/acme", "objectType": "FOLDER", "recursive": True}]}
    await client.post("inventory/release", release)
    entry = {"configuration": {"path": "/acme", "objectType": "FOLDER", "recursive": True}}
    deployment = {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": [entry]}}
    await client.post("inventory/deployment/deploy", deployment)
    sent = {item["path"] for item in registered.signed_items()}
    sent |= {
        operation["item"]["path"]
        for operation in registered.items[-1]
        if operation["TYPE"] == "AddOrChangeSimple" and "path" in operation["item"]
    }
    assert sent == {"LOAD", "NEXT", "ENV", "LOCK", "DONE", "INBOX"}
    exported = unpacked(await export(client, "inventory/export/folder", folder_export(format_)), format_)
    assert set(exported.pop("meta_inf")) == {"jocVersion", "inventorySchemaVersion", "apiVersion"}
    for name, configuration in exported.items():
        if name.endswith(".workflow.json"):
            assert configuration.pop("version")
    assert exported == ARCHIVE
    # Imported again it changes nothing: all stays deployed and released.
    await import_archive(client, data, format=format_, overwrite="true")
    assert (await read(client, "LOAD", "WORKFLOW"))["deployed"] is True
    assert (await read(client, "NIGHT", "SCHEDULE"))["released"] is True
    nothing = await client.post("inventory/deployment/deploy", deployment, status=420)
    assert "nothing to deploy" in nothing["error"]["message"]


async def test_existing_objects_are_skipped_overwritten_or_given_a_new_name(registered: Any, client: Any) -> None:
    await client.post("inventory/store", {"path": "/own/lock", "objectType": "LOCK", "configuration": {"limit": 7}})
    files = {"a/LOCK.lock.json": {"limit": 1}, "a/W.workflow.json": ARCHIVE["acme/flows/NEXT.workflow.json"]}
    await import_archive(client, archive(files))
    assert (await read(client, "/own/lock", "LOCK"))["configuration"]["limit"] == 7
    assert (await read(client, "W", "WORKFLOW"))["path"] == "/a/W"
    await import_archive(client, archive(files), overwrite="true", targetFolder="/imported")
    moved = await read(client, "LOCK", "LOCK")
    assert (moved["path"], moved["configuration"]["limit"]) == ("/imported/a/LOCK", 1)
    assert (await read(client, "W", "WORKFLOW"))["path"] == "/imported/a/W"
    await read(client, "/own/lock", "LOCK", status=420)


async def test_a_suffix_is_put_to_all_names_and_references_follow(registered: Any, client: Any) -> None:
    await import_archive(client, archive(ARCHIVE))
    for _ in range(2):
        await import_archive(client, archive(ARCHIVE), suffix="copy", targetFolder="/second")
    assert set((await validity(client)).values()) == {None}
    second = (await read(client, "/second/acme/flows/LOAD-copy1", "WORKFLOW"))["configuration"]
    assert second["jobResourceNames"] == ["ENV-copy1"]
    assert second["instructions"][0]["demands"] == [{"lockName": "LOCK-copy1"}]
    assert second["instructions"][1]["noticeBoardNames"] == ["DONE-copy1"]
    assert second["instructions"][2]["noticeBoardNames"] == "'DONE-copy1'"
    assert second["instructions"][3]["workflowName"] == "NEXT-copy1"
    assert second["jobs"]["load"]["executable"]["script"] == "##!include COMMON-copy1\necho hello"
    assert second["jobs"]["load"]["jobTemplate"]["name"] == "TEMPLATE-copy1"
    schedule = (await read(client, "NIGHT-copy", "SCHEDULE"))["configuration"]
    assert schedule["workflowNames"] == ["LOAD-copy"] and schedule["calendars"][0]["calendarName"] == "DAYS-copy"
    assert schedule["nonWorkingDayCalendars"] == [{"calendarName": "HOLIDAYS-copy"}]
    await import_archive(client, archive({"a/LOCK.lock.json": {}}), prefix="fresh")
    assert (await read(client, "fresh-LOCK", "LOCK"))["path"] == "/a/fresh-LOCK"


@pytest.mark.parametrize(
    "files, fields, code, text",
    [
        ({"a/L.lock.json": {}}, {"overwrite": "true", "suffix": "x"}, "JOC-417", "no prefix/suffix allowed"),
        ({"a/L.lock.json": {}}, {"suffix": "a b"}, "JOC-400", "'a b'"),
        ({"a/L.lock.json": {}}, {"targetFolder": "/a b"}, "JOC-400", "/a b"),
        ({"a/L.lock.json": {}}, {"format": "RAR"}, "JOC-415", "RAR"),
        ({"a/L.lock.json": {}}, {"format": "TAR_GZ"}, "JOC-415", "tar.gz"),
        ({"a b/L.lock.json": {}}, {}, "JOC-417", "a b/L.lock.json"),
        ({"../L.lock.json": {}}, {}, "JOC-417", "../L.lock.json"),
        ({"a/L.txt": b"hello"}, {}, "JOC-417", "a/L.txt"),
        ({"a/L.lock.json": b'{"limit":1,"limit":2}'}, {}, "JOC-417", "limit"),
        ({"a/L.lock.json": b'{"title":"\xfc"}'}, {}, "JOC-417", "UTF-8"),
        ({"a/L.lock.json": b'{"title":"\\ud800"}'}, {}, "JOC-417", "surrogate"),
        ({"a/L.lock.json": b"[" * 10_000}, {}, "JOC-417", "a/L.lock.json"),
        ({"a/L.lock.json": b"[]"}, {}, "JOC-417", "JSON object"),
        ({"meta_inf": META}, {}, "JOC-417", "no file of an inventory object"),
        ({"a/L.lock.json": {}, "b/l.lock.json": {}}, {}, "JOC-417", "a/L.lock.json"),
        ({"a/C.calendar.json": {"type": "NONWORKINGDAYSCALENDAR"}}, {"overwrite": "true"}, "JOC-417", "/cal/C"),
    ],
)
async def test_an_archive_with_a_fault_changes_nothing_and_the_answer_names_the_entry(
    registered: Any, client: Any, files: dict[str, Any], fields: dict[str, str], code: str, text: str
) -> None:
    calendar = {"path": "/cal/C", "objectType": "WORKINGDAYSCALENDAR", "configuration": {}}
    await client.post("inventory/store", calendar)
    answer = await import_archive(
        client, archive(files if META in files.values() else {"good/GOOD.lock.json": {}, **files}), status=420, **fields
    )
    assert answer["error"]["code"] == code and text in answer["error"]["message"], answer
    await read(client, "GOOD", "LOCK", status=420)
    await client.post("inventory/read/folder", {"path": "/good"}, status=420)


async def test_what_is_no_upload_is_refused(client: Any) -> None:
    answer = await client.post("inventory/import", {"overwrite": False}, status=420)
    assert "multipart" in answer["error"]["message"]
    form = aiohttp.FormData({"overwrite": "false", "format": "ZIP"}, default_to_multipart=True)
    async with await client.raw("POST", "inventory/import", data=form) as response:
        assert (await response.json())["error"]["code"] == "JOC-406"


async def test_invalid_objects_are_imported_as_invalid_drafts(registered: Any, client: Any) -> None:
    await import_archive(client, archive({"a/W.workflow.json": {"instructions": [{"TYPE": "Teleport"}]}}))
    found = await read(client, "W", "WORKFLOW")
    assert found["valid"] is False and "Teleport" in found["invalidMsg"]


def chosen(path: str, object_type: str, *, recursive: bool = False) -> dict[str, Any]:
    return {"configuration": {"path": path, "objectType": object_type, "recursive": recursive}}


async def test_single_objects_are_exported_with_short_paths(registered: Any, client: Any) -> None:
    await import_archive(client, archive(ARCHIVE))
    entries = json.dumps([chosen("/acme/flows/LOAD", "WORKFLOW"), chosen("LOCK", "LOCK")])
    body = (
        '{"exportFile":{"filename":"my export.zip","format":"ZIP"},"useShortPath":true,"startFolder":"/acme/flows",'
        f'"shallowCopy":{{"deployables":{{"draftConfigurations":{entries}}}}}}}'
    )
    files = unpacked(await export(client, "inventory/export", body))
    assert sorted(files) == ["acme/LOCK.lock.json", "flows/LOAD.workflow.json", "meta_inf"]
    async with await client.raw("POST", "inventory/export", body) as response:
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''my%20export.zip"
        assert response.headers["Access-Control-Expose-Headers"] == "Content-Disposition"
    releasables = {"draftConfigurations": [chosen("NIGHT", "SCHEDULE")]}
    request = {"exportFile": {"filename": "x.tar.gz"}, "shallowCopy": {"releasables": releasables}}
    files = unpacked(await export(client, "inventory/export", request), "TAR_GZ")
    assert sorted(files) == ["acme/flows/NIGHT.schedule.json", "meta_inf"]
    async with await client.raw("GET", f"inventory/export?exportFilter={quote(json.dumps(request))}") as response:
        assert sorted(unpacked(await response.read(), "TAR_GZ")) == sorted(files)


async def test_a_folder_is_exported_by_state(registered: Any, client: Any) -> None:
    for name, limit in (("A", 1), ("B", 1), ("C", 1)):
        lock = {"path": f"/acme/{name}", "objectType": "LOCK", "configuration": {"limit": limit}}
        await client.post("inventory/store", lock)
    entries = [chosen("A", "LOCK"), chosen("B", "LOCK")]
    await client.post(
        "inventory/deployment/deploy", {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": entries}}
    )
    changed = {"path": "/acme/B", "objectType": "LOCK", "configuration": {"limit": 2}}
    await client.post("inventory/store", changed)
    await client.post("inventory/store", {"path": "/acme/S", "objectType": "SCHEDULE", "configuration": {}})

    async def limits(**members: Any) -> dict[str, int]:
        files = unpacked(await export(client, "inventory/export/folder", folder_export(**members)))
        return {name[5]: value["limit"] for name, value in files.items() if name.endswith(".lock.json")}

    assert await limits() == {"A": 1, "B": 2, "C": 1}
    assert await limits(withoutDrafts=True) == {"A": 1, "B": 1}
    assert await limits(withoutDeployed=True) == {"B": 2, "C": 1}
    valid = unpacked(await export(client, "inventory/export/folder", folder_export(onlyValidObjects=True)))
    assert "acme/S.schedule.json" not in valid
    only = unpacked(await export(client, "inventory/export/folder", folder_export(objectTypes=["SCHEDULE"])))
    assert sorted(only) == ["acme/S.schedule.json", "meta_inf"]
    nothing = await client.post("inventory/export/folder", folder_export(objectTypes=["REPORT"]), status=420)
    assert nothing["error"]["code"] == "JOC-400" and "nothing to export" in nothing["error"]["message"]
    query = quote(folder_export(objectTypes=["LOCK"]))
    async with await client.raw("GET", f"inventory/export/folder?exportFilter={query}") as response:
        assert len(unpacked(await response.read())) == 4


async def test_an_export_that_cannot_be_says_why(registered: Any, client: Any) -> None:
    file = {"filename": "x.zip"}
    for request, text in (
        ({"exportFile": file, "shallowCopy": {}}, "deployables or releasables"),
        ({"exportFile": file}, "forSigning or shallowCopy"),
        ({"exportFile": file, "shallowCopy": {"deployables": {"draftConfigurations": [chosen("NO", "LOCK")]}}}, "'NO'"),
        ({"shallowCopy": {}}, "$.exportFile"),
    ):
        assert text in (await client.post("inventory/export", request, status=420))["error"]["message"]
    request = {"exportFile": file, "shallowCopy": {"folders": ["/none"], "objectTypes": []}}
    assert (await client.post("inventory/export/folder", request, status=420))["error"]["code"] == "JOC-002"


async def test_an_archive_for_signing_holds_what_the_controller_will_read(registered: Any, client: Any) -> None:
    await import_archive(client, archive(ARCHIVE))
    await client.post("inventory/release", {"update": [{"path": "COMMON", "objectType": "INCLUDESCRIPT"}]})
    signing = {"controllerId": CONTROLLER_ID, "folders": ["/acme"], "objectTypes": [], "recursive": True}
    request = {"exportFile": {"filename": "sign.zip", "format": "ZIP"}, "forSigning": signing}
    files = unpacked(await export(client, "inventory/export/folder", request))
    version = files.pop("meta_inf")["versionId"]
    load = files["acme/flows/LOAD.workflow.json"]
    assert sorted(files) == [
        "acme/ENV.jobresource.json",
        "acme/flows/LOAD.workflow.json",
        "acme/flows/NEXT.workflow.json",
    ]
    assert (load["TYPE"], load["path"], load["versionId"]) == ("Workflow", "LOAD", version)
    assert load["jobs"]["load"]["agentPath"] == "agent-1"
