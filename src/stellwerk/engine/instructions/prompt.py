"""Prompt: wait for a person, at the Controller (workflow spec 2.16)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Prompt


def execute(step: Step, instruction: Prompt) -> None:
    if step.is_at_controller() and step.is_started():
        step.emit(e.OrderPrompted(question=instruction.question.evaluate(step.scope())))
