"""Processes as Linux shows them below `/proc`: who descends from whom, whose environment they carry, how to kill them.

A process is named by pid *and* start time (`ProcessId`), so that a reused pid is never mistaken for the former process;
signals go through a pidfd that has been compared with the start time.

Uses only small modules of the standard library, because `watchdog.py` runs it in a bare interpreter (hence
`namedtuple`: `typing` alone would cost a megabyte there). Knows neither asyncio nor attempts nor records.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections import namedtuple

#: A process, unmistakable until the next boot; `start_time` in clock ticks since boot.
ProcessId = namedtuple("ProcessId", "pid start_time")

#: A line of the process table. `session` is the pid of the process that has called `setsid`.
Row = namedtuple("Row", "process parent session state")

_MAXIMUM_ROUNDS = 100


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def read_row(pid: int) -> Row | None:
    """The row of one process, or None if there is none (any more). A zombie has a row."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may contain anything; after the last one follow state, ppid, pgrp, session, ...
    fields = stat[stat.rindex(b")") + 2 :].split(None, 20)
    return Row(ProcessId(pid, int(fields[19])), int(fields[1]), int(fields[3]), fields[0].decode("ascii"))


def read_environment(pid: int) -> dict[bytes, bytes]:
    """The environment a process was started with; empty if it is gone, a zombie, or not ours to read."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            data = file.readall()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    entries = (entry.partition(b"=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in entries}


class ProcessTable:
    """The process table at one moment."""

    __slots__ = ("_children", "_sessions", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._children: dict[int, list[int]] = {}
        self._sessions: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            row = read_row(int(name)) if name.isdigit() else None
            if row is not None:
                pid = row.process.pid
                self.rows[pid] = row
                self._children.setdefault(row.parent, []).append(pid)
                self._sessions.setdefault(row.session, []).append(pid)

    def contains(self, process: ProcessId) -> bool:
        row = self.rows.get(process.pid)
        return row is not None and row.process == process

    def family(self, pid: int) -> set[ProcessId]:
        """This process, the members of the session it leads, and all descendants of these; without zombies."""
        return self.families([pid, *self._sessions.get(pid, ())])

    def families(self, pids: list[int]) -> set[ProcessId]:
        """These processes and all their descendants, without zombies."""
        seen: set[int] = set()
        found = list(pids)
        while found:
            pid = found.pop()
            if pid not in seen and pid in self.rows:
                seen.add(pid)
                found += self._children.get(pid, ())
        return {self.rows[pid].process for pid in seen if self.rows[pid].state not in "ZX"}


def open_process(process: ProcessId) -> int | None:
    """A pidfd of exactly this process, or None if it is gone."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError as error:
        # EINVAL, ENOENT: the number belongs to a thread now.
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return None
        raise
    row = read_row(process.pid)
    if row is None or row.process != process:
        os.close(pidfd)
        return None
    return pidfd


def send_signal(process: ProcessId, number: signal.Signals) -> bool:
    """Signal exactly this process. False if it is gone or not ours to signal (a set-user-id program)."""
    pidfd = open_process(process)
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(pidfd)
    return True


def kill_families(leaders: set[int], others: set[ProcessId]) -> set[ProcessId]:
    """SIGSTOP to the families of the session leaders and of the other processes, then SIGKILL; returns all members.

    Stopped processes start no more children, so that the search for new members comes to an end (workflow spec 4.7),
    unless one that we must not signal goes on: it is left to the next call after `_MAXIMUM_ROUNDS`.
    """
    stopped: set[ProcessId] = set()
    for _ in range(_MAXIMUM_ROUNDS):
        table = ProcessTable()
        members = table.families([process.pid for process in others | stopped if table.contains(process)])
        for pid in leaders:
            members |= table.family(pid)
        if members <= stopped:
            break
        for process in members - stopped:
            send_signal(process, signal.SIGSTOP)
        stopped |= members
    for process in stopped:
        send_signal(process, signal.SIGKILL)
    return stopped


def wait_until_gone(processes: set[ProcessId], timeout_seconds: float) -> None:
    """Block until these processes have ended, or until one of them has not ended for `timeout_seconds`."""
    for process in processes:
        pidfd = open_process(process)
        if pidfd is not None:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            is_gone = bool(poll.poll(timeout_seconds * 1000))
            os.close(pidfd)
            if not is_gone:
                return
