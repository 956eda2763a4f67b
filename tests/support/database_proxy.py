"""Between a Cockpit and its PostgreSQL (both at Unix sockets): can be cut (refuses) or stand still (nothing passes)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_NAME = ".s.PGSQL.5432"


class DatabaseProxy:
    """`url` leads through it."""

    def __init__(self, url: str) -> None:
        [folder] = parse_qs(urlsplit(url).query)["host"]
        self._target = str(Path(folder) / _NAME)
        # The path of a Unix socket is short by nature.
        self._folder = Path(tempfile.mkdtemp(prefix="stellwerk-px-"))
        self.url = url.replace(folder, str(self._folder)).replace(quote(folder, safe=""), str(self._folder))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, str(self._folder / _NAME))

    async def stop(self) -> None:
        await self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def cut(self) -> None:
        """Connections break and new ones are refused, until `start`."""
        self._flows.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    def stand_still(self) -> None:
        """Nothing arrives any more, and nobody hears that it does not."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, back = await asyncio.open_unix_connection(self._target)
            self._writers |= {writer, back}
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, asyncio.CancelledError):
            pass  # a connection that breaks is what this is for
        finally:
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
            await self._flows.wait()
        finally:
            self._writers.discard(writer)
            writer.close()
