"""A disk that forgets, tears, fills up and fails: `Disk` in memory, driven by a seeded random generator.

The model: a file is its durable bytes and a list of writes not yet synced; the directory is its durable names and a
list of operations not yet synced. A power loss keeps of them what `Keep` says. A failed sync poisons the file, as on
Linux: it must not be used again. Every operation that changes something is counted, so that a test can enumerate all
points of failure: "crash at operation n", "fail operation n with ENOSPC".

After a crash the disk refuses everything (as seen by the process that has died) until `power_up` or `kill`.
"""

from __future__ import annotations

import enum
import errno
import random
from collections.abc import Awaitable, Callable

from stellwerk.effects.disk import DiskFullError

_SECTOR = 512


class Keep(enum.Enum):
    """What a power loss leaves of that which was not synced."""

    NOTHING = "nothing"
    ALL = "all"
    #: A prefix of the unsynced bytes, cut at any byte; a prefix of the directory operations.
    PREFIX = "prefix"
    #: Any sectors of the unsynced bytes, NUL where they are missing; a prefix of the directory operations.
    SECTORS = "sectors"


class CrashForm(enum.Enum):
    """How far the operation gets at which the power fails."""

    BEFORE = "before"
    #: A write is cut at a random byte; other operations do not happen.
    TORN = "torn"
    #: Done, but (unless it is itself a sync) not synced.
    AFTER = "after"


class _Inode:
    """One file: what is durable, and what only the page cache has."""

    def __init__(self) -> None:
        self.durable = b""
        self.unsynced: list[bytes] = []
        self.poisoned = False

    def content(self) -> bytes:
        return self.durable + b"".join(self.unsynced)

    def size(self) -> int:
        return len(self.durable) + sum(map(len, self.unsynced))

    def sync(self) -> None:
        self.durable = self.content()
        self.unsynced = []


class SimulatedAppendFile:
    """`AppendFile` of a `SimulatedDisk`."""

    def __init__(self, disk: SimulatedDisk, name: str, inode: _Inode) -> None:
        self._disk = disk
        self._name = name
        self._inode = inode
        self._life = disk.life
        self._is_broken = False
        self._is_closed = False

    def write(self, data: bytes) -> None:
        self._begin()
        try:
            self._disk.perform("write", self._name, lambda: self._write(data), lambda: self._write_torn(data))
        except OSError:
            self._is_broken = True
            raise

    async def sync(self) -> None:
        self._begin()
        if self._disk.sync_gate is not None:
            await self._disk.sync_gate()
        try:
            self._disk.perform("sync", self._name, self._inode.sync)
        except OSError:
            self._inode.poisoned = not self._disk.is_dead
            raise

    def close(self) -> None:
        """Closing neither syncs nor fails; using the file afterwards is a bug."""
        self._is_closed = True

    def _begin(self) -> None:
        self._disk.check_alive(self._life)
        if self._is_broken or self._is_closed or self._inode.poisoned:
            raise AssertionError(f"{self._name} is used again after a failed write or sync, or after its end")

    def _write(self, data: bytes) -> None:
        room = self._disk.free_bytes()
        if len(data) > room:
            self._inode.unsynced.append(data[:room])
            raise DiskFullError(errno.ENOSPC, "No space left on device", self._name)
        self._inode.unsynced.append(data)

    def _write_torn(self, data: bytes) -> None:
        self._inode.unsynced.append(data[: self._disk.random.randrange(len(data))])


class SimulatedDisk:
    """One directory. `capacity` in bytes; `random` makes every choice, so a seed repeats a run."""

    def __init__(self, random_: random.Random | None = None, capacity: int = 1 << 40) -> None:
        self.random = random_ if random_ is not None else random.Random(0)
        self.capacity = capacity
        #: Operations so far: (kind, name), kind being write, sync, create, cut, rename, remove, sync_file or
        #: sync_directory.
        self.operations: list[tuple[str, str]] = []
        #: Errors to raise, by number of operation (the first is 0), instead of performing it.
        self.errors: dict[int, OSError] = {}
        #: The power fails at this operation, in this form.
        self.crash_at: tuple[int, CrashForm] | None = None
        #: Awaited by each sync before it takes effect: a slow disk.
        self.sync_gate: Callable[[], Awaitable[None]] | None = None
        #: Called when the power fails at `crash_at`: the program must not get any further.
        self.on_crash: Callable[[], None] | None = None
        self.life = 0
        self.is_dead = False
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._unsynced_changes: list[Callable[[dict[str, _Inode]], None]] = []

    # --- Disk

    def names(self) -> list[str]:
        self.check_alive()
        return list(self._names)

    def size(self, name: str) -> int:
        return self._inode(name).size()

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        content = self._inode(name).content()
        return content[offset:] if length < 0 else content[offset : offset + length]

    def create(self, name: str) -> SimulatedAppendFile:
        inode = _Inode()
        self._change("create", name, lambda names: names.__setitem__(name, inode))
        return SimulatedAppendFile(self, name, inode)

    def append(self, name: str, length: int) -> SimulatedAppendFile:
        inode = self._inode(name)

        def cut() -> None:
            content = inode.content()
            if len(content) != length:
                inode.durable, inode.unsynced = content[:length], []

        self.perform("cut", name, cut)
        return SimulatedAppendFile(self, name, inode)

    def rename(self, old: str, new: str) -> None:
        self._inode(old)
        self._change("rename", new, lambda names: names.__setitem__(new, names.pop(old)))

    def remove(self, name: str) -> None:
        self._inode(name)
        self._change("remove", name, lambda names: names.__delitem__(name))

    async def sync_file(self, name: str) -> None:
        inode = self._inode(name)
        if inode.poisoned:
            raise OSError(errno.EIO, "Input/output error", name)
        self.perform("sync_file", name, inode.sync)

    async def sync_directory(self) -> None:
        self.check_alive()
        self.perform("sync_directory", "", self._sync_directory)

    def free_bytes(self) -> int:
        return max(0, self.capacity - sum(inode.size() for inode in self._names.values()))

    # --- faults

    def power_up(self, keep: Keep = Keep.NOTHING) -> None:
        """The power failed (now or at `crash_at`): what was not synced is lost as `keep` says; a new life begins."""
        changes = self._unsynced_changes
        count = {Keep.NOTHING: 0, Keep.ALL: len(changes)}.get(keep, self.random.randint(0, len(changes)))
        names = dict(self._durable_names)
        for change in changes[:count]:
            change(names)
        for inode in {id(inode): inode for inode in names.values()}.values():
            inode.durable += self._surviving(b"".join(inode.unsynced), keep)
            inode.unsynced = []
            inode.poisoned = False
        self._names = names
        self._durable_names = dict(names)
        self._unsynced_changes = []
        self._new_life()

    def kill(self) -> None:
        """Only the process has died: the page cache keeps everything, still not synced; a new life begins."""
        self._new_life()

    def overwrite(self, name: str, content: bytes) -> None:
        """Damage a file behind everyone's back; durable at once."""
        inode = self._names[name]
        inode.durable, inode.unsynced = content, []

    def check_alive(self, life: int | None = None) -> None:
        if self.is_dead or (life is not None and life != self.life):
            raise OSError(errno.EIO, "the power has failed")

    def perform(self, kind: str, name: str, do: Callable[[], None], do_torn: Callable[[], None] = lambda: None) -> None:
        """Count an operation and do it, fail it or crash in it."""
        self.check_alive()
        number = len(self.operations)
        self.operations.append((kind, name))
        if number in self.errors:
            raise self.errors[number]
        if self.crash_at is not None and self.crash_at[0] == number:
            form = self.crash_at[1]
            if form is CrashForm.TORN:
                do_torn()
            elif form is CrashForm.AFTER:
                do()
            self.is_dead = True
            if self.on_crash is not None:
                self.on_crash()
            self.check_alive()
        do()

    def _change(self, kind: str, name: str, change: Callable[[dict[str, _Inode]], None]) -> None:
        def do() -> None:
            change(self._names)
            self._unsynced_changes.append(change)

        self.check_alive()
        self.perform(kind, name, do)

    def _sync_directory(self) -> None:
        self._durable_names = dict(self._names)
        self._unsynced_changes = []

    def _inode(self, name: str) -> _Inode:
        self.check_alive()
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        return self._names[name]

    def _surviving(self, unsynced: bytes, keep: Keep) -> bytes:
        if keep is Keep.NOTHING:
            return b""
        if keep is Keep.ALL:
            return unsynced
        if keep is Keep.PREFIX:
            return unsynced[: self.random.randint(0, len(unsynced))]
        sectors = [unsynced[at : at + _SECTOR] for at in range(0, len(unsynced), _SECTOR)]
        return b"".join(sector if self.random.random() < 0.5 else bytes(len(sector)) for sector in sectors)

    def _new_life(self) -> None:
        self.life += 1
        self.is_dead = False
        self.crash_at = None
        self.errors = {}
