"""One output pipe of a job, read through the event loop with back-pressure.

The loop watches the pipe only while somebody waits in `read`; otherwise the kernel's buffer fills up and the job
blocks in write(2). Each `read` takes one turn of the loop, so that a chatty job does not starve the others.
Works in asyncio's loop and in uvloop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

#: The capacity of a Linux pipe.
_READ_BYTES = 65_536


class OutputPipe:
    """The read end. `on_closed` is called once, at the end of file or when abandoned."""

    __slots__ = ("_descriptor", "_loop", "_on_closed", "_waiter")

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop, on_closed: Callable[[], None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = loop
        self._on_closed = on_closed
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_closed(self) -> bool:
        return self._descriptor < 0

    async def read(self) -> bytes:
        """The next bytes, as many as there are; `b""` at the end. One reader at a time."""
        if self._waiter is not None:
            raise RuntimeError("the pipe is already being read")
        while self._descriptor >= 0:
            self._waiter = self._loop.create_future()
            self._loop.add_reader(self._descriptor, self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if self._descriptor >= 0:
                    self._loop.remove_reader(self._descriptor)
            if self._descriptor >= 0:
                try:
                    data = os.read(self._descriptor, _READ_BYTES)
                except BlockingIOError:
                    continue
                if data:
                    return data
                self.close()
        return b""

    def close(self) -> None:
        if self._descriptor >= 0:
            if self._waiter is not None:
                self._loop.remove_reader(self._descriptor)
                self._wake()
            os.close(self._descriptor)
            self._descriptor = -1
            self._on_closed()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
