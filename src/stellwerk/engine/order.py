"""The order: its members and its states (orders spec 2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from stellwerk.engine.events.order import (
    GLOBAL_PLAN,
    ChildOrder,
    ExternalOrder,
    HistoricOutcome,
    Mark,
    PlanId,
    SleepInstruction,
    StickySubagent,
    Throttle,
)
from stellwerk.language.outcomes import SUCCEEDED, AnyOutcome, Caught
from stellwerk.language.positions import (
    BranchPath,
    CycleState,
    Position,
    PositionOrLabel,
    WorkflowId,
    WorkflowPosition,
)
from stellwerk.values.problems import Problem


class OrderState(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """A state with its flags; the table of orders spec 2.3 in code."""

    is_started: ClassVar[bool] = True
    is_fresh_or_ready: ClassVar[bool] = False
    is_detachable: ClassVar[bool] = False
    is_controller_only: ClassVar[bool] = False
    is_terminated: ClassVar[bool] = False
    is_go_commandable: ClassVar[bool] = False
    is_resettable: ClassVar[bool] = False
    is_failable: ClassVar[bool] = False
    is_cancelable: ClassVar[bool] = False


class Fresh(OrderState, frozen=True, kw_only=True):
    is_started = False
    is_fresh_or_ready = True
    is_detachable = True
    is_failable = True
    is_cancelable = True


class Ready(OrderState, frozen=True, kw_only=True):
    is_fresh_or_ready = True
    is_detachable = True
    is_failable = True
    is_cancelable = True


class Processing(OrderState, frozen=True, kw_only=True):
    subagent_id: str | None = None
    subagent_bundle_id: str | None = None
    end_of_admission_period: int | None = None


class Processed(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_failable = True


class ProcessingKilled(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_failable = True
    is_cancelable = True


class DelayingRetry(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_go_commandable = True
    is_resettable = True
    is_cancelable = True
    until: int


class Forked(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    children: tuple[ChildOrder, ...]


class WaitingForLock(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_resettable = True
    is_cancelable = True


class WaitingForAdmission(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_go_commandable = True
    is_resettable = True
    is_cancelable = True
    until: int


class ExpectingNotices(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_resettable = True
    is_cancelable = True
    notice_ids: tuple[tuple[str, ...], ...] = ()


class Prompting(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_resettable = True
    is_cancelable = True
    question: Any = None


class BetweenCycles(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_go_commandable = True
    is_resettable = True
    is_cancelable = True
    cycle_state: CycleState | None = None


class Sleeping(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_go_commandable = True
    is_resettable = True
    until: int
    cause: SleepInstruction | Throttle = SleepInstruction()


class Broken(OrderState, frozen=True, kw_only=True):
    is_detachable = True
    is_failable = True
    is_cancelable = True
    problem: Problem | None = None


class Stopped(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_cancelable = True


class StoppedWhileFresh(OrderState, frozen=True, kw_only=True):
    is_controller_only = True


class FailedState(OrderState, frozen=True, kw_only=True, tag="Failed"):
    is_controller_only = True
    is_cancelable = True


class FailedWhileFresh(OrderState, frozen=True, kw_only=True):
    is_started = False
    is_controller_only = True
    is_cancelable = True


class FailedInFork(OrderState, frozen=True, kw_only=True):
    is_controller_only = True


class Finished(OrderState, frozen=True, kw_only=True):
    is_controller_only = True
    is_terminated = True


class Cancelled(OrderState, frozen=True, kw_only=True):
    is_started = False
    is_controller_only = True
    is_terminated = True


AnyState = (
    Fresh
    | Ready
    | Processing
    | Processed
    | ProcessingKilled
    | DelayingRetry
    | Forked
    | WaitingForLock
    | WaitingForAdmission
    | ExpectingNotices
    | Prompting
    | BetweenCycles
    | Sleeping
    | Broken
    | Stopped
    | StoppedWhileFresh
    | FailedState
    | FailedWhileFresh
    | FailedInFork
    | Finished
    | Cancelled
)

FRESH = Fresh()
READY = Ready()


def state_name(state: OrderState) -> str:
    """The TYPE of a state."""
    return str(type(state).__struct_config__.tag)


class Attaching(msgspec.Struct, frozen=True, tag_field="TYPE", rename="camel"):
    agent_path: str


class Attached(msgspec.Struct, frozen=True, tag_field="TYPE", rename="camel"):
    agent_path: str


class Detaching(msgspec.Struct, frozen=True, tag_field="TYPE", rename="camel"):
    agent_path: str


AttachedState = Attaching | Attached | Detaching


class Order(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Order", rename="camel", omit_defaults=True
):
    """An order as in snapshots, in AttachOrder and in API answers (orders spec 2.2). Times in epoch milliseconds."""

    id: str
    workflow_position: WorkflowPosition
    state: AnyState
    arguments: dict[str, Any] = {}
    plan_id: PlanId = GLOBAL_PLAN
    scheduled_for: int | None = None
    external_order: ExternalOrder | None = None
    attached_state: AttachedState | None = None
    parent: str | None = None
    priority: int | Decimal = 0
    mark: Mark | None = None
    is_suspended: bool = False
    delete_when_terminated: bool = False
    force_admission: bool = False
    is_resumed: bool = False
    sticky_subagents: tuple[StickySubagent, ...] = ()
    inner_block: BranchPath = ()
    stop_positions: tuple[PositionOrLabel, ...] = ()
    historic_outcomes: tuple[HistoricOutcome, ...] = ()

    @property
    def position(self) -> Position:
        return self.workflow_position.position

    @property
    def workflow_id(self) -> WorkflowId:
        return self.workflow_position.workflow_id

    @property
    def is_detached(self) -> bool:
        return self.attached_state is None

    @property
    def is_attached(self) -> bool:
        return type(self.attached_state) is Attached

    @property
    def is_in_transfer(self) -> bool:
        return self.attached_state is not None and type(self.attached_state) is not Attached

    @property
    def last_outcome(self) -> AnyOutcome:
        """An order without history counts as succeeded."""
        return self.historic_outcomes[-1].outcome if self.historic_outcomes else SUCCEEDED

    @property
    def has_failed_outcome(self) -> bool:
        return bool(self.historic_outcomes) and not self.historic_outcomes[-1].outcome.is_succeeded

    @property
    def is_suspended_or_stopped(self) -> bool:
        return self.is_suspended or isinstance(self.state, (Stopped, StoppedWhileFresh))

    @property
    def is_failable(self) -> bool:
        return not self.is_suspended_or_stopped and not self.is_in_transfer and self.state.is_failable

    @property
    def is_resettable(self) -> bool:
        """May it leave its waiting state by OrderStateReset?"""
        return not self.is_suspended_or_stopped and not self.is_in_transfer and self.state.is_resettable

    @property
    def is_cancelable(self) -> bool:
        return not self.is_in_transfer and self.state.is_cancelable

    @property
    def is_go_commandable(self) -> bool:
        if isinstance(self.state, Fresh):
            return self.scheduled_for is not None
        return self.state.is_go_commandable

    @property
    def delayed_until(self) -> int | None:
        """When time alone lets the order go on; None when it does not wait for a time (orders spec 2.3)."""
        state = self.state
        kind = type(state)
        if kind is Ready or kind is Processing or kind is Processed:
            return None
        if kind is Fresh:
            return self.scheduled_for
        if isinstance(state, DelayingRetry | Sleeping | WaitingForAdmission):
            return state.until
        if isinstance(state, BetweenCycles) and state.cycle_state is not None:
            return state.cycle_state.next
        return None

    @property
    def timed_out(self) -> bool:
        """Is the last outcome, seen through a Caught entry, a timeout?"""
        from stellwerk.language.outcomes import TimedOut

        history = self.historic_outcomes
        index = len(history) - 1
        if index >= 1 and isinstance(history[index].outcome, Caught):
            index -= 1
        return index >= 0 and isinstance(history[index].outcome, TimedOut)


def child_of(parent: Order, child: ChildOrder) -> Order:
    """The child order as OrderForked creates it (orders spec 2.2)."""
    branch = "fork" if child.branch_id is None else f"fork+{child.branch_id}"
    return Order(
        id=child.order_id,
        workflow_position=WorkflowPosition(parent.workflow_id, (*parent.position, branch, 0)),
        state=READY,
        arguments={**parent.arguments, **child.arguments} if child.arguments else parent.arguments,
        plan_id=parent.plan_id,
        scheduled_for=parent.scheduled_for,
        attached_state=parent.attached_state,
        parent=parent.id,
        priority=parent.priority,
        force_admission=parent.force_admission,
        sticky_subagents=parent.sticky_subagents,
        historic_outcomes=parent.historic_outcomes,
    )
