"""`ClusterSurvey`: what all nodes of all Controllers, and their Directors in pairs, say of themselves now.

Nodes are asked only while somebody looks: a request gets answers that are at most a second old, shared by all who ask
at the same time; while the topic `cluster` of the live stream is read, they are asked once a second. A node that hangs
does not hold up the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from stellwerk.cluster.status import NodeStatus
from stellwerk.cockpit.api.errors import ApiError
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
#: So long a request waits for nodes that have not answered yet.
PATIENCE_SECONDS = 0.5

T = TypeVar("T")

_logger = structlog.get_logger(__name__)


class NodeAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """One node. `error`: why there is no `status`; neither: it has not answered yet. `asked_ms`: when it was asked."""

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
    state: str | None = None
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
directors_decoder = msgspec.json.Decoder(list[DirectorsAnswer])


class _Asked(Generic[T]):
    """One question that is asked again and again, and its latest answer."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._answered_at = float("-inf")
        self.latest: T | None = None
        self.task: asyncio.Task[None] | None = None

    def refresh(self) -> asyncio.Task[None] | None:
        """Ask, unless the latest answer is fresh; gives the question that is under way, if any."""
        is_running = self.task is not None and not self.task.done()
        if not is_running and self._loop.time() - self._answered_at >= PERIOD_SECONDS:
            self.task = asyncio.create_task(self._run(), name="cluster-survey-question")
            is_running = True
        return self.task if is_running else None

    async def _run(self) -> None:
        try:
            self.latest = await self._ask()
        except Exception as error:  # not the node's fault: its former answer stays, with its age
            _logger.error("a node could not be asked", exc_info=error)
        self._answered_at = self._loop.time()


class ClusterSurvey:
    """A `Service`."""

    def __init__(self, connections: ControllerConnections, hub: LiveHub, clock: Clock) -> None:
        self._connections = connections
        self._hub = hub
        self._clock = clock
        #: By Controller id and address.
        self._nodes: dict[tuple[str, str], _Asked[NodeAnswer]] = {}
        self._directors: dict[str, _Asked[tuple[list[DirectorsAnswer], int]]] = {}
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._beat = asyncio.create_task(self._keep_fresh(), name="cluster-survey")

    async def stop(self) -> None:
        asked: list[_Asked[Any]] = [*self._nodes.values(), *self._directors.values()]
        tasks = [task for task in (self._beat, *(one.task for one in asked)) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def recent(self) -> Mapping[str, ControllerAnswer]:
        """By Controller id. Who answers at all answers at once: a node that is slow keeps its former answer."""
        registered = await self._connections.registered()
        self._look_at(registered)
        await _patiently([*self._nodes.values()])
        leading = [controller_id for controller_id in registered if self._has_active_node(controller_id)]
        await _patiently([self._directors[controller_id] for controller_id in leading])
        return {controller_id: self._answer(controller_id, urls) for controller_id, urls in registered.items()}

    def _look_at(self, registered: Mapping[str, Urls]) -> None:
        wanted = {(controller_id, uri) for controller_id, urls in registered.items() for uri in urls}
        for gone in self._nodes.keys() - wanted:
            task = self._nodes.pop(gone).task
            if task is not None:
                task.cancel()
        for key in wanted - self._nodes.keys():
            self._nodes[key] = _Asked(partial(self._ask_node, *key))
        for controller_id in self._directors.keys() - registered.keys():
            task = self._directors.pop(controller_id).task
            if task is not None:
                task.cancel()
        for controller_id in registered.keys() - self._directors.keys():
            self._directors[controller_id] = _Asked(partial(self._ask_directors, controller_id))

    def _has_active_node(self, controller_id: str) -> bool:
        answers = [asked.latest for (id_, _), asked in self._nodes.items() if id_ == controller_id]
        return any(one is not None and one.status is not None and one.status.phase == "active" for one in answers)

    def _answer(self, controller_id: str, urls: Urls) -> ControllerAnswer:
        now_ms = self._clock.now_ms()
        nodes = [self._nodes[controller_id, uri].latest or NodeAnswer(uri, now_ms) for uri in urls]
        directors, asked_ms = self._directors[controller_id].latest or ([], now_ms)
        if not self._has_active_node(controller_id):
            directors = []  # nobody tells
        return ControllerAnswer(nodes, directors, asked_ms)

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

    async def _ask_node(self, controller_id: str, uri: str) -> NodeAnswer:
        asked_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return NodeAnswer(uri, asked_ms, await _status(await self._peer(controller_id, uri)))
        except TimeoutError:
            return NodeAnswer(uri, asked_ms, error=f"no answer within {ANSWER_SECONDS:g} s")
        except (PeerUnreachableError, ProblemError, ApiError) as error:
            return NodeAnswer(uri, asked_ms, error=str(error))

    async def _peer(self, controller_id: str, uri: str) -> ControllerPeer:
        client = await self._connections.client(controller_id)
        urls = (await self._connections.registered()).get(controller_id, ())
        if uri not in urls or len(urls) != len(client.nodes):
            raise PeerUnreachableError("it has been registered anew just now")
        return client.nodes[urls.index(uri)]

    async def _ask_directors(self, controller_id: str) -> tuple[list[DirectorsAnswer], int]:
        """None, too, of a Controller that is no Stellwerk, or is just changing its roles."""
        asked_ms = self._clock.now_ms()
        with contextlib.suppress(PeerUnreachableError, ProblemError, ApiError, TimeoutError, msgspec.DecodeError):
            async with asyncio.timeout(ANSWER_SECONDS):
                client = await self._connections.client(controller_id)
                return directors_decoder.decode(await client.peer.get("cluster/directors")), asked_ms
        return [], asked_ms


async def _patiently(questions: Sequence[_Asked[Any]]) -> None:
    tasks = [task for one in questions if (task := one.refresh()) is not None]
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)


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
        id_to_uri=state.setting.get("idToUri", {}),
        version=str(overview.get("version", "")),
        started_at=int(overview.get("startedAt") or 0),
    )
