"""Say and BreakOrder (workflow spec 2.7): for tests."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import BreakOrder, Say


def say(step: Step, instruction: Say) -> None:
    if step.is_at_controller() and step.is_started():
        step.emit(e.OrderSaid(value=instruction.what.evaluate(step.scope())))
        step.move_on()


def break_order(step: Step, instruction: BreakOrder) -> None:
    if step.is_started():
        step.emit(e.OrderBroken())
