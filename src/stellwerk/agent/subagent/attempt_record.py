"""The record of the attempts whose processes run now: what an Agent that was killed leaves for its watchdog and heirs.

One file per run of an Agent, made of slots of 128 bytes that one `pwrite` fills or clears, so that a kill at any moment
leaves whole slots. It is not synced: it must survive the Agent, not the machine, and says so by the boot id in its
first slot. The live owner holds a lock on it; so nobody takes the jobs of a running Agent for survivors.

The attempt is recorded *before* its process starts, with the pid after; a process that starts in between is found by
its environment. An attempt's slot is cleared when its process has ended and its output is closed: what a finished job
has left running on purpose (a service it has restarted) is no survivor.

Uses only small modules of the standard library, because `watchdog.py` runs it in a bare interpreter.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import namedtuple

from stellwerk.agent.subagent.process_table import boot_id

FILE_PREFIX = "running-"
SLOT_BYTES = 128
MAXIMUM_ATTEMPT_BYTES = 64
_HEADER = b"stellwerk-running 1 "
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

#: A recorded attempt. `pid` is 0 while the process is being started; it has started within the two times, which are
#: clock ticks since boot.
Entry = namedtuple("Entry", "attempt pid earliest_start latest_start")


def ticks_since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS_PER_SECOND // 1_000_000_000


class AttemptRecord:
    """The record of this run, being written."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, f"{FILE_PREFIX}{os.getpid()}-{time.time_ns()}")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._free: list[int] = []
        self._slot_count = 1
        self._write(0, _HEADER + boot_id().encode("ascii"))

    def begin(self, attempt: str) -> int:
        """Record that a process of this attempt is about to start; returns its slot. Raises `OSError`."""
        data = attempt.encode()
        if not data or len(data) > MAXIMUM_ATTEMPT_BYTES or len(data.split()) != 1:
            raise ValueError(f"an attempt is one word of at most {MAXIMUM_ATTEMPT_BYTES} bytes: {attempt!r}")
        slot = self._free[-1] if self._free else self._slot_count
        now = ticks_since_boot()
        self._write(slot, b"%s 0 %d %d" % (data, now, now))
        if self._free:
            self._free.pop()
        else:
            self._slot_count += 1
        return slot

    def started(self, slot: int, attempt: str, pid: int, earliest_start: int) -> None:
        self._write(slot, b"%s %d %d %d" % (attempt.encode(), pid, earliest_start, ticks_since_boot()))

    def end(self, slot: int) -> None:
        self._write(slot, b"")
        self._free.append(slot)

    @property
    def is_empty(self) -> bool:
        return len(self._free) == self._slot_count - 1

    def close(self) -> None:
        """Give up the file; it is removed if no attempt is recorded any more."""
        if self.is_empty:
            remove_record(self.path)
        os.close(self._descriptor)

    def _write(self, slot: int, data: bytes) -> None:
        os.pwrite(self._descriptor, data.ljust(SLOT_BYTES - 1) + b"\n", slot * SLOT_BYTES)


def read_entries(path: str) -> list[Entry]:
    """The attempts recorded in a file of an Agent that has gone; none if that was before the last boot."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    header, *lines = data.splitlines()[: len(data) // SLOT_BYTES] or [b""]
    if header.rstrip() != _HEADER + boot_id().encode("ascii"):
        return []
    fields = (line.split() for line in lines)
    return [Entry(words[0].decode(), *map(int, words[1:])) for words in fields if words]


def is_owned(path: str) -> bool:
    """Does the Agent that writes this record live?"""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_record(path: str) -> None:
    """Remove a record; watchdog and Agent may both come to do it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def record_paths(directory: str) -> list[str]:
    return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(FILE_PREFIX))
