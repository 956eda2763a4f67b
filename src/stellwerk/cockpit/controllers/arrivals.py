"""Which orders has a Controller added, after a call whose answer got lost?

A Controller ignores an order that it knows already, but one that has ended and was deleted it knows no more: sending it
again would run it a second time. So before an `AddOrder` is repeated, its order is looked for in all events: those that
have been projected, in the history, and the following at the Controller, which keeps them until they are projected.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from stellwerk.cockpit.controllers.client import ControllerClient
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.history import history_cursors, history_orders
from stellwerk.cockpit.projection.follower import TORN_CODES
from stellwerk.values.problems import ProblemError

#: Ids in one query: databases limit their parameters.
_AT_A_TIME = 500


class Arrivals:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def added(self, client: ControllerClient, order_ids: Iterable[str]) -> set[str]:
        """Those of the orders that the Controller has ever added. Raises `PeerUnreachableError`, `ProblemError`."""
        return await self._with_event(client, order_ids, "OrderAdded")

    async def started(self, client: ControllerClient, order_ids: Iterable[str]) -> set[str]:
        """Those of the orders that have ever started. Raises `PeerUnreachableError`, `ProblemError`."""
        return await self._with_event(client, order_ids, "OrderStarted")

    async def _with_event(self, client: ControllerClient, order_ids: Iterable[str], event_type: str) -> set[str]:
        wanted = set(order_ids)
        while True:
            after = await self._cursor(client.controller_id)
            try:
                found = wanted & await client.keys_of_events(event_type, after)
            except ProblemError as error:
                if error.problem.code in TORN_CODES and after != await self._cursor(client.controller_id):
                    continue  # projected and released in the meantime
                raise
            return found | await self._in_history(client.controller_id, wanted)

    async def _cursor(self, controller_id: str) -> int:
        query = select(history_cursors.c.event_id).where(history_cursors.c.controller_id == controller_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    async def _in_history(self, controller_id: str, wanted: set[str]) -> set[str]:
        ids = sorted(wanted)
        found: set[str] = set()
        for start in range(0, len(ids), _AT_A_TIME):
            query = select(history_orders.c.order_id).where(
                history_orders.c.controller_id == controller_id,
                history_orders.c.order_id.in_(ids[start : start + _AT_A_TIME]),
            )
            async with self._database.read() as connection:
                found |= set((await connection.execute(query)).scalars())
        return found
