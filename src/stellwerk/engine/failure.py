"""What happens to an order whose last step failed: who catches it, which blocks it leaves (workflow spec 2.1)."""

from __future__ import annotations

from stellwerk.engine import blocks
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Fork, ForkList, Options, Try
from stellwerk.language.outcomes import Disrupted
from stellwerk.language.positions import Position, branch_id, is_fork, parent


def is_unhandled(order: Order) -> bool:
    """Has the last step failed in a way that must be handled now? A lost process is no failure: its job is repeated."""
    if not order.has_failed_outcome:
        return False
    outcome = order.last_outcome
    return not (isinstance(outcome, Disrupted) and outcome.is_process_lost)


def handle(step: Step, is_catchable: bool | None = None) -> None:
    """Let the order be caught, stop, or fail; the blocks around the failed instruction are left on the way out.

    OrderFailed, OrderFailedInFork and OrderStopped belong to the Controller, as leaving some blocks does.
    """
    order = step.order
    if is_catchable is None:
        is_catchable = order.last_outcome.is_catchable
    if order.state.is_resettable:
        step.emit(e.OrderStateReset())
        order = step.order
    position = order.position
    if _stops_on_failure(step, position):
        if step.is_at_controller():
            step.emit(e.OrderStopped())
        return
    outermost = len(order.inner_block) + 1
    failed_at = position
    while len(position) > outermost:
        branch, place = branch_id(position), parent(position)
        assert branch is not None and place is not None
        instruction = step.workflow.instruction(place)
        if blocks.is_holding(branch):
            if not blocks.leave(step, branch, place):
                return
            failed_at = place
        elif is_catchable and isinstance(instruction, Try) and (branch == "try" or branch.startswith("try+")):
            count = 0 if branch == "try" else int(branch[4:])
            is_exhausted = instruction.max_tries is not None and instruction.max_tries <= count + 1
            if not (is_exhausted and instruction.catch_starts_with_retry):
                # A catch block is executed by started orders only.
                if step.is_started():
                    step.emit(e.OrderCaught(moved_to=(*place, f"catch+{count}", 0)))
                return
        elif is_fork(branch):
            assert isinstance(instruction, Fork | ForkList)
            if step.is_at_controller():
                if instruction.join_if_failed:
                    step.emit(e.OrderFailedInFork(moved_to=failed_at))
                else:
                    step.emit(e.OrderFailed(moved_to=failed_at))
            return
        position = place
    if step.is_at_controller():
        step.emit(e.OrderFailed(moved_to=failed_at))


def _stops_on_failure(step: Step, position: Position) -> bool:
    """Do the innermost Options with a value say so? An order that fails on its way into Options counts as inside."""
    outermost = len(step.order.inner_block) + 1
    place: Position | None = position
    while place is not None and len(place) >= outermost:
        instruction = step.workflow.instruction(place)
        if isinstance(instruction, Options) and instruction.stop_on_failure is not None:
            return instruction.stop_on_failure
        place = parent(place)
    return False
