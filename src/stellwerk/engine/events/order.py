"""Order events (orders spec 3.1). The key is always the order id."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from stellwerk.engine.events.order_parts import *  # noqa: F403
from stellwerk.engine.events.order_parts import (
    AnyOutcome,
    CancellationMode,
    ChildOrder,
    ExternalOrder,
    ExternalOrderKey,
    FreshOrStarted,
    HistoricOutcome,
    HistoryOperation,
    Mark,
    NoticeId,
    PlanId,
    Reason,
    SleepInstruction,
    StickySubagent,
    SuspensionMode,
    Throttle,
)
from stellwerk.language.instructions import LockDemand
from stellwerk.language.outcomes import Failed, Succeeded
from stellwerk.language.positions import BranchPath, CycleState, Position, PositionOrLabel, WorkflowId, WorkflowPosition
from stellwerk.values.problems import Problem


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of all order events."""


# --- life, attachment ------------------------------------------------------------------------------------------------


class OrderAdded(OrderEvent, frozen=True, kw_only=True):
    workflow_id: WorkflowId
    scheduled_for: int | None = None
    external_order_key: ExternalOrderKey | None = None
    arguments: dict[str, Any] = {}
    #: Always written, also `[]`: hence no default here; a missing one is read as the global plan.
    plan_id: PlanId | None = None
    priority: int | Decimal = 0
    delete_when_terminated: bool = False
    force_admission: bool = False
    inner_block: BranchPath = ()
    start_position: Position | None = None
    stop_positions: tuple[PositionOrLabel, ...] = ()


class OrderOrderAdded(OrderEvent, frozen=True, kw_only=True):
    order_id: str
    workflow_id: WorkflowId
    arguments: dict[str, Any] = {}
    plan_id: PlanId = ()
    priority: int | Decimal = 0
    delete_when_terminated: bool = False
    force_admission: bool = False
    inner_block: BranchPath = ()
    start_position: Position | None = None
    stop_positions: tuple[PositionOrLabel, ...] = ()


class OrderAttachable(OrderEvent, frozen=True, kw_only=True):
    agent_path: str


class OrderAttachedToAgent(OrderEvent, frozen=True, kw_only=True):
    """Agent journal only; the Controller writes OrderAttached instead (orders spec 3.3)."""

    workflow_position: WorkflowPosition
    state: dict[str, Any]
    plan_id: PlanId = ()
    arguments: dict[str, Any] = {}
    scheduled_for: int | None = None
    external_order: ExternalOrder | None = None
    historic_outcomes: tuple[HistoricOutcome, ...] = ()
    agent_path: str
    parent: str | None = None
    priority: int | Decimal = 0
    mark: Mark | None = None
    is_suspended: bool = False
    is_resumed: bool = False
    delete_when_terminated: bool = False
    force_admission: bool = False
    sticky_subagents: tuple[StickySubagent, ...] = ()
    inner_block: BranchPath = ()
    stop_positions: tuple[PositionOrLabel, ...] = ()


class OrderAttached(OrderEvent, frozen=True, kw_only=True):
    agent_path: str


class OrderDetachable(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderDetached(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderStarted(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderFinished(OrderEvent, frozen=True, kw_only=True):
    outcome: Succeeded | Failed | None = None


class OrderDeletionMarked(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderDeleted(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderExternalVanished(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderTransferred(OrderEvent, frozen=True, kw_only=True):
    workflow_position: WorkflowPosition


class OrderPlanAttached(OrderEvent, frozen=True, kw_only=True):
    plan_id: PlanId


class OrderNoticeAnnounced(OrderEvent, frozen=True, kw_only=True):
    notice_id: NoticeId


class OrderPriorityChanged(OrderEvent, frozen=True, kw_only=True):
    priority: int | Decimal


# --- jobs ------------------------------------------------------------------------------------------------------------


class OrderProcessingStarted(OrderEvent, frozen=True, kw_only=True):
    subagent_id: str | None = None
    subagent_bundle_id: str | None = None
    stick: bool = False
    end_of_admission_period: int | None = None


class OrderStdoutWritten(OrderEvent, frozen=True, kw_only=True):
    chunk: str


class OrderStderrWritten(OrderEvent, frozen=True, kw_only=True):
    chunk: str


class OrderProcessed(OrderEvent, frozen=True, kw_only=True):
    outcome: AnyOutcome


class OrderProcessingKilled(OrderEvent, frozen=True, kw_only=True):
    pass


# --- flow ------------------------------------------------------------------------------------------------------------


class OrderMoved(OrderEvent, frozen=True, kw_only=True):
    to: Position
    reason: Reason | None = None


class OrderForked(OrderEvent, frozen=True, kw_only=True):
    children: tuple[ChildOrder, ...]


class OrderJoined(OrderEvent, frozen=True, kw_only=True):
    outcome: AnyOutcome


class OrderOutcomeAdded(OrderEvent, frozen=True, kw_only=True):
    outcome: AnyOutcome


class OrderCaught(OrderEvent, frozen=True, kw_only=True):
    moved_to: Position
    outcome: AnyOutcome | None = None


class OrderRetrying(OrderEvent, frozen=True, kw_only=True):
    delayed_until: int | None = None
    moved_to: Position | None = None


class OrderAwoke(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderFailed(OrderEvent, frozen=True, kw_only=True):
    moved_to: Position
    outcome: AnyOutcome | None = None


class OrderFailedInFork(OrderEvent, frozen=True, kw_only=True):
    moved_to: Position
    outcome: AnyOutcome | None = None


class OrderStopped(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderBroken(OrderEvent, frozen=True, kw_only=True):
    problem: Problem | None = None


class OrderStickySubagentEntered(OrderEvent, frozen=True, kw_only=True):
    agent_path: str
    subagent_bundle_id: str | None = None


class OrderStickySubagentLeaved(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderCyclingPrepared(OrderEvent, frozen=True, kw_only=True):
    cycle_state: CycleState


class OrderCycleStarted(OrderEvent, frozen=True, kw_only=True):
    skipped: int | Decimal | None = None


class OrderCycleFinished(OrderEvent, frozen=True, kw_only=True):
    cycle_state: CycleState | None = None


class OrderSleeping(OrderEvent, frozen=True, kw_only=True):
    until: int
    #: Always written; absent in old journals, then it is SleepInstruction.
    cause: SleepInstruction | Throttle | None = None


class OrderWaitingForAdmission(OrderEvent, frozen=True, kw_only=True):
    until: int


class OrderSaid(OrderEvent, frozen=True, kw_only=True):
    value: Any = None


# --- locks, notices, prompt ------------------------------------------------------------------------------------------


class OrderLocksQueued(OrderEvent, frozen=True, kw_only=True):
    demands: tuple[LockDemand, ...]


class OrderLocksAcquired(OrderEvent, frozen=True, kw_only=True):
    demands: tuple[LockDemand, ...]


class OrderLocksReleased(OrderEvent, frozen=True, kw_only=True):
    lock_paths: tuple[str, ...]


class OrderNoticePosted(OrderEvent, frozen=True, kw_only=True):
    notice_id: NoticeId
    #: Epoch milliseconds.
    end_of_life: int | None = None


class OrderNoticesExpected(OrderEvent, frozen=True, kw_only=True):
    notice_ids: tuple[NoticeId, ...]


class OrderNoticesRead(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderNoticesConsumptionStarted(OrderEvent, frozen=True, kw_only=True):
    notice_ids: tuple[NoticeId, ...]


class OrderNoticesConsumed(OrderEvent, frozen=True, kw_only=True):
    failed: bool = False


class OrderPrompted(OrderEvent, frozen=True, kw_only=True):
    question: Any = None


class OrderPromptAnswered(OrderEvent, frozen=True, kw_only=True):
    pass


# --- marks and user intervention -------------------------------------------------------------------------------------


class OrderCancellationMarked(OrderEvent, frozen=True, kw_only=True):
    mode: CancellationMode = FreshOrStarted()


class OrderCancellationMarkedOnAgent(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderStateReset(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderCancelled(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderSuspensionMarked(OrderEvent, frozen=True, kw_only=True):
    mode: SuspensionMode = SuspensionMode()


class OrderSuspensionMarkedOnAgent(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderSuspended(OrderEvent, frozen=True, kw_only=True):
    pass


class OrderResumptionMarked(OrderEvent, frozen=True, kw_only=True):
    position: Position | None = None
    history_operations: tuple[HistoryOperation, ...] = ()
    as_succeeded: bool = False
    restart_killed_job: bool = False


class OrderResumed(OrderEvent, frozen=True, kw_only=True):
    position: Position | None = None
    history_operations: tuple[HistoryOperation, ...] = ()
    as_succeeded: bool = False
    restart_killed_job: bool = False


class OrderGoMarked(OrderEvent, frozen=True, kw_only=True):
    position: Position


class OrderGoes(OrderEvent, frozen=True, kw_only=True):
    pass


AnyOrderEvent = (
    OrderAdded
    | OrderOrderAdded
    | OrderAttachable
    | OrderAttachedToAgent
    | OrderAttached
    | OrderDetachable
    | OrderDetached
    | OrderStarted
    | OrderFinished
    | OrderDeletionMarked
    | OrderDeleted
    | OrderExternalVanished
    | OrderTransferred
    | OrderPlanAttached
    | OrderNoticeAnnounced
    | OrderPriorityChanged
    | OrderProcessingStarted
    | OrderStdoutWritten
    | OrderStderrWritten
    | OrderProcessed
    | OrderProcessingKilled
    | OrderMoved
    | OrderForked
    | OrderJoined
    | OrderOutcomeAdded
    | OrderCaught
    | OrderRetrying
    | OrderAwoke
    | OrderFailed
    | OrderFailedInFork
    | OrderStopped
    | OrderBroken
    | OrderStickySubagentEntered
    | OrderStickySubagentLeaved
    | OrderCyclingPrepared
    | OrderCycleStarted
    | OrderCycleFinished
    | OrderSleeping
    | OrderWaitingForAdmission
    | OrderSaid
    | OrderLocksQueued
    | OrderLocksAcquired
    | OrderLocksReleased
    | OrderNoticePosted
    | OrderNoticesExpected
    | OrderNoticesRead
    | OrderNoticesConsumptionStarted
    | OrderNoticesConsumed
    | OrderPrompted
    | OrderPromptAnswered
    | OrderCancellationMarked
    | OrderCancellationMarkedOnAgent
    | OrderStateReset
    | OrderCancelled
    | OrderSuspensionMarked
    | OrderSuspensionMarkedOnAgent
    | OrderSuspended
    | OrderResumptionMarked
    | OrderResumed
    | OrderGoMarked
    | OrderGoes
)
