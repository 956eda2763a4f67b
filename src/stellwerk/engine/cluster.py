"""The state of an active/passive pair as both nodes, their watch and a Controller fold it (cluster spec 1.3).

    state = apply(state, ClusterCoupled(active_id="Primary"))    # raises ProblemError when not applicable

`RULES` is the transition table: every pair of event and state that it does not list is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events import cluster as c
from stellwerk.engine.events.cluster import ClusterSetting, JournalPosition, NodeId
from stellwerk.values.problems import Problem, ProblemError


class Empty(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """No cluster."""


class HasNodes(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of the states of a pair.

    `term` numbers the reigns: it grows whenever the role goes to the other node, so that a deposed node is known by
    its lower one. `revision` counts the cluster events, so that of two reports by the nodes the newer one is known.
    """

    setting: ClusterSetting
    term: int = 0
    revision: int = 0

    @property
    def active_id(self) -> NodeId:
        return self.setting.active_id

    @property
    def passive_id(self) -> NodeId:
        return self.setting.passive_id


class NodesAppointed(HasNodes, frozen=True, kw_only=True):
    pass


class PreparedToBeCoupled(HasNodes, frozen=True, kw_only=True):
    pass


class Coupled(HasNodes, frozen=True, kw_only=True):
    """The only state from which a fail-over is allowed, unless both nodes are about to forget everything."""

    is_resetting: bool = False


class ActiveShutDown(HasNodes, frozen=True, kw_only=True):
    pass


class PassiveLost(HasNodes, frozen=True, kw_only=True):
    pass


class SwitchedOver(HasNodes, frozen=True, kw_only=True):
    pass


class FailedOver(HasNodes, frozen=True, kw_only=True):
    failed_at: JournalPosition


Pair = NodesAppointed | PreparedToBeCoupled | Coupled | ActiveShutDown | PassiveLost | SwitchedOver | FailedOver
ClusterState = Empty | Pair
EMPTY = Empty()

#: Numbers for metrics.
CODES: Mapping[type, int] = {
    Empty: 0,
    NodesAppointed: 1,
    PreparedToBeCoupled: 2,
    Coupled: 3,
    ActiveShutDown: 4,
    PassiveLost: 5,
    SwitchedOver: 6,
    FailedOver: 7,
}
#: States in which the active node goes on without the other one.
DECOUPLED = (NodesAppointed, ActiveShutDown, PassiveLost, SwitchedOver, FailedOver)

_Rule = Callable[[Any, Any], Any]


def _becomes(type_: type, fits: Callable[[Any, Any], bool]) -> _Rule:
    def rule(state: HasNodes, event: Any) -> HasNodes | None:
        if not fits(state, event):
            return None
        made: HasNodes = type_(setting=state.setting, term=state.term, revision=state.revision)
        return made

    return rule


def _always(state: HasNodes, event: Any) -> bool:
    return True


def _appointed(state: Empty, event: c.ClusterNodesAppointed) -> HasNodes:
    return NodesAppointed(setting=event.setting)


def _switched_over(state: Coupled | SwitchedOver, event: c.ClusterSwitchedOver) -> HasNodes | None:
    """From SwitchedOver the role goes back: the other node was lost before it had taken it."""
    if event.activated_id != state.passive_id:
        return None
    return SwitchedOver(
        setting=replace(state.setting, active_id=event.activated_id), term=state.term + 1, revision=state.revision
    )


def _failed_over(state: Coupled, event: c.ClusterFailedOver) -> HasNodes | None:
    if event.failed_active_id != state.active_id or event.activated_id != state.passive_id:
        return None
    return FailedOver(
        setting=replace(state.setting, active_id=event.activated_id),
        term=state.term + 1,
        revision=state.revision,
        failed_at=event.failed_at,
    )


def _setting_updated(state: HasNodes, event: c.ClusterSettingUpdated) -> HasNodes | None:
    uris = {**state.setting.id_to_uri, state.passive_id: event.passive_uri}
    try:
        return replace(state, setting=replace(state.setting, id_to_uri=uris))
    except ValueError:
        return None


def _watch_registered(state: HasNodes, event: c.ClusterWatchRegistered) -> HasNodes:
    return replace(state, setting=replace(state.setting, cluster_watch_id=event.cluster_watch_id))


_HAVING_NODES = tuple(type_ for type_ in CODES if type_ is not Empty)
_prepared = _becomes(PreparedToBeCoupled, lambda state, event: bool(event.active_id == state.active_id))
_coupled = _becomes(Coupled, lambda state, event: bool(event.active_id == state.active_id))
_passive_lost = _becomes(PassiveLost, lambda state, event: bool(event.id == state.passive_id))

RULES: Mapping[tuple[type, type], _Rule] = {
    (c.ClusterNodesAppointed, Empty): _appointed,
    **{(c.ClusterCouplingPrepared, type_): _prepared for type_ in DECOUPLED},
    (c.ClusterCoupled, PreparedToBeCoupled): _coupled,
    (c.ClusterPassiveLost, Coupled): _passive_lost,
    (c.ClusterSwitchedOver, Coupled): _switched_over,
    (c.ClusterSwitchedOver, SwitchedOver): _switched_over,
    (c.ClusterFailedOver, Coupled): _failed_over,
    (c.ClusterActiveNodeShutDown, Coupled): _becomes(ActiveShutDown, _always),
    (c.ClusterActiveNodeRestarted, ActiveShutDown): _becomes(PassiveLost, _always),
    **{(c.ClusterSettingUpdated, type_): _setting_updated for type_ in _HAVING_NODES},
    **{(c.ClusterWatchRegistered, type_): _watch_registered for type_ in _HAVING_NODES},
    (c.ClusterResetStarted, Coupled): lambda state, event: replace(state, is_resetting=True),
}


def is_applicable(state: ClusterState, event: c.AnyClusterEvent) -> bool:
    return _applied(state, event) is not None


def apply(state: ClusterState, event: c.AnyClusterEvent) -> ClusterState:
    """Fold one cluster event. Raises `ProblemError` when it is not applicable."""
    applied = _applied(state, event)
    if applied is None:
        tag = type(event).__struct_config__.tag
        raise ProblemError(Problem(message=f"{tag} is not applicable to the cluster state {name_of(state)}"))
    return applied


def _applied(state: ClusterState, event: c.AnyClusterEvent) -> ClusterState | None:
    rule = RULES.get((type(event), type(state)))
    made: ClusterState | None = None if rule is None else rule(state, event)
    if made is None or isinstance(made, Empty):
        return None
    revision = 0 if isinstance(state, Empty) else state.revision
    return replace(made, revision=revision + 1)


def name_of(state: ClusterState) -> str:
    return str(type(state).__struct_config__.tag)


def is_active(state: ClusterState, node_id: NodeId) -> bool | None:
    """Whether the journal says that the node is the active one; None without a cluster."""
    return None if isinstance(state, Empty) else state.active_id == node_id


def is_same_pair(state: ClusterState, own: Pair) -> bool:
    """Whether `state`, which some node tells of itself, is one of the pair that `own` is a state of.

    A node of another installation may listen at a node's address (F58): nothing that it says counts. An address of the
    pair may have been changed without both nodes knowing; never both.
    """
    if isinstance(state, Empty):
        return False
    return not set(state.setting.id_to_uri.values()).isdisjoint(own.setting.id_to_uri.values())


def term_of(state: ClusterState, node_id: NodeId) -> int:
    """In which term the node acts towards others.

    A node that hands its role over does not act in the term that this begins: nobody may hear of it before it is
    certain, for then this node could not go on if it does not come about.
    """
    if isinstance(state, Empty):
        return 0
    return state.term - 1 if isinstance(state, SwitchedOver) and state.active_id != node_id else state.term
