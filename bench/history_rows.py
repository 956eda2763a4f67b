"""A large history in one go: rows as the projection writes them, made by the database itself.

1,000 workflows in 100 folders; one, `hot`, has a quarter of all orders. Each order has three tasks. One of 101
fails, the last fifty still run. `days` days lie between the first and the last.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.inventory.types import ObjectType

WORKFLOWS = 1000
JOBS = 3
CONTROLLER = "controller"
#: 2026-01-01T00:00Z
FIRST_MS = 1_767_225_600_000
DAY_MS = 86_400_000

_WORKFLOW = "CASE WHEN i % 4 = 0 THEN 'hot' ELSE 'workflow-' || (i % 1000) END"
_SEVERITY = "CASE WHEN i > :orders - 50 THEN 1 WHEN i % 101 = 7 THEN 2 ELSE 0 END"
_START = "CAST(:first + i * CAST(:spacing AS BIGINT) AS BIGINT)"


def _insert(table: str, columns: dict[str, str], numbers: str) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) {numbers} SELECT {', '.join(columns.values())} FROM n"


def _numbers(database: Database, count: str) -> str:
    """A common table expression `n(i)` with the numbers from 1 to `count`."""
    if database.is_sqlite:
        return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    return f"WITH n AS (SELECT generate_series(1, CAST({count} AS BIGINT)) AS i)"


async def fill(database: Database, orders: int, *, days: int = 180, first_ms: int = FIRST_MS) -> None:
    """Fill an empty database."""
    spacing = days * DAY_MS // orders
    values = {"orders": orders, "first": first_ms, "spacing": spacing}
    async with database.write() as connection:
        await _fill_inventory(connection)
        columns = _order_columns()
        await connection.execute(text(_insert("history_orders", columns, _numbers(database, ":orders"))), values)
        columns = _task_columns()
        numbers = _numbers(database, f":orders * {JOBS}").replace("n(i)", "m(i)").replace("FROM n", "FROM m")
        if database.is_sqlite:
            numbers += f", n(t, i, step) AS (SELECT i, (i - 1) / {JOBS} + 1, (i - 1) % {JOBS} FROM m)"
        else:
            numbers = (
                f"WITH n AS (SELECT t, (t - 1) / {JOBS} + 1 AS i, (t - 1) % {JOBS} AS step "
                f"FROM generate_series(1, CAST(:orders AS BIGINT) * {JOBS}) AS t)"
            )
        await connection.execute(text(_insert("history_order_steps", columns, numbers)), values)
    if not database.is_sqlite:
        async with database.write() as connection:
            await connection.execute(text("ANALYZE history_orders"))
            await connection.execute(text("ANALYZE history_order_steps"))


def _order_columns() -> dict[str, str]:
    return {
        "id": "i",
        "controller_id": f"'{CONTROLLER}'",
        "order_id": "'#2026-01-01#P' || i || '-load'",
        "workflow_path": _WORKFLOW,
        "workflow_version_id": "'v1'",
        "workflow_position": "'3'",
        "workflow_folder": "'/'",
        "workflow_name": _WORKFLOW,
        "main_parent_id": "i",
        "parent_id": "0",
        "name": "'load'",
        "start_cause": "'order'",
        "start_time_scheduled": _START,
        "start_time": _START,
        "start_event_id": f"{_START} * 1000",
        "start_workflow_position": "'0'",
        "start_variables": """'{"file":"a.csv"}'""",
        "end_time": f"CASE WHEN i > :orders - 50 THEN NULL ELSE {_START} + 3000 + i % 1000 END",
        "severity": _SEVERITY,
        "state": "CASE WHEN i > :orders - 50 THEN 2 WHEN i % 101 = 7 THEN 4 ELSE 8 END",
        "state_time": _START,
        "error_text": "CASE WHEN i % 101 = 7 THEN 'disk quota exceeded' END",
        "modified": _START,
    }


def _task_columns() -> dict[str, str]:
    return {
        "id": "t",
        "controller_id": f"'{CONTROLLER}'",
        "order_id": "'#2026-01-01#P' || i || '-load'",
        "workflow_path": _WORKFLOW,
        "workflow_version_id": "'v1'",
        "workflow_position": "CAST(step AS TEXT)",
        "workflow_folder": "'/'",
        "workflow_name": _WORKFLOW,
        "ho_main_parent_id": "i",
        "ho_id": "i",
        "attempt": "1",
        "retry_counter": "0",
        "job_name": "CASE step WHEN 0 THEN 'extract' WHEN 1 THEN 'transform-' || (i % 1000) ELSE 'publish' END",
        "job_label": "'label'",
        "agent_id": "'agent-' || (i % 10)",
        "subagent_id": "'agent-' || (i % 10)",
        "start_time": f"{_START} + step * 1000",
        "start_event_id": f"({_START} + step * 1000) * 1000",
        "end_time": f"CASE WHEN i > :orders - 50 THEN NULL ELSE {_START} + step * 1000 + 500 + i % 1000 END",
        "return_code": "CASE WHEN i > :orders - 50 THEN NULL WHEN i % 101 = 7 THEN 12 ELSE 0 END",
        "outcome": "CASE WHEN i > :orders - 50 THEN NULL WHEN i % 101 = 7 THEN 'Failed' ELSE 'Succeeded' END",
        "severity": _SEVERITY,
        "error_text": "CASE WHEN i % 101 = 7 THEN 'disk quota exceeded' END",
        "log_lines": "7",
        "log_bytes": "300",
        "stderr_lines": "0",
        "modified": _START,
    }


async def _fill_inventory(connection: AsyncConnection) -> None:
    names = ["hot", *(f"workflow-{number}" for number in range(WORKFLOWS))]
    rows = []
    for index, name in enumerate(names):
        folder = f"/team-{index // 10}"
        rows.append(
            {
                "type": int(ObjectType.WORKFLOW),
                "path": f"{folder}/{name}",
                "name": name,
                "name_key": name,
                "folder": folder,
                "valid": True,
                "deleted": False,
                "deployed": True,
                "released": False,
                "created": FIRST_MS,
                "modified": FIRST_MS,
            }
        )
    await connection.execute(inv_configurations.insert(), rows)
