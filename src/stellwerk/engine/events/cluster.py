"""Events of an active/passive pair of nodes, without key (cluster spec 1.4), and the setting that they carry (1.2).

Durations are seconds, fractions allowed, as in the journal.
"""

from __future__ import annotations

from typing import Any

import msgspec

NodeId = str

PRIMARY: NodeId = "Primary"
BACKUP: NodeId = "Backup"


class ClusterTiming(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Three configured durations and those derived from them. Raises `ValueError` when they do not fit together.

    The order of the derived ones keeps two nodes from being active (1.2): passive_lost + heartbeat < active_lost;
    watch_heartbeat_valid < active_lost; watch_reaction < active_lost - passive_lost; active_lost < inhibit_activation.
    """

    heartbeat: float
    heartbeat_timeout: float
    consent_timeout: float = 6.0

    def __post_init__(self) -> None:
        if self.heartbeat <= 0:
            raise ValueError("heartbeat must be greater than 0")
        if self.heartbeat_timeout <= 0:
            raise ValueError("heartbeatTimeout must be greater than 0")
        if not 0 < self.consent_timeout < self.heartbeat_timeout:
            raise ValueError("consentTimeout must be greater than 0 and less than heartbeatTimeout")

    @property
    def late_warning(self) -> float:
        return self.heartbeat / 2

    @property
    def passive_lost(self) -> float:
        """After so long without a sign of the passive node the active one tries to go on alone."""
        return self.heartbeat + self.heartbeat_timeout

    @property
    def watch_heartbeat_valid(self) -> float:
        """A watch that has heard the active node within that time refuses a fail-over."""
        return self.passive_lost + self.heartbeat

    @property
    def active_lost(self) -> float:
        """After so long without a sign of the active node the passive one tries to fail over."""
        return self.passive_lost + 2 * self.heartbeat

    @property
    def inhibit_activation(self) -> float:
        """How long a node keeps the promise not to become active."""
        return self.active_lost + self.heartbeat

    @property
    def watch_reaction(self) -> float:
        """An unanswered request to the watch is published again after that time."""
        return self.heartbeat

    @property
    def watch_id(self) -> float:
        """After so long a silence of the registered watch another one may take its place."""
        return self.heartbeat + 2 * self.heartbeat_timeout

    @property
    def stream_idle(self) -> float:
        """A stream between the nodes without a byte for that time is opened anew."""
        return self.heartbeat + (self.heartbeat_timeout - self.heartbeat) / 2


class ClusterSetting(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Who the two nodes are. Raises `ValueError` unless there are exactly two with different addresses."""

    id_to_uri: dict[NodeId, str]
    active_id: NodeId
    timing: ClusterTiming
    #: Who arbitrates a loss: the id of the watch, or the ids of three joined by `+`, of which two must agree.
    cluster_watch_id: str | None = None
    #: How often the two have forgotten everything (ResetAgent): what a pair of an older generation says is void.
    generation: int = 0

    def __post_init__(self) -> None:
        if len(self.id_to_uri) != 2 or len(set(self.id_to_uri.values())) != 2:
            raise ValueError("idToUri must name two nodes with different addresses")
        if self.active_id not in self.id_to_uri:
            raise ValueError("activeId must be one of the nodes")

    @property
    def passive_id(self) -> NodeId:
        return self.peer_of(self.active_id)

    def peer_of(self, node_id: NodeId) -> NodeId:
        first, second = self.id_to_uri
        return second if node_id == first else first


class JournalPosition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    file_event_id: int
    #: Bytes.
    position: int


class ClusterEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """Base."""


class ClusterNodesAppointed(ClusterEvent, frozen=True, kw_only=True):
    setting: ClusterSetting


class ClusterCouplingPrepared(ClusterEvent, frozen=True, kw_only=True):
    active_id: NodeId


class ClusterCoupled(ClusterEvent, frozen=True, kw_only=True):
    """From the next event on, the passive node's acknowledgement is part of a commit."""

    active_id: NodeId


class ClusterPassiveLost(ClusterEvent, frozen=True, kw_only=True):
    id: NodeId


class ClusterSwitchedOver(ClusterEvent, frozen=True, kw_only=True):
    """The last event that its writer may ever write in this role."""

    activated_id: NodeId


class ClusterFailedOver(ClusterEvent, frozen=True, kw_only=True):
    """Written by the passive node; everything of the failed node behind `failed_at` was never committed."""

    failed_active_id: NodeId
    activated_id: NodeId
    failed_at: JournalPosition


class ClusterActiveNodeShutDown(ClusterEvent, frozen=True, kw_only=True):
    pass


class ClusterActiveNodeRestarted(ClusterEvent, frozen=True, kw_only=True):
    pass


class ClusterSettingUpdated(ClusterEvent, frozen=True, kw_only=True):
    passive_uri: str


class ClusterWatchRegistered(ClusterEvent, frozen=True, kw_only=True):
    cluster_watch_id: str


class ClusterResetStarted(ClusterEvent, frozen=True, kw_only=True):
    pass


AnyClusterEvent = (
    ClusterNodesAppointed
    | ClusterCouplingPrepared
    | ClusterCoupled
    | ClusterPassiveLost
    | ClusterSwitchedOver
    | ClusterFailedOver
    | ClusterActiveNodeShutDown
    | ClusterActiveNodeRestarted
    | ClusterSettingUpdated
    | ClusterWatchRegistered
    | ClusterResetStarted
)

NodeLoss = ClusterPassiveLost | ClusterFailedOver


def lost_node_of(event: Any) -> NodeId | None:
    """The node whose loss the event declares; None for every other event."""
    if isinstance(event, ClusterPassiveLost):
        return event.id
    return event.failed_active_id if isinstance(event, ClusterFailedOver) else None
