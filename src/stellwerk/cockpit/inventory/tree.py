"""The inventory as a tree that is opened folder by folder: what lies below each folder, counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stellwerk.cockpit.inventory import names


class FolderCount(msgspec.Struct, frozen=True, rename="camel"):
    """Of the objects in one folder, or in it and below it: all, those not published as they are, those not valid."""

    objects: int = 0
    drafts: int = 0
    invalid: int = 0

    def __add__(self, other: FolderCount) -> FolderCount:
        return FolderCount(self.objects + other.objects, self.drafts + other.drafts, self.invalid + other.invalid)


class TreeFolder(msgspec.Struct, frozen=True, rename="camel"):
    """One folder with the counts of all that lies in it and below it."""

    path: str
    name: str
    count: FolderCount
    has_folders: bool


def folders_in(parent: str, folders: Iterable[tuple[str, FolderCount]]) -> list[TreeFolder]:
    """The folders directly in `parent`, from all that may be seen: each path with the count of what lies in it."""
    counts: dict[str, FolderCount] = {}
    with_folders: set[str] = set()
    prefix = "/" if parent == "/" else parent + "/"
    for path, count in folders:
        if path == "/" or not path.startswith(prefix):
            continue
        top, _, rest = path[len(prefix) :].partition("/")
        child = prefix + top
        counts[child] = counts.get(child, FolderCount()) + count
        if rest:
            with_folders.add(child)
    return [
        TreeFolder(path, names.name_of(path), count, path in with_folders) for path, count in sorted(counts.items())
    ]
