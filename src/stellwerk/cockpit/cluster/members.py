"""The cluster's two tables in SQL: members and the one row that says who is active (cluster.md 4.1).

Every change of the one row is a compare-and-set that says whether it has been done. All instants are the database's.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.cluster.election import SWITCH_SECONDS, ClusterRow
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.cluster import CLUSTER, joc_cluster, joc_instances

_MEMBERS_LOCK = 0x57E1_1001


class Member(msgspec.Struct, frozen=True):
    """A row of `joc_instances`; `age_ms`: since its last heart beat, by the database's clock."""

    id: int
    cluster_id: str
    member_id: str
    host: str
    title: str
    ordering: int
    uri: str | None
    started_at: int
    heart_beat: int
    api_server: bool
    version: str
    os: str | None
    security_level: str
    age_ms: int

    @property
    def instance_id(self) -> str:
        return f"{self.cluster_id}#{self.ordering}"


class DuplicateMemberError(Exception):
    """Another Cockpit with the same ordering is running; this one must not start."""


class UnknownMemberError(Exception):
    """This member is not registered (any more)."""


def member_id_of(data: Path) -> str:
    """`<hostname>:<SHA-256 of the data folder's path>`."""
    return f"{platform.node()}:{hashlib.sha256(str(data.resolve()).encode()).hexdigest()}"


class Members:
    """Reads and writes of one member, which is named by `member_id`."""

    def __init__(self, database: Database, member_id: str) -> None:
        self._database = database
        self.member_id = member_id

    # --- members

    async def register(self, values: dict[str, Any], alive_seconds: float) -> int:
        """Enter or renew the own row; gives the ordering.

        `values["ordering"]` None: the present one, else the first that is free. Raises `DuplicateMemberError` if
        another member with the same ordering has been heard within `alive_seconds`; one that is older gives it up.
        """
        table, now = joc_instances, self._database.now_ms
        async with self._database.control() as connection:
            await self._lock_members(connection)
            rows = (
                await connection.execute(
                    select(table.c.member_id, table.c.ordering, (now - table.c.heart_beat).label("age"))
                )
            ).all()
            others = {row.ordering: row for row in rows if row.member_id != self.member_id}
            own = next((row.ordering for row in rows if row.member_id == self.member_id), None)
            ordering: int | None = values["ordering"]
            if ordering is None:
                free = next(number for number in range(len(rows) + 1) if number not in others)
                ordering = own if own is not None and own not in others else free
            elif ordering in others:
                other = others[ordering]
                if other.age <= alive_seconds * 1000:
                    raise DuplicateMemberError(
                        f"already a running Cockpit with ordering {ordering}: {other.member_id}. "
                        "Give each member an ordering of its own in [cluster] of cockpit.toml"
                    )
                await connection.execute(delete(table).where(table.c.member_id == other.member_id))
            row = {**values, "ordering": ordering, "started_at": now, "heart_beat": now}
            changed = await connection.execute(update(table).where(table.c.member_id == self.member_id).values(row))
            if changed.rowcount == 0:
                await connection.execute(insert(table).values({"member_id": self.member_id, **row}))
        return ordering

    async def _lock_members(self, connection: AsyncConnection) -> None:
        """Members that start at the same time choose their orderings one after the other; heart beats do not wait."""
        if not self._database.is_sqlite:
            await connection.execute(select(func.pg_advisory_xact_lock(_MEMBERS_LOCK)))

    async def set_uri(self, uri: str, member_id: str | None = None) -> None:
        """How a member is reached; None: this one."""
        async with self._database.control() as connection:
            await connection.execute(
                update(joc_instances).where(joc_instances.c.member_id == (member_id or self.member_id)).values(uri=uri)
            )

    async def set_stopped(self) -> None:
        """The heart beat of a member that has been stopped in order."""
        async with self._database.control() as connection:
            await connection.execute(
                update(joc_instances).where(joc_instances.c.member_id == self.member_id).values(heart_beat=0)
            )

    async def all(self) -> list[Member]:
        """All members ever seen, in their order."""
        table, now = joc_instances, self._database.now_ms
        query = select(table, (now - table.c.heart_beat).label("age_ms")).order_by(table.c.ordering, table.c.id)
        async with self._database.read() as connection:
            return [
                Member(**{name: row._mapping[name] for name in Member.__struct_fields__})
                for row in await connection.execute(query)
            ]

    async def delete(self, member_id: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(delete(joc_instances).where(joc_instances.c.member_id == member_id))

    # --- the one row

    async def beat(self) -> tuple[ClusterRow | None, int]:
        """Write the own heart beat; gives the cluster's row and the database's clock.

        Raises `UnknownMemberError` if the own row is gone: somebody has taken this member for dead.
        """
        async with self._database.control() as connection:
            done = await connection.execute(
                update(joc_instances)
                .where(joc_instances.c.member_id == self.member_id)
                .values(heart_beat=self._database.now_ms)
            )
            if done.rowcount == 0:
                raise UnknownMemberError
            row = await self._row(connection)
            now = (await connection.execute(select(self._database.now_ms))).scalar_one()
        return row, now

    async def row(self) -> ClusterRow | None:
        async with self._database.read() as connection:
            return await self._row(connection)

    async def _row(self, connection: AsyncConnection) -> ClusterRow | None:
        columns = [joc_cluster.c[name] for name in ClusterRow.__struct_fields__]
        found = (await connection.execute(select(*columns).where(joc_cluster.c.id == CLUSTER))).first()
        return None if found is None else ClusterRow(**found._mapping)

    async def has_pending_switch(self) -> bool:
        """A switch-over of Cockpits has been asked for and not carried out."""
        table, now = joc_cluster, self._database.now_ms
        is_fresh = table.c.switch_heart_beat > now - int(SWITCH_SECONDS * 1000)
        async with self._database.read() as connection:
            return (await connection.execute(select(table.c.id).where(is_fresh))).first() is not None

    async def take_over(self, seen: ClusterRow | None, term: int) -> bool:
        values = {"member_id": self.member_id, "term": term, "switch_member_id": None, "switch_heart_beat": None}
        if seen is not None:
            return await self._compare_and_set(seen, values, changes_member=True)
        row = {"id": CLUSTER, **values, "heart_beat": 0}
        async with self._database.control() as connection:
            found = await connection.execute(
                self._database.upsert(joc_cluster, ["id"], []).returning(joc_cluster.c.id), [row]
            )
            return found.first() is not None

    async def renew(self, seen: ClusterRow, *, clear_switch: bool) -> bool:
        values = {"switch_member_id": None, "switch_heart_beat": None} if clear_switch else {}
        return await self._compare_and_set(seen, values, compares_switch=clear_switch)

    async def give_up(self, seen: ClusterRow) -> bool:
        """Nobody is active afterwards. A pending switch stays: it says for whom."""
        return await self._compare_and_set(seen, {"member_id": None}, changes_member=True)

    async def ask_for_switch(self, seen: ClusterRow, to_member_id: str) -> bool:
        """Leave a request for the active member; heart beat and term are left alone."""
        table = joc_cluster
        async with self._database.write() as connection:
            done = await connection.execute(
                update(table)
                .where(table.c.id == CLUSTER, table.c.member_id == seen.member_id, table.c.term == seen.term)
                .values(switch_member_id=to_member_id, switch_heart_beat=self._database.now_ms)
            )
            return done.rowcount == 1

    async def _compare_and_set(
        self,
        seen: ClusterRow,
        values: dict[str, Any],
        *,
        changes_member: bool = False,
        compares_switch: bool = False,
    ) -> bool:
        """Set `values` and a heart beat greater than all before, unless somebody has changed the row since."""
        table = joc_cluster
        same = (table.c.id == CLUSTER) & (table.c.term == seen.term) & (table.c.heart_beat == seen.heart_beat)
        same &= table.c.member_id == seen.member_id if seen.member_id is not None else table.c.member_id.is_(None)
        if compares_switch:
            same &= table.c.switch_heart_beat == seen.switch_heart_beat
        greatest = func.max if self._database.is_sqlite else func.greatest
        heart_beat = greatest(self._database.now_ms, table.c.heart_beat + 1)
        async with self._database.control() as connection:
            if changes_member:
                # Waits for open transactions of the former active member's services (`fence`).
                await connection.execute(select(table.c.id).where(table.c.id == CLUSTER).with_for_update())
            done = await connection.execute(update(table).where(same).values(heart_beat=heart_beat, **values))
            return done.rowcount == 1
