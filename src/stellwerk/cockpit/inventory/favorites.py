"""Favorites: named snippets of people, in their own order, shared with others if they like (cockpit-services 10.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.database import Database, insert_row
from stellwerk.cockpit.database.tables.collections import inv_favorites
from stellwerk.effects.clock import Clock

_table = inv_favorites.c


class FavoriteId(msgspec.Struct, frozen=True):
    """One favorite of an account."""

    type: str
    name: str


class Favorite(msgspec.Struct, frozen=True):
    """One row."""

    account: str
    type: str
    name: str
    content: str | None
    ordering: int
    shared: bool
    modified: int


class Favorites:
    """All operations; each call is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, account: str) -> list[Favorite]:
        """An account's own, in its order."""
        return await self._read(_table.account == account)

    async def shared_with(self, account: str) -> list[Favorite]:
        """Those that others share."""
        return await self._read(and_(_table.account != account, _table.shared))

    async def _read(self, condition: Any) -> list[Favorite]:
        columns = [_table[name] for name in Favorite.__struct_fields__]
        query = select(*columns).where(condition).order_by(_table.account, _table.ordering, _table.name)
        async with self._database.read() as connection:
            return [Favorite(**row._mapping) for row in await connection.execute(query)]

    async def store(self, account: str, items: Iterable[tuple[FavoriteId, str | None, bool | None]]) -> None:
        """Insert behind the others, or replace content and, if it is said, whether it is shared."""
        async with self._database.write() as connection:
            for item, content, shared in items:
                values: dict[str, Any] = {"content": content, "modified": self._clock.now_ms()}
                if shared is not None:
                    values["shared"] = shared
                changed = await connection.execute(update(inv_favorites).where(_is(account, item)).values(values))
                if changed.rowcount == 0:
                    last = (
                        await connection.execute(select(func.max(_table.ordering)).where(_table.account == account))
                    ).scalar()
                    values |= {"account": account, "type": item.type, "name": item.name, "ordering": (last or 0) + 1}
                    await insert_row(connection, inv_favorites, values)

    async def rename(self, account: str, renames: Iterable[tuple[FavoriteId, str]]) -> None:
        """Raises `ObjectNotFound`, and `BadRequest` if a name is taken."""
        async with self._database.write() as connection:
            for item, new_name in renames:
                new = FavoriteId(item.type, new_name)
                if new != item and await _exists(connection, _is(account, new)):
                    raise BadRequest(f"there is a favorite '{new_name}' already")
                await _change(connection, account, item, {"name": new_name, "modified": self._clock.now_ms()})

    async def share(self, account: str, items: Iterable[FavoriteId], *, shared: bool) -> None:
        """Raises `ObjectNotFound`."""
        async with self._database.write() as connection:
            for item in items:
                await _change(connection, account, item, {"shared": shared, "modified": self._clock.now_ms()})

    async def delete(self, account: str, items: Iterable[FavoriteId]) -> None:
        async with self._database.write() as connection:
            for item in items:
                await connection.execute(delete(inv_favorites).where(_is(account, item)))

    async def order(self, account: str, item: FavoriteId, predecessor: str | None) -> None:
        """Put one behind another of its type, or first. Raises `ObjectNotFound`."""
        async with self._database.write() as connection:
            query = select(_table.name).where(_table.account == account, _table.type == item.type)
            known = list((await connection.execute(query.order_by(_table.ordering, _table.name))).scalars())
            for name in (item.name, predecessor):
                if name and name not in known:
                    raise ObjectNotFound(f"Couldn't find the favorite '{name}'")
            for ordering, name in enumerate(_placed(known, item.name, predecessor), 1):
                await _change(connection, account, FavoriteId(item.type, name), {"ordering": ordering})

    async def take_over(self, account: str, items: Iterable[tuple[str, FavoriteId]]) -> None:
        """Copies of what others (account, favorite) share. Raises `ObjectNotFound`."""
        found = {(item.account, item.type, item.name): item for item in await self.shared_with(account)}
        copies = []
        for other, item in items:
            shared = found.get((other, item.type, item.name))
            if shared is None:
                raise ObjectNotFound(f"Couldn't find a favorite '{item.name}' that '{other}' shares")
            copies.append((item, shared.content, False))
        await self.store(account, copies)


def _placed(known: Sequence[str], name: str, predecessor: str | None) -> list[str]:
    others = [item for item in known if item != name]
    place = others.index(predecessor) + 1 if predecessor in others else 0
    return [*others[:place], name, *others[place:]]


def _is(account: str, item: FavoriteId) -> Any:
    return and_(_table.account == account, _table.type == item.type, _table.name == item.name)


async def _exists(connection: AsyncConnection, condition: Any) -> bool:
    return (await connection.execute(select(_table.id).where(condition))).first() is not None


async def _change(connection: AsyncConnection, account: str, item: FavoriteId, values: dict[str, Any]) -> None:
    changed = await connection.execute(update(inv_favorites).where(_is(account, item)).values(values))
    if changed.rowcount == 0:
        raise ObjectNotFound(f"Couldn't find the favorite '{item.name}'")
