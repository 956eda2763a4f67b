"""Directories that an Agent watches (workflow spec 8.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class FileStamp(NamedTuple):
    """By which a change of a file is seen."""

    size: int
    modified_ns: int


class DirectoryWatch(Protocol):
    def close(self) -> None: ...


class Directories(Protocol):
    async def files(self, path: str) -> dict[str, FileStamp]:
        """Name → stamp of all regular files in the directory. Raises `OSError`."""
        ...

    def watch(self, path: str, on_change: Callable[[], None]) -> DirectoryWatch | None:
        """Have `on_change` called, in the event loop, soon after something has changed in the directory.

        None: changes cannot be told here, the directory must be looked at from time to time. Raises `OSError`.
        """
        ...
