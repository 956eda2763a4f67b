"""Leaving blocks that hold something: locks, notices, a sticky Subagent (workflow spec 2.1; orders 5.2).

An order that fails, is cancelled or finishes leaves its blocks from inside to outside. `leave` deals with one block;
locks and notices belong to the Controller, so that an attached order has to go there first.
"""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Lock
from stellwerk.language.positions import Position, branch_id, normalize_branch_id, parent

#: Blocks that only the Controller can leave.
AT_CONTROLLER = frozenset({"lock", "consumeNotices"})


def locks_released(step: Step, place: Position) -> e.OrderLocksReleased:
    """For the Lock instruction at the place."""
    instruction = step.workflow.instruction(place)
    assert isinstance(instruction, Lock)
    return e.OrderLocksReleased(lock_paths=tuple(demand.lock_path for demand in instruction.demands))


def leave(step: Step, branch: str, place: Position, is_failed: bool = True) -> bool:
    """Leave the innermost block that holds something, the instruction of which is at `place`.

    False: the order has been sent to the Controller first, or the block holds nothing.
    """
    if branch == "lock":
        if not step.is_at_controller():
            return False
        step.emit(locks_released(step, place))
    elif branch == "consumeNotices":
        if not step.is_at_controller():
            return False
        step.emit(e.OrderNoticesConsumed(failed=is_failed))
    elif branch == "stickySubagent":
        step.emit(e.OrderStickySubagentLeaved())
    else:
        return False
    return True


def is_holding(branch: str) -> bool:
    return branch in AT_CONTROLLER or branch == "stickySubagent"


def leave_all(step: Step, down_to: int) -> bool:
    """Leave all blocks whose path is longer than `down_to`. False: the order had to be sent to the Controller."""
    position = step.order.position
    while len(position) - 1 > down_to:
        branch, place = branch_id(position), parent(position)
        assert branch is not None and place is not None
        if is_holding(branch) and not leave(step, branch, place):
            return False
        position = place
    return True


def needs_controller_to_leave(position: Position, down_to: int) -> bool:
    """Is one of the blocks deeper than `down_to` left at the Controller only?"""
    return any(normalize_branch_id(str(part)) in AT_CONTROLLER for part in position[down_to:-1][1::2])
