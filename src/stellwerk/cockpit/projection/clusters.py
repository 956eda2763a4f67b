"""Events of pairs of nodes → rows of their history: of Controllers and of Directors (cluster spec 1.4, 2.2). Pure."""

from __future__ import annotations

from typing import Any

from stellwerk.cockpit.projection.changes import Row
from stellwerk.cockpit.projection.lines import ClusterState, Event, decode_event

#: What a pair's state is after each of its events (cluster spec 1.3); the others change no role.
STATES = {
    "ClusterNodesAppointed": "NodesAppointed",
    "ClusterCouplingPrepared": "PreparedToBeCoupled",
    "ClusterCoupled": "Coupled",
    "ClusterPassiveLost": "PassiveLost",
    "ClusterSwitchedOver": "SwitchedOver",
    "ClusterFailedOver": "FailedOver",
    "ClusterActiveNodeShutDown": "ActiveShutDown",
    "ClusterActiveNodeRestarted": "PassiveLost",
}
#: Between two states of the pair itself: the watch of Directors has asked a person, who may know what it cannot.
TO_BE_CONFIRMED, CONFIRMED = "NodeLossToBeConfirmed", "NodeLossConfirmed"
_MIRRORED = "AgentMirroredEvent"
_ASKED, _ANSWERED = "AgentClusterWatchConfirmationRequired", "AgentClusterWatchManuallyConfirmed"
EVENTS = frozenset({*STATES, _MIRRORED, _ASKED, _ANSWERED})


def row(controller_id: str, event: Event) -> Row | None:
    """For one of `EVENTS`; None if it says nothing about roles."""
    if event.TYPE == _ASKED:
        declared = event.problem.get("event") if isinstance(event.problem, dict) else None
        lost = (declared.get("id") or declared.get("failedActiveId")) if isinstance(declared, dict) else None
        return _row(controller_id, event.Key, event, event.TYPE, TO_BE_CONFIRMED, None, lost)
    if event.TYPE == _ANSWERED:
        return _row(controller_id, event.Key, event, event.TYPE, CONFIRMED, None, None)
    is_mirrored = event.TYPE == _MIRRORED
    inner = decode_event(event.event) if is_mirrored else event
    if inner.TYPE not in STATES:
        return None
    active = inner.activated_id or inner.active_id or _active_of(inner.setting)
    lost = inner.failed_active_id or (inner.id if inner.TYPE == "ClusterPassiveLost" else None)
    return _row(controller_id, event.Key if is_mirrored else "", event, inner.TYPE, STATES[inner.TYPE], active, lost)


def snapshot_row(controller_id: str, agent_id: str, event_id: int, state: ClusterState | None) -> Row | None:
    """The state of a pair as a snapshot has it; since when is not known from there."""
    if state is None or state.TYPE == "Empty":
        return None
    active = _active_of(state.setting)
    return controller_id, agent_id, event_id, None, None, state.TYPE, _text(active), None


def _row(controller_id: str, agent_id: Any, event: Event, type_: str, state: str, active: Any, lost: Any) -> Row:
    return controller_id, str(agent_id), event.event_id, event.time_ms, type_, state, _text(active), _text(lost)


def _active_of(setting: Any) -> Any:
    """The active node by a `ClusterSetting`."""
    return setting.get("activeId") if isinstance(setting, dict) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
