"""What the Directors of pairs say of themselves, asked by their Controller: only it can reach them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from stellwerk.cluster.status import NodeStatus
from stellwerk.controller.node import ControllerNode
from stellwerk.controller.state_objects import AgentRefState
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine.cluster import Empty, name_of
from stellwerk.engine.events.cluster import BACKUP, PRIMARY, NodeId
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import HttpPeer
from stellwerk.wire.request import decode_json

#: A Director that does not answer within this time is shown as not reachable.
ANSWER_SECONDS = 2.0

#: Makes a connection to a Director: AgentPath, URI.
DirectorPeers = Callable[[str, str], HttpPeer]

_decoder = msgspec.json.Decoder(NodeStatus)


class DirectorStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One of the two. `error`: why there is no `status`."""

    node_id: NodeId
    subagent_id: str
    uri: str
    status: NodeStatus | None = None
    error: str | None = None


class DirectorPair(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`state` and `active_id` as the Controller knows them by its own journal."""

    agent_path: str
    nodes: tuple[DirectorStatus, ...]
    state: str | None = None
    active_id: NodeId | None = None
    #: The Director whose loss a person has to confirm.
    loss_to_confirm: NodeId | None = None
    #: Each fail-over has to be confirmed by a person.
    requires_failover_confirmation: bool = False


async def director_pairs(node: ControllerNode, peers: DirectorPeers) -> list[DirectorPair]:
    """All Agents with two Directors, each asked now."""
    state = node.state
    pairs = {path: uris for path in state.agents if len(uris := state.director_uris(path)) == 2}
    return list(await asyncio.gather(*(_pair(path, uris, state.agent(path), peers) for path, uris in pairs.items())))


async def _pair(path: str, uris: tuple[str, ...], agent: AgentRefState, peers: DirectorPeers) -> DirectorPair:
    directors = agent.agent_ref.directors
    nodes = await asyncio.gather(
        *(
            _director(path, node_id, subagent_id, uri, peers)
            for node_id, subagent_id, uri in zip((PRIMARY, BACKUP), directors, uris, strict=True)
        )
    )
    state = agent.cluster_state
    return DirectorPair(
        agent_path=path,
        nodes=tuple(nodes),
        state=None if isinstance(state, Empty) else name_of(state),
        active_id=None if isinstance(state, Empty) else state.active_id,
        loss_to_confirm=loss_to_confirm(agent),
        requires_failover_confirmation=agent.agent_ref.require_failover_confirmation,
    )


async def _director(
    agent_path: str, node_id: NodeId, subagent_id: str, uri: str, peers: DirectorPeers
) -> DirectorStatus:
    status, error = None, None
    peer = peers(agent_path, uri)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            status = decode_json(_decoder, await peer.get("cluster/status"))
    except TimeoutError:
        error = f"no answer within {ANSWER_SECONDS:g} s"
    except (PeerUnreachableError, ProblemError) as problem:
        error = str(problem)
    finally:
        await peer.close()
    return DirectorStatus(node_id=node_id, subagent_id=subagent_id, uri=uri, status=status, error=error)


def loss_to_confirm(agent: AgentRefState) -> NodeId | None:
    """The Director that a person has to confirm as lost, by what the watch has asked for."""
    for problem in agent.cluster_node_problems:
        event = problem.get("event")
        if isinstance(event, dict):
            lost = event.get("id") or event.get("failedActiveId")
            return None if lost is None else str(lost)
    return None
