"""AdmissionTime: into the block when a period is open, else wait at the Controller (workflow spec 2.20)."""

from __future__ import annotations

from stellwerk.engine import admission
from stellwerk.engine.events import order as e
from stellwerk.engine.order import WaitingForAdmission
from stellwerk.engine.step import Step
from stellwerk.language.instructions import AdmissionTime
from stellwerk.language.positions import Position, child, next_position
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: AdmissionTime) -> None:
    order = step.order
    if _is_skipped(step, instruction):
        step.move(next_position(order.position), e.NO_ADMISSION_PERIOD_START)
        return
    if order.force_admission:
        step.move(child(order.position, "admissionTime"))
        return
    zone = admission.zone_of(step.workflow)
    interval = instruction.admission_time_scheme.interval(zone, step.now_ms)
    if interval is None:
        raise ProblemError("No more admission time")
    if interval.contains(step.now_ms):
        step.move(child(order.position, "admissionTime"))
    elif not _waits_until(step, interval.start) and step.is_at_controller() and step.is_started():
        step.emit(e.OrderWaitingForAdmission(until=interval.start))


def _waits_until(step: Step, time_ms: int) -> bool:
    state = step.order.state
    return isinstance(state, WaitingForAdmission) and state.until == time_ms


def _is_skipped(step: Step, instruction: AdmissionTime) -> bool:
    return (
        instruction.skip_if_no_admission_start_for_order_day
        and not step.order.force_admission
        and admission.is_without_period_start(step.order_id, instruction.admission_time_scheme)
    )


def anticipate(step: Step, position: Position, instruction: AdmissionTime) -> Position | None:
    """Into an open period; everything else is decided when the order is there."""
    if step.order.force_admission:
        return child(position, "admissionTime")
    if _is_skipped(step, instruction):
        return None
    zone = admission.zone_of(step.workflow)
    if instruction.admission_time_scheme.is_permitted(zone, step.now_ms):
        return child(position, "admissionTime")
    return None


def wait(step: Step) -> None:
    """The order waits for its admission."""
    order = step.order
    assert isinstance(order.state, WaitingForAdmission)
    if order.state.until <= step.now_ms:
        instruction = step.instruction()
        assert isinstance(instruction, AdmissionTime)
        execute(step, instruction)
