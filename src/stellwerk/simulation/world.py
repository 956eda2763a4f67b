"""Clock, randomness and job processes of a simulated installation, all from one seed."""

from __future__ import annotations

import asyncio
import random

from stellwerk.effects.processes import ProcessStart
from stellwerk.simulation.loop import SimulatedLoop

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

    `starts` and `ends` hold (attempt, order id or first argument); `running` the attempts that run now.
    """

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.ends: list[str] = []
        self.running: set[str] = set()


class SimulatedProcess:
    """One job: prints a line, lasts for its time, ends with its exit code."""

    def __init__(self, owner: SimulatedProcesses, start: ProcessStart, pid: int, seconds: float, code: int) -> None:
        self._owner = owner
        self._attempt = start.attempt
        self._pid = pid
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._output: list[bytes] = [f"output of {start.attempt}\n".encode()]
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end, code)

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
        return await asyncio.shield(self._exit)

    def end(self, code: int) -> None:
        if not self._exit.done():
            self._timer.cancel()
            self._exit.set_result(code)
            self._owner.ended(self._attempt)

    def terminate(self) -> None:
        self.end(143)

    def kill(self) -> None:
        self.end(137)

    def abandon_output(self) -> None:
        self._output.clear()


class SimulatedProcesses:
    """The processes of one machine. They may survive their Agent, as real ones do, until the next start finds them."""

    def __init__(self, seeded: random.Random, witness: JobWitness) -> None:
        self._random = seeded
        self._witness = witness
        self._running: dict[str, SimulatedProcess] = {}
        self._pid = 1000

    async def start(self, start: ProcessStart) -> SimulatedProcess:
        self._pid += 1
        self._witness.starts.append(start.attempt)
        self._witness.running.add(start.attempt)
        seconds = self._random.choice((0.0, 0.01, 0.1, 1.0, 5.0)) * self._random.random()
        code = 0 if self._random.random() < 0.8 else 1
        process = SimulatedProcess(self, start, self._pid, seconds, code)
        self._running[start.attempt] = process
        return process

    def ended(self, attempt: str) -> None:
        self._running.pop(attempt, None)
        self._witness.running.discard(attempt)
        self._witness.ends.append(attempt)

    async def kill_survivors(self) -> list[str]:
        """The processes of an Agent that has crashed."""
        attempts = list(self._running)
        for process in list(self._running.values()):
            process.kill()
        return attempts

    async def close(self) -> None:
        await self.kill_survivors()
