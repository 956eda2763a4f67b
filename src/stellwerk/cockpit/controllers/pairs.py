"""Controller pairs: what their nodes say of themselves, appointment, switch-over (cluster.md 1.3, 1.10.3, 1.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.client import ControllerClient, ControllerPeer
from stellwerk.cockpit.controllers.cluster_survey import DirectorsAnswer, directors_decoder
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.instances import ControllerInstance
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.json import decode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.active_node import ClusterNodeState, node_state

PRIMARY, BACKUP = "Primary", "Backup"
#: A node that does not answer within this time is shown as unreachable.
SURVEY_SECONDS = 5.0


class NodeSurvey(msgspec.Struct, frozen=True):
    """A registered node as it answers now; `overview` None: it does not."""

    instance: ControllerInstance
    overview: dict[str, Any] | None = None
    state: ClusterNodeState | None = None
    error: str | None = None

    @property
    def is_active(self) -> bool:
        return self.state is not None and self.state.is_active


async def survey(connections: ControllerConnections, instances: Sequence[ControllerInstance]) -> list[NodeSurvey]:
    """Ask all nodes at once."""
    return list(await asyncio.gather(*(_survey_one(connections, instance) for instance in instances)))


async def _survey_one(connections: ControllerConnections, instance: ControllerInstance) -> NodeSurvey:
    try:
        node = await _peer_of(connections, instance)
        async with asyncio.timeout(SURVEY_SECONDS):
            overview = decode(await node.get(""))
    except TimeoutError:
        return NodeSurvey(instance, error=f"{instance.uri} did not answer within {SURVEY_SECONDS:g} s")
    except (PeerUnreachableError, ProblemError) as error:
        return NodeSurvey(instance, error=str(error))
    try:
        return NodeSurvey(instance, overview, await node_state(node))
    except (PeerUnreachableError, ProblemError) as error:
        return NodeSurvey(instance, overview, error=str(error))


async def _peer_of(connections: ControllerConnections, instance: ControllerInstance) -> ControllerPeer:
    client = await connections.client(instance.controller_id)
    return client.nodes[0 if instance.is_primary else -1]


class Pairs:
    """Commands to Controller pairs."""

    def __init__(self, registry: Registry, connections: ControllerConnections) -> None:
        self._registry = registry
        self._connections = connections

    async def nodes(self, controller_id: str) -> tuple[ControllerInstance, ControllerInstance]:
        """Primary and backup node. Raises `BadRequest` for a stand-alone Controller."""
        nodes = await self._registry.nodes(controller_id)
        if len(nodes) != 2:
            raise BadRequest(f"the Controller '{controller_id}' stands alone: it has no cluster")
        return nodes[0], nodes[1]

    async def state(self, controller_id: str) -> ClusterNodeState:
        """The state as the active node says it. Raises `PeerUnreachableError`, `ProblemError`."""
        return await node_state((await self._connections.client(controller_id)).peer)

    async def appoint(self, controller_id: str) -> bool:
        """Tell the active node who its peer is, if it knows another one or none; gives whether it had to be told."""
        primary, backup = await self.nodes(controller_id)
        wanted = {PRIMARY: primary.cluster_uri or primary.uri, BACKUP: backup.cluster_uri or backup.uri}
        state = await self.state(controller_id)
        if state.setting.get("idToUri") == wanted:
            return False
        active_id = state.setting.get("activeId", PRIMARY)
        client = await self._connections.client(controller_id)
        await client.command({"TYPE": "ClusterAppointNodes", "idToUri": wanted, "activeId": active_id}, repeatable=True)
        return True

    async def switch_over(self, controller_id: str) -> None:
        """The passive node becomes the active one. Raises `BadRequest` unless the nodes are coupled."""
        await self.nodes(controller_id)
        state = await self.state(controller_id)
        if state.type != "Coupled":
            raise BadRequest(f"the nodes of '{controller_id}' are not coupled (Cluster{state.type}): no switch-over")
        client = await self._connections.client(controller_id)
        await client.command({"TYPE": "ClusterSwitchOver"})

    async def directors(self, controller_id: str, agent_id: str) -> DirectorsAnswer:
        """The pair of Directors of an Agent, as its Controller tells. Raises `BadRequest` if there is none."""
        client = await self._connections.client(controller_id)
        for pair in directors_decoder.decode(await client.peer.get("cluster/directors")):
            if pair.agent_path == agent_id:
                return pair
        raise BadRequest(f"'{agent_id}' is not an Agent of '{controller_id}' with two Directors")

    async def switch_over_directors(self, controller_id: str, agent_id: str) -> None:
        """The passive Director becomes the active one. Raises `BadRequest` unless they are coupled."""
        pair = await self.directors(controller_id, agent_id)
        if pair.state != "Coupled":
            raise BadRequest(f"the Directors of '{agent_id}' are not coupled (Cluster{pair.state or 'Unknown'})")
        client = await self._connections.client(controller_id)
        try:
            await client.command({"TYPE": "ClusterSwitchOver", "agentPath": agent_id})
        except ProblemError as error:
            # What was known here of the pair may be a moment old; the Directors know best.
            raise BadRequest(f"the Directors of '{agent_id}' do not switch over: {error.problem}") from error

    async def confirm_loss_of_director(self, controller_id: str, agent_id: str, confirmer: str) -> None:
        """A person says that the Director is dead whose loss waits for that. Raises `BadRequest` if none does."""
        lost = (await self.directors(controller_id, agent_id)).loss_to_confirm
        if lost is None:
            raise BadRequest(f"no loss of a Director of '{agent_id}' waits for a person")
        client = await self._connections.client(controller_id)
        command = {"TYPE": "ConfirmClusterNodeLoss", "agentPath": agent_id, "lostNodeId": lost, "confirmer": confirmer}
        await client.command(command)

    async def node_client(self, controller_id: str, url: str | None) -> tuple[ControllerClient, bool]:
        """A client of one node, and whether it is the active node of a pair. `url`: needed for a pair only."""
        client = await self._connections.client(controller_id)
        nodes = await self._registry.nodes(controller_id)
        if len(nodes) == 1:
            return client, False
        for instance, peer in zip(nodes, client.nodes, strict=True):
            if instance.uri == (url or "").rstrip("/"):
                return ControllerClient(controller_id, peer), (await node_state(peer)).is_active
        raise BadRequest(f"{url} is not the url of a node of '{controller_id}'")
