"""The seam to the watch of Controller pairs (cluster.md 1.10): what the REST API asks of it, and what it remembers.

The watch itself is an active service (`ActiveServices.add("controller-watch", watch)`). It also is the `WatchControl`
of this Cockpit (`Services.add(watch, WatchControl, is_started_here=False)`); until there is one, `NoWatch` answers.
What it learns it writes to `WatchKnowledge` through the fence, so that the active member that follows is not untaught
(cluster.md 7).
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from sqlalchemy import delete, select

from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.cluster import watch_knowledge
from stellwerk.values.problems import ProblemError


class WatchControl(Protocol):
    """What people ask of the watch."""

    async def confirm_node_loss(self, controller_id: str, lost_node_id: str | None, confirmer: str) -> None:
        """A person says that a node is dead. `lost_node_id` None: the one whose loss waits for confirmation.

        Raises `ProblemError` (`ClusterNodeIsNotLost`, ...).
        """
        ...

    def node_to_confirm(self, controller_id: str) -> str | None:
        """The id of the node whose loss waits for confirmation."""
        ...


class NoWatch:
    """The `WatchControl` of a Cockpit without a watch."""

    async def confirm_node_loss(self, controller_id: str, lost_node_id: str | None, confirmer: str) -> None:
        raise ProblemError(f"the Controller '{controller_id}' is not watched by this Cockpit")

    def node_to_confirm(self, controller_id: str) -> str | None:
        return None


class Knowledge(msgspec.Struct, frozen=True):
    """What is known of one pair. `age_ms`: since its active node was heard, by the database's clock."""

    cluster_state: dict[str, Any]
    term: int
    heartbeat: int
    age_ms: int


class WatchKnowledge:
    """The table `watch_knowledge`."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    async def read(self, controller_id: str) -> Knowledge | None:
        table, database = watch_knowledge, self._fence.database
        query = select(table, (database.now_ms - table.c.heartbeat).label("age_ms"))
        async with database.read() as connection:
            row = (await connection.execute(query.where(table.c.controller_id == controller_id))).first()
        if row is None:
            return None
        return Knowledge(msgspec.json.decode(row.cluster_state), row.term, row.heartbeat, row.age_ms)

    async def write(self, controller_id: str, cluster_state: dict[str, Any]) -> None:
        """The active node of the pair has just been heard. Raises `NotActiveError` if this member is not active."""
        database, term = self._fence.database, self._fence.term
        async with self._fence.write() as connection:
            row = {
                "controller_id": controller_id,
                "cluster_state": msgspec.json.encode(cluster_state).decode(),
                "term": term,
                "heartbeat": database.now_ms,
            }
            await connection.execute(database.upsert(watch_knowledge, ["controller_id"]).values(row))

    async def forget(self, controller_id: str) -> None:
        """The pair is not registered any more."""
        async with self._fence.write() as connection:
            await connection.execute(delete(watch_knowledge).where(watch_knowledge.c.controller_id == controller_id))
