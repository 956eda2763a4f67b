"""The history of an order: what its steps brought, and how a resumption rewrites it (orders spec 2.6, 5.4)."""

from __future__ import annotations

from stellwerk.engine.events.order import (
    Append,
    Delete,
    HistoricOutcome,
    HistoryOperation,
    Insert,
    OrderResumed,
)
from stellwerk.language.outcomes import Caught, Killed, Succeeded
from stellwerk.language.positions import Position, next_position, normalize, position_text
from stellwerk.values.problems import ProblemError

History = tuple[HistoricOutcome, ...]


def caught(history: History, position: Position) -> History:
    """After OrderCaught: a Caught entry, unless the last entry is already successful."""
    if history and history[-1].outcome.is_succeeded:
        return history
    return (*history, HistoricOutcome(position, Caught()))


def check_operations(history: History, operations: tuple[HistoryOperation, ...]) -> None:
    """Raise `ProblemError` when an operation addresses an entry that is not there."""
    known = {entry.position for entry in history}
    for operation in operations:
        address = operation.before if isinstance(operation, Insert) else operation.position
        if not isinstance(operation, Append) and address not in known:
            raise ProblemError(f"The order's history has no entry at position {position_text(address)}")


def resumed(history: History, position: Position, event: OrderResumed) -> tuple[History, Position]:
    """The history and the position after OrderResumed, in the order of orders spec 5.4."""
    was_killed = bool(history) and isinstance(history[-1].outcome, Killed)
    was_successful = not history or history[-1].outcome.is_succeeded
    if event.restart_killed_job and was_killed:
        history = history[:-1]
    kept = len(history)
    if event.position is not None:
        for index, entry in enumerate(history):
            if entry.position == event.position or normalize(entry.position) == normalize(event.position):
                kept = index
                break
    if event.history_operations:
        new_history = _operate(history, kept, event.history_operations)
    else:
        new_history = history[:kept]
    if event.as_succeeded and not was_successful:
        new_history = (*new_history, HistoricOutcome(position, Succeeded()))
    if event.position is not None:
        return new_history, event.position
    if event.as_succeeded and not event.restart_killed_job and was_killed:
        return new_history, next_position(position)
    return new_history, position


def _operate(history: History, kept: int, operations: tuple[HistoryOperation, ...]) -> History:
    """Apply operations that address the history as it was before the cut at `kept`."""
    slots: list[HistoricOutcome | None] = [entry if index < kept else None for index, entry in enumerate(history)]
    inserted: list[list[HistoricOutcome]] = [[] for _ in history]
    appended: list[HistoricOutcome] = []

    def find(position: Position) -> int:
        for index in range(len(history) - 1, -1, -1):
            if history[index].position == position:
                return index
        raise ProblemError(f"The order's history has no entry at position {position_text(position)}")

    for operation in operations:
        if isinstance(operation, Append):
            appended.append(HistoricOutcome(operation.position, operation.outcome))
        elif isinstance(operation, Insert):
            inserted[find(operation.before)].append(HistoricOutcome(operation.position, operation.outcome))
        elif isinstance(operation, Delete):
            slots[find(operation.position)] = None
        else:
            slots[find(operation.position)] = HistoricOutcome(operation.position, operation.outcome)
    result: list[HistoricOutcome] = []
    for index, slot in enumerate(slots):
        result += inserted[index]
        if slot is not None:
            result.append(slot)
    return (*result, *appended)
