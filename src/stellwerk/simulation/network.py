"""The network of a simulation: `Peer`s whose messages are delayed, lost and doubled, and which break.

A command has three outcomes, as over HTTP: an answer, a problem, or nothing is known (`PeerUnreachableError`), whether
the request or its answer was lost. Doubled means what a client that repeats an unanswered command does: executed twice,
the second answer counts. A stream delivers what it was given, in order, until it breaks.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.node.direct_peer import DirectPeer
from stellwerk.simulation.loop import Life, SimulatedLoop
from stellwerk.simulation.machine import AnyNode, running

T = TypeVar("T")

#: A request without answer is given up after that time.
_ANSWER_TIMEOUT_SECONDS = 10.0


class Weather(msgspec.Struct, frozen=True):
    """How bad the network is: probabilities per message, the longest delay in seconds."""

    loss: float = 0.0
    doubling: float = 0.0
    delay: float = 0.002


class Server(Protocol):
    """A machine whose node, when it runs, can be asked."""

    name: str
    node: Any
    life: Life | None
    on_end: list[Callable[[], None]]


class Link:
    """All connections to one machine. `cut` breaks them, until `heal`."""

    def __init__(self, loop: SimulatedLoop, server: Server, random_: random.Random, weather: Weather) -> None:
        self.loop = loop
        self.server = server
        self.random = random_
        self.weather = weather
        self.is_cut = False
        #: Whoever waits for something from the server.
        self.waiting: dict[Any, Callable[[Exception], None]] = {}
        server.on_end.append(self.break_connections)

    def cut(self) -> None:
        self.is_cut = True
        self.break_connections()

    def heal(self) -> None:
        self.is_cut = False

    def break_connections(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for fail in waiting.values():
            self.loop.later(self.delay(), fail, PeerUnreachableError(f"the connection to {self.server.name} broke"))

    def delay(self) -> float:
        return self.weather.delay * self.random.random()

    def is_lost(self) -> bool:
        return self.random.random() < self.weather.loss

    async def call(self, execute: Callable[[AnyNode], Awaitable[Any]]) -> Any:
        """Have the server's node do something; raises what it raises, or `PeerUnreachableError`."""
        answer: asyncio.Future[Any] = self.loop.create_future()

        def fail(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)

        def succeed(value: Any) -> None:
            if not answer.done():
                answer.set_result(value)

        self.waiting[answer] = fail
        times = 2 if self.random.random() < self.weather.doubling else 1
        if self.is_cut:
            self.loop.later(self.delay(), fail, PeerUnreachableError(f"{self.server.name} cannot be reached"))
        elif not self.is_lost():
            self.loop.later(self.delay(), self._deliver, execute, succeed, fail, times)
        timer = self.loop.later(
            _ANSWER_TIMEOUT_SECONDS, fail, PeerUnreachableError(f"{self.server.name} did not answer in time")
        )
        try:
            return await answer
        finally:
            timer.cancel()
            self.waiting.pop(answer, None)

    def _deliver(
        self,
        execute: Callable[[AnyNode], Awaitable[Any]],
        succeed: Callable[[Any], None],
        fail: Callable[[Exception], None],
        times: int,
    ) -> None:
        try:
            node = running(self.server)
        except PeerUnreachableError as error:
            self.loop.later(self.delay(), fail, error)
            return
        assert self.server.life is not None

        async def executed() -> Any:
            for _ in range(times - 1):
                await execute(node)
            return await execute(node)

        def answered(task: asyncio.Task[Any]) -> None:
            if task.cancelled() or self.is_cut or self.is_lost():
                return
            error = task.exception()
            if error is None:
                self.loop.later(self.delay(), succeed, task.result())
            elif isinstance(error, Exception):
                self.loop.later(self.delay(), fail, error)

        task = self.server.life.run_task(executed(), "request")
        task.add_done_callback(answered, context=self.loop.world)


class SimulatedPeer:
    """`Peer` over a link."""

    def __init__(self, link: Link, user_id: str) -> None:
        self._link = link
        self._direct = DirectPeer(lambda: link.server.node, user_id)
        self._streams: list[Stream[list[bytes]]] = []

    async def login(self) -> None:
        await self._link.call(lambda node: self._direct.login())

    async def command(self, body: bytes) -> bytes:
        answer: bytes = await self._link.call(lambda node: self._direct.command(body))
        return answer

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        async def pump() -> None:
            try:
                async for batch in self._direct.events(
                    after=after, returns=returns, heartbeat_seconds=heartbeat_seconds
                ):
                    stream.send(batch)
                stream.send(None)
            except Exception as error:
                stream.send(error)

        stream: Stream[list[bytes]] = Stream(self._link)
        self._streams.append(stream)
        await self._link.call(lambda node: _begin(stream, pump))
        try:
            while (batch := await stream.receive()) is not None:
                yield batch
        finally:
            stream.close()

    async def close(self) -> None:
        for stream in self._streams:
            stream.close()


async def _begin(stream: Stream[Any], pump: Callable[[], Any]) -> None:
    stream.begin(pump)


class Stream(Generic[T]):
    """One event stream: an ordered queue between a task of the server and its reader."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._arrived: deque[T | Exception | None] = deque()
        self._last_arrival = 0.0
        self._wake_up: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False

    def begin(self, pump: Callable[[], Any]) -> None:
        """In the life of the server. A doubled request begins no second stream to the same reader."""
        life = self._link.server.life
        if life is not None and not self._is_closed and self._pump is None:
            self._link.waiting[self] = self._arrive
            self._pump = life.run_task(pump(), "event stream")

    def send(self, item: T | Exception | None) -> None:
        link = self._link
        # Later than the one before: timers of the same time fire in any order.
        self._last_arrival = max(self._last_arrival + 1e-6, link.loop.now_seconds + link.delay())
        link.loop.later(self._last_arrival - link.loop.now_seconds, self._arrive, item)

    def _arrive(self, item: T | Exception | None) -> None:
        self._arrived.append(item)
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)

    async def receive(self) -> T | None:
        while not self._arrived:
            self._wake_up = self._link.loop.create_future()
            await self._wake_up
        item = self._arrived.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """The reader has gone."""
        self._is_closed = True
        self._link.waiting.pop(self, None)
        if self._pump is not None:
            self._link.loop.later(0.0, self._pump.cancel)
