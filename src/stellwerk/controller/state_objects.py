"""What the Controller's journal holds: its events, the objects of its snapshots, and their parts (journal spec 8.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from stellwerk.engine.cluster import EMPTY, ClusterState
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import board as b
from stellwerk.engine.events import controller as c
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import plan as p
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.engine.events.journal import AnyJournalEvent
from stellwerk.engine.events.order import AnyOrderEvent
from stellwerk.engine.locks import LockState
from stellwerk.engine.notices import Notice, NoticeConsumption, NoticePlace
from stellwerk.engine.order import Order
from stellwerk.engine.order_watches import ExternalOrder
from stellwerk.engine.plans import Plan, PlanSchemaState
from stellwerk.engine.state import Control, PathControl
from stellwerk.language.items import (
    AgentRef,
    Calendar,
    GlobalBoard,
    PlannableBoard,
    PlanSchema,
    SubagentBundle,
    split_key,
)
from stellwerk.language.positions import WorkflowId
from stellwerk.node.state import (
    ClusterStateSnapshot,
    JournalState,
    SnapshotObject,
    SubagentItemState,
)
from stellwerk.values.json import decoder
from stellwerk.values.problems import Problem, ProblemError

AnyEvent = (
    AnyOrderEvent
    | i.ControllerItemEvent
    | a.AnyAgentEvent
    | s.AnySubagentEvent
    | c.AnyControllerEvent
    | AnyJournalEvent
    | AnyClusterEvent
    | b.AnyBoardEvent
    | p.AnyPlanEvent
    | w.AnyOrderWatchEvent
)


class ControllerMetaState(SnapshotObject, frozen=True, kw_only=True):
    controller_id: str
    #: Epoch milliseconds.
    initially_started_at: int
    timezone: str = "UTC"


class AgentRefState(SnapshotObject, frozen=True, kw_only=True):
    """An Agent as the Controller sees it. `event_id`: up to there its events have been taken over."""

    agent_ref: AgentRef
    agent_run_id: str | None = None
    timezone: str | None = None
    coupling_state: s.CouplingState = s.FRESH
    event_id: int = 0
    problem: Problem | None = None
    cluster_state: ClusterState = EMPTY
    #: What a person has to confirm (`AgentClusterWatchConfirmationRequired`).
    cluster_node_problems: tuple[dict[str, Any], ...] = ()
    platform_info: dict[str, Any] | None = None

    @property
    def is_resetting(self) -> bool:
        return isinstance(self.coupling_state, s.Resetting)


class Attachment(msgspec.Struct, frozen=True):
    """Where one item is on its way to one Agent (orders spec 6.2)."""

    state: str
    revision: int | None = None

    ATTACHABLE: ClassVar[str] = "Attachable"
    ATTACHED: ClassVar[str] = "Attached"
    DETACHABLE: ClassVar[str] = "Detachable"


Attachments = Mapping[str, Attachment]

AnySnapshotObject = (
    JournalState
    | ClusterStateSnapshot
    | ControllerMetaState
    | AgentRefState
    | SubagentItemState
    | PathControl
    | Control
    | SubagentBundle
    | LockState
    | PlanSchema
    | PlanSchemaState
    | Plan
    | Notice
    | NoticePlace
    | GlobalBoard
    | PlannableBoard
    | NoticeConsumption
    | Calendar
    | i.UnsignedSimpleItemAdded
    | ExternalOrder
    | i.SignedItemAdded
    | i.VersionAdded
    | i.VersionedItemAdded
    | i.VersionedItemChanged
    | i.VersionedItemRemoved
    | i.ItemAttachable
    | i.ItemAttached
    | i.ItemDetachable
    | i.ItemDeletionMarked
    | Order
)

event_decoder = decoder(AnyEvent)
snapshot_decoder = decoder(AnySnapshotObject)


def workflow_id_of(name: str) -> WorkflowId:
    """`PATH~VERSION` of an item key."""
    path, _, version = name.rpartition("~")
    return WorkflowId(path, version)


def agent_path_of(delegate_id: str) -> str:
    kind, name = split_key(delegate_id)
    if kind != "Agent":
        raise ProblemError(f"Not an Agent: {delegate_id}")
    return name
