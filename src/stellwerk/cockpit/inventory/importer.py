"""Importing the objects of an archive: one transaction, all or none (cockpit-services 1.10).

An object is the same as one of the inventory if type and name are. Nothing is deployed or released by an import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.archive_objects import ArchivedObject, ImportFailure
from stellwerk.cockpit.inventory.fixes import Fix, free_names
from stellwerk.cockpit.inventory.references import Reference, renaming, with_names
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import ArchivedTags
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType

#: Setting `import_suffix`.
IMPORT_SUFFIX = "imported"


class Importer:
    """Puts archived objects into the inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def import_objects(
        self,
        objects: Sequence[ArchivedObject],
        *,
        target_folder: str,
        overwrite: bool,
        suffix: str | None,
        prefix: str | None,
        permitted: Callable[[str], bool],
        tags: ArchivedTags | None = None,
        overwrite_tags: bool = False,
    ) -> list[StoredObject]:
        """Store them as drafts; gives what has been stored.

        `overwrite`: objects of the inventory get content and place of the archive; those that are equal stay deployed
        or released. With a fix all get it, and references among them follow. Else what exists is left alone.
        Objects outside of permitted folders are passed over. Workflows that are stored get their `tags`, besides those
        that they have unless `overwrite_tags`. Raises `ImportFailure` naming the entry.
        """
        fix = Fix.of(suffix, prefix, IMPORT_SUFFIX)
        if overwrite and fix.was_given:
            raise ImportFailure("conflicting arguments: overwrite=true - no prefix/suffix allowed!")
        folder = names.normalized(target_folder)
        fault = None if folder == "/" else names.path_fault(folder)
        if fault is not None:
            raise BadRequest(f"targetFolder {target_folder!r} is not possible: {fault}")
        placed = [(item, names.moved(item.path, "/", folder)) for item in objects]
        placed = [(item, path) for item, path in placed if permitted(path)]
        async with self._inventory.writing() as transaction:
            if fix.was_given:
                stored = await _import_renamed(transaction, placed, fix)
            else:
                stored = await _import_named(transaction, placed, overwrite=overwrite, permitted=permitted)
            if tags is not None:
                names_ = {item.name: new.name for item, new in stored if item.type == ObjectType.WORKFLOW}
                await transaction.tags.take_over(tags, names_, overwrite=overwrite_tags)
        return [new for _, new in stored]


async def _import_named(
    transaction: InventoryTransaction,
    placed: Sequence[tuple[ArchivedObject, str]],
    *,
    overwrite: bool,
    permitted: Callable[[str], bool],
) -> list[tuple[ArchivedObject, StoredObject]]:
    stored = []
    for item, path in placed:
        existing = await transaction.find(rows.named(item.type, item.name))
        if existing is None or (overwrite and permitted(existing.path)):
            stored.append((item, await put(transaction, item, path, existing)))
    return stored


async def _import_renamed(
    transaction: InventoryTransaction, placed: Sequence[tuple[ArchivedObject, str]], fix: Fix
) -> list[tuple[ArchivedObject, StoredObject]]:
    chosen = await free_names(transaction, [Reference(item.type, item.name) for item, _ in placed], fix)
    renames = {Reference(item.type, item.name): name for (item, _), name in zip(placed, chosen, strict=True)}
    stored = []
    for (item, path), name in zip(placed, chosen, strict=True):
        content = with_names(item.type, item.configuration, renaming(renames))
        renamed = ArchivedObject(item.entry, item.type, item.path, content)
        stored.append((item, await put(transaction, renamed, names.joined(names.folder_of(path), name), None)))
    return stored


async def put(
    transaction: InventoryTransaction, item: ArchivedObject, path: str, existing: StoredObject | None
) -> StoredObject:
    """Store an archived object at `path`, in the place of the existing one. Raises `ImportFailure` naming the entry."""
    try:
        if existing is None:
            return await transaction.create(item.type, path, item.configuration)  # the name is free: it was looked up
        if existing.type != item.type:
            raise ImportFailure(f"its name is taken by the {existing.type.name} '{existing.path}'")
        if existing.path != path:
            existing = await transaction.move(existing, path)
        return await transaction.change(existing, item.configuration)
    except ApiError as error:
        raise ImportFailure(f"{item.entry}: {error.message.partition(': ')[2]}") from None
