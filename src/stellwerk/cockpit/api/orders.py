"""`/orders`, `/order`, `/orders/add|cancel|suspend|resume|continue|confirm` (cockpit-api 2.3).

All changing calls answer after the Controller's commit and take an `Idempotency-Key` header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import regex
from sqlalchemy import select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, ControllerObjectNotFound, MissingParameter
from stellwerk.cockpit.api.folders import require_workflow
from stellwerk.cockpit.api.order_views import order_view
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import REGEX_SECONDS, Folder, WorkflowId
from stellwerk.cockpit.controllers.idempotency import HEADER
from stellwerk.cockpit.controllers.order_selection import OrderFinder, Selection
from stellwerk.cockpit.controllers.orders import Call, NewOrder, OrderService, PositionOrLabel
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.start_times import scheduled_for_ms
from stellwerk.cockpit.database.tables.history import history_orders
from stellwerk.cockpit.inventory.names import normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import names_of
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import BY_CODE, LiveOrder
from stellwerk.values.json import decode

#: A position array or a label. Its elements are integers and texts.
Place = list[Any] | str


class PlanId(msgspec.Struct, rename="camel"):
    plan_schema_id: str
    notice_space_key: str


class AddOrder(msgspec.Struct, rename="camel"):
    workflow_path: str
    order_name: str | None = None
    scheduled_for: str | None = None
    time_zone: str | None = None
    arguments: Any = None
    start_position: Place | None = None
    end_positions: list[Place] = []
    block_position: Place | None = None
    force_job_admission: bool = False
    plan_id: PlanId | None = None
    tags: list[str] = []
    priority: int = 0


class AddOrdersRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    orders: list[AddOrder]


class ModifyRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    order_ids: list[str] = []
    workflow_ids: list[WorkflowId] = []
    states: list[str] = []
    folders: list[Folder] = []


class CancelRequest(ModifyRequest):
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None
    order_type: str | None = None
    kill: bool = False
    deep: bool = False


class SuspendRequest(ModifyRequest):
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None
    kill: bool = False
    deep: bool = False
    reset: bool = False


class ResumeRequest(ModifyRequest):
    force: bool = False
    from_current_block: bool = False
    position: Place | None = None
    variables: Any = None
    arguments: Any = None
    cycle_end_time: int | None = None


class ChangeRequest(ModifyRequest):
    priority: int | None = None


class OrdersRequest(ModifyRequest):
    date_to: str | None = None
    time_zone: str | None = None
    compact: bool = False
    regex: str | None = None
    limit: int = 10_000
    workflow_tags: list[str] = []
    without_workflow_tags: bool = False


class OrderRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    order_id: str
    compact: bool = False


class OrderIdsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    order_ids: list[str]


class OrdersAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    orders: list[dict[str, Any]]
    #: Name of a workflow → its tags.
    workflow_tags_per_workflow: dict[str, list[str]]


def _call(context: RequestContext) -> Call:
    """Who calls, with what: path and body identify the request."""
    return Call(
        account=context.account,
        key=context.headers.get(HEADER),
        request=context.path.encode() + b"\n" + context.raw_body,
    )


def selection(context: RequestContext, request: Any) -> Selection:
    """The orders that a request with members of `ModifyRequest` means."""
    now_ms = context.now_ms()
    zone = getattr(request, "time_zone", None)
    first = instant_ms(getattr(request, "date_from", None), now_ms, time_zone=zone)
    end = instant_ms(getattr(request, "date_to", None), now_ms, time_zone=zone, is_end=True)
    if first is not None and end is not None and first > end:
        raise BadRequest("dateFrom lies after dateTo")
    return Selection(
        order_ids=tuple(request.order_ids),
        workflow_ids=tuple((item.path, item.version_id or None) for item in request.workflow_ids),
        folders=tuple((normalized(item.folder), item.recursive) for item in request.folders),
        states=tuple(request.states),
        workflow_tags=names_of(getattr(request, "workflow_tags", ())),
        scheduled_from_ms=first,
        scheduled_to_ms=end,
        permits=permits(context),
    )


def permits(context: RequestContext) -> Callable[[str], bool] | None:
    """Says of a workflow's path whether its orders may be seen; None: all may."""
    permissions = context.session.permissions
    return (lambda path: permissions.permits_folder(path, context.controller_id)) if permissions.folders else None


def _values(value: Any, name: str) -> dict[str, Any]:
    """Variables as an object; absent = none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be a JSON object of names and values")
    return value


def position_or_label(value: Place | None, name: str) -> PositionOrLabel | None:
    if isinstance(value, list) and not all(isinstance(part, int | str) for part in value):
        raise BadRequest(f"{name} must be a label or an array of numbers and branch names")
    return value or None


async def add(context: RequestContext, request: AddOrdersRequest) -> OrderIdsAnswer:
    """Add orders to deployed workflows; answers when the Controller has committed them.

    Each order succeeds or fails alone (419 names those that failed). A repeat with the same Idempotency-Key adds
    nothing twice.
    """
    if not request.orders:
        raise BadRequest("no orders given")
    if any(order.start_position or order.end_positions or order.block_position for order in request.orders):
        context.require("ctl:orders:manage_positions", request.controller_id)
    for path in {order.workflow_path for order in request.orders}:
        await require_workflow(context, path)
    now_ms = context.now_ms()
    orders = [
        NewOrder(
            workflow=order.workflow_path,
            name=order.order_name or context.account,
            scheduled_for_ms=scheduled_for_ms(order.scheduled_for, now_ms, order.time_zone),
            arguments=_values(order.arguments, "arguments"),
            start_position=position_or_label(order.start_position, "startPosition"),
            end_positions=[place for end in order.end_positions if (place := position_or_label(end, "endPositions"))],
            block_position=position_or_label(order.block_position, "blockPosition"),
            force_job_admission=order.force_job_admission,
            plan_id=(order.plan_id.plan_schema_id, order.plan_id.notice_space_key) if order.plan_id else (),
            priority=order.priority,
        )
        for order in request.orders
    ]
    ids = await context.services.get(OrderService).add(_call(context), request.controller_id, orders)
    return OrderIdsAnswer(timestamp(context.now_ms()), ids)


async def cancel(context: RequestContext, request: CancelRequest) -> Ok:
    """Cancel orders; `kill` ends running processes, `deep` cancels child orders, too."""
    mode = request.order_type or "FreshOrStarted"
    if mode not in ("FreshOnly", "FreshOrStarted"):
        raise BadRequest(f"orderType '{mode}' is not FreshOnly or FreshOrStarted")
    await context.services.get(OrderService).cancel(
        _call(context),
        request.controller_id,
        selection(context, request),
        kill=request.kill,
        deep=request.deep,
        mode=mode,
    )
    return context.ok()


async def suspend(context: RequestContext, request: SuspendRequest) -> Ok:
    """Suspend orders; `reset` leaves waiting states at once, `kill` ends running processes."""
    await context.services.get(OrderService).suspend(
        _call(context),
        request.controller_id,
        selection(context, request),
        kill=request.kill,
        reset=request.reset,
        deep=request.deep,
    )
    return context.ok()


async def resume(context: RequestContext, request: ResumeRequest) -> Ok:
    """Resume suspended and failed orders, at the same place or another one, with further variables."""
    if request.position or request.from_current_block:
        context.require("ctl:orders:manage_positions", request.controller_id)
    if request.cycle_end_time is not None:
        raise BadRequest("cycleEndTime is not supported yet by this release")
    variables = _values(request.arguments, "arguments") | _values(request.variables, "variables")
    await context.services.get(OrderService).resume(
        _call(context),
        request.controller_id,
        selection(context, request),
        position=position_or_label(request.position, "position"),
        from_current_block=request.from_current_block,
        variables=variables,
        force=request.force,
    )
    return context.ok()


async def continue_(context: RequestContext, request: ModifyRequest) -> Ok:
    """Let orders run on that wait for a time."""
    await context.services.get(OrderService).let_run(_call(context), request.controller_id, selection(context, request))
    return context.ok()


async def confirm(context: RequestContext, request: ModifyRequest) -> Ok:
    """Answer the prompts of orders."""
    await context.services.get(OrderService).confirm(_call(context), request.controller_id, selection(context, request))
    return context.ok()


async def change(context: RequestContext, request: ChangeRequest) -> Ok:
    """Give orders another priority."""
    if request.priority is None:
        raise MissingParameter("priority")
    await context.services.get(OrderService).change(
        _call(context), request.controller_id, selection(context, request), priority=request.priority
    )
    return context.ok()


async def remove_when_terminated(context: RequestContext, request: ModifyRequest) -> Ok:
    """Let orders leave the Controller when they have ended; the history keeps them."""
    await context.services.get(OrderService).remove_when_terminated(
        _call(context), request.controller_id, selection(context, request)
    )
    return context.ok()


async def orders(context: RequestContext, request: OrdersRequest) -> OrdersAnswer:
    """The orders at the Controller, as the projection knows them."""
    await context.services.get(Registry).controller(request.controller_id)
    found = await context.services.get(OrderFinder).select(request.controller_id, selection(context, request))
    found = _matching(request.regex, found)
    if request.limit >= 0:
        found = found[: request.limit]
    inventory = context.services.get(Inventory)
    paths = await inventory.paths_of(ObjectType.WORKFLOW)
    tags = {} if request.without_workflow_tags else await inventory.workflow_tags()
    now_ms = context.now_ms()
    now = timestamp(now_ms)
    views = [order_view(order, now_ms, paths, is_compact=request.compact) for order in found]
    shown = {order.workflow_path: tags[order.workflow_path] for order in found if order.workflow_path in tags}
    return OrdersAnswer(now, now, views, shown)


def _matching(pattern: str | None, found: list[LiveOrder]) -> list[LiveOrder]:
    if not pattern:
        return found
    try:
        compiled = regex.compile(pattern)
        return [
            order
            for order in found
            if compiled.search(f"{order.workflow_path},{order.order_id}", timeout=REGEX_SECONDS)
        ]
    except regex.error as error:
        raise BadRequest(f"regex '{pattern}' is not valid: {error}") from None
    except TimeoutError:
        raise BadRequest(f"regex '{pattern}' takes too long") from None


async def order(context: RequestContext, request: OrderRequest) -> dict[str, Any]:
    """One order: at the Controller, or, when it has left, its end from the history."""
    found = await context.services.get(OrderFinder).select(
        request.controller_id, Selection(order_ids=(request.order_id,), permits=permits(context))
    )
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    now_ms = context.now_ms()
    now = {"deliveryDate": timestamp(now_ms), "surveyDate": timestamp(now_ms)}
    if found:
        return now | order_view(found[0], now_ms, paths, is_compact=request.compact)
    table = history_orders
    query = (
        select(table)
        .where(table.c.controller_id == request.controller_id, table.c.order_id == request.order_id)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    async with context.database.read() as connection:
        row = (await connection.execute(query)).first()
    if row is None:
        raise ControllerObjectNotFound(f"unknown Order: {request.order_id}")
    await require_workflow(context, row.workflow_name)
    return now | _ended_view(row, paths)


def _ended_view(row: Any, paths: dict[str, str]) -> dict[str, Any]:
    state = BY_CODE.get(row.state, BY_CODE[99])
    view: dict[str, Any] = {
        "orderId": row.order_id,
        "workflowId": {
            "path": paths.get(row.workflow_name, row.workflow_path),
            "versionId": row.workflow_version_id,
        },
        "state": {"_text": state.text, "severity": state.severity},
        "positionString": row.end_workflow_position or row.workflow_position,
        "hasChildOrders": row.has_children,
        "canLeave": False,
        "isSuspendible": False,
        "isResumable": False,
        "isContinuable": False,
        "isCancelable": False,
    }
    if row.start_variables:
        view["arguments"] = decode(row.start_variables)
    if row.start_time_scheduled is not None:
        view["scheduledFor"] = row.start_time_scheduled
    if row.end_message or row.end_return_code is not None:
        outcome: dict[str, Any] = {"TYPE": "Failed" if row.error else "Succeeded"}
        if row.end_message:
            outcome["message"] = row.end_message
        if row.end_return_code is not None:
            outcome["namedValues"] = {"returnCode": row.end_return_code}
        view["lastOutcome"] = outcome
    return view


def _changing(path: str, request: type, answer: type, permission: str, handler: Any) -> Route:
    return Route(path, request, answer, permission, True, handler, category="CONTROLLER")


ROUTES = [
    _changing("/orders/add", AddOrdersRequest, OrderIdsAnswer, "ctl:orders:create", add),
    _changing("/orders/cancel", CancelRequest, Ok, "ctl:orders:cancel", cancel),
    _changing("/orders/suspend", SuspendRequest, Ok, "ctl:orders:suspend_resume", suspend),
    _changing("/orders/resume", ResumeRequest, Ok, "ctl:orders:suspend_resume", resume),
    _changing("/orders/continue", ModifyRequest, Ok, "ctl:orders:modify", continue_),
    _changing("/orders/confirm", ModifyRequest, Ok, "ctl:orders:confirm", confirm),
    _changing("/orders/change", ChangeRequest, Ok, "ctl:orders:modify", change),
    _changing("/orders/remove_when_terminated", ModifyRequest, Ok, "ctl:orders:modify", remove_when_terminated),
    Route("/orders", OrdersRequest, OrdersAnswer, "ctl:orders:view", False, orders),
    Route("/order", OrderRequest, dict[str, Any], "ctl:orders:view", False, order),
]
