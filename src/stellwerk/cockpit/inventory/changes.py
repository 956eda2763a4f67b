"""Changes: named collections of objects that are published together (cockpit-services 1.8).

Objects are named by type and name, so that they are found again after a move. A change is open until it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.database import Database, insert_row
from stellwerk.cockpit.database.tables.collections import inv_change_items, inv_changes
from stellwerk.cockpit.inventory.references import Reference
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.effects.clock import Clock

_changes, _items = inv_changes.c, inv_change_items.c


class ChangeState(IntEnum):
    """The number is what the database holds."""

    OPEN = 0
    CLOSED = 1
    PUBLISHED = 2


class Change(msgspec.Struct, frozen=True):
    """One change with its objects."""

    id: int
    name: str
    title: str | None
    state: ChangeState
    owner: str
    last_published_by: str | None
    created: int
    modified: int
    closed: int | None
    items: list[Reference]


class Changes:
    """All operations; each call is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[Change]:
        """By name."""
        async with self._database.read() as connection:
            items: dict[int, list[Reference]] = {}
            for row in await connection.execute(select(inv_change_items).order_by(_items.type, _items.name)):
                items.setdefault(row.change_id, []).append(Reference(ObjectType(row.type), row.name))
            return [
                Change(
                    **{name: row._mapping[name] for name in Change.__struct_fields__ if name not in ("state", "items")},
                    state=ChangeState(row.state),
                    items=items.get(row.id, []),
                )
                for row in await connection.execute(select(inv_changes).order_by(_changes.name))
            ]

    async def store(self, account: str, name: str, title: str | None, state: ChangeState | None) -> None:
        """Insert, or give another title or state."""
        now_ms = self._clock.now_ms()
        if not name.strip():
            raise BadRequest("a change needs a name")
        async with self._database.write() as connection:
            id_ = await _find(connection, name)
            values: dict[str, Any] = {"modified": now_ms}
            if title is not None or id_ is None:
                values["title"] = title
            if state is not None or id_ is None:
                chosen = ChangeState.OPEN if state is None else state
                values["state"] = int(chosen)
                values["closed"] = None if chosen is ChangeState.OPEN else now_ms
                values |= {"last_published_by": account} if chosen is ChangeState.PUBLISHED else {}
            if id_ is None:
                await insert_row(connection, inv_changes, {"name": name, "owner": account, "created": now_ms} | values)
            else:
                await connection.execute(update(inv_changes).where(_changes.id == id_).values(values))

    async def delete(self, names: Iterable[str]) -> None:
        async with self._database.write() as connection:
            for name in names:
                id_ = await _find(connection, name)
                await connection.execute(delete(inv_change_items).where(_items.change_id == id_))
                await connection.execute(delete(inv_changes).where(_changes.id == id_))

    async def add(self, name: str, items: Sequence[Reference]) -> None:
        """Raises `ObjectNotFound`, `ApiError` if the change is not open."""
        async with self._database.write() as connection:
            id_ = await self._open(connection, name)
            rows = [{"change_id": id_, "type": int(item.type), "name": item.name} for item in items]
            if rows:
                statement = self._database.upsert(inv_change_items, ["change_id", "type", "name"], [])
                await connection.execute(statement, rows)

    async def remove(self, name: str, items: Sequence[Reference]) -> None:
        """Raises as `add`."""
        async with self._database.write() as connection:
            id_ = await self._open(connection, name)
            for item in items:
                await connection.execute(
                    delete(inv_change_items).where(
                        _items.change_id == id_, _items.type == int(item.type), _items.name == item.name
                    )
                )

    async def _open(self, connection: AsyncConnection, name: str) -> int:
        row = (await connection.execute(select(_changes.id, _changes.state).where(_changes.name == name))).first()
        if row is None:
            raise ObjectNotFound(f"Couldn't find the change '{name}'")
        if row.state != ChangeState.OPEN:
            raise ApiError(f"the change '{name}' is {ChangeState(row.state).name}: open it first", code="JOC-400")
        await connection.execute(update(inv_changes).where(_changes.id == row.id).values(modified=self._clock.now_ms()))
        return int(row.id)


async def _find(connection: AsyncConnection, name: str) -> int | None:
    found: int | None = (await connection.execute(select(_changes.id).where(_changes.name == name))).scalar()
    return found
