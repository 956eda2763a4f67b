"""What the nodes of a pair and their watch say to each other, as structs with their JSON (cluster spec 1.6, 1.10).

Durations are seconds.
"""

from __future__ import annotations

import msgspec

from stellwerk.engine.cluster import ClusterState
from stellwerk.engine.events.cluster import AnyClusterEvent, ClusterSetting, NodeId
from stellwerk.values.json import decoder
from stellwerk.values.problems import Problem, ProblemError


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base."""


# --- commands between the nodes (1.6) --------------------------------------------------------------------------------


class ClusterStartBackupNode(Message, frozen=True, kw_only=True):
    """Active → fresh node: you are the passive one, follow me from the beginning of this file on."""

    setting: ClusterSetting
    file_event_id: int
    active_node_name: str = ""
    passive_node_user_id: str = ""


class ClusterPrepareCoupling(Message, frozen=True, kw_only=True):
    active_id: NodeId
    passive_id: NodeId
    token: str


class ClusterCouple(Message, frozen=True, kw_only=True):
    active_id: NodeId
    passive_id: NodeId
    token: str


class ClusterConfirmCoupling(Message, frozen=True, kw_only=True):
    """Active → the journaled address of the passive node: is this token yours?"""

    token: str


class ClusterRecouple(Message, frozen=True, kw_only=True):
    active_id: NodeId
    passive_id: NodeId


class ClusterPassiveDown(Message, frozen=True, kw_only=True):
    active_id: NodeId
    passive_id: NodeId


class ClusterInhibitActivation(Message, frozen=True, kw_only=True):
    duration: float


class ClusterWatchConfirm(Message, frozen=True, kw_only=True):
    """Watch → node: the answer to one request; with `problem` it is a refusal."""

    request_id: int
    cluster_watch_id: str
    cluster_watch_run_id: str
    manual_confirmer: str | None = None
    problem: Problem | None = None


ClusterCommand = (
    ClusterStartBackupNode
    | ClusterPrepareCoupling
    | ClusterCouple
    | ClusterConfirmCoupling
    | ClusterRecouple
    | ClusterPassiveDown
    | ClusterInhibitActivation
    | ClusterWatchConfirm
)


class InhibitActivationResponse(
    Message, frozen=True, kw_only=True, tag="ClusterInhibitActivation.Response", omit_defaults=True
):
    """Without a state: "I will not become active"; with one: "I am active"."""

    cluster_state: ClusterState | None = None
    #: The newest event that the answering node has, so that a restarting node sees that it has lost some.
    event_id: int | None = None
    #: The answering node could take over, were it not for its promise: it has been coupled since its start.
    may_fail_over: bool = False


class ClusterNodeState(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Answer to `GET cluster?return=ClusterNodeState` (1.12)."""

    node_id: NodeId
    is_backup: bool
    cluster_state: ClusterState
    #: The journal that this node has deleted in a reset: the other node's copy of it is to be deleted, too.
    forgotten_journal_id: str | None = None


#: The same as an argument of BackupClusterNodeNotAppointed, the answer of a node that has just forgotten everything.
FORGOTTEN_JOURNAL_ID = "forgottenJournalId"


# --- requests to the watch (1.10.1) ----------------------------------------------------------------------------------


class WatchRequest(Message, frozen=True, kw_only=True):
    """`cluster_state` is the state after `event`, if there is one."""

    request_id: int
    from_: NodeId = msgspec.field(name="from")
    cluster_state: ClusterState
    correl_id: str = ""


class ClusterWatchCheckState(WatchRequest, frozen=True, kw_only=True):
    """The heartbeat of the active node."""


class ClusterWatchCheckEvent(WatchRequest, frozen=True, kw_only=True):
    """An event has been written."""

    event: AnyClusterEvent
    force_when_untaught: bool = False


class ClusterWatchAskNodeLoss(WatchRequest, frozen=True, kw_only=True):
    """May this event be written? Phase 1: the answer is held for `hold` seconds."""

    event: AnyClusterEvent
    hold: float


class ClusterWatchCommitNodeLoss(WatchRequest, frozen=True, kw_only=True):
    """Phase 2: confirmed, it is decided."""

    event: AnyClusterEvent


AnyWatchRequest = ClusterWatchCheckState | ClusterWatchCheckEvent | ClusterWatchAskNodeLoss | ClusterWatchCommitNodeLoss

command_decoder = decoder(ClusterCommand)
watch_request_decoder = decoder(AnyWatchRequest)
inhibit_response_decoder = decoder(InhibitActivationResponse)
node_state_decoder = decoder(ClusterNodeState)


def read_command(body: bytes) -> ClusterCommand:
    """Raises `ProblemError` for a body that is none."""
    try:
        command: ClusterCommand = command_decoder.decode(body)
        return command
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text, _, place = str(error).partition(" - at `$")
        raise ProblemError(f"JSON DecodingFailure at {place.rstrip('`')}: {text}") from error
