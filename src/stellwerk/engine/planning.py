"""What happens to plans: commands, and what follows when their last order has gone (orders spec 6.8, 7.2)."""

from __future__ import annotations

from stellwerk.engine import requests as r
from stellwerk.engine.events import board as b
from stellwerk.engine.events import plan as p
from stellwerk.engine.events.order_parts import PlanId
from stellwerk.engine.plans import CLOSED, DELETED, OPEN, Finished, illegal_change
from stellwerk.engine.transaction import Transaction
from stellwerk.language.items import GLOBAL_SCHEMA
from stellwerk.values.problems import ProblemError


def change_plan(transaction: Transaction, command: r.ChangePlan) -> None:
    """Open, close or delete a plan; the same status again is no event. Raises `ProblemError`."""
    plan_id, wanted = command.plan_id, command.status
    if not plan_id or plan_id[0] == GLOBAL_SCHEMA:
        raise ProblemError("The global plan is always open and cannot be changed")
    status = transaction.state.plans.status(plan_id)
    if status == wanted:
        return
    if isinstance(wanted, Finished):
        raise ProblemError(illegal_change(status, wanted))
    key = list(plan_id)
    if wanted == OPEN:
        transaction.emit(key, p.PlanOpened())
    elif wanted == CLOSED and status == OPEN:
        transaction.emit(key, p.PlanClosed())
    elif wanted == DELETED and isinstance(status, Finished):
        delete_plan(transaction, plan_id)
    elif wanted == DELETED and status == CLOSED:
        count = transaction.state.plans.order_counts.get(plan_id, 0)
        raise ProblemError(
            f"Plan:{'/'.join(plan_id)} cannot be deleted because it is not finished due to {count} orders"
        )
    else:
        raise ProblemError(illegal_change(status, wanted))


def change_plan_schema(transaction: Transaction, command: r.ChangePlanSchema) -> None:
    if command.plan_schema_id == GLOBAL_SCHEMA:
        raise ProblemError("The Global plan schema cannot be changed")
    transaction.state.plans.schema(command.plan_schema_id)
    if command.finished_plan_retention_period is not None and command.finished_plan_retention_period < 0:
        raise ProblemError("finishedPlanRetentionPeriod must not be negative")
    transaction.emit(
        command.plan_schema_id,
        p.PlanSchemaChanged(
            finished_plan_retention_period=command.finished_plan_retention_period, named_values=command.named_values
        ),
    )


def finish_if_empty(transaction: Transaction, plan_id: PlanId) -> None:
    """PlanFinished for a closed plan without orders; PlanDeleted at once, if it is not to be retained."""
    plans = transaction.state.plans
    if not plans.is_closed(plan_id) or plan_id in plans.order_counts:
        return
    now_ms = transaction.context.now_ms
    transaction.emit(list(plan_id), p.PlanFinished(at=now_ms))
    if plans.retention_ms(plan_id[0]) <= 0:
        delete_plan(transaction, plan_id)


def delete_plan(transaction: Transaction, plan_id: PlanId) -> None:
    """The plan's notices go before it."""
    for notice_id in transaction.state.notices.of_plan(plan_id):
        if transaction.state.notices.place(notice_id).has_notice:
            key = b.planned_notice_key(plan_id, b.split_notice_id(notice_id)[2])
            transaction.emit(b.split_notice_id(notice_id)[1], b.NoticeDeleted(planned_notice_key=key))
    transaction.emit(list(plan_id), p.PlanDeleted())
