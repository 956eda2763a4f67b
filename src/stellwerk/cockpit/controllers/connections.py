"""`ControllerConnections`: the open client of each registered Controller, and who wants to know of new ones.

A Controller's address comes from the database, its credentials from files; `PeerFactory` turns both into a peer.
Services that hold a stream to each Controller (the projection) subscribe with `watch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import select

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.controllers.client import ControllerClient, ControllerPeer
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import inv_js_instances

#: Makes a peer for a Controller at a URL. The id is None while it is not known (first contact, no credentials needed).
PeerFactory = Callable[[str, str | None], ControllerPeer]
#: Called with the Controller's id and its URL, or None when it has been unregistered.
Watcher = Callable[[str, str | None], Awaitable[None]]


class ControllerConnections:
    """Clients by Controller id. A `Service`: closes them at `stop`."""

    def __init__(self, database: Database, peer_factory: PeerFactory) -> None:
        self._database = database
        self._peer_factory = peer_factory
        self._clients: dict[str, tuple[str, ControllerClient]] = {}
        self._watchers: list[Watcher] = []

    async def start(self) -> None:
        """Nothing is opened before it is needed."""

    async def stop(self) -> None:
        clients = [client for _, client in self._clients.values()]
        self._clients.clear()
        await asyncio.gather(*(client.close() for client in clients))

    async def watch(self, watcher: Watcher) -> None:
        """Call `watcher` for each registered Controller now, and again when one is registered or its URL changes."""
        self._watchers.append(watcher)
        for controller_id, url in await self.registered():
            await watcher(controller_id, url)

    async def registered(self) -> list[tuple[str, str]]:
        """Id and URL of the (primary) node of each registered Controller, in order of registration."""
        table = inv_js_instances
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(table.c.controller_id, table.c.uri).where(table.c.is_primary).order_by(table.c.id)
            )
            return [(row.controller_id, row.uri) for row in rows]

    def open_peer(self, url: str, controller_id: str | None) -> ControllerPeer:
        """A peer of its own for who keeps a stream, or for a first contact; the caller closes it."""
        return self._peer_factory(url, controller_id)

    async def client(self, controller_id: str) -> ControllerClient:
        """The client of a registered Controller. Raises `ApiError` JOC-404 for unknown ids."""
        known = self._clients.get(controller_id)
        if known is not None:
            return known[1]
        url = dict(await self.registered()).get(controller_id)
        if url is None:
            raise ApiError(
                f"unknown Controller '{controller_id}'", code="JOC-404", kind="UnknownJobSchedulerControllerException"
            )
        known = self._clients.get(controller_id)  # somebody may have been quicker
        if known is None:
            known = self._clients[controller_id] = (
                url,
                ControllerClient(controller_id, self._peer_factory(url, controller_id)),
            )
        return known[1]

    async def changed(self, controller_id: str, url: str | None) -> None:
        """A Controller has been registered, has another URL, or (None) is no longer registered."""
        known = self._clients.get(controller_id)
        if known is not None and known[0] != url:
            del self._clients[controller_id]
            await known[1].close()
        for watcher in self._watchers:
            await watcher(controller_id, url)
