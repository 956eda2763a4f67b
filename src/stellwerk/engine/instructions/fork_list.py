"""ForkList: a child order for each element of a list (workflow spec 2.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stellwerk.engine.attachment import is_at_place_for
from stellwerk.engine.events import order as e
from stellwerk.engine.scopes import OrderScope
from stellwerk.engine.step import Step
from stellwerk.language.expressions import ChildScope, ExpressionError, Scope, as_list, as_object, soft_string
from stellwerk.language.expressions.errors import invalid_arguments
from stellwerk.language.instructions import ForkList
from stellwerk.language.items import subagent_bundle_key
from stellwerk.values.ids import CHILD_SEPARATOR, child_order_id
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import Problem, ProblemError


class _ForkListScope(ChildScope):
    """With `subagentIds()`, which is known at an Agent only."""

    def __init__(self, parent: OrderScope, step: Step) -> None:
        super().__init__(parent, {})
        self._step = step

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        if name != "subagentIds":
            return super().function(name, positional, keywords)
        if not self._step.is_agent:
            raise ExpressionError("invalid-arguments", "subagentIds function is available only at an Agent")
        if keywords or len(positional) > 1:
            raise invalid_arguments(name, ", ".join([*map(str, positional), *keywords]))
        state = self._step.transaction.state
        if not positional:
            return [*sorted(state.known_subagents)]
        bundle_id = soft_string(positional[0]) or ""
        bundle = state.subagent_bundles.get(bundle_id)
        if bundle is None:
            raise ProblemError.of("UnknownKey", type="SubagentBundle", key=subagent_bundle_key(bundle_id))
        return [*sorted(bundle.subagent_to_priority)]


def execute(step: Step, instruction: ForkList) -> None:
    # With `agentPath` the children are worked out there, so that they may know its Subagents.
    if instruction.agent_path is not None and not step.is_at_agent(instruction.agent_path):
        return
    children = _children(step, instruction)
    if is_at_place_for(step, children, instruction.agent_path) and step.is_started():
        step.emit(e.OrderForked(children=children))


def _children(step: Step, instruction: ForkList) -> tuple[e.ChildOrder, ...]:
    scope: Scope = _ForkListScope(step.scope(), step)
    elements = as_list(instruction.children.evaluate(scope))
    children: list[e.ChildOrder] = []
    ids: set[str] = set()
    for index, element in enumerate(elements):
        child = soft_string(instruction.child_to_id.call([element, index], scope))
        if child is None:
            raise ProblemError(Problem.of("UnexpectedValueType", expectedType="String", value="Missing: missing"))
        _check_child_id(child, ids)
        order_id = child_order_id(step.order_id, child)
        if order_id in step.transaction.state.orders:
            raise ProblemError(f"Child order {order_id} exists already")
        arguments: dict[str, Any] = as_object(instruction.child_to_arguments.call([element, index], scope))
        children.append(e.ChildOrder(order_id=order_id, arguments=arguments))
    return tuple(children)


def _check_child_id(child: str, ids: set[str]) -> None:
    if not child:
        raise ProblemError.of("EmptyString", type="child order id")
    if CHILD_SEPARATOR in child:
        raise ProblemError(f"A child order id must not contain {CHILD_SEPARATOR}: {child!r}")
    if child in ids:
        raise ProblemError.of("DuplicateKey", type="child order id", key=child)
    ids.add(child)
