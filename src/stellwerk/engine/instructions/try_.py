"""Try: enter the first try (workflow spec 2.4)."""

from __future__ import annotations

from stellwerk.engine.step import Step
from stellwerk.language.instructions import Try
from stellwerk.language.positions import Position, child


def execute(step: Step, instruction: Try) -> None:
    step.move(child(step.order.position, "try+0"))


def anticipate(step: Step, position: Position, instruction: Try) -> Position | None:
    return child(position, "try+0")
