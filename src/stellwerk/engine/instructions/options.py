"""Options: only a position; failure handling looks at them (workflow spec 2.18)."""

from __future__ import annotations

from stellwerk.engine.step import Step
from stellwerk.language.instructions import Options
from stellwerk.language.positions import Position, child


def execute(step: Step, instruction: Options) -> None:
    step.move(child(step.order.position, "options"))


def anticipate(step: Step, position: Position, instruction: Options) -> Position | None:
    return child(position, "options")
