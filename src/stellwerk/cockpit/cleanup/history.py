"""Removing history: orders with all that belongs to them, and logs alone (cockpit-services 9.3, tasks `history`).

What an order at a Controller has done stays, however long ago it has started. Rows are walked by their start time,
which is how they are indexed. The walk of the logs remembers in the database how far it has come, as the rows stay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.history import (
    IS_CHILD,
    IS_ROOT,
    history_agents,
    history_controllers,
    history_log_chunks,
    history_log_index,
    history_log_pending,
    history_order_events,
    history_order_states,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.database.tables.registry import joc_variables

Step = Callable[[AsyncConnection, int], Awaitable[int | None]]

#: What there is of a task's output. Its words go first: what is left would be looked for in vain.
_OF_LOGS = (history_log_pending, history_log_index, history_log_chunks)
#: Roots, or tasks, that are looked at together.
_TOGETHER = 100


class _Position(msgspec.Struct, array_like=True):
    """The last row of a walk."""

    start_ms: int = -1
    id: int = -1


class _Walk:
    """Rows of `table` that started before `limit_ms`, in the order of their start, without those of kept orders."""

    def __init__(self, table: Table, root: Any, limit_ms: int, *where: ColumnElement[bool]) -> None:
        """`root`: the column with the id of the order at the root."""
        self._table = table
        self._root = root
        self._limit_ms = limit_ms
        self._where = where
        self._kept: frozenset[int] | None = None
        self.position = _Position()

    async def next(self, connection: AsyncConnection) -> tuple[list[int], _Position] | None:
        """Ids of the next rows, and where the walk stands behind them; None at the end."""
        if self._kept is None:
            # Once is enough: who starts later has started after the limit.
            started = select(live_orders.c.history_id).where(live_orders.c.started < self._limit_ms)
            self._kept = frozenset((await connection.execute(started)).scalars())
        table, last = self._table.c, self.position
        behind = or_(table.start_time > last.start_ms, and_(table.start_time == last.start_ms, table.id > last.id))
        query = (
            select(table.id, table.start_time, self._root.label("root"))
            .where(*self._where, table.start_time < self._limit_ms, table.start_time >= last.start_ms, behind)
            .order_by(table.start_time, table.id)
            .limit(_TOGETHER)
        )
        found = (await connection.execute(query)).all()
        if not found:
            return None
        end = _Position(found[-1].start_time, found[-1].id)
        return [row.id for row in found if row.root not in self._kept], end


def history_steps(limit_ms: int) -> list[Step]:
    """Orders that started before, with children, tasks, states, events and logs; then rows of Controllers, Agents."""
    walk = _Walk(history_orders, history_orders.c.id, limit_ms, IS_ROOT)

    async def orders(connection: AsyncConnection, rows: int) -> int | None:
        found = await walk.next(connection)
        if found is None:
            return None
        roots, end = found
        for table, condition in _parts_of(roots):
            removed = await _remove(connection, table, condition, rows)
            if removed:
                return removed
        # Nothing is left of these but what is kept.
        walk.position = end
        return 0

    return [orders, *(_older_than_newest(table, key, limit_ms) for table, key in _RUNS)]


def _parts_of(roots: Sequence[int]) -> list[tuple[Table, ColumnElement[bool]]]:
    """What belongs to orders, in the order of removal."""
    tasks = select(history_order_steps.c.id).where(history_order_steps.c.ho_main_parent_id.in_(roots))
    orders = select(history_orders.c.id).where(history_orders.c.main_parent_id.in_(roots))
    return [
        *((table, table.c.hos_id.in_(tasks)) for table in _OF_LOGS),
        (history_order_steps, history_order_steps.c.ho_main_parent_id.in_(roots)),
        (history_order_events, history_order_events.c.ho_main_parent_id.in_(roots)),
        (history_order_states, history_order_states.c.ho_id.in_(orders)),
        (history_orders, and_(history_orders.c.main_parent_id.in_(roots), IS_CHILD)),
        (history_orders, history_orders.c.id.in_(roots)),
    ]


async def _remove(connection: AsyncConnection, table: Table, condition: ColumnElement[bool], rows: int) -> int:
    key = tuple(table.primary_key)
    some = select(*key).where(condition).limit(rows)
    which = key[0].in_(some) if len(key) == 1 else tuple_(*key).in_(some)
    return int((await connection.execute(delete(table).where(which))).rowcount)


#: Rows of runs, and whose runs they are.
_RUNS: tuple[tuple[Table, tuple[Any, ...]], ...] = (
    (history_controllers, (history_controllers.c.controller_id,)),
    (history_agents, (history_agents.c.controller_id, history_agents.c.agent_id)),
)


def _older_than_newest(table: Table, key: tuple[Any, ...], limit_ms: int) -> Step:
    """Old runs of Controllers or Agents, except the newest one of each."""

    async def step(connection: AsyncConnection, rows: int) -> int | None:
        newest = select(*key, func.max(table.c.ready_event_id)).group_by(*key)
        condition = and_(table.c.ready_time < limit_ms, tuple_(*key, table.c.ready_event_id).not_in(newest))
        return await _remove(connection, table, condition, rows) or None

    return step


def log_steps(limit_ms: int) -> list[Step]:
    """Output of tasks and events of orders that started before; the rows of the orders and tasks stay."""
    tasks = _Walk(history_order_steps, history_order_steps.c.ho_main_parent_id, limit_ms)
    roots = _Walk(history_orders, history_orders.c.id, limit_ms, IS_ROOT)
    return [
        _logs("cleanup_task_logs", tasks, [table.c.hos_id for table in _OF_LOGS]),
        _logs("cleanup_order_logs", roots, [history_order_events.c.ho_main_parent_id]),
    ]


def _logs(variable: str, walk: _Walk, references: Sequence[Any]) -> Step:
    """What the columns `references` say to belong to the rows of the walk."""
    name = joc_variables.c.name == variable

    async def step(connection: AsyncConnection, rows: int) -> int | None:
        stored = (await connection.execute(select(joc_variables.c.text_value).where(name))).scalar()
        walk.position = msgspec.json.decode(stored, type=_Position) if stored else _Position()
        found = await walk.next(connection)
        if found is None:
            return None
        ids, end = found
        removed = 0
        for column in references if ids else ():
            removed += await _remove(connection, column.table, column.in_(ids), rows - removed)
            if removed >= rows:
                break
        else:
            text = msgspec.json.encode(end).decode()
            await connection.execute(delete(joc_variables).where(name))
            await connection.execute(joc_variables.insert(), [{"name": variable, "text_value": text}])
        return removed

    return step
