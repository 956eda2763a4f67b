"""Warm worker processes for InternalExecutable jobs: see `stellwerk.agent.worker` for what they do (workflow spec 4.2).

A worker runs one job at a time and is used again, so that imports and connections stay warm. Killing a job kills its
worker; a worker that dies fails its order only, and the next job gets another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.effects.processes import Processes, ProcessStart, RunningProcess
from stellwerk.values.json import encode

#: Idle workers that are kept.
MAXIMUM_IDLE = 4
#: Longest answer of a worker.
_MAXIMUM_ANSWER_BYTES = 16 << 20
_START_SECONDS = 30.0


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    #: Where the Agent's own Python modules are; None: nowhere.
    python_directory: Path | None = None
    #: May modules be used that are not in that directory?
    allows_installed_modules: bool = False


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do."""

    function: str
    arguments: dict[str, Any]
    #: The order's, for parameters that are not among the arguments.
    variables: dict[str, Any]
    environment: dict[str, str]


class WorkerPool:
    """The workers of one Subagent."""

    def __init__(self, processes: Processes, settings: WorkerSettings) -> None:
        self._processes = processes
        self._settings = settings
        self._idle: list[_Worker] = []
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._directory = ""
        self._connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._starting = asyncio.Lock()

    async def call(self, request: CallRequest, environment: Mapping[str, str]) -> WorkerCall:
        """Begin a call on an idle worker, or on a new one. Raises `OSError` when no worker can be started."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return WorkerCall(self, worker, request)
        return WorkerCall(self, await self._start(environment), request)

    async def _start(self, environment: Mapping[str, str]) -> _Worker:
        # One after the other, so that each connection is that of the worker just started.
        async with self._starting:
            path = await self._listen()
            settings = self._settings
            directory = "" if settings.python_directory is None else str(settings.python_directory)
            process = await self._processes.start(
                ProcessStart(
                    [
                        sys.executable,
                        "-m",
                        "stellwerk.agent.worker",
                        path,
                        directory,
                        "all" if settings.allows_installed_modules else "own",
                    ],
                    environment,
                    f"worker-{next(self._numbers)}",
                )
            )
            connected = asyncio.ensure_future(self._connected.get())
            ended = asyncio.ensure_future(process.wait())
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await asyncio.wait({connected, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not connected.done():
                    raise OSError("the Python worker has ended while it started")
                reader, writer = connected.result()
            except BaseException:
                process.kill()
                process.abandon_output()
                raise
            finally:
                # A getter that is left would take the connection of the next worker.
                connected.cancel()
                ended.cancel()
            return _Worker(process, reader, writer)

    async def _listen(self) -> str:
        if self._server is None:
            self._directory = tempfile.mkdtemp(prefix="stellwerk-")
            self._server = await asyncio.start_unix_server(
                self._on_connected, f"{self._directory}/worker", limit=_MAXIMUM_ANSWER_BYTES
            )
        return f"{self._directory}/worker"

    def _on_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected.put_nowait((reader, writer))

    def give_back(self, worker: _Worker) -> None:
        if worker.is_alive and len(self._idle) < MAXIMUM_IDLE:
            self._idle.append(worker)
        else:
            worker.end()

    async def close(self) -> None:
        """End the idle workers; calls must have ended."""
        for worker in self._idle:
            worker.end()
        self._idle.clear()
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                shutil.rmtree(self._directory)
            self._server = None


class _Worker:
    def __init__(self, process: RunningProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer
        self.is_alive = True
        #: Read behind the marker: belongs to the next call.
        self.left: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def end(self) -> None:
        self.is_alive = False
        self.writer.close()
        self.process.kill()
        self.process.abandon_output()


class WorkerCall:
    """One call, in the clothes of a process: its output ends at the marker, its return code is 0 or 1."""

    def __init__(self, pool: WorkerPool, worker: _Worker, request: CallRequest) -> None:
        self._pool = pool
        self._worker = worker
        self._marker = f"\n\x1estellwerk-{id(self):x}-{next(_MARKERS)}\x1e\n"
        self._answer: asyncio.Task[tuple[int, dict[str, Any], str]] = asyncio.ensure_future(self._exchange(request))
        self._open_channels = {"stdout", "stderr"}
        self.values: dict[str, Any] = {}
        #: Why the call failed; empty if it did not, or if the worker died.
        self.error = ""

    @property
    def pid(self) -> int:
        return self._worker.process.pid

    @property
    def is_lost(self) -> bool:
        return self._worker.process.is_lost

    async def _exchange(self, request: CallRequest) -> tuple[int, dict[str, Any], str]:
        worker = self._worker
        message = {**msgspec.to_builtins(request), "marker": self._marker}
        try:
            worker.writer.write(encode(message) + b"\n")
            await worker.writer.drain()
            line = await worker.reader.readline()
        except (OSError, ValueError):
            line = b""
        if not line:
            worker.is_alive = False
            return await worker.process.wait(), {}, ""
        answer = msgspec.json.decode(line)
        error = answer.get("error", "")
        return (1 if error else 0), answer.get("values", {}), error

    async def read_stdout(self) -> bytes:
        return await self._read("stdout", self._worker.process.read_stdout)

    async def read_stderr(self) -> bytes:
        return await self._read("stderr", self._worker.process.read_stderr)

    async def _read(self, channel: str, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """Up to the marker. What may be the beginning of a marker is kept until more is known."""
        if channel not in self._open_channels:
            return b""
        worker, marker = self._worker, self._marker.encode("ascii")
        while True:
            data = worker.left[channel]
            found = data.find(marker)
            if found >= 0:
                worker.left[channel] = data[found + len(marker) :]
                self._open_channels.discard(channel)
                return data[:found]
            keep = _possible_beginning(data, marker)
            if len(data) > keep:
                worker.left[channel] = data[len(data) - keep :] if keep else b""
                return data[: len(data) - keep]
            more = await read()
            if not more:
                worker.is_alive = False
                worker.left[channel] = b""
                self._open_channels.discard(channel)
                return data
            worker.left[channel] = data + more

    async def wait(self) -> int:
        """Until the callable has returned, or the worker has died."""
        code, self.values, self.error = await asyncio.shield(self._answer)
        return code

    def terminate(self) -> None:
        self._worker.process.terminate()

    def kill(self) -> None:
        if not self._answer.done():
            self._worker.is_alive = False
            self._worker.process.kill()

    def abandon_output(self) -> None:
        if self._open_channels:
            self._worker.is_alive = False
            self._worker.process.abandon_output()

    def release(self) -> None:
        """The call has ended; the worker may be used again, unless something of it is still open."""
        if not self._answer.done() or self._open_channels:
            self._answer.cancel()
            self._worker.end()
        else:
            self._pool.give_back(self._worker)


_MARKERS = itertools.count(1)


def _possible_beginning(data: bytes, marker: bytes) -> int:
    """How many of the last bytes could be the beginning of the marker."""
    for length in range(min(len(data), len(marker) - 1), 0, -1):
        if marker.startswith(data[-length:]):
            return length
    return 0
