"""`ClusterSurvey`: what all nodes of all Controllers, and their Directors in pairs, say of themselves now.

Nodes are asked only while somebody looks: a request waits for an answer that is at most a second old, shared by all who
ask at the same time; while the topic `cluster` of the live stream is read, they are asked once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from stellwerk.cluster.status import NodeStatus
from stellwerk.cockpit.controllers.client import ControllerPeer
from stellwerk.cockpit.controllers.connections import ControllerConnections, Urls
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.effects.clock import Clock
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.active_node import node_state

TOPIC = "cluster"
PERIOD_SECONDS = 1.0
#: A node that does not answer within this time is shown as not reachable; its Controller asks Directors for 2 s.
ANSWER_SECONDS = 3.0

_logger = structlog.get_logger(__name__)


class NodeAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """One node. `error`: why there is no `status`; `asked_ms`: when it was asked."""

    uri: str
    asked_ms: int
    status: NodeStatus | None = None
    error: str | None = None
    #: Of a Director.
    node_id: str | None = None
    subagent_id: str | None = None


class DirectorsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A pair of Directors as its Controller tells (`controller.director_survey.DirectorPair`)."""

    agent_path: str
    nodes: list[dict[str, Any]]
    loss_to_confirm: str | None = None
    requires_failover_confirmation: bool = False

    def answers(self, asked_ms: int) -> list[NodeAnswer]:
        """The nodes, the primary one first."""
        return [msgspec.convert({**node, "askedMs": asked_ms}, NodeAnswer) for node in self.nodes]


class ControllerAnswer(msgspec.Struct, frozen=True):
    """The nodes in the order of registration, and the pairs of Directors, as far as the active node tells them."""

    nodes: list[NodeAnswer]
    directors: list[DirectorsAnswer]
    #: When the Directors were asked.
    asked_ms: int


_status_decoder = msgspec.json.Decoder(NodeStatus)
_directors_decoder = msgspec.json.Decoder(list[DirectorsAnswer])


class ClusterSurvey:
    """A `Service`."""

    def __init__(self, connections: ControllerConnections, hub: LiveHub, clock: Clock) -> None:
        self._connections = connections
        self._hub = hub
        self._clock = clock
        self._latest: tuple[float, Mapping[str, ControllerAnswer]] | None = None
        self._asking: asyncio.Task[Mapping[str, ControllerAnswer]] | None = None
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._beat = asyncio.create_task(self._keep_fresh(), name="cluster-survey")

    async def stop(self) -> None:
        for task in (self._beat, self._asking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def recent(self) -> Mapping[str, ControllerAnswer]:
        """By Controller id; at most a second old."""
        if self._latest is not None and asyncio.get_running_loop().time() - self._latest[0] < PERIOD_SECONDS:
            return self._latest[1]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all(), name="cluster-survey-once")
        return await asyncio.shield(self._asking)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if self._hub.is_wanted(TOPIC):
                try:
                    await self.recent()
                except Exception as error:  # the database does not answer; the next second may be better
                    _logger.warning("the nodes could not be asked", exc_info=error)
                    continue
                self._hub.mark(TOPIC)

    async def _ask_all(self) -> Mapping[str, ControllerAnswer]:
        registered = await self._connections.registered()
        answers = await asyncio.gather(*(self._ask(controller_id, urls) for controller_id, urls in registered.items()))
        found = dict(zip(registered, answers, strict=True))
        self._latest = asyncio.get_running_loop().time(), found
        return found

    async def _ask(self, controller_id: str, urls: Urls) -> ControllerAnswer:
        # Registered anew just now, the client may have other nodes than `urls`: the next survey has them all.
        peers = (await self._connections.client(controller_id)).nodes[: len(urls)]
        nodes = await asyncio.gather(*(self._ask_node(uri, peer) for uri, peer in zip(urls, peers, strict=False)))
        active = [
            peer
            for peer, answer in zip(peers, nodes, strict=True)
            if answer.status is not None and answer.status.phase == "active"
        ]
        asked_ms = self._clock.now_ms()
        return ControllerAnswer(list(nodes), await self._ask_directors(active[0]) if active else [], asked_ms)

    async def _ask_node(self, uri: str, peer: ControllerPeer) -> NodeAnswer:
        asked_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return NodeAnswer(uri, asked_ms, await _status(peer))
        except TimeoutError:
            return NodeAnswer(uri, asked_ms, error=f"no answer within {ANSWER_SECONDS:g} s")
        except (PeerUnreachableError, ProblemError) as error:
            return NodeAnswer(uri, asked_ms, error=str(error))

    async def _ask_directors(self, peer: ControllerPeer) -> list[DirectorsAnswer]:
        """None, too, of a Controller that is no Stellwerk."""
        with contextlib.suppress(PeerUnreachableError, ProblemError, TimeoutError, msgspec.DecodeError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return _directors_decoder.decode(await peer.get("cluster/directors"))
        return []


async def _status(peer: ControllerPeer) -> NodeStatus:
    """Of a node that does not tell it (JS7): what follows from its state. Raises as `node_state`."""
    try:
        return _status_decoder.decode(await peer.get("cluster/status"))
    except msgspec.DecodeError as error:
        raise PeerUnreachableError(f"the answer of the node cannot be read: {error}") from error
    except ProblemError:
        state = await node_state(peer)
    overview = msgspec.json.decode(await peer.get(""))
    is_pair = state.type != "Empty"
    return NodeStatus(
        node_id=state.node_id,
        phase="active" if state.is_active else "passive",
        state=state.type if is_pair else None,
        active_id=state.setting.get("activeId"),
        version=str(overview.get("version", "")),
        started_at=int(overview.get("startedAt") or 0),
    )
