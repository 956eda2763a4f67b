"""Issues the numbers of order ids, and ids of orders that people add (cockpit-services 4.2).

Numbers only grow, also after a restart or with the clock set back: a block of them is reserved in the database before
any of it is used. The block covers ten seconds, so that busy times cost one short transaction every ten seconds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.effects.clock import Clock
from stellwerk.language.daily_plan.order_ids import added_order_id

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
        numbers = await self.numbers(len(names))
        day = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone(self._zone).date()
        return [added_order_id(day, number, name) for number, name in zip(numbers, names, strict=True)]

    async def numbers(self, count: int) -> range:
        """For as many ids, or cycles: numbers that no order has had before."""
        async with self._lock:
            first = max(self._next, self._clock.now_ms() * 100)
            if first + count > self._end:
                first = await self._reserve(first, count)
            self._next = first + count
        return range(first, first + count)

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
