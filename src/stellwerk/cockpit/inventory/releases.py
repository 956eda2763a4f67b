"""Release and recall: the copies by which the Cockpit itself works (cockpit-services 2.10).

One row per object; the daily plan, include scripts and job templates are read from them, never from drafts. Each call
is one transaction: all of it happens or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import delete, select, update

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_released_configurations
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType


class ReleaseError(ApiError):
    """JOC-415: nothing has been released, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-415", kind="JocReleaseException")


class Released(msgspec.Struct, frozen=True):
    """A released copy. `cid` is the id of the inventory object, `modified` the time of the release."""

    id: int
    cid: int
    type: ObjectType
    path: str
    content: str
    modified: int


class Releases:
    """Publishes and withdraws releasable objects."""

    def __init__(self, database: Database, inventory: Inventory) -> None:
        self._database = database
        self._inventory = inventory

    async def release(self, ids: Sequence[int]) -> None:
        """Release objects as they are stored now. Raises `ReleaseError` if one of them is invalid."""
        if not ids:
            raise BadRequest("there is nothing to release: no valid drafts were found")
        async with self._inventory.writing() as transaction:
            objects = [await transaction.read_by_id(id_) for id_ in ids]
            other = [item for item in objects if not item.type.is_releasable]
            if other:
                raise BadRequest(f"{other[0].path}: objects of type {other[0].type.name} are not released")
            invalid = [item for item in objects if not item.valid]
            if invalid:
                texts = "; ".join(f"{item.path}: {item.invalid_message or 'it has no content'}" for item in invalid)
                raise ReleaseError(f"invalid objects are not released. {texts}")
            for item in objects:
                await self._publish(transaction, item)

    async def _publish(self, transaction: InventoryTransaction, item: StoredObject) -> None:
        table = inv_released_configurations
        row = {
            "type": int(item.type),
            "path": item.path,
            "cid": item.id,
            "name": item.name,
            "folder": item.folder,
            "title": item.title,
            "content": item.content,
            "created": transaction.now_ms,
            "modified": transaction.now_ms,
        }
        columns = [name for name in row if name not in ("cid", "created")]
        await transaction.connection.execute(self._database.upsert(table, ["cid"], columns), [row])
        await _set_released(transaction, item.id, is_released=True)

    async def recall(self, ids: Sequence[int]) -> None:
        """Withdraw the released copies; the objects stay as drafts. What is not released stays as it is."""
        table = inv_released_configurations
        async with self._inventory.writing() as transaction:
            for id_ in ids:
                item = await transaction.read_by_id(id_)
                if not item.type.is_releasable:
                    raise BadRequest(f"{item.path}: objects of type {item.type.name} are not released or recalled")
                await transaction.connection.execute(delete(table).where(table.c.cid == id_))
                await _set_released(transaction, id_, is_released=False)

    async def ids(self) -> set[int]:
        """The ids of the objects that are released."""
        async with self._database.read() as connection:
            return set((await connection.execute(select(inv_released_configurations.c.cid))).scalars())

    async def of_objects(self, ids: Iterable[int] | None = None) -> dict[int, Released]:
        """The released copies by the ids of their objects; None: all."""
        table = inv_released_configurations
        query = select(table.c.id, table.c.cid, table.c.type, table.c.path, table.c.content, table.c.modified)
        if ids is not None:
            query = query.where(table.c.cid.in_(list(ids)))
        async with self._database.read() as connection:
            return {
                row.cid: Released(row.id, row.cid, ObjectType(row.type), row.path, row.content, row.modified)
                for row in await connection.execute(query)
            }


async def _set_released(transaction: InventoryTransaction, id_: int, *, is_released: bool) -> None:
    table = inv_configurations
    await transaction.connection.execute(update(table).where(table.c.id == id_).values(released=is_released))
