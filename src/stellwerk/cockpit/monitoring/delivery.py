"""Sends what is in the outbox: each message at least once, again with growing pauses while a receiver is away.

A message leaves the state "to be sent" only after its receiver has taken it; who is killed in between sends it again,
with the same id. After `GIVE_UP_MS` it is a dead letter, which an alert tells of; people may have it sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import func, select, update

from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.monitoring import mon_outbox
from stellwerk.cockpit.monitoring.channels import Channels, DeliveryError
from stellwerk.cockpit.monitoring.messages import Message
from stellwerk.effects.clock import Clock
from stellwerk.values.json import decoder

WAITING, SENT, DEAD = 0, 1, 2
#: Pauses before a message is tried again, in seconds; the last one repeats.
PAUSES: Sequence[float] = (5, 15, 60, 300, 900)
GIVE_UP_MS = 24 * 3_600_000
#: At once; of one channel they go one after the other.
PARALLEL = 4
_AT_ONCE = 50
#: Longest time without a look at what is due.
_LOOK_SECONDS = 10.0

_table = mon_outbox.c
_decoder = decoder(Message)
_logger = structlog.get_logger(__name__)


class Delivery:
    """Runs on the active member."""

    def __init__(
        self,
        fence: Fence,
        clock: Clock,
        channels: Channels,
        pauses: Sequence[float] = PAUSES,
        give_up_ms: int = GIVE_UP_MS,
    ) -> None:
        self._fence = fence
        self._clock = clock
        self._channels = channels
        self._pauses = pauses
        self._give_up_ms = give_up_ms
        #: Started and stopped by the service that this belongs to.
        self.rounds = Rounds("monitor-delivery", self._send_and_pause, retry_seconds=1.0)
        #: Channels of which a message was given up, and of which one was taken, since they were last asked for.
        self._dead: dict[str, str] = {}
        self._alive: set[str] = set()

    def wake(self) -> None:
        """There may be something to send."""
        self.rounds.wake()

    async def _send_and_pause(self) -> float:
        return 0.0 if await self.send_due() else await self._pause()

    def take_failures(self) -> tuple[dict[str, str], set[str]]:
        """Channel → why, of those that were given up; channels that work. Each is told once."""
        dead, alive = self._dead, self._alive
        self._dead, self._alive = {}, set()
        return dead, alive

    async def send_due(self) -> int:
        """Try all that is due, once; gives how many."""
        query = (
            select(mon_outbox)
            .where(_table.state == WAITING, _table.due <= self._clock.now_ms())
            .order_by(_table.due, _table.id)
            .limit(_AT_ONCE)
        )
        async with self._fence.database.read() as connection:
            rows = list(await connection.execute(query))
        by_channel: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            by_channel.setdefault((row.kind, row.name), []).append(row)
        limit = asyncio.Semaphore(PARALLEL)
        results = await asyncio.gather(
            *(self._send_all(queue, limit) for queue in by_channel.values()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(rows)

    async def _send_all(self, rows: Sequence[Any], limit: asyncio.Semaphore) -> None:
        for row in rows:
            async with limit:
                await self._send(row)

    async def _send(self, row: Any) -> None:
        error: DeliveryError | None = None
        try:
            await self._channels.send(_decoder.decode(row.content), row.message_id)
        except DeliveryError as raised:
            error = raised
        except Exception as raised:  # of a message that is not as it should be: one dead letter, not a silent channel
            _logger.error("a message cannot be sent", message_id=row.message_id, exc_info=raised)
            error = DeliveryError(f"{type(raised).__name__}: {raised}", is_final=True)
        now = self._clock.now_ms()
        attempts = row.attempts + 1
        values: dict[str, Any] = {"attempts": attempts, "modified": now}
        if error is None:
            values |= {"state": SENT, "error_text": None}
            self._alive.add(row.name)
        elif error.is_final or now - row.created >= self._give_up_ms:
            values |= {"state": DEAD, "error_text": str(error)[:500]}
            self._dead[row.name] = str(error)
        else:
            pause = self._pauses[min(attempts, len(self._pauses)) - 1]
            values |= {"due": now + round(pause * 1000), "error_text": str(error)[:500]}
        if error is not None:
            _logger.warning("a message was not taken", channel=row.name, attempts=attempts, error=str(error))
        async with self._fence.write() as connection:
            await connection.execute(update(mon_outbox).where(_table.id == row.id).values(values))

    async def _pause(self) -> float:
        async with self._fence.database.read() as connection:
            due: int | None = (
                await connection.execute(select(func.min(_table.due)).where(_table.state == WAITING))
            ).scalar()
        if due is None:
            return _LOOK_SECONDS
        return min(max((due - self._clock.now_ms()) / 1000, 0.05), _LOOK_SECONDS)
