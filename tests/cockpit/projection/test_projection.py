"""The projection on both databases: rows, attempts, forks, logs, exactly once under crashes (cockpit-services 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables import METADATA, history, live
from stellwerk.cockpit.projection.fold import ProjectionError
from stellwerk.cockpit.projection.logs import LogLine, lines
from stellwerk.cockpit.projection.model import decode_live_order
from stellwerk.cockpit.projection.snapshot import SnapshotLoader
from stellwerk.cockpit.projection.writer import ProjectionWriter

FIRST = 1_748_772_000_000_000
WORKFLOW = {
    "TYPE": "Workflow",
    "path": "load",
    "versionId": "v1",
    "instructions": [
        {"TYPE": "Execute.Named", "jobName": "extract", "label": "first"},
        {
            "TYPE": "Try",
            "try": {"instructions": [{"TYPE": "Execute.Named", "jobName": "flaky"}]},
            "catch": {"instructions": [{"TYPE": "Retry"}]},
        },
        {
            "TYPE": "Fork",
            "branches": [
                {"id": "eu", "workflow": {"instructions": [{"TYPE": "Execute.Named", "jobName": "extract"}]}},
                {"id": "us", "workflow": {"instructions": []}},
            ],
        },
    ],
    "jobs": {name: {"agentPath": "A", "executable": {}} for name in ("extract", "flaky")},
}


def stream(*events: dict[str, Any], first: int = FIRST) -> list[bytes]:
    """Lines with event ids one second apart."""
    return [json.dumps({"eventId": first + n * 1_000_000, **event}).encode() for n, event in enumerate(events)]


def order(kind: str, key: str = "A", **members: Any) -> dict[str, Any]:
    return {"Key": key, "TYPE": kind, **members}


def workflow_added() -> dict[str, Any]:
    return {"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(WORKFLOW)}}


def added(key: str = "A") -> dict[str, Any]:
    return order("OrderAdded", key, workflowId={"path": "load", "versionId": "v1"}, planId=[])


def processed(rc: int, key: str = "A") -> dict[str, Any]:
    kind = "Succeeded" if rc == 0 else "Failed"
    return order("OrderProcessed", key, outcome={"TYPE": kind, "namedValues": {"returnCode": rc}})


LOST = {"TYPE": "Disrupted", "reason": {"TYPE": "ProcessLost", "problem": {"code": "ProcessLostDueToRestart"}}}

#: A job that is lost once and then succeeds, a retried job, a fork, and the end.
STORY: list[dict[str, Any]] = [
    workflow_added(),
    added(),
    order("OrderAttachable", agentPath="A"),
    order("OrderAttached", agentPath="A"),
    order("OrderStarted"),
    order("OrderProcessingStarted", subagentId="A-1"),
    order("OrderStdoutWritten", chunk="hel"),
    order("OrderProcessed", outcome=LOST),
    order("OrderMoved", to=[0]),
    order("OrderProcessingStarted", subagentId="A-1"),
    order("OrderStdoutWritten", chunk="hello\nwor"),
    order("OrderStderrWritten", chunk="oops\n"),
    order("OrderStdoutWritten", chunk="ld\n"),
    processed(0),
    order("OrderMoved", to=[1, "try+0", 0]),
    order("OrderProcessingStarted", subagentId="A-1"),
    processed(1),
    order("OrderCaught", movedTo=[1, "catch+0", 0]),
    order("OrderRetrying"),
    order("OrderMoved", to=[1, "try+1", 0]),
    order("OrderProcessingStarted", subagentId="A-1"),
    processed(0),
    order("OrderMoved", to=[2]),
    order("OrderDetachable"),
    order("OrderDetached"),
    order("OrderForked", children=[{"orderId": "A|eu", "branchId": "eu"}, {"orderId": "A|us", "branchId": "us"}]),
    order("OrderAttachable", "A|eu", agentPath="A"),
    order("OrderAttached", "A|eu", agentPath="A"),
    order("OrderProcessingStarted", "A|eu", subagentId="A-1"),
    order("OrderStdoutWritten", "A|eu", chunk="branch\n"),
    processed(0, "A|eu"),
    order("OrderMoved", "A|eu", to=[2, "fork+eu", 1]),
    order("OrderDetachable", "A|eu"),
    order("OrderDetached", "A|eu"),
    order("OrderJoined", outcome={"TYPE": "Succeeded"}),
    order("OrderMoved", to=[3]),
    order("OrderFinished"),
    order("OrderDeleted"),
]


async def rows(database: Database, table: Table, *order_by: str) -> list[dict[str, Any]]:
    async with database.read() as connection:
        found = await connection.execute(select(table).order_by(*(table.c[name] for name in order_by)))
        return [dict(row._mapping) for row in found]


async def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows that the projection writes, without what depends on how events were cut into transactions."""
    result = {
        "orders": await rows(database, history.history_orders, "id"),
        "steps": await rows(database, history.history_order_steps, "id"),
        "live": await rows(database, live.live_orders, "order_id"),
        "states": await rows(database, history.history_order_states, "id"),
        "cursor": await rows(database, history.history_cursors, "controller_id"),
    }
    for row in [*result["orders"], *result["steps"]]:
        del row["modified"]
    for row in result["live"]:
        row["data"] = decode_live_order(row["data"])
    for row in result["orders"]:
        # A row that is written again later in the story repeats the time of that transaction.
        del row["state_time"], row["workflow_position"], row["current_hos_id"], row["state_text"]
    return result


async def log_lines(database: Database, task_id: int) -> list[LogLine]:
    chunks = history.history_log_chunks
    async with database.read() as connection:
        found = await connection.execute(
            select(chunks.c.first_line, chunks.c.continues_line, chunks.c.content)
            .where(chunks.c.hos_id == task_id)
            .order_by(chunks.c.first_event_id)
        )
        return list(lines([tuple(row) for row in found]))


async def project(database: Database, events: Sequence[dict[str, Any]], size: int = 1000) -> ProjectionWriter:
    writer = ProjectionWriter(database, "controller")
    all_lines = stream(*events)
    for start in range(0, len(all_lines), size):
        await writer.project(all_lines[start : start + size])
    return writer


async def test_each_attempt_is_a_task_row_with_its_own_begin_end_and_outcome(database: Database) -> None:
    await project(database, STORY)
    steps = await rows(database, history.history_order_steps, "id")
    seen = [
        (step["order_id"], step["job_name"], step["attempt"], step["outcome"], step["return_code"]) for step in steps
    ]
    assert seen == [
        ("A", "extract", 1, "ProcessLost", None),
        ("A", "extract", 2, "Succeeded", 0),
        ("A", "flaky", 1, "Failed", 1),
        ("A", "flaky", 2, "Succeeded", 0),
        ("A|eu", "extract", 1, "Succeeded", 0),
    ]
    assert all(step["end_time"] > step["start_time"] for step in steps)
    assert [step["start_event_id"] for step in steps] == [
        FIRST + n * 1_000_000 for n, event in enumerate(STORY) if event["TYPE"] == "OrderProcessingStarted"
    ]
    assert {step["agent_id"] for step in steps} == {"A"}
    assert [step["retry_counter"] for step in steps] == [0, 0, 0, 1, 0]
    assert steps[0]["job_label"] == "first"
    assert steps[0]["error_code"] == "ProcessLostDueToRestart"


async def test_an_order_and_its_children_have_history_rows_and_no_live_row_after_the_end(database: Database) -> None:
    await project(database, STORY)
    orders = await rows(database, history.history_orders, "id")
    root, eu, us = orders
    assert [row["order_id"] for row in orders] == ["A", "A|eu", "A|us"]
    assert (root["state"], root["severity"], root["has_children"], root["parent_id"]) == (8, 0, True, 0)
    for child in (eu, us):
        assert (child["parent_id"], child["main_parent_id"], child["start_cause"]) == (root["id"], root["id"], "fork")
        assert (child["state"], child["end_time"] is not None) == (8, True)
    assert await rows(database, live.live_orders, "order_id") == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_the_rows_do_not_depend_on_how_events_are_cut_into_transactions(database: Database, size: int) -> None:
    await project(database, STORY[:-3], size)
    cut = await everything(database)
    async with database.write() as connection:
        for table in METADATA.sorted_tables:
            if table.name.startswith(("history_", "live_", "joc_variables")):
                await connection.execute(table.delete())
    await project(database, STORY[:-3])
    whole = await everything(database)
    for part in (cut, whole):
        for row in part["states"]:
            del row["id"]
    assert cut == whole


@pytest.mark.parametrize("size", [1, 4, 100])
async def test_log_lines_keep_channels_order_and_unfinished_lines(database: Database, size: int) -> None:
    await project(database, STORY, size)
    first, second = await log_lines(database, 1), await log_lines(database, 2)
    assert [(line.ch, line.txt) for line in first] == [
        ("main", "[Start] Job=extract, label=first, Agent(id=A, subagent=A-1)"),
        ("out", "hel"),
        ("main", "[End] [Error], errorState=Disrupted, reason=ProcessLost, msg=ProcessLostDueToRestart"),
    ]
    assert [(line.n, line.ch, line.txt) for line in second[1:-1]] == [
        (2, "out", "hello"),
        (3, "out", "wor"),
        (4, "err", "oops"),
        (5, "out", "ld"),
    ]
    steps = await rows(database, history.history_order_steps, "id")
    assert (steps[1]["log_lines"], steps[1]["stderr_lines"]) == (6, 1)


WEIRD = [
    "\x1b[31mred\x1b[0m\n",
    "a\x00b\n",
    "<script>alert(1)</script>\n",
    "\r\n50%\r100%\n",
    "ü€😀\u2028x\n",
    "no end",
]


async def test_weird_text_in_logs_arrives_as_it_was(database: Database) -> None:
    story = [workflow_added(), added(), order("OrderStarted"), order("OrderProcessingStarted")]
    story += [order("OrderStdoutWritten", chunk=text) for text in WEIRD]
    await project(database, story, 2)
    found = [line.txt for line in await log_lines(database, 1)][1:]
    assert "\n".join(found) == "".join(WEIRD)
    (step,) = await rows(database, history.history_order_steps, "id")
    assert step["log_bytes"] == sum(len(text.encode()) for text in WEIRD) + len(
        b"[Start] Job=extract, label=first, Agent(id=A)\n"
    )


async def test_an_error_text_with_nul_does_not_stop_the_projection(database: Database) -> None:
    story = [workflow_added(), added(), order("OrderStarted"), order("OrderProcessingStarted")]
    story += [order("OrderStderrWritten", chunk="bad\x00thing\n"), processed(3)]
    story += [order("OrderFailed", movedTo=[0])]
    await project(database, story)
    (step,) = await rows(database, history.history_order_steps, "id")
    assert step["error_text"] == "bad thing"
    (failed,) = await rows(database, live.live_orders, "order_id")
    assert failed["state"] == 4


async def test_an_order_that_never_started_leaves_no_history(database: Database) -> None:
    await project(database, [workflow_added(), added(), order("OrderCancelled"), order("OrderDeleted")], 2)
    assert await rows(database, history.history_orders, "id") == []
    assert await rows(database, history.history_order_events, "ho_id") == []


async def test_an_id_used_again_gives_a_second_history_row(database: Database) -> None:
    life = [added(), order("OrderStarted"), order("OrderFinished"), order("OrderDeleted")]
    await project(database, [workflow_added(), *life, *life], 3)
    assert len(await rows(database, history.history_orders, "id")) == 2


class Crash(Exception):
    pass


class CrashingDatabase(Database):
    """Fails at the n-th statement of all; nothing written before in that transaction may survive."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.statements_left = -1

    @asynccontextmanager
    async def write(self) -> Any:
        async with super().write() as connection:
            yield _CrashingConnection(self, connection)
            self.step()  # between the last statement and the commit

    def step(self) -> None:
        if self.statements_left == 0:
            raise Crash
        self.statements_left -= 1


class _CrashingConnection:
    def __init__(self, database: CrashingDatabase, connection: Any) -> None:
        self._database = database
        self._connection = connection

    async def execute(self, *arguments: Any) -> Any:
        self._database.step()
        return await self._connection.execute(*arguments)

    async def exec_driver_sql(self, *arguments: Any) -> Any:
        self._database.step()
        return await self._connection.exec_driver_sql(*arguments)


async def test_a_crash_at_any_statement_loses_and_doubles_nothing(database: Database, database_url: str) -> None:
    """Kill the writer at every step of every transaction; it starts again from the cursor it finds."""
    await project(database, STORY[:-3], 6)
    expected = await everything(database)
    async with database.write() as connection:
        for table in METADATA.sorted_tables:
            if table.name.startswith(("history_", "live_", "joc_variables")):
                await connection.execute(table.delete())
    crashing = CrashingDatabase(database_url)
    all_lines = stream(*STORY[:-3])
    crashes = 0
    try:
        for start in range(0, len(all_lines), 6):
            statements = 0
            while True:
                crashing.statements_left = statements
                writer = ProjectionWriter(crashing, "controller")
                try:
                    # As after a reconnect: a few events come again.
                    await writer.project(all_lines[max(0, start - 4) : start + 6])
                    break
                except Crash:
                    crashes += 1
                    statements += 1
    finally:
        await crashing.close()
    found = await everything(database)
    for part in (expected, found):
        for row in part["states"]:
            del row["id"]
    assert found == expected
    assert crashes > 50


async def test_a_line_that_is_no_event_stops_with_a_clear_error_and_writes_nothing(database: Database) -> None:
    writer = ProjectionWriter(database, "controller")
    with pytest.raises(ProjectionError, match="cannot be read"):
        await writer.project([*stream(workflow_added(), added()), b'{"eventId":true}'])
    assert await writer.cursor() is None


async def batches(*objects: dict[str, Any]) -> Any:
    for found in objects:
        yield [json.dumps(found).encode()]


async def test_a_snapshot_after_a_gap_keeps_history_ids_and_says_what_was_lost(database: Database) -> None:
    story = [*STORY[:11], added("B"), order("OrderStarted", "B"), order("OrderProcessingStarted", "B")]
    writer = await project(database, story)
    snapshot = FIRST + 10_000_000_000
    await SnapshotLoader(writer).load(
        batches(
            {"TYPE": "SnapshotEventId", "eventId": snapshot},
            {"TYPE": "VersionAdded", "versionId": "v1"},
            {"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(WORKFLOW)}},
            {
                "TYPE": "Order",
                "id": "A",
                "workflowPosition": {"workflowId": {"path": "load", "versionId": "v1"}, "position": [2]},
                "state": {"TYPE": "Ready"},
            },
        ),
        now_ms=snapshot // 1000,
        is_gap=True,
    )
    (found,) = await rows(database, live.live_orders, "order_id")
    assert (found["order_id"], found["history_id"], found["workflow_position"]) == ("A", 1, "2")
    steps = await rows(database, history.history_order_steps, "id")
    assert [(step["order_id"], step["outcome"]) for step in steps] == [
        ("A", "ProcessLost"),
        ("A", "Unknown"),
        ("B", "Unknown"),
    ]
    orders = await rows(database, history.history_orders, "id")
    assert [(row["order_id"], row["state"]) for row in orders] == [("A", 2), ("B", 99)]
    (cursor,) = await rows(database, history.history_cursors, "controller_id")
    assert (cursor["event_id"], cursor["gaps"]) == (snapshot, 1)
    await writer.project(stream(order("OrderFinished"), first=snapshot + 1))
    assert (await rows(database, history.history_orders, "id"))[0]["state"] == 8


async def test_live_rows_show_state_reason_agent_and_error(database: Database) -> None:
    story = [
        workflow_added(),
        added("waiting"),
        added("failed"),
        order("OrderStarted", "failed"),
        order("OrderOutcomeAdded", "failed", outcome={"TYPE": "Failed", "message": "disk /data/x1 full 4711"}),
        order("OrderFailed", "failed", movedTo=[0]),
        added("prompting"),
        order("OrderStarted", "prompting"),
        order("OrderPrompted", "prompting", question="go?"),
        added("sleeping"),
        order("OrderStarted", "sleeping"),
        order("OrderSleeping", "sleeping", until=FIRST, cause={"TYPE": "SleepInstruction"}),
        added("suspended"),
        order("OrderSuspended", "suspended"),
    ]
    await project(database, story)
    found = {row["order_id"]: row for row in await rows(database, live.live_orders, "order_id")}
    assert {key: (row["state"], row["reason"]) for key, row in found.items()} == {
        "waiting": (15, None),
        "failed": (4, None),
        "prompting": (16, None),
        "sleeping": (5, "SLEEPING"),
        "suspended": (3, None),
    }
    assert found["failed"]["error_key"] == "load|0||disk /… full #"


async def test_items_and_agents_are_kept_as_the_controller_has_them(database: Database) -> None:
    newer = {**WORKFLOW, "versionId": "v2"}
    agent = {"TYPE": "AgentRef", "path": "A", "directors": ["A-1"], "itemRevision": 0}
    await project(
        database,
        [
            workflow_added(),
            {"TYPE": "UnsignedSimpleItemAdded", "item": agent},
            {"Key": "A", "TYPE": "AgentReady", "timezone": "Europe/Berlin"},
            {"Key": "A", "TYPE": "AgentCouplingFailed", "problem": {"message": "refused"}},
            {"TYPE": "VersionAdded", "versionId": "v2"},
            {"TYPE": "VersionedItemChanged", "signed": {"string": json.dumps(newer)}},
        ],
    )
    items = await rows(database, live.live_items, "type", "version_id")
    assert [(item["type"], item["path"], item["version_id"], item["is_current"]) for item in items] == [
        ("AgentRef", "A", "", True),
        ("Workflow", "load", "v1", False),
        ("Workflow", "load", "v2", True),
    ]
    (found,) = await rows(database, live.live_agents, "agent_id")
    assert (found["state"], found["message"], found["timezone"]) == ("COUPLINGFAILED", "refused", "Europe/Berlin")


async def test_ids_go_on_after_a_restart(database: Database) -> None:
    await project(database, STORY)
    async with database.read() as connection:
        before = (await connection.execute(select(func.max(history.history_orders.c.id)))).scalar_one()
    writer = ProjectionWriter(database, "controller")
    life = [added("Z"), order("OrderStarted", "Z")]
    await writer.project(stream(*life, first=FIRST + 10**10))
    assert (await rows(database, history.history_orders, "id"))[-1]["id"] == before + 1


async def test_notices_of_a_snapshot_are_kept_with_what_orders_consume_and_have_announced(database: Database) -> None:
    snapshot = FIRST + 10_000_000_000
    consumed, announced, gone = ["G", "k"], ["S", "1", "P", "k"], ["G", "gone"]
    writer = await project(
        database, [{"TYPE": "NoticePosted", "Key": "G", "plannedNoticeKey": "gone"}, *STORY[:2], added("B")]
    )
    assert [row["notice_id"] for row in await rows(database, live.live_notices)] == [
        json.dumps(gone, separators=(",", ":"))
    ]
    position = {"workflowId": {"path": "load", "versionId": "v1"}, "position": [0]}
    await SnapshotLoader(writer).load(
        batches(
            {"TYPE": "SnapshotEventId", "eventId": snapshot},
            {"TYPE": "Notice", "id": consumed, "endOfLife": 5},
            {"TYPE": "NoticePlace", "noticeId": consumed, "isInConsumption": True, "consumptionCount": 1},
            {"TYPE": "NoticePlace", "noticeId": announced, "isAnnounced": True, "announcedBy": "B"},
            {"TYPE": "NoticeConsumption", "boardPath": "G", "orderId": "A", "noticeIdStack": [consumed]},
            {"TYPE": "Order", "id": "A", "workflowPosition": position, "state": {"TYPE": "Ready"}},
            {"TYPE": "Order", "id": "B", "workflowPosition": position, "state": {"TYPE": "Fresh"}},
        ),
        now_ms=snapshot // 1000,
        is_gap=False,
    )
    found = {tuple(json.loads(row["notice_id"])): row for row in await rows(database, live.live_notices)}
    assert found.keys() == {tuple(consumed), tuple(announced)}, "what the snapshot does not have is gone"
    assert found["G", "k"]["has_notice"] and found["G", "k"]["consumption_count"] == 1
    ends = [order("OrderNoticesConsumed", "A"), order("OrderDeleted", "B")]
    await writer.project(stream(*ends, first=snapshot + 1))
    assert await rows(database, live.live_notices) == [], "the consumer takes the notice, the order its announcement"


async def test_statuses_of_plans_are_kept_and_taken_anew_from_a_snapshot(database: Database) -> None:
    async def plans() -> dict[str, tuple[str, int | None]]:
        contents = [json.loads(row["content"]) for row in await rows(database, live.live_items)]
        return {"/".join(item["planId"]): (item["status"], item.get("since")) for item in contents}

    def event(kind: str, day: str) -> dict[str, Any]:
        return {"TYPE": kind, "Key": ["S", day]}

    opened = [event("PlanClosed", "2"), event("PlanOpened", "2")]
    # A plan without orders goes through all of them at once.
    gone = [event(kind, "3") for kind in ("PlanClosed", "PlanFinished", "PlanDeleted")]
    writer = await project(database, [event("PlanClosed", "1"), *opened, *gone])
    assert {plan: status for plan, (status, _) in (await plans()).items()} == {"S/1": "Closed", "S/2": "Open"}
    snapshot = FIRST + 10_000_000_000
    objects: list[dict[str, Any]] = [
        {"TYPE": "Plan", "planId": ["S", "1"], "status": {"TYPE": "Finished", "at": 5}},
        {"TYPE": "Plan", "planId": ["S", "4"], "status": "Closed"},
        {"TYPE": "Plan", "planId": ["S", "5"], "status": "Deleted"},
    ]
    await SnapshotLoader(writer).load(
        batches({"TYPE": "SnapshotEventId", "eventId": snapshot}, *objects), now_ms=snapshot // 1000, is_gap=False
    )
    assert await plans() == {"S/1": ("Finished", 5), "S/4": ("Closed", None)}


async def test_a_board_goes_with_its_notices_whatever_kind_it_has_been(database: Database) -> None:
    def board(kind: str, event: str) -> dict[str, Any]:
        return {"TYPE": event, "item": {"TYPE": kind, "path": "G"}}

    control = {"TYPE": "WorkflowControl", "id": {"path": "load", "versionId": "v1"}, "breakpoints": [[0]]}
    writer = await project(
        database,
        [
            board("GlobalBoard", "UnsignedSimpleItemAdded"),
            {"TYPE": "NoticePosted", "Key": "G", "plannedNoticeKey": "k"},
            {"TYPE": "NoticeMoved", "Key": "G", "fromPlannedNoticeKey": "k", "toPlannedNoticeKey": ["S", "1", "k"]},
            board("PlannableBoard", "UnsignedSimpleItemChanged"),
            {"TYPE": "UnsignedItemAdded", "item": control},
        ],
    )
    items = await rows(database, live.live_items, "type")
    assert [(row["type"], row["path"], row["version_id"]) for row in items] == [
        ("Board", "G", ""),
        ("WorkflowControl", "load", "v1"),
    ]
    [notice] = await rows(database, live.live_notices)
    assert json.loads(notice["notice_id"]) == ["S", "1", "G", "k"] and notice["has_notice"]
    deletions = [{"TYPE": "ItemDeleted", "key": key} for key in ("Board:G", "WorkflowControl:load~v1")]
    await writer.project(stream(*deletions, first=FIRST + 1_000_000_000))
    assert await rows(database, live.live_items) == [] and await rows(database, live.live_notices) == []
