"""The notification configuration: a draft, and what is released and in force (cockpit-services 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from sqlalchemy import select

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables.monitoring import xmleditor_configurations
from stellwerk.cockpit.monitoring.configuration import (
    NOTHING_CONFIGURED,
    NotificationConfiguration,
    read_configuration,
)
from stellwerk.cockpit.monitoring.xml_tree import XmlError
from stellwerk.effects.clock import Clock

TOPIC = "notification configuration"
TYPE, NAME = "NOTIFICATION", "notification"
_table = xmleditor_configurations

_logger = structlog.get_logger(__name__)


class Stored(msgspec.Struct, frozen=True):
    """`None`: there is none."""

    id: int
    draft: str | None
    draft_json: str | None
    draft_modified: int | None
    released: str | None
    released_json: str | None
    released_modified: int | None
    version: int


class NotificationStore:
    """A `Service`: knows at each member what is in force."""

    def __init__(self, database: Database, news: News, clock: Clock) -> None:
        self._database = database
        self._news = news
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self.current: NotificationConfiguration = NOTHING_CONFIGURED
        news.subscribe(TOPIC, self._heard, self._load)

    async def start(self) -> None:
        await self._load()

    async def stop(self) -> None:
        """Nothing to stop."""

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    async def read(self) -> Stored | None:
        columns = [_table.c[name] for name in Stored.__struct_fields__]
        query = select(*columns).where(_table.c.type == TYPE, _table.c.name == NAME)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else Stored(**row._mapping)

    async def store(self, xml: str, json: str | None, account: str) -> None:
        """Keep a draft; it need not be valid."""
        now = self._clock.now_ms()
        await self._write(account, draft=xml, draft_json=json, draft_modified=now)

    async def release(self, xml: str | None, json: str | None, account: str) -> None:
        """Put it, or the draft, in force. Raises `BadRequest` with the line of what is wrong; then nothing changes."""
        stored = await self.read()
        if xml is None:
            xml = stored.draft if stored is not None else None
            json = stored.draft_json if stored is not None else None
        if xml is None:
            raise BadRequest("there is no draft of the notification configuration to release; store one first")
        check(xml)
        version = (stored.version if stored is not None else 0) + 1
        now = self._clock.now_ms()
        released = {"released": xml, "released_json": json, "released_modified": now, "version": version}
        await self._write(account, draft=None, draft_json=None, draft_modified=None, **released)
        await self._changed()

    async def delete(self, account: str, *, is_released_too: bool) -> None:
        """Delete the draft; or also what is in force, so that nobody is told anything any more."""
        if await self.read() is None:
            return
        values: dict[str, Any] = {"draft": None, "draft_json": None, "draft_modified": None}
        if is_released_too:
            values |= {"released": None, "released_json": None, "released_modified": None}
        await self._write(account, **values)
        if is_released_too:
            await self._changed()

    async def _write(self, account: str, **values: Any) -> None:
        statement = self._database.upsert(_table, ["type", "name"], [*values, "account"])
        async with self._database.write() as connection:
            await connection.execute(statement, [{"type": TYPE, "name": NAME, "account": account, **values}])

    async def _changed(self) -> None:
        await self._load()
        await self._news.tell(TOPIC)

    async def _heard(self, value: Any) -> None:
        await self._load()

    async def _load(self) -> None:
        stored = await self.read()
        if stored is None or stored.released is None:
            self.current = NOTHING_CONFIGURED
        else:
            try:
                self.current = read_configuration(stored.released)
            except XmlError as error:  # it was released by a release of ours that understood more
                _logger.error(
                    "the released notification configuration cannot be read", line=error.line, error=str(error)
                )
                self.current = NOTHING_CONFIGURED
        for listener in self._listeners:
            listener()


def check(xml: str) -> NotificationConfiguration:
    """Raises `BadRequest`."""
    try:
        return read_configuration(xml)
    except XmlError as error:
        raise BadRequest(f"notification configuration, line {error.line}: {error.message}") from None
