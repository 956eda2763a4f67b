"""The order's transition table (orders spec 3.2): the one place that says what can change an order, and how.

Each row says, for one event: in which states, with which attachment and under which guard it is applicable, and what
the order is afterwards. `apply` (in `stellwerk.engine.state`), the validation of commands, the diagram in the docs and
the exhaustive test all read this table; nothing else changes an order.

`held` means detached or attached, never in transfer: the node that reads "held" in its own state has the order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from stellwerk.engine import history
from stellwerk.engine.events import order as e
from stellwerk.engine.order import (
    FRESH,
    READY,
    Attached,
    Attaching,
    BetweenCycles,
    Broken,
    Cancelled,
    DelayingRetry,
    Detaching,
    ExpectingNotices,
    FailedInFork,
    FailedState,
    FailedWhileFresh,
    Finished,
    Forked,
    Fresh,
    Order,
    OrderState,
    Processed,
    Processing,
    ProcessingKilled,
    Prompting,
    Ready,
    Sleeping,
    Stopped,
    StoppedWhileFresh,
    WaitingForAdmission,
    WaitingForLock,
)
from stellwerk.language.outcomes import Disrupted
from stellwerk.language.positions import (
    Position,
    WorkflowPosition,
    branch_id,
    child,
    format_cycle_state,
    is_movable,
    next_position,
    parent,
)

States = frozenset[type[OrderState]] | None

_FR = frozenset({Fresh, Ready})
_ATTACHMENTS: Mapping[str, Callable[[Order], bool]] = {
    "any": lambda order: True,
    "detached": lambda order: order.attached_state is None,
    "attached": lambda order: type(order.attached_state) is Attached,
    "held": lambda order: order.attached_state is None or type(order.attached_state) is Attached,
    "attaching": lambda order: type(order.attached_state) is Attaching,
    "not detached": lambda order: order.attached_state is not None,
}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `before` None means any state; `after` and `guard_text` are for people."""

    effect: Callable[[Order, Any], Order]
    before: States = None
    attachment: str = "any"
    not_suspended: bool = False
    guard: Callable[[Order, Any], bool] | None = None
    guard_text: str = ""
    after: str = ""

    def refusal(self, order: Order, event: Any) -> str | None:
        """Why the event is not applicable to the order; None when it is."""
        if self.before is not None and type(order.state) not in self.before:
            return f"state is {type(order.state).__struct_config__.tag}"
        if not _ATTACHMENTS[self.attachment](order):
            return f"order is not {self.attachment}"
        if self.not_suspended and order.is_suspended_or_stopped:
            return "order is suspended or stopped"
        if self.guard is not None and not self.guard(order, event):
            return f"not fulfilled: {self.guard_text}"
        return None


def _unchanged(order: Order, event: Any) -> Order:
    return order


def _to(order: Order, position: Any) -> WorkflowPosition:
    return WorkflowPosition(order.workflow_position.workflow_id, position)


def _ready(order: Order, event: Any) -> Order:
    return replace(order, state=READY)


def _add_outcome(order: Order, event: Any) -> Order:
    entry = e.HistoricOutcome(order.workflow_position.position, event.outcome)
    return replace(order, historic_outcomes=(*order.historic_outcomes, entry))


def _without_fresh_only(order: Order) -> e.Mark | None:
    mark = order.mark
    return None if isinstance(mark, e.Cancelling) and isinstance(mark.mode, e.FreshOnly) else mark


def _moved(order: Order, event: e.OrderMoved) -> Order:
    state = order.state if type(order.state) is Fresh else READY
    return replace(order, state=state, workflow_position=_to(order, event.to), is_resumed=False)


def _processing_started(order: Order, event: e.OrderProcessingStarted) -> Order:
    state = Processing(
        subagent_id=event.subagent_id,
        subagent_bundle_id=event.subagent_bundle_id,
        end_of_admission_period=event.end_of_admission_period,
    )
    sticky = order.sticky_subagents
    if event.stick:
        sticky = (replace(sticky[0], stuck_subagent_id=event.subagent_id), *sticky[1:])
    return replace(order, state=state, mark=_without_fresh_only(order), sticky_subagents=sticky)


def _processed(order: Order, event: Any) -> Order:
    entry = e.HistoricOutcome(order.workflow_position.position, event.outcome)
    return replace(order, state=Processed(), historic_outcomes=(*order.historic_outcomes, entry))


def _forked(order: Order, event: e.OrderForked) -> Order:
    return replace(order, state=Forked(children=event.children), mark=_without_fresh_only(order))


def _caught(order: Order, event: e.OrderCaught) -> Order:
    if event.outcome is not None:
        order = _add_outcome(order, event)
    return replace(
        order,
        state=READY,
        workflow_position=_to(order, event.moved_to),
        is_resumed=False,
        historic_outcomes=history.caught(order.historic_outcomes, event.moved_to),
    )


def _retrying(order: Order, event: e.OrderRetrying) -> Order:
    state = READY if event.delayed_until is None else DelayingRetry(until=event.delayed_until)
    position = order.workflow_position if event.moved_to is None else _to(order, event.moved_to)
    return replace(order, state=state, workflow_position=position)


def _failed(order: Order, event: e.OrderFailed) -> Order:
    if event.outcome is not None:
        order = _add_outcome(order, event)
    state = FailedWhileFresh() if type(order.state) is Fresh else FailedState()
    mark = None if isinstance(order.mark, e.Suspending) else order.mark
    return replace(order, state=state, workflow_position=_to(order, event.moved_to), mark=mark)


def _failed_in_fork(order: Order, event: e.OrderFailedInFork) -> Order:
    if event.outcome is not None:
        order = _add_outcome(order, event)
    return replace(order, state=FailedInFork(), workflow_position=_to(order, event.moved_to), is_resumed=False)


def _broken(order: Order, event: e.OrderBroken) -> Order:
    entries = order.historic_outcomes
    if event.problem is not None:
        entries = (*entries, e.HistoricOutcome(order.position, Disrupted.other(event.problem)))
    return replace(order, state=Broken(problem=event.problem), historic_outcomes=entries)


def _finished(order: Order, event: e.OrderFinished) -> Order:
    if event.outcome is not None:
        order = _add_outcome(order, event)
    return replace(order, state=Finished(), mark=None, is_resumed=False)


def _suspended(order: Order, event: Any) -> Order:
    state = READY if type(order.state) is ProcessingKilled else order.state
    return replace(order, state=state, is_suspended=True, mark=None)


def _may_be_suspended(order: Order, event: Any) -> bool:
    if type(order.state) is ProcessingKilled:
        mark = order.mark
        if not (isinstance(mark, e.Suspending) and mark.mode.kill is not None):
            return False
    return order.is_detached or (order.is_suspended and not order.is_in_transfer)


def _resumption_marked(order: Order, event: e.OrderResumptionMarked) -> Order:
    if order.is_suspended:
        mark: e.Mark | None = e.Resuming(
            position=event.position,
            history_operations=event.history_operations,
            as_succeeded=event.as_succeeded,
            restart_killed_job=event.restart_killed_job,
        )
    elif isinstance(order.mark, e.Suspending):
        mark = None
    else:
        mark = e.Resuming()
    return replace(order, is_resumed=True, mark=mark)


def _resumed(order: Order, event: e.OrderResumed) -> Order:
    entries, position = history.resumed(order.historic_outcomes, order.position, event)
    if type(order.state) is StoppedWhileFresh:
        state: Any = FRESH
    elif isinstance(order.state, FailedState | Stopped | Broken):
        state = READY
    else:
        state = order.state
    return replace(
        order,
        state=state,
        workflow_position=_to(order, position),
        historic_outcomes=entries,
        is_suspended=False,
        is_resumed=True,
        mark=None,
    )


def _may_be_resumed(order: Order, event: Any) -> bool:
    state = order.state
    if isinstance(state, Fresh | Ready):
        return order.is_suspended
    if isinstance(state, FailedState):
        return order.is_detached and not order.is_suspended
    return isinstance(state, Stopped | StoppedWhileFresh | Broken)


def _cycle_started(order: Order, event: e.OrderCycleStarted) -> Order:
    state = order.state
    assert isinstance(state, BetweenCycles) and state.cycle_state is not None
    cycle = state.cycle_state
    if event.skipped is not None:
        cycle = replace(cycle, next=cycle.next + int(event.skipped * 1000))
    return replace(order, state=READY, workflow_position=_to(order, child(order.position, format_cycle_state(cycle))))


def _cycle_finished(order: Order, event: e.OrderCycleFinished) -> Order:
    position = parent(order.position)
    return replace(order, state=BetweenCycles(cycle_state=event.cycle_state), workflow_position=_to(order, position))


def _may_change_plan(order: Order, event: e.OrderPlanAttached) -> bool:
    return (
        not order.plan_id
        and bool(event.plan_id)
        and not isinstance(order.state, ExpectingNotices)
        and "consumeNotices" not in order.position
    )


def _entered(branch: str) -> Callable[[Order, Any], Order]:
    def effect(order: Order, event: Any) -> Order:
        return replace(order, state=READY, workflow_position=_to(order, child(order.position, branch)))

    return effect


def _block_of(kind: str, order: Order) -> Position | None:
    """The instruction whose block of this kind is the innermost around, seen through blocks that hold nothing."""
    position = order.position
    while (outer := parent(position)) is not None:
        branch = branch_id(position)
        assert branch is not None
        if branch == kind:
            return outer
        if not is_movable(branch):
            return None
        position = outer
    return None


def _behind_block(kind: str, order: Order) -> WorkflowPosition:
    place = _block_of(kind, order)
    assert place is not None
    return _to(order, next_position(place))


def _sticky_entered(order: Order, event: e.OrderStickySubagentEntered) -> Order:
    entry = e.StickySubagent(agent_path=event.agent_path, subagent_bundle_id=event.subagent_bundle_id)
    return replace(
        order,
        workflow_position=_to(order, child(order.position, "stickySubagent")),
        sticky_subagents=(entry, *order.sticky_subagents),
    )


def _markable(order: Order, event: Any) -> bool:
    return not isinstance(order.state, Finished | Cancelled)


def _attached_to_same(order: Order, event: e.OrderAttached) -> bool:
    return isinstance(order.attached_state, Attaching) and order.attached_state.agent_path == event.agent_path


_FAILABLE = frozenset({Fresh, Ready, Processed, ProcessingKilled, Broken})

RULES: Mapping[type[e.OrderEvent], Rule] = {
    e.OrderOrderAdded: Rule(before=frozenset({Ready}), attachment="detached", effect=_unchanged),
    e.OrderAttachable: Rule(
        before=frozenset({Fresh, Ready, Forked}),
        attachment="detached",
        effect=lambda order, event: replace(order, attached_state=Attaching(event.agent_path)),
        after="Attaching",
    ),
    e.OrderAttached: Rule(
        before=frozenset({Fresh, Ready, Forked}),
        attachment="attaching",
        guard=_attached_to_same,
        guard_text="Attaching to the same Agent",
        effect=lambda order, event: replace(order, attached_state=Attached(event.agent_path)),
        after="Attached",
    ),
    e.OrderDetachable: Rule(
        attachment="attached",
        guard=lambda order, event: order.state.is_detachable,
        guard_text="detachable state",
        effect=lambda order, event: replace(order, attached_state=Detaching(order.attached_state.agent_path)),  # type: ignore[union-attr]
        after="Detaching",
    ),
    e.OrderDetached: Rule(
        attachment="not detached",
        guard=lambda order, event: order.state.is_detachable,
        guard_text="detachable state",
        effect=lambda order, event: replace(order, attached_state=None),
        after="detached; the Agent removes the order",
    ),
    e.OrderStarted: Rule(
        before=frozenset({Fresh}), attachment="held", not_suspended=True, effect=_ready, after="Ready"
    ),
    e.OrderMoved: Rule(
        before=frozenset({Fresh, Ready, Processed, BetweenCycles, Sleeping, WaitingForAdmission}),
        attachment="held",
        effect=_moved,
        after="Fresh stays Fresh, else Ready",
    ),
    e.OrderOutcomeAdded: Rule(effect=_add_outcome),
    e.OrderProcessingStarted: Rule(
        before=frozenset({Ready}),
        attachment="attached",
        not_suspended=True,
        guard=lambda order, event: not event.stick or bool(order.sticky_subagents),
        guard_text="stick only in a StickySubagent block",
        effect=_processing_started,
        after="Processing",
    ),
    e.OrderStdoutWritten: Rule(effect=_unchanged),
    e.OrderStderrWritten: Rule(effect=_unchanged),
    e.OrderProcessed: Rule(
        before=frozenset({Processing}), attachment="attached", not_suspended=True, effect=_processed, after="Processed"
    ),
    e.OrderProcessingKilled: Rule(
        before=frozenset({Processed}),
        attachment="attached",
        not_suspended=True,
        effect=lambda order, event: replace(order, state=ProcessingKilled()),
        after="ProcessingKilled",
    ),
    e.OrderForked: Rule(
        before=frozenset({Ready}), attachment="held", not_suspended=True, effect=_forked, after="Forked"
    ),
    e.OrderJoined: Rule(
        before=frozenset({Forked}),
        attachment="detached",
        not_suspended=True,
        effect=_processed,
        after="Processed; children removed",
    ),
    e.OrderCaught: Rule(
        before=frozenset({Ready, Processed, ProcessingKilled}),
        attachment="held",
        not_suspended=True,
        effect=_caught,
        after="Ready",
    ),
    e.OrderRetrying: Rule(
        before=frozenset({Ready}),
        attachment="held",
        not_suspended=True,
        effect=_retrying,
        after="DelayingRetry if delayed, else Ready",
    ),
    e.OrderAwoke: Rule(
        before=frozenset({Sleeping, DelayingRetry}), attachment="held", not_suspended=True, effect=_ready, after="Ready"
    ),
    e.OrderFailed: Rule(
        before=_FAILABLE | {BetweenCycles},
        attachment="detached",
        not_suspended=True,
        effect=_failed,
        after="Fresh: FailedWhileFresh, else Failed",
    ),
    e.OrderFailedInFork: Rule(
        before=_FAILABLE - {Fresh},
        attachment="held",
        not_suspended=True,
        guard=lambda order, event: order.parent is not None,
        guard_text="is a child order",
        effect=_failed_in_fork,
        after="FailedInFork",
    ),
    e.OrderStopped: Rule(
        before=_FAILABLE,
        attachment="detached",
        not_suspended=True,
        effect=lambda order, event: replace(
            order, state=StoppedWhileFresh() if type(order.state) is Fresh else Stopped()
        ),
        after="Fresh: StoppedWhileFresh, else Stopped",
    ),
    e.OrderBroken: Rule(
        guard=lambda order, event: not isinstance(order.state, Finished | Cancelled),
        guard_text="not Finished, Cancelled",
        effect=_broken,
        after="Broken",
    ),
    e.OrderFinished: Rule(
        before=frozenset({Ready}), attachment="detached", not_suspended=True, effect=_finished, after="Finished"
    ),
    e.OrderDeletionMarked: Rule(
        guard=lambda order, event: order.parent is None,
        guard_text="no child order",
        effect=lambda order, event: replace(order, delete_when_terminated=True),
    ),
    e.OrderExternalVanished: Rule(
        guard=lambda order, event: order.parent is None and order.external_order is not None,
        guard_text="no child order, has an external order",
        effect=lambda order, event: replace(order, external_order=replace(order.external_order, vanished=True)),  # type: ignore[type-var]
    ),
    e.OrderDeleted: Rule(
        before=frozenset({Finished, Cancelled}),
        attachment="detached",
        guard=lambda order, event: order.parent is None,
        guard_text="no child order",
        effect=_unchanged,
        after="removed",
    ),
    e.OrderStateReset: Rule(
        guard=lambda order, event: order.state.is_resettable,
        guard_text="resettable state",
        effect=lambda order, event: replace(order, state=READY, mark=None),
        after="Ready",
    ),
    e.OrderCancellationMarked: Rule(
        guard=_markable,
        guard_text="not Finished, Cancelled",
        effect=lambda order, event: replace(order, mark=e.Cancelling(mode=event.mode)),
    ),
    e.OrderCancellationMarkedOnAgent: Rule(effect=_unchanged),
    e.OrderCancelled: Rule(
        attachment="detached",
        guard=lambda order, event: order.state.is_cancelable,
        guard_text="cancelable state",
        effect=lambda order, event: replace(order, state=Cancelled(), is_suspended=False, mark=None),
        after="Cancelled",
    ),
    e.OrderSuspensionMarked: Rule(
        guard=_markable,
        guard_text="not Finished, Cancelled",
        effect=lambda order, event: replace(order, mark=e.Suspending(mode=event.mode)),
    ),
    e.OrderSuspensionMarkedOnAgent: Rule(effect=_unchanged),
    e.OrderSuspended: Rule(
        before=_FR | {ProcessingKilled},
        guard=_may_be_suspended,
        guard_text="detached, or already suspended; ProcessingKilled only if marked Suspending with kill",
        effect=_suspended,
        after="suspended; ProcessingKilled becomes Ready",
    ),
    e.OrderResumptionMarked: Rule(
        guard=lambda order, event: (
            _markable(order, event)
            and (order.is_suspended or (event.position is None and not event.history_operations))
        ),
        guard_text="not suspended: no position, no history operations",
        effect=_resumption_marked,
    ),
    e.OrderResumed: Rule(
        before=_FR | {Stopped, StoppedWhileFresh, FailedState, Broken},
        attachment="held",
        guard=_may_be_resumed,
        guard_text="Fresh, Ready: suspended; Failed: detached",
        effect=_resumed,
        after="StoppedWhileFresh: Fresh; Failed, Stopped, Broken: Ready",
    ),
    e.OrderGoMarked: Rule(
        attachment="attached",
        guard=lambda order, event: order.is_go_commandable and order.position == event.position,
        guard_text="go-commandable at this position",
        effect=lambda order, event: replace(order, mark=e.Go(position=event.position)),
    ),
    e.OrderGoes: Rule(
        guard=lambda order, event: order.is_go_commandable,
        guard_text="go-commandable",
        effect=lambda order, event: replace(order, mark=None) if isinstance(order.mark, e.Go) else order,
    ),
    e.OrderPriorityChanged: Rule(
        guard=lambda order, event: not isinstance(order.state, Finished | Cancelled),
        guard_text="Order is terminated",
        effect=lambda order, event: replace(order, priority=event.priority),
    ),
    e.OrderTransferred: Rule(
        attachment="detached",
        effect=lambda order, event: replace(order, workflow_position=event.workflow_position),
    ),
    e.OrderStickySubagentEntered: Rule(
        before=_FR,
        attachment="held",
        not_suspended=True,
        guard=lambda order, event: all(item.agent_path != event.agent_path for item in order.sticky_subagents),
        guard_text="no entry for the Agent yet",
        effect=_sticky_entered,
    ),
    e.OrderStickySubagentLeaved: Rule(
        attachment="held",
        guard=lambda order, event: bool(order.sticky_subagents) and _block_of("stickySubagent", order) is not None,
        guard_text="in a StickySubagent block",
        effect=lambda order, event: replace(
            order,
            workflow_position=_behind_block("stickySubagent", order),
            sticky_subagents=order.sticky_subagents[1:],
        ),
    ),
    e.OrderCyclingPrepared: Rule(
        before=frozenset({Ready, BetweenCycles}),
        attachment="held",
        not_suspended=True,
        effect=lambda order, event: replace(order, state=BetweenCycles(cycle_state=event.cycle_state)),
        after="BetweenCycles",
    ),
    e.OrderCycleStarted: Rule(
        before=frozenset({BetweenCycles}),
        attachment="held",
        not_suspended=True,
        guard=lambda order, event: order.state.cycle_state is not None,  # type: ignore[union-attr]
        guard_text="with a cycle state",
        effect=_cycle_started,
        after="Ready",
    ),
    e.OrderCycleFinished: Rule(
        guard=lambda order, event: parent(order.position) is not None,
        guard_text="inside a block",
        effect=_cycle_finished,
        after="BetweenCycles",
    ),
    e.OrderSleeping: Rule(
        before=frozenset({Ready, Sleeping}),
        attachment="held",
        guard=lambda order, event: type(order.state) is Ready or isinstance(event.cause, e.Throttle),
        guard_text="Sleeping only if throttled",
        effect=lambda order, event: replace(
            order, state=Sleeping(until=event.until, cause=event.cause or e.SleepInstruction())
        ),
        after="Sleeping",
    ),
    e.OrderWaitingForAdmission: Rule(
        before=frozenset({Ready, WaitingForAdmission}),
        attachment="held",
        effect=lambda order, event: replace(order, state=WaitingForAdmission(until=event.until)),
        after="WaitingForAdmission",
    ),
    e.OrderNoticeAnnounced: Rule(before=frozenset({Fresh}), attachment="detached", effect=_unchanged),
    e.OrderPlanAttached: Rule(
        attachment="detached",
        guard=_may_change_plan,
        guard_text="from the global plan to another one, not ExpectingNotices, not inside of ConsumeNotices",
        effect=lambda order, event: replace(order, plan_id=event.plan_id),
    ),
    e.OrderLocksQueued: Rule(
        before=frozenset({Ready}),
        attachment="detached",
        effect=lambda order, event: replace(order, state=WaitingForLock()),
        after="WaitingForLock",
    ),
    e.OrderLocksAcquired: Rule(
        before=frozenset({Ready, WaitingForLock}), attachment="detached", effect=_entered("lock"), after="Ready"
    ),
    e.OrderLocksReleased: Rule(
        attachment="detached",
        guard=lambda order, event: _block_of("lock", order) is not None,
        guard_text="in a Lock block",
        effect=lambda order, event: replace(order, workflow_position=_behind_block("lock", order)),
    ),
    e.OrderNoticePosted: Rule(before=frozenset({Ready}), attachment="detached", not_suspended=True, effect=_unchanged),
    e.OrderNoticesExpected: Rule(
        before=frozenset({Ready}),
        attachment="detached",
        not_suspended=True,
        effect=lambda order, event: replace(order, state=ExpectingNotices(notice_ids=event.notice_ids)),
        after="ExpectingNotices",
    ),
    e.OrderNoticesRead: Rule(
        before=frozenset({Ready, ExpectingNotices}),
        attachment="detached",
        not_suspended=True,
        effect=_ready,
        after="Ready",
    ),
    e.OrderNoticesConsumptionStarted: Rule(
        before=frozenset({Ready, ExpectingNotices}),
        attachment="detached",
        not_suspended=True,
        effect=_entered("consumeNotices"),
        after="Ready",
    ),
    e.OrderNoticesConsumed: Rule(
        attachment="detached",
        guard=lambda order, event: _block_of("consumeNotices", order) is not None,
        guard_text="in a ConsumeNotices block",
        effect=lambda order, event: replace(
            order, state=READY, workflow_position=_behind_block("consumeNotices", order)
        ),
        after="Ready",
    ),
    e.OrderPrompted: Rule(
        before=frozenset({Ready}),
        attachment="detached",
        effect=lambda order, event: replace(order, state=Prompting(question=event.question)),
        after="Prompting",
    ),
    e.OrderPromptAnswered: Rule(before=frozenset({Prompting}), attachment="detached", effect=_ready, after="Ready"),
    e.OrderSaid: Rule(before=_FR, attachment="held", effect=_unchanged),
}

#: Events after which the order is *not* looked at again (orders spec 3.4).
WITHOUT_FOLLOW_UP: frozenset[type[e.OrderEvent]] = frozenset(
    {
        e.OrderAttachable,
        e.OrderDetachable,
        e.OrderCancellationMarked,
        e.OrderCancellationMarkedOnAgent,
        e.OrderDeleted,
        e.OrderDeletionMarked,
        e.OrderGoMarked,
        e.OrderLocksQueued,
        e.OrderNoticeAnnounced,
        e.OrderNoticesExpected,
        e.OrderNoticePosted,
        e.OrderProcessingStarted,
        e.OrderPrompted,
        e.OrderResumptionMarked,
        e.OrderSaid,
        e.OrderSleeping,
        e.OrderStdoutWritten,
        e.OrderStderrWritten,
        e.OrderStopped,
        e.OrderSuspended,
        e.OrderSuspensionMarked,
        e.OrderSuspensionMarkedOnAgent,
        e.OrderWaitingForAdmission,
        e.OrderTransferred,
    }
)
