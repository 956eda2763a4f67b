"""What a node gives to its part in a cluster (`ClusterHost`), and what it has to be given to have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stellwerk.cluster.member import ClusterConfiguration
from stellwerk.cluster.peer import ClusterPeer, ClusterPeerFactory
from stellwerk.effects.clock import Clock
from stellwerk.effects.disk import Disk
from stellwerk.engine.cluster import ClusterState
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.journal import Journal, JournalFailedError, JournalOptions, Recovered, Replica
from stellwerk.journal.acknowledgement import AcknowledgementGate
from stellwerk.values.problems import Problem, ProblemError

if TYPE_CHECKING:
    from stellwerk.node.node import Node


def _no_peers(uri: str) -> ClusterPeer:
    raise ProblemError(Problem(message=f"This node cannot reach {uri}: it has not been made to be part of a cluster"))


@dataclass(frozen=True)
class NodeCluster:
    """A node's cluster: who it is, and how it reaches the other node."""

    configuration: ClusterConfiguration = field(default_factory=ClusterConfiguration)
    peers: ClusterPeerFactory = _no_peers


STAND_ALONE = NodeCluster()


class NodeHost:
    """`ClusterHost` of a `Node`."""

    def __init__(self, node: Node[Any, Any]) -> None:
        self._node = node
        self.disk: Disk = node.effects.disk
        self.clock: Clock = node.effects.clock

    @property
    def journal_options(self) -> JournalOptions:
        return self._node.journal_options

    @property
    def cluster_state(self) -> ClusterState:
        state: ClusterState = self._node.state.cluster_state
        return state

    # --- passive ---

    def begin_following(self, replica: Replica) -> None:
        self._node.readable = replica

    def fold_events(self, lines: Sequence[bytes]) -> None:
        self._node.apply_events(lines)
        self._node.release_what_is_obsolete()

    def snapshot_copy(self) -> Callable[[], Iterable[bytes]]:
        copy: Callable[[], Iterable[bytes]] = self._node.state.snapshot_copy()
        return copy

    def canonical(self, snapshot_object: bytes) -> bytes:
        return repr(self._node.SNAPSHOT_OBJECTS.decode(snapshot_object)).encode()

    # --- active ---

    async def activate(
        self,
        recovered: Recovered,
        event: AnyClusterEvent | None,
        *,
        in_same_file: bool,
        needs_acknowledgement: bool = False,
    ) -> None:
        await self._node.open_journal(
            recovered, event, in_same_file=in_same_file, needs_acknowledgement=needs_acknowledgement
        )

    @property
    def acknowledgement(self) -> AcknowledgementGate:
        return self._node.acknowledgement

    def persist_event(self, event: AnyClusterEvent) -> None:
        self._node.persist_cluster_event(event)

    async def durable(self) -> None:
        await self._node.durable()

    def seal(self) -> None:
        self._node.persister.stop()
        self._node.journal.seal()

    # --- end ---

    def restart(self, reason: str, *, is_final: bool = False) -> None:
        self._node.restart(reason, is_final=is_final)

    def halt(self, reason: str) -> None:
        self._node.halt(reason)

    def forget(self, reason: str) -> None:
        self._node.forget(reason)

    @property
    def journal_id(self) -> str | None:
        readable = self._node.readable
        return readable.journal_id if isinstance(readable, Journal | Replica) else None

    def failed(self, error: BaseException) -> None:
        if isinstance(error, JournalFailedError):
            self._node.on_journal_failure(error)
        else:
            self._node.on_bug(error)
