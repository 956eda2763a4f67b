"""Putting inventory objects back as they were, when what should follow their change has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_released_configurations
from stellwerk.cockpit.inventory.references import references_of
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.transaction import InventoryTransaction


class Before(msgspec.Struct, frozen=True):
    """An object's rows before a change; None: there was none."""

    row: Mapping[str, Any] | None
    released: Mapping[str, Any] | None


async def remember(transaction: InventoryTransaction, existing: StoredObject | None) -> Before:
    """What `put_back` needs, taken before the change."""
    if existing is None:
        return Before(None, None)
    table, released = inv_configurations, inv_released_configurations
    row = (await transaction.connection.execute(select(table).where(table.c.id == existing.id))).one()
    copy = (await transaction.connection.execute(select(released).where(released.c.cid == existing.id))).first()
    return Before(dict(row._mapping), None if copy is None else dict(copy._mapping))


async def put_back(transaction: InventoryTransaction, changes: Sequence[tuple[StoredObject, Before]]) -> list[str]:
    """Undo changes to objects; gives the paths of those that somebody has changed since: they stay as they are."""
    table, released = inv_configurations, inv_released_configurations
    kept = []
    created = []
    for stored, before in changes:
        present = await transaction.find(table.c.id == stored.id)
        if present is None or present.content != stored.content or present.path != stored.path:
            kept.append(stored.path)
            continue
        if before.row is None:
            created.append(present)
            continue
        await transaction.connection.execute(update(table).where(table.c.id == stored.id).values(**before.row))
        await transaction.connection.execute(delete(released).where(released.c.cid == stored.id))
        if before.released is not None:
            await transaction.connection.execute(insert(released), [dict(before.released)])
        former = await transaction.read_by_id(stored.id)
        await transaction.write_references(former.id, references_of(former.type, former.configuration))
        await transaction.revalidate_referrers(former.type, former.name)
    await transaction.delete(created)
    return kept
