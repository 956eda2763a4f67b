"""What the states of Controller and Agent share beyond orders: released events, signed items, Subagents, snapshots.

`NodeState` adds event families to the engine's dispatch; its subclasses add theirs. A snapshot is made of copies taken
at one moment and encoded later, slice by slice, while the state goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from stellwerk.engine import cluster
from stellwerk.engine.cluster import ClusterState
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.engine.events.journal import JournalEventsReleased, SnapshotTaken
from stellwerk.engine.state import EngineState, Role
from stellwerk.language.expressions import Expression
from stellwerk.language.items import ItemKey, JobResource, Signed, SubagentItem, job_resource_key
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError

Apply = Callable[[Any, Any], None]

#: The one key of the container that holds the cluster state: every change of the state is one of an entry.
_CLUSTER = "cluster"


class SnapshotObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of snapshot objects that are not items or orders (journal spec 8.2)."""


class JournalState(SnapshotObject, frozen=True, kw_only=True):
    """Per receiver the EventId up to which it has released events."""

    user_id_to_released_event_id: dict[str, int] = {}


class ClusterStateSnapshot(SnapshotObject, frozen=True, kw_only=True):
    """The state of the pair that the node belongs to; absent without one."""

    cluster_state: ClusterState


class SubagentItemState(SnapshotObject, frozen=True, kw_only=True):
    """A Subagent as Director and Controller see it (cluster spec 3.3)."""

    subagent_item: SubagentItem
    subagent_run_id: str | None = None
    coupling_state: s.CouplingState = s.FRESH
    is_detaching: bool = False
    #: Controller only: ResetSubagent is on its way to the Agent, with this `force`.
    is_resetting_forcibly: bool | None = None
    event_id: int = 0
    problem: Problem | None = None
    platform_info: dict[str, Any] | None = None
    #: Agent only: where the run was dedicated, while the item has another URI and the run has not been met there.
    former_uri: str | None = None

    @property
    def is_resetting(self) -> bool:
        return isinstance(self.coupling_state, s.Resetting)


class SignedItem(msgspec.Struct, frozen=True):
    """The signed text of an item; `revision` only of job resources."""

    signed: Signed
    revision: int | None = None


class NodeState(EngineState):
    """Base of `ControllerState` and `AgentState`."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        #: Receiver → EventId up to which it has everything.
        self.released: dict[str, int] = {}
        self.subagents: dict[str, SubagentItemState] = {}
        self._cluster: dict[str, ClusterState] = {}
        self.job_resources: dict[str, JobResource] = {}
        #: Workflows and job resources as they were signed.
        self.signed: dict[ItemKey, SignedItem] = {}
        self._variables: dict[str, Mapping[str, Expression]] = {}
        self.extend_dispatch(
            {
                SnapshotTaken: self.ignore,
                **dict.fromkeys(get_args(AnyClusterEvent), self._cluster_event),
                JournalEventsReleased: self._events_released,
                s.SubagentDedicated: self._subagent_dedicated,
                s.SubagentCoupled: self._subagent(coupling_state=s.COUPLED, problem=None, former_uri=None),
                s.SubagentCouplingFailed: self._subagent_coupling_failed,
                s.SubagentEventsObserved: self._subagent_events_observed,
                s.SubagentShutdownStarted: self._subagent(coupling_state=s.ShutdownStarted(), event_id=0, problem=None),
                s.SubagentShutdown2: self._subagent(
                    coupling_state=s.Reset(s.Reason("Shutdown")), event_id=0, problem=None
                ),
                s.SubagentShutdown: self._subagent(
                    coupling_state=s.Reset(s.Reason("Shutdown")), subagent_run_id=None, event_id=0, problem=None
                ),
                s.SubagentRestarted: self._subagent(
                    coupling_state=s.Reset(s.Reason("Restart")),
                    subagent_run_id=None,
                    event_id=0,
                    problem=None,
                    former_uri=None,
                ),
                s.SubagentResetStartedByController: self._subagent_reset_started_by_controller,
                s.SubagentResetStarted: self._subagent_reset_started,
                s.SubagentReset: self._subagent(
                    coupling_state=s.RESET,
                    subagent_run_id=None,
                    is_resetting_forcibly=None,
                    event_id=0,
                    problem=None,
                    former_uri=None,
                ),
            }
        )

    def extend_dispatch(self, appliers: Mapping[type, Apply]) -> None:
        """Teach `apply` further event types."""
        self._structural = {**self._structural, **appliers}

    def ignore(self, key: Any, event: Any) -> None:
        """For events that change nothing."""

    def job_resource_variables(self) -> Mapping[str, Mapping[str, Expression]]:
        return self._variables

    # --- journal ---

    def _events_released(self, key: Any, event: JournalEventsReleased) -> None:
        self.put(self.released, event.user_id, event.until_event_id)

    # --- cluster ---

    @property
    def cluster_state(self) -> ClusterState:
        return self._cluster.get(_CLUSTER, cluster.EMPTY)

    def _cluster_event(self, key: Any, event: AnyClusterEvent) -> None:
        self.put(self._cluster, _CLUSTER, cluster.apply(self.cluster_state, event))

    def restore_cluster(self, snapshot: ClusterStateSnapshot) -> None:
        self._cluster[_CLUSTER] = snapshot.cluster_state

    # --- job resources ---

    def put_job_resource(self, item: JobResource, signed: Signed, revision: int | None) -> None:
        self.put(self.job_resources, item.path, item)
        self.put(self._variables, item.path, item.variables)
        self.put(self.signed, item.key, SignedItem(signed, revision))

    def remove_job_resource(self, path: str) -> None:
        self.remove(self.job_resources, path)
        self.remove(self._variables, path)
        self.remove(self.signed, job_resource_key(path))

    # --- Subagents ---

    def subagent(self, subagent_id: str) -> SubagentItemState:
        """Raises `ProblemError` UnknownKey."""
        found = self.subagents.get(subagent_id)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Subagent", key=f"Subagent:{subagent_id}")
        return found

    def put_subagent(self, state: SubagentItemState) -> None:
        self.put(self.subagents, state.subagent_item.id, state)

    def _subagent(self, **changes: Any) -> Apply:
        def apply(key: Any, event: Any) -> None:
            self.put_subagent(replace(self.subagent(key), **changes))

        return apply

    def _subagent_dedicated(self, key: str, event: s.SubagentDedicated) -> None:
        old = self.subagent(key)
        if old.subagent_run_id is not None and old.subagent_run_id != event.subagent_run_id:
            raise ProblemError(f"SubagentDedicated: Subagent:{key} has another subagentRunId already")
        self.put_subagent(
            replace(
                old,
                coupling_state=s.COUPLED,
                subagent_run_id=event.subagent_run_id,
                platform_info=event.platform_info,
                problem=None,
            )
        )

    def _subagent_events_observed(self, key: str, event: s.SubagentEventsObserved) -> None:
        self.put_subagent(replace(self.subagent(key), event_id=event.until_event_id))

    def _subagent_reset_started_by_controller(self, key: str, event: s.SubagentResetStartedByController) -> None:
        self.put_subagent(replace(self.subagent(key), is_resetting_forcibly=event.force))

    def _subagent_reset_started(self, key: str, event: s.SubagentResetStarted) -> None:
        self.put_subagent(replace(self.subagent(key), coupling_state=s.Resetting(event.force), problem=None))

    def _subagent_coupling_failed(self, key: str, event: s.SubagentCouplingFailed) -> None:
        self.put_subagent(replace(self.subagent(key), problem=event.problem))

    # --- snapshots ---

    def snapshot_objects(self) -> Iterator[bytes]:
        """The state as it is now, as JSON lines; encoding happens while the iterator is consumed."""
        return _encoded(self.copy_objects())

    def snapshot_copy(self) -> Callable[[], Iterator[bytes]]:
        """The state as it is now, to be encoded later, as often as one likes."""
        parts = [part if isinstance(part, list) else list(part) for part in self.copy_objects()]
        return lambda: _encoded(parts)

    def copy_objects(self) -> list[Iterable[Any]]:
        """Shallow copies of everything, in the order of journal spec 8.2; `bytes` are taken as they are."""
        raise NotImplementedError

    def take_over(self, snapshot_object: Any) -> None:
        """Restore one object of a snapshot."""
        raise NotImplementedError

    def copy_journal_state(self) -> list[Any]:
        """The first objects of a snapshot: who has released what, and the cluster."""
        released = [JournalState(user_id_to_released_event_id=dict(self.released))] if self.released else []
        state = self.cluster_state
        return released if state == cluster.EMPTY else [*released, ClusterStateSnapshot(cluster_state=state)]

    def copy_subagents(self) -> list[Any]:
        return [without_type(state, "subagentItem") for state in self.subagents.values()]


def _encoded(parts: Sequence[Iterable[Any]]) -> Iterator[bytes]:
    for part in parts:
        for item in part:
            yield item if isinstance(item, bytes) else encode(item)


def without_type(state: msgspec.Struct, member: str) -> dict[str, Any]:
    """Plain values of a snapshot object whose item stands inside without its TYPE."""
    value: dict[str, Any] = msgspec.to_builtins(state)
    del value[member]["TYPE"]
    return value
