"""Tells all members' streams and `events` polls that a plan has changed (cockpit-services 4.9, cockpit-api 5)."""

from __future__ import annotations

from typing import Any

from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub

TOPIC = "daily plan"
UPDATED = "DailyPlanUpdated"
PROJECTED = "DailyPlanProjectionEvent"
#: Of the native stream: what is shown of plans has to be fetched again.
STREAM_TOPIC = "plan"


class PlanNews:
    """Here and, by `News`, at the other members."""

    def __init__(self, hub: LiveHub, news: News) -> None:
        self._hub = hub
        self._news = news
        news.subscribe(TOPIC, self._heard)

    async def tell(self, controller_id: str, event_type: str = UPDATED) -> None:
        """Empty id: of all Controllers."""
        self._emit(controller_id, event_type)
        await self._news.tell(TOPIC, [controller_id, event_type])

    async def _heard(self, value: Any) -> None:
        controller_id, event_type = value
        self._emit(str(controller_id), str(event_type))

    def _emit(self, controller_id: str, event_type: str) -> None:
        self._hub.emit(controller_id, EventSnapshot(event_type, "DAILYPLAN"))
        self._hub.mark(STREAM_TOPIC)
