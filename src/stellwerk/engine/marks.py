"""Cancel, suspend, resume, go: the procedures that commands and marks share (orders spec 5.1 to 5.5).

Each procedure looks at one order with the eyes of this node. Controller and Agent run the same: where the Controller
would write OrderCancelled, OrderSuspended or OrderStateReset, the Agent writes OrderDetachable, and the Controller goes
on after OrderDetached because its own copy of the order carries the mark.
"""

from __future__ import annotations

from stellwerk.engine import blocks
from stellwerk.engine.events import order as e
from stellwerk.engine.order import (
    BetweenCycles,
    Broken,
    Cancelled,
    DelayingRetry,
    FailedInFork,
    FailedState,
    FailedWhileFresh,
    Finished,
    Fresh,
    Order,
    ProcessingKilled,
    Ready,
    Sleeping,
    Stopped,
    StoppedWhileFresh,
    WaitingForAdmission,
)
from stellwerk.engine.state import Agent
from stellwerk.engine.step import Step
from stellwerk.engine.transaction import Transaction
from stellwerk.engine.transitions import RULES
from stellwerk.language.instructions import End, ImplicitEnd
from stellwerk.language.positions import child, fork_branch
from stellwerk.values.problems import ProblemError


def fulfil(step: Step, order: Order) -> bool:
    """Try to fulfil the order's mark now. True when an event has been written."""
    transaction, mark = step.transaction, order.mark
    if isinstance(mark, e.Cancelling):
        return _cancel_now(transaction, order, mark.mode)
    if isinstance(mark, e.Suspending):
        return _suspend_now(transaction, order, mark.mode)
    if isinstance(mark, e.Resuming):
        return _resume_now(
            transaction,
            order,
            e.OrderResumed(
                position=mark.position,
                history_operations=mark.history_operations,
                as_succeeded=mark.as_succeeded,
                restart_killed_job=mark.restart_killed_job,
            ),
        )
    if isinstance(mark, e.Go) and mark.position == order.position and order.is_go_commandable:
        _go_now(transaction, order)
        return True
    return False


# --- cancel (5.2) ----------------------------------------------------------------------------------------------------


def cancel(transaction: Transaction, order: Order, mode: e.CancellationMode) -> None:
    """Cancel now, or mark. Raises `ProblemError` CancelStartedOrder."""
    if isinstance(mode, e.FreshOnly) and order.state.is_started:
        raise ProblemError.of("CancelStartedOrder", orderId=order.id)
    if _cancel_now(transaction, order, mode):
        return
    is_done = isinstance(order.state, Finished | Cancelled | ProcessingKilled)
    if is_done or (isinstance(order.mark, e.Cancelling) and order.mark.mode == mode):
        return
    transaction.emit(order.id, e.OrderCancellationMarked(mode=mode))


def _cancel_now(transaction: Transaction, order: Order, mode: e.CancellationMode) -> bool:
    state = transaction.state
    if isinstance(mode, e.FreshOnly) and order.state.is_started:
        return False
    if not state.has(order) or not order.is_cancelable or _is_at_end(transaction, order):
        return False
    if isinstance(state.role, Agent):
        if not order.state.is_detachable:
            return False
        transaction.emit(order.id, e.OrderDetachable())
        return True
    if order.state.is_resettable:
        transaction.emit(order.id, e.OrderStateReset())
    blocks.leave_all(Step(transaction, order), max(len(order.inner_block), len(fork_branch(order.position))))
    transaction.emit(order.id, e.OrderCancelled())
    return True


def _is_at_end(transaction: Transaction, order: Order) -> bool:
    """A started order at the end of its workflow or branch finishes normally instead of being cancelled."""
    if not order.state.is_started or order.is_suspended or isinstance(order.state, Broken | FailedState):
        return False
    control = transaction.state.path_controls.get(order.workflow_id.path)
    if control is not None and control.suspended:
        return False
    workflow = transaction.state.workflows.get(order.workflow_id)
    return (
        workflow is not None
        and workflow.has_position(order.position)
        and isinstance(workflow.instruction(order.position), End | ImplicitEnd)
    )


# --- suspend (5.3) ---------------------------------------------------------------------------------------------------

_UNSUSPENDABLE = (Finished, Cancelled, FailedState, FailedWhileFresh, FailedInFork)
_WAITING_DETACHABLE = (DelayingRetry, BetweenCycles, Sleeping)


def suspend(transaction: Transaction, order: Order, mode: e.SuspensionMode) -> None:
    """Suspend now, or mark. Raises `ProblemError` CannotSuspendOrder."""
    if isinstance(order.state, _UNSUSPENDABLE) or isinstance(order.mark, e.Cancelling):
        raise ProblemError.of("CannotSuspendOrder")
    if order.is_suspended and not isinstance(order.mark, e.Resuming):
        return
    if _suspend_now(transaction, order, mode):
        return
    if isinstance(order.mark, e.Suspending) and order.mark.mode == mode:
        return
    transaction.emit(order.id, e.OrderSuspensionMarked(mode=mode))


def _suspend_now(transaction: Transaction, order: Order, mode: e.SuspensionMode) -> bool:
    state = transaction.state
    if not state.has(order):
        return False
    is_reset = mode.reset_state and order.state.is_resettable
    is_killed = (
        type(order.state) is ProcessingKilled
        and isinstance(order.mark, e.Suspending)
        and order.mark.mode.kill is not None
    )
    if is_reset or is_killed or isinstance(order.state, Fresh | Ready):
        if isinstance(state.role, Agent):
            transaction.emit(order.id, e.OrderDetachable())
            return True
        if is_reset:
            transaction.emit(order.id, e.OrderStateReset())
        transaction.emit(order.id, e.OrderSuspended())
        return True
    if isinstance(state.role, Agent) and isinstance(order.state, _WAITING_DETACHABLE):
        transaction.emit(order.id, e.OrderDetachable())
        return True
    return False


# --- resume (5.4) ----------------------------------------------------------------------------------------------------


def resume(transaction: Transaction, order: Order, event: e.OrderResumed) -> None:
    """Resume now, or mark; the position has been checked. Raises `ProblemError` CannotResumeOrder."""
    mark = order.mark
    if isinstance(mark, e.Cancelling | e.Go):
        raise ProblemError.of("CannotResumeOrder")
    if isinstance(mark, e.Resuming):
        if (mark.position, mark.history_operations) != (event.position, event.history_operations):
            raise ProblemError.of("CannotResumeOrder")
        _resume_now(transaction, order, event)
        return
    if isinstance(mark, e.Suspending) and (event.position is not None or event.history_operations):
        raise ProblemError.of("CannotResumeOrder")
    is_resumable = (
        order.is_suspended
        or isinstance(mark, e.Suspending)
        or (order.is_detached and isinstance(order.state, FailedState | Stopped | StoppedWhileFresh))
    )
    if not is_resumable:
        raise ProblemError.of("CannotResumeOrder")
    if not _resume_now(transaction, order, event):
        transaction.emit(
            order.id,
            e.OrderResumptionMarked(
                position=event.position,
                history_operations=event.history_operations,
                as_succeeded=event.as_succeeded,
                restart_killed_job=event.restart_killed_job,
            ),
        )


def _resume_now(transaction: Transaction, order: Order, event: e.OrderResumed) -> bool:
    if not transaction.state.has(order) or RULES[e.OrderResumed].refusal(order, event) is not None:
        return False
    transaction.emit(order.id, event)
    return True


# --- go (5.5) --------------------------------------------------------------------------------------------------------


def go(transaction: Transaction, order: Order, position: tuple[int | str, ...]) -> None:
    """End a wait now, or mark an order at an Agent. Raises `ProblemError` GoOrderInapplicable."""
    if order.position != position or not order.is_go_commandable or order.is_in_transfer:
        raise ProblemError.of("GoOrderInapplicable", orderId=f"Order:{order.id}")
    if transaction.state.has(order):
        _go_now(transaction, order)
    else:
        transaction.emit(order.id, e.OrderGoMarked(position=position))


def _go_now(transaction: Transaction, order: Order) -> None:
    from stellwerk.engine.instructions.retry import awake

    transaction.emit(order.id, e.OrderGoes())
    step = Step(transaction, order)
    state = order.state
    if isinstance(state, Fresh):
        step.emit(e.OrderStarted())
    elif isinstance(state, DelayingRetry):
        awake(step)
    elif isinstance(state, Sleeping):
        step.emit(e.OrderAwoke())
        step.move_on()
    elif isinstance(state, BetweenCycles):
        step.emit(e.OrderCycleStarted())
    elif isinstance(state, WaitingForAdmission):
        step.emit(e.OrderMoved(to=child(order.position, "admissionTime")))
