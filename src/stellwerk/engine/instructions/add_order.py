"""AddOrder: the order adds another one, at the Controller (workflow spec 2.15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stellwerk.engine.adding import announce, check_positions
from stellwerk.engine.events import order as e
from stellwerk.engine.scopes import OrderScope
from stellwerk.engine.step import Step
from stellwerk.language.expressions import ChildScope, as_list, as_string
from stellwerk.language.expressions.errors import invalid_arguments
from stellwerk.language.expressions.java_format import format_integer
from stellwerk.language.instructions import AddOrder
from stellwerk.language.outcomes import Failed
from stellwerk.language.workflow import Workflow
from stellwerk.values.ids import check_order_id
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import ProblemError

#: `uniqueOrderId` gives up behind this number.
_GREATEST_NUMBER = 1_000_000


class _AddOrderScope(ChildScope):
    """With `uniqueOrderId(pattern)`: the first of the numbered ids that no order has."""

    def __init__(self, parent: OrderScope, step: Step) -> None:
        super().__init__(parent, {})
        self._step = step

    def function(self, name: str, positional: Sequence[JsonValue], keywords: Mapping[str, JsonValue]) -> JsonValue:
        if name != "uniqueOrderId":
            return super().function(name, positional, keywords)
        if len(positional) + len(keywords) != 1 or (keywords and "pattern" not in keywords):
            raise invalid_arguments(name, ", ".join([*map(str, positional), *keywords]))
        pattern = as_string(positional[0] if positional else keywords["pattern"])
        orders = self._step.transaction.state.orders
        for number in range(1, _GREATEST_NUMBER):
            order_id = format_integer(pattern, number)
            if order_id not in orders:
                return order_id
            if order_id == format_integer(pattern, number + 1):
                break
        raise ProblemError(f"uniqueOrderId: there is no free order id for {pattern!r}")


def execute(step: Step, instruction: AddOrder) -> None:
    if not step.is_at_controller() or not step.is_started():
        return
    state = step.transaction.state
    workflow = state.workflow(state.current_workflow_id(instruction.workflow_path))
    try:
        event = _event(step, instruction, workflow)
    except ProblemError as error:
        step.emit(e.OrderOutcomeAdded(outcome=Failed(message=str(error.problem))))
        return
    step.emit(event)
    announce(step.transaction, event.order_id)
    step.move_on()


def _event(step: Step, instruction: AddOrder, workflow: Workflow) -> e.OrderOrderAdded:
    scope = _AddOrderScope(step.scope(), step)
    order_id = as_string(instruction.order_id.evaluate(scope))
    check_order_id(order_id)
    state = step.transaction.state
    own = step.order.plan_id
    plan_id = own if instruction.plan_id is None else _plan_id(instruction.plan_id.evaluate(scope))
    state.plans.check_instruction(plan_id, is_own=plan_id == own)
    if order_id in state.orders:
        raise ProblemError.of("DuplicateKey", type="OrderId", key=f"Order:{order_id}")
    arguments: dict[str, Any] = {name: value.evaluate(scope) for name, value in instruction.arguments.items()}
    start = check_positions(workflow, instruction.inner_block, instruction.start_position, instruction.stop_positions)
    return e.OrderOrderAdded(
        order_id=order_id,
        workflow_id=workflow.id,
        arguments=arguments,
        plan_id=plan_id,
        delete_when_terminated=instruction.delete_when_terminated,
        force_admission=instruction.force_admission,
        inner_block=instruction.inner_block,
        start_position=start,
        stop_positions=instruction.stop_positions,
    )


def _plan_id(value: JsonValue) -> e.PlanId:
    parts = tuple(as_string(part) for part in as_list(value))
    if len(parts) not in (0, 2):
        raise ProblemError("A planId is [] or a list of two Strings: the plan schema and the plan key")
    return parts
