"""Storing, reading, validating and deploying inventory objects (cockpit-services 1, 2; cockpit-api 2.3)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from stellwerk.values.problems import Problem

CONTROLLER_ID = "controller"
SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}


def workflow(agent: str = "Primary Agent", **members: Any) -> dict[str, Any]:
    return {
        "instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}],
        "jobs": {"load": {"agentName": agent, "executable": SCRIPT}},
        **members,
    }


def stored(path: str, configuration: Any, object_type: str = "WORKFLOW") -> dict[str, Any]:
    return {"path": path, "objectType": object_type, "configuration": configuration}


def deployment(*paths: str, object_type: str = "WORKFLOW", recursive: bool = False) -> dict[str, Any]:
    return {
        "controllerIds": [CONTROLLER_ID],
        "store": {
            "draftConfigurations": [
                {"configuration": {"path": path, "objectType": object_type, "recursive": recursive}} for path in paths
            ]
        },
    }


async def test_a_stored_workflow_is_a_valid_draft_in_its_folder(registered: Any, client: Any) -> None:
    answer = await client.post("inventory/store", stored("/a/b/LOAD", workflow(title="Load")))
    assert isinstance(answer["id"], int)
    assert answer["valid"] is True and "invalidMsg" not in answer
    assert (answer["deployed"], answer["released"], answer["state"]) == (False, False, "DRAFT_IS_NEWER")
    read = await client.post("inventory/read/configuration", {"id": answer["id"]})
    assert read["path"] == "/a/b/LOAD" and read["configuration"]["jobs"] == workflow()["jobs"]
    assert read["configuration"]["version"]
    by_name = await client.post("inventory/read/configuration", {"path": "LOAD", "objectType": "WORKFLOW"})
    assert by_name["id"] == answer["id"]
    folder = await client.post("inventory/read/folder", {"path": "/a", "recursive": True})
    [item] = folder["workflows"]
    assert (item["name"], item["title"], item["valid"], item["deployed"]) == ("LOAD", "Load", True, False)
    assert folder["locks"] == []
    assert (await client.post("inventory/read/folder", {"path": "/a"}))["workflows"] == []


async def test_numbers_and_unknown_members_are_kept_exactly(registered: Any, client: Any) -> None:
    body = (
        '{"path":"/W","objectType":"WORKFLOW","configuration":{"instructions":[],"note":'
        "[0.1000000000000000055511151231257827,12345678901234567890]}}"
    )
    async with await client.raw("POST", "inventory/store", body.encode()) as response:
        assert response.status == 200
    async with await client.raw(
        "POST", "inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"}
    ) as read:
        assert "[0.1000000000000000055511151231257827,12345678901234567890]" in await read.text()


@pytest.mark.parametrize(
    "configuration, path, text",
    [
        (workflow("Nobody"), "$.jobs.load.agentName", "Missing assigned Agent: 'Nobody'"),
        (workflow(instructions=[{"TYPE": "Teleport"}]), "$.instructions[0].TYPE", "Teleport"),
        (workflow(instructions=[{"TYPE": "Execute.Named", "jobName": "no"}]), "$.instructions[0]", "no"),
        (workflow(instructions=3), "$.instructions", "array"),
        (workflow(jobs={"load": {"agentName": "Primary Agent"}}), "$.jobs.load", "executable"),
        (workflow(jobResourceNames=["GONE"]), "$.jobResourceNames[0]", "Missing assigned JOBRESOURCE: 'GONE'"),
        (
            workflow(jobs={"load": {"agentName": "agent-1", "executable": {**SCRIPT, "env": {"1x": "$", "A": "$ +"}}}}),
            "$.jobs.load.executable.env.1x",
            "environment variable",
        ),
        (None, "$", "JSON object"),
        ([1], "$", "JSON object"),
    ],
)
async def test_invalid_content_is_stored_with_its_faults_and_not_deployed(
    registered: Any, client: Any, configuration: Any, path: str, text: str
) -> None:
    answer = await client.post("inventory/store", stored("/W", configuration))
    assert answer["valid"] is False and path in answer["invalidMsg"] and text in answer["invalidMsg"]
    transactions = len(registered.items)
    refused = await client.post("inventory/deployment/deploy", deployment("/W"), status=420)
    assert refused["error"]["code"] == "JOC-415" and text in refused["error"]["message"]
    assert len(registered.items) == transactions
    if configuration is not None:
        read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
        assert read["configuration"] is not None and read["valid"] is False


async def test_a_missing_agent_makes_workflows_valid_when_it_is_registered(registered: Any, client: Any) -> None:
    answer = await client.post("inventory/store", stored("/W", workflow("Second")))
    assert answer["valid"] is False
    agent = {"agentId": "agent-2", "agentName": "Second", "url": "http://127.0.0.1:4446"}
    await client.post("agents/inventory/store", {"controllerId": CONTROLLER_ID, "agents": [agent]})
    read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
    assert read["valid"] is True


async def test_a_referrer_becomes_valid_when_what_it_refers_to_is_stored(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/W", workflow(jobResourceNames=["ENV"])))
    await client.post("inventory/store", stored("/res/ENV", {"arguments": {"a": "b"}}, "JOBRESOURCE"))
    read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
    assert read["valid"] is True


CALENDAR = {"includes": {"weekdays": [{"days": [1]}]}, "excludes": {"nonWorkingDayCalendars": ["HOLIDAYS"]}}
SCHEDULE = {
    "workflowNames": ["W"],
    "calendars": [{"calendarName": "DAYS", "periods": [{"singleStart": "08:00"}]}],
    "nonWorkingDayCalendars": [{"calendarName": "HOLIDAYS"}],
}


async def test_schedules_and_calendars_refer_to_others(registered: Any, client: Any) -> None:
    schedule = await client.post("inventory/store", stored("/S", SCHEDULE, "SCHEDULE"))
    for name in ("W", "DAYS", "HOLIDAYS"):
        assert f"'{name}' does not exist" in schedule["invalidMsg"]
    calendar = await client.post("inventory/store", stored("/DAYS", CALENDAR, "WORKINGDAYSCALENDAR"))
    assert "Missing assigned NONWORKINGDAYSCALENDAR: 'HOLIDAYS'" in calendar["invalidMsg"]
    await client.post("inventory/store", stored("/HOLIDAYS", {"includes": {}}, "NONWORKINGDAYSCALENDAR"))
    await client.post("inventory/store", stored("/W", workflow()))
    for id_ in (schedule["id"], calendar["id"]):
        assert (await client.post("inventory/read/configuration", {"id": id_}))["valid"] is True


@pytest.mark.parametrize(
    "object_type, configuration, place",
    [
        ("WORKINGDAYSCALENDAR", {"includes": {"weekdays": [{}]}}, "$.includes.weekdays[0]"),
        ("NONWORKINGDAYSCALENDAR", {"from": "1.1.2027"}, "$.from"),
        ("SCHEDULE", {"workflowNames": ["W"], "calendars": [{}]}, "$.calendars[0]"),
        (
            "SCHEDULE",
            {"workflowNames": ["W"], "calendars": [{"calendarName": "D", "periods": [{"singleStart": "7"}]}]},
            "$.calendars[0].periods[0].singleStart",
        ),
    ],
)
async def test_faults_of_calendars_and_schedules_are_told(
    client: Any, object_type: str, configuration: dict[str, Any], place: str
) -> None:
    answer = await client.post("inventory/store", stored("/X", configuration, object_type))
    assert answer["valid"] is False and place in answer["invalidMsg"]
    answer = await client.post(f"inventory/{object_type}/validate", configuration)
    assert answer["valid"] is False and place in answer["invalidMsg"]


async def test_names_are_unique_per_type_without_regard_to_case(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/a/LOAD", workflow()))
    answer = await client.post("inventory/store", stored("/b/load", workflow()), status=420)
    assert answer["error"]["code"] == "JOC-171"
    assert "The name has to be unique: 'load' is already used in '/a/LOAD'" in answer["error"]["message"]
    await client.post("inventory/store", stored("/b/load", {"limit": 1}, "LOCK"))


@pytest.mark.parametrize(
    "path, text",
    [
        ("/a b/W", "Spaces"),
        ("/W!", "Punctuations"),
        ("/-W", "begin"),
        ("/a--b", "consecutive"),
        ("/", "must not be empty"),
    ],
)
async def test_bad_names_are_refused(client: Any, path: str, text: str) -> None:
    answer = await client.post("inventory/store", stored(path, {"limit": 1}, "LOCK"), status=420)
    assert answer["error"]["code"] == "JOC-400" and text in answer["error"]["message"]


async def test_incomplete_requests_name_what_is_missing(client: Any) -> None:
    answer = await client.post("inventory/store", {"path": "/W"}, status=420)
    assert answer["error"] == {
        "code": "JOC-406",
        "message": "JocMissingRequiredParameterException: undefined 'objectType'",
    }
    answer = await client.post("inventory/store", stored("/W", {}, "NONSENSE"), status=420)
    assert answer["error"]["code"] == "JOC-400"
    answer = await client.post("inventory/read/configuration", {"path": "/no", "objectType": "LOCK"}, status=420)
    assert answer["error"]["code"] == "JOC-002"


async def test_a_configuration_is_validated_without_storing(client: Any) -> None:
    assert (await client.post("inventory/LOCK/validate", {"limit": 3}))["valid"] is True
    answer = await client.post("inventory/WORKFLOW/validate", {"instructions": [{"TYPE": "Teleport"}]})
    assert answer["valid"] is False and "Teleport" in answer["invalidMsg"]


async def test_a_deployment_sends_the_signed_workflow_of_one_version(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/nightly/LOAD", workflow()))
    await client.post("inventory/store", stored("/res/ENV", {"env": {"A": "text"}}, "JOBRESOURCE"))
    request = deployment("/nightly/LOAD")
    entry = {"configuration": {"path": "ENV", "objectType": "JOBRESOURCE"}}
    request["store"]["draftConfigurations"].append(entry)
    answer = await client.post("inventory/deployment/deploy", request)
    assert answer["ok"] is True
    load, resource = registered.signed_items()
    commit_id = load["versionId"]
    assert uuid.UUID(commit_id).version == 4
    assert load["path"] == "LOAD" and load["jobs"]["load"]["agentPath"] == "agent-1"
    assert load["orderPreparation"]["parameters"]["js7Workflow.path"]["final"] == "'/nightly/LOAD'"
    assert resource == {"TYPE": "JobResource", "path": "ENV", "env": {"A": "'text'"}}
    assert registered.items[-1][-1] == {"TYPE": "AddVersion", "versionId": commit_id}
    read = await client.post("inventory/read/configuration", {"path": "LOAD", "objectType": "WORKFLOW"})
    assert read["deployed"] is True and read["deployments"][0]["commitId"] == commit_id
    history = (await client.post("inventory/deployment/history", {"compactFilter": {}}))["depHistory"]
    assert [(entry["path"], entry["state"], entry["account"]) for entry in history] == [
        ("/res/ENV", "DEPLOYED", "root"),
        ("/nightly/LOAD", "DEPLOYED", "root"),
    ]


async def test_storing_the_deployed_content_again_is_no_draft_and_other_content_is(
    registered: Any, client: Any
) -> None:
    await client.post("inventory/store", stored("/W", workflow()))
    await client.post("inventory/deployment/deploy", deployment("/W"))
    assert (await client.post("inventory/store", stored("/W", workflow())))["deployed"] is True
    changed = await client.post("inventory/store", stored("/W", workflow(timeZone="UTC")))
    assert (changed["deployed"], changed["state"]) == (False, "DRAFT_IS_NEWER")
    assert (await client.post("inventory/store", stored("/W", workflow())))["deployed"] is True


async def test_a_folder_stands_for_its_valid_drafts(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/f/A", workflow()))
    await client.post("inventory/store", stored("/f/sub/B", workflow()))
    await client.post("inventory/store", stored("/f/BAD", workflow("Nobody")))
    await client.post("inventory/store", stored("/g/C", workflow()))
    await client.post("inventory/deployment/deploy", deployment("/f", object_type="FOLDER", recursive=True))
    assert sorted(item["path"] for item in registered.signed_items()) == ["A", "B"]
    nothing = await client.post(
        "inventory/deployment/deploy", deployment("/f", object_type="FOLDER", recursive=True), status=420
    )
    assert "nothing to deploy" in nothing["error"]["message"]


async def test_a_refused_deployment_leaves_a_draft_and_says_why(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/W", workflow()))
    registered.refuse_items = Problem.of("MissingReferencedItem", itemKey="Workflow:W", referencedItemPath="Agent:x")
    answer = await client.post("inventory/deployment/deploy", deployment("/W"), status=420)
    assert answer["error"]["code"] == "JOC-415" and "Agent:x" in answer["error"]["message"]
    read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
    assert read["deployed"] is False and read["hasDeployments"] is False
    [entry] = (await client.post("inventory/deployment/history", {}))["depHistory"]
    assert entry["state"] == "NOT_DEPLOYED" and "Agent:x" in entry["errorMessage"]


async def test_a_lost_answer_is_asked_for_again_with_the_same_version(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/W", workflow()))
    registered.lost_answers = 1
    await client.post("inventory/deployment/deploy", deployment("/W"))
    assert registered.items[-1] == registered.items[-2]


async def test_an_unreachable_controller_gets_nothing(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/W", workflow()))
    await registered.server.stop()
    answer = await client.post("inventory/deployment/deploy", deployment("/W"), status=420)
    assert answer["error"]["code"] == "JOC-402"
    read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
    assert read["deployed"] is False


async def test_a_deployed_version_is_deployed_again(registered: Any, client: Any) -> None:
    await client.post("inventory/store", stored("/W", workflow(timeZone="Europe/Berlin")))
    await client.post("inventory/deployment/deploy", deployment("/W"))
    await client.post("inventory/store", stored("/W", workflow(timeZone="UTC")))
    entry = {"configuration": {"path": "/W", "objectType": "WORKFLOW"}}
    request = {"controllerIds": [CONTROLLER_ID], "store": {"deployConfigurations": [entry]}}
    await client.post("inventory/deployment/deploy", request)
    [again] = registered.signed_items()
    assert again["timeZone"] == "Europe/Berlin"
    read = await client.post("inventory/read/configuration", {"path": "/W", "objectType": "WORKFLOW"})
    assert read["deployed"] is False and read["configuration"]["timeZone"] == "UTC"
