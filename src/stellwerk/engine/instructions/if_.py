"""If: into the first branch whose predicate is true (workflow spec 2.3)."""

from __future__ import annotations

from stellwerk.engine.order import Fresh
from stellwerk.engine.step import Step
from stellwerk.language.expressions import as_boolean
from stellwerk.language.instructions import If, then_branch_id
from stellwerk.language.positions import Position, child, next_position
from stellwerk.values.problems import Problem, ProblemError


def execute(step: Step, instruction: If) -> None:
    to, has_used_world = _target(step, step.order.position, instruction)
    if has_used_world and not step.is_started():
        return
    step.move(to)


def anticipate(step: Step, position: Position, instruction: If) -> Position | None:
    to, has_used_world = _target(step, position, instruction)
    # A predicate that looks at time or job resources waits for OrderStarted.
    return None if has_used_world and type(step.order.state) is Fresh else to


def _target(step: Step, position: Position, instruction: If) -> tuple[Position, bool]:
    scope = step.scope(position)
    for index, if_then in enumerate(instruction.if_thens):
        value = if_then.predicate.evaluate(scope)
        if value is None:
            raise ProblemError(Problem.of("UnexpectedValueType", expectedType="Boolean", value="Missing: missing"))
        if as_boolean(value):
            return child(position, then_branch_id(index)), scope.has_used_world
    if instruction.else_ is not None:
        return child(position, "else"), scope.has_used_world
    return next_position(position), scope.has_used_world
