"""Clock, randomness and job processes of a simulated installation, all from one seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from stellwerk.agent.subagent.subagent import SELF_MADE
from stellwerk.effects.directories import FileStamp
from stellwerk.effects.processes import LeaseExpiredError, ProcessStart
from stellwerk.simulation.loop import Call, SimulatedLoop

#: The wall clock at the beginning of each simulation: 2026-01-01T00:00:00Z.
START_MS = 1_767_225_600_000


class SimulatedClock:
    """The wall clock of a machine: the loop's virtual time, plus an offset that a test may set."""

    def __init__(self, loop: SimulatedLoop, offset_ms: int = 0) -> None:
        self._loop = loop
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        return START_MS + self.offset_ms + int(self._loop.time() * 1000)

    def zone(self) -> str:
        return "UTC"


class SeededRandom:
    """Randomness that is the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def token_bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)


class JobWitness:
    """What the jobs of a simulation themselves saw: outside of every component, like a file that jobs write to.

    Jobs tell it the order for which they run (environment variable `ORDER`). What must never be is in `violations`.
    """

    def __init__(self) -> None:
        #: (Agent, attempt) in the order of the starts.
        self.starts: list[tuple[str, str]] = []
        #: The same for those that ended by themselves, not by a signal.
        self.ends: list[tuple[str, str]] = []
        #: Orders of which a job ended so whose attempt the Subagent has named.
        self.ended_unnamed: set[str] = set()
        #: Order → its running attempt.
        self.running: dict[str, tuple[str, str]] = {}
        #: How often a job of an order has begun.
        self.tries: dict[str, int] = {}
        self.violations: list[str] = []

    def begins(self, key: tuple[str, str], order_id: str, step: str) -> int:
        """A job has begun; returns how often it has by now."""
        if key in self.starts:
            self.violations.append(f"attempt {key} of {order_id} was started twice")
        if order_id in self.running:
            self.violations.append(f"attempts {self.running[order_id]} and {key} of {order_id} overlap")
        self.starts.append(key)
        self.running[order_id] = key
        count = self.tries[step] = self.tries.get(step, 0) + 1
        return count

    def ended(self, key: tuple[str, str], order_id: str, by_itself: bool) -> None:
        if self.running.get(order_id) == key:
            del self.running[order_id]
        if by_itself:
            self.ends.append(key)
            if key[1].startswith(SELF_MADE):
                self.ended_unnamed.add(order_id)


#: A job that drags on lasts so many times as long.
_DRAG = 40


class JobScript(msgspec.Struct, frozen=True):
    """What a job of a simulation does; its JSON is the text of the script after `#!`."""

    #: It lasts up to that long; or it drags on, longer than nodes wait for each other.
    seconds: float = 0.2
    #: It fails so many times, then succeeds.
    failures: int = 0
    #: It does not end on SIGTERM.
    is_stubborn: bool = False


_decode_script = msgspec.json.Decoder(JobScript).decode


class SimulatedProcess:
    """One job: prints a line, lasts for its time, ends with its exit code."""

    def __init__(self, owner: SimulatedProcesses, start: ProcessStart, pid: int, script: JobScript) -> None:
        self._owner = owner
        self._pid = pid
        self.key = (owner.name, start.attempt)
        self.order_id = start.environment["ORDER"]
        self.is_lost = False
        self._is_stubborn = script.is_stubborn
        count = owner.witness.begins(self.key, self.order_id, f"{self.order_id} {start.environment['STEP']}")
        self._exit: asyncio.Future[int] = owner.loop.create_future()
        self._output: list[bytes] = [f"try {count} of {self.order_id}\n".encode()]
        code = 1 if count <= script.failures else 0
        seconds = script.seconds * owner.random.random() * (_DRAG if owner.random.random() < owner.dragging else 1)
        self._timer = owner.loop.later(seconds, self._end, code, True)

    @property
    def pid(self) -> int:
        return self._pid

    async def read_stdout(self) -> bytes:
        if self._output:
            return self._output.pop(0)
        await asyncio.wait([self._exit])
        return b""

    async def read_stderr(self) -> bytes:
        await asyncio.wait([self._exit])
        return b""

    async def wait(self) -> int:
        await asyncio.wait([self._exit])
        return self._exit.result()

    def _end(self, code: int, by_itself: bool) -> None:
        if not self._exit.done():
            self._timer.cancel()
            self._owner.ended(self, by_itself)
            self._exit.set_result(code)

    def terminate(self) -> None:
        if not self._is_stubborn:
            self._owner.loop.later(0.001, self._end, 143, False)

    def kill(self) -> None:
        self._end(137, False)

    def abandon_output(self) -> None:
        self._output.clear()


class SimulatedProcesses:
    """The processes of one machine. They may survive their Agent, as real ones do, until the next start finds them.

    `dragging`: the share of jobs that drag on.
    """

    def __init__(
        self, name: str, loop: SimulatedLoop, seeded: random.Random, witness: JobWitness, dragging: float
    ) -> None:
        self.name = name
        self.dragging = dragging
        self.loop = loop
        self.random = seeded
        self.witness = witness
        self._running: dict[tuple[str, str], SimulatedProcess] = {}
        self._pid = 1000
        self._leased_until: float | None = None
        self._watchdog: Call | None = None

    async def start(self, start: ProcessStart) -> SimulatedProcess:
        if self._has_expired:
            raise LeaseExpiredError
        self._pid += 1
        script = _decode_script(Path(start.arguments[-1]).read_bytes().partition(b"\n")[2])  # noqa: ASYNC240
        process = SimulatedProcess(self, start, self._pid, script)
        self._running[process.key] = process
        return process

    def ended(self, process: SimulatedProcess, by_itself: bool) -> None:
        self._running.pop(process.key, None)
        self.witness.ended(process.key, process.order_id, by_itself)

    @property
    def _has_expired(self) -> bool:
        return self._leased_until is not None and self.loop.now_seconds >= self._leased_until

    def lease(self, until: float | None) -> None:
        """The watchdog is no part of the Agent's life: it does not stand still with it."""
        if self._has_expired:
            self._lose_all()
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._leased_until = until
        self._watchdog = None
        if until is not None:
            self._watchdog = self.loop.later(max(0.0, until - self.loop.now_seconds), self._lose_all)

    def _lose_all(self) -> None:
        for process in list(self._running.values()):
            process.is_lost = True
        self.kill_all()

    def begin_run(self) -> None:
        """The Agent is started: its watchdog is a new one."""
        self.lease(None)

    async def kill_survivors(self) -> list[str]:
        """The processes of an Agent that has crashed."""
        attempts = [attempt for _, attempt in self._running]
        self.kill_all()
        return attempts

    def kill_all(self) -> None:
        """The power fails, or the watchdog has seen the Agent's end."""
        for process in list(self._running.values()):
            process.kill()

    async def close(self) -> None:
        self.kill_all()


class SimulatedDirectories:
    """Directories of a machine that lie in memory. Changes are not told: watchers poll."""

    def __init__(self) -> None:
        #: Directory → name → stamp.
        self.contents: dict[str, dict[str, FileStamp]] = {}

    async def files(self, path: str) -> dict[str, FileStamp]:
        if path not in self.contents:
            raise FileNotFoundError(2, "No such directory", path)
        return dict(self.contents[path])

    def watch(self, path: str, on_change: Callable[[], None]) -> None:
        return None
