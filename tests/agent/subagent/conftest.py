"""Worlds for the tests of the Subagent: real processes, in asyncio's loop and in uvloop.

Tests synchronise with jobs by what these print (`READY`), by pipes' ends and by processes' ends, never by time.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from stellwerk.agent.subagent.processes import SystemProcesses, SystemRunningProcess
from stellwerk.effects.processes import ProcessStart


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test runs in both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def read_all(read: Callable[[], Awaitable[bytes]]) -> bytes:
    """Everything until the end of a pipe."""
    result = b""
    while data := await read():
        result += data
    return result


async def read_until(read: Callable[[], Awaitable[bytes]], end: bytes) -> bytes:
    """Everything up to a text that the job prints."""
    result = b""
    while not result.endswith(end):
        data = await read()
        assert data, f"the job ended after {result!r}"
        result += data
    return result


def is_alive(pid: int) -> bool:
    """Does a process with this pid live (a zombie does not)?"""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b") ")[2][:1] not in b"ZX"


class World:
    """`SystemProcesses` with short ways to start shell scripts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes = SystemProcesses(directory)
        self.attempt = 0
        self.read_all = read_all
        self.read_until = read_until
        self.is_alive = is_alive
        self.fifo = directory.parent / "fifo"

    async def start(self, *arguments: str, cwd: str | None = None, **environment: str) -> SystemRunningProcess:
        self.attempt += 1
        environment = {**os.environ, **environment}
        return await self.processes.start(ProcessStart(arguments, environment, str(self.attempt), cwd))

    async def shell(self, script: str, **environment: str) -> SystemRunningProcess:
        return await self.start("/bin/sh", "-c", script, **environment)

    async def result(self, process: SystemRunningProcess) -> tuple[int, bytes, bytes]:
        """Return code, standard output and standard error of a process that ends by itself."""
        stdout, stderr = await asyncio.gather(read_all(process.read_stdout), read_all(process.read_stderr))
        return await process.wait(), stdout, stderr

    def new_fifo(self) -> str:
        """A pipe with a name: a job that reads it waits for `feed`."""
        os.mkfifo(self.fifo)
        return str(self.fifo)

    def feed(self, text: str) -> None:
        """Blocks until the job reads."""
        self.fifo.write_text(text)

    @staticmethod
    def wait_gone(pid: int) -> None:
        """Wait until the process has ended; fails after a minute."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        is_gone = bool(poll.poll(60_000)) or not is_alive(pid)
        os.close(pidfd)
        assert is_gone, f"process {pid} still lives"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "processes")
    yield world
    await world.processes.close()
    assert list(world.directory.iterdir()) == [], "a record of running attempts is left behind"
