"""Retry: from the catch block to the next try, at once or after a delay (workflow spec 2.4)."""

from __future__ import annotations

from stellwerk.engine import failure
from stellwerk.engine.events import order as e
from stellwerk.engine.order import DelayingRetry
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Retry, Try
from stellwerk.language.positions import next_retry_position, parent
from stellwerk.values.problems import ProblemError

#: Delays from this length on end at a full second.
_ROUNDED_FROM_MS = 10_000


def execute(step: Step, instruction: Retry) -> None:
    order = step.order
    to = next_retry_position(order.position)
    place = parent(to) if to is not None else None
    if to is None or place is None:
        raise ProblemError("Not in a try or catch block")
    if not step.is_started():
        return
    try_ = step.workflow.instruction(place)
    assert isinstance(try_, Try)
    try_count = int(str(to[-2]).removeprefix("try+"))
    if try_.max_tries is not None and try_count >= try_.max_tries:
        failure.handle(step, is_catchable=True)
        return
    delay_ms = try_.retry_delay_ms(try_count)
    if delay_ms <= 0:
        step.emit(e.OrderRetrying())
        step.move(to)
        return
    until = step.now_ms + delay_ms
    if delay_ms >= _ROUNDED_FROM_MS:
        until = -(-until // 1000) * 1000
    step.emit(e.OrderRetrying(delayed_until=until))


def wait(step: Step) -> None:
    """The order delays its next try."""
    state = step.order.state
    assert isinstance(state, DelayingRetry)
    if state.until <= step.now_ms:
        awake(step)


def awake(step: Step) -> None:
    """End the delay: the next try begins."""
    to = next_retry_position(step.order.position)
    if to is None:
        raise ProblemError("Not in a try or catch block")
    step.emit(e.OrderAwoke())
    step.move(to)
