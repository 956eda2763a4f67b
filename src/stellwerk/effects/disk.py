"""The disk a journal lives on.

Everything a journal does to files goes through `Disk`, so that the simulation can lose unsynced writes, tear them,
fill up and fail. Paths are names relative to the disk's directory, without sub-directories.
"""

from __future__ import annotations

from typing import Protocol


class DiskFullError(OSError):
    """No space left (ENOSPC, EDQUOT): nothing is known about how much of the write has arrived."""


class AppendFile(Protocol):
    """A file that only grows. After any `OSError` of `write` or `sync` it must not be used again."""

    def write(self, data: bytes) -> None:
        """Append all of `data`, or raise `DiskFullError` or another `OSError`."""
        ...

    async def sync(self) -> None:
        """Make everything written durable (`fdatasync`); raises `OSError`."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    """One directory on a disk."""

    def names(self) -> list[str]:
        """Names of the files here, in any order."""
        ...

    def size(self, name: str) -> int: ...

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes: ...

    def create(self, name: str) -> AppendFile:
        """A new empty file; an existing one of the same name is truncated."""
        ...

    def append(self, name: str, length: int) -> AppendFile:
        """An existing file to go on with: it is cut to `length` bytes, which are regarded as synced."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def remove(self, name: str) -> None: ...

    async def sync_file(self, name: str) -> None:
        """Make durable what an earlier run of the program has written to an existing file; raises `OSError`."""
        ...

    async def sync_directory(self) -> None:
        """Make creations, renames and removals durable."""
        ...

    def free_bytes(self) -> int:
        """Space left for us on the file system."""
        ...


async def replace_file(disk: Disk, name: str, content: bytes) -> None:
    """A small file gets this content as a whole or keeps the former one; durable when it returns. Raises `OSError`."""
    temporary = name + ".tmp"
    file = disk.create(temporary)
    try:
        file.write(content)
        await file.sync()
    finally:
        file.close()
    disk.rename(temporary, name)
    await disk.sync_directory()
