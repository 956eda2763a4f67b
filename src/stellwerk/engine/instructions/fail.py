"""Fail (workflow spec 2.5)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.expressions import to_string
from stellwerk.language.instructions import Fail
from stellwerk.language.outcomes import Failed
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: Fail) -> None:
    if not step.is_started():
        return
    message = None
    if instruction.message is not None:
        try:
            message = to_string(instruction.message.evaluate(step.scope()))
        except ProblemError as error:
            message = str(error.problem)
    outcome = Failed(message=message, named_values=instruction.named_values, uncatchable=instruction.uncatchable)
    step.emit(e.OrderOutcomeAdded(outcome=outcome))
