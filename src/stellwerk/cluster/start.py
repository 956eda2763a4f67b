"""Which role a node has when it starts: what its journal says, and whom it has to ask before (cluster spec 1.5)."""

from __future__ import annotations

from enum import Enum

from stellwerk.engine.cluster import ActiveShutDown, ClusterState, Coupled, Empty, SwitchedOver
from stellwerk.engine.events.cluster import NodeId
from stellwerk.values.problems import Problem, ProblemError


class Start(Enum):
    #: Active at once.
    ACTIVE = "active"
    #: Follow the other node.
    PASSIVE = "passive"
    #: A fresh backup node: wait until the active one calls.
    WAIT = "wait"
    #: The other node may have taken over: it has to promise, or the watch to consent, or to confirm.
    ASK = "ask"
    #: A fresh node that has been told of another one: see what that one has.
    FIND_OUT = "find out"


def start_role(
    state: ClusterState, node_id: NodeId, *, is_backup: bool | None, has_events: bool, ends_with_switch: bool = False
) -> Start:
    """The role, from the recovered state. Raises `ProblemError` for a configuration that does not fit the journal.

    `is_backup` None: not configured, the nodes find out. `ends_with_switch`: the last event is ClusterSwitchedOver.
    """
    if isinstance(state, Empty):
        if is_backup is None:
            return Start.ACTIVE if has_events else Start.FIND_OUT
        if not is_backup:
            return Start.ACTIVE
        if has_events:
            raise ProblemError.of("PrimaryClusterNodeMayNotBecomeBackup")
        return Start.WAIT
    if node_id not in state.setting.id_to_uri:
        raise ProblemError(
            Problem(
                message=f"This node is configured as {node_id!r}, but its journal belongs to a cluster of "
                f"{' and '.join(state.setting.id_to_uri)}: correct `cluster.node_id`, or use another data folder"
            )
        )
    if state.active_id != node_id or (isinstance(state, SwitchedOver) and ends_with_switch):
        # A role that was handed over and has never been taken may have gone back: the watch is asked before.
        return Start.PASSIVE
    # Only from Coupled a fail-over is possible; an ActiveShutDown that the other node has not read is a Coupled there.
    return Start.ASK if isinstance(state, Coupled | ActiveShutDown) else Start.ACTIVE
