"""`Documentations`: uploaded files in folders, each with the name by which objects may refer to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.archives import Entry
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_documentations
from stellwerk.cockpit.documentations.kinds import kind_of, new_reference
from stellwerk.cockpit.inventory.names import folder_of, is_in_folder, joined, name_of, path_fault
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.effects.clock import Clock
from stellwerk.values.json import decode

_table = inv_documentations.c


class Documentation(msgspec.Struct, frozen=True):
    """One file, without its content. `reference`: the `documentationName` of objects that refer to it."""

    id: int
    path: str
    kind: str
    reference: str | None
    modified: int

    @property
    def name(self) -> str:
        return name_of(self.path)


class Referrer(msgspec.Struct, frozen=True):
    """An inventory object that refers to a documentation, itself or by one of its jobs."""

    type: ObjectType
    path: str


class Documentations:
    """The files in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[Documentation]:
        """By path."""
        columns = [_table.id, _table.path, _table.kind, _table.reference, _table.modified]
        async with self._database.read() as connection:
            rows = await connection.execute(select(*columns).order_by(_table.path))
            return [Documentation(*row) for row in rows]

    async def find(self, path_or_reference: str) -> Documentation:
        """By path, or by the name of the reference. Raises `ObjectNotFound`."""
        for item in await self.all():
            if path_or_reference in (item.path, item.reference):
                return item
        raise ObjectNotFound(f"Couldn't find the documentation '{path_or_reference}'")

    async def contents(self, items: Iterable[Documentation]) -> list[tuple[Documentation, bytes]]:
        """Each with its bytes; one that is gone meanwhile is left out."""
        found = []
        async with self._database.read() as connection:
            for item in items:
                content = (await connection.execute(select(_table.content).where(_table.id == item.id))).scalar()
                if content is not None:
                    found.append((item, bytes(content)))
        return found

    async def store(self, folder: str, entries: Sequence[Entry]) -> list[str]:
        """Files into a folder, at most one by each name; those that are there get the new content.

        Gives their paths. Raises `BadRequest` before anything is stored.
        """
        if folder != "/" and (fault := path_fault(folder)) is not None:
            raise BadRequest(f"folder {fault}")
        files = [(joined(folder, entry.name), kind_of(entry.name), entry.data) for entry in entries]
        for path, _, _ in files:
            if (parent := folder_of(path)) != "/" and (fault := path_fault(parent)) is not None:
                raise BadRequest(f"{path}: {fault}")
        async with self._database.write() as connection:
            taken = set((await connection.execute(select(_table.reference))).scalars())
            for path, kind, data in files:
                await self._put(connection, path, kind, data, taken)
        return [path for path, _, _ in files]

    async def _put(self, connection: AsyncConnection, path: str, kind: str, data: bytes, taken: set[Any]) -> None:
        values = {"content": data, "modified": self._clock.now_ms()}
        changed = await connection.execute(update(inv_documentations).where(_table.path == path).values(values))
        if changed.rowcount:
            return
        reference = new_reference(name_of(path), kind, taken)
        taken.add(reference)
        row = {"path": path, "folder": folder_of(path), "kind": kind, "reference": reference, **values}
        await connection.execute(insert(inv_documentations), [row])

    async def refer(self, documentation: Documentation, reference: str | None) -> None:
        """Give it another name for references, or none. Raises `ApiError` JOC-171 for one that is taken."""
        async with self._database.write() as connection:
            if reference is not None:
                query = select(_table.path).where(_table.reference == reference, _table.id != documentation.id)
                other = (await connection.execute(query)).scalar()
                if other is not None:
                    raise ApiError(
                        f"the reference '{reference}' is already that of '{other}'",
                        code="JOC-171",
                        kind="JocObjectAlreadyExistException",
                    )
            values = {"reference": reference, "modified": self._clock.now_ms()}
            await connection.execute(update(inv_documentations).where(_table.id == documentation.id).values(values))

    async def remove(self, items: Sequence[Documentation]) -> None:
        """Objects that refer to them keep the name: it leads nowhere then."""
        async with self._database.write() as connection:
            for item in items:
                await connection.execute(delete(inv_documentations).where(_table.id == item.id))

    async def in_folder(self, folder: str, *, recursive: bool) -> list[Documentation]:
        return [item for item in await self.all() if is_in_folder(item.path, folder, recursive=recursive)]

    async def referrers(self, reference: str) -> list[Referrer]:
        """The inventory objects that refer to it, by path."""
        table = inv_configurations.c
        # More than needed: what an object really has is seen when it is read.
        query = select(table.type, table.path, table.content).where(
            table.content.contains("documentationName", autoescape=True),
            table.content.contains(reference, autoescape=True),
        )
        async with self._database.read() as connection:
            rows = list(await connection.execute(query.order_by(table.path)))
        return [
            Referrer(ObjectType(row.type), row.path) for row in rows if reference in references(decode(row.content))
        ]


def references(content: Any, *, job: str | None = None) -> list[str]:
    """`documentationName` of an object and of its jobs; with `job` only of that one."""
    if not isinstance(content, dict):
        return []
    jobs = content.get("jobs")
    jobs = jobs if isinstance(jobs, dict) else {}
    holders = [jobs.get(job)] if job is not None else [content, *jobs.values()]
    found: Callable[[Any], Any] = lambda holder: holder.get("documentationName") if isinstance(holder, dict) else None
    return [name for holder in holders if isinstance(name := found(holder), str) and name]
