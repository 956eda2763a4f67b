"""Rename, move, copy and replace, and back to what was published (cockpit-services 1.5). Each is one transaction."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.database.tables.inventory import inv_released_configurations
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.fixes import Fix, free_names
from stellwerk.cockpit.inventory.references import Reference, renaming, with_names
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import UPDATE, InventoryTransaction
from stellwerk.cockpit.inventory.types import IMPORT_ORDER, ObjectType
from stellwerk.language.expressions import ExpressionError
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.values.json import decode

#: Setting `copy_paste_suffix`.
COPY_SUFFIX = "copy"
#: Types that refer to others: all that a shallow copy of a folder takes along.
_WITH_REFERENCES = frozenset(
    {
        ObjectType.WORKFLOW,
        ObjectType.FILEORDERSOURCE,
        ObjectType.SCHEDULE,
        ObjectType.JOBTEMPLATE,
        ObjectType.WORKINGDAYSCALENDAR,
    }
)
Permitted = Callable[[str], bool]


def resolved(new_path: str, folder: str) -> str:
    """A new path as people write it: absolute, or relative to the object's folder. Raises `BadRequest`."""
    if not new_path.strip("/") and not new_path.startswith("/"):
        raise BadRequest("newPath must not be empty")
    path = posixpath.normpath(posixpath.join(folder, new_path))
    return names.normalized(path)


class Renamer:
    """Gives objects other names and places."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def rename(self, id_: int, new_path: str, permitted: Permitted) -> StoredObject:
        """Another name or folder; drafts that refer to the object follow. A folder takes along what is in it."""
        async with self._inventory.writing() as transaction:
            item = await transaction.read_by_id(id_)
            target = resolved(new_path, item.folder)
            _require(permitted, target)
            if item.type == ObjectType.FOLDER:
                return await _move_folder(transaction, item, target, permitted)
            return await transaction.move(item, target)

    async def replace(self, ids: Sequence[int], search: str, replacement: str, permitted: Permitted) -> int:
        """Rename each object whose name a (Java) regular expression finds; gives how many."""
        try:
            pattern = java_regex(search)
            async with self._inventory.writing() as transaction:
                count = 0
                for id_ in ids:
                    item = await transaction.read_by_id(id_)
                    name = pattern.replace_all(item.name, replacement)
                    if name != item.name and item.type != ObjectType.FOLDER:
                        _require(permitted, item.path)
                        await transaction.move(item, names.joined(item.folder, name))
                        count += 1
                return count
        except ExpressionError as error:
            raise BadRequest(f"search: {error.problem}") from None

    async def copy(
        self,
        id_: int,
        new_path: str,
        *,
        suffix: str | None,
        prefix: str | None,
        is_shallow: bool,
        permitted: Permitted,
    ) -> StoredObject:
        """A copy as drafts. Names that would stay the same get a fix; references among the copies follow.

        A shallow copy of a folder leaves out what refers to nothing, and keeps references to the originals.
        """
        fix = Fix.of(suffix, prefix, COPY_SUFFIX)
        async with self._inventory.writing() as transaction:
            item = await transaction.read_by_id(id_)
            target = resolved(new_path, item.folder)
            _require(permitted, target)
            if item.type != ObjectType.FOLDER:
                if fix.was_given or names.name_of(target) == item.name:
                    fix = msgspec.structs.replace(fix, was_given=True)
                    [name] = await free_names(transaction, [Reference(item.type, names.name_of(target))], fix)
                    target = names.joined(names.folder_of(target), name)
                await transaction.check_new_name(item.type, target)
                return await transaction.store(item.type, target, item.configuration)
            return await _copy_folder(
                transaction, item, target, msgspec.structs.replace(fix, was_given=True), is_shallow, permitted
            )

    async def revert(self, ids: Sequence[int], *, only_possible: bool) -> list[StoredObject]:
        """Drafts become what was last deployed or released. `only_possible`: others stay as they are."""
        reverted = []
        async with self._inventory.writing() as transaction:
            for id_ in ids:
                item = await transaction.read_by_id(id_)
                content = await _published(transaction, item)
                if item.is_draft and content is not None:
                    reverted.append(await transaction.change(item, decode(content)))
                elif not only_possible and not item.is_draft:
                    raise BadRequest(f"Draft of [{item.path}] doesn't exist")
                elif not only_possible:
                    version = "deployed" if item.type.is_deployable else "released"
                    raise BadRequest(f"Cannot revert draft. No previously {version} version found for '{item.path}'")
        return reverted


async def _published(transaction: InventoryTransaction, item: StoredObject) -> str | None:
    """The content of the last deployment or of the release."""
    if item.type.is_deployable:
        newest = await transaction.newest_deployment(item)
        return newest.inv_content if newest is not None and newest.operation == UPDATE else None
    table = inv_released_configurations
    row = (await transaction.connection.execute(select(table.c.content).where(table.c.cid == item.id))).first()
    return None if row is None else str(row.content)


def _require(permitted: Permitted, path: str) -> None:
    if not permitted(path):
        raise ApiError(
            f"Access denied for folder: {names.folder_of(path)}", code="JOC-419", kind="JocFolderPermissionsException"
        )


async def _move_folder(
    transaction: InventoryTransaction, folder: StoredObject, target: str, permitted: Permitted
) -> StoredObject:
    if target == "/" or target.startswith(folder.path + "/"):
        raise BadRequest(f"Cannot move to {target}: a folder cannot become the root folder, or lie in itself")
    if target == folder.path:
        return folder
    children = await transaction.in_folder(folder.path, recursive=True)
    places = {item.id: names.moved(item.path, folder.path, target) for item in children}
    common = [
        places[item.id]
        for item in children
        if item.type != ObjectType.FOLDER and await transaction.find(rows.at(item.type, places[item.id])) is not None
    ]
    if common:
        raise BadRequest(f"Cannot move to {target}: common objects are {', '.join(common)}")
    for item in children:
        _require(permitted, item.path)
    result = await _move_or_merge(transaction, folder, target)
    for item in children:  # outer folders come first
        if item.type == ObjectType.FOLDER:
            await _move_or_merge(transaction, item, places[item.id])
        else:
            await transaction.move(item, places[item.id])
    return result


async def _move_or_merge(transaction: InventoryTransaction, folder: StoredObject, target: str) -> StoredObject:
    existing = await transaction.find(rows.at(ObjectType.FOLDER, target))
    if existing is None:
        return await transaction.move(folder, target)
    if existing.id != folder.id:
        await transaction.delete([folder])
    return existing


async def _copy_folder(
    transaction: InventoryTransaction,
    folder: StoredObject,
    target: str,
    fix: Fix,
    is_shallow: bool,
    permitted: Permitted,
) -> StoredObject:
    children = [item for item in await transaction.in_folder(folder.path, recursive=True) if permitted(item.path)]
    objects = [
        item
        for item in children
        if item.type != ObjectType.FOLDER and (not is_shallow or item.type in _WITH_REFERENCES)
    ]
    chosen = await free_names(transaction, [Reference(item.type, item.name) for item in objects], fix)
    new_names = {item.id: name for item, name in zip(objects, chosen, strict=True)}
    renames = {} if is_shallow else {Reference(item.type, item.name): new_names[item.id] for item in objects}
    result = await transaction.store(ObjectType.FOLDER, target, None)
    for item in children:
        if item.type == ObjectType.FOLDER and not is_shallow:
            await transaction.store(ObjectType.FOLDER, names.moved(item.path, folder.path, target), None)
    for item in sorted(objects, key=lambda item: IMPORT_ORDER.index(item.type)):
        place = names.folder_of(names.moved(item.path, folder.path, target))
        content = with_names(item.type, item.configuration, renaming(renames))
        await transaction.store(item.type, names.joined(place, new_names[item.id]), content)
    return result
