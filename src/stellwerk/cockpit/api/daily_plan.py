"""`/daily_plan/orders` and what is done with planned orders (cockpit-api 3, 7; cockpit-services 4.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ControllerObjectNotFound, FolderDenied, MissingParameter
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.daily_plan.changes import PlanChanges
from stellwerk.cockpit.daily_plan.generation import Generation
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.rescheduling import Change, CycleTimes, Rescheduler
from stellwerk.cockpit.daily_plan.selection import (
    FINISHED_STATE,
    PLANNED_STATE,
    SEVERITIES,
    SUBMITTED_STATE,
    FolderChoice,
    PlanFilter,
    PlannedRow,
    PlanReader,
    cycles,
)
from stellwerk.cockpit.daily_plan.sources import Permits
from stellwerk.cockpit.daily_plan.start_times import plan_date
from stellwerk.cockpit.inventory.names import is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import names_of
from stellwerk.language.daily_plan import Schedule

#: A position array or a label.
Place = list[Any] | str


class OrdersSelection(msgspec.Struct, rename="camel"):
    """What the filters of all requests have in common. Without `controllerIds`: all that are permitted."""

    controller_ids: list[str] = []
    controller_id: str | None = None
    order_ids: list[str] = []
    schedule_paths: list[str] = []
    schedule_folders: list[Folder] = []
    workflow_paths: list[str] = []
    workflow_folders: list[Folder] = []
    daily_plan_date_from: str | None = None
    daily_plan_date_to: str | None = None
    submission_history_ids: list[int] = []
    workflow_tags: list[str] = []


class DailyPlanOrdersFilter(OrdersSelection):
    order_tags: list[str] = []
    states: list[Literal["PLANNED", "SUBMITTED", "FINISHED"]] = []
    late: bool = False
    expand_cycle_orders: bool = False


class DailyPlanDeleteOrders(OrdersSelection):
    late: bool = False


class PathItem(msgspec.Struct, rename="camel"):
    folders: list[Folder] = []
    singles: list[str] = []


class GenerateRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    daily_plan_date: str | None = None
    daily_plan_dates: list[str] = []
    schedule_paths: PathItem = msgspec.field(default_factory=PathItem)
    workflow_paths: PathItem = msgspec.field(default_factory=PathItem)
    overwrite: bool = False
    with_submit: bool = False
    include_late: bool = False
    include_non_auto_planned_orders: bool = False


class CycleRequest(msgspec.Struct, rename="camel"):
    begin: str | None = None
    end: str | None = None
    repeat: str | None = None


class DailyPlanCopyOrder(msgspec.Struct, rename="camel"):
    controller_id: str
    order_ids: list[str]
    scheduled_for: str | None = None
    cycle: CycleRequest | None = None
    time_zone: str | None = None
    force_job_admission: bool = False
    stick_daily_plan_date: bool = False


class DailyPlanModifyOrder(DailyPlanCopyOrder):
    variables: Any = None
    remove_variables: list[str] = []
    start_position: Place | None = None
    end_positions: list[Place] = []
    block_position: Place | None = None


class DailyPlanChangePriority(msgspec.Struct, rename="camel"):
    controller_id: str
    order_ids: list[str]
    priority: int


class OrderFilter(msgspec.Struct, rename="camel"):
    controller_id: str
    order_id: str


class PlannedOrders(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    planned_order_items: list[dict[str, Any]]
    #: Name of a workflow → its tags.
    workflow_tags_per_workflow: dict[str, list[str]]


class DailyPlanOrdersSummary(msgspec.Struct, rename="camel"):
    submitted: int = 0
    submitted_late: int = 0
    planned: int = 0
    planned_late: int = 0
    finished: int = 0


class OrderIdMap200(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    order_ids: dict[str, str]


class OrderVariables(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    variables: dict[str, Any]


def permitted(context: RequestContext, path: str, controller_id: str) -> bool:
    """Whether the caller may see an object in its folder, at a Controller."""
    return context.session.permissions.permits_folder(path, controller_id)


async def permitted_controllers(
    context: RequestContext, controller_ids: Iterable[str], controller_id: str | None, permission: str
) -> list[str]:
    """Those that are asked for, else all; 403 for one that is asked for and not permitted."""
    asked = [id_ for id_ in (*controller_ids, controller_id) if id_]
    for id_ in asked:
        context.require(permission, id_)
    if asked:
        return asked
    registered = await context.services.get(ControllerConnections).registered()
    return [id_ for id_ in registered if context.session.permissions.allows(permission, id_)]


def folders_of(folders: Iterable[Folder]) -> list[FolderChoice]:
    return [FolderChoice(normalized(item.folder), item.recursive) for item in folders]


async def _filter(context: RequestContext, request: OrdersSelection, permission: str) -> PlanFilter:
    first = request.daily_plan_date_from
    # The reference takes an absent end as the same day.
    last = request.daily_plan_date_to or first
    if not first and not request.order_ids and not request.submission_history_ids:
        raise MissingParameter("dailyPlanDateFrom")
    return PlanFilter(
        controller_ids=await permitted_controllers(context, request.controller_ids, request.controller_id, permission)
        or [""],
        order_ids=request.order_ids,
        date_from=plan_date(first, "dailyPlanDateFrom").isoformat() if first else None,
        date_to=plan_date(last, "dailyPlanDateTo").isoformat() if last else None,
        submission_ids=request.submission_history_ids,
        schedule_names=[name_of(path) for path in request.schedule_paths],
        schedule_folders=folders_of(request.schedule_folders),
        workflow_names=[name_of(path) for path in request.workflow_paths],
        workflow_folders=folders_of(request.workflow_folders),
        workflow_tags=names_of(request.workflow_tags),
        permits=lambda path, controller_id: permitted(context, path, controller_id),
    )


async def _select(context: RequestContext, filter_: PlanFilter) -> list[PlannedRow]:
    return await context.services.get(PlanReader).select(filter_, context.now_ms())


async def orders(context: RequestContext, request: DailyPlanOrdersFilter) -> PlannedOrders:
    """Planned orders by start; a cycle is one item unless `expandCycleOrders`."""
    filter_ = msgspec.structs.replace(
        await _filter(context, request, "ctl:orders:view"),
        states=request.states,
        late=request.late,
        tags=request.order_tags,
    )
    rows = await _select(context, filter_)
    now_ms = context.now_ms()
    groups = [[row] for row in rows] if request.expand_cycle_orders else cycles(rows)
    tags = await context.services.get(Inventory).workflow_tags()
    shown = {row.workflow_name: tags[row.workflow_name] for row in rows if row.workflow_name in tags}
    return PlannedOrders(timestamp(now_ms), [_item(group, now_ms) for group in groups], shown)


def _item(group: list[PlannedRow], now_ms: int) -> dict[str, Any]:
    """Of a cycle it is the first pending order that tells its state and whether it is late."""
    first = group[0]
    told = next((row for row in group if row.is_fresh), first)
    item: dict[str, Any] = {
        "controllerId": first.controller_id,
        "surveyDate": timestamp(now_ms),
        "workflowPath": first.workflow_path,
        "schedulePath": first.schedule_path,
        "orderId": first.order_id,
        "orderName": first.order_name,
        "tags": first.parameterisation.get("tags", []),
        "plannedStartTime": timestamp(first.planned_start),
        "expectedEndTime": timestamp(first.expected_end),
        "startMode": first.start_mode,
        "late": told.is_late(now_ms),
        "submitted": told.submitted,
        "state": {"_text": told.state, "severity": SEVERITIES[told.state]},
    }
    if first.is_cyclic:
        item["period"] = {"begin": first.period_begin, "end": first.period_end, "repeat": first.repeat_interval}
        item["cyclicOrder"] = {
            "count": len(group),
            "firstOrderId": first.order_id,
            "firstStart": timestamp(first.planned_start),
            "lastOrderId": group[-1].order_id,
            "lastStart": timestamp(group[-1].planned_start),
        }
    if told.start_time is not None:
        item["startTime"] = timestamp(told.start_time)
        item["historyId"] = str(told.history_id)
    if told.end_time is not None:
        item["endTime"] = timestamp(told.end_time)
    if told.return_code is not None:
        item["exitCode"] = told.return_code
    return item


async def summary(context: RequestContext, request: OrdersSelection) -> DailyPlanOrdersSummary:
    """How many orders are in which state; cycles are counted order by order."""
    result = DailyPlanOrdersSummary()
    now_ms = context.now_ms()
    for row in await _select(context, await _filter(context, request, "ctl:orders:view")):
        is_late = row.is_late(now_ms)
        if row.state == FINISHED_STATE:
            result.finished += 1
        elif row.state == SUBMITTED_STATE:
            result.submitted_late += is_late
            result.submitted += not is_late
        else:
            result.planned_late += is_late
            result.planned += not is_late
    return result


async def generate(context: RequestContext, request: GenerateRequest) -> Ok:
    """Plan the orders of dates; what is there already stays, or with `overwrite` is planned again."""
    texts = request.daily_plan_dates or ([request.daily_plan_date] if request.daily_plan_date else [])
    if not texts:
        raise MissingParameter("dailyPlanDate")
    generation = Generation(
        controller_id=request.controller_id,
        dates=[plan_date(text, "dailyPlanDate") for text in texts],
        account=context.account,
        wants_schedule=_wants_schedule(request.schedule_paths),
        wants_workflow=_wants_path(request.workflow_paths),
        permits=lambda path: permitted(context, path, request.controller_id),
        include_late=request.include_late,
        include_non_automatic=request.include_non_auto_planned_orders,
    )
    changes = context.services.get(PlanChanges)
    try:
        await changes.generate(generation, overwrite=request.overwrite, submit=request.with_submit)
    finally:
        await _tell(context, request.controller_id)
    return context.ok()


def _wants_schedule(item: PathItem) -> Any:
    wants = _wants_path(item)

    def check(schedule: Schedule) -> bool:
        return wants(schedule.path)

    return check


def _wants_path(item: PathItem) -> Permits:
    """Those named, and those in the folders; nothing given: all."""
    names = {name_of(path) for path in item.singles}
    folders = folders_of(item.folders)
    if not names and not folders:
        return lambda path: True
    return lambda path: (
        name_of(path) in names or any(is_in_folder(path, folder, recursive=below) for folder, below in folders)
    )


async def _tell(context: RequestContext, controller_id: str | None) -> None:
    await context.services.get(PlanNews).tell(controller_id or "")


async def submit(context: RequestContext, request: OrdersSelection) -> Ok:
    """Send planned orders to their Controllers; answers when these have committed them (419 names those refused)."""
    filter_ = await _filter(context, request, "ctl:orders:create")
    try:
        await context.services.get(PlanChanges).submit(filter_, context.account)
    finally:
        await _tell(context, None)
    return context.ok()


async def cancel(context: RequestContext, request: OrdersSelection) -> Ok:
    """Take submitted orders that have not started back: they are planned again."""
    rows = await _select(context, await _filter(context, request, "ctl:orders:cancel"))
    try:
        await context.services.get(PlanChanges).cancel(rows)
    finally:
        await _tell(context, None)
    return context.ok()


async def delete(context: RequestContext, request: DailyPlanDeleteOrders) -> Ok:
    """Delete planned orders; submitted ones stay, and so does the day's submission."""
    filter_ = await _filter(context, request, "ctl:orders:create")
    filter_ = msgspec.structs.replace(filter_, states=[PLANNED_STATE], late=request.late)
    await context.services.get(PlanChanges).delete(await _select(context, filter_))
    await _tell(context, None)
    return context.ok()


async def copy(context: RequestContext, request: DailyPlanCopyOrder) -> OrderIdMap200:
    """Plan copies for other times; gives old id → new id."""
    rows = await _addressed(context, request.controller_id, request.order_ids)
    change = _change(context, request)
    try:
        ids = await context.services.get(Rescheduler).copy(request.controller_id, rows, change)
    finally:
        await _tell(context, request.controller_id)
    return OrderIdMap200(timestamp(context.now_ms()), ids)


async def modify(context: RequestContext, request: DailyPlanModifyOrder) -> OrderIdMap200:
    """Change start times, cycles, variables or positions; gives old id → new id, which may be the same."""
    if request.start_position or request.end_positions or request.block_position:
        context.require("ctl:orders:manage_positions", request.controller_id)
    if request.variables is not None and not isinstance(request.variables, dict):
        raise BadRequest("variables must be a JSON object of names and values")
    rows = await _addressed(context, request.controller_id, request.order_ids)
    positions = {
        "startPosition": request.start_position,
        "endPositions": request.end_positions,
        "blockPosition": request.block_position,
    }
    change = msgspec.structs.replace(
        _change(context, request),
        variables=request.variables or {},
        remove_variables=request.remove_variables,
        positions={name: value for name, value in positions.items() if value},
    )
    try:
        ids = await context.services.get(Rescheduler).modify(request.controller_id, rows, change)
    finally:
        await _tell(context, request.controller_id)
    return OrderIdMap200(timestamp(context.now_ms()), ids)


async def change_priority(context: RequestContext, request: DailyPlanChangePriority) -> Ok:
    """Of planned orders, and of submitted ones at the Controller."""
    rows = await _addressed(context, request.controller_id, request.order_ids)
    await context.services.get(PlanChanges).change_priority(rows, request.priority)
    await _tell(context, request.controller_id)
    return context.ok()


def _change(context: RequestContext, request: DailyPlanCopyOrder) -> Change:
    cycle = request.cycle
    return Change(
        account=context.account,
        scheduled_for=request.scheduled_for or None,
        cycle=None if cycle is None else CycleTimes(cycle.begin, cycle.end, cycle.repeat),
        time_zone=request.time_zone or None,
        stick_date=request.stick_daily_plan_date,
        force_job_admission=request.force_job_admission,
    )


async def _addressed(context: RequestContext, controller_id: str, order_ids: list[str]) -> list[PlannedRow]:
    """The orders that have not started, of cycles all; JOC-161 if there are none, JOC-419 in a forbidden folder."""
    found = await _select(context, PlanFilter(controller_ids=[controller_id], order_ids=order_ids or [""]))
    if not found:
        raise ControllerObjectNotFound(f"Couldn't find planned orders: {', '.join(order_ids) or 'no orderIds given'}")
    for row in found:
        for path in (row.workflow_path, row.schedule_path):
            if not permitted(context, path, controller_id):
                raise FolderDenied(path)
    pending = [row for row in found if row.is_fresh and row.state != FINISHED_STATE]
    # Of a cycle what has started is left alone; an order of its own that has started is told.
    return [row for row in found if row in pending or not row.is_cyclic]


async def variables(context: RequestContext, request: OrderFilter) -> OrderVariables:
    """The variables of a planned order."""
    rows = await _addressed(context, request.controller_id, [request.order_id])
    values = await context.services.get(PlanReader).variables(rows[0].main_part)
    return OrderVariables(timestamp(context.now_ms()), values)


def _changing(path: str, request: type, answer: type, permission: str, handler: Any) -> Route:
    return Route(f"/daily_plan/orders/{path}", request, answer, permission, True, handler, category="DAILYPLAN")


ROUTES = [
    Route("/daily_plan/orders", DailyPlanOrdersFilter, PlannedOrders, "ctl:orders:view", False, orders),
    Route("/daily_plan/orders/summary", OrdersSelection, DailyPlanOrdersSummary, "ctl:orders:view", False, summary),
    Route("/daily_plan/order/variables", OrderFilter, OrderVariables, "ctl:orders:view", False, variables),
    _changing("generate", GenerateRequest, Ok, "ctl:orders:create", generate),
    _changing("submit", OrdersSelection, Ok, "ctl:orders:create", submit),
    _changing("cancel", OrdersSelection, Ok, "ctl:orders:cancel", cancel),
    _changing("delete", DailyPlanDeleteOrders, Ok, "ctl:orders:create", delete),
    _changing("copy", DailyPlanCopyOrder, OrderIdMap200, "ctl:orders:create", copy),
    _changing("modify", DailyPlanModifyOrder, OrderIdMap200, "ctl:orders:modify", modify),
    _changing("modify/priority", DailyPlanChangePriority, Ok, "ctl:orders:modify", change_priority),
]
