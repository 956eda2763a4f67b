"""Starts the components of an installation as processes, each in a session of its own, and stops them.

A component that ends by itself, or is killed, is noted and left alone (or started again with `supervise`). When this
process dies, the components notice the end of their life pipe and stop themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.cli.installation import process_start_time, running_process
from stellwerk.cli.lifeline import LIFE, READY
from stellwerk.cli.output import CommandError

READY_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0
RESTART_PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)


@dataclass
class Component:
    """One component: how to start it, and its process while there is one."""

    name: str
    folder: Path
    arguments: list[str]
    url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    life: int | None = None
    restarts: int = 0

    @property
    def command(self) -> list[str]:
        """What starts this component by hand, on the same data, port and identity."""
        return [sys.executable, "-m", "stellwerk.cli", *self.arguments]

    @property
    def log(self) -> Path:
        return self.folder / "logs" / f"{self.name}.log"


class Supervisor:
    """The processes of one `up`."""

    def __init__(self, components: list[Component], *, supervise: bool, say: Callable[[str], None]) -> None:
        self.components = components
        self._supervise = supervise
        self._say = say
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all at once; returns when each is ready. Raises `CommandError` naming the one that is not."""
        results = await asyncio.gather(*(self._start(item) for item in self.components), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _start(self, component: Component) -> dict[str, Any]:
        component.log.parent.mkdir(parents=True, exist_ok=True)
        ready_read, ready_write = os.pipe()
        life_read, life_write = os.pipe()
        environment = {**os.environ, **component.environment, READY: str(ready_write), LIFE: str(life_read)}
        try:
            with component.log.open("ab") as log:
                component.process = subprocess.Popen(  # noqa: ASYNC220 (vfork: done in a millisecond)
                    component.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    pass_fds=(ready_write, life_read),
                    start_new_session=True,
                )
        finally:
            os.close(ready_write)
            os.close(life_read)
        if component.life is not None:
            os.close(component.life)
        component.life = life_write
        line = await _read_line(ready_read, READY_TIMEOUT_SECONDS)
        if line is None:
            await asyncio.to_thread(_wait, component.process, 1.0)
            raise CommandError(f"{component.name} did not start:\n{_tail(component.log)}", f"see {component.log}")
        task = asyncio.create_task(self._watch(component, component.process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ready: dict[str, Any] = msgspec.json.decode(line)
        return ready

    async def _watch(self, component: Component, process: subprocess.Popen[bytes]) -> None:
        await _ended(process)
        if self._is_stopping:
            return
        code = process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        again = " ".join(component.command)
        if not self._supervise:
            self._say(f"{component.name} {how}. Start it again with: {again}")
            return
        pause = RESTART_PAUSES_SECONDS[min(component.restarts, len(RESTART_PAUSES_SECONDS) - 1)]
        component.restarts += 1
        self._say(f"{component.name} {how}; it is started again in {pause} s")
        await asyncio.sleep(pause)
        if not self._is_stopping:
            try:
                await self._start(component)
            except CommandError as error:
                self._say(str(error))

    async def stop(self) -> None:
        """SIGTERM to all components, also to those that were started again by hand; SIGKILL after a while."""
        self._is_stopping = True
        for task in list(self._tasks):
            task.cancel()
        pids: dict[int, str | None] = {}
        for component in self.components:
            if component.process is not None and component.process.poll() is None:
                pids[component.process.pid] = process_start_time(component.process.pid)
            by_hand = running_process(component.folder)
            if by_hand is not None:
                pids[by_hand[0]] = by_hand[1]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        remaining = dict(pids)
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_SECONDS
        while remaining and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            for component in self.components:
                if component.process is not None:
                    component.process.poll()
            remaining = {pid: start for pid, start in remaining.items() if process_start_time(pid) == start}
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for component in self.components:
            if component.process is not None:
                component.process.wait()
            if component.life is not None:
                os.close(component.life)
                component.life = None


async def _read_line(descriptor: int, timeout_seconds: float) -> bytes | None:
    """The first line from a pipe; None at its end or after the timeout. Closes the descriptor."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    try:
        line = await asyncio.wait_for(reader.readline(), timeout_seconds)
    except TimeoutError:
        return None
    finally:
        transport.close()
    return line if line.endswith(b"\n") else None


async def _ended(process: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(process.pid)
    ended = loop.create_future()

    def readable() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, readable)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    process.wait()


def _wait(process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout_seconds)


def _tail(file: Path, lines: int = 12) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
    return ""
