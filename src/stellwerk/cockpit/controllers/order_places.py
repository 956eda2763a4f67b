"""Where an order may begin, end and go on, and why it does not go on now: looked up in its workflow. Pure.

The rules of positions are those of the Controller (workflow spec 3.3, 3.4); obstacles are those of orders spec 5.10
that the API knows (cockpit-api 8, ObstacleType).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.language.instructions.base import Instruction
from stellwerk.language.positions import BranchPath, Position, is_reachable, normalize, position_text
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError

#: Engine states in which an order is at an instruction that it has not begun.
_BEFORE_JOB = frozenset({"Fresh", "Ready"})


class Place(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A position with what stands there (`Position` of the API)."""

    position: Position
    position_string: str
    type: str
    label: str | None = None


class BlockPlace(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An instruction with one block, and the positions in it (`BlockPosition` of the API)."""

    position: Position
    position_string: str
    type: str
    label: str | None = None
    positions: tuple[Place, ...] = ()


def places_from(workflow: Workflow, start: Position) -> list[Place]:
    """The positions to which an order may be moved from `start`, in the order in which they are written."""
    return common_places(workflow, [start])


def common_places(workflow: Workflow, starts: Sequence[Position]) -> list[Place]:
    """Those to which an order may be moved from each of `starts`."""
    return [
        _place(position, instruction)
        for position, instruction in _in_order(workflow)
        if all(is_reachable(start, position) for start in starts)
    ]


def blocks(workflow: Workflow) -> list[BlockPlace]:
    """The instructions whose only block an order may be given as all that it runs."""
    found = []
    for position, instruction in _in_order(workflow):
        branches: list[BranchPath] = [(*position, nested.branch_id) for nested in instruction.nested(False)]
        if len(branches) == 1:
            [branch] = branches
            inside = tuple(
                place for place in places_from(workflow, (*branch, 0)) if place.position[: len(branch)] == branch
            )
            place = _place(position, instruction)
            found.append(BlockPlace(place.position, place.position_string, place.type, place.label, inside))
    return found


def _in_order(workflow: Workflow) -> Iterator[tuple[Position, Instruction]]:
    """What people have written: no implicit ends."""
    return (item for item in workflow.instructions() if _kind(item[1]) != "ImplicitEnd")


def _place(position: Position, instruction: Instruction) -> Place:
    return Place(position, position_text(position), _kind(instruction), instruction.label)


def _kind(instruction: Instruction) -> str:
    return str(instruction.__struct_config__.tag)


class Occupancy(msgspec.Struct, frozen=True):
    """How many processes run for an order's job and on its Agent, and how many may."""

    agent_processes: int = 0
    agent_limit: int | None = None
    job_processes: int = 0


def job_of(workflow: Workflow, order: LiveOrder) -> tuple[str, int] | None:
    """The name of the job that the order is about to run, and how many orders may be in it; None: it is at none."""
    if order.state not in _BEFORE_JOB:
        return None
    try:
        key, job = workflow.job(tuple(order.position))
    except ProblemError:
        return None
    return key.name or position_text(normalize(tuple(order.position))), job.process_limit


def obstacles(order: LiveOrder, job_limit: int | None, occupancy: Occupancy, *, is_suspended: bool) -> list[Any]:
    """Why the order does not go on: `Obstacle`s with `type`, and `until` in epoch milliseconds.

    `job_limit`: of the job that it is about to run. `is_suspended`: its workflow is.
    """
    found: list[dict[str, Any]] = []
    if is_suspended:
        found.append({"type": "WorkflowIsSuspended"})
    if order.state == "WaitingForAdmission":
        found.append({"type": "WaitingForAdmission"} | ({} if order.until is None else {"until": order.until}))
    if job_limit is not None:
        if occupancy.job_processes >= job_limit:
            found.append({"type": "JobProcessLimitReached"})
        if order.attached and occupancy.agent_limit is not None and occupancy.agent_processes >= occupancy.agent_limit:
            found.append({"type": "AgentProcessLimitReached"})
    return found
