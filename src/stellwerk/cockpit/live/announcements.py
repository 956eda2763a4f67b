"""Tells all members' `events` polls of changes that concern no Controller: notes, documentations (cockpit-api 5)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub

TOPIC = "announcements"


class Announcements:
    """Here and, by `News`, at the other members."""

    def __init__(self, hub: LiveHub, news: News) -> None:
        self._hub = hub
        self._news = news
        news.subscribe(TOPIC, self._heard)

    async def tell(self, snapshot: EventSnapshot) -> None:
        """Of no Controller: everybody hears it who may see the object."""
        self._hub.emit("", snapshot)
        await self._news.tell(TOPIC, msgspec.to_builtins(snapshot))

    async def _heard(self, value: Any) -> None:
        self._hub.emit("", msgspec.convert(value, EventSnapshot))
