"""Starting, ready, stopping: which requests are refused, and how endless answers end (journal spec 3.1).

One `Lifecycle` per server; the router registers its streams here, the server ends them when it stops.
"""

from __future__ import annotations

import asyncio

from stellwerk.values.problems import Problem

_STARTING = Problem.of("WebServiceStillNotAvailable")
_STOPPING = Problem.of("ShuttingDown")


class Lifecycle:
    """`refusal` is the problem with which every new request is answered; None while requests are served."""

    def __init__(self) -> None:
        self.refusal: Problem | None = _STARTING
        self._streams: set[asyncio.Task[None]] = set()

    @property
    def is_stopping(self) -> bool:
        return self.refusal is _STOPPING

    @property
    def stream_count(self) -> int:
        """Answers that are being streamed now."""
        return len(self._streams)

    def ready(self) -> None:
        """Serve requests, unless the stop has begun meanwhile."""
        if not self.is_stopping:
            self.refusal = None

    def begin_stop(self) -> None:
        """Refuse new requests and end all streams."""
        self.refusal = _STOPPING
        for task in self._streams:
            task.cancel()

    def add_stream(self, task: asyncio.Task[None]) -> None:
        """End this task at stop; forgotten when it is done."""
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)
        if self.is_stopping:
            task.cancel()
