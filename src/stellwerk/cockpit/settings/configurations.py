"""`Configurations`: JSON texts under a key of type, object type, name, account, Controller (cockpit-services 8).

Knows nothing of what the texts mean nor who may see them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import delete, select, update

from stellwerk.cockpit.api.errors import ObjectNotFound
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.settings import joc_configurations
from stellwerk.effects.clock import Clock

_table = joc_configurations.c


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What does not apply is empty."""

    configuration_type: str
    object_type: str = ""
    name: str = ""
    account: str = ""
    controller_id: str = ""


class Configuration(Key, frozen=True, kw_only=True):
    """One stored text. Id 0: it is not stored."""

    id: int
    shared: bool = False
    configuration_item: str
    modified: int = 0

    @property
    def key(self) -> Key:
        return Key(**{name: getattr(self, name) for name in Key.__struct_fields__})


def _of(row: Any) -> Configuration:
    return Configuration(**row._mapping)


def _is(key: Key) -> list[Any]:
    return [getattr(_table, name) == getattr(key, name) for name in Key.__struct_fields__]


class Configurations:
    """All operations on stored texts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, key: Key) -> Configuration | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(joc_configurations).where(*_is(key)))).first()
        return None if row is None else _of(row)

    async def read(self, id_: int) -> Configuration:
        async with self._database.read() as connection:
            row = (await connection.execute(select(joc_configurations).where(_table.id == id_))).first()
        if row is None:
            raise ObjectNotFound(f"Couldn't find the configuration with id {id_}")
        return _of(row)

    async def matching(self, **values: str | bool) -> list[Configuration]:
        """Those whose members (names of columns) have these values."""
        where = [_table[name] == value for name, value in values.items()]
        async with self._database.read() as connection:
            rows = await connection.execute(select(joc_configurations).where(*where).order_by(_table.id))
            return [_of(row) for row in rows]

    async def save(self, key: Key, item: str, *, shared: bool = False) -> int:
        """Insert or replace; gives the id."""
        values = msgspec.structs.asdict(key) | {
            "shared": shared,
            "configuration_item": item,
            "modified": self._clock.now_ms(),
        }
        changing = ["shared", "configuration_item", "modified"]
        statement = self._database.upsert(joc_configurations, list(Key.__struct_fields__), changing)
        async with self._database.write() as connection:
            saved = await connection.execute(statement.values(values).returning(_table.id))
            return int(saved.scalar_one())

    async def share(self, id_: int, *, shared: bool) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(joc_configurations).where(_table.id == id_).values(shared=shared, modified=self._clock.now_ms())
            )

    async def delete(self, **values: Any) -> int:
        """Delete those whose members have these values; a list stands for any of its values."""
        where = [
            _table[name].in_(value) if isinstance(value, list) else _table[name] == value
            for name, value in values.items()
        ]
        async with self._database.write() as connection:
            done = await connection.execute(delete(joc_configurations).where(*where))
        return int(done.rowcount)
