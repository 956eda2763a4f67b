"""Order commands: what a person or another node wants of orders (orders spec 5, 7; Agent: 4.3).

Each function emits events into an open transaction or raises `ProblemError`; then the transaction is rolled back as a
whole, so commands over several orders are all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.engine import history, marks
from stellwerk.engine import requests as r
from stellwerk.engine.adding import announce, check_positions
from stellwerk.engine.events import order as e
from stellwerk.engine.order import (
    Attached,
    Cancelled,
    Detaching,
    Finished,
    Forked,
    Fresh,
    Order,
    Processing,
    Prompting,
    Ready,
    state_name,
)
from stellwerk.engine.preparation import prepare_arguments
from stellwerk.engine.state import Agent
from stellwerk.engine.transaction import Transaction
from stellwerk.language.instructions import Instruction
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.outcomes import Killed
from stellwerk.language.positions import (
    Position,
    WorkflowId,
    WorkflowPosition,
    is_reachable,
    next_position,
    parent,
    position_text,
)
from stellwerk.language.workflow import Workflow
from stellwerk.values.ids import check_order_id
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError


def _orders(transaction: Transaction, order_ids: Sequence[str]) -> list[Order]:
    if len(set(order_ids)) != len(order_ids):
        raise ProblemError("OrderIds must be unique")
    return [transaction.state.order(order_id) for order_id in order_ids]


# --- add -------------------------------------------------------------------------------------------------------------


def add_order(transaction: Transaction, fresh: r.FreshOrder) -> bool:
    """Add one order; False when its id is known already, which is no error (orders spec 7.2)."""
    check_order_id(fresh.id)
    state = transaction.state
    state.plans.check_command(fresh.plan_id)
    if fresh.id in state.orders:
        return False
    workflow = state.workflow(state.current_workflow_id(fresh.workflow_path))
    start = check_positions(workflow, fresh.inner_block, fresh.start_position, fresh.stop_positions)
    arguments = prepare_arguments(
        workflow,
        fresh.id,
        fresh.arguments,
        fresh.scheduled_for,
        transaction.context,
        state.job_resource_variables(),
    )
    transaction.emit(
        fresh.id,
        e.OrderAdded(
            workflow_id=workflow.id,
            scheduled_for=fresh.scheduled_for,
            arguments=arguments,
            plan_id=fresh.plan_id,
            priority=fresh.priority,
            delete_when_terminated=fresh.delete_when_terminated,
            force_admission=fresh.force_admission or fresh.force_job_admission,
            inner_block=fresh.inner_block,
            start_position=start,
            stop_positions=fresh.stop_positions,
        ),
    )
    announce(transaction, fresh.id)
    return True


def add_orders(transaction: Transaction, orders: Sequence[r.FreshOrder]) -> None:
    """All or nothing; known ids are skipped, repeated ones in the request are refused."""
    if len({order.id for order in orders}) != len(orders):
        raise ProblemError("OrderIds must be unique")
    for order in orders:
        add_order(transaction, order)


# --- cancel, suspend, resume, go -------------------------------------------------------------------------------------


def cancel_orders(transaction: Transaction, order_ids: Sequence[str], mode: e.CancellationMode) -> None:
    for order in _orders(transaction, order_ids):
        marks.cancel(transaction, order, mode)


def suspend_orders(transaction: Transaction, order_ids: Sequence[str], mode: e.SuspensionMode) -> None:
    for order in _orders(transaction, order_ids):
        marks.suspend(transaction, order, mode)


def resume_order(transaction: Transaction, command: r.ResumeOrder) -> None:
    _resume(transaction, transaction.state.order(command.order_id), command)


def resume_orders(transaction: Transaction, command: r.ResumeOrders) -> None:
    for order in _orders(transaction, command.order_ids):
        _resume(
            transaction,
            order,
            r.ResumeOrder(
                order_id=order.id, as_succeeded=command.as_succeeded, restart_killed_job=command.restart_killed_job
            ),
        )


def _resume(transaction: Transaction, order: Order, command: r.ResumeOrder) -> None:
    workflow = transaction.state.workflow(order.workflow_id)
    if command.position is not None and not (
        workflow.has_position(command.position) and is_reachable(order.position, command.position)
    ):
        raise ProblemError.of("UnreachableOrderPosition")
    for operation in command.history_operations:
        workflow.instruction(operation.position)
        if isinstance(operation, e.Insert):
            workflow.instruction(operation.before)
    history.check_operations(order.historic_outcomes, command.history_operations)
    restart = command.restart_killed_job
    if restart is None:
        restart = isinstance(order.last_outcome, Killed) and _is_restartable(workflow, order.position)
    marks.resume(
        transaction,
        order,
        e.OrderResumed(
            position=command.position,
            history_operations=command.history_operations,
            as_succeeded=command.as_succeeded,
            restart_killed_job=restart,
        ),
    )


def _is_restartable(workflow: Workflow, position: Position) -> bool:
    try:
        job: WorkflowJob = workflow.job(position)[1]
    except ProblemError:
        return False
    return not job.is_not_restartable


def go_order(transaction: Transaction, order_id: str, position: Position) -> None:
    marks.go(transaction, transaction.state.order(order_id), position)


# --- delete, prompt, change, transfer --------------------------------------------------------------------------------


def delete_orders_when_terminated(transaction: Transaction, order_ids: Sequence[str]) -> None:
    for order in _orders(transaction, order_ids):
        if order.parent is not None:
            raise ProblemError.of("CannotDeleteChildOrder", orderId=order.id)
        if order.external_order is not None and not order.external_order.vanished:
            raise ProblemError.of("CannotDeleteWatchingOrder", orderId=order.id)
        if order.delete_when_terminated:
            continue
        if isinstance(order.state, Finished | Cancelled) and order.is_detached:
            transaction.emit(order.id, e.OrderDeleted())
        else:
            transaction.emit(order.id, e.OrderDeletionMarked())


def answer_order_prompt(transaction: Transaction, order_id: str) -> None:
    """OrderPromptAnswered and exactly one OrderMoved; further moves come with the follow-up."""
    order = transaction.state.order(order_id)
    if not isinstance(order.state, Prompting):
        raise ProblemError(
            f"Order:{order_id} is expected to be in state Prompting, but is in state {state_name(order.state)}"
        )
    transaction.emit(order_id, e.OrderPromptAnswered())
    transaction.emit(order_id, e.OrderMoved(to=next_position(order.position)))


def change_order(transaction: Transaction, command: r.ChangeOrder) -> None:
    order = transaction.state.order(command.order_id)
    if command.priority is not None and command.priority != order.priority:
        if isinstance(order.state, Finished | Cancelled):
            raise ProblemError("Order is terminated")
        transaction.emit(order.id, e.OrderPriorityChanged(priority=command.priority))


def transfer_orders(transaction: Transaction, workflow_id: WorkflowId) -> None:
    """Move all orders of one workflow version to the current one (orders spec 5.8)."""
    state = transaction.state
    old = state.workflow(workflow_id)
    new = state.workflow(state.current_workflow_id(workflow_id.path))
    if new.id == old.id:
        raise ProblemError(f"Workflow:{workflow_id} is already the current version")
    problems: list[Problem] = []
    orders = sorted((order for order in state.orders.values() if order.workflow_id == workflow_id), key=lambda o: o.id)
    transfers: list[tuple[Order, bool]] = []
    for order in orders:
        try:
            transfers.append((order, _needs_reset(old, new, order)))
        except ProblemError as error:
            problems.append(error.problem)
    if problems:
        raise ProblemError(Problem.combined(problems))
    for order, needs_reset in transfers:
        if needs_reset:
            transaction.emit(order.id, e.OrderStateReset())
        transaction.emit(
            order.id, e.OrderTransferred(workflow_position=WorkflowPosition(new.id, order.workflow_position.position))
        )
        if needs_reset:
            transaction.touch(order.id)


def _needs_reset(old: Workflow, new: Workflow, order: Order) -> bool:
    """Must the state be reset first? Raises `ProblemError` when the order cannot be transferred."""
    attached = order.attached_state
    if attached is not None:
        raise ProblemError(
            f"Order:{order.id} is required to be detached, but it is {type(attached).__name__}"
            f" to Agent:{attached.agent_path}"
        )
    position = order.position
    if not new.has_position(position):
        raise ProblemError(f"Order:{order.id}: Unknown position {position_text(position)} in Workflow:{new.id}")
    outer = parent(position)
    while outer is not None:
        if _without_blocks(old.instruction(outer)) != _without_blocks(new.instruction(outer)):
            tag = type(old.instruction(outer)).__struct_config__.tag
            raise ProblemError(
                f"Order:{order.id}: surrounding {tag} instruction at position {position_text(outer)} has changed"
            )
        outer = parent(outer)
    has_changed = _without_blocks(old.instruction(position)) != _without_blocks(new.instruction(position))
    if has_changed and isinstance(order.state, Processing | Forked):
        raise ProblemError(f"Order:{order.id}: instruction at position {position_text(position)} has changed")
    return has_changed and order.state.is_resettable and not order.state.is_detachable


def _without_blocks(instruction: Instruction) -> dict[str, Any]:
    """The instruction's own members, for comparing versions."""
    from stellwerk.language.instructions import Block, Branch, IfThen

    members: dict[str, Any] = {"TYPE": type(instruction)}
    for name in instruction.__struct_fields__:
        value = getattr(instruction, name)
        if isinstance(value, Block):
            continue
        if isinstance(value, tuple) and value and isinstance(value[0], Branch | IfThen):
            value = [item.id if isinstance(item, Branch) else item.predicate for item in value]
        members[name] = value
    return members


# --- Agent (4.3) -----------------------------------------------------------------------------------------------------


def attach_order(transaction: Transaction, order: Order) -> None:
    """Take over an order from the Controller."""
    state = transaction.state
    assert isinstance(state.role, Agent)
    attached = order.attached_state
    if not isinstance(attached, Attached) or attached.agent_path != state.role.agent_path:
        raise ProblemError(f"Wrong Agent: Order:{order.id} is not meant for Agent:{state.role.agent_path}")
    workflow = state.workflow(order.workflow_id)
    if not workflow.has_position(order.position):
        raise ProblemError(f"Unknown Position {position_text(order.position)} in Workflow:{workflow.id}")
    if order.id in state.orders:
        raise ProblemError.of("AgentDuplicateOrder", orderId=order.id)
    if not isinstance(order.state, Fresh | Ready):
        raise ProblemError(f"Order:{order.id} cannot be attached in state {state_name(order.state)}")
    transaction.emit(
        order.id,
        e.OrderAttachedToAgent(
            workflow_position=order.workflow_position,
            state=msgspec.json.decode(encode(order.state)),
            plan_id=order.plan_id,
            arguments=order.arguments,
            scheduled_for=order.scheduled_for,
            external_order=order.external_order,
            historic_outcomes=order.historic_outcomes,
            agent_path=attached.agent_path,
            parent=order.parent,
            priority=order.priority,
            mark=order.mark,
            is_suspended=order.is_suspended,
            is_resumed=order.is_resumed,
            delete_when_terminated=order.delete_when_terminated,
            force_admission=order.force_admission,
            sticky_subagents=order.sticky_subagents,
            inner_block=order.inner_block,
            stop_positions=order.stop_positions,
        ),
    )


def detach_order(transaction: Transaction, order_id: str) -> None:
    """Give the order back; an unknown one is accepted, because the answer may have got lost before."""
    order = transaction.state.orders.get(order_id)
    if order is None:
        return
    if not isinstance(order.attached_state, Detaching):
        raise ProblemError(f"Order:{order_id} cannot be detached: it is not Detaching")
    transaction.emit(order_id, e.OrderDetached())


def mark_order(transaction: Transaction, order_id: str, mark: e.Mark) -> None:
    """The Controller's wish, with the Agent's view of the order (orders spec 5.1)."""
    order = transaction.state.order(order_id)
    if isinstance(order.attached_state, Detaching) or order.mark == mark:
        return
    if isinstance(mark, e.Cancelling):
        marks.cancel(transaction, order, mark.mode)
    elif isinstance(mark, e.Suspending):
        marks.suspend(transaction, order, mark.mode)
    elif isinstance(mark, e.Go):
        marks.go(transaction, order, mark.position)
    else:
        marks.resume(
            transaction,
            order,
            e.OrderResumed(
                position=mark.position,
                history_operations=mark.history_operations,
                as_succeeded=mark.as_succeeded,
                restart_killed_job=mark.restart_killed_job,
            ),
        )
