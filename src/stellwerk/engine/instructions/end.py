"""The end of a workflow, of a fork branch, of any other block (workflow spec 2.21)."""

from __future__ import annotations

from stellwerk.engine import blocks, joining
from stellwerk.engine.instructions import cycle
from stellwerk.engine.instructions.finish import finish
from stellwerk.engine.step import Step
from stellwerk.language.instructions import End, ImplicitEnd
from stellwerk.language.positions import Position, branch_id, is_cycle, is_fork, next_position, parent


def execute(step: Step, instruction: End | ImplicitEnd) -> None:
    order = step.order
    behind = anticipate(step, order.position, instruction)
    if behind is not None:
        step.move(behind)
        return
    if len(order.position) == len(order.inner_block) + 1:
        finish(step, None)
        return
    branch, place = branch_id(order.position), parent(order.position)
    assert branch is not None and place is not None
    if is_cycle(branch):
        cycle.end(step, place, branch)
    elif blocks.is_holding(branch):
        blocks.leave(step, branch, place, is_failed=False)
    elif step.is_at_controller():
        assert order.parent is not None, "the end of a fork branch is reached by child orders"
        joining.try_join(step.transaction, order.parent)


def anticipate(step: Step, position: Position, instruction: End | ImplicitEnd) -> Position | None:
    """Behind the enclosing instruction; None where the order ends or joins, or where leaving the block is an event."""
    if len(position) == len(step.order.inner_block) + 1:
        return None
    branch, outer = branch_id(position), parent(position)
    assert branch is not None and outer is not None
    return None if is_fork(branch) or is_cycle(branch) or blocks.is_holding(branch) else next_position(outer)
