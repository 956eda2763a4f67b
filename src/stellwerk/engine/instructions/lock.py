"""Lock: acquire all demanded locks at once, or queue for them, at the Controller (workflow spec 2.10)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Lock
from stellwerk.values.ids import CHILD_SEPARATOR
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: Lock) -> None:
    if not step.is_at_controller() or not step.is_started():
        return
    locks = step.transaction.state.locks
    _check(step, instruction)
    if locks.fit(instruction.demands):
        step.emit(e.OrderLocksAcquired(demands=instruction.demands))
    else:
        step.emit(e.OrderLocksQueued(demands=instruction.demands))


def wait(step: Step) -> None:
    """The order waits, and has been given a chance."""
    locks = step.transaction.state.locks
    demands = locks.demands_of(step.order_id)
    if demands and locks.fit(demands):
        step.emit(e.OrderLocksAcquired(demands=demands))


def _check(step: Step, instruction: Lock) -> None:
    locks = step.transaction.state.locks
    ancestors = _with_ancestors(step.order_id)
    for demand in instruction.demands:
        item = locks.item(demand.lock_path)
        if demand.count is not None and demand.count > item.limit:
            raise ProblemError(
                f"Cannot fulfill lock count={demand.count} with Lock:{demand.lock_path} limit={item.limit}"
            )
        holders = locks.holders.get(demand.lock_path, {})
        for order_id in ancestors:
            if order_id in holders:
                parent = "" if order_id == step.order_id else "parent "
                raise ProblemError(f"Lock:{demand.lock_path} has already been acquired by {parent}Order:{order_id}")


def _with_ancestors(order_id: str) -> list[str]:
    parts = order_id.split(CHILD_SEPARATOR)
    return [CHILD_SEPARATOR.join(parts[:end]) for end in range(1, len(parts) + 1)]
