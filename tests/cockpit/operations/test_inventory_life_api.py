"""Revoke, release, recall, remove, restore, delete, revalidate (cockpit-api 2.3; cockpit-services 1.5, 2.6, 2.10).

Bodies are written as the vendor's command line writes them where it has a command for it.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from projecting import project_order
from sqlalchemy import insert, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.passwords import Passwords
from stellwerk.cockpit.database.tables.identity import (
    iam_account2roles,
    iam_accounts,
    iam_identity_services,
    iam_permissions,
    iam_roles,
)
from stellwerk.cockpit.deployment.undeployer import Undeployer
from stellwerk.values.problems import Problem

CONTROLLER_ID = "controller"
PASSWORD = "a password of some length"
SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}
LOCK = {"limit": 1}
SCHEDULE = {
    "workflowNames": ["LOAD"],
    "calendars": [{"calendarName": "DAYS", "periods": [{"singleStart": "02:00:00"}]}],
}
CALENDAR = {"includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]}}


def workflow(**members: Any) -> dict[str, Any]:
    return {
        "instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}],
        "jobs": {"load": {"agentName": "Primary Agent", "executable": SCRIPT}},
        **members,
    }


def stored(path: str, configuration: Any, object_type: str = "WORKFLOW") -> dict[str, Any]:
    return {"path": path, "objectType": object_type, "configuration": configuration}


def deployment(*objects: tuple[str, str]) -> dict[str, Any]:
    entries = [{"configuration": {"path": path, "objectType": object_type}} for path, object_type in objects]
    return {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": entries}}


async def read(client: Any, path: str, object_type: str = "WORKFLOW", **options: Any) -> Any:
    return await client.post("inventory/read/configuration", {"path": path, "objectType": object_type}, **options)


def operations(controller: Any, kind: str) -> list[str]:
    """Paths of the last transaction's operations of a kind."""
    return [operation["path"] for operation in controller.items[-1] if operation["TYPE"] == kind]


def revoke_text(path: str, object_type: str = "WORKFLOW") -> str:
    """As the vendor's command line writes it, with one brace too many and the audit block behind it."""
    return (
        f'{{"controllerIds":["{CONTROLLER_ID}"], "deployConfigurations":[{{"configuration":{{"path":"{path}",'
        f'"objectType":"{object_type}","recursive":true}}}}]}} }}, "auditLog": {{"comment": "out"}} }}'
    )


# --- revoke -----------------------------------------------------------------------------------------------------------


async def test_a_revoked_workflow_leaves_the_controller_and_stays_as_a_draft(deployed: Any, client: Any) -> None:
    answer = await client.post("inventory/deployment/revoke", revoke_text("/nightly/LOAD"))
    assert answer["ok"] is True
    assert operations(deployed, "RemoveVersioned") == ["Workflow:LOAD"]
    assert deployed.items[-1][-1]["TYPE"] == "AddVersion"
    found = await read(client, "LOAD")
    assert (found["deployed"], found["hasDeployments"], found["valid"]) == (False, True, True)
    history = (await client.post("inventory/deployment/history", {}))["depHistory"]
    assert [entry["operation"] for entry in history] == ["DELETE", "UPDATE"]
    again = await client.post("inventory/deployment/revoke", revoke_text("/nightly/LOAD"), status=420)
    assert "Couldn't find a deployment" in again["error"]["message"]


async def test_a_folder_is_revoked_with_all_that_is_deployed_of_it(deployed: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/nightly/sub/L", LOCK, "LOCK"))
    await client.post("inventory/deployment/deploy", deployment(("/nightly/sub/L", "LOCK")))
    await client.post("inventory/deployment/revoke", revoke_text("/nightly", "FOLDER"))
    assert operations(deployed, "RemoveVersioned") == ["Workflow:LOAD"]
    assert operations(deployed, "DeleteSimple") == ["Lock:L"]
    nothing = await client.post("inventory/deployment/revoke", revoke_text("/nightly", "FOLDER"), status=420)
    assert nothing["error"]["code"] == "JOC-400" and "nothing to revoke" in nothing["error"]["message"]


async def test_file_order_sources_leave_before_their_workflow(registered: Any, client: Any, cockpit: Cockpit) -> None:
    declared = workflow(orderPreparation={"parameters": {"file": {"type": "String"}}})
    source = {"workflowName": "IN", "agentName": "Primary Agent", "directoryExpr": "'/tmp/in'"}
    await client.post("inventory/store", stored("/f/IN", declared))
    await client.post("inventory/store", stored("/f/BOX", source, "FILEORDERSOURCE"))
    await client.post("inventory/deployment/deploy", deployment(("/f/IN", "WORKFLOW"), ("/f/BOX", "FILEORDERSOURCE")))
    before = len(registered.items)

    # The Controller refuses until the source has left its Agent.
    refusals = [2]
    items = registered._items

    def refuse_twice(sent: list[dict[str, Any]]) -> Any:
        if any(operation["TYPE"] == "RemoveVersioned" for operation in sent) and refusals[0]:
            refusals[0] -= 1
            registered.refuse_items = Problem.of(
                "ItemIsStillReferenced", itemPath="Workflow:IN", referencingItemKey="OrderWatch:BOX", moreInfo=""
            )
        try:
            return items(sent)
        finally:
            registered.refuse_items = None

    registered._items = refuse_twice
    await client.post("inventory/deployment/revoke", revoke_text("/f", "FOLDER"))
    first, second = registered.items[before:]
    assert [operation["TYPE"] for operation in first] == ["DeleteSimple", "AddVersion"]
    assert first[0]["path"] == "OrderWatch:BOX" and second[0]["path"] == "Workflow:IN"
    assert refusals == [0]
    # One that does not leave in time: the workflow stays deployed, and the answer says why.
    await client.post("inventory/deployment/deploy", deployment(("/f/IN", "WORKFLOW"), ("/f/BOX", "FILEORDERSOURCE")))
    cockpit.services.get(Undeployer)._detach_seconds = 0
    refusals[0] = 100
    answer = await client.post("inventory/deployment/revoke", revoke_text("/f", "FOLDER"), status=420)
    assert "BOX have not yet left their Agents" in answer["error"]["message"]
    assert (await read(client, "IN"))["deployed"] is True
    assert (await read(client, "BOX", "FILEORDERSOURCE"))["deployed"] is False


async def test_a_refused_revocation_leaves_it_deployed_and_says_why(deployed: Any, client: Any) -> None:
    deployed.refuse_items = Problem(message="no way")
    answer = await client.post("inventory/deployment/revoke", revoke_text("LOAD"), status=420)
    assert answer["error"]["code"] == "JOC-415" and "no way" in answer["error"]["message"]
    assert (await read(client, "LOAD"))["deployed"] is True
    [entry, _] = (await client.post("inventory/deployment/history", {}))["depHistory"]
    assert (entry["state"], entry["errorMessage"]) == ("NOT_DEPLOYED", "no way")


async def test_what_a_controller_has_lost_is_revoked_all_the_same(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/L", LOCK, "LOCK"))
    await client.post("inventory/store", stored("/M", LOCK, "LOCK"))
    await client.post("inventory/deployment/deploy", deployment(("/L", "LOCK"), ("/M", "LOCK")))
    items = registered._items

    def lost(sent: list[dict[str, Any]]) -> Any:
        if any(operation.get("path") == "Lock:L" for operation in sent):
            registered.refuse_items = Problem.combined(
                [Problem.of("UnknownItemKey", key="Lock:L"), Problem(message="something else")]
            )
        try:
            return items(sent)
        finally:
            registered.refuse_items = None

    registered._items = lost
    await client.post("inventory/deployment/revoke", revoke_text("/", "FOLDER"))
    assert operations(registered, "DeleteSimple") == ["Lock:M"]
    assert (await read(client, "L", "LOCK"))["deployed"] is False


async def test_deploy_with_delete_removes_from_controllers_into_the_trash(deployed: Any, client: Any) -> None:
    entry = {"configuration": {"path": "/nightly/LOAD", "objectType": "WORKFLOW"}}
    request = {"controllerIds": [CONTROLLER_ID], "delete": {"deployConfigurations": [entry]}}
    await client.post("inventory/deployment/deploy", request)
    assert operations(deployed, "RemoveVersioned") == ["Workflow:LOAD"]
    await read(client, "LOAD", status=420)
    await client.post(
        "inventory/trash/restore", {"path": "/nightly/LOAD", "objectType": "WORKFLOW", "suffix": "", "prefix": ""}
    )


async def test_import_deploy_says_that_it_needs_another_security_level(registered: Any, client: Any) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"PK", filename="signed.zip")
    for name, value in (("format", "ZIP"), ("controllerId", CONTROLLER_ID), ("signatureAlgorithm", "SHA512withECDSA")):
        form.add_field(name, value)
    async with await client.raw("POST", "inventory/deployment/import_deploy", data=form) as response:
        assert response.status == 420
        error = (await response.json())["error"]
    assert error["code"] == "JOC-004" and "Security Level LOW" in error["message"]


# --- release and recall -----------------------------------------------------------------------------------------------


async def plan_of(client: Any) -> None:
    """A calendar, a schedule and an include script in `/plan`."""
    await client.post("inventory/store", stored("/plan/DAYS", CALENDAR, "WORKINGDAYSCALENDAR"))
    await client.post("inventory/store", stored("/plan/NIGHT", SCHEDULE, "SCHEDULE"))
    await client.post("inventory/store", stored("/plan/sub/COMMON", {"script": "set -e"}, "INCLUDESCRIPT"))


async def test_released_objects_are_no_drafts_until_they_change_or_are_recalled(deployed: Any, client: Any) -> None:
    await plan_of(client)
    body = '{"update":[{"path":"/plan/NIGHT","objectType":"SCHEDULE","recursive":false}]} }'
    assert (await client.post("inventory/release", body))["ok"] is True
    found = await read(client, "NIGHT", "SCHEDULE")
    assert (found["released"], found["hasReleases"], found["state"]) == (True, True, "RELEASE_IS_NEWER")
    changed = await client.post("inventory/store", stored("/plan/NIGHT", {**SCHEDULE, "title": "x"}, "SCHEDULE"))
    assert (changed["released"], changed["hasReleases"], changed["state"]) == (False, True, "DRAFT_IS_NEWER")
    assert (await client.post("inventory/store", stored("/plan/NIGHT", SCHEDULE, "SCHEDULE")))["released"] is True
    body = '{"releasables":[{"path":"/plan/NIGHT","objectType":"SCHEDULE"}], "auditLog": {"comment":"c"}}'
    assert (await client.post("inventory/releasables/recall", body))["ok"] is True
    found = await read(client, "NIGHT", "SCHEDULE")
    assert (found["released"], found["hasReleases"], found["state"]) == (False, False, "RELEASE_NOT_EXIST")


async def test_a_folder_is_released_and_recalled(deployed: Any, client: Any) -> None:
    await plan_of(client)
    await client.post("inventory/store", stored("/plan/BAD", {"workflowNames": []}, "SCHEDULE"))
    body = '{"update":[{"path":"/plan","objectType":"FOLDER","recursive":true}]} }'
    await client.post("inventory/release", body)

    async def released() -> set[str]:
        folder = await client.post("inventory/read/folder", {"path": "/plan", "recursive": True})
        return {
            item["name"]
            for member in ("schedules", "calendars", "includeScripts")
            for item in folder[member]
            if item["released"]
        }

    assert await released() == {"DAYS", "NIGHT", "COMMON"}
    nothing = await client.post("inventory/release", body, status=420)
    assert "nothing to release" in nothing["error"]["message"]
    body = '{"path":"/plan", "objectTypes":["INCLUDESCRIPT","SCHEDULE"], "recursive":true}'
    await client.post("inventory/releasables/recall/folder", body)
    assert await released() == {"DAYS"}
    await client.post("inventory/releasables/recall/folder", '{"path":"/plan","recursive":false}')
    assert await released() == set()


async def test_invalid_objects_are_not_released_and_then_none_is(deployed: Any, client: Any) -> None:
    await plan_of(client)
    await client.post("inventory/store", stored("/plan/BAD", {"workflowNames": []}, "SCHEDULE"))
    objects = [("/plan/NIGHT", "SCHEDULE"), ("/plan/BAD", "SCHEDULE")]
    update = [{"path": path, "objectType": object_type} for path, object_type in objects]
    answer = await client.post("inventory/release", {"update": update}, status=420)
    assert answer["error"]["code"] == "JOC-415" and "/plan/BAD" in answer["error"]["message"]
    assert (await read(client, "NIGHT", "SCHEDULE"))["released"] is False
    answer = await client.post(
        "inventory/release", {"update": [{"path": "LOAD", "objectType": "WORKFLOW"}]}, status=420
    )
    assert answer["error"]["code"] == "JOC-400"
    await client.post(
        "inventory/releasables/recall", {"releasables": [{"path": "LOAD", "objectType": "WORKFLOW"}]}, status=420
    )


async def test_jobs_include_released_scripts_only(registered: Any, client: Any) -> None:
    included = {"load": {"agentName": "agent-1", "executable": {**SCRIPT, "script": "##!include COMMON\necho"}}}
    missing = await client.post("inventory/store", stored("/W", workflow(jobs=included)))
    assert missing["valid"] is False and "INCLUDESCRIPT: 'COMMON'" in missing["invalidMsg"]
    await client.post("inventory/store", stored("/COMMON", {"script": "set -e"}, "INCLUDESCRIPT"))
    assert (await read(client, "W"))["valid"] is True
    answer = await client.post("inventory/deployment/deploy", deployment(("/W", "WORKFLOW")), status=420)
    assert "unreleased script" in answer["error"]["message"]
    await client.post("inventory/release", {"update": [{"path": "/COMMON", "objectType": "INCLUDESCRIPT"}]})
    await client.post("inventory/deployment/deploy", deployment(("/W", "WORKFLOW")))
    assert registered.signed_items()[0]["jobs"]["load"]["executable"]["script"] == "set -e\necho"


# --- remove, restore, delete ------------------------------------------------------------------------------------------


async def test_a_removed_object_leaves_controller_and_inventory_and_can_be_restored(deployed: Any, client: Any) -> None:
    answer = await client.post("inventory/remove", '{"objects":[{"path":"/nightly/LOAD","objectType":"WORKFLOW"}]}')
    assert answer["ok"] is True
    assert operations(deployed, "RemoveVersioned") == ["Workflow:LOAD"]
    gone = await read(client, "LOAD", status=420)
    assert gone["error"]["code"] == "JOC-002"
    body = '{"path":"/nightly/LOAD","objectType":"WORKFLOW","newPath":"/nightly/LOAD","suffix":"","prefix":""}'
    answer = await client.post("inventory/trash/restore", body)
    assert (answer["path"], answer["objectType"]) == ("/nightly/LOAD", "WORKFLOW") and isinstance(answer["id"], int)
    found = await read(client, "LOAD")
    assert (found["deployed"], found["valid"], found["hasDeployments"]) == (False, True, True)
    await client.post("inventory/trash/restore", body, status=420)


async def test_what_is_deployed_to_an_unregistered_controller_can_be_removed(deployed: Any, client: Any) -> None:
    transactions = len(deployed.items)
    await client.post("controller/unregister", {"controllerId": CONTROLLER_ID})
    await client.post("inventory/remove", {"objects": [{"path": "LOAD", "objectType": "WORKFLOW"}]})
    await read(client, "LOAD", status=420)
    assert len(deployed.items) == transactions


async def test_a_workflow_with_orders_is_not_removed(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await project_order(cockpit, "LOAD", "#2026-01-01#T1-a", state="Ready")
    answer = await client.post(
        "inventory/remove", {"objects": [{"path": "LOAD", "objectType": "WORKFLOW"}]}, status=420
    )
    assert answer["error"]["code"] == "JOC-415" and "#2026-01-01#T1-a" in answer["error"]["message"]
    assert (await read(client, "LOAD"))["deployed"] is True
    revoked = await client.post("inventory/deployment/revoke", revoke_text("LOAD"), status=420)
    assert "#2026-01-01#T1-a" in revoked["error"]["message"]
    assert deployed.commands == []


@pytest.mark.parametrize(
    "date, is_removed", [("now", True), ("2026-03-01", True), ("2026-03-02", False), (None, False)]
)
async def test_orders_that_have_not_started_are_cancelled_from_a_date_on(
    deployed: Any, client: Any, cockpit: Cockpit, date: str | None, is_removed: bool
) -> None:
    await project_order(cockpit, "LOAD", "#2026-03-01#P1-a", state="Fresh", scheduled_for=1_772_359_200_000)
    body = {"path": "/nightly"} | ({} if date is None else {"cancelOrdersDateFrom": date})
    await client.post("inventory/remove/folder", body, status=200 if is_removed else 420)
    cancelled = [command["orderIds"] for command in deployed.commands if command["TYPE"] == "CancelOrders"]
    assert cancelled == ([["#2026-03-01#P1-a"]] if is_removed else [])


async def test_a_date_that_is_none_is_refused(deployed: Any, client: Any) -> None:
    request = {"path": "/nightly", "cancelOrdersDateFrom": "tomorrow"}
    answer = await client.post("inventory/remove/folder", request, status=420)
    assert answer["error"]["code"] == "JOC-400" and "tomorrow" in answer["error"]["message"]


async def test_removing_makes_referrers_invalid_and_restoring_makes_them_valid(deployed: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/res/ENV", {"env": {}}, "JOBRESOURCE"))
    await client.post("inventory/store", stored("/W", workflow(jobResourceNames=["ENV"])))
    await client.post("inventory/remove", {"objects": [{"path": "/res/ENV", "objectType": "JOBRESOURCE"}]})
    assert "ENV" in (await read(client, "W"))["invalidMsg"]
    await client.post("inventory/trash/restore", {"path": "/res/ENV", "objectType": "JOBRESOURCE"})
    assert (await read(client, "W"))["valid"] is True


async def test_a_folder_is_removed_and_restored_elsewhere_as_a_whole(deployed: Any, client: Any) -> None:
    await plan_of(client)
    await client.post("inventory/release", {"update": [{"path": "/plan", "objectType": "FOLDER", "recursive": True}]})
    assert (await client.post("inventory/remove/folder", '{"path":"/plan"}'))["ok"] is True
    gone = await client.post("inventory/read/folder", {"path": "/plan"}, status=420)
    assert gone["error"]["code"] == "JOC-002"
    body = '{"path":"/plan","objectType":"FOLDER","newPath":"/old/plan","suffix":"","prefix":""}'
    answer = await client.post("inventory/trash/restore", body)
    assert answer["path"] == "/old/plan" and isinstance(answer["id"], int)
    folder = await client.post("inventory/read/folder", {"path": "/old", "recursive": True})
    paths = {item["path"]: item["released"] for item in (*folder["schedules"], *folder["includeScripts"])}
    assert paths == {"/old/plan/NIGHT": False, "/old/plan/sub/COMMON": False}
    assert (await read(client, "NIGHT", "SCHEDULE"))["valid"] is True


async def test_a_restored_object_whose_name_is_taken_gets_a_suffix(registered: Any, client: Any) -> None:
    for _ in range(3):
        await client.post("inventory/store", stored("/L", LOCK, "LOCK"))
        await client.post("inventory/remove", {"objects": [{"path": "/L", "objectType": "LOCK"}]})
        await client.post("inventory/store", stored("/x/l", LOCK, "LOCK"))
        restored = await client.post("inventory/trash/restore", {"path": "/L", "objectType": "LOCK"})
        await client.post("inventory/remove", {"objects": [{"path": "/x/l", "objectType": "LOCK"}]})
    assert restored["path"] == "/L-restored2"
    await client.post("inventory/remove", {"objects": [{"path": "/L-restored2", "objectType": "LOCK"}]})
    given = {"path": "/L-restored2", "objectType": "LOCK", "newPath": "/y", "prefix": "old"}
    assert (await client.post("inventory/trash/restore", given))["path"] == "/old-y"
    bad = {"path": "/x/l", "objectType": "LOCK", "suffix": "a b"}
    assert "suffix 'a b'" in (await client.post("inventory/trash/restore", bad, status=420))["error"]["message"]


async def test_references_among_restored_objects_follow_their_new_names(registered: Any, client: Any) -> None:
    locked = {"TYPE": "Lock", "demands": [{"lockName": "L"}], "lockedWorkflow": {"instructions": []}}
    await client.post("inventory/store", stored("/a/L", LOCK, "LOCK"))
    await client.post("inventory/store", stored("/a/W", workflow(instructions=[locked], jobs={})))
    await client.post("inventory/remove/folder", {"path": "/a"})
    request = {"path": "/a", "objectType": "FOLDER", "suffix": "2"}
    await client.post("inventory/trash/restore", request)
    found = await read(client, "W-2")
    assert found["configuration"]["instructions"][0]["demands"] == [{"lockName": "L-2"}] and found["valid"] is True


async def test_what_is_deleted_from_the_trash_is_gone(registered: Any, client: Any) -> None:
    for path in ("/t/A", "/t/sub/B", "/C"):
        await client.post("inventory/store", stored(path, LOCK, "LOCK"))
    await client.post("inventory/remove/folder", {"path": "/t"})
    await client.post("inventory/remove", {"objects": [{"path": "/C", "objectType": "LOCK"}]})
    assert (await client.post("inventory/trash/delete", '{"objects":[{"path":"/C","objectType":"LOCK"}]}'))["ok"]
    assert (await client.post("inventory/trash/delete/folder", '{"path":"/t"}'))["ok"] is True
    for path, object_type in (("/t/A", "LOCK"), ("/t/sub/B", "LOCK"), ("/t", "FOLDER"), ("/C", "LOCK")):
        request = {"path": path, "objectType": object_type}
        answer = await client.post("inventory/trash/restore", request, status=420)
        assert answer["error"]["code"] == "JOC-002"
    assert (await client.post("inventory/trash/delete/folder", '{"path":"/t"}', status=420))["error"][
        "code"
    ] == "JOC-002"


async def test_folders_that_differ_in_case_only_are_two(registered: Any, client: Any) -> None:
    for path in ("/both/A", "/Both/B"):
        await client.post("inventory/store", stored(path, LOCK, "LOCK"))
    await client.post("inventory/remove/folder", {"path": "/both"})
    assert (await read(client, "B", "LOCK"))["path"] == "/Both/B"
    await client.post("inventory/trash/delete/folder", {"path": "/Both"}, status=420)
    await client.post("inventory/trash/restore", {"path": "/both", "objectType": "FOLDER"})


async def test_the_root_folder_is_not_removed(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/L", LOCK, "LOCK"))
    assert (await client.post("inventory/remove/folder", {"path": "/"}, status=420))["error"]["code"] == "JOC-400"
    assert (await read(client, "L", "LOCK"))["valid"] is True


# --- validity ---------------------------------------------------------------------------------------------------------


async def test_a_folder_is_revalidated_with_lists_that_are_always_there(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/v/BAD", workflow(jobResourceNames=["GONE"])))
    report = await client.post("inventory/revalidate/folder", '{"path":"/v","recursive":true}')
    assert report["validObjs"] == [] and report["erroneousObjs"] == []
    [bad] = report["invalidObjs"]
    assert (bad["path"], bad["objectType"], bad["valid"]) == ("/v/BAD", "WORKFLOW", False) and "GONE" in bad[
        "invalidMsg"
    ]
    await client.post("inventory/store", stored("/v/sub/L", LOCK, "LOCK"))
    report = await client.post("inventory/revalidate/folder", '{"path":"/v","recursive":true}')
    assert [item["path"] for item in report["validObjs"]] == ["/v/sub/L"]
    assert (await client.post("inventory/revalidate/folder", '{"path":"/v","recursive":false}'))["validObjs"] == []


NEEDS_COUNT = {"orderPreparation": {"parameters": {"count": {"type": "Number"}}}}


@pytest.mark.parametrize(
    "object_type, configuration, text",
    [
        ("SCHEDULE", {"workflowNames": []}, "$.workflowNames"),
        ("SCHEDULE", {"workflowNames": ["NOBODY"]}, "WORKFLOW: 'NOBODY'"),
        ("SCHEDULE", {**SCHEDULE, "calendars": [{"calendarName": "NONE"}]}, "'NONE'"),
        ("SCHEDULE", {"workflowNames": ["COUNTED"]}, "variable 'count'"),
        ("SCHEDULE", {"workflowNames": ["COUNTED", "LOAD"]}, "several workflows"),
        (
            "SCHEDULE",
            {"workflowNames": ["COUNTED"], "orderParameterisations": [{"variables": {"count": "many"}}]},
            "is a Number",
        ),
        (
            "SCHEDULE",
            {"workflowNames": ["LOAD"], "orderParameterisations": [{"variables": {"other": 1}}]},
            "not declared",
        ),
        ("SCHEDULE", {**SCHEDULE, "orderParameterisations": [{"orderName": "a"}, {"orderName": "a"}]}, "name 'a'"),
        ("SCHEDULE", {"workflowNames": ["LOAD"], "calendars": [{"calendarName": "DAYS", "timeZone": "Mars"}]}, "Mars"),
        (
            "SCHEDULE",
            {"workflowNames": ["LOAD"], "calendars": [{"calendarName": "DAYS", "periods": [{"singleStart": "noon"}]}]},
            "noon",
        ),
        ("WORKINGDAYSCALENDAR", {"includes": {"weekdays": [{"days": "all"}]}}, "$.includes.weekdays[0].days"),
        ("WORKINGDAYSCALENDAR", {"from": "2026-02-30"}, "2026-02-30"),
        ("WORKINGDAYSCALENDAR", {"includes": {"repetitions": [{"repetition": "NEVER"}]}}, "repetitions[0].repetition"),
        ("NONWORKINGDAYSCALENDAR", {"excludes": {"nonWorkingDayCalendars": ["FEASTS"]}}, "'FEASTS'"),
        ("JOBTEMPLATE", {"executable": {"TYPE": "ShellScriptExecutable"}}, "$.executable.script"),
        ("JOBTEMPLATE", {"executable": {**SCRIPT, "env": {"A": "$ +"}}}, "$.executable.env.A"),
        ("JOBTEMPLATE", {"executable": SCRIPT, "jobResourceNames": ["GONE"]}, "JOBRESOURCE: 'GONE'"),
        ("INCLUDESCRIPT", {}, "$.script"),
        ("REPORT", {"templateName": "T", "monthFrom": "2026-05", "monthTo": "2026-01"}, "monthFrom"),
        ("NOTICEBOARD", {"boardType": "GLOBAL"}, "endOfLife"),
        ("NOTICEBOARD", {"postOrderToNoticeId": "$(", "endOfLife": "1"}, "$.postOrderToNoticeId"),
        ("FILEORDERSOURCE", {"workflowName": "LOAD", "agentName": "agent-1", "directory": "/in"}, "variable 'file'"),
        (
            "FILEORDERSOURCE",
            {"workflowName": "LOAD", "agentName": "agent-1", "directory": "/in", "pattern": "("},
            "$.pattern",
        ),
    ],
)
async def test_each_type_is_checked_for_what_is_in_it_and_what_it_refers_to(
    deployed: Any, client: Any, object_type: str, configuration: Any, text: str
) -> None:
    await plan_of(client)
    await client.post("inventory/store", stored("/COUNTED", workflow(**NEEDS_COUNT)))
    answer = await client.post("inventory/store", stored("/OBJECT", configuration, object_type))
    assert answer["valid"] is False and text in answer["invalidMsg"], answer


async def test_a_workflow_that_a_file_order_source_starts_declares_the_file(registered: Any, client: Any) -> None:
    source = {"workflowName": "IN", "agentName": "agent-1", "directory": "/in", "pattern": ".*\\.csv"}
    assert (await client.post("inventory/store", stored("/BOX", source, "FILEORDERSOURCE")))["valid"] is False
    await client.post("inventory/store", stored("/IN", workflow()))
    declared = (await read(client, "IN"))["configuration"]["orderPreparation"]["parameters"]
    assert declared == {"file": {"type": "String"}}
    assert (await read(client, "BOX", "FILEORDERSOURCE"))["valid"] is True


async def test_a_schedule_becomes_invalid_when_its_workflow_asks_for_more(deployed: Any, client: Any) -> None:
    await plan_of(client)
    assert (await read(client, "NIGHT", "SCHEDULE"))["valid"] is True
    await client.post("inventory/store", stored("/nightly/LOAD", workflow(**NEEDS_COUNT)))
    assert (await read(client, "NIGHT", "SCHEDULE"))["valid"] is False


async def with_permissions(cockpit: Cockpit, client: Any, *permissions: str, folder: str | None = None) -> Any:
    """The client of an account that has these permissions only."""
    name = f"account{len(permissions)}{len(permissions[0])}"
    hashed = await cockpit.services.get(Passwords).hash(PASSWORD)
    async with cockpit.database.write() as connection:
        service_id = (await connection.execute(select(iam_identity_services.c.id))).scalar_one()

        async def add(table: Any, **values: Any) -> int:
            result = await connection.execute(insert(table).values(**values))
            return int(result.inserted_primary_key[0])  # type: ignore[index]  # these tables have one key column

        role_id = await add(iam_roles, identity_service_id=service_id, role_name=name, ordering=99)
        for permission in permissions:
            row = {"identity_service_id": service_id, "role_id": role_id, "account_permission": permission}
            await add(iam_permissions, **row)
        if folder is not None:
            restricted = {"folder_permission": folder, "recursive": True}
            await add(iam_permissions, identity_service_id=service_id, role_id=role_id, **restricted)
        account_id = await add(iam_accounts, identity_service_id=service_id, account_name=name, account_password=hashed)
        await add(iam_account2roles, account_id=account_id, role_id=role_id)
    headers = {"Authorization": aiohttp.encode_basic_auth(name, PASSWORD)}
    async with client.session.post(f"{client.base}/joc/api/authentication/login", headers=headers) as response:
        assert response.status == 200, await response.text()
        return type(client)(client.session, client.base, response.headers["X-Access-Token"])


# --- permissions ------------------------------------------------------------------------------------------------------


async def test_who_may_only_look_changes_nothing(deployed: Any, client: Any, cockpit: Cockpit) -> None:
    await plan_of(client)
    viewer = await with_permissions(cockpit, client, "sos:products:joc:inventory:view")
    assert (await read(viewer, "LOAD"))["path"] == "/nightly/LOAD"
    night = {"path": "/plan/NIGHT", "objectType": "SCHEDULE"}
    load = {"path": "/nightly/LOAD", "objectType": "WORKFLOW"}
    for path, request in (
        ("inventory/release", {"update": [night]}),
        ("inventory/releasables/recall", {"releasables": [night]}),
        ("inventory/releasables/recall/folder", {"path": "/plan"}),
        ("inventory/remove", {"objects": [load]}),
        ("inventory/remove/folder", {"path": "/plan"}),
        ("inventory/trash/restore", load),
        ("inventory/trash/delete", {"objects": [load]}),
        ("inventory/trash/delete/folder", {"path": "/"}),
        ("inventory/revalidate/folder", {"path": "/"}),
        ("inventory/rename", {**load, "newPath": "x"}),
        ("inventory/copy", {**load, "newPath": "x"}),
        ("inventory/replace/folder", {"path": "/", "search": "O"}),
        ("inventory/delete_draft", {"objects": [load]}),
        ("inventory/deployment/revoke", revoke_text("LOAD")),
    ):
        answer = await viewer.post(path, request, status=403)
        assert answer["isPermitted"] is False, path
    assert (await read(client, "LOAD"))["deployed"] is True
    assert (await read(client, "NIGHT", "SCHEDULE"))["released"] is False
    # Deploying takes the permission for the Controller, too.
    deploying = await with_permissions(cockpit, client, "sos:products:joc:inventory")
    await deploying.post("inventory/deployment/revoke", revoke_text("LOAD"), status=403)
    await deploying.post("inventory/remove", {"objects": [load]}, status=403)
    assert (await read(client, "LOAD"))["deployed"] is True


async def test_what_lies_in_other_folders_is_neither_seen_nor_changed(
    deployed: Any, client: Any, cockpit: Cockpit
) -> None:
    await plan_of(client)
    restricted = await with_permissions(cockpit, client, "sos:products", folder="/plan")
    load = {"path": "/nightly/LOAD", "objectType": "WORKFLOW"}
    for path, request in (
        ("inventory/remove", {"objects": [load]}),
        ("inventory/remove/folder", {"path": "/nightly"}),
        ("inventory/rename", {**load, "newPath": "/plan/LOAD"}),
        ("inventory/rename", {"path": "NIGHT", "objectType": "SCHEDULE", "newPath": "/nightly/NIGHT"}),
        ("inventory/copy", {**load, "newPath": "/plan/LOAD", "suffix": "x"}),
        ("inventory/deployment/revoke", revoke_text("LOAD")),
        ("inventory/revalidate/folder", {"path": "/nightly"}),
    ):
        answer = await restricted.post(path, request, status=420)
        assert answer["error"]["code"] == "JOC-419", (path, answer)
    await client.post("inventory/remove", {"objects": [load]})
    for path, request in (
        ("inventory/trash/restore", load),
        ("inventory/trash/delete", {"objects": [load]}),
        ("inventory/trash/read/configuration", load),
    ):
        answer = await restricted.post(path, request, status=420)
        assert answer["error"]["code"] == "JOC-419", (path, answer)
    search = await restricted.post("inventory/search", {"returnType": "SCHEDULE"})
    assert [item["path"] for item in search["results"]] == ["/plan/NIGHT"]
    tree = await restricted.post("tree", {"forInventory": True, "types": ["INVENTORY"]})
    assert "nightly" not in str(tree) and "/plan/sub" in str(tree)
