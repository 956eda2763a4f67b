"""Which locks an order holds and waits for, by where it stands in its workflow (workflow spec 2.10). Pure."""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.language.instructions.lock import Lock, LockDemand
from stellwerk.language.positions import Position, is_fork, position_text
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError


class LockUses(msgspec.Struct, frozen=True):
    held: tuple[LockDemand, ...] = ()
    wanted: tuple[LockDemand, ...] = ()


def lock_uses(workflow: Workflow, order: LiveOrder) -> LockUses:
    """The order holds the locks of the blocks that it is in; those around a fork are held by its parent."""
    position: Position = tuple(order.position)
    held: list[LockDemand] = []
    for end in range(len(position) - 1, 0, -2):
        branch, lock_position = position[end - 1], position[: end - 1]
        if is_fork(str(branch)):
            break
        if branch == "lock" and not _began_within(order, lock_position):
            held += _demands(workflow, lock_position)
    waits = order.state == "WaitingForLock"
    return LockUses(held=tuple(held), wanted=_demands(workflow, position) if waits else ())


def _began_within(order: LiveOrder, lock_position: Position) -> bool:
    """An order that has been given a block in the lock as all that it runs does not acquire it."""
    start = order.start_position or (position_text(tuple(order.position)) if order.state == "Fresh" else "")
    return start.startswith(position_text(lock_position) + "/lock:")


def _demands(workflow: Workflow, position: Position) -> tuple[LockDemand, ...]:
    try:
        instruction = workflow.instruction(position)
    except ProblemError:  # the projection may be ahead of the workflow that has been read
        return ()
    return instruction.demands if isinstance(instruction, Lock) else ()
