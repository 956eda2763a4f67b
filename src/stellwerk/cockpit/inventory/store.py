"""`Inventory`: what people have written; opens transactions on it, and does in one what a request wants of one object.

async with inventory.writing() as transaction: await transaction.store(…)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select, text

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_released_configurations
from stellwerk.cockpit.inventory.references import Reference
from stellwerk.cockpit.inventory.rows import ListedObject, StoredObject
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.effects.clock import Clock
from stellwerk.values.json import decode

#: Any number that nobody else uses for an advisory lock of this database.
_STORE_LOCK = 0x5E110001


class Inventory:
    """The inventory in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[InventoryTransaction]:
        """One at a time, over all Cockpits: names are unique by look-up. SQLite has one writer anyway.

        Nobody calls a Controller in it.
        """
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _STORE_LOCK})
            yield InventoryTransaction(connection, self._clock.now_ms())

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[InventoryTransaction]:
        """One consistent state, only to be read."""
        async with self._database.read() as connection:
            yield InventoryTransaction(connection, self._clock.now_ms())

    async def store(self, type_: ObjectType, path: str, configuration: Any, *, id_: int | None = None) -> StoredObject:
        """Insert or update one object by path, or by id; raises `ApiError` for names that are not possible."""
        async with self.writing() as transaction:
            if id_ is not None:
                return await transaction.change(await transaction.read_by_id(id_), configuration)
            return await transaction.store(type_, path, configuration)

    async def revalidate_invalid_workflows(self) -> None:
        """After Agents have been registered: objects that missed them may have become valid."""
        table = inv_configurations
        types = [int(ObjectType.WORKFLOW), int(ObjectType.FILEORDERSOURCE)]
        async with self.writing() as transaction:
            await transaction.revalidate(await transaction.find_all(table.c.type.in_(types) & ~table.c.valid))

    async def read(self, type_: ObjectType, path_or_name: str) -> StoredObject:
        """One object by full path, or by its bare name. Raises `ObjectNotFound`."""
        async with self.reading() as transaction:
            return await transaction.read(type_, path_or_name)

    async def read_by_id(self, id_: int) -> StoredObject:
        async with self.reading() as transaction:
            return await transaction.read_by_id(id_)

    async def in_folder(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[StoredObject]:
        """The objects of a folder by path; folders themselves only if asked for. Raises `ObjectNotFound`."""
        async with self.reading() as transaction:
            return await transaction.in_folder(folder, recursive=recursive, types=types)

    async def listed(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[ListedObject]:
        """As `in_folder`, without contents."""
        async with self.reading() as transaction:
            return await transaction.listed(folder, recursive=recursive, types=types)

    async def named(self, wanted: Iterable[Reference]) -> dict[Reference, StoredObject]:
        """The objects of these types and names, as far as they exist."""
        by_type: dict[ObjectType, list[str]] = {}
        for reference in wanted:
            by_type.setdefault(reference.type, []).append(reference.name)
        found: dict[Reference, StoredObject] = {}
        async with self.reading() as transaction:
            for type_, names in by_type.items():
                for item in await transaction.of_names(type_, names):
                    found[Reference(type_, item.name)] = item
        return found

    async def paths_of(self, type_: ObjectType) -> dict[str, str]:
        """Name → full path of all objects of a type."""
        table = inv_configurations
        async with self._database.read() as connection:
            rows = await connection.execute(select(table.c.name, table.c.path).where(table.c.type == int(type_)))
            return {row.name: row.path for row in rows}

    async def workflow_tags(self) -> dict[str, list[str]]:
        """Name → tags of the workflows that have some."""
        async with self.reading() as transaction:
            return await transaction.tags.of_workflows()

    async def released_scripts(self) -> dict[str, str]:
        """Name → text of the released include scripts."""
        table = inv_released_configurations
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(table.c.name, table.c.content).where(table.c.type == int(ObjectType.INCLUDESCRIPT))
            )
            return {row.name: str(decode(row.content).get("script", "")) for row in rows}
