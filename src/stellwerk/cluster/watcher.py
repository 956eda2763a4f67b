"""A watch at work: it keeps a stream to both nodes of a pair, and answers what they ask (cluster spec 1.10.1).

    watcher = Watcher("witness-1", ["https://c1:4444", "https://c2:4444"], peers, memory, random)
    await watcher.run()                                   # until cancelled
    watcher.watch.confirm_node_loss("Primary", "me")

What it learns is made durable by its `Memory` before it answers: a watch that has been started again has forgotten
nothing but the age of the last heartbeat. Requests of both nodes are judged strictly one after another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from stellwerk.cluster.messages import ClusterCommand, ClusterNodeState, ClusterWatchConfirm, watch_request_decoder
from stellwerk.cluster.watch import NOT_CONFIRMED, Knowledge, Watch
from stellwerk.effects.clock import Random
from stellwerk.effects.disk import Disk, replace_file
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine.events.cluster import NodeId
from stellwerk.values.ids import run_id
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.request import decode_json

logger = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 0.5
#: Without a byte for so long a stream is opened anew.
_IDLE_SECONDS = 2.0
#: Between two tries to reach a node; the last repeats. The first at once: a process that is gone is noticed so.
_RETRY_SECONDS = (0.0, 0.1, 0.25, 0.5, 1.0)


class WatchedNode(Protocol):
    """One node, as its watch reaches it; raises as `ClusterPeer` does."""

    async def node_state(self) -> ClusterNodeState: ...

    def watch_messages(self, watch_id: str, keep_alive_seconds: float) -> AsyncIterator[list[bytes]]:
        """Its requests as lines; an empty list as keep-alive."""
        ...

    async def command(self, command: ClusterCommand) -> bytes: ...

    async def close(self) -> None: ...


class Memory(Protocol):
    """Where a watch keeps what it knows."""

    async def load(self) -> Knowledge | None: ...

    async def store(self, knowledge: Knowledge) -> None:
        """Durable when it returns. What it raises keeps the watch from answering."""
        ...


K = TypeVar("K")


class DiskMemory(Generic[K]):
    """One value in one file, replaced as a whole: with `Knowledge` a `Memory`."""

    def __init__(self, disk: Disk, name: str, type_: type[K]) -> None:
        self._disk = disk
        self._name = name
        self._decoder: msgspec.json.Decoder[K] = decoder(type_)

    async def load(self) -> K | None:
        if self._name not in self._disk.names():
            return None
        return self._decoder.decode(self._disk.read(self._name))

    async def store(self, knowledge: K) -> None:
        await replace_file(self._disk, self._name, encode(knowledge) + b"\n")


class Watcher:
    """See the module."""

    def __init__(
        self,
        watch_id: str,
        uris: Sequence[str],
        peers: Callable[[str], WatchedNode],
        memory: Memory,
        random: Random,
        *,
        requires_failover_confirmation: bool = False,
        on_unconfirmed: Callable[[NodeId], None] = lambda node_id: None,
    ) -> None:
        """`on_unconfirmed` is told of the lost node when a person has to confirm its loss; again with each request."""
        self.watch_id = watch_id
        self.watch: Watch
        self.uris = tuple(uris)
        self._peers = peers
        self._memory = memory
        self._run_id = run_id(random.token_bytes(16))
        self._requires_failover_confirmation = requires_failover_confirmation
        self._on_unconfirmed = on_unconfirmed
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        #: Address → node id, as far as it is known.
        self._ids: dict[str, NodeId] = {}
        #: Addresses with an open stream.
        self.connected: set[str] = set()
        self.is_started = False
        #: How often requests have been refused, by problem code.
        self.refusals: Counter[str] = Counter()

    async def run(self) -> None:
        """Watch until cancelled. Raises what `Memory.load` raises."""
        self.watch = Watch(
            self._loop.time(),
            await self._memory.load(),
            requires_failover_confirmation=self._requires_failover_confirmation,
        )
        self.is_started = True
        async with asyncio.TaskGroup() as tasks:
            for uri in self.uris:
                tasks.create_task(self._watch_node(uri), name=f"watch {uri}")

    def require_failover_confirmation(self, is_required: bool) -> None:
        """Whether a person confirms each fail-over; counts for the next request."""
        self._requires_failover_confirmation = is_required
        if self.is_started:
            self.watch.requires_failover_confirmation = is_required

    async def _watch_node(self, uri: str) -> None:
        tries = 0
        while True:
            peer = self._peers(uri)
            try:
                await self._answer_requests(uri, peer)
            except PeerUnreachableError as error:
                if uri in self.connected:
                    tries = 0
                elif error.is_refused and uri in self._ids:
                    self.watch.node_is_gone(self._ids[uri])
                logger.debug("%s is not watched: %s", uri, error)
            except ProblemError as error:
                logger.info("%s refuses to be watched: %s", uri, error)
            finally:
                self.connected.discard(uri)
                await peer.close()
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1

    async def _answer_requests(self, uri: str, peer: WatchedNode) -> None:
        stream: Any = peer.watch_messages(self.watch_id, _KEEP_ALIVE_SECONDS)
        try:
            async with asyncio.timeout(_IDLE_SECONDS) as idle, aclosing(stream):
                async for lines in stream:
                    idle.reschedule(self._loop.time() + _IDLE_SECONDS)
                    if uri not in self.connected:
                        self.connected.add(uri)
                        await self._learn_id(uri, peer)
                    for line in lines:
                        await self._answer(uri, peer, line)
        except TimeoutError:
            raise PeerUnreachableError(f"no sign of {uri} for {_IDLE_SECONDS:g} s") from None
        raise PeerUnreachableError(f"{uri} has ended the stream")

    async def _learn_id(self, uri: str, peer: WatchedNode) -> None:
        try:
            self._ids[uri] = (await peer.node_state()).node_id
        except ProblemError:
            return  # a backup node that has not been appointed yet
        self.watch.node_is_there(self._ids[uri])

    async def _answer(self, uri: str, peer: WatchedNode, line: bytes) -> None:
        request = decode_json(watch_request_decoder, line)
        self._ids[uri] = request.from_
        async with self._turn:
            known = self.watch.knowledge
            answer = self.watch.process(request, self._loop.time())
            if self.watch.knowledge is not None and self.watch.knowledge != known:
                await self._memory.store(self.watch.knowledge)
        if answer.problem is not None:
            self.refusals[answer.problem.code or ""] += 1
        if answer.problem is not None and answer.problem.code in NOT_CONFIRMED:
            for lost in self.watch.to_be_confirmed:
                self._on_unconfirmed(lost)
        confirm = ClusterWatchConfirm(
            request_id=request.request_id,
            cluster_watch_id=self.watch_id,
            cluster_watch_run_id=self._run_id,
            manual_confirmer=answer.manual_confirmer,
            problem=answer.problem,
        )
        try:
            await peer.command(confirm)
        except ProblemError as error:
            logger.debug("%s has not accepted an answer: %s", uri, error)  # it has asked something else by now
