"""What happens to an order whose last step failed: who catches it, which blocks it leaves (workflow spec 2.1)."""

from __future__ import annotations

import msgspec

from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Fork, Try
from stellwerk.language.outcomes import Disrupted
from stellwerk.language.positions import Position, branch_id, is_fork, parent


class Catch(msgspec.Struct, frozen=True):
    """A Try around the failed instruction catches: the first position of its catch block."""

    position: Position


class FailInFork(msgspec.Struct, frozen=True):
    pass


class FailOrder(msgspec.Struct, frozen=True):
    pass


Way = Catch | FailInFork | FailOrder


def is_unhandled(order: Order) -> bool:
    """Has the last step failed in a way that must be handled now? A lost process is no failure: its job is repeated."""
    if not order.has_failed_outcome:
        return False
    outcome = order.last_outcome
    return not (isinstance(outcome, Disrupted) and outcome.is_process_lost)


def way_out(step: Step, order: Order, is_catchable: bool) -> Way:
    """Walk from the failed instruction outwards, block by block."""
    position = order.position
    outermost = len(order.inner_block) + 1
    while len(position) > outermost:
        branch = branch_id(position)
        outer = parent(position)
        assert branch is not None and outer is not None
        instruction = step.workflow.instruction(outer)
        if isinstance(instruction, Try) and is_catchable and (branch == "try" or branch.startswith("try+")):
            count = 0 if branch == "try" else int(branch[4:])
            is_exhausted = instruction.max_tries is not None and instruction.max_tries <= count + 1
            if not (is_exhausted and instruction.catch_starts_with_retry):
                return Catch((*outer, f"catch+{count}", 0))
        if is_fork(branch):
            return FailInFork() if isinstance(instruction, Fork) and instruction.join_if_failed else FailOrder()
        position = outer
    return FailOrder()


def handle(step: Step, is_catchable: bool | None = None) -> None:
    """Let the order be caught, or fail. OrderFailed and OrderFailedInFork belong to the Controller."""
    order = step.order
    if is_catchable is None:
        is_catchable = order.last_outcome.is_catchable
    if order.state.is_resettable:
        step.emit(e.OrderStateReset())
        order = step.order
    way = way_out(step, order, is_catchable)
    if isinstance(way, Catch):
        step.emit(e.OrderCaught(moved_to=way.position))
    elif step.is_at_controller():
        if isinstance(way, FailInFork):
            step.emit(e.OrderFailedInFork(moved_to=order.position))
        else:
            step.emit(e.OrderFailed(moved_to=order.position))
