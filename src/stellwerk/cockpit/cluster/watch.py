"""The watch of Controller pairs (cluster.md 1.10): an active service of the Cockpit, with its memory in the database.

`ControllerWatch` keeps a `Watcher` for each registered pair while this member is active. What a watcher learns is
written through the fence before it answers: so a member that has been deposed decides nothing any more, and the active
member that follows is not untaught (cluster.md 7). The id of the watch is `joc` at every member: the role's holder is
the watch, and its term says who that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog
from sqlalchemy import delete, select

from stellwerk.cluster.peer import HttpClusterPeer
from stellwerk.cluster.watch import Knowledge
from stellwerk.cluster.watcher import WatchedNode, Watcher
from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.controllers.connections import ControllerConnections, Urls
from stellwerk.cockpit.database.fence import Fence, NotActiveError
from stellwerk.cockpit.database.tables.cluster import watch_knowledge
from stellwerk.effects.clock import Random
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError

#: The id under which the active Cockpit watches.
WATCH_ID = "joc"
#: A watch that has failed (the database did not answer) begins again after that time.
_RESTART_SECONDS = 1.0

_logger = structlog.get_logger(__name__)
_knowledge_decoder: msgspec.json.Decoder[Any] = decoder(Knowledge)


class WatchControl(Protocol):
    """What people ask of the watch."""

    async def confirm_node_loss(self, controller_id: str, lost_node_id: str | None, confirmer: str) -> None:
        """A person says that a node is dead. `lost_node_id` None: the one whose loss waits for confirmation.

        Raises `ProblemError` (`ClusterNodeIsNotLost`, ...).
        """
        ...

    def node_to_confirm(self, controller_id: str) -> str | None:
        """The id of the node whose loss waits for confirmation."""
        ...


class WatchKnowledge:
    """The table `watch_knowledge`: what the watch of each pair knows."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    async def read(self, controller_id: str) -> Knowledge | None:
        table = watch_knowledge
        query = select(table.c.cluster_state).where(table.c.controller_id == controller_id)
        async with self._fence.database.read() as connection:
            text = (await connection.execute(query)).scalar()
        if text is None:
            return None
        knowledge: Knowledge = _knowledge_decoder.decode(text)
        return knowledge

    async def write(self, controller_id: str, knowledge: Knowledge) -> None:
        """Raises `NotActiveError` if this member is not active."""
        database, term = self._fence.database, self._fence.term
        async with self._fence.write() as connection:
            row = {
                "controller_id": controller_id,
                "cluster_state": encode(knowledge).decode(),
                "term": term,
                "heartbeat": database.now_ms,
            }
            await connection.execute(database.upsert(watch_knowledge, ["controller_id"]).values(row))

    async def forget(self, controller_id: str) -> None:
        """The pair is not registered any more."""
        async with self._fence.write() as connection:
            await connection.execute(delete(watch_knowledge).where(watch_knowledge.c.controller_id == controller_id))


class _Memory:
    """`Memory` of the watch of one pair."""

    def __init__(self, knowledge: WatchKnowledge, controller_id: str) -> None:
        self._knowledge = knowledge
        self._controller_id = controller_id

    async def load(self) -> Knowledge | None:
        return await self._knowledge.read(self._controller_id)

    async def store(self, knowledge: Knowledge) -> None:
        await self._knowledge.write(self._controller_id, knowledge)


class _Watched:
    """One pair: the watcher of the present try, and the task that begins new ones."""

    def __init__(self, urls: Urls, make: Callable[[], Watcher], controller_id: str) -> None:
        self.urls = urls
        self.watcher = make()
        self._make = make
        self._controller_id = controller_id
        self.task = asyncio.create_task(self._run(), name=f"watch-{controller_id}")

    async def _run(self) -> None:
        while True:
            try:
                await self.watcher.run()
            except Exception as error:
                if isinstance(error, ExceptionGroup) and error.subgroup(NotActiveError) is not None:
                    return  # the role is lost; the services are being stopped
                _logger.warning("the watch of a pair begins again", controller=self._controller_id, exc_info=error)
            await asyncio.sleep(_RESTART_SECONDS)
            self.watcher = self._make()


class ControllerWatch:
    """An `ActiveService`, and the `WatchControl`."""

    def __init__(self, connections: ControllerConnections, knowledge: WatchKnowledge, random: Random) -> None:
        self._connections = connections
        self._knowledge = knowledge
        self._random = random
        self._pairs: dict[str, _Watched] = {}

    async def start(self, mode: StartMode) -> None:
        await self._connections.watch(self._changed)

    async def stop(self) -> None:
        self._connections.unwatch(self._changed)
        for controller_id in list(self._pairs):
            await self._end(controller_id)

    async def _changed(self, controller_id: str, urls: Urls) -> None:
        watched = self._pairs.get(controller_id)
        if watched is not None and watched.urls == urls:
            return
        await self._end(controller_id)
        if len(urls) == 2:
            self._pairs[controller_id] = _Watched(urls, lambda: self._watcher(controller_id, urls), controller_id)
        elif watched is not None:
            await self._knowledge.forget(controller_id)

    async def _end(self, controller_id: str) -> None:
        watched = self._pairs.pop(controller_id, None)
        if watched is not None:
            watched.task.cancel()
            await asyncio.gather(watched.task, return_exceptions=True)

    def _watcher(self, controller_id: str, urls: Urls) -> Watcher:
        def node(url: str) -> WatchedNode:
            return HttpClusterPeer(self._connections.open_node(url, controller_id))

        def unconfirmed(node_id: str) -> None:
            _logger.warning("a person must confirm that a node has stopped", controller=controller_id, node=node_id)

        memory = _Memory(self._knowledge, controller_id)
        return Watcher(WATCH_ID, urls, node, memory, self._random, on_unconfirmed=unconfirmed)

    # --- people ---

    def node_to_confirm(self, controller_id: str) -> str | None:
        watched = self._pairs.get(controller_id)
        if watched is None or not watched.watcher.is_started:
            return None
        return next(iter(watched.watcher.watch.to_be_confirmed), None)

    async def confirm_node_loss(self, controller_id: str, lost_node_id: str | None, confirmer: str) -> None:
        watched = self._pairs.get(controller_id)
        if watched is None or not watched.watcher.is_started:
            raise ProblemError(f"the Controller '{controller_id}' is not watched by this Cockpit")
        lost = lost_node_id or self.node_to_confirm(controller_id)
        if lost is None:
            raise ProblemError.of("ClusterNodeIsNotLost", nodeId="a node", info="none waits for that")
        watched.watcher.watch.confirm_node_loss(lost, confirmer)
