"""History, logs, native lists, the event poll and the stream, from projected events to HTTP answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.projection.writer import ProjectionWriter

FIRST = 1_748_772_000_000_000
WORKFLOW = {
    "TYPE": "Workflow",
    "path": "load",
    "versionId": "v1",
    "instructions": [{"TYPE": "Execute.Named", "jobName": "extract", "label": "first"}],
    "jobs": {"extract": {"agentPath": "A", "executable": {}}},
}
WEIRD = "\x1b[31mred\x1b[0m\n<script>alert('x')</script>\na\x00b\n50%\r100%\nü€😀\n"


class Feed:
    """Events into the projection and on to the hub, as the follower does it."""

    def __init__(self, cockpit: Cockpit) -> None:
        self.writer = ProjectionWriter(cockpit.database, "controller")
        self.hub = cockpit.services.get(LiveHub)
        self.next = FIRST

    async def __call__(self, *events: dict[str, Any]) -> None:
        lines = []
        for event in events:
            self.next += 1_000_000
            lines.append(json.dumps({"eventId": self.next, **event}).encode())
        for projected in await self.writer.project(lines):
            await self.hub.projected("controller", projected)


@pytest.fixture
async def feed(cockpit: Cockpit) -> Feed:
    feed = Feed(cockpit)
    await feed({"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(WORKFLOW)}})
    return feed


def order(kind: str, key: str = "A", **members: Any) -> dict[str, Any]:
    return {"Key": key, "TYPE": kind, **members}


def begin(key: str = "A", **members: Any) -> list[dict[str, Any]]:
    return [
        order("OrderAdded", key, workflowId={"path": "load", "versionId": "v1"}, planId=[], **members),
        order("OrderStarted", key),
        order("OrderProcessingStarted", key, subagentId="A-1"),
    ]


def failed(key: str = "A", rc: int = 12) -> list[dict[str, Any]]:
    outcome = {"TYPE": "Failed", "message": "disk quota exceeded", "namedValues": {"returnCode": rc}}
    return [order("OrderProcessed", key, outcome=outcome), order("OrderFailed", key, movedTo=[0])]


async def test_orders_and_tasks_history_have_the_compatible_items(client: Any, feed: Feed) -> None:
    await feed(*begin(arguments={"file": "a.csv"}), *failed())
    await feed(*begin("B"))
    history = (await client.post("orders/history", {"controllerId": "controller"}))["history"]
    assert [item["orderId"] for item in history] == ["B", "A"]
    assert history[1]["state"] == {"_text": "FAILED", "severity": 2}
    assert history[1]["orderState"] == {"_text": "FAILED", "severity": 2}
    assert history[1]["arguments"] == {"file": "a.csv"}
    assert history[1]["workflow"] == "/load"
    assert "endTime" not in history[1]
    tasks = (await client.post("tasks/history", {"controllerId": "controller", "historyStates": "FAILED"}))["history"]
    (task,) = tasks
    assert (task["job"], task["label"], task["exitCode"], task["retryCounter"]) == ("extract", "first", 12, 0)
    assert task["error"]["message"] == "disk quota exceeded"
    detail = await client.post("order/history", {"controllerId": "controller", "orderId": "A"})
    assert [list(child) for child in detail["children"]] == [["task"]]
    assert detail["states"][0]["state"]["_text"] == "FAILED"
    missing = await client.post("order/history", {"controllerId": "controller", "orderId": "X"}, status=420)
    assert missing["error"]["code"] == "JOC-002"


async def test_history_is_filtered_by_date_state_and_workflow(client: Any, feed: Feed) -> None:
    await feed(*begin(), *failed(), *begin("B"))
    base = {"controllerId": "controller"}
    for given, expected in (
        ({"dateFrom": "2025-06-01T00:00:00Z"}, 2),
        ({"dateFrom": "-1d"}, 0),
        ({"historyStates": ["INCOMPLETE"]}, 1),
        ({"workflowName": "other"}, 0),
        ({"workflowPath": "/load"}, 2),
        ({"folders": [{"folder": "/etl", "recursive": True}]}, 0),
        ({"limit": "1"}, 1),
    ):
        found = await client.post("orders/history", {**base, **given})
        assert len(found["history"]) == expected, given
    wrong = await client.post("orders/history", {**base, "dateFrom": "yesterday"}, status=420)
    assert wrong["error"]["code"] == "JOC-400"


async def test_the_order_log_is_rendered_from_the_events(client: Any, feed: Feed) -> None:
    await feed(*begin(), *failed())
    log = await client.post("order/log", {"controllerId": "controller", "historyId": 1})
    events = [(entry["logLevel"], entry["logEvent"], entry["position"]) for entry in log["logEvents"]]
    assert events == [
        ("MAIN", "OrderAdded", "0"),
        ("MAIN", "OrderStarted", "0"),
        ("MAIN", "OrderProcessingStarted", "0"),
        ("ERROR", "OrderProcessed", "0"),
        ("ERROR", "OrderFailed", "0"),
    ]
    assert log["complete"] is False
    assert log["logEvents"][3]["error"]["errorText"] == "disk quota exceeded"
    assert log["logEvents"][3]["taskId"] == 1
    text = await client.raw("POST", "order/log/download", {"controllerId": "controller", "historyId": 1})
    assert "returnCode=12" in await text.text()
    assert text.headers["Content-Disposition"].endswith("sos-A-1.order.log")


async def test_following_an_order_log_answers_when_entries_arrive(client: Any, feed: Feed) -> None:
    await feed(*begin())
    log = await client.post("order/log", {"controllerId": "controller", "historyId": 1})
    body = {"controllerId": "controller", "historyId": 1, "eventId": log["eventId"]}
    following = asyncio.create_task(client.post("order/log/running", body))
    await feed(*failed())
    more = await following
    assert [entry["logEvent"] for entry in more["logEvents"]] == ["OrderProcessed", "OrderFailed"]


async def test_task_logs_are_text_and_running_logs_go_on_where_they_ended(client: Any, feed: Feed) -> None:
    await feed(*begin(), order("OrderStdoutWritten", chunk=WEIRD))
    async with await client.raw("POST", "task/log", {"controllerId": "controller", "taskId": 1}) as response:
        text = await response.text()
        assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert response.headers["X-Log-Complete"] == "false"
        last = int(response.headers["X-Log-Event-Id"])
    assert "[MAIN]    [Start] Job=extract, label=first, Agent(id=A, subagent=A-1)" in text
    assert "[STDOUT]  <script>alert('x')</script>\n" in text
    assert last == 6
    body = {"controllerId": "controller", "taskId": 1, "eventId": last}
    following = asyncio.create_task(client.post("task/log/running", body))
    await feed(order("OrderStderrWritten", chunk="late\n"))
    more = await following
    assert more["log"].endswith("[STDERR]  late\n")
    assert (more["eventId"], more["complete"]) == (7, False)


async def test_log_ranges_deliver_text_as_it_was(client: Any, feed: Feed) -> None:
    await feed(*begin(), order("OrderStdoutWritten", chunk=WEIRD))
    await feed(order("OrderStdoutWritten", chunk="unfinished"))
    part = await client.get("stellwerk/log/task/1", line="2-7")
    assert "".join(line["txt"] + "\n" for line in part["lines"]) == WEIRD + "unfinished\n"
    assert (part["totalLines"], part["complete"]) == (7, False)
    tail = await client.get("stellwerk/log/task/1", tail=2)
    assert [line["n"] for line in tail["lines"]] == [6, 7]
    assert (await client.get("stellwerk/log/task/1", tail=0))["lines"] == []
    by_bytes = await client.get("stellwerk/log/task/1", byte="0-3")
    assert by_bytes["lines"][0]["n"] == 1
    whole = await client.get("stellwerk/log/order/A")
    assert [line["n"] for line in whole["lines"]] == list(range(1, 8))
    for query in ({"line": "9-1"}, {"line": "x"}, {"line": "1-2", "tail": 3}):
        assert (await client.get("stellwerk/log/task/1", status=420, **query))["error"]["code"] == "JOC-400"
    assert (await client.get("stellwerk/log/task/99", status=420))["error"]["code"] == "JOC-002"
    assert (await client.get("stellwerk/log/task/99999999999999999999", status=420))["error"]["code"] == "JOC-002"


async def test_native_orders_are_filtered_sorted_and_paged(client: Any, feed: Feed) -> None:
    for number in range(7):
        await feed(*begin(f"#1#-{number}"))
    await feed(*failed("#1#-3"))
    page = await client.get("stellwerk/orders", limit=3, sort="order")
    assert [row["orderId"] for row in page["rows"]] == ["#1#-0", "#1#-1", "#1#-2"]
    assert (page["total"], page["totalIsExact"], "prev" in page) == (7, True, False)
    second = await client.get("stellwerk/orders", limit=3, sort="order", cursor=page["next"])
    assert [row["orderId"] for row in second["rows"]] == ["#1#-3", "#1#-4", "#1#-5"]
    back = await client.get("stellwerk/orders", limit=3, sort="order", cursor=second["prev"])
    assert back["rows"] == page["rows"]
    found = await client.get("stellwerk/orders", q="state:failed workflow:/load -job:nothing")
    (row,) = found["rows"]
    assert row["lastOutcome"] == {"_text": "Failed", "returnCode": 12, "message": "disk quota exceeded"}
    assert (row["can"]["resume"], row["label"], row["workflow"]["path"]) == (True, "first", "/load")
    assert (await client.get("stellwerk/orders", q="order:#1#-?"))["total"] == 7
    assert (await client.get("stellwerk/orders", q="order:%"))["total"] == 0
    unknown = await client.get("stellwerk/orders", q="stat:failed", status=420)
    assert "Did you mean 'state:'?" in unknown["error"]["message"]
    counted = await client.get("stellwerk/counts", by="state")
    assert counted["counts"] == {"RUNNING": 6, "FAILED": 1}


async def test_workflows_have_counts_and_last_runs(client: Any, feed: Feed) -> None:
    await feed(*begin(), *failed(), *begin("B"))
    (row,) = (await client.get("stellwerk/workflows"))["rows"]
    assert (row["path"], row["counts"]["byState"]) == ("/load", {"FAILED": 1, "RUNNING": 1})


async def test_native_history_pages_through_attempts(client: Any, feed: Feed) -> None:
    await feed(*begin(), *failed(), order("OrderResumed", position=[0]), order("OrderProcessingStarted"))
    rows = (await client.get("stellwerk/history/tasks"))["rows"]
    assert [(row["attempt"], row["outcome"]) for row in rows] == [(2, "RUNNING"), (1, "Failed")]
    assert (await client.get("stellwerk/history/tasks", q="exit:12 job:ex*"))["total"] == 1
    (root,) = (await client.get("stellwerk/history/orders"))["rows"]
    assert (root["outcome"], root["orderId"]) == ("RUNNING", "A")


async def test_order_events_are_found_by_id_with_reserved_characters(client: Any, feed: Feed) -> None:
    key = "#2026-11-24#P1-a/b c"
    await feed(*begin(key), *failed(key))
    url = URL(f"{client.base}/joc/api/stellwerk/order/{quote(key, safe='')}/events?level=story", encoded=True)
    async with client.session.get(url, headers={"X-Access-Token": client.token}) as response:
        found = await response.json()
    assert [(event["type"], event["position"]) for event in found["events"]] == [
        ("OrderAdded", "0"),
        ("OrderStarted", "0"),
        ("OrderProcessingStarted", "0"),
        ("OrderProcessed", "0"),
        ("OrderFailed", "0"),
    ]
    assert found["events"][3]["payload"]["outcome"]["namedValues"] == {"returnCode": 12}
    part = URL(f"{client.base}/joc/api/stellwerk/order/{quote(key, safe='')}/events?limit=2&dir=backward", encoded=True)
    async with client.session.get(part, headers={"X-Access-Token": client.token}) as response:
        last = await response.json()
    assert [event["type"] for event in last["events"]] == ["OrderProcessed", "OrderFailed"]
    assert last["total"] == 5
    answer = await client.get("stellwerk/order/A/events", status=420)
    assert answer["error"]["code"] == "JOC-002"


async def test_attention_groups_failures_and_names_prompts(client: Any, feed: Feed) -> None:
    await feed(*begin("A"), *failed("A"), *begin("B"), *failed("B"))
    await feed(*begin("P")[:2], order("OrderPrompted", "P", question="really?"))
    groups = (await client.get("stellwerk/attention"))["groups"]
    assert [(group["kind"], group["count"]) for group in groups] == [("failed", 2), ("prompt", 1)]
    assert "exit 12" in groups[0]["title"]
    nodes = (await client.get("stellwerk/topology"))["nodes"]
    assert {node["kind"] for node in nodes} >= {"cockpit", "database"}


async def test_events_answers_at_once_if_something_has_happened_and_else_waits(client: Any, feed: Feed) -> None:
    first = asyncio.create_task(client.post("events", {"controllerId": "controller"}))
    await asyncio.sleep(0)  # the poll may or may not be there already: both must work
    hub = feed.hub
    poll = hub.poll()
    await feed(*begin())
    answer = await first
    hub.end_poll(poll)
    types = {snapshot["eventType"] for snapshot in answer["eventSnapshots"]}
    assert "WorkflowStateChanged" in types
    workflow = next(one for one in answer["eventSnapshots"] if one["eventType"] == "WorkflowStateChanged")
    assert workflow["workflow"] == {"path": "/load", "versionId": "v1"}
    following = asyncio.create_task(client.post("events", {"controllerId": "controller", "eventId": answer["eventId"]}))
    await feed(*failed())
    later = await following
    assert later["eventId"] > answer["eventId"]
    assert later["eventSnapshots"]


class Sse:
    """Reads server-sent events: `(name, data)`; heartbeats are skipped."""

    def __init__(self, response: Any) -> None:
        self.response = response

    async def next(self) -> tuple[str, Any]:
        event, data = "message", ""
        while True:
            line = (await asyncio.wait_for(self.response.content.readline(), 20)).decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line == "" and data:
                return event, json.loads(data)
            elif line == "" and self.response.content.at_eof():
                return "end", None

    async def until(self, name: str, topic: str | None = None) -> Any:
        while True:
            event, data = await self.next()
            assert event != "end", f"the stream ended before {name} {topic}"
            if event == name and (topic is None or data["topic"] == topic):
                return data


async def test_the_stream_patches_the_topics_it_is_asked_for(client: Any, feed: Feed) -> None:
    async with await client.raw(
        "GET", "stellwerk/stream", params={"topics": "orders,counts,workflow:/load"}
    ) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        stream = Sse(response)
        hello = await stream.next()
        assert hello[0] == "stream"
        await feed(*begin())
        patch = await stream.until("patch", "orders")
        assert [(row["key"], row["state"]["_text"]) for row in patch["rows"]] == [("A", "RUNNING")]
        workflow = await stream.until("patch", "workflow:/load")
        assert workflow["rows"][0]["nodes"] == {"0": {"byState": {"RUNNING": 1}}}
        changed = await client.post(f"stellwerk/stream/{hello[1]['streamId']}", {"topics": ["order:A", "log:task:1"]})
        assert changed["ok"] is True
        await feed(order("OrderStdoutWritten", chunk="hello\n"))
        log = await stream.until("patch", "log:task:1")
        while log["rows"][-1]["txt"] != "hello":
            log = await stream.until("patch", "log:task:1")
        assert log["complete"] is False
        await feed(*failed(), order("OrderCancelled"), order("OrderDeleted"))
        gone = await stream.until("patch", "order:A")
        while not gone["removed"]:
            gone = await stream.until("patch", "order:A")
        assert gone["removed"] == ["A"]


async def test_the_stream_ends_with_the_session_and_frees_its_place(client: Any, feed: Feed, cockpit: Cockpit) -> None:
    from stellwerk.cockpit.api.native_stream import Streams

    async with await client.raw("GET", "stellwerk/stream", params={"topics": "orders"}) as response:
        stream = Sse(response)
        await stream.next()
        await client.post("authentication/logout")
        while (await stream.next())[0] != "end":
            pass
    assert cockpit.services.get(Streams).open == {}


async def test_a_reconnect_after_a_change_is_told_to_fetch_again(client: Any, feed: Feed) -> None:
    headers = {"Last-Event-ID": str(feed.hub.cursor - 1)}
    async with await client.raw("GET", "stellwerk/stream", params={"topics": "orders"}, headers=headers) as response:
        await Sse(response).until("gap")


async def test_stopping_does_not_wait_for_open_streams(cockpit: Cockpit, client: Any, feed: Feed) -> None:
    async with await client.raw("GET", "stellwerk/stream", params={"topics": "orders"}) as response:
        stream = Sse(response)
        await stream.next()
        poll = asyncio.create_task(client.raw("POST", "events", {"controllerId": "", "eventId": 2**52}))
        await cockpit.stop()
        while (await stream.next())[0] != "end":
            pass
        await asyncio.gather(poll, return_exceptions=True)
