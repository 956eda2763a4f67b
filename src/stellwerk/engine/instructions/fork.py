"""Fork: child orders, one per branch (workflow spec 2.8)."""

from __future__ import annotations

from stellwerk.engine.attachment import is_at_place_for
from stellwerk.engine.events import order as e
from stellwerk.engine.step import Step
from stellwerk.language.instructions import Fork
from stellwerk.values.ids import child_order_id
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: Fork) -> None:
    order = step.order
    children = tuple(
        e.ChildOrder(order_id=child_order_id(order.id, branch.id), branch_id=branch.id)
        for branch in instruction.branches
    )
    if not is_at_place_for(step, children, instruction.agent_path) or not step.is_started():
        return
    for child in children:
        if child.order_id in step.transaction.state.orders:
            raise ProblemError(f"Child order {child.order_id} exists already")
    step.emit(e.OrderForked(children=children))
