"""Finish, and what it shares with stop positions and the end of a workflow (workflow spec 2.6, 3.4)."""

from __future__ import annotations

from stellwerk.engine import blocks
from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import End, Finish, ImplicitEnd
from stellwerk.language.outcomes import Failed, Succeeded
from stellwerk.language.positions import Position, fork_branch


def execute(step: Step, instruction: Finish) -> None:
    finish(step, instruction.outcome)


def finish(step: Step, outcome: Succeeded | Failed | None) -> None:
    """Finish the order at the Controller; a fork child goes to the end of its branch instead. All blocks are left."""
    order = step.order
    branch = fork_branch(order.position)
    if not step.is_at_controller():
        return
    if len(branch) > len(order.inner_block):
        if outcome is not None:
            step.emit(e.OrderOutcomeAdded(outcome=outcome))
        if outcome is None or outcome.is_succeeded:
            blocks.leave_all(step, len(branch))
            step.emit(e.OrderMoved(to=_end_of(step, branch)))
    elif step.is_started():
        blocks.leave_all(step, len(order.inner_block))
        step.emit(e.OrderFinished(outcome=outcome))


def _end_of(step: Step, branch: Position) -> Position:
    number = 0
    while not isinstance(step.workflow.instruction((*branch, number)), End | ImplicitEnd):
        number += 1
    return (*branch, number)
