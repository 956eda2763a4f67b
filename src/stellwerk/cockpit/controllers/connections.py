"""`ControllerConnections`: the open client of each registered Controller, and who wants to know of new ones.

A Controller's addresses come from the database, its credentials from files; `PeerFactory` turns both into a peer per
node. Of a pair the active node is spoken to (`stellwerk.wire.active_node`). Services that hold a stream to each
Controller (the projection, the cluster watch) subscribe with `watch`; they hear of Controllers that have been
registered at another member of the Cockpit's cluster, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.controllers.client import ControllerClient, ControllerPeer
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables.controllers import inv_js_instances
from stellwerk.wire.active_node import ActiveNodePeer

#: Makes a peer for a node at a URL. The id is None while it is not known (first contact, no credentials needed).
PeerFactory = Callable[[str, str | None], ControllerPeer]
#: The URLs of a Controller's nodes, the primary one first; none: it is not registered any more.
Urls = tuple[str, ...]
#: Called with the Controller's id and its URLs.
Watcher = Callable[[str, Urls], Awaitable[None]]

TOPIC = "controllers"


class ControllerConnections:
    """Clients by Controller id. A `Service`: closes them at `stop`."""

    def __init__(self, database: Database, peer_factory: PeerFactory, news: News) -> None:
        self._database = database
        self._peer_factory = peer_factory
        self._news = news
        self._clients: dict[str, tuple[Urls, ControllerClient]] = {}
        self._watchers: list[Watcher] = []
        #: What the watchers know.
        self._told: dict[str, Urls] = {}
        self._telling = asyncio.Lock()
        news.subscribe(TOPIC, self._heard, self.refresh)

    async def start(self) -> None:
        """Nothing is opened before it is needed."""
        self._told = await self.registered()

    async def stop(self) -> None:
        clients = [client for _, client in self._clients.values()]
        self._clients.clear()
        await asyncio.gather(*(client.close() for client in clients))

    async def watch(self, watcher: Watcher) -> None:
        """Call `watcher` for each registered Controller now, and again when one is registered or its URLs change."""
        async with self._telling:
            self._watchers.append(watcher)
            for controller_id, urls in (await self.registered()).items():
                await watcher(controller_id, urls)

    def unwatch(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    async def registered(self) -> dict[str, Urls]:
        """The nodes of each registered Controller, in order of registration."""
        table = inv_js_instances
        query = select(table.c.controller_id, table.c.uri).order_by(table.c.is_primary.desc(), table.c.id)
        found: dict[str, Urls] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(query):
                found[row.controller_id] = (*found.get(row.controller_id, ()), row.uri)
        return found

    def open_node(self, url: str, controller_id: str | None) -> ControllerPeer:
        """A peer of its own for one node, or for a first contact; the caller closes it."""
        return self._peer_factory(url, controller_id)

    def open_peer(self, urls: Sequence[str], controller_id: str) -> ControllerPeer:
        """A peer of its own for who keeps a stream, of a pair to the active node; the caller closes it."""
        nodes = [self._peer_factory(url, controller_id) for url in urls]
        return nodes[0] if len(nodes) == 1 else ActiveNodePeer(nodes)

    async def client(self, controller_id: str) -> ControllerClient:
        """The client of a registered Controller. Raises `ApiError` JOC-404 for unknown ids."""
        known = self._clients.get(controller_id)
        if known is not None:
            return known[1]
        urls = (await self.registered()).get(controller_id)
        if urls is None:
            raise ApiError(
                f"unknown Controller '{controller_id}'", code="JOC-404", kind="UnknownJobSchedulerControllerException"
            )
        known = self._clients.get(controller_id)  # somebody may have been quicker
        if known is None:
            known = self._clients[controller_id] = (
                urls,
                ControllerClient(controller_id, self.open_peer(urls, controller_id)),
            )
        return known[1]

    async def changed(self) -> None:
        """Controllers have been registered, changed or unregistered here: all members take notice."""
        await self.refresh()
        await self._news.tell(TOPIC)

    async def refresh(self) -> None:
        """Compare with the database: close clients that are out of date, tell watchers what is different."""
        async with self._telling:
            registered = await self.registered()
            for controller_id, (urls, client) in list(self._clients.items()):
                if registered.get(controller_id) != urls:
                    del self._clients[controller_id]
                    await client.close()
            told, self._told = self._told, registered
            for controller_id in {**told, **registered}:
                urls = registered.get(controller_id, ())
                if told.get(controller_id, ()) != urls:
                    for watcher in self._watchers:
                        await watcher(controller_id, urls)

    async def reconnect(self) -> None:
        """Close every client, and have those who keep streams begin anew: they know where they were."""
        async with self._telling:
            clients = [client for _, client in self._clients.values()]
            self._clients.clear()
            await asyncio.gather(*(client.close() for client in clients))
            for controller_id, urls in self._told.items():
                for watcher in self._watchers:
                    await watcher(controller_id, ())
                    await watcher(controller_id, urls)

    async def _heard(self, value: Any) -> None:
        await self.refresh()
