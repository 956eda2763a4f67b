"""What a node says of itself and of its pair to people: `GET cluster/status`, `/health`, metrics, the Cockpit.

Only what the node itself knows. Ages are seconds at the time of the answer; what it cannot know is absent, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stellwerk.cluster.consent import watch_ids
from stellwerk.engine.cluster import Coupled, Empty, Pair, name_of
from stellwerk.engine.events.cluster import NodeId

if TYPE_CHECKING:
    from stellwerk.cluster.member import ClusterMember


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base."""


class WatchStatus(_Part, frozen=True, kw_only=True):
    """A watch as this node sees it. `is_wanted`: its word counts."""

    id: str
    is_connected: bool
    is_wanted: bool
    #: Since its last answer; absent: it has not been asked by this node yet.
    silence_seconds: float | None = None


class Lag(_Part, frozen=True, kw_only=True):
    """What this node has decided, and its passive node has not acknowledged."""

    events: int
    bytes: int


class Readiness(_Part, frozen=True, kw_only=True):
    """Whether this passive node would take over now if the active one were lost; if not, why."""

    can_fail_over: bool
    reason: str | None = None


class JournalStatus(_Part, frozen=True, kw_only=True):
    #: Of all files that are kept, and free on their disk.
    bytes: int
    free_bytes: int
    #: Committed, since the very beginning; the same number on both nodes when they have the same.
    event_count: int
    last_event_id: int
    #: Where the committed part ends: the file being written, and the byte in it.
    file_event_id: int
    position: int


class ClusterStatus(_Part, frozen=True, kw_only=True):
    """`state` and what follows it are absent for a node that stands alone."""

    node_id: NodeId
    #: A `Phase`.
    phase: str
    state: str | None = None
    term: int = 0
    active_id: NodeId | None = None
    #: The two nodes, as they reach each other.
    id_to_uri: dict[NodeId, str] = {}
    watches: tuple[WatchStatus, ...] = ()
    #: How many of the wanted watches have to agree.
    watches_needed: int = 0
    #: Since the other node has been heard.
    silence_seconds: float | None = None
    #: After so long a silence the passive node asks to take over; a process that is gone is noticed at once.
    silence_limit_seconds: float | None = None
    lag: Lag | None = None
    readiness: Readiness | None = None
    failovers: int = 0

    def public(self) -> dict[str, Any]:
        """What everybody may know (`/health`)."""
        known: dict[str, Any] = {"nodeId": self.node_id, "phase": self.phase}
        if self.state is None:
            return known
        connected = [watch.id for watch in self.watches if watch.is_connected]
        known |= {"state": self.state, "term": self.term, "watches": connected}
        if self.silence_seconds is not None:
            known["silenceSeconds"] = self.silence_seconds
        return known


class NodeStatus(ClusterStatus, frozen=True, kw_only=True):
    """The answer to `GET cluster/status`. Times are epoch milliseconds."""

    version: str
    started_at: int
    journal: JournalStatus | None = None
    #: The end of the certificate that the node shows to its callers.
    certificate_end: int | None = None


def cluster_status(member: ClusterMember, uncommitted: tuple[int, int] | None) -> ClusterStatus:
    """`uncommitted`: events and bytes that the active node has decided and not committed; None on a passive one."""
    state = member.state
    if isinstance(state, Empty):
        return ClusterStatus(node_id=member.node_id, phase=member.phase.value)
    wanted = watch_ids(state, member.configuration.watch_ids)
    timing = state.setting.timing
    return ClusterStatus(
        node_id=member.node_id,
        phase=member.phase.value,
        state=name_of(state),
        term=state.term,
        active_id=state.active_id,
        id_to_uri=state.setting.id_to_uri,
        watches=_watches(member, wanted),
        watches_needed=_needed(wanted),
        silence_seconds=_silence_seconds(member, state),
        silence_limit_seconds=timing.active_lost,
        lag=_lag(member, state, uncommitted),
        readiness=_readiness(member, state, wanted),
        failovers=member.failovers,
    )


def _needed(wanted: tuple[str, ...]) -> int:
    return 2 if len(wanted) == 3 else 1


def _watches(member: ClusterMember, wanted: tuple[str, ...]) -> tuple[WatchStatus, ...]:
    arbiters = member.arbiters
    ids = dict.fromkeys((*wanted, *sorted(arbiters.connected)))
    return tuple(
        WatchStatus(
            id=id_,
            is_connected=id_ in arbiters.connected,
            is_wanted=not wanted or id_ in wanted,
            silence_seconds=arbiters.silence_seconds(id_),
        )
        for id_ in ids
    )


def _silence_seconds(member: ClusterMember, state: Pair) -> float | None:
    """The active node hears the passive one only while they are coupled; the passive one always listens."""
    if member.is_active:
        known = member.active.silence_seconds if member.active is not None and isinstance(state, Coupled) else None
    else:
        known = member.passive.silence_seconds if member.passive is not None else None
    return None if known is None else round(known, 3)


def _lag(member: ClusterMember, state: Pair, uncommitted: tuple[int, int] | None) -> Lag | None:
    """While coupled a commit needs the passive node's acknowledgement: what is not committed is not acknowledged."""
    if uncommitted is None or not member.is_active or not isinstance(state, Coupled):
        return None
    events, size = uncommitted
    return Lag(events=events, bytes=size)


def _readiness(member: ClusterMember, state: Pair, wanted: tuple[str, ...]) -> Readiness | None:
    if member.is_active:
        return None
    reason = _hindrance(member, state, wanted)
    return Readiness(can_fail_over=reason is None, reason=reason)


def _hindrance(member: ClusterMember, state: Pair, wanted: tuple[str, ...]) -> str | None:
    if member.passive is None:
        return f"this node is {member.phase.value}"
    if not isinstance(state, Coupled):
        return f"the nodes are not coupled ({name_of(state)})"
    if not member.configuration.fails_over:
        return "fail-over is switched off in its configuration (cluster.suppress_failover)"
    if not member.passive.may_fail_over:
        return "it has started again and is not coupled anew yet"
    if not member.arbiters.is_heard(wanted):
        connected = [id_ for id_ in wanted if id_ in member.arbiters.connected]
        return (
            f"{_needed(wanted)} of {len(wanted) or 1} watches must agree, "
            f"and {', '.join(connected) or 'none'} {'are' if len(connected) > 1 else 'is'} connected"
        )
    return None
