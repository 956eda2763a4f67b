"""Lists of history: each usual filter is served by an index, and finds exactly what a plain look at all rows finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bench.history_rows import JOBS, fill
from sqlalchemy import event, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.history import history_order_steps, history_orders
from stellwerk.cockpit.database.tables.tags import inv_taggings, inv_tags
from stellwerk.cockpit.live.names import WorkflowNames

ORDERS = 3000
#: What is not the database's decision.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MONTH = "started:>2026-02-01 started:<2026-03-01"
FEBRUARY = 1_769_904_000_000, 1_772_323_200_000


def in_february(row: Any) -> bool:
    return bool(FEBRUARY[0] < row.start_time < FEBRUARY[1])


def is_failed(row: Any) -> bool:
    return bool(row.severity == 2)


BY_ORDER = "(order_id=?)"
#: The workflows of `/team-7` are workflow-69 to workflow-78.
TEAM_7 = {f"workflow-{number}" for number in range(69, 79)}

#: (list, query, index, what it has to find)
NATIVE: list[tuple[str, str, str, Callable[[Any], bool]]] = [
    ("orders", "", "ix_history_orders_roots", lambda row: True),
    ("orders", "workflow:hot", "ix_history_orders_workflow", lambda row: row.workflow_name == "hot"),
    ("orders", "workflow:/team-7/*", "ix_history_orders_workflow", lambda row: row.workflow_name in TEAM_7),
    ("orders", "workflow:/team-*", "ix_history_orders_roots", lambda row: True),
    ("orders", "state:failed", "ix_history_orders_failed", is_failed),
    ("orders", "state:running", "ix_history_orders_unfinished", lambda row: row.severity == 1),
    ("orders", "state:failed,running", "ix_history_orders_", lambda row: row.severity > 0),
    (
        "orders",
        "state:failed workflow:hot",
        "ix_history_orders_workflow_failed",
        lambda row: is_failed(row) and row.workflow_name == "hot",
    ),
    ("orders", MONTH, "ix_history_orders_roots", in_february),
    ("orders", f"state:failed {MONTH}", "ix_history_orders_failed", lambda row: is_failed(row) and in_february(row)),
    ("orders", "order:#2026-01-01#P471-load", BY_ORDER, lambda row: row.id == 471),
    ("orders", "-state:failed -workflow:hot", "", lambda row: not is_failed(row) and row.workflow_name != "hot"),
    ("tasks", "", "ix_history_order_steps_start_time", lambda row: True),
    ("tasks", "workflow:hot", "ix_history_order_steps_workflow_name", lambda row: row.workflow_name == "hot"),
    ("tasks", "job:publish", "ix_history_order_steps_job_name", lambda row: row.job_name == "publish"),
    (
        "tasks",
        "job:publish workflow:hot agent:agent-4",
        "ix_history_order_steps_workflow_name",
        lambda row: (row.job_name, row.workflow_name, row.agent_id) == ("publish", "hot", "agent-4"),
    ),
    (
        "tasks",
        "job:publish,extract state:failed",
        "ix_history_order_steps_job_failed",
        lambda row: row.job_name in ("publish", "extract") and is_failed(row),
    ),
    ("tasks", "state:failed", "ix_history_order_steps_failed", is_failed),
    ("tasks", "state:running", "ix_history_order_steps_unfinished", lambda row: row.severity == 1),
    (
        "tasks",
        "workflow:/team-7/* state:failed",
        "ix_history_order_steps_workflow_failed",
        lambda row: row.workflow_name in TEAM_7 and is_failed(row),
    ),
    ("tasks", f"{MONTH} exit:12", "ix_history_order_steps_start_time", lambda row: is_failed(row) and in_february(row)),
    ("tasks", "error:quota", "", lambda row: row.error_text is not None),
]
COMPATIBLE: list[tuple[str, dict[str, Any], str, Callable[[Any], bool]]] = [
    ("orders", {}, "ix_history_orders_roots", lambda row: True),
    ("orders", {"folders": [{"folder": "/team-7"}]}, "ix_history_orders_workflow", lambda r: r.workflow_name in TEAM_7),
    ("orders", {"folders": {"folder": "/", "recursive": True}}, "ix_history_orders_roots", lambda row: True),
    ("orders", {"folders": [{"folder": "/"}]}, "", lambda row: False),
    ("orders", {"folders": [{"folder": "/team"}]}, "", lambda row: False),
    (
        "orders",
        {"historyStates": ["FAILED"], "dateFrom": "2026-02-01T00:00:00.001Z", "dateTo": "2026-03-01"},
        "ix_history_orders_failed",
        lambda row: is_failed(row) and in_february(row),
    ),
    (
        "orders",
        {"historyStates": ["FAILED", "INCOMPLETE"], "workflowPath": "/team-0/hot"},
        "ix_history_orders_workflow",
        lambda row: row.severity > 0 and row.workflow_name == "hot",
    ),
    (
        "orders",
        {"orders": [{"workflowPath": "hot"}, {"workflowPath": "workflow-7"}], "folders": [{"folder": "/team-9"}]},
        "ix_history_orders_workflow",
        lambda row: row.workflow_name in ("hot", "workflow-7"),
    ),
    ("orders", {"excludeWorkflows": ["/team-0/hot"]}, "ix_history_orders_roots", lambda r: r.workflow_name != "hot"),
    ("orders", {"historyIds": [7, "8"]}, "", lambda row: row.id in (7, 8)),
    ("orders", {"orderId": "#2026-01-01#P471-load"}, BY_ORDER, lambda row: row.id == 471),
    ("orders", {"completedDateTo": "2026-02-01"}, "", lambda row: (row.end_time or FEBRUARY[0]) < FEBRUARY[0]),
    (
        "orders",
        {"completedDateFrom": "2026-02-01T01:00", "timeZone": "Europe/Berlin"},
        "",
        lambda row: (row.end_time or 0) >= FEBRUARY[0],
    ),
    ("orders", {"workflowTags": ["etl"]}, "", lambda row: False),
    ("tasks", {"jobName": "publish"}, "ix_history_order_steps_job_name", lambda row: row.job_name == "publish"),
    (
        "tasks",
        {"jobs": [{"workflowPath": "/team-0/hot", "job": "extract"}, {"workflowPath": "workflow-7"}]},
        "ix_history_order_steps_workflow_name",
        lambda row: row.workflow_name == "workflow-7" or (row.workflow_name, row.job_name) == ("hot", "extract"),
    ),
    (
        "tasks",
        {"excludeJobs": [{"workflowPath": "hot", "job": "publish"}], "historyStates": ["FAILED"]},
        "ix_history_order_steps_failed",
        lambda row: is_failed(row) and (row.workflow_name, row.job_name) != ("hot", "publish"),
    ),
    (
        "tasks",
        {"jobName": "publish", "folders": [{"folder": "/team-7"}], "historyStates": ["FAILED"]},
        "ix_history_order_steps_workflow_failed",
        lambda row: is_failed(row) and row.job_name == "publish" and row.workflow_name in TEAM_7,
    ),
    ("tasks", {"taskIds": [7, 8]}, "", lambda row: row.id in (7, 8)),
    ("tasks", {"historyIds": [{"historyId": 9, "position": "1"}]}, "", lambda r: r.id == 8 * JOBS + 2),
    ("tasks", {"criticalities": ["CRITICAL"]}, "", lambda row: row.criticality == "CRITICAL"),
    ("tasks", {"criticalities": ["NORMAL", "MAJOR"]}, "", lambda row: row.criticality is None),
]


async def test_lists_of_a_large_history_are_read_by_an_index_and_complete(cockpit: Cockpit, client: Any) -> None:
    database = cockpit.database
    await fill(database, ORDERS)
    await cockpit.services.get(WorkflowNames).refresh()
    everything = await _everything(database)
    wrong: list[str] = []
    for kind, query, index, is_wanted in NATIVE:
        with _statements(database) as statements:
            page = await client.get(f"stellwerk/history/{kind}", q=query, limit=100)
        found = [row["historyId" if kind == "orders" else "taskId"] for row in page["rows"]]
        wanted = [row.id for row in everything[kind] if is_wanted(row)]
        if found != wanted[:100] or (page["total"], page["totalIsExact"]) != (len(wanted), True):
            wrong.append(f"{kind} {query}: {page['total']} of {len(wanted)}; {found[:3]} for {wanted[:3]}")
        wrong += [f"{kind} {query}: {fault}" for fault in await _faults(database, statements, index)]
    for kind, members, index, is_wanted in COMPATIBLE:
        with _statements(database) as statements:
            request = {"controllerId": "controller", "limit": 100, **members}
            history = (await client.post(f"{kind}/history", request))["history"]
        found = [item["historyId" if kind == "orders" else "taskId"] for item in history]
        wanted = [row.id for row in everything[kind] if is_wanted(row)]
        if found != wanted[:100]:
            wrong.append(f"{kind} {members}: {found[:3]} for {wanted[:3]}")
        wrong += [f"{kind} {members}: {fault}" for fault in await _faults(database, statements, index)]
    assert not wrong, "\n".join(wrong)


async def _everything(database: Database) -> dict[str, list[Any]]:
    async with database.read() as connection:
        found = {}
        for kind, table in (("orders", history_orders), ("tasks", history_order_steps)):
            order = (table.c.start_time.desc(), table.c.id.desc())
            found[kind] = list((await connection.execute(select(table).order_by(*order))).all())
        return found


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the tables of history meanwhile."""
    found: list[tuple[str, Any]] = []
    engine = database._reader.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "FROM history_order" in statement:
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def _faults(database: Database, statements: list[tuple[str, Any]], index: str) -> list[str]:
    """What is wrong with the plans of the statements: another index, a scan, or all rows sorted."""
    if not index:
        return []
    faults = [] if statements else ["no statement has been seen"]
    async with database.read() as connection:
        if not database.is_sqlite:
            # With little data an index is not worth it. The question is whether one could be taken.
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in statements:
            if database.is_sqlite:
                rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plan = [str(row[-1]) for row in rows]
                reads = [step for step in plan if step.startswith(("SCAN history", "SEARCH history"))]
                if any(step.startswith("SCAN") and "USING" not in step for step in reads):
                    faults.append(f"reads all rows: {plan}")
                # Of one order there are few; what has been merged is few, too.
                are_few = index == BY_ORDER or "UNION ALL" in statement
                if "USE TEMP B-TREE FOR ORDER BY" in plan and not are_few:
                    faults.append(f"sorts all rows: {plan}")
                if not any(index in step for step in plan):
                    faults.append(f"{index} is not in {plan}")
            else:
                # It knows how many rows there are of a value, and may take another index than SQLite.
                rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                plan = [str(row[0]) for row in rows]
                if any("Seq Scan on history" in step for step in plan):
                    faults.append(f"reads all rows: {plan}")
    return faults


@ON_SQLITE
async def test_pages_of_merged_workflows_follow_each_other_without_gap_or_repetition(
    cockpit: Cockpit, client: Any
) -> None:
    await fill(cockpit.database, 300)
    await cockpit.services.get(WorkflowNames).refresh()
    everything = (await _everything(cockpit.database))["tasks"]
    wanted = [row.id for row in everything if row.workflow_name in {*TEAM_7, "hot"}]
    for sort, ids in (("-start", wanted), ("start", wanted[::-1])):
        seen: list[int] = []
        query = {"q": "workflow:/team-7/*,/team-0/hot", "limit": 37, "sort": sort}
        page = await client.get("stellwerk/history/tasks", **query)
        pages = [page]
        while "next" in page:
            page = await client.get("stellwerk/history/tasks", **query, cursor=page["next"])
            pages.append(page)
        for page in pages:
            seen += [row["taskId"] for row in page["rows"]]
        assert seen == ids
        back = await client.get("stellwerk/history/tasks", **query, cursor=pages[-1]["prev"])
        assert [row["taskId"] for row in back["rows"]] == [row["taskId"] for row in pages[-2]["rows"]]


@ON_SQLITE
async def test_bad_filters_are_refused_with_what_is_known(cockpit: Cockpit, client: Any) -> None:
    for kind, members, part in (
        ("orders", {"historyStates": ["BROKEN"]}, "known: SUCCESSFUL, INCOMPLETE, FAILED"),
        ("orders", {"dateFrom": "yesterday"}, "is no date"),
        ("orders", {"dateFrom": "2026-01-01", "timeZone": "Mars"}, "time zone"),
        ("tasks", {"criticalities": ["HIGH"]}, "known: MINOR, NORMAL, MAJOR, CRITICAL"),
        ("tasks", {"historyIds": [{"historyId": 1}]}, "position"),
        ("tasks", {"taskIds": ["x"]}, "taskIds"),
        ("orders", {"folders": [{}]}, "folder"),
    ):
        answer = await client.post(f"{kind}/history", {"controllerId": "controller", **members}, status=420)
        assert part in answer["error"]["message"], members


@ON_SQLITE
async def test_runs_are_found_by_the_tags_of_their_workflows(cockpit: Cockpit, client: Any) -> None:
    await fill(cockpit.database, 30)
    async with cockpit.database.write() as connection:
        await connection.execute(inv_tags.insert(), [{"id": 1, "kind": 0, "name": "etl", "ordering": 1, "modified": 1}])
        tagging = {"workflow_name": "hot", "job_name": "", "tag_id": 1, "modified": 1}
        await connection.execute(inv_taggings.insert(), [tagging])
    for kind, count in (("orders", 7), ("tasks", 7 * JOBS)):
        answer = await client.post(f"{kind}/history", {"controllerId": "", "workflowTags": ["etl", "none"]})
        assert len(answer["history"]) == count
        assert answer["workflowTagsPerWorkflow"] == {"hot": ["etl"]}
    without = {"controllerId": "", "withoutWorkflowTags": True, "limit": 5}
    assert not (await client.post("orders/history", without)).get("workflowTagsPerWorkflow")
    assert (await client.post("orders/history", {"controllerId": "", "orderTags": ["etl"]}))["history"] == []


@ON_SQLITE
async def test_compact_leaves_the_arguments_out_and_a_limit_of_minus_one_is_the_most(
    cockpit: Cockpit, client: Any
) -> None:
    await fill(cockpit.database, 30)
    whole = (await client.post("orders/history", {"controllerId": "", "limit": -1}))["history"]
    assert [item["arguments"] for item in whole] == [{"file": "a.csv"}] * 30
    compact = (await client.post("orders/history", {"controllerId": "", "compact": True, "limit": 3}))["history"]
    assert [item.get("arguments") for item in compact] == [None] * 3
    assert (await client.post("orders/history", {"controllerId": "other"}))["history"] == []
