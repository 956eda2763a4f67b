"""The Controller as the watch of its Agents' pairs of Directors (cluster spec 2.2).

One watcher for each Agent with two Directors, while this Controller is active. What it decides is made durable in this
node's data folder before it is answered. That does not go with the role: a Controller that has just taken over knows
nothing of a pair before its active Director has been heard, and until then only a person can confirm a loss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from stellwerk.cluster.watch import Knowledge
from stellwerk.cluster.watcher import DiskMemory, WatchedNode, Watcher
from stellwerk.controller.state import ControllerState
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.effects.disk import Disk
from stellwerk.engine.events import agent as a
from stellwerk.engine.events.cluster import AnyClusterEvent, NodeId
from stellwerk.node.node import NodeEffects
from stellwerk.node.persist import Persister
from stellwerk.values.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

#: Makes a connection to a Director: AgentPath, URI.
WatchedNodeFactory = Callable[[str, str], WatchedNode]
_RESTART_SECONDS = 1.0


def no_watched_nodes(agent_path: str, uri: str) -> WatchedNode:
    raise ProblemError(f"This Controller has no way to watch {uri}")


class Owner(Protocol):
    """What the watches need of their Controller."""

    effects: NodeEffects
    state: ControllerState
    persister: Persister[ControllerTransaction]
    controller_id: str

    @property
    def term(self) -> int: ...


class _Remembered(msgspec.Struct, frozen=True):
    #: The Controller's term in which it was learnt: of an older one it may be outdated.
    term: int
    knowledge: Knowledge
    #: Of which run of the Agent it is: after a reset another cluster begins.
    agent_run_id: str | None = None


class _Memory:
    """`Memory` of one pair, valid in one term of the Controller and one run of the Agent."""

    def __init__(self, disk: Disk, agent_path: str, agent_run_id: str | None, term: Callable[[], int]) -> None:
        self._memory = DiskMemory(disk, f"watch-{agent_path}.json", _Remembered)
        self._agent_run_id = agent_run_id
        self._term = term

    async def load(self) -> Knowledge | None:
        remembered = await self._memory.load()
        if remembered is None or (remembered.term, remembered.agent_run_id) != (self._term(), self._agent_run_id):
            return None
        return remembered.knowledge

    async def store(self, knowledge: Knowledge) -> None:
        await self._memory.store(_Remembered(self._term(), knowledge, self._agent_run_id))


class _Watched(msgspec.Struct, frozen=True):
    """One pair of Directors in one run of its Agent."""

    agent_run_id: str | None
    watcher: Watcher


class DirectorWatches:
    """See the module."""

    def __init__(self, owner: Owner, nodes: WatchedNodeFactory) -> None:
        self._owner = owner
        self._nodes = nodes
        self._watched: dict[str, _Watched] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def look_at(self, agent_path: str) -> None:
        """The Agent's Directors, their addresses, its run, or whether a person confirms, may have changed."""
        state = self._owner.state
        agent = state.agents.get(agent_path)
        uris = () if agent is None else state.director_uris(agent_path)
        known = self._watched.get(agent_path)
        if agent is not None and known is not None and known.watcher.uris == uris:
            known.watcher.require_failover_confirmation(agent.agent_ref.require_failover_confirmation)
            # Until the reset is done, the old cluster is there and may need its watch.
            if agent.is_resetting or known.agent_run_id == agent.agent_run_id:
                return
        self._watched.pop(agent_path, None)
        former = self._tasks.pop(agent_path, None)
        if former is not None:
            former.cancel()
        if agent is not None and len(uris) == 2:
            watcher = self._make(agent_path, agent.agent_run_id, uris)
            self._watched[agent_path] = _Watched(agent.agent_run_id, watcher)
            run = self._run(agent_path, watcher, former)
            self._tasks[agent_path] = asyncio.create_task(run, name=f"watch {agent_path}")

    def _make(self, agent_path: str, agent_run_id: str | None, uris: tuple[str, ...]) -> Watcher:
        owner = self._owner
        return Watcher(
            f"{owner.controller_id}/{agent_path}",
            uris,
            lambda uri: self._nodes(agent_path, uri),
            _Memory(owner.effects.disk, agent_path, agent_run_id, lambda: owner.term),
            owner.effects.random,
            requires_failover_confirmation=owner.state.agent(agent_path).agent_ref.require_failover_confirmation,
            on_unconfirmed=lambda lost: self._confirmation_required(agent_path, lost),
        )

    async def _run(self, agent_path: str, watcher: Watcher, former: asyncio.Task[None] | None) -> None:
        if former is not None:
            await asyncio.wait([former])  # both keep what they know in the same file
        while True:
            try:
                await watcher.run()
            except Exception:
                logger.exception("The watch of Agent %s begins again", agent_path)
            await asyncio.sleep(_RESTART_SECONDS)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- people ---

    def _confirmation_required(self, agent_path: str, lost: NodeId) -> None:
        """Noted once, as an event that people see; cleared when it is settled."""
        watcher = self._watched[agent_path].watcher
        asker, event = watcher.watch.to_be_confirmed[lost]
        problem = node_loss_problem(asker, event)
        known = self._owner.state.agent(agent_path).cluster_node_problems
        if any(entry == problem for entry in known):
            return
        required = a.AgentClusterWatchConfirmationRequired(problem=problem)
        self._owner.persister.persist_internally(lambda transaction: transaction.emit(agent_path, required))

    def confirm(self, agent_path: str, lost_node_id: NodeId, confirmer: str) -> None:
        """Raises `ProblemError` when there is nothing to be confirmed."""
        known = self._watched.get(agent_path)
        if known is None or not known.watcher.is_started:
            raise ProblemError(Problem(message=f"Agent {agent_path} does not have two Directors"))
        known.watcher.watch.confirm_node_loss(lost_node_id, confirmer)


def node_loss_problem(asker: NodeId, event: AnyClusterEvent) -> dict[str, object]:
    """As it stands in the event and in the state (journal spec 8.2)."""
    return {
        "TYPE": "ClusterNodeLossNotConfirmedProblem",
        "fromNodeId": asker,
        "event": msgspec.to_builtins(event),
    }
