"""Joining a forked order with its children, at the Controller (workflow spec 2.8; orders spec 4.4)."""

from __future__ import annotations

from typing import Any

from stellwerk.engine.events import order as e
from stellwerk.engine.order import Cancelled, FailedInFork, Forked, Order
from stellwerk.engine.scopes import order_scope
from stellwerk.engine.transaction import Transaction
from stellwerk.language.instructions import Block, Fork, ForkList
from stellwerk.language.outcomes import AnyOutcome, Failed, Succeeded, short_text
from stellwerk.values.problems import ProblemError

_LISTED_FAILURES = 3


def try_join(transaction: Transaction, parent_id: str) -> None:
    """OrderJoined when all children are through and everybody is at the Controller."""
    state = transaction.state
    parent = state.orders.get(parent_id)
    if parent is None or not isinstance(parent.state, Forked) or not parent.is_detached or parent.is_suspended:
        return
    if state.joinable_children.get(parent_id, 0) < len(parent.state.children):
        return
    children = [state.orders[child.order_id] for child in parent.state.children]
    transaction.emit(parent_id, e.OrderJoined(outcome=_outcome(transaction, parent, children)))


def _outcome(transaction: Transaction, parent: Order, children: list[Order]) -> AnyOutcome:
    failures = []
    for child in children:
        if isinstance(child.state, Cancelled):
            failures.append(f"Order:{child.id} has been cancelled")
        elif isinstance(child.state, FailedInFork):
            failures.append(f"Order:{child.id} {short_text(child.last_outcome)}")
    if failures:
        return Failed(message=";\n".join(failures[:_LISTED_FAILURES]))
    workflow = transaction.state.workflow(parent.workflow_id)
    fork = workflow.instruction(parent.position)
    values: dict[str, Any] = {}
    try:
        if isinstance(fork, Fork):
            for branch, child in zip(fork.branches, children, strict=True):
                values.update(_results(transaction, branch.workflow, child))
        else:
            assert isinstance(fork, ForkList)
            lists: dict[str, list[Any]] = {name: [] for name in fork.workflow.result or {}}
            for child in children:
                for name, value in _results(transaction, fork.workflow, child).items():
                    lists[name].append(value)
            values.update(lists)
    except ProblemError as error:
        return Failed(message=str(error.problem))
    return Succeeded(named_values=values)


def _results(transaction: Transaction, block: Block, child: Order) -> dict[str, Any]:
    """The `result` expressions of a branch, as the child sees them."""
    if not block.result:
        return {}
    scope = order_scope(transaction.state, child, transaction.context)
    return {name: expression.evaluate(scope) for name, expression in block.result.items()}
