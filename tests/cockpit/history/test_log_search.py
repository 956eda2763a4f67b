"""Search over logs on both databases, from events to the answer: indexed, just ended, running, removed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.cleanup.service import CleanupService
from stellwerk.cockpit.cleanup.settings import CleanupSettings
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.history import history_log_index, history_log_pending
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.cockpit.history import log_search
from stellwerk.cockpit.history.log_index import LogIndexer
from stellwerk.cockpit.projection.writer import ProjectionWriter

FIRST = 1_748_772_000_000_000
WORKFLOW = {
    "TYPE": "Workflow",
    "path": "load",
    "versionId": "v1",
    "instructions": [{"TYPE": "Execute.Named", "jobName": "extract"}],
    "jobs": {"extract": {"agentPath": "A", "executable": {}}},
}


class Logs:
    """`await logs.run("A", "output", …)`: a task with this output; `is_over=False`: it still runs."""

    def __init__(self, cockpit: Cockpit, client: Any) -> None:
        self.writer = ProjectionWriter(cockpit.database, "controller")
        self.database = cockpit.database
        self.indexer = LogIndexer(cockpit.services.get(Fence))
        self.client = client
        self.next = FIRST

    async def project(self, *events: dict[str, Any]) -> None:
        lines = []
        for event in events:
            self.next += 1_000_000
            lines.append(json.dumps({"eventId": self.next, **event}).encode())
        await self.writer.project(lines)

    async def run(self, key: str, *output: str, is_over: bool = True, error: str = "") -> None:
        def event(kind: str, **members: Any) -> dict[str, Any]:
            return {"Key": key, "TYPE": kind, **members}

        await self.project(
            event("OrderAdded", workflowId={"path": "load", "versionId": "v1"}, planId=[]),
            event("OrderStarted"),
            event("OrderProcessingStarted", subagentId="A-1"),
        )
        for chunk in output:
            await self.project(event("OrderStdoutWritten", chunk=chunk))
        if error:
            await self.project(event("OrderStderrWritten", chunk=error))
        if is_over:
            outcome = {"TYPE": "Succeeded", "namedValues": {"returnCode": 0}}
            await self.project(event("OrderProcessed", outcome=outcome), event("OrderMoved", to=[1]))

    async def index(self) -> None:
        while await self.indexer.index_some():
            pass

    async def search(self, text: str, **query: Any) -> list[tuple[str, list[str]]]:
        answer = await self.client.get("stellwerk/history/search", text=text, **query)
        assert "next" not in answer
        return [(hit["task"]["orderId"], [line["txt"] for line in hit["lines"]]) for hit in answer["hits"]]

    async def count(self, table: Any) -> int:
        async with self.database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@pytest.fixture
async def logs(cockpit: Cockpit, client: Any) -> Logs:
    logs = Logs(cockpit, client)
    await logs.project({"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(WORKFLOW)}})
    return logs


async def test_logs_are_found_by_words_whether_indexed_or_not_and_gone_when_removed(
    cockpit: Cockpit, logs: Logs
) -> None:
    await logs.run("A", "start\nDisk quota exceeded: /var/lib/ümlaut_7\n")
    await logs.run("B", "disk is fine\n", error="quota: all right\nquota again\n")
    await logs.run("silent")
    await logs.index()
    assert await logs.count(history_log_index) == 2, "a job that says nothing costs nothing"
    await logs.run("C", "disk quo", "ta exceeded\n")
    await logs.run("D", "still: disk quota", is_over=False)
    quota = [
        ("D", ["still: disk quota"]),
        ("C", ["disk quota exceeded"]),
        ("A", ["Disk quota exceeded: /var/lib/ümlaut_7"]),
    ]
    assert await logs.search("disk quota") == quota
    assert await logs.search("disk QUO") == quota
    await logs.index()
    assert await logs.count(history_log_pending) == 0
    assert await logs.search("disk quota") == quota
    assert await logs.search("quota") == [*quota[:2], ("B", ["quota: all right", "quota again"]), quota[2]]
    assert await logs.search("lib/ÜMLAUT_7") == quota[2:]
    assert await logs.search("uota exceeded") == []
    # Its own begin and end are no output.
    assert await logs.search("Start") == [("A", ["start"])]
    assert await logs.search("disk quota", q="order:A,C job:extract workflow:/load state:successful") == quota[1:]
    assert await logs.search("disk", q="job:other") == []
    assert await logs.search("disk", controllerId="other") == []
    # Page by page.
    page = await logs.client.get("stellwerk/history/search", text="disk", limit=1)
    found = [page["hits"][0]["task"]["orderId"]]
    while "next" in page:
        page = await logs.client.get("stellwerk/history/search", text="disk", limit=1, cursor=page["next"])
        found += [hit["task"]["orderId"] for hit in page["hits"]]
    assert found == ["D", "C", "B", "A"]
    for query in (
        {"text": "ab"},
        {"text": "two\nlines"},
        {"text": "disk", "cursor": "x"},
        {"text": "disk", "q": "x:y"},
    ):
        refused = await logs.client.get("stellwerk/history/search", status=420, **query)
        assert refused["error"]["code"] == "JOC-400"
    await cockpit.services.get(CleanupService).run(CleanupSettings(order_history_logs_age=1), 2**60)
    # Orders at a Controller keep their logs: these have not been deleted there.
    assert await logs.search("disk quota") == quota
    await logs.project(*({"Key": key, "TYPE": kind} for key in "ABC" for kind in ("OrderFinished", "OrderDeleted")))
    async with cockpit.database.write() as connection:
        await connection.execute(joc_variables.delete().where(joc_variables.c.name == "cleanup_task_logs"))
    await cockpit.services.get(CleanupService).run(CleanupSettings(order_history_logs_age=1), 2**60)
    assert await logs.search("disk quota") == quota[:1]
    assert await logs.count(history_log_index) == 0
    for log in ("task/1", "order/A"):
        part = await logs.client.get(f"stellwerk/log/{log}")
        assert (part["lines"], part["totalLines"], part["complete"], part["removed"]) == ([], 0, True, True)
    assert "removed" not in await logs.client.get("stellwerk/log/order/D")
    async with await logs.client.raw("POST", "task/log", {"controllerId": "controller", "taskId": 1}) as answer:
        assert "has been removed" in await answer.text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_line_in_many_chunks_is_found_once_and_long_ones_are_cut(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "_CHUNKS_AT_ONCE", 2)
    monkeypatch.setattr(log_search, "_WINDOW", 2)
    await logs.run("A", *"needle in a haystack", "\n", "x" * 1000 + " needle in " + "y" * 1000 + "\n")
    for key in "BCDEF":
        await logs.run(key, *(f"needle {number}\n" for number in range(7)))
    for _ in range(2):
        found = await logs.search("needle in")
        assert [key for key, _ in found] == ["A"]
        [(_, [first, second])] = found
        assert first == "needle in a haystack"
        assert second.startswith("… xxx") and " needle in yyy" in second and len(second) < 320
        answer = await logs.client.get("stellwerk/history/search", text="needle")
        assert [hit["task"]["orderId"] for hit in answer["hits"]] == list("FEDCBA")
        assert [len(hit["lines"]) for hit in answer["hits"]] == [5, 5, 5, 5, 5, 2]
        assert answer["hits"][0]["hasMoreLines"] is True
        await logs.index()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_service_indexes_what_ends_by_itself(cockpit: Cockpit, logs: Logs) -> None:
    await logs.run("A", "disk quota exceeded\n")
    async with asyncio.timeout(30):
        while True:
            if not await logs.count(history_log_pending):
                break
            await asyncio.sleep(0.02)
    assert await logs.count(history_log_index) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_criticality_of_a_job_comes_from_what_was_deployed(cockpit: Cockpit, logs: Logs) -> None:
    content = {"jobs": {"extract": {"criticality": "MAJOR"}}}
    deployed = {
        "account": "root",
        "path": "/load",
        "folder": "/",
        "name": "load",
        "type": 1,
        "operation": 0,
        "state": 0,
    }
    deployed |= {"controller_id": "controller", "commit_id": "v1", "deployment_date": 1}
    async with cockpit.database.write() as connection:
        await connection.execute(dep_history.insert(), [{**deployed, "inv_content": json.dumps(content)}])
    await logs.run("A", "hello\n")
    for criticalities, found in ((["MAJOR"], ["major"]), (["NORMAL", "CRITICAL"], []), ([], ["major"])):
        request = {"controllerId": "controller", "criticalities": criticalities}
        history = (await logs.client.post("tasks/history", request))["history"]
        assert [item["criticality"] for item in history] == found
