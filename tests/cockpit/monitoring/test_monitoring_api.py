"""Notifications, alerts and availability, from a Controller's events to the API (cockpit-services 6)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from monitoring_samples import configuration, rule
from monitoring_world import MonitoringWorld, begins, ends, fails, order, processed, starts
from sqlalchemy import insert, select
from tests.cockpit.identity.conftest import People

from stellwerk.cockpit.cleanup.settings import CleanupSettings
from stellwerk.cockpit.cleanup.tasks import cleanup_tasks
from stellwerk.cockpit.database.tables.identity import joc_audit_log
from stellwerk.cockpit.database.tables.monitoring import mon_not_acknowledgements, mon_observations
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.projection.observations import Observation, observation_row

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_fails_recovers_and_ends(world: MonitoringWorld) -> None:
    await world.tell(*begins(), *fails())
    error, of_order = await world.notifications()
    assert (error["type"], error["orderId"], error["workflow"]) == ("ERROR", "A", "/nightly")
    assert error["job"]["job"] == "load" and error["job"]["exitCode"] == 1 and error["job"]["position"] == "0"
    assert error["job"]["state"] == {"severity": 2, "_text": "FAILED"}
    assert (of_order["type"], of_order["message"], of_order["hasMonitors"]) == ("ERROR", "disk full", False)
    [alert] = await world.alerts()
    assert (alert["state"], alert["severity"], alert["count"], alert["orderId"]) == ("open", "error", 1, "A")
    assert (alert["title"], alert["message"]) == ("/nightly ▸ load", "disk full") or alert["title"] == "/nightly"

    await world.tell(order("OrderResumed"), starts(), processed(0), *ends())
    assert await world.kinds() == [
        ("ERROR", "load"),
        ("ERROR", "-"),
        ("RECOVERED", "load"),
        ("RECOVERED", "-"),
    ]
    recovered = (await world.notifications(types=["RECOVERED"]))[0]
    assert recovered["recoveredNotificationId"] == error["notificationId"]
    [alert] = await world.alerts()
    assert alert["state"] == "resolved"
    page = await world.alerts_page("state:open")
    assert page["rows"] == [] and page["counts"] == {"resolved": 1} and page["lastResolved"] > 0


async def test_the_same_thing_at_the_same_place_is_one_alert_that_is_open_while_one_order_is_failed(
    world: MonitoringWorld,
) -> None:
    await world.tell(*begins("A"), *fails("A"), *begins("B"), *fails("B"))
    [alert] = await world.alerts()
    assert (alert["count"], alert["orderId"]) == (2, "B")
    await world.tell(order("OrderCancelled", "A"))
    assert [alert["state"] for alert in await world.alerts()] == ["open"]
    await world.tell(order("OrderCancelled", "B"))
    assert [alert["state"] for alert in await world.alerts()] == ["resolved"]
    await world.tell(*begins("C"), *fails("C"))
    [alert] = await world.alerts()
    assert (alert["state"], alert["count"]) == ("open", 1), "it is open again, and counts anew"
    [answer] = [await world.client.get(f"stellwerk/alerts/{alert['id']}")]
    assert [item["orderId"] for item in answer["occurrences"]] == ["C", "C", "B", "B", "A", "A"]


async def test_success_is_told_to_who_asks_for_it_only(world: MonitoringWorld) -> None:
    await world.tell(*begins("A"), processed(0, "A"), *ends("A"))
    assert await world.kinds() == []
    await world.release(configuration(rule("n1", types="SUCCESS")))
    await world.tell(*begins("B"), processed(0, "B"), *ends("B"))
    [item] = await world.notifications()
    assert (item["type"], item["orderId"], "job" in item) == ("SUCCESS", "B", False)
    assert await world.alerts() == []


async def test_a_failed_branch_is_told_of_and_is_over_with_its_root(world: MonitoringWorld) -> None:
    children = [{"orderId": "A|x", "branchId": "x"}]
    failed = {"TYPE": "Failed", "message": "no route"}
    await world.tell(*begins(), processed(0), order("OrderForked", children=children), starts("A|x"))
    await world.tell(processed(1, "A|x"), order("OrderFailedInFork", "A|x", outcome=failed))
    assert await world.kinds() == [("ERROR", "0/fork+x:0"), ("ERROR", "-")]
    await world.tell(order("OrderJoined", outcome={"TYPE": "Succeeded"}), *ends())
    assert {alert["state"] for alert in await world.alerts()} == {"resolved"}
    assert ("ERROR", "-") not in (await world.kinds())[2:], "a branch that has failed is not told of again at the join"


async def test_warnings_of_a_job(world: MonitoringWorld) -> None:
    meaning = {"executable": {"TYPE": "ShellScriptExecutable", "script": "", "returnCodeMeaning": {"warning": "3"}}}
    await world.workflow(warnIfLonger="00:00:30", warnIfShorter="5s", warnOnErrWritten=True, **meaning)
    await world.tell(*begins("A"), processed(3, "A", seconds=60), *ends("A"))
    await world.tell(*begins("B"), order("OrderStderrWritten", "B", chunk="oops\n"), processed(0, "B"), *ends("B"))
    found = await world.notifications(types=["WARNING"])
    assert [(item["orderId"], item["warn"]) for item in found] == [
        ("A", "LONGER_THAN"),
        ("A", "RETURN_CODE"),
        ("B", "STDERR"),
        ("B", "SHORTER_THAN"),
    ]
    assert found[0]["message"] == "Job runs longer than the expected 30 s"
    assert {alert["kind"]: alert["state"] for alert in await world.alerts()} == {
        "longer": "resolved",
        "returnCode": "resolved",
        "stderr": "open",
        "shorter": "open",
    }
    await world.tell(*begins("C"), processed(0, "C", seconds=10), *ends("C"))
    assert {alert["state"] for alert in await world.alerts()} == {"resolved"}, "a run without a warning resolves it"


async def test_a_share_of_the_average_of_successful_runs(world: MonitoringWorld) -> None:
    await world.workflow(warnIfLonger="150%")
    await world.tell(*begins("A"), processed(0, "A", seconds=500), *ends("A"))
    assert await world.kinds() == [], "there is nothing to compare with yet"
    for key, seconds in (("B", 10), ("C", 20), ("D", 260), ("E", 290)):
        await world.tell(*begins(key), processed(0, key, seconds=seconds), *ends(key))
    # D: on average of A, B, C 176 s; E: of A to D 197 s; F: of A to E 216 s.
    assert await world.kinds() == []
    await world.tell(*begins("F"), processed(0, "F", seconds=400), *ends("F"))
    [item] = await world.notifications()
    assert item["orderId"] == "F" and item["warn"] == "LONGER_THAN"


async def test_a_job_that_runs_too_long_is_told_of_once_while_it_runs(world: MonitoringWorld) -> None:
    await world.workflow(warnIfLonger="60")
    await world.tell(*begins())
    await world.settle()
    async with asyncio.timeout(60):
        while not await world.notifications():  # the service has looked through the new workflow
            await world.monitor.look()
    await world.monitor.look()
    [item] = await world.notifications()
    assert item["warn"] == "LONGER_THAN" and item["job"]["state"]["_text"] == "INCOMPLETE"
    await world.tell(processed(0, seconds=100), *ends())
    assert await world.kinds() == [("WARNING", "load")], "nor at its end"


async def test_an_order_that_is_late_is_told_of_once_until_it_starts(world: MonitoringWorld) -> None:
    past = world.cockpit.clock.now_ms() - 20 * 60_000
    workflow = {"path": "nightly", "versionId": "v1"}
    await world.tell(order("OrderAdded", workflowId=workflow, planId=[], scheduledFor=past))
    await world.tell(order("OrderAdded", "B", workflowId=workflow, planId=[], scheduledFor=past + 600_000))
    await world.monitor.look()
    await world.monitor.look()
    [item] = await world.notifications()
    assert (item["type"], item["orderId"], item["warn"]) == ("WARNING", "A", "LATE"), "B is late by 10 minutes only"
    await world.tell(order("OrderStarted"))
    await world.monitor.look()
    assert [(alert["kind"], alert["state"]) for alert in await world.alerts()] == [("late", "resolved")]


async def test_an_agent_that_is_lost_and_comes_back(world: MonitoringWorld) -> None:
    def agent(kind: str, **members: Any) -> dict[str, Any]:
        return {"TYPE": kind, "Key": "A", **members}

    problem = {"message": "connection refused"}
    await world.tell(agent("AgentReady", timezone="UTC"), agent("AgentCouplingFailed", problem=problem, after=600))
    await world.tell(agent("AgentCouplingFailed", problem={"message": "still refused"}))
    [item] = await world.system()
    assert (item["type"], item["category"], item["source"]) == ("ERROR", "AGENT", "A")
    assert item["message"] == "Agent A is not coupled: connection refused"
    [alert] = await world.alerts()
    assert (alert["state"], alert["message"]) == ("open", "still refused")
    await world.tell(agent("AgentCoupled", after=300))
    assert [alert["state"] for alert in await world.alerts()] == ["resolved"]
    await world.tell(agent("AgentCouplingFailed", problem=problem))
    assert len(await world.system(categories=["AGENT"])) == 2 and await world.system(categories=["JOC"]) == []
    [found] = (await world.client.post("monitoring/agents", {"controllerId": world.controller_id}))["controllers"]
    [agent_item] = found["agents"]
    assert [entry["totalRunningTime"] for entry in agent_item["entries"]] == [600_000, 1_000]
    assert [entry.get("message") for entry in agent_item["entries"]] == ["connection refused"] * 2


async def test_availability_of_a_controller(world: MonitoringWorld) -> None:
    ready, shut_down = {"TYPE": "ControllerReady", "timezone": "UTC"}, {"TYPE": "ControllerShutDown"}
    await world.tell(dict(ready), {**shut_down, "after": 100}, {**ready, "after": 50})
    await world.tell({"TYPE": "AgentReady", "Key": "A", "after": 200}, {**ready, "after": 500})
    request = {"controllerId": world.controller_id}
    [found] = (await world.client.post("monitoring/controllers", request))["controllers"]
    first, second, third = found["entries"]
    assert (first["totalRunningTime"], second["totalRunningTime"]) == (100_000, 200_000)
    # It was killed the second time: known up to the last event before.
    assert "shutdownTime" in first and "lostTime" in second and third["isRunning"]


async def test_notifications_are_acknowledged(world: MonitoringWorld) -> None:
    await world.tell(*begins(), *fails())
    first, second = await world.notifications()
    request = {"controllerId": world.controller_id, "notificationIds": [second["notificationId"]], "comment": "on it"}
    await world.client.post("monitoring/notification/acknowledge", request)
    shown = (await world.notifications(types=["ACKNOWLEDGED"]))[0]
    assert shown["notificationId"] == second["notificationId"]
    assert (shown["acknowledgement"]["account"], shown["acknowledgement"]["comment"]) == ("root", "on it")
    assert [item["notificationId"] for item in await world.notifications(types=["ERROR"])] == [first["notificationId"]]
    [alert] = await world.alerts()
    assert (alert["state"], alert["account"], alert["comment"]) == ("acknowledged", "root", "on it")
    one = await world.client.post(
        "monitoring/notification", {"controllerId": world.controller_id, "notificationId": first["notificationId"]}
    )
    assert one["notification"]["monitors"] == []
    request["notificationIds"] = [9999]
    answer = await world.client.post("monitoring/notification/acknowledge", request, status=420)
    assert "9999" in json.dumps(answer)
    async with world.cockpit.database.read() as connection:
        logged = list(await connection.execute(select(joc_audit_log.c.category, joc_audit_log.c.status)))
    assert ("MONITORING", 200) in logged and ("MONITORING", 420) in logged


async def test_people_acknowledge_resolve_and_mute_alerts(world: MonitoringWorld) -> None:
    await world.tell(*begins(), *fails())
    [alert] = await world.alerts()
    ids = {"ids": [alert["id"]]}
    await world.client.post("stellwerk/alerts/acknowledge", {**ids, "comment": "mine"})
    until = world.cockpit.clock.now_ms() + 3_600_000
    await world.client.post("stellwerk/alerts/mute", {**ids, "until": until})
    [alert] = await world.alerts("state:acknowledged user:root")
    assert (alert["comment"], alert["mutedUntil"]) == ("mine", until)
    assert (await world.client.post("stellwerk/alerts/resolve", ids))["changed"] == [alert["id"]]
    assert (await world.client.post("stellwerk/alerts/resolve", ids))["changed"] == [], "it is over already"
    [alert] = await world.alerts()
    assert alert["state"] == "resolved" and "mutedUntil" not in alert
    await world.client.post("stellwerk/alerts/mute", {**ids, "until": 1}, status=420)
    await world.client.post("stellwerk/alerts/resolve", {"ids": [77]}, status=420)
    await world.client.post("stellwerk/alerts/resolve", {"ids": []}, status=420)
    await world.client.get("stellwerk/alerts", q="state:closed", status=420)
    await world.client.get("stellwerk/alerts/77", status=420)


async def test_new_notifications_are_told_to_polls_and_streams(world: MonitoringWorld) -> None:
    request = {"controllerId": world.controller_id, "eventId": 0}
    request["eventId"] = world.cockpit.services.get(LiveHub).event_id
    poll = asyncio.create_task(world.client.post("events", request))
    await world.tell(*begins(), *fails())
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < 2:
            answer = await poll
            found += answer["eventsFromOrderMonitoring"]
            request["eventId"] = answer["eventId"]
            poll = asyncio.create_task(world.client.post("events", request))
    poll.cancel()
    assert [(item["level"], item["workflowName"], item.get("jobName")) for item in found] == [
        ("ERROR", "nightly", "load"),
        ("ERROR", "nightly", None),
    ]
    snapshots = [item["eventType"] for item in answer["eventSnapshots"]]
    assert "MonitoringNotificationCreated" in snapshots


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("monitoring/notifications", {"types": ["LOUD"]}),
        ("monitoring/sysnotifications", {"categories": ["X"]}),
        ("monitoring/notification", {"controllerId": "controller", "notificationId": 5}),
        ("monitoring/sysnotification", {"notificationId": 5555}),
        ("monitoring/sysnotification/acknowledge", {"notificationIds": []}),
        ("monitoring/controllers", {"dateFrom": "2026-01-02", "dateTo": "2026-01-01"}),
    ],
)
async def test_bad_requests_are_refused(shared_client: Any, path: str, request_: dict[str, Any]) -> None:
    await shared_client.post(path, request_, status=420)


async def test_an_observation_that_cannot_be_understood_keeps_no_other_from_being_told_of(
    world: MonitoringWorld,
) -> None:
    await world.settle()
    bad = (world.controller_id, 1, 0, b"\xc1")
    good = observation_row(world.controller_id, Observation("agent", 2, 3, "COUPLINGFAILED", True, "gone", source="A"))
    columns = ("controller_id", "event_id", "history_id", "data")
    async with world.cockpit.database.write() as connection:
        for row in (bad, good):
            await connection.execute(insert(mon_observations), [dict(zip(columns, row, strict=True))])
    world.monitor.arrived()
    found = await world.system()
    assert [(item["category"], item["source"]) for item in found] == [("JOC", "monitor"), ("AGENT", "A")]


async def test_who_may_see_and_change_what(world: MonitoringWorld) -> None:
    await world.tell(*begins(), *fails())
    first, _ = await world.notifications()
    [alert] = await world.alerts("kind:failed")
    people = People(world.client)
    name = world.controller_id
    everything = ("sos:products:controller", "sos:products:joc:notification")
    blind = await people.with_permissions(f"blind {name}", "sos:products:controller")
    await blind.post("monitoring/notifications", {}, status=403)
    await blind.get("stellwerk/alerts", status=403)
    viewer = await people.with_permissions(f"viewer {name}", everything[0], f"{everything[1]}:view")
    assert (await viewer.post("monitoring/notifications", {"controllerId": name}))["notifications"]
    await viewer.post("stellwerk/alerts/acknowledge", {"ids": [alert["id"]]}, status=403)
    await viewer.post("notification/release", {"configuration": configuration(rule())}, status=403)
    await viewer.post("stellwerk/channels/test", {"name": "chat"}, status=403)
    elsewhere = await people.with_permissions(
        f"elsewhere {name}", *everything, folders=[{"folder": "/closed", "recursive": True}]
    )
    assert (await elsewhere.post("monitoring/notifications", {}))["notifications"] == []
    assert (await elsewhere.get("stellwerk/alerts", q="kind:failed"))["rows"] == []
    await elsewhere.get(f"stellwerk/alerts/{alert['id']}", status=420)
    await elsewhere.post("stellwerk/alerts/acknowledge", {"ids": [alert["id"]]}, status=420)
    request = {"controllerId": name, "notificationIds": [first["notificationId"]]}
    await elsewhere.post("monitoring/notification/acknowledge", request, status=420)
    [alert] = await world.alerts("kind:failed")
    assert alert["state"] == "open"


async def test_a_configuration_is_drafted_released_and_deleted(world: MonitoringWorld) -> None:
    post = world.client.post
    none = await post("notification", {})
    assert (none["state"], none["configuration"], none["released"]) == ("NO_CONFIGURATION_EXIST", "", False)
    assert none["schema"].startswith("<?xml") and "WebhookFragment" in none["schema"]
    await post("notification/release", {}, status=420)
    stored = await post("notification/store", {"configuration": "<Configurations>\n<Oops</Configurations>"})
    assert (stored["state"], stored["released"], stored["hasReleases"]) == ("RELEASE_NOT_EXIST", False, False)
    draft = await post("notification", {})
    assert draft["validation"]["validationError"]["line"] == 2
    refused = await post("notification/release", {}, status=420)
    assert "line 2" in refused["error"]["message"]
    good = configuration(rule("good"))
    released = await post("notification/release", {"configuration": good, "configurationJson": "{}"})
    assert (released["state"], released["released"], released["configuration"]) == ("DRAFT_NOT_EXIST", True, good)
    assert "validation" not in released and released["configurationJson"] == "{}"
    assert world.monitor._store.current.rules[0].notification_id == "good"
    await post("notification/store", {"configuration": configuration(rule("next"))})
    assert (await post("notification", {}))["state"] == "DRAFT_IS_NEWER"
    assert (await post("notification", {"forceRelease": True}))["configuration"] == good
    deleted = await post("notification/delete", {})
    assert (deleted["state"], deleted["configuration"]) == ("DRAFT_NOT_EXIST", good)
    await post("notification/delete", {"release": True})
    assert (await post("notification", {}))["state"] == "NO_CONFIGURATION_EXIST"
    assert world.monitor._store.current.rules == ()


async def test_what_is_over_is_cleaned_up_and_what_is_open_stays(world: MonitoringWorld) -> None:
    await world.tell(*begins("A"), *fails("A"), *begins("B"), *fails("B"), order("OrderCancelled", "B"))
    notes = await world.notifications()
    ids = [note["notificationId"] for note in notes]
    request = {"controllerId": world.controller_id, "notificationIds": ids}
    await world.client.post("monitoring/notification/acknowledge", request)
    ages = CleanupSettings(notification_history_age=1, monitoring_history_age=1)
    (task,) = cleanup_tasks(ages, world.cockpit.clock.now_ms() + 2000)
    for step in task.steps:
        async with world.cockpit.database.write() as connection:
            while await step(connection, 1):
                pass
    left = await world.notifications()
    assert {note["orderId"] for note in left} == {"A"} and len(left) == 2, "A is still failed"
    assert [alert["state"] for alert in await world.alerts("kind:failed")] == ["acknowledged"]
    table = mon_not_acknowledgements
    assert await world.count(table, table.c.not_id.in_(ids)) == 2
