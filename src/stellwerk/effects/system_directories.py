"""Directories of this machine, watched with Linux' inotify: one descriptor for all of them, and no thread.

Where there is no inotify (another system, no descriptors left, a network file system that tells nothing), watchers
poll.
"""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import errno
import logging
import os
import stat
import struct
from collections.abc import Callable

from stellwerk.effects.directories import DirectoryWatch, FileStamp

logger = logging.getLogger(__name__)

_IN_NONBLOCK = 0o4000
_IN_CLOEXEC = 0o2000000
#: IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_ONLYDIR
_MASK = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x01000000
_IN_Q_OVERFLOW = 0x4000
_HEAD = struct.Struct("iIII")
_BUFFER_SIZE = 65_536


class _Watch:
    def __init__(self, inotify: _Inotify, descriptor: int, on_change: Callable[[], None]) -> None:
        self._inotify = inotify
        self.descriptor = descriptor
        self.on_change = on_change

    def close(self) -> None:
        self._inotify.remove(self)


class _Inotify:
    """The kernel's events, given to the watches that they concern."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self._fd: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._fd < 0:
            raise _os_error("inotify")
        self._watches: dict[int, list[_Watch]] = {}
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def add(self, path: str, on_change: Callable[[], None]) -> _Watch:
        descriptor: int = self._libc.inotify_add_watch(self._fd, os.fsencode(path), _MASK)
        if descriptor < 0:
            raise _os_error(path)
        watch = _Watch(self, descriptor, on_change)
        self._watches.setdefault(descriptor, []).append(watch)
        return watch

    def remove(self, watch: _Watch) -> None:
        watches = self._watches.get(watch.descriptor, [])
        if watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[watch.descriptor]
                self._libc.inotify_rm_watch(self._fd, watch.descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _BUFFER_SIZE)
        except BlockingIOError:
            return
        concerned: dict[int, None] = {}
        offset = 0
        while offset + _HEAD.size <= len(data):
            descriptor, mask, _, length = _HEAD.unpack_from(data, offset)
            offset += _HEAD.size + length
            if mask & _IN_Q_OVERFLOW:
                concerned.update(dict.fromkeys(self._watches))
            else:
                concerned[descriptor] = None
        for descriptor in concerned:
            for watch in list(self._watches.get(descriptor, ())):
                watch.on_change()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


def _os_error(path: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)


class SystemDirectories:
    """See the module. Watches belong to the running event loop."""

    def __init__(self) -> None:
        self._inotify: _Inotify | None = None
        self._is_without = False

    async def files(self, path: str) -> dict[str, FileStamp]:
        return await asyncio.get_running_loop().run_in_executor(None, _files, path)

    def watch(self, path: str, on_change: Callable[[], None]) -> DirectoryWatch | None:
        if self._is_without:
            return None
        try:
            if self._inotify is None:
                self._inotify = _Inotify()
            return self._inotify.add(path, on_change)
        except (AttributeError, OSError) as error:
            number = getattr(error, "errno", None)
            if number in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise
            # No inotify here, or no more watches for this user.
            logger.warning("Directories are polled, because the system does not tell their changes: %s", error)
            self._is_without = self._inotify is None
            return None

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None


def _files(path: str) -> dict[str, FileStamp]:
    found: dict[str, FileStamp] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # it has gone meanwhile
            if stat.S_ISREG(status.st_mode):
                found[entry.name] = FileStamp(status.st_size, status.st_mtime_ns)
    return found
