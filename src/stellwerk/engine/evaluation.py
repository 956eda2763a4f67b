"""What an order does next: the order of checks before an instruction is executed (workflow spec 2.0).

`evaluate` looks at one order that this node has and emits at most what follows from its present state; whatever it
emits has the order looked at again by the transaction.
"""

from __future__ import annotations

from stellwerk.engine import failure, joining, marks
from stellwerk.engine.events import order as e
from stellwerk.engine.instructions import EXECUTIONS, WAITS
from stellwerk.engine.instructions.finish import finish
from stellwerk.engine.order import (
    Broken,
    FailedInFork,
    FailedState,
    FailedWhileFresh,
    Forked,
    Fresh,
    Order,
    Processed,
    Processing,
    ProcessingKilled,
    Ready,
)
from stellwerk.engine.state import Controller
from stellwerk.engine.step import Step
from stellwerk.engine.transaction import Transaction
from stellwerk.language.outcomes import Disrupted, Killed
from stellwerk.language.positions import next_position
from stellwerk.values.problems import ProblemError

#: By exact type: one look instead of a walk through a union, for each look at each order.
_RESTING = frozenset({Broken, FailedState, FailedWhileFresh})
_EXECUTABLE = frozenset({Fresh, Ready})
_FALLIBLE = frozenset({Fresh, Ready, Processed, ProcessingKilled})


def evaluate(transaction: Transaction, order_id: str) -> None:
    """Decide the next events of one order. A problem of its instruction becomes its outcome."""
    state = transaction.state
    order = state.orders[order_id]
    if not state.has(order):
        return
    if order.state.is_terminated:
        _terminated(transaction, order)
        return
    step = Step(transaction, order)
    savepoint, count = state.savepoint(), len(transaction.events)
    try:
        _evaluate(step, order)
    except ProblemError as error:
        state.roll_back(savepoint)
        del transaction.events[count:]
        if not (order.is_failable or order.is_resettable) or failure.is_unhandled(order):
            raise
        step.emit(e.OrderOutcomeAdded(outcome=Disrupted.other(error.problem)))


def _terminated(transaction: Transaction, order: Order) -> None:
    if not isinstance(transaction.state.role, Controller):
        return
    if order.parent is not None:
        joining.try_join(transaction, order.parent)
    elif order.external_order is not None:
        if order.external_order.vanished:
            transaction.emit(order.id, e.OrderDeleted())
    elif order.delete_when_terminated:
        transaction.emit(order.id, e.OrderDeleted())


def _evaluate(step: Step, order: Order) -> None:
    state = order.state
    kind = type(state)
    if order.mark is not None and marks.fulfil(step, order):
        return
    if kind in _RESTING or order.is_suspended_or_stopped:
        return
    if kind is FailedInFork:
        assert order.parent is not None
        if step.is_at_controller():
            joining.try_join(step.transaction, order.parent)
        return
    if kind is Processing:
        return
    if kind is Forked:
        # Joined at the Controller only: a parent that was forked at an Agent goes there at once.
        if step.is_at_controller():
            joining.try_join(step.transaction, order.id)
        return
    if (
        kind in _EXECUTABLE
        and not order.is_resumed
        and step.is_at_breakpoint(order.position)
        and not step.waits_for_schedule()
    ):
        if step.is_at_controller():
            step.emit(e.OrderSuspended())
        return
    if kind in _EXECUTABLE and step.is_path_suspended():
        return
    if (kind in _FALLIBLE or state.is_resettable) and failure.is_unhandled(order):
        if kind is Processed and isinstance(order.last_outcome, Killed):
            step.emit(e.OrderProcessingKilled())
        else:
            failure.handle(step)
        return
    wait = WAITS.get(kind)
    if wait is not None:
        if not (state.is_controller_only and step.is_path_suspended()):
            wait(step)
        return
    if kind is Processed:
        outcome = order.last_outcome
        if isinstance(outcome, Disrupted) and outcome.is_process_lost:
            step.emit(e.OrderMoved(to=order.position))
        else:
            step.move_on()
        return
    if kind in _EXECUTABLE:
        _execute(step, order)


def _execute(step: Step, order: Order) -> None:
    position = order.position
    instruction = step.workflow.instruction(position)
    if step.is_at_stop_position(position):
        finish(step, None)
    elif step.is_skipped(instruction):
        step.move(next_position(position), e.SKIPPED_DUE_TO_WORKFLOW_PATH_CONTROL)
    else:
        EXECUTIONS[type(instruction)](step, instruction)
