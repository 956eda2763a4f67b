"""Order commands of Controller and Agent as structs with their JSON (orders spec 7.2, 7.4; workflow spec 5.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from stellwerk.engine.events.order import (
    CancellationMode,
    FreshOrStarted,
    HistoryOperation,
    Mark,
    PlanId,
    SuspensionMode,
)
from stellwerk.engine.order import Order
from stellwerk.engine.plans import PlanStatus
from stellwerk.language.positions import BranchPath, Position, PositionOrLabel, WorkflowId


class FreshOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An order to be added. `scheduled_for` in epoch milliseconds; None: at once."""

    id: str
    workflow_path: str
    plan_id: PlanId = ()
    arguments: dict[str, Any] = {}
    scheduled_for: int | None = None
    priority: int | Decimal = 0
    delete_when_terminated: bool = False
    force_admission: bool = False
    #: Old name of `force_admission`.
    force_job_admission: bool = False
    inner_block: BranchPath = ()
    start_position: PositionOrLabel | None = None
    stop_positions: tuple[PositionOrLabel, ...] = ()


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of commands."""


class AddOrder(Command, frozen=True, kw_only=True):
    order: FreshOrder


class AddOrders(Command, frozen=True, kw_only=True):
    orders: tuple[FreshOrder, ...]


class CancelOrders(Command, frozen=True, kw_only=True):
    order_ids: tuple[str, ...]
    mode: CancellationMode = FreshOrStarted()


class SuspendOrders(Command, frozen=True, kw_only=True):
    order_ids: tuple[str, ...]
    mode: SuspensionMode = SuspensionMode()


class ResumeOrder(Command, frozen=True, kw_only=True):
    order_id: str
    position: Position | None = None
    history_operations: tuple[HistoryOperation, ...] = ()
    as_succeeded: bool = False
    restart_killed_job: bool | None = None


class ResumeOrders(Command, frozen=True, kw_only=True):
    order_ids: tuple[str, ...]
    as_succeeded: bool = False
    restart_killed_job: bool | None = None


class GoOrder(Command, frozen=True, kw_only=True):
    order_id: str
    position: Position


class DeleteOrdersWhenTerminated(Command, frozen=True, kw_only=True):
    order_ids: tuple[str, ...]


class AnswerOrderPrompt(Command, frozen=True, kw_only=True):
    order_id: str


class ChangeOrder(Command, frozen=True, kw_only=True):
    order_id: str
    priority: int | Decimal | None = None


class TransferOrders(Command, frozen=True, kw_only=True):
    workflow_id: WorkflowId


class PostNotice(Command, frozen=True, kw_only=True):
    """`end_of_life` in epoch milliseconds. Old form: `board_path` with `notice_id` as a string, the key."""

    notice_id: Any
    board_path: str | None = None
    end_of_life: int | None = None


class DeleteNotice(Command, frozen=True, kw_only=True):
    notice_id: Any
    board_path: str | None = None


class ChangePlan(Command, frozen=True, kw_only=True):
    plan_id: PlanId
    status: PlanStatus


class ChangePlanSchema(Command, frozen=True, kw_only=True):
    """The period in seconds."""

    plan_schema_id: str
    named_values: dict[str, Any] | None = None
    finished_plan_retention_period: int | Decimal | None = None


class ChangeGlobalToPlannableBoard(Command, frozen=True, kw_only=True):
    """`split_notice_key`: function from the old key to `[plan key, new key]`."""

    plannable_board: dict[str, Any]
    plan_schema_id: str
    split_notice_key: str


class ChangePlannableToGlobalBoard(Command, frozen=True, kw_only=True):
    """`make_notice_key`: function from plan key and old key to the new key."""

    global_board: dict[str, Any]
    plan_schema_id: str
    make_notice_key: str


class AttachOrder(Command, frozen=True, kw_only=True):
    """Agent only. The order's `attachedState` names this Agent."""

    order: Order


class DetachOrder(Command, frozen=True, kw_only=True):
    order_id: str


class MarkOrder(Command, frozen=True, kw_only=True):
    order_id: str
    mark: Mark


ControllerOrderCommand = (
    AddOrder
    | AddOrders
    | CancelOrders
    | SuspendOrders
    | ResumeOrder
    | ResumeOrders
    | GoOrder
    | DeleteOrdersWhenTerminated
    | AnswerOrderPrompt
    | ChangeOrder
    | TransferOrders
    | PostNotice
    | DeleteNotice
    | ChangePlan
    | ChangePlanSchema
    | ChangeGlobalToPlannableBoard
    | ChangePlannableToGlobalBoard
)
AgentOrderCommand = AttachOrder | DetachOrder | MarkOrder
