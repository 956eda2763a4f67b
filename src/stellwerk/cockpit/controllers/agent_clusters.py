"""Agents with Subagents of their own, and Subagent clusters (cockpit-api 2.3, Agents; cluster.md 3).

A Subagent cluster says which Subagents of an Agent a job may use, in which order; at the Controller it is a
SubagentBundle (workflow spec 8.7). As with Agents: first stored here, then deployed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.instances import (
    PRIMARY_DIRECTOR,
    AgentInstance,
    SubagentInstance,
    all_of,
    check_id,
    reference_operation,
    subagent_operation,
)
from stellwerk.cockpit.controllers.registry import Registry, reorder
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import (
    inv_subagent_cluster_members,
    inv_subagent_clusters,
    inv_subagent_instances,
)
from stellwerk.effects.clock import Clock
from stellwerk.language.expressions import parse_expression
from stellwerk.values.problems import ProblemError


class SubagentCluster(msgspec.Struct, frozen=True):
    """`members`: (Subagent id, priority), the priority a number or an expression, as text."""

    controller_id: str
    agent_id: str
    subagent_cluster_id: str
    members: tuple[tuple[str, str], ...]
    title: str | None = None
    ordering: int = 0
    deployed: bool = False

    def operation(self) -> dict[str, Any]:
        """The item operation that makes it known to its Controller."""
        priorities = {id_: int(text) if text.lstrip("-").isdigit() else text for id_, text in self.members}
        item = {"TYPE": "SubagentBundle", "id": self.subagent_cluster_id, "subagentToPriority": priorities}
        return {"TYPE": "AddOrChangeSimple", "item": item}


class AgentClusters:
    """Subagents and their clusters of registered Agents."""

    def __init__(
        self, database: Database, registry: Registry, connections: ControllerConnections, clock: Clock
    ) -> None:
        self._database = database
        self._registry = registry
        self._connections = connections
        self._clock = clock

    # --- Agents -------------------------------------------------------------------------------------------------------

    async def store_agent(self, agent: AgentInstance, generated: Iterable[str] = ()) -> None:
        """Insert or update an Agent with Subagents; others that it has stay. Raises `BadRequest`.

        `generated`: ids of Subagents for which there shall be a Subagent cluster of the same id.
        """
        known = await self._registry.agents(agent.controller_id, [agent.agent_id])
        present = {item.subagent_id: item for former in known for item in former.subagents}
        given = {item.subagent_id: item for item in agent.subagents}
        together = [given.get(id_, item) for id_, item in present.items()]
        together += [item for item in agent.subagents if item.subagent_id not in present]
        subagents = tuple(sorted(together, key=lambda item: item.is_director != PRIMARY_DIRECTOR))
        if not subagents:
            raise BadRequest(f"the Agent '{agent.agent_id}' needs its primary Director among `subagents`")
        await self._registry.store_agents([replace(agent, uri=subagents[0].uri, subagents=subagents)])
        await self.store_clusters(
            [SubagentCluster(agent.controller_id, agent.agent_id, id_, ((id_, "0"),)) for id_ in generated]
        )

    async def known_clusters(self, controller_id: str, agent_ids: Sequence[str]) -> list[AgentInstance]:
        """Raises `BadRequest` naming those that are no Agents with Subagents of the Controller."""
        agents = await self._registry.known_agents(controller_id, agent_ids)
        others = [agent.agent_id for agent in agents if not agent.subagents]
        if others:
            raise BadRequest(f"Agent '{others[0]}' is no cluster")
        return agents

    # --- Subagents ----------------------------------------------------------------------------------------------------

    async def store_subagents(
        self, controller_id: str, agent_id: str, subagents: Sequence[SubagentInstance], generated: Iterable[str]
    ) -> None:
        """Insert or update Subagents of an Agent. Raises `BadRequest`."""
        [agent] = await self.known_clusters(controller_id, [agent_id])
        await self.store_agent(replace(agent, subagents=tuple(subagents)), generated)

    async def known_subagents(
        self, controller_id: str, subagent_ids: Sequence[str]
    ) -> list[tuple[AgentInstance, SubagentInstance]]:
        """Raises `BadRequest` naming those that are no Subagents of clusters of the Controller."""
        await self._registry.controller(controller_id)
        agents = await self._registry.agents(controller_id)
        found = {item.subagent_id: (agent, item) for agent in agents for item in agent.subagents}
        return all_of(found, subagent_ids, "Subagents", "subagentIds", controller_id)

    async def delete_subagents(self, controller_id: str, subagent_ids: Sequence[str]) -> None:
        """Delete Subagents here and, as far as they are deployed, at the Controller; they leave their clusters, too."""
        known = await self.known_subagents(controller_id, subagent_ids)
        primary = [item.subagent_id for _, item in known if item.is_director == PRIMARY_DIRECTOR]
        if primary:
            raise BadRequest(f"Subagent '{primary[0]}' is the primary Director: delete the Agent")
        gone = set(subagent_ids)
        changed = [
            replace(cluster, members=tuple(member for member in cluster.members if member[0] not in gone))
            for cluster in await self.clusters(controller_id)
            if any(id_ in gone for id_, _ in cluster.members)
        ]
        operations: list[dict[str, Any]] = []
        for cluster in changed:
            if cluster.deployed:
                operations.append(cluster.operation() if cluster.members else _deletion(cluster))
        deployed = [(agent, item) for agent, item in known if item.deployed]
        for agent in {agent.agent_id: agent for agent, item in deployed if item.is_director}.values():
            left = tuple(item for item in agent.subagents if item.subagent_id not in gone)
            operations.append(reference_operation(replace(agent, subagents=left)))
        operations += [{"TYPE": "DeleteSimple", "path": f"Subagent:{item.subagent_id}"} for _, item in deployed]
        await self._send(controller_id, operations)
        table = inv_subagent_instances
        async with self._database.write() as connection:
            await connection.execute(
                delete(table).where(table.c.controller_id == controller_id, table.c.sub_agent_id.in_(list(gone)))
            )
            for cluster in changed:
                if cluster.members:
                    await self._write_members(connection, cluster)
                else:
                    await self._delete_rows(connection, controller_id, [cluster.subagent_cluster_id])

    async def set_disabled(self, controller_id: str, subagent_ids: Sequence[str], *, is_disabled: bool) -> None:
        """A disabled Subagent starts no new processes."""
        known = await self.known_subagents(controller_id, subagent_ids)
        await self._send(
            controller_id,
            [
                subagent_operation(agent.agent_id, replace(item, disabled=is_disabled))
                for agent, item in known
                if item.deployed
            ],
        )
        table = inv_subagent_instances
        async with self._database.write() as connection:
            await connection.execute(
                update(table)
                .where(table.c.controller_id == controller_id, table.c.sub_agent_id.in_(list(subagent_ids)))
                .values(disabled=is_disabled)
            )

    async def reset_subagent(self, controller_id: str, subagent_id: str, *, force: bool) -> None:
        """The command ResetSubagent; the Controller refuses it for a Director."""
        await self.known_subagents(controller_id, [subagent_id])
        client = await self._connections.client(controller_id)
        await client.command({"TYPE": "ResetSubagent", "subagentId": subagent_id, "force": force})

    # --- Subagent clusters --------------------------------------------------------------------------------------------

    async def clusters(
        self,
        controller_id: str | None = None,
        agent_ids: Iterable[str] | None = None,
        cluster_ids: Iterable[str] | None = None,
    ) -> list[SubagentCluster]:
        """Subagent clusters in their order."""
        table, members = inv_subagent_clusters, inv_subagent_cluster_members
        query = select(table).order_by(table.c.controller_id, table.c.ordering, table.c.id)
        if controller_id:
            query = query.where(table.c.controller_id == controller_id)
        agents, ids = set(agent_ids or ()), set(cluster_ids or ())
        async with self._database.read() as connection:
            rows = list(await connection.execute(query))
            of_cluster: dict[tuple[str, str], list[tuple[str, str]]] = {}
            for row in await connection.execute(select(members).order_by(members.c.subagent_id)):
                key = (row.controller_id, row.subagent_cluster_id)
                of_cluster.setdefault(key, []).append((row.subagent_id, row.priority))
        return [
            SubagentCluster(
                controller_id=row.controller_id,
                agent_id=row.agent_id,
                subagent_cluster_id=row.subagent_cluster_id,
                members=tuple(of_cluster.get((row.controller_id, row.subagent_cluster_id), ())),
                title=row.title,
                ordering=row.ordering,
                deployed=row.deployed,
            )
            for row in rows
            if (not agents or row.agent_id in agents) and (not ids or row.subagent_cluster_id in ids)
        ]

    async def controller_of_agent(self, agent_id: str) -> str:
        """Agent ids are unique over all Controllers. Raises `BadRequest`."""
        for agent in await self._registry.agents(None, [agent_id]):
            return agent.controller_id
        raise BadRequest(f"unknown Agent '{agent_id}'")

    async def store_clusters(self, clusters: Sequence[SubagentCluster]) -> None:
        """Insert or update Subagent clusters. Raises `BadRequest`."""
        for cluster in clusters:
            check_id("Subagent Cluster Id", cluster.subagent_cluster_id)
            [agent] = await self._registry.known_agents(cluster.controller_id, [cluster.agent_id])
            known = {item.subagent_id for item in agent.machines}
            unknown = [id_ for id_, _ in cluster.members if id_ not in known]
            if unknown:
                raise BadRequest(f"Agent '{cluster.agent_id}' has no Subagent '{unknown[0]}'")
            if not cluster.members:
                raise BadRequest(f"the Subagent cluster '{cluster.subagent_cluster_id}' needs Subagents")
            if len({id_ for id_, _ in cluster.members}) != len(cluster.members):
                raise BadRequest(f"'{cluster.subagent_cluster_id}' names a Subagent twice")
            for id_, priority in cluster.members:
                _check_priority(id_, priority)
        async with self._database.write() as connection:
            for cluster in clusters:
                await self._store_cluster(connection, cluster)

    async def deploy_clusters(self, controller_id: str, cluster_ids: Sequence[str]) -> None:
        """Send Subagent clusters to the Controller; returns after its commit."""
        clusters = await self._known(controller_id, cluster_ids)
        await self._send(controller_id, [cluster.operation() for cluster in clusters])
        await self._set_deployed(controller_id, cluster_ids, is_deployed=True)

    async def revoke_clusters(self, controller_id: str, cluster_ids: Sequence[str]) -> None:
        """Delete Subagent clusters at the Controller, keep them here."""
        clusters = await self._known(controller_id, cluster_ids)
        await self._send(controller_id, [_deletion(cluster) for cluster in clusters if cluster.deployed])
        await self._set_deployed(controller_id, cluster_ids, is_deployed=False)

    async def delete_clusters(self, controller_id: str, cluster_ids: Sequence[str]) -> None:
        """Delete Subagent clusters at the Controller and here."""
        await self.revoke_clusters(controller_id, cluster_ids)
        async with self._database.write() as connection:
            await self._delete_rows(connection, controller_id, cluster_ids)

    async def controller_of_cluster(self, cluster_id: str) -> str:
        """The first Controller with a Subagent cluster of this id. Raises `BadRequest`."""
        for cluster in await self.clusters(None, None, [cluster_id]):
            return cluster.controller_id
        raise BadRequest(f"unknown Subagent cluster '{cluster_id}'")

    async def order_clusters(self, controller_id: str, cluster_id: str, predecessor_id: str | None) -> None:
        """Let a Subagent cluster stand behind another one of its Controller in lists, or first. Raises `BadRequest`."""
        table = inv_subagent_clusters
        own = table.c.controller_id == controller_id
        await reorder(self._database, table, table.c.subagent_cluster_id, cluster_id, predecessor_id, own)

    async def _known(self, controller_id: str, cluster_ids: Sequence[str]) -> list[SubagentCluster]:
        await self._registry.controller(controller_id)
        found = {item.subagent_cluster_id: item for item in await self.clusters(controller_id, None, cluster_ids)}
        return all_of(found, cluster_ids, "Subagent clusters", "subagentClusterIds", controller_id)

    async def _store_cluster(self, connection: AsyncConnection, cluster: SubagentCluster) -> None:
        table = inv_subagent_clusters
        own = (table.c.controller_id == cluster.controller_id) & (
            table.c.subagent_cluster_id == cluster.subagent_cluster_id
        )
        former = (await connection.execute(select(table.c.agent_id).where(own))).first()
        if former is not None and former.agent_id != cluster.agent_id:
            text = f"Subagent Cluster Id '{cluster.subagent_cluster_id}' is already used by Agent '{former.agent_id}'"
            raise BadRequest(text)
        values = {"title": cluster.title, "deployed": False, "modified": self._clock.now_ms()}
        if former is None:
            last = await connection.execute(select(table.c.ordering).order_by(table.c.ordering.desc()).limit(1))
            key = {
                "controller_id": cluster.controller_id,
                "agent_id": cluster.agent_id,
                "subagent_cluster_id": cluster.subagent_cluster_id,
                "ordering": (last.scalar() or 0) + 1,
            }
            await connection.execute(insert(table), [key | values])
        else:
            await connection.execute(update(table).where(own).values(values))
        await self._write_members(connection, cluster)

    @staticmethod
    async def _write_members(connection: AsyncConnection, cluster: SubagentCluster) -> None:
        table = inv_subagent_cluster_members
        key = {"controller_id": cluster.controller_id, "subagent_cluster_id": cluster.subagent_cluster_id}
        await connection.execute(
            delete(table).where(
                table.c.controller_id == cluster.controller_id,
                table.c.subagent_cluster_id == cluster.subagent_cluster_id,
            )
        )
        rows = [{**key, "subagent_id": id_, "priority": priority} for id_, priority in cluster.members]
        await connection.execute(insert(table), rows)

    @staticmethod
    async def _delete_rows(connection: AsyncConnection, controller_id: str, cluster_ids: Sequence[str]) -> None:
        for table in (inv_subagent_cluster_members, inv_subagent_clusters):
            await connection.execute(
                delete(table).where(
                    table.c.controller_id == controller_id, table.c.subagent_cluster_id.in_(list(cluster_ids))
                )
            )

    async def _set_deployed(self, controller_id: str, cluster_ids: Sequence[str], *, is_deployed: bool) -> None:
        table = inv_subagent_clusters
        async with self._database.write() as connection:
            await connection.execute(
                update(table)
                .where(table.c.controller_id == controller_id, table.c.subagent_cluster_id.in_(list(cluster_ids)))
                .values(deployed=is_deployed)
            )

    async def _send(self, controller_id: str, operations: Sequence[dict[str, Any]]) -> None:
        if operations:
            client = await self._connections.client(controller_id)
            await client.update_items(operations)


def _deletion(cluster: SubagentCluster) -> dict[str, Any]:
    return {"TYPE": "DeleteSimple", "path": f"SubagentBundle:{cluster.subagent_cluster_id}"}


def _check_priority(subagent_id: str, text: str) -> None:
    try:
        parse_expression(text)
    except ProblemError as error:
        raise BadRequest(
            f"the priority of Subagent '{subagent_id}' is no expression: {error.problem.message}"
        ) from None
