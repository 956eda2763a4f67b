"""`Fence`: write transactions that commit only while this process is the active member (cluster.md 7, "terms").

Each holds the cluster's row in a lock that heart beats do not need but a change of the active member does. So there are
two orders only: the transaction commits before the next member takes over, or it finds another term and writes nothing,
however long this process stood still in between. PostgreSQL ends the transaction of a process that stands still
(`database.IDLE_TRANSACTION_SECONDS`), so that nobody waits for it. On SQLite the one writer gives the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.database import Database
from stellwerk.cockpit.database.tables.cluster import CLUSTER, joc_cluster


class NotActiveError(Exception):
    """This Cockpit is not the active member, or no longer: nothing has been written."""


class Fence:
    """The term that this process holds. Only the membership sets it."""

    def __init__(self, database: Database, on_refused: Callable[[], None] = lambda: None) -> None:
        self.database = database
        #: None while this process is not active.
        self.term: int | None = None
        #: Called when a transaction has found another term: the role is lost, whatever the own clock says.
        self.on_refused = on_refused

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction of an active service. Raises `NotActiveError`."""
        term = self.term
        if term is None:
            raise NotActiveError("this Cockpit is not the active one")
        held = (
            select(joc_cluster.c.term)
            .where(joc_cluster.c.id == CLUSTER, joc_cluster.c.term == term)
            .with_for_update(read=True, key_share=True)
        )
        async with self.database.write() as connection:
            if (await connection.execute(held)).first() is None:
                self.on_refused()
                raise NotActiveError(f"another Cockpit has become the active one since term {term}")
            yield connection
