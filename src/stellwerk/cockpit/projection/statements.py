"""The writer's statements, compiled once: SQLAlchemy Core builds them, the driver gets plain rows.

Executing a Core statement with thousands of rows spends most of its time on checking each row's parameters; compiling
it once and handing tuples to the driver costs a fraction and writes the same SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database

Rows = Sequence[tuple[Any, ...]]


class BatchStatement:
    """One statement for many rows, given as tuples in the order of `columns`."""

    def __init__(self, database: Database, statement: Any, columns: Sequence[str]) -> None:
        compiled = statement.compile(dialect=database.dialect, column_keys=list(columns))
        self._text = str(compiled)
        self._columns = tuple(columns)
        # SQLite: positional parameters; their order is that of the statement, not ours.
        self._order = None if compiled.positiontup is None else [self._columns.index(n) for n in compiled.positiontup]
        self._is_identity = self._order == list(range(len(self._columns)))

    async def execute(self, connection: AsyncConnection, rows: Rows) -> None:
        """Run it for all rows; nothing to do for none."""
        if not rows:
            return
        parameters: Any
        if self._order is None:
            parameters = [dict(zip(self._columns, map(_without_nul, row), strict=True)) for row in rows]
        elif self._is_identity:
            parameters = list(rows)
        else:
            parameters = [tuple(row[index] for index in self._order) for row in rows]
        await connection.exec_driver_sql(self._text, parameters)


def _without_nul(value: Any) -> Any:
    """PostgreSQL's text cannot hold NUL; one such character from a job must not stop history."""
    return value.replace("\0", "\ufffd") if type(value) is str and "\0" in value else value


def upsert(
    database: Database, table: Table, columns: Sequence[str], keys: Sequence[str], updates: Sequence[str]
) -> BatchStatement:
    """Insert `columns`, or set `updates` where `keys` are there already."""
    statement = database.upsert(table, keys, updates)
    return BatchStatement(database, statement, columns)


def insert(database: Database, table: Table, columns: Sequence[str]) -> BatchStatement:
    return BatchStatement(database, table.insert(), columns)
