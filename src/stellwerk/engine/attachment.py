"""Where an order has to be for its next instruction: prediction for forks (workflow spec 2.8, orders spec 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from stellwerk.engine.events.order_parts import ChildOrder
from stellwerk.engine.order import Attached, Order, child_of
from stellwerk.engine.step import Step
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed, Fork, ForkList
from stellwerk.language.positions import Position

#: From so many children on, a fork whose children all start at one Agent is carried out there.
MANY_CHILDREN = 3


class _ChildStep(Step):
    """A look at a child order that does not exist yet."""

    __slots__ = ("_child",)

    def __init__(self, step: Step, child: Order) -> None:
        super().__init__(step.transaction, child)
        self._child = child

    @property
    def order(self) -> Order:
        return self._child


def first_agent(step: Step, position: Position) -> str | None:
    """The Agent at which an order at this position starts; None: at the Controller, or not to be foreseen.

    Raises `ProblemError` when the order would fail on its way there.
    """
    seen: set[Position] = set()
    while position not in seen:
        seen.add(position)
        instruction = step.workflow.instruction(position)
        if isinstance(instruction, ExecuteNamed | ExecuteAnonymous) and not step.is_skipped(instruction):
            return step.workflow.job(position)[1].agent_path
        if isinstance(instruction, Fork):
            if instruction.agent_path is not None:
                return instruction.agent_path
            starts = [(*position, f"fork+{branch.id}", 0) for branch in instruction.branches]
            return _common([first_agent(step, start) for start in starts])
        if isinstance(instruction, ForkList):
            return instruction.agent_path or first_agent(step, (*position, "fork", 0))
        following = step.following(position)
        if following is None:
            return None
        position = following
    return None


def _common(agents: list[str | None]) -> str | None:
    return agents[0] if agents and all(agent == agents[0] for agent in agents) else None


def is_at_place_for(step: Step, children: Sequence[ChildOrder], agent_path: str | None) -> bool:
    """True when the order may fork into these children here; else it has been sent on its way."""
    if agent_path is not None:
        return step.is_at_agent(agent_path)
    if not children:
        return True
    order, attached = step.order, step.order.attached_state
    agents: list[str | None] = []
    for child in children:
        look = _ChildStep(step, child_of(order, child))
        agents.append(first_agent(look, look.order.position))
        if agents[-1] != agents[0]:
            return step.is_at_controller()
    target, count = agents[0], len(children)
    if target is None:
        return count < MANY_CHILDREN or step.is_at_controller()
    if isinstance(attached, Attached):
        return attached.agent_path == target or step.is_at_controller()
    return count < MANY_CHILDREN or step.is_at_agent(target)
