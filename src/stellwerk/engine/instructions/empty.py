"""EmptyInstruction (workflow spec 2.21)."""

from __future__ import annotations

from stellwerk.engine.step import Step
from stellwerk.language.instructions import EmptyInstruction


def execute(step: Step, instruction: EmptyInstruction) -> None:
    step.move_on()
