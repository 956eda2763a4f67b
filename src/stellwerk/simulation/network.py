"""The network of a simulation: peers whose messages are delayed, lost and doubled, and connections that break.

A request has three outcomes, as over HTTP: an answer, a problem, or nothing is known (`PeerUnreachableError`), whether
the request or its answer was lost. Doubled means what a client that repeats an unanswered request does: executed twice,
the second answer counts. A stream delivers what it was given, in order, until it breaks.

Each pair of machines has links of its own, one for each direction of calling. A link is *cut* (packets vanish: nothing
breaks, nobody answers) or *reset* (connections break, new ones are possible). A machine without a process refuses; one
without power is silent.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from stellwerk.cluster.messages import ClusterCommand, ClusterNodeState
from stellwerk.cluster.peer import JournalFile, JournalInfo, acknowledgement_lines
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.journal import JournalFailedError, raw_journal
from stellwerk.node.direct_peer import DirectPeer
from stellwerk.simulation.loop import SimulatedLoop
from stellwerk.simulation.machine import AnyNode, Machine
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError

T = TypeVar("T")
_problem_decoder = msgspec.json.Decoder(Problem)

#: A request without answer is given up after that time; a stream without a byte as well.
_ANSWER_TIMEOUT_SECONDS = 10.0
_IDLE_TIMEOUT_SECONDS = 10.0


class Weather(msgspec.Struct, frozen=True):
    """How bad the network is: probabilities per message, the longest delay in seconds."""

    loss: float = 0.0
    doubling: float = 0.0
    delay: float = 0.002


class Network:
    """All links; made when they are needed."""

    def __init__(self, loop: SimulatedLoop, seeded: random.Random, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self._random = seeded
        self._machines: dict[str, Machine] = {}
        self._links: dict[tuple[str, str, str], Link] = {}
        self._cuts: set[frozenset[str]] = set()

    def add(self, machine: Machine) -> None:
        self._machines[machine.name] = machine

    def link(self, client: str, server: str, part: str = "node") -> Link:
        """Calls of `client` to `part` (node, subagent) of `server`; both are names of machines or of people."""
        link = self._links.get((client, server, part))
        if link is None:
            seeded = random.Random(f"{client} {server} {part} {self._random.random()}")
            link = Link(self.loop, self._machines[server], part, seeded, self.weather)
            self._links[client, server, part] = link
            if client in self._machines:
                self._machines[client].on_end.append(link.client_has_ended)
            link.is_cut = frozenset((client, server)) in self._cuts
        return link

    def talking(self) -> list[tuple[str, str]]:
        """Who has ever called whom."""
        return list(dict.fromkeys((client, server) for client, server, _ in self._links))

    def cut(self, one: str, other: str) -> None:
        """No packet gets through any more, in both directions."""
        self._set(one, other, is_cut=True)

    def heal(self, one: str, other: str) -> None:
        self._set(one, other, is_cut=False)

    def heal_all(self) -> None:
        for pair in list(self._cuts):
            self.heal(*pair)

    def reset(self, one: str, other: str) -> None:
        """Connections between the two break."""
        for link in self._between(one, other):
            link.break_connections()

    def _between(self, one: str, other: str) -> list[Link]:
        pairs = ((one, other), (other, one))
        return [link for (client, server, _), link in self._links.items() if (client, server) in pairs]

    def _set(self, one: str, other: str, *, is_cut: bool) -> None:
        pair = frozenset((one, other))
        if is_cut:
            self._cuts.add(pair)
        else:
            self._cuts.discard(pair)
        for link in self._between(one, other):
            link.is_cut = is_cut


class Link:
    """The connections of one client to one machine."""

    def __init__(
        self, loop: SimulatedLoop, server: Machine, part: str, random_: random.Random, weather: Weather
    ) -> None:
        self.loop = loop
        self.server = server
        self.part = part
        self.random = random_
        self.weather = weather
        self.is_cut = False
        #: Whoever waits for something from the server.
        self.waiting: dict[Any, Callable[[Exception], None]] = {}
        server.on_end.append(self._server_has_ended)

    def _server_has_ended(self) -> None:
        if self.server.has_power and not self.is_cut:
            self.break_connections()  # the system closes the connections of a process that ends
        # Else without a word: who waits finds out by silence.

    def client_has_ended(self) -> None:
        """Its connections are closed; who serves them notices."""
        waiting, self.waiting = self.waiting, {}
        for stream in waiting:
            if isinstance(stream, _Stream):
                stream.close()

    def break_connections(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for fail in waiting.values():
            self.loop.later(self.delay(), fail, PeerUnreachableError(f"the connection to {self.server.name} broke"))

    def delay(self) -> float:
        return self.weather.delay * self.random.random()

    def is_lost(self) -> bool:
        return self.is_cut or self.random.random() < self.weather.loss

    async def call(self, execute: Callable[[AnyNode], Awaitable[T]]) -> T:
        """Have the server's node do something; raises what it raises, or `PeerUnreachableError`."""
        answer: asyncio.Future[T] = self.loop.create_future()

        def fail(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)

        def succeed(value: T) -> None:
            if not answer.done():
                answer.set_result(value)

        self.waiting[answer] = fail
        times = 2 if self.random.random() < self.weather.doubling else 1
        if not self.is_lost():
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
        server = self.server
        if not server.has_power:
            return
        node = getattr(server, self.part)
        if node is None or server.life is None:
            error = PeerUnreachableError(f"{server.name} is down", is_refused=server.life is None)
            self.loop.later(self.delay(), fail, error)
            return

        async def executed() -> Any:
            for _ in range(times - 1):
                await execute(node)
            return await execute(node)

        def answered(task: asyncio.Task[Any]) -> None:
            if task.cancelled() or self.is_lost():
                return
            error = task.exception()
            if error is None:
                self.loop.later(self.delay(), succeed, task.result())
            elif isinstance(error, Exception):
                self.loop.later(self.delay(), fail, error)

        task = server.life.run_task(executed(), "request")
        task.add_done_callback(answered, context=self.loop.world)

    async def stream(self, chunks: Callable[[AnyNode], AsyncIterator[T]]) -> AsyncIterator[T]:
        """What the server's node streams; ends with its iterator, raises what it raises, or when it breaks."""

        async def pump(node: AnyNode) -> None:
            try:
                async for chunk in chunks(node):
                    stream.send(chunk)
                stream.send(_END)
            except JournalFailedError:
                stream.send(_END)  # the stream ends with the node's journal
            except OSError as error:  # its files have been deleted by a reset: over HTTP the connection breaks
                stream.send(PeerUnreachableError(f"{self.server.name} has failed: {error}"))
            except Exception as error:
                stream.send(error)

        async def begin(node: AnyNode) -> None:
            stream.begin(lambda: pump(node))

        stream = _Stream(self)
        try:
            await self.call(begin)
            while (item := await stream.receive()) is not _END:
                yield item
        finally:
            stream.close()


_END = object()


class _Stream:
    """An ordered queue between a task of the server and its reader."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._arrived: deque[Any] = deque()
        self._last_arrival = 0.0
        self._wake_up: asyncio.Future[None] | None = None
        #: Since when the reader waits; one timer, set anew only when it fires, looks whether that is too long.
        self._waits_since: float | None = None
        self._has_timer = False
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False
        self._is_torn = False

    def begin(self, pump: Callable[[], Any]) -> None:
        """In the life of the server. A doubled request begins no second stream to the same reader."""
        life = self._link.server.life
        if life is not None and not self._is_closed and self._pump is None:
            self._link.waiting[self] = self._arrive
            self._pump = life.run_task(pump(), "stream")

    def send(self, item: Any) -> None:
        link = self._link
        if link.is_cut and not self._is_torn:
            # What could not be delivered breaks the connection some time later; until then there is silence.
            self._is_torn = True
            link.loop.later(_IDLE_TIMEOUT_SECONDS, self._arrive, PeerUnreachableError("the connection timed out"))
        if self._is_torn:
            return
        # Later than the one before: timers of the same time fire in any order.
        self._last_arrival = max(self._last_arrival + 1e-6, link.loop.now_seconds + link.delay())
        link.loop.later(self._last_arrival - link.loop.now_seconds, self._arrive, item)

    def _arrive(self, item: Any) -> None:
        if self._arrived and isinstance(self._arrived[-1], Exception):
            return  # nothing comes behind a break
        self._arrived.append(item)
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)

    async def receive(self) -> Any:
        loop = self._link.loop
        while not self._arrived:
            self._wake_up = loop.create_future()
            self._waits_since = loop.now_seconds
            self._look_for_silence()
            try:
                await self._wake_up
            finally:
                self._waits_since = None
        item = self._arrived.popleft()
        if isinstance(item, Exception):
            self._arrived.appendleft(item)
            raise item
        return item

    def _look_for_silence(self, is_timer: bool = False) -> None:
        if self._waits_since is None or (self._has_timer and not is_timer):
            self._has_timer = self._has_timer and not is_timer
            return
        loop = self._link.loop
        self._has_timer = self._waits_since + _IDLE_TIMEOUT_SECONDS > loop.now_seconds
        if self._has_timer:
            loop.call_at(self._waits_since + _IDLE_TIMEOUT_SECONDS, self._look_for_silence, True, context=loop.world)
        else:
            self._arrive(PeerUnreachableError(f"no byte from {self._link.server.name} for {_IDLE_TIMEOUT_SECONDS:g} s"))

    def close(self) -> None:
        """The reader has gone."""
        self._is_closed = True
        self._link.waiting.pop(self, None)
        if self._pump is not None:
            self._link.loop.later(0.0, self._pump.cancel)


class SimulatedPeer:
    """`Peer` over a link."""

    def __init__(self, link: Link, user_id: str) -> None:
        self._link = link
        self._direct = DirectPeer(lambda: link.server.node, user_id)

    async def login(self) -> None:
        await self._link.call(lambda node: self._direct.login())

    async def command(self, body: bytes) -> bytes:
        return await self._link.call(lambda node: self._direct.command(body))

    def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncIterator[list[bytes]]:
        return self._link.stream(
            lambda node: self._direct.events(after=after, returns=returns, heartbeat_seconds=heartbeat_seconds)
        )

    async def get(self, path: str, query: Any = None) -> bytes:
        """As far as `wire.active_node` asks: the node's state."""
        assert path == "cluster"

        async def state(node: AnyNode) -> bytes:
            return encode(node.cluster.node_state())

        return await self._link.call(state)

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        raise NotImplementedError

    def stream_get(self, path: str, query: Any = None) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """Streams end with their iterators."""


class SimulatedClusterPeer:
    """`ClusterPeer` and `WatchedNode` over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def node_state(self) -> ClusterNodeState:
        async def state(node: AnyNode) -> ClusterNodeState:
            return node.cluster.node_state()

        return await self._link.call(state)

    async def command(self, command: ClusterCommand) -> bytes:
        body = encode(command)
        return await self._link.call(lambda node: node.cluster.execute(body))

    def journal(self, file_event_id: int, position: int, heartbeat_seconds: float) -> AsyncIterator[bytes]:
        def chunks(node: AnyNode) -> AsyncIterator[bytes]:
            journal = node.readable_journal()
            return raw_journal(node.effects.disk, node.NAME, journal, file_event_id, position, heartbeat_seconds)

        return self._link.stream(chunks)

    async def journal_info(self) -> JournalInfo:
        async def info(node: AnyNode) -> JournalInfo:
            journal = node.readable_journal()
            return JournalInfo(journal.committed_event_id, [JournalFile(file) for file, _ in journal.files()])

        return await self._link.call(info)

    async def acknowledgements(self, heartbeat_seconds: float) -> AsyncIterator[list[int]]:
        lines = self._link.stream(lambda node: acknowledgement_lines(node.cluster.acknowledgements(heartbeat_seconds)))
        async for line in lines:
            if line[:1] == b"{":
                raise ProblemError(_problem_decoder.decode(line))
            yield [int(line)] if line != b"\n" else []

    async def watch_messages(self, watch_id: str, keep_alive_seconds: float) -> AsyncIterator[list[bytes]]:
        lines = self._link.stream(lambda node: node.cluster.arbiters.requests(watch_id, keep_alive_seconds))
        async for line in lines:
            yield [line] if line else []

    async def close(self) -> None:
        """Streams end with their iterators."""
