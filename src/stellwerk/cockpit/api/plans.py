"""`/plans*`: plans with their orders and boards; `/workflows/boards/snapshot`, `/notice/board(s)/dependencies`: which
workflows meet at which board (cockpit-api 7, 8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.notices import Board, BoardRequest, Boards, BoardsRequest, board, boards, deployed_boards
from stellwerk.cockpit.api.order_views import order_view
from stellwerk.cockpit.api.orders import PlanId, permits
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflow_views import KnownWorkflow, board_view, known_workflows
from stellwerk.cockpit.controllers.order_selection import OrderFinder, Selection
from stellwerk.cockpit.controllers.plans import KnownPlan, Plans, plan_view
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.engine.events.board import split_notice_id

_SEVERITY = {"OPEN": 0, "CLOSED": 5, "FINISHED": 6, "DELETED": 2}


class PlansRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    only_open_plans: bool = False
    only_closed_plans: bool = False
    plan_schema_ids: list[str] = []
    notice_space_keys: list[str] = []
    notice_board_paths: list[str] = []
    compact: bool = False
    include_orders: bool = False
    limit: int = 10_000


class ModifyRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    plan_ids: list[PlanId]


class BoardPathsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notice_board_paths: list[str] = []


class BoardPathRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    notice_board_path: str


class PlansAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    plans: list[dict[str, Any]]


class BoardsSnapshot(msgspec.Struct, frozen=True, rename="camel"):
    """`noticeBoards`: by plan and board, e.g. `DailyPlan/2026-01-31/READY`; `orders`: by their ids."""

    delivery_date: str
    survey_date: str
    posting_workflows: list[dict[str, Any]]
    expecting_workflows: list[dict[str, Any]]
    consuming_workflows: list[dict[str, Any]]
    notice_boards: dict[str, Any]
    orders: dict[str, Any]


# --- plans ------------------------------------------------------------------------------------------------------------


async def plans(context: RequestContext, request: PlansRequest) -> PlansAnswer:
    """The plans of a Controller with the numbers of their orders; unless `compact`, with their boards."""
    chosen = await _chosen(context, request)
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    now_ms = context.now_ms()
    views = []
    for plan in chosen:
        view = _view(plan)
        view |= {"numOfOrders": len(plan.orders), "numOfNoticeBoards": len(plan.boards)}
        if request.include_orders:
            left = request.limit if request.limit >= 0 else None
            view["orders"] = [
                order_view(order, now_ms, paths, is_compact=request.compact) for order in plan.orders[:left]
            ]
        if not request.compact:
            view["noticeBoards"] = await _boards_of(context, request, plan)
        views.append(view)
    now = timestamp(now_ms)
    return PlansAnswer(now, now, views)


async def plan_ids(context: RequestContext, request: PlansRequest) -> PlansAnswer:
    """The plans of a Controller, only their ids and states."""
    now = timestamp(context.now_ms())
    return PlansAnswer(now, now, [_view(plan) for plan in await _chosen(context, request)])


async def _chosen(context: RequestContext, request: PlansRequest) -> list[KnownPlan]:
    await context.services.get(Registry).controller(request.controller_id)
    orders = await context.services.get(OrderFinder).select(request.controller_id, Selection(permits=permits(context)))
    visible = {item.name for item, _ in await deployed_boards(context, request.controller_id)}
    wanted = {name_of(path) for path in request.notice_board_paths}
    found = []
    for plan in await context.services.get(Plans).known(request.controller_id, orders):
        plan = msgspec.structs.replace(plan, boards=plan.boards & visible)
        is_open = plan.status == "Open"
        if (request.only_open_plans and not is_open) or (request.only_closed_plans and is_open):
            continue
        if request.plan_schema_ids and plan.id[0] not in request.plan_schema_ids:
            continue
        if request.notice_space_keys and plan.id[1] not in request.notice_space_keys:
            continue
        if not wanted or plan.boards & wanted:
            found.append(plan)
    return found


def _view(plan: KnownPlan) -> dict[str, Any]:
    text = plan.status.upper()
    state: dict[str, Any] = {"_text": text, "severity": _SEVERITY.get(text, 2)}
    if plan.since is not None:
        state["since"] = timestamp(plan.since)
    return {"planId": plan_view(plan), "closed": plan.status != "Open", "state": state}


async def _boards_of(context: RequestContext, request: PlansRequest, plan: KnownPlan) -> list[dict[str, Any]]:
    wanted = {name_of(path) for path in request.notice_board_paths} & plan.boards or plan.boards
    if not wanted:
        return []
    of_plan = BoardsRequest(
        controller_id=request.controller_id,
        notice_board_paths=sorted(wanted),
        plan_schema_ids=[plan.id[0]],
        notice_space_keys=[plan.id[1]],
        compact=True,
        limit=request.limit,
    )
    return (await boards(context, of_plan)).notice_boards


def _change(status: str, summary: str) -> Any:
    async def handler(context: RequestContext, request: ModifyRequest) -> Ok:
        if not request.plan_ids:
            raise BadRequest("no planIds given")
        ids = [(plan.plan_schema_id, plan.notice_space_key) for plan in request.plan_ids]
        await context.services.get(Plans).change(request.controller_id, ids, status)
        return context.ok()

    handler.__doc__ = summary
    return handler


# --- boards and workflows ---------------------------------------------------------------------------------------------


async def boards_snapshot(context: RequestContext, request: PlansRequest) -> BoardsSnapshot:
    """Per plan: the workflows at boards with the orders that will post and those that expect notices."""
    chosen = await _chosen(context, msgspec.structs.replace(request, notice_board_paths=[]))
    known = await known_workflows(context, request.controller_id)
    names = {name_of(path) for path in request.notice_board_paths}
    workflows = [item for item in known if item.uses.boards and (not names or item.uses.boards & names)]
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    orders = [order for plan in chosen for order in plan.orders]
    by_workflow: dict[str, list[LiveOrder]] = {}
    for order in orders:
        by_workflow.setdefault(order.workflow_path, []).append(order)
    now_ms = context.now_ms()
    shown: dict[str, Any] = {}

    def view(item: KnownWorkflow) -> dict[str, Any]:
        own = by_workflow.get(item.name, [])
        expecting = [order for order in own if order.expected]
        shown.update((order.order_id, order_view(order, now_ms, paths, is_compact=request.compact)) for order in own)
        is_future = {order.order_id: (order.scheduled_for or 0) > now_ms and order.started is None for order in own}
        return board_view(item) | {
            "presentDueOrderIds": [id_ for id_, future in is_future.items() if not future],
            "futureDueOrderIds": [id_ for id_, future in is_future.items() if future],
            "numOfExpectingOrders": len(expecting),
            "expectingOrderIds": [order.order_id for order in expecting],
        }

    views = {item.name: view(item) for item in workflows}
    now = timestamp(now_ms)
    return BoardsSnapshot(
        delivery_date=now,
        survey_date=now,
        posting_workflows=[views[item.name] for item in workflows if item.uses.posts],
        expecting_workflows=[views[item.name] for item in workflows if item.uses.expects],
        consuming_workflows=[views[item.name] for item in workflows if item.uses.consumes],
        notice_boards=await _planned_boards(context, request, chosen),
        orders=shown,
    )


async def _planned_boards(
    context: RequestContext, request: PlansRequest, chosen: Iterable[KnownPlan]
) -> dict[str, Any]:
    """`PlannedBoard` by plan and board; also boards at which orders expect a notice and none lies."""
    found: dict[str, Any] = {}
    for plan in chosen:
        expected = {split_notice_id(tuple(id_))[1] for order in plan.orders for id_ in order.expected}
        with_expected = msgspec.structs.replace(plan, boards=plan.boards | expected)
        for item in await _boards_of(context, request, with_expected):
            name = name_of(item["path"])
            found["/".join((*plan.id, name))] = item | {"name": name, "planId": plan_view(plan)}
    return found


async def board_dependencies(context: RequestContext, request: BoardPathRequest) -> Board:
    """A notice board with the workflows that post to it, expect and consume its notices."""
    one = BoardRequest(request.controller_id, request.notice_board_path, compact=True)
    answer = await board(context, one)
    [view] = await _with_workflows(context, request.controller_id, [answer.notice_board])
    return msgspec.structs.replace(answer, notice_board=view)


async def boards_dependencies(context: RequestContext, request: BoardPathsRequest) -> Boards:
    """Notice boards with the workflows that post to them, expect and consume their notices."""
    some = BoardsRequest(request.controller_id, request.notice_board_paths, compact=True)
    answer = await boards(context, some)
    views = await _with_workflows(context, request.controller_id, answer.notice_boards)
    return msgspec.structs.replace(answer, notice_boards=views)


async def _with_workflows(
    context: RequestContext, controller_id: str, views: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    known = await known_workflows(context, controller_id)
    found = []
    for view in views:
        name = name_of(view["path"])
        found.append(
            view
            | {
                "postingWorkflows": [item.id for item in known if name in item.uses.posts],
                "expectingWorkflows": [item.id for item in known if name in item.uses.expects],
                "consumingWorkflows": [item.id for item in known if name in item.uses.consumes],
            }
        )
    return found


_VIEW, _CREATE = "ctl:noticeboards:view", "ctl:orders:create"


def _changing(path: str, handler: Any) -> Route:
    return Route(path, ModifyRequest, Ok, _CREATE, True, handler, category="CONTROLLER")


ROUTES = [
    Route("/plans", PlansRequest, PlansAnswer, _VIEW, False, plans),
    Route("/plans/ids", PlansRequest, PlansAnswer, _VIEW, False, plan_ids),
    _changing("/plans/open", _change("Open", "Open plans: orders can be added to them again.")),
    _changing("/plans/close", _change("Closed", "Close plans: no command adds orders to them.")),
    _changing("/plans/delete", _change("Deleted", "Delete plans that have no orders any more, with their notices.")),
    Route("/workflows/boards/snapshot", PlansRequest, BoardsSnapshot, _VIEW, False, boards_snapshot),
    Route("/notice/board/dependencies", BoardPathRequest, Board, _VIEW, False, board_dependencies),
    Route("/notice/boards/dependencies", BoardPathsRequest, Boards, _VIEW, False, boards_dependencies),
]
