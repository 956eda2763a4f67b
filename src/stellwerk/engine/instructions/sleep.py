"""Sleep, wherever the order is (workflow spec 2.17)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.order import Sleeping
from stellwerk.engine.step import Step
from stellwerk.language.expressions import as_duration_ms, to_number
from stellwerk.language.instructions import Sleep

_LONGEST_MS = 100 * 366 * 24 * 3600 * 1000


def execute(step: Step, instruction: Sleep) -> None:
    if not step.is_started():
        return
    value = instruction.duration.evaluate(step.scope())
    number = None if value is None else to_number(value)
    duration_ms = 0 if number is None else min(as_duration_ms(number), _LONGEST_MS)
    if duration_ms <= 0:
        step.move_on()
    else:
        step.emit(e.OrderSleeping(until=step.now_ms + duration_ms, cause=e.SleepInstruction()))


def wait(step: Step) -> None:
    """The order sleeps."""
    state = step.order.state
    assert isinstance(state, Sleeping)
    if state.until <= step.now_ms:
        step.move_on()
