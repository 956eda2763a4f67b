"""EmptyInstruction and Gap (workflow spec 2.21)."""

from __future__ import annotations

from stellwerk.engine.step import Step
from stellwerk.language.instructions import EmptyInstruction, Gap


def execute(step: Step, instruction: EmptyInstruction) -> None:
    step.move_on()


def gap(step: Step, instruction: Gap) -> None:
    """An Agent has nothing to do here."""
    if step.is_at_controller():
        step.move_on()
