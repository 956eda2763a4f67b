"""What has happened to pairs of nodes, as the projection has written it (`live_cluster_events`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database.tables.live import live_cluster_events

#: Controller id, Agent id ("" for the Controller's own pair).
PairKey = tuple[str, str]
ROLE_CHANGES = frozenset({"ClusterFailedOver", "ClusterSwitchedOver"})


class ClusterChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """`time` and `event` are absent when the state has been read from a snapshot."""

    state: str
    time: int | None = None
    event: str | None = None
    #: Node ids, `Primary` or `Backup`.
    active: str | None = None
    lost: str | None = None


async def cluster_changes(connection: AsyncConnection) -> Mapping[PairKey, Sequence[ClusterChange]]:
    """All that is kept of all pairs, the newest first. `active` is filled in where an event does not say it."""
    table = live_cluster_events.c
    found: dict[PairKey, list[ClusterChange]] = {}
    active: dict[PairKey, str | None] = {}
    for row in await connection.execute(select(live_cluster_events).order_by(table.event_id)):
        key = row.controller_id, row.agent_id
        active[key] = row.active_id or active.get(key)
        change = ClusterChange(row.state, row.time, row.event, active[key], row.lost_id)
        found.setdefault(key, []).append(change)
    return {key: changes[::-1] for key, changes in found.items()}
