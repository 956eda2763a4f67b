"""What has run on each Agent in a time (cockpit-api 3)."""

from __future__ import annotations

import json
from typing import Any

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.projection.writer import ProjectionWriter

#: 2025-06-01T10:00Z, as event id.
FIRST = 1_748_772_000_000_000
WORKFLOW = {
    "TYPE": "Workflow",
    "versionId": "v1",
    "instructions": [{"TYPE": "Execute.Named", "jobName": job} for job in ("extract", "load")],
    "jobs": {job: {"agentPath": "A", "executable": {}} for job in ("extract", "load")},
}


def _run(key: str, workflow: str, agent: str, *, fails: bool) -> list[dict[str, Any]]:
    """The events of an order whose first job succeeds, and its second one unless `fails`."""
    added = {"TYPE": "OrderAdded", "workflowId": {"path": workflow, "versionId": "v1"}, "planId": []}
    attached = [{"TYPE": "OrderAttachable", "agentPath": agent}, {"TYPE": "OrderAttached"}]
    events: list[dict[str, Any]] = [added, *attached, {"TYPE": "OrderStarted"}]
    for type_, to in (("Succeeded", 1), ("Failed" if fails else "Succeeded", 2)):
        processed = {"TYPE": "OrderProcessed", "outcome": {"TYPE": type_, "namedValues": {"returnCode": 0}}}
        events += [{"TYPE": "OrderProcessingStarted", "subagentId": agent}, processed]
        if type_ == "Succeeded":
            events.append({"TYPE": "OrderMoved", "to": [to]})
    events.append({"TYPE": "OrderFailed", "movedTo": [1]} if fails else {"TYPE": "OrderFinished"})
    return [{"Key": key, **event} for event in events]


async def test_successful_tasks_and_their_jobs_are_counted_by_agent(cockpit: Cockpit, client: Any) -> None:
    events: list[dict[str, Any]] = [
        {"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps({**WORKFLOW, "path": path})}}
        for path in ("W1", "W2")
    ]
    events += _run("1", "W1", "A", fails=False) + _run("2", "W1", "A", fails=True) + _run("3", "W2", "B", fails=False)
    lines = [json.dumps({"eventId": FIRST + n * 1_000_000, **event}).encode() for n, event in enumerate(events)]
    await ProjectionWriter(cockpit.database, "controller").project(lines)

    report = await client.post("agents/report", {"controllerId": "controller"})
    numbers = {item["agentId"]: (item["numOfSuccessfulTasks"], item["numOfJobs"]) for item in report["agents"]}
    assert numbers == {"A": (3, 2), "B": (2, 2)}
    assert (report["totalNumOfSuccessfulTasks"], report["totalNumOfJobs"]) == (5, 4)
    one = await client.post("agents/tasks", {"agentIds": ["B"]})
    assert [item["agentId"] for item in one["agents"]] == ["B"]
    assert (await client.post("agents/report", {"dateFrom": "1d"}))["agents"] == []
