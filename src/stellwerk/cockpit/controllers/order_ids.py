"""Ids of orders that people add: `#2026-01-31#T86080012300-name` (cockpit-services 4.2).

The eleven digits are (epoch milliseconds · 100 + counter) without the first four. Numbers only grow, also after a
restart or with the clock set back: a block of them is reserved in the database before any of it is used. The block
covers ten seconds, so that busy times cost one short transaction every ten seconds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.effects.clock import Clock

VARIABLE = "order_id_number"
_BLOCK = 10_000 * 100


class OrderIds:
    """Issues order ids that no order has had before."""

    def __init__(self, database: Database, clock: Clock, zone: str = "Etc/UTC") -> None:
        self._database = database
        self._clock = clock
        self._zone = ZoneInfo(zone)
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()

    async def next(self, names: list[str]) -> list[str]:
        """An id for each order name, in one go."""
        async with self._lock:
            now_ms = self._clock.now_ms()
            first = max(self._next, now_ms * 100)
            if first + len(names) > self._end:
                first = await self._reserve(first, len(names))
            self._next = first + len(names)
        day = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self._zone).date().isoformat()
        return [f"#{day}#T{str(first + index)[4:]}-{name}" for index, name in enumerate(names)]

    async def _reserve(self, first: int, count: int) -> int:
        """Take the numbers from the returned one to `self._end` for this process; other Cockpits take others."""
        table = joc_variables
        async with self._database.write() as connection:
            # The row must be there to be locked.
            await connection.execute(
                self._database.upsert(table, ["name"], []), [{"name": VARIABLE, "numeric_value": 0}]
            )
            query = select(table.c.numeric_value).where(table.c.name == VARIABLE).with_for_update()
            reserved = (await connection.execute(query)).scalar_one()
            # What this process has reserved itself is its own to go on with.
            if reserved != self._end:
                first = max(first, reserved)
            end = max(first + count, self._clock.now_ms() * 100) + _BLOCK
            await connection.execute(update(table).where(table.c.name == VARIABLE).values(numeric_value=end))
        self._end = end
        return first
