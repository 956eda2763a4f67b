"""Stop: the order stops here, at the Controller (workflow spec 2.7)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Stop


def execute(step: Step, instruction: Stop) -> None:
    if step.is_at_controller() and step.is_started():
        step.emit(e.OrderStopped())
