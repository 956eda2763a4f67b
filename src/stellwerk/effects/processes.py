"""Operating system processes, as a Subagent starts and watches them (workflow spec 4; journal spec 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class ProcessStart(msgspec.Struct, frozen=True):
    """What to start.

    `attempt` is the event id of `OrderProcessingStarted` as text, unique per Agent; it is exported as
    `STELLWERK_ATTEMPT`, by which survivors of a crash are found.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    attempt: str
    working_directory: str | None = None


class LeaseExpiredError(Exception):
    """No process may be started any more: the lease has run out (`Processes.lease`)."""


class RunningProcess(Protocol):
    """One started process. Its two pipes are read with back-pressure: not reading lets the job block."""

    @property
    def pid(self) -> int: ...

    @property
    def is_lost(self) -> bool:
        """Has it been killed because its lease had run out?"""
        ...

    async def read_stdout(self) -> bytes:
        """The next bytes; `b""` at the end. A cancelled read loses nothing."""
        ...

    async def read_stderr(self) -> bytes: ...

    async def wait(self) -> int:
        """The exit code; 128 + n when killed by signal n. Does not wait for the pipes."""
        ...

    def terminate(self) -> None:
        """SIGTERM to the process itself; harmless when it has ended."""
        ...

    def kill(self) -> None:
        """SIGSTOP to the process and all descendants, then SIGKILL to all of them; harmless when ended.

        Descendants are those found now and those remembered at `terminate`.
        """
        ...

    def abandon_output(self) -> None:
        """Stop reading the pipes (after SIGKILL, when descendants outside our reach keep them open)."""
        ...


class Processes(Protocol):
    async def start(self, start: ProcessStart) -> RunningProcess:
        """Start a process in a session of its own, standard input empty.

        Raises `OSError` when it could not be started (file not found, not executable, EAGAIN, ...) and
        `LeaseExpiredError`; then no process exists.
        """
        ...

    def lease(self, until: float | None) -> None:
        """All processes, present and future ones, may run until then only; None, as in the beginning: without limit.

        `until` in seconds of the monotonic clock, as `loop.time()`. Whoever does not come back in time with a later
        one finds them killed, also if it stood still meanwhile or could not be scheduled.
        """
        ...

    async def kill_survivors(self) -> list[str]:
        """Find processes of earlier runs of this Agent, kill them with their descendants, wait until they are gone.

        Returns their attempts. Called once before orders are recovered.
        """
        ...

    async def close(self) -> None:
        """Kill everything still running and release resources."""
        ...
