"""Since when, and until when, Controllers and Agents were there: `history_controllers`, `history_agents`.

A row is a time in which the component was there: from a begin (ready, coupled) to an end (shut down, coupling failed).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.history import history_agents, history_controllers
from stellwerk.cockpit.projection.changes import Changes


async def write_availability(connection: AsyncConnection, controller_id: str, changes: Changes) -> None:
    """In the order of the events; such events are rare."""
    for name, kind, event_id, time_ms, message in changes.availability:
        if name:
            await _agent(connection, controller_id, str(name), str(kind), event_id, time_ms, message, changes)
        elif kind == "ControllerReady":
            timezone = changes.controller_ready[2] if changes.controller_ready is not None else "UTC"
            await _begin_controller(connection, controller_id, event_id, time_ms, int(str(message)), timezone)
        else:
            table = history_controllers.c
            await connection.execute(
                update(history_controllers)
                .where(table.controller_id == controller_id, table.shutdown_time.is_(None))
                .values(shutdown_time=time_ms)
            )


async def _begin_controller(
    connection: AsyncConnection, controller_id: str, event_id: Any, time_ms: Any, last_known: int, timezone: str
) -> None:
    """The former run may have ended without a word: then it is known up to the last event before this one."""
    table = history_controllers.c
    await connection.execute(
        update(history_controllers)
        .where(
            table.controller_id == controller_id,
            table.shutdown_time.is_(None),
            table.last_known_time.is_(None),
            table.ready_event_id < event_id,
        )
        .values(last_known_time=last_known)
    )
    row = {"controller_id": controller_id, "ready_event_id": event_id, "timezone": timezone, "ready_time": time_ms}
    await connection.execute(insert(history_controllers).values(row))


async def _agent(
    connection: AsyncConnection,
    controller_id: str,
    agent_id: str,
    kind: str,
    event_id: Any,
    time_ms: Any,
    message: Any,
    changes: Changes,
) -> None:
    table = history_agents.c
    here = (table.controller_id == controller_id) & (table.agent_id == agent_id)
    is_open = here & table.shutdown_time.is_(None) & table.coupling_failed_time.is_(None)
    if kind == "AgentReady":
        # Another run of the Agent: the former one ended without being noticed.
        await connection.execute(update(history_agents).where(is_open).values(shutdown_time=time_ms))
    if kind in ("AgentReady", "AgentCoupled"):
        if (await connection.execute(select(table.ready_event_id).where(is_open).limit(1))).first() is None:
            row = {"controller_id": controller_id, "agent_id": agent_id, "ready_event_id": event_id}
            await connection.execute(insert(history_agents).values(row | {"ready_time": time_ms}))
    elif kind == "AgentCouplingFailed":
        values = {"coupling_failed_time": time_ms, "coupling_failed_message": message}
        await connection.execute(update(history_agents).where(is_open).values(values))
    else:  # shut down, reset
        await connection.execute(update(history_agents).where(is_open).values(shutdown_time=time_ms))
