"""What people send: test messages, at any member; and the word to the active member that something is to be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stellwerk.cockpit.api.errors import ObjectNotFound
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.monitoring import messages
from stellwerk.cockpit.monitoring.channels import Channels, DeliveryError
from stellwerk.cockpit.monitoring.delivery import Delivery
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.model import Category, Type
from stellwerk.cockpit.monitoring.store import NotificationStore
from stellwerk.effects.clock import Clock, Random

TOPIC = "outbox"


class Sending:
    """See the module's text."""

    def __init__(
        self,
        store: NotificationStore,
        channels: Channels,
        delivery: Delivery,
        news: News,
        clock: Clock,
        random: Random,
        cockpit: Callable[[], CockpitNames],
    ) -> None:
        self._store = store
        self._channels = channels
        self._delivery = delivery
        self._news = news
        self._clock = clock
        self._random = random
        self._cockpit = cockpit
        news.subscribe(TOPIC, self._heard)

    async def test(self, name: str) -> tuple[str, str | None]:
        """Send a test message at once, once. Gives its id and, if it was not taken, why. Raises `ObjectNotFound`."""
        monitor = self._store.current.monitor(name)
        if monitor is None:
            known = ", ".join(sorted(one.name for one in self._store.current.monitors)) or "none"
            raise ObjectNotFound(f"the released notification configuration has no channel '{name}'; it has: {known}")
        text = f"This is a test message of channel {name}."
        now = self._clock.now_ms()
        values = messages.system_values(Type.WARNING, Category.JOC.name, "test", text, now, None, self._cockpit())
        # The fragment's own message is about orders; a test says what it is.
        message = messages.message(monitor, values, subject="Test of a channel", text=text)
        message_id = self._random.token_bytes(16).hex()
        try:
            await self._channels.send(message, message_id)
        except DeliveryError as error:
            return message_id, str(error)
        return message_id, None

    async def wake(self) -> None:
        """Something may be to be sent, wherever the active member is."""
        self._delivery.wake()
        await self._news.tell(TOPIC)

    async def _heard(self, value: Any) -> None:
        self._delivery.wake()
