"""Choosing what an archive shall hold: drafts, deployed and released content (cockpit-services 1.10).

Of an object that is in several of these states the draft is taken, then what is deployed or released: an archive has
one file for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import ObjectNotFound
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.archive_objects import EXTENSIONS
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import decode


class Choice(msgspec.Struct, frozen=True):
    """What is asked for: an object, or the objects of a folder; as drafts, or as they are published."""

    type: ObjectType
    path: str
    commit_id: str | None = None
    recursive: bool = False


#: Published content by inventory id: of the last deployment or the release.
Published = Mapping[int, str | None]


class Exporter:
    """Reads objects for an archive."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def choose(
        self,
        drafts: Iterable[Choice],
        published: Iterable[Choice],
        contents: Published,
        *,
        only_valid: bool,
        permitted: Callable[[str], bool],
    ) -> list[StoredObject]:
        """The objects that are asked for, with the content to export. Raises `ObjectNotFound`."""
        found: dict[int, StoredObject] = {}
        for choice in drafts:
            for item in await self._objects(choice):
                # A folder stands for its drafts; who names an object means it as it is.
                if choice.type != ObjectType.FOLDER or item.is_draft:
                    found[item.id] = item
        for choice in published:
            for item in await self._objects(choice):
                content = contents.get(item.id)
                if content is not None:
                    published_item = msgspec.structs.replace(item, content=content, valid=True)
                    found.setdefault(item.id, published_item)
                elif choice.type != ObjectType.FOLDER and item.id not in found:
                    raise ObjectNotFound(f"'{item.path}' is neither deployed nor released")
        return [
            item
            for item in sorted(found.values(), key=lambda item: item.path)
            if item.content is not None and permitted(item.path) and (item.valid or not only_valid)
        ]

    async def _objects(self, choice: Choice) -> list[StoredObject]:
        if choice.type != ObjectType.FOLDER:
            return [await self._inventory.read(choice.type, choice.path)]
        found = await self._inventory.in_folder(names.normalized(choice.path), recursive=choice.recursive)
        return [item for item in found if item.type in EXTENSIONS]


def as_entries(objects: Iterable[StoredObject]) -> list[tuple[ObjectType, str, Any]]:
    """(type, path, configuration) of objects."""
    return [(item.type, item.path, decode(item.content or "null")) for item in objects]
