"""The real disk: one directory of the file system.

Guarantees what `effects.disk` says. Files grow in preallocated steps, so that a sync writes data only; bytes not yet
written are NUL until the file is closed. Syncs run in the event loop while they are known to be fast (below 0.3 ms), in
a thread otherwise: a hop to a thread costs as much as a fast sync (performance spec 6.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stellwerk.effects.disk import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CANNOT_PREALLOCATE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV, errno.ESPIPE)
_FIRST_STEP_BYTES = 1 << 20
_LAST_STEP_BYTES = 64 << 20

#: Above this measured time a sync goes to a thread, and back below the second one.
_SLOW_SYNC_SECONDS = 0.000_3
_FAST_SYNC_SECONDS = 0.000_2
#: A sync of more bytes than this goes to the thread and is not taken as a measure.
_BIG_SYNC_BYTES = 1 << 18


class DuplicateStartError(Exception):
    """Another process works with this directory."""


class DirectoryLock:
    """An exclusive lock (`flock`) on `NAME.lock`, with the pid of the holder inside. Ends with the process."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise DuplicateStartError(
                f"{name} is already running with the directory {directory} (process {holder or 'unknown'}). "
                "Stop that process, or start this one with another data directory."
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let others start. The file stays: removing it would race with them."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class SystemDisk:
    """`Disk` for one existing directory."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._syncs = _Syncs()

    def lock(self, name: str) -> DirectoryLock:
        """Refuse a second start (`DuplicateStartError`); to be held as long as the journal is used."""
        return DirectoryLock(self.directory, name)

    def names(self) -> list[str]:
        return os.listdir(self.directory)

    def size(self, name: str) -> int:
        return os.stat(self.directory / name).st_size

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        with open(self.directory / name, "rb", buffering=0) as file:
            if length < 0:
                file.seek(offset)
                return file.readall()
            return _read_exactly(file.fileno(), offset, length)

    def create(self, name: str) -> SystemAppendFile:
        return SystemAppendFile(self.directory / name, self._syncs)

    def append(self, name: str, length: int) -> SystemAppendFile:
        return SystemAppendFile(self.directory / name, self._syncs, length)

    def rename(self, old: str, new: str) -> None:
        os.replace(self.directory / old, self.directory / new)

    def remove(self, name: str) -> None:
        os.unlink(self.directory / name)

    async def sync_file(self, name: str) -> None:
        await self._sync_path(self.directory / name)

    async def sync_directory(self) -> None:
        await self._sync_path(self.directory)

    def free_bytes(self) -> int:
        state = os.statvfs(self.directory)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """End the thread for slow syncs."""
        self._syncs.close()

    async def _sync_path(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            await self._syncs.sync_rarely(fd)
        finally:
            os.close(fd)


class SystemAppendFile:
    """`AppendFile` with preallocation."""

    def __init__(self, path: Path, syncs: _Syncs, length: int | None = None) -> None:
        """`length` None: a new file; else an existing one, cut to so many bytes."""
        self._path = path
        self._syncs = syncs
        flags = os.O_CREAT | os.O_TRUNC if length is None else 0
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        self._position = self._synced = self._allocated = length or 0
        if length is not None:
            os.ftruncate(self._fd, length)
        self._preallocates = True
        self._sync_is_running = False

    def write(self, data: bytes) -> None:
        end = self._position + len(data)
        if end > self._allocated and self._preallocates:
            self._allocate(end)
        rest = memoryview(data)
        while rest:
            try:
                written = os.pwrite(self._fd, rest, self._position)
            except OSError as error:
                raise _disk_error(error, self._path) from error
            self._position += written
            rest = rest[written:]

    async def sync(self) -> None:
        self._sync_is_running = True
        try:
            await self._syncs.sync(self._fd, self._position - self._synced)
        except OSError as error:
            raise _disk_error(error, self._path) from error
        finally:
            self._sync_is_running = False
        self._synced = self._position

    def close(self) -> None:
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        # The preallocated rest is given back; if that fails, it stays as NUL bytes, which readers know.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, self._position)
        if not self._sync_is_running:
            os.close(fd)
        else:
            # The number must not be used again while the thread syncs it.
            self._syncs.close_later(fd)

    def _allocate(self, end: int) -> None:
        step = min(max(self._allocated, _FIRST_STEP_BYTES), _LAST_STEP_BYTES)
        size = max(self._allocated + step, end)
        try:
            os.posix_fallocate(self._fd, self._allocated, size - self._allocated)
        except OSError as error:
            if error.errno in _FULL or error.errno in _CANNOT_PREALLOCATE:
                self._preallocates = False  # there may still be room for the bytes themselves
                return
            raise _disk_error(error, self._path) from error
        self._allocated = size


class _Syncs:
    """Chooses where syncs run, by their measured time; one thread for the slow ones."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        #: Smoothed time of a small sync; the first is measured in the thread.
        self._seconds = 1.0
        self._is_slow = True

    async def sync(self, fd: int, unsynced_bytes: int) -> None:
        is_big = unsynced_bytes > _BIG_SYNC_BYTES
        if is_big or self._is_slow:
            seconds = await asyncio.get_running_loop().run_in_executor(self._thread(), _timed_fdatasync, fd)
        else:
            seconds = _timed_fdatasync(fd)
        if not is_big:
            self._seconds = seconds if self._seconds == 1.0 else 0.8 * self._seconds + 0.2 * seconds
            self._is_slow = self._seconds > (_FAST_SYNC_SECONDS if self._is_slow else _SLOW_SYNC_SECONDS)

    async def sync_rarely(self, fd: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread(), os.fsync, fd)

    def close_later(self, fd: int) -> None:
        """Close `fd` when the sync that is running in the thread has ended."""
        self._thread().submit(os.close, fd)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None

    def _thread(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "disk-sync")
        return self._executor


def _timed_fdatasync(fd: int) -> float:
    begin = time.perf_counter()
    os.fdatasync(fd)
    return time.perf_counter() - begin


def _read_exactly(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]  # a short read: at end of file, or above 2 GiB
    size = len(data)
    while size < length and (data := os.pread(fd, length - size, offset + size)):
        parts.append(data)
        size += len(data)
    return b"".join(parts)


def _disk_error(error: OSError, path: Path) -> OSError:
    kind = DiskFullError if error.errno in _FULL else OSError
    return kind(error.errno, error.strerror, str(path))
