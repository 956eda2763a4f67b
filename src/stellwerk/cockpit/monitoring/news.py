"""Tells all members' readers of new notifications: the compatible `events` poll, and the live topic `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub
from stellwerk.cockpit.monitoring.model import Category, Type

TOPIC = "monitoring"
CREATED, CHANGED = "MonitoringNotificationCreated", "MonitoringNotificationUpdated"
OBJECT_TYPE = "MONITORINGNOTIFICATION"
#: So many are told one by one (cockpit-api 5).
_AT_ONCE = 10


class MonitoringNews:
    """Here and, by `News`, at the other members."""

    def __init__(self, hub: LiveHub, news: News) -> None:
        self._hub = hub
        self._news = news
        news.subscribe(TOPIC, self._heard)

    async def tell(
        self,
        orders: Sequence[tuple[Type, str, str, str, str | None, str]],
        system: Sequence[tuple[Type, Category, str, str]],
    ) -> None:
        """New notifications, as `Recorder.noted` and `noted_of_system` have them, and that alerts have changed."""
        await self._send(
            [
                [type_.name, controller, path, order, job, text[:500]]
                for type_, controller, path, order, job, text in orders
            ][-_AT_ONCE:],
            [[type_.name, category.name, source, text[:500]] for type_, category, source, text in system][-_AT_ONCE:],
        )

    async def changed(self) -> None:
        """People have done something with alerts."""
        self._hub.emit("", EventSnapshot(CHANGED, OBJECT_TYPE))
        await self._send([], [])

    async def _send(self, orders: list[list[Any]], system: list[list[Any]]) -> None:
        value = [orders, system]
        self._emit(value)
        await self._news.tell(TOPIC, value)

    async def _heard(self, value: Any) -> None:
        self._emit(value)

    def _emit(self, value: Any) -> None:
        orders, system = value
        for type_, controller_id, path, order_id, job, text in orders:
            detail = {
                "level": type_,
                "workflowName": path.rsplit("/", 1)[-1],
                "orderId": order_id,
                "jobName": job,
                "message": text,
            }
            self._hub.emit(controller_id, EventSnapshot(CREATED, OBJECT_TYPE, path, monitoring=_frozen(detail)))
        for type_, category, source, text in system:
            detail = {"level": type_, "category": category, "source": source, "message": text}
            self._hub.emit("", EventSnapshot(CREATED, OBJECT_TYPE, monitoring=_frozen(detail)))
        self._hub.mark("alerts")


def _frozen(detail: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in detail.items() if value is not None)
