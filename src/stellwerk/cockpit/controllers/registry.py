"""Registration of Controllers and Agents (cockpit-api 2.3 Controllers, Agents; cockpit-services 9.2).

Agents are first stored here, then deployed: an AgentRef and its SubagentItems go to the Controller in one transaction,
for they refer to each other (workflow spec 8.6). A stand-alone Agent is one with a single Subagent, its Director's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, ApiError, BadRequest, BulkError
from stellwerk.cockpit.controllers.client import ControllerClient
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.instances import (
    AgentInstance,
    ControllerInstance,
    NewNode,
    SubagentInstance,
    agent_operations,
    all_of,
    check_agent,
    check_url,
    clustered,
    moved_behind,
)
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import (
    inv_agent_instances,
    inv_agent_names,
    inv_js_instances,
    inv_subagent_cluster_members,
    inv_subagent_clusters,
    inv_subagent_instances,
)
from stellwerk.effects.clock import Clock
from stellwerk.values.problems import Problem

_OF_CONTROLLERS = (
    inv_js_instances,
    inv_agent_instances,
    inv_agent_names,
    inv_subagent_instances,
    inv_subagent_clusters,
    inv_subagent_cluster_members,
)


class Registry:
    """Which Controllers and Agents this Cockpit knows."""

    def __init__(
        self, database: Database, connections: ControllerConnections, clock: Clock, security_level: str = "LOW"
    ) -> None:
        self._security_level = security_level
        self._database = database
        self._connections = connections
        self._clock = clock

    # --- Controllers --------------------------------------------------------------------------------------------------

    async def controllers(self) -> list[ControllerInstance]:
        table = inv_js_instances
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).order_by(table.c.id))
            return [_of(ControllerInstance, row) for row in rows]

    async def controller(self, controller_id: str) -> ControllerInstance:
        """The (primary) node of a Controller. Raises `ApiError` JOC-404."""
        for instance in await self.controllers():
            if instance.controller_id == controller_id and instance.is_primary:
                return instance
        raise ApiError(
            f"unknown Controller '{controller_id}'", code="JOC-404", kind="UnknownJobSchedulerControllerException"
        )

    async def nodes(self, controller_id: str) -> list[ControllerInstance]:
        """The nodes of a Controller, the primary one first. Raises `ApiError` JOC-404."""
        await self.controller(controller_id)
        found = [instance for instance in await self.controllers() if instance.controller_id == controller_id]
        return sorted(found, key=lambda instance: not instance.is_primary)

    async def look_at(self, url: str, expected_id: str | None) -> dict[str, Any]:
        """The overview of the Controller at a URL.

        Raises `BadRequest` for a malformed URL or another id than expected, `PeerUnreachableError`.
        """
        check_url(url)
        client = ControllerClient(expected_id or "", self._connections.open_node(url, None))
        try:
            overview = await client.overview()
        finally:
            await client.close()
        if expected_id and overview["id"] != expected_id:
            raise BadRequest(f"the Controller at {url} has the id '{overview['id']}', not '{expected_id}'")
        return overview

    async def register(self, nodes: Sequence[NewNode], *, controller_id: str | None = None) -> str:
        """Register a Controller with its node, or its primary and its backup node; or change what is registered.

        Gives the id that the Controller tells. Raises `BadRequest`, `PeerUnreachableError`.
        """
        nodes = _checked(nodes)
        overviews = [await self.look_at(node.url, controller_id) for node in nodes]
        ids = list(dict.fromkeys(str(overview["id"]) for overview in overviews))
        if len(ids) > 1:
            raise BadRequest(f"the nodes belong to different Controllers: {ids[0]} and {ids[1]}")
        [found_id] = ids
        table = inv_js_instances
        async with self._database.write() as connection:
            taken = select(table.c.uri, table.c.controller_id).where(
                table.c.uri.in_([node.url for node in nodes]), table.c.controller_id != found_id
            )
            other = (await connection.execute(taken)).first()
            if other is not None:
                raise BadRequest(f"{other.uri} is already registered for the Controller '{other.controller_id}'")
            own = (await connection.execute(select(table.c.id, table.c.is_primary).where(_of_id(found_id)))).all()
            ids_by_role = {row.is_primary: row.id for row in own}
            # New ones first take the place of old ones: a URL may change its role.
            await connection.execute(delete(table).where(_of_id(found_id)))
            for node, overview in zip(nodes, overviews, strict=True):
                row = self._row(found_id, node, overview, is_cluster=len(nodes) > 1)
                known = ids_by_role.get(node.is_primary)
                await connection.execute(insert(table), [row if known is None else {"id": known, **row}])
        await self._connections.changed()
        return found_id

    def _row(self, controller_id: str, node: NewNode, overview: dict[str, Any], *, is_cluster: bool) -> dict[str, Any]:
        system = overview.get("system") or {}
        return {
            "controller_id": controller_id,
            "uri": node.url,
            "cluster_uri": node.cluster_url,
            "title": node.title or controller_id,
            "version": overview.get("version"),
            "host": system.get("hostname") or urlsplit(node.url).hostname,
            "os": system.get("distribution"),
            "started_at": overview.get("startedAt"),
            "security_level": self._security_level,
            "is_cluster": is_cluster,
            "is_primary": node.is_primary,
            "modified": self._clock.now_ms(),
        }

    async def unregister(self, controller_id: str) -> None:
        """Forget a Controller and its Agents. It works on; its history stays here."""
        await self.controller(controller_id)
        async with self._database.write() as connection:
            for table in _OF_CONTROLLERS:
                await connection.execute(delete(table).where(table.c.controller_id == controller_id))
        await self._connections.changed()

    # --- Agents -------------------------------------------------------------------------------------------------------

    async def agents(
        self, controller_id: str | None = None, agent_ids: Iterable[str] | None = None, *, only_visible: bool = False
    ) -> list[AgentInstance]:
        """Registered Agents in their order."""
        table, names = inv_agent_instances, inv_agent_names
        query = select(table).order_by(table.c.controller_id, table.c.ordering, table.c.id)
        if controller_id:
            query = query.where(table.c.controller_id == controller_id)
        wanted = set(agent_ids or ())
        async with self._database.read() as connection:
            rows = list(await connection.execute(query))
            aliases: dict[tuple[str, str], list[str]] = {}
            for row in await connection.execute(select(names).order_by(names.c.agent_name)):
                aliases.setdefault((row.controller_id, row.agent_id), []).append(row.agent_name)
            machines: dict[tuple[str, str], list[SubagentInstance]] = {}
            for row in await connection.execute(_subagents_in_order()):
                machine = _of(SubagentInstance, row, subagent_id=row.sub_agent_id)
                machines.setdefault((row.controller_id, row.agent_id), []).append(machine)
        return [
            _of(
                AgentInstance,
                row,
                aliases=tuple(aliases.get((row.controller_id, row.agent_id), ())),
                subagents=clustered(row.agent_id, machines.get((row.controller_id, row.agent_id), [])),
            )
            for row in rows
            if (not wanted or row.agent_id in wanted) and not (only_visible and row.hidden)
        ]

    async def store_agents(self, agents: Sequence[AgentInstance]) -> None:
        """Insert or update Agents; the Controller learns of it with `deploy_agents`. Raises `BadRequest`."""
        for agent in agents:
            await self.controller(agent.controller_id)
            check_agent(agent)
            former = await self.agents(agent.controller_id, [agent.agent_id])
            if not agent.subagents and any(known.subagents for known in former):
                raise BadRequest(f"Agent '{agent.agent_id}' is a cluster: delete it before it becomes a single one")
        async with self._database.write() as connection:
            for agent in agents:
                await self._check_unique(connection, agent)
                await self._store_agent(connection, agent)

    async def _check_unique(self, connection: AsyncConnection, agent: AgentInstance) -> None:
        table, names = inv_agent_instances, inv_agent_names
        own = (table.c.controller_id == agent.controller_id) & (table.c.agent_id == agent.agent_id)
        for row in await connection.execute(select(table).where(~own)):
            if row.agent_id == agent.agent_id:
                raise BadRequest(f"Agent Id '{agent.agent_id}' is already used for Controller '{row.controller_id}'")
            if row.controller_id == agent.controller_id and row.agent_name in (agent.agent_name, *agent.aliases):
                raise BadRequest(f"Agent name '{row.agent_name}' is already used by Agent '{row.agent_id}'")
        query = select(names).where(names.c.controller_id == agent.controller_id, names.c.agent_id != agent.agent_id)
        for row in await connection.execute(query):
            if row.agent_name in (agent.agent_name, *agent.aliases):
                raise BadRequest(f"Agent name '{row.agent_name}' is already an alias of Agent '{row.agent_id}'")
        machines = inv_subagent_instances
        others = (machines.c.controller_id != agent.controller_id) | (machines.c.agent_id != agent.agent_id)
        uris, ids = {item.uri for item in agent.machines}, {item.subagent_id for item in agent.machines}
        for row in await connection.execute(select(machines).where(others)):
            if row.uri in uris:
                raise BadRequest(f"Agent url '{row.uri}' is already used by Agent '{row.agent_id}'")
            if row.controller_id == agent.controller_id and row.sub_agent_id in ids:
                raise BadRequest(f"Subagent Id '{row.sub_agent_id}' is already used by Agent '{row.agent_id}'")

    async def _store_agent(self, connection: AsyncConnection, agent: AgentInstance) -> None:
        now = self._clock.now_ms()
        table, names = inv_agent_instances, inv_agent_names
        key = {"controller_id": agent.controller_id, "agent_id": agent.agent_id}
        values = {
            "agent_name": agent.agent_name,
            "uri": agent.uri,
            "title": agent.title,
            "process_limit": agent.process_limit,
            "hidden": agent.hidden,
            "disabled": agent.disabled,
            "failover_confirmation": agent.failover_confirmation,
            "deployed": False,
            "modified": now,
        }
        own = (table.c.controller_id == agent.controller_id) & (table.c.agent_id == agent.agent_id)
        changed = await connection.execute(update(table).where(own).values(values))
        if changed.rowcount == 0:
            ordering = await connection.execute(select(table.c.ordering).order_by(table.c.ordering.desc()).limit(1))
            await connection.execute(insert(table), [key | values | {"ordering": (ordering.scalar() or 0) + 1}])
        await connection.execute(
            delete(names).where(names.c.controller_id == agent.controller_id, names.c.agent_id == agent.agent_id)
        )
        if agent.aliases:
            rows = [{**key, "agent_name": alias} for alias in agent.aliases]
            await connection.execute(insert(names), rows)
        machines = inv_subagent_instances
        others = machines.c.sub_agent_id.not_in([item.subagent_id for item in agent.machines])
        await connection.execute(
            delete(machines).where(
                machines.c.controller_id == agent.controller_id, machines.c.agent_id == agent.agent_id, others
            )
        )
        for number, machine in enumerate(agent.machines, 1):
            await self._store_subagent(connection, key, machine, number)

    async def _store_subagent(
        self, connection: AsyncConnection, agent: dict[str, Any], machine: SubagentInstance, ordering: int
    ) -> None:
        table = inv_subagent_instances
        values = {
            **agent,
            "uri": machine.uri,
            "is_director": machine.is_director,
            "ordering": ordering,
            "title": machine.title,
            "disabled": machine.disabled,
            "modified": self._clock.now_ms(),
        }
        own = (table.c.controller_id == agent["controller_id"]) & (table.c.sub_agent_id == machine.subagent_id)
        changed = await connection.execute(update(table).where(own).values(values))
        if changed.rowcount == 0:
            await connection.execute(insert(table), [{"sub_agent_id": machine.subagent_id, **values}])

    async def known_agents(self, controller_id: str, agent_ids: Sequence[str]) -> list[AgentInstance]:
        """The Agents with these ids. Raises `BadRequest` naming those that do not belong to the Controller."""
        await self.controller(controller_id)
        found = {agent.agent_id: agent for agent in await self.agents(controller_id, agent_ids)}
        return all_of(found, agent_ids, "Agents", "agentIds", controller_id)

    async def deploy_agents(self, controller_id: str, agent_ids: Sequence[str]) -> None:
        """Send AgentRefs with their SubagentItems to the Controller; returns after its commit."""
        agents = await self.known_agents(controller_id, agent_ids)
        client = await self._connections.client(controller_id)
        await client.update_items(operation for agent in agents for operation in agent_operations(agent))
        await self._set_deployed(controller_id, agent_ids, is_deployed=True)

    async def revoke_agents(self, controller_id: str, agent_ids: Sequence[str]) -> None:
        """Delete the Agents at the Controller, keep them here."""
        agents = await self.known_agents(controller_id, agent_ids)
        keys = await self._deployed_clusters(controller_id, agent_ids)
        for agent in agents:
            keys.append(f"Agent:{agent.agent_id}")
            keys += [f"Subagent:{item.subagent_id}" for item in agent.machines if item.deployed or not agent.subagents]
        client = await self._connections.client(controller_id)
        await client.update_items({"TYPE": "DeleteSimple", "path": key} for key in keys)
        await self._set_deployed(controller_id, agent_ids, is_deployed=False)

    async def set_disabled(self, controller_id: str, agent_ids: Sequence[str], *, is_disabled: bool) -> None:
        """Disable or enable the own Subagents of stand-alone Agents: a disabled one starts no new processes."""
        known = await self.known_agents(controller_id, agent_ids)
        if clustered := [agent.agent_id for agent in known if agent.subagents]:
            raise BadRequest(f"{', '.join(clustered)}: disable Subagents of a clustered Agent, not the Agent")
        agents = [msgspec.structs.replace(agent, disabled=is_disabled) for agent in known]
        deployed = [agent for agent in agents if agent.deployed]
        if deployed:
            client = await self._connections.client(controller_id)
            await client.update_items(agent_operations(agent)[1] for agent in deployed)
        async with self._database.write() as connection:
            for table in (inv_agent_instances, inv_subagent_instances):
                await connection.execute(
                    update(table)
                    .where(table.c.controller_id == controller_id, table.c.agent_id.in_(list(agent_ids)))
                    .values(disabled=is_disabled)
                )

    async def delete_agent(self, controller_id: str, agent_id: str) -> None:
        """Delete an Agent at the Controller, if it has been deployed, and here."""
        [agent] = await self.known_agents(controller_id, [agent_id])
        if agent.deployed or any(item.deployed for item in agent.subagents):
            await self.revoke_agents(controller_id, [agent_id])
        clusters, members = inv_subagent_clusters, inv_subagent_cluster_members
        own = (clusters.c.controller_id == controller_id) & (clusters.c.agent_id == agent_id)
        async with self._database.write() as connection:
            ids = select(clusters.c.subagent_cluster_id).where(own)
            await connection.execute(
                delete(members).where(members.c.controller_id == controller_id, members.c.subagent_cluster_id.in_(ids))
            )
            for table in (inv_agent_instances, inv_agent_names, inv_subagent_instances, clusters):
                await connection.execute(
                    delete(table).where(table.c.controller_id == controller_id, table.c.agent_id == agent_id)
                )

    async def reset_agent(self, controller_id: str, agent_id: str, *, force: bool) -> None:
        """The command ResetAgent: the Agent forgets everything (journal spec 1.9)."""
        [agent] = await self.known_agents(controller_id, [agent_id])
        client = await self._connections.client(controller_id)
        await client.command({"TYPE": "ResetAgent", "agentPath": agent.agent_id, "force": force})

    async def reset_agents(self, controller_id: str, agent_ids: Sequence[str], *, force: bool) -> None:
        """ResetAgent for each. Raises `ProblemError` for a single one, `BulkError` naming those refused."""
        agents = await self.known_agents(controller_id, agent_ids)
        client = await self._connections.client(controller_id)
        results = await client.batch(
            [{"TYPE": "ResetAgent", "agentPath": agent.agent_id, "force": force} for agent in agents]
        )
        failures = [
            (agent.agent_id, COMMAND_REFUSED, str(result))
            for agent, result in zip(agents, results, strict=True)
            if isinstance(result, Problem)
        ]
        if failures:
            raise BulkError(failures)

    async def reassign_agents(self, controller_id: str) -> None:
        """Send all deployed Agents once more: for a Controller that has lost its journal."""
        await self.controller(controller_id)
        ids = [agent.agent_id for agent in await self.agents(controller_id) if agent.deployed]
        if not ids:
            raise BadRequest(f"no Agents have been deployed to Controller '{controller_id}'")
        await self.deploy_agents(controller_id, ids)

    async def order_agents(self, controller_id: str, agent_id: str, predecessor_id: str | None) -> None:
        """Let an Agent of a Controller stand behind another one in lists, or first. Raises `BadRequest`."""
        table = inv_agent_instances
        own = table.c.controller_id == controller_id
        await reorder(self._database, table, table.c.agent_id, agent_id, predecessor_id, own)

    async def order_subagents(self, controller_id: str, subagent_id: str, predecessor_id: str | None) -> None:
        """The same for a Subagent, among those of its Controller."""
        table = inv_subagent_instances
        own = table.c.controller_id == controller_id
        await reorder(self._database, table, table.c.sub_agent_id, subagent_id, predecessor_id, own)

    async def controller_of_subagent(self, subagent_id: str) -> str:
        """The first Controller with a Subagent of this id. Raises `BadRequest`."""
        for agent in await self.agents():
            if any(item.subagent_id == subagent_id for item in agent.subagents):
                return agent.controller_id
        raise BadRequest(f"unknown Subagent '{subagent_id}'")

    async def _deployed_clusters(self, controller_id: str, agent_ids: Sequence[str]) -> list[str]:
        """Keys of the Subagent clusters of Agents that the Controller has."""
        table = inv_subagent_clusters
        query = select(table.c.subagent_cluster_id).where(
            table.c.controller_id == controller_id, table.c.agent_id.in_(list(agent_ids)), table.c.deployed
        )
        async with self._database.read() as connection:
            return [f"SubagentBundle:{id_}" for id_ in (await connection.execute(query)).scalars()]

    async def _set_deployed(self, controller_id: str, agent_ids: Sequence[str], *, is_deployed: bool) -> None:
        tables = [inv_agent_instances, inv_subagent_instances]
        if not is_deployed:
            tables.append(inv_subagent_clusters)
        async with self._database.write() as connection:
            for table in tables:
                await connection.execute(
                    update(table)
                    .where(table.c.controller_id == controller_id, table.c.agent_id.in_(list(agent_ids)))
                    .values(deployed=is_deployed)
                )


async def reorder(
    database: Database,
    table: Table,
    key: ColumnElement[str],
    id_: str,
    predecessor_id: str | None,
    where: ColumnElement[bool],
) -> None:
    """Write `ordering` anew so that the row `id_` follows `predecessor_id`. Raises `BadRequest` for unknown ids.

    `where`: among which rows; `key` is unique among them.
    """
    async with database.write() as connection:
        query = select(table.c.id, key.label("key")).where(where).order_by(table.c.ordering, table.c.id)
        rows = list(await connection.execute(query))
        order = moved_behind([row.key for row in rows], id_, predecessor_id)
        ids = {row.key: row.id for row in rows}
        for number, name in enumerate(order, 1):
            await connection.execute(update(table).where(table.c.id == ids[name]).values(ordering=number))


def _subagents_in_order() -> Select[Any]:
    table = inv_subagent_instances
    return select(table).order_by(table.c.ordering, table.c.id)


def _of_id(controller_id: str) -> ColumnElement[bool]:
    return inv_js_instances.c.controller_id == controller_id


def _checked(nodes: Sequence[NewNode]) -> list[NewNode]:
    """The primary node first. Raises `BadRequest` for a combination that is none."""
    cleaned = [msgspec.structs.replace(node, url=node.url.rstrip("/")) for node in nodes]
    for node in cleaned:
        check_url(node.url)
        if node.cluster_url is not None:
            check_url(node.cluster_url)
    if len({node.url for node in cleaned}) != len(cleaned):
        raise BadRequest("the nodes of a Controller need different urls")
    return sorted(cleaned, key=lambda node: not node.is_primary)


def _of(type_: type[Any], row: Row[Any], **others: Any) -> Any:
    """The struct with the columns of the same names."""
    values = row._mapping
    return type_(**{name: values[name] for name in type_.__struct_fields__ if name in values}, **others)
