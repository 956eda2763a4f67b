"""`News`: what one Cockpit tells the others on the same database, at once: PostgreSQL's NOTIFY (SQLite: no others).

News are hints, not data: whoever hears them reads the database. They may get lost while the connection is; then every
subscriber is told that it may have missed some (`missed`), and looks for itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.database import Database

CHANNEL = "stellwerk"
#: PostgreSQL takes less than 8000 bytes; the envelope needs some.
MAXIMUM_BYTES = 7500
RECONNECT_SECONDS = 1.0
#: Without news for so long, the connection is asked whether it still lives.
CHECK_SECONDS = 10.0

_MISSED = ""

Connection = psycopg.AsyncConnection[Any]
Heard = Callable[[Any], Awaitable[None]]
Missed = Callable[[], Awaitable[None]]

_logger = structlog.get_logger(__name__)


class _Item(msgspec.Struct, array_like=True):
    sender: str
    topic: str
    value: Any


class News:
    """A `Service`; must be started before what subscribes to it tells anything."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sender = secrets.token_hex(8)
        self._subscribers: dict[str, list[Heard]] = {}
        self._missed: list[Missed] = []
        self._has_lost_some = False
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, topic: str, heard: Heard, missed: Missed | None = None) -> None:
        """`heard(value)` for each item of other members; `missed()` after a time in which some may have got lost."""
        self._subscribers.setdefault(topic, []).append(heard)
        if missed is not None:
            self._missed.append(missed)

    async def tell(self, topic: str, value: Any = None) -> None:
        """Tell the other members what has been committed. If that fails, they are told later that they missed some."""
        if self._database.is_sqlite:
            return
        try:
            async with self._database.write() as connection:
                if self._has_lost_some:
                    await self._notify(connection, _MISSED, None)
                await self._notify(connection, topic, value)
            self._has_lost_some = False
        except (SQLAlchemyError, OSError) as error:
            self._has_lost_some = True
            _logger.warning("other Cockpits could not be told news", topic=topic, error=str(error))

    async def _notify(self, connection: AsyncConnection, topic: str, value: Any) -> None:
        item = msgspec.json.encode(_Item(self._sender, topic, value)).decode()
        await connection.execute(text("SELECT pg_notify(:channel, :item)"), {"channel": CHANNEL, "item": item})

    async def start(self) -> None:
        """From now on nothing is missed without a word."""
        if not self._database.is_sqlite:
            self._task = asyncio.create_task(self._run(await self._connect()), name="cockpit-news")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _connect(self) -> Connection:
        connection = await self._database.connect_listener()
        await connection.execute(f"LISTEN {CHANNEL}".encode())
        return connection

    async def _run(self, connection: Connection) -> None:
        while True:
            try:
                await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                _logger.warning("news of other Cockpits are interrupted", error=str(error).strip())
            finally:
                await connection.close()
            connection = await self._reconnect()
            await self._tell_missed()

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            try:
                return await self._connect()
            except (psycopg.Error, OSError) as error:
                _logger.debug("no connection for news yet", error=str(error).strip())

    async def _listen(self, connection: Connection) -> None:
        while True:
            async for notification in connection.notifies(timeout=CHECK_SECONDS):
                await self._heard(notification.payload)
            async with asyncio.timeout(CHECK_SECONDS):
                await connection.execute(b"SELECT 1")

    async def _heard(self, payload: str) -> None:
        try:
            item = msgspec.json.decode(payload, type=_Item)
        except msgspec.DecodeError:
            return  # not from a Cockpit of this kind
        if item.sender == self._sender:
            return
        if item.topic == _MISSED:
            await self._tell_missed()
        else:
            for heard in self._subscribers.get(item.topic, ()):
                await self._safely(heard(item.value))

    async def _tell_missed(self) -> None:
        for missed in self._missed:
            await self._safely(missed())

    async def _safely(self, work: Awaitable[None]) -> None:
        """A subscriber that fails (the database went away just now) must not silence the others."""
        try:
            await work
        except Exception as error:
            _logger.error("news could not be handled", exc_info=error)
