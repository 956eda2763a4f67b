"""Where an order has to be for its next instruction: prediction for forks (workflow spec 2.8, orders spec 4.4)."""

from __future__ import annotations

from stellwerk.engine.order import Attached, Order
from stellwerk.engine.step import Step
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed, Fork, ForkList
from stellwerk.language.positions import Position
from stellwerk.values.problems import ProblemError

#: From so many children on, a fork whose children all start at one Agent is carried out there.
MANY_CHILDREN = 3


def first_agent(step: Step, position: Position) -> str | None:
    """The Agent at which an order at this position starts; None: at the Controller, or not to be foreseen."""
    seen: set[Position] = set()
    try:
        while position not in seen:
            seen.add(position)
            instruction = step.workflow.instruction(position)
            if isinstance(instruction, ExecuteNamed | ExecuteAnonymous) and not step.is_skipped(instruction):
                return step.workflow.job(position)[1].agent_path
            if isinstance(instruction, Fork):
                return instruction.agent_path or _common(_first_agents(step, _branches(position, instruction)))
            if isinstance(instruction, ForkList):
                return instruction.agent_path or first_agent(step, (*position, "fork", 0))
            following = step.following(position)
            if following is None:
                return None
            position = following
    except ProblemError:
        # The order will meet this problem by itself when it gets there.
        return None
    return None


def _branches(position: Position, fork: Fork) -> list[Position]:
    return [(*position, f"fork+{branch.id}", 0) for branch in fork.branches]


def _first_agents(step: Step, starts: list[Position]) -> list[str | None]:
    return [first_agent(step, start) for start in starts]


def _common(agents: list[str | None]) -> str | None:
    return agents[0] if agents and all(agent == agents[0] for agent in agents) else None


def is_at_place_for_fork(step: Step, order: Order, fork: Fork) -> bool:
    """True when the order may fork here; else it has been sent on its way."""
    if fork.agent_path is not None:
        return step.is_at_agent(fork.agent_path)
    return is_at_place_for_children(step, _branches(order.position, fork), len(fork.branches))


def is_at_place_for_children(step: Step, starts: list[Position], count: int) -> bool:
    """The same for `count` child orders that begin at these positions."""
    if not count:
        return True
    agents = _first_agents(step, starts)
    attached = step.order.attached_state
    agent_path = attached.agent_path if isinstance(attached, Attached) else None
    if any(agent != agents[0] for agent in agents):
        return step.is_at_controller()
    target = agents[0]
    if target is None:
        return count < MANY_CHILDREN or step.is_at_controller()
    if agent_path == target:
        return True
    if agent_path is not None:
        return step.is_at_controller()
    return count < MANY_CHILDREN or step.is_at_agent(target)
