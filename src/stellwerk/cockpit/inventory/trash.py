"""The trash: what has been removed, until it is restored or deleted for good (cockpit-services 1.5).

Unique per type and path: what is removed again replaces what lay there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import inv_configuration_trash
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.fixes import Fix, free_names
from stellwerk.cockpit.inventory.references import Reference, renaming, with_names
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import IMPORT_ORDER, ObjectType
from stellwerk.values.json import decode

#: Setting `restore_suffix`.
RESTORE_SUFFIX = "restored"

Permitted = Callable[[str], bool]


class TrashedObject(msgspec.Struct, frozen=True):
    """One row of the trash."""

    id: int
    type: ObjectType
    path: str
    name: str
    folder: str
    title: str | None
    content: str | None
    valid: bool
    modified: int

    @property
    def configuration(self) -> Any:
        return None if self.content is None else decode(self.content)


class Trash:
    """All operations on removed objects."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def find(self, type_: ObjectType | None, path: str | None, id_: int | None) -> TrashedObject:
        """One removed object. Raises `ObjectNotFound`."""
        async with self._inventory.reading() as transaction:
            return await _find(transaction, type_, path, id_)

    async def in_folder(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[TrashedObject]:
        async with self._inventory.reading() as transaction:
            found = await _in_folder(transaction, names.normalized(folder), recursive=recursive)
        wanted = None if types is None else set(types)
        return [item for item in found if wanted is None or item.type in wanted]

    async def restore(
        self,
        type_: ObjectType | None,
        path: str | None,
        id_: int | None,
        *,
        new_path: str | None,
        suffix: str | None,
        prefix: str | None,
        permitted: Permitted,
    ) -> StoredObject:
        """Bring an object, or a folder with all that is in it, back as drafts.

        `new_path`: the full path, or for an object an existing folder. A fix that is given is put to every name; else
        only taken names get the suffix `restored`. References among the restored objects follow their names.
        """
        fix = Fix.of(suffix, prefix, RESTORE_SUFFIX)
        async with self._inventory.writing() as transaction:
            top = await _find(transaction, type_, path, id_)
            items = [top]
            if top.type == ObjectType.FOLDER:
                items = [item for item in await _subtree(transaction, top.path) if permitted(item.path)]
            target = await _target(transaction, top, new_path)
            places = {
                item.id: target if item.path == top.path else names.moved(item.path, top.path, target) for item in items
            }
            objects = [item for item in items if item.type != ObjectType.FOLDER]
            wanted = [Reference(item.type, names.name_of(places[item.id])) for item in objects]
            chosen = await free_names(transaction, wanted, fix)
            for item, name in zip(objects, chosen, strict=True):
                places[item.id] = names.joined(names.folder_of(places[item.id]), name)
            renames = {Reference(item.type, item.name): name for item, name in zip(objects, chosen, strict=True)}
            restored: StoredObject | None = None
            for item in sorted(items, key=lambda item: IMPORT_ORDER.index(item.type)):
                place = places[item.id]
                stored = await _restore(transaction, item, place, renames)
                if item.id == top.id:
                    restored = stored
            if restored is None:  # a folder that was only the place of what has been removed
                restored = await transaction.store(ObjectType.FOLDER, target, None)
            await _delete(transaction, items)
        return restored

    async def delete(self, objects: Sequence[tuple[ObjectType | None, str | None, int | None]]) -> None:
        """Delete for good: (type, path, None) or (None, None, id) each; folders with all that is in them."""
        async with self._inventory.writing() as transaction:
            for type_, path, id_ in objects:
                item = await _find(transaction, type_, path, id_)
                is_folder = item.type == ObjectType.FOLDER
                await _delete(transaction, await _subtree(transaction, item.path) if is_folder else [item])
            await transaction.tags.forget_workflows()

    async def delete_folder(self, folder: str, permitted: Permitted, types: Sequence[ObjectType] = ()) -> None:
        """Delete for good what has been removed from a folder and below it."""
        folder = names.normalized(folder)
        async with self._inventory.writing() as transaction:
            found = await _subtree(transaction, folder)
            if not found:
                raise ObjectNotFound(f"Couldn't find the folder '{folder}' in the trash")
            await _delete(
                transaction,
                [item for item in found if permitted(item.path) and (not types or item.type in types)],
            )
            await transaction.tags.forget_workflows()


async def throw_away(transaction: InventoryTransaction, items: Sequence[StoredObject]) -> None:
    """Move objects of the inventory into the trash."""
    table = inv_configuration_trash
    for item in items:
        await transaction.connection.execute(
            delete(table).where(table.c.type == int(item.type), table.c.path == item.path)
        )
        row = {name: getattr(item, name) for name in ("path", "name", "folder", "title", "content", "valid")}
        row |= {"type": int(item.type), "created": transaction.now_ms, "modified": item.modified}
        await transaction.connection.execute(insert(table), [row])
        # Ids may be used again; the history of a name is found by the name when it is restored.
        history = dep_history
        await transaction.connection.execute(update(history).where(history.c.inv_cid == item.id).values(inv_cid=None))
    await transaction.delete(items)


async def _restore(
    transaction: InventoryTransaction, item: TrashedObject, place: str, renames: dict[Reference, str]
) -> StoredObject:
    content = with_names(item.type, item.configuration, renaming(renames))
    stored = await transaction.store(item.type, place, content)
    history = dep_history
    same = (history.c.type == int(item.type)) & (history.c.name == stored.name) & history.c.inv_cid.is_(None)
    await transaction.connection.execute(update(history).where(same).values(inv_cid=stored.id))
    return stored


async def _target(transaction: InventoryTransaction, top: TrashedObject, new_path: str | None) -> str:
    if not new_path:
        return top.path
    target = names.normalized(new_path)
    if top.type == ObjectType.FOLDER:
        return target
    if target == "/" or await transaction.find(rows.at(ObjectType.FOLDER, target)) is not None:
        return names.joined(target, top.name)
    return target


async def _find(
    transaction: InventoryTransaction, type_: ObjectType | None, path: str | None, id_: int | None
) -> TrashedObject:
    table = inv_configuration_trash
    if id_ is not None:
        condition, what = table.c.id == id_, f"object with id {id_}"
    elif type_ is None or path is None:
        raise BadRequest("give path and objectType, or id")
    else:
        path = names.normalized(path)
        condition = (table.c.type == int(type_)) & (table.c.path == path)
        what = f"{type_.name.lower()} '{path}'"
    [*found] = await _rows(transaction, condition)
    if found:
        return found[0]
    if type_ == ObjectType.FOLDER and path is not None and await _in_folder(transaction, path, recursive=True):
        # Objects were removed from it, the folder itself was not.
        return TrashedObject(
            0, ObjectType.FOLDER, path, names.name_of(path), names.folder_of(path), None, None, True, 0
        )
    raise ObjectNotFound(f"Couldn't find the {what} in the trash")


async def _rows(transaction: InventoryTransaction, condition: Any) -> list[TrashedObject]:
    table = inv_configuration_trash
    found = await transaction.connection.execute(select(table).where(condition).order_by(table.c.path))
    members = [name for name in TrashedObject.__struct_fields__ if name != "type"]
    return [TrashedObject(type=ObjectType(row.type), **{name: row._mapping[name] for name in members}) for row in found]


async def _in_folder(transaction: InventoryTransaction, folder: str, *, recursive: bool) -> list[TrashedObject]:
    return await _rows(transaction, rows.in_folder(inv_configuration_trash, folder, recursive=recursive))


async def _subtree(transaction: InventoryTransaction, folder: str) -> list[TrashedObject]:
    """A folder and all that is below it."""
    table = inv_configuration_trash
    own = (table.c.type == int(ObjectType.FOLDER)) & (table.c.path == folder)
    return await _rows(transaction, own | rows.in_folder(table, folder, recursive=True))


async def _delete(transaction: InventoryTransaction, items: Iterable[TrashedObject]) -> None:
    table = inv_configuration_trash
    for item in items:
        await transaction.connection.execute(delete(table).where(table.c.id == item.id))
