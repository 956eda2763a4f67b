"""Folders of files in the data folder of this Cockpit: `repositories/<category>/<top folder>/…`.

A top folder of the inventory has a working copy in each category: `local` for what belongs to an environment, `rollout`
for what goes from one environment to the next. A file lies where its object lies, named as in archives.

Nothing is read or written outside: names follow the rules of the inventory, and links are refused, wherever they come
from. All functions block: call them in a thread.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.archives import Entry
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.archive_objects import EXTENSIONS

FOLDER = "repositories"
#: A file that is larger is no inventory object.
MAXIMUM_BYTES = 16 << 20
_SUFFIXES = tuple(EXTENSIONS.values())


class Category(StrEnum):
    """The values of `category` in requests; the folder has the name in lower case."""

    LOCAL = "LOCAL"
    ROLLOUT = "ROLLOUT"


class Listed(msgspec.Struct, frozen=True):
    """A file of an object: its path within the category, and when it was changed."""

    name: str
    modified_ms: int


class WorkingCopies:
    """All working copies of one Cockpit."""

    def __init__(self, data: Path) -> None:
        self._root = data / FOLDER

    def folder(self, category: Category, path: str) -> Path:
        """The working copy in which a path of the inventory lies, whether it exists or not. Raises `BadRequest`."""
        top = top_folder(path)
        return self._root / category.lower() / top

    def existing(self, category: Category, path: str) -> Path:
        """The same; raises `ObjectNotFound` if there is none."""
        folder = self.folder(category, path)
        if not folder.is_dir():
            raise ObjectNotFound(f"Couldn't find a {category.lower()} repository of the folder '/{top_folder(path)}'")
        return self._confined(folder)

    def prepare(self, category: Category, path: str) -> Path:
        """The place of a new working copy. Raises `BadRequest` if there is one already."""
        folder = self.folder(category, path)
        if folder.exists() and any(folder.iterdir()):
            raise BadRequest(f"there is a {category.lower()} repository of the folder '/{top_folder(path)}' already")
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self, path: str) -> None:
        """The working copies of a top folder, with everything in them."""
        for category in Category:
            folder = self.folder(category, path)
            if folder.is_dir():
                shutil.rmtree(self._confined(folder))

    # --- files --------------------------------------------------------------------------------------------------------

    def write(self, category: Category, entries: Iterable[Entry]) -> None:
        """Files, named by their paths as in archives; folders come into being."""
        for entry in entries:
            file = self._file(category, entry.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            self._confined(file.parent)
            if file.is_symlink():
                raise BadRequest(f"'{entry.name}' is a link in the repository: nothing is written through it")
            draft = file.with_name(f".{file.name}.draft")
            draft.unlink(missing_ok=True)
            draft.write_bytes(entry.data)
            os.replace(draft, file)

    def delete(self, category: Category, names_: Iterable[str]) -> None:
        for name in names_:
            file = self._file(category, name)
            self._confined(file.parent)
            file.unlink(missing_ok=True)

    def read(self, category: Category, name: str) -> Entry:
        """One file. Raises `ObjectNotFound`."""
        file = self._file(category, name)
        try:
            with os.fdopen(
                os.open(self._confined(file.parent) / file.name, os.O_RDONLY | os.O_NOFOLLOW), "rb"
            ) as opened:
                data = opened.read(MAXIMUM_BYTES + 1)
        except OSError:
            raise ObjectNotFound(f"Couldn't find '{name}' in the {category.lower()} repository") from None
        if len(data) > MAXIMUM_BYTES:
            raise BadRequest(f"'{name}' is larger than {MAXIMUM_BYTES} bytes")
        return Entry(name, data)

    def list(self, category: Category, path: str, *, recursive: bool) -> list[Listed]:
        """The files of inventory objects in a folder; nothing if there is none."""
        top = self.folder(category, path)
        start = top.joinpath(*names.normalized(path).split("/")[2:])
        if not start.is_dir():
            return []
        base = self._root / category.lower()
        return sorted(
            (
                Listed(str(file.relative_to(base)), file.stat().st_mtime_ns // 1_000_000)
                for file in _files(self._confined(start), recursive=recursive)
            ),
            key=lambda listed: listed.name,
        )

    def _file(self, category: Category, name: str) -> Path:
        fault = names.path_fault(name)
        if fault is not None or name.count("/") < 1 or not name.endswith(_SUFFIXES):
            raise BadRequest(f"'{name}' cannot be in a repository: {fault or 'it lies in no folder'}")
        return self._root / category.lower() / name

    def _confined(self, path: Path) -> Path:
        """The path; raises `BadRequest` if links lead elsewhere."""
        root = self._root.resolve()
        if path.resolve() != root / path.relative_to(self._root):
            raise BadRequest(f"'{path.relative_to(self._root)}' is, or lies behind, a link: it is not used")
        return path


def top_folder(path: str) -> str:
    """The name of the top folder in which a path of the inventory lies. Raises `BadRequest`."""
    path = names.normalized(path)
    fault = names.path_fault(path) if path != "/" else "the root folder has no repository; name a folder in it"
    if fault is not None:
        raise BadRequest(f"folder {path!r}: {fault}")
    return path.split("/")[1]


def _files(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.is_symlink() or names.path_fault(file.name) is not None:
            continue  # `.git` begins with a dot
        if file.is_dir():
            if recursive:
                yield from _files(file, recursive=True)
        elif file.name.endswith(_SUFFIXES):
            yield file
