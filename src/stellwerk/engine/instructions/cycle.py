"""Cycle and Break (workflow spec 2.11, 7.4)."""

from __future__ import annotations

from decimal import Decimal

from stellwerk.engine import admission, blocks
from stellwerk.engine.events import order as e
from stellwerk.engine.order import BetweenCycles
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Break, Cycle
from stellwerk.language.items import Calendar, calendar_key
from stellwerk.language.positions import CycleState, Position, is_cycle, parse_cycle_state
from stellwerk.language.schedules import ChangeCycleState, EndCycling, StartCycle
from stellwerk.values.problems import ProblemError


def _calendar(step: Step) -> Calendar:
    path = step.workflow.definition.calendar_path
    found = step.transaction.state.calendars.get(path or "")
    if found is None:
        raise ProblemError.of("UnknownKey", type="Calendar", key=calendar_key(path or ""))
    return found


def execute(step: Step, instruction: Cycle) -> None:
    if not step.is_started():
        return
    zone = admission.zone_of(step.workflow)
    start, end = _calendar(step).order_day(step.order_id, zone)
    state = _next_state(step, instruction, instruction.schedule.initial_state(start, end))
    if state is None:
        step.move_on()
    else:
        step.emit(e.OrderCyclingPrepared(cycle_state=state))


def _next_state(step: Step, instruction: Cycle, state: CycleState) -> CycleState | None:
    zone = admission.zone_of(step.workflow)
    return instruction.schedule.next_state(
        state, step.now_ms, zone, _calendar(step).date_offset_ms, instruction.only_one_period
    )


def wait(step: Step) -> None:
    """The order is between two cycles, or behind the last one."""
    state = step.order.state
    assert isinstance(state, BetweenCycles)
    instruction = step.instruction()
    assert isinstance(instruction, Cycle)
    cycle_state = state.cycle_state
    if cycle_state is None:
        step.move_on()
        return
    due = instruction.schedule.on_due(
        cycle_state,
        step.now_ms,
        admission.zone_of(step.workflow),
        _calendar(step).date_offset_ms,
        instruction.only_one_period,
    )
    if isinstance(due, StartCycle):
        step.emit(e.OrderCycleStarted(skipped=_seconds(due.skipped_ms) if due.skipped_ms else None))
    elif isinstance(due, ChangeCycleState):
        step.emit(e.OrderCyclingPrepared(cycle_state=due.cycle_state))
    elif isinstance(due, EndCycling):
        step.move_on()


def _seconds(milliseconds: int) -> int | Decimal:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else Decimal(milliseconds) / 1000


def end(step: Step, place: Position, branch: str) -> None:
    """The end of the body: when does the next cycle begin, if there is one?"""
    instruction = step.workflow.instruction(place)
    assert isinstance(instruction, Cycle)
    state = _next_state(step, instruction, parse_cycle_state(branch))
    step.emit(e.OrderCycleFinished(cycle_state=state))


def break_(step: Step, instruction: Break) -> None:
    position = step.order.position
    length = max(index for index in range(1, len(position), 2) if is_cycle(str(position[index])))
    place, branch = position[:length], position[length]
    if blocks.needs_controller_to_leave(position, length + 1) and not step.is_at_controller():
        return
    if not step.is_started():
        return
    if not blocks.leave_all(step, length + 1):
        return
    # The specified, odd position: in the cycle's block, numbered as if behind the Cycle.
    step.emit(e.OrderMoved(to=(*place, branch, int(place[-1]) + 1)))
    step.emit(e.OrderCycleFinished())
    step.move_on()
