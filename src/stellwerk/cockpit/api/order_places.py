"""`/orders/add/positions`, `/orders/resume/positions`, `/order/variables`, `/order/obstacles`, `/orders/obstacles`
(cockpit-api 7, 8): what a person is offered before an order is added or resumed, and why an order does not go on."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.errors import BadRequest, ControllerObjectNotFound
from stellwerk.cockpit.api.folders import require_workflow
from stellwerk.cockpit.api.orders import OrdersRequest, Place, permits, position_or_label, selection
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import WorkflowRequest
from stellwerk.cockpit.controllers.order_places import (
    BlockPlace,
    Occupancy,
    blocks,
    common_places,
    job_of,
    obstacles,
    places_from,
)
from stellwerk.cockpit.controllers.order_places import Place as WorkflowPlace
from stellwerk.cockpit.controllers.order_selection import OrderFinder, Selection
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.database.tables.live import live_items, live_orders
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import RUNNING, LiveOrder
from stellwerk.cockpit.projection.reading import find_order, named_values, order_event_lines
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.json import decode
from stellwerk.values.problems import ProblemError


class OrderIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    order_ids: list[str]


class OrderRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    order_id: str


class VariablesRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    order_id: str
    position: Place | None = None


class WorkflowIdAnswer(msgspec.Struct, frozen=True, rename="camel"):
    path: str
    version_id: str


class Positions(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    workflow_id: WorkflowIdAnswer
    positions: list[WorkflowPlace]
    block_positions: list[BlockPlace]


class PositionChange(msgspec.Struct, frozen=True):
    """Why the orders have no position in common: code NOT_ONE_WORKFLOW or NO_COMMON_POSITIONS."""

    code: str
    message: str


class ResumePositions(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    delivery_date: str
    survey_date: str
    order_ids: list[str]
    positions: list[WorkflowPlace]
    block_positions: list[BlockPlace]
    workflow_id: WorkflowIdAnswer | None = None
    disabled_position_change: PositionChange | None = None
    constants: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    variables_not_settable: bool = False
    with_cycle_position: bool = False


class Variables(msgspec.Struct, frozen=True, rename="camel"):
    """`constants`: the order's own arguments; `variables`: what its jobs have returned so far."""

    delivery_date: str
    survey_date: str
    workflow_id: WorkflowIdAnswer
    constants: dict[str, Any]
    variables: dict[str, Any]


class ObstacleAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    order_id: str
    obstacles: list[dict[str, Any]]


class ObstaclesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """`orders`: `{orderId, obstacles}`."""

    delivery_date: str
    survey_date: str
    orders: list[dict[str, Any]]


# --- positions --------------------------------------------------------------------------------------------------------


async def add_positions(context: RequestContext, request: WorkflowRequest) -> Positions:
    """Where an order may begin and end, and the blocks that may be all that it runs."""
    await context.services.get(Registry).controller(request.controller_id)
    wanted = request.workflow_id
    await require_workflow(context, wanted.path)
    deployed = await context.services.get(Deployer).workflow(
        request.controller_id, wanted.path, wanted.version_id or None
    )
    workflow = read_workflow(deployed.content)
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    now = timestamp(context.now_ms())
    return Positions(
        delivery_date=now,
        survey_date=now,
        workflow_id=WorkflowIdAnswer(paths.get(deployed.name, deployed.path), deployed.commit_id),
        positions=places_from(workflow, (0,)),
        block_positions=blocks(workflow),
    )


async def resume_positions(context: RequestContext, request: OrderIdsRequest) -> ResumePositions:
    """Where all of these orders may go on, and the variables that they have, if it is one."""
    if not request.order_ids:
        raise BadRequest("no orders given")
    found = await _orders(context, request.controller_id, request.order_ids)
    now = timestamp(context.now_ms())
    answer = ResumePositions(now, now, [order.order_id for order in found], [], [])
    workflow_ids = {(order.workflow_path, order.workflow_version_id) for order in found}
    if len(workflow_ids) > 1:
        change = PositionChange("NOT_ONE_WORKFLOW", "The orders belong to different workflows or versions of one")
        return msgspec.structs.replace(answer, disabled_position_change=change, variables_not_settable=True)
    workflow = await _workflow(context, request.controller_id, found[0])
    places = common_places(workflow, [tuple(order.position) for order in found])
    change_of_one = None if places else PositionChange("NO_COMMON_POSITIONS", "The orders have no position in common")
    is_single = len(found) == 1
    constants, variables = await _variables(context, request.controller_id, found[0]) if is_single else (None, None)
    return msgspec.structs.replace(
        answer,
        workflow_id=await _workflow_id(context, found[0]),
        positions=places,
        disabled_position_change=change_of_one,
        constants=constants,
        variables=variables,
        with_cycle_position=any(str(part).startswith("cycle") for place in places for part in place.position[1::2]),
    )


async def variables(context: RequestContext, request: VariablesRequest) -> Variables:
    """The variables of an order that is at its Controller; with a position, one of its workflow."""
    [order] = await _orders(context, request.controller_id, [request.order_id])
    place = position_or_label(request.position, "position")
    if place is not None:
        workflow = await _workflow(context, request.controller_id, order)
        try:
            workflow.resolve(place if isinstance(place, str) else tuple(place))
        except ProblemError as error:
            raise BadRequest(str(error.problem)) from None
    constants, values = await _variables(context, request.controller_id, order)
    now = timestamp(context.now_ms())
    return Variables(now, now, await _workflow_id(context, order), constants, values)


async def _orders(context: RequestContext, controller_id: str, ids: list[str]) -> list[LiveOrder]:
    """The orders with these ids. Raises `ControllerObjectNotFound` for one that is not at the Controller."""
    await context.services.get(Registry).controller(controller_id)
    found = await context.services.get(OrderFinder).select(
        controller_id, Selection(order_ids=tuple(ids), permits=permits(context))
    )
    missing = set(ids) - {order.order_id for order in found}
    if missing:
        raise ControllerObjectNotFound(f"unknown Order: {', '.join(sorted(missing))}")
    return found


async def _workflow(context: RequestContext, controller_id: str, order: LiveOrder) -> Workflow:
    deployed = await context.services.get(Deployer).workflow(
        controller_id, order.workflow_path, order.workflow_version_id
    )
    return read_workflow(deployed.content)


async def _workflow_id(context: RequestContext, order: LiveOrder) -> WorkflowIdAnswer:
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    return WorkflowIdAnswer(paths.get(order.workflow_path, "/" + order.workflow_path), order.workflow_version_id)


async def _variables(
    context: RequestContext, controller_id: str, order: LiveOrder
) -> tuple[dict[str, Any], dict[str, Any]]:
    async with context.database.read() as connection:
        identity = await find_order(connection, order_id=order.order_id, controller_id=controller_id)
        lines = [] if identity is None else await order_event_lines(connection, identity)
    return decode(order.arguments) if order.arguments else {}, named_values(lines, order.order_id)


# --- obstacles --------------------------------------------------------------------------------------------------------


async def order_obstacles(context: RequestContext, request: OrderRequest) -> ObstacleAnswer:
    """Why an order does not go on."""
    await context.services.get(Registry).controller(request.controller_id)
    found = await context.services.get(OrderFinder).select(
        request.controller_id, Selection(order_ids=(request.order_id,), permits=permits(context))
    )
    reasons = await _obstacles(context, request.controller_id, found) if found else [[{"type": "OrderNotExisting"}]]
    now = timestamp(context.now_ms())
    return ObstacleAnswer(now, now, request.order_id, reasons[0])


async def orders_obstacles(context: RequestContext, request: OrdersRequest) -> ObstaclesAnswer:
    """Why orders do not go on; those that nothing holds up have an empty list."""
    await context.services.get(Registry).controller(request.controller_id)
    found = await context.services.get(OrderFinder).select(request.controller_id, selection(context, request))
    found = found[: request.limit] if request.limit >= 0 else found
    reasons = await _obstacles(context, request.controller_id, found)
    views = [{"orderId": order.order_id, "obstacles": listed} for order, listed in zip(found, reasons, strict=True)]
    now = timestamp(context.now_ms())
    return ObstaclesAnswer(now, now, views)


async def _obstacles(
    context: RequestContext, controller_id: str, orders: list[LiveOrder]
) -> list[list[dict[str, Any]]]:
    known = await context.services.get(WorkflowControls).known(controller_id)
    jobs, agents = await _processes(context, controller_id)
    limits = await _agent_limits(context, controller_id)
    workflows: dict[tuple[str, str], Workflow] = {}
    found = []
    for order in orders:
        version = (order.workflow_path, order.workflow_version_id)
        if version not in workflows:
            workflows[version] = await _workflow(context, controller_id, order)
        job = job_of(workflows[version], order)
        agent = order.agent_id or ""
        occupancy = Occupancy(
            agent_processes=agents.get(agent, 0),
            agent_limit=limits.get(agent),
            job_processes=0 if job is None else jobs.get((*version, job[0]), 0),
        )
        limit = None if job is None else job[1]
        found.append(obstacles(order, limit, occupancy, is_suspended=order.workflow_path in known.suspended))
    return [[_shown(item) for item in listed] for listed in found]


def _shown(obstacle: dict[str, Any]) -> dict[str, Any]:
    return obstacle | ({"until": timestamp(obstacle["until"])} if "until" in obstacle else {})


async def _processes(
    context: RequestContext, controller_id: str
) -> tuple[dict[tuple[str, str, str], int], dict[str, int]]:
    """How many processes run: by workflow, version and job; by Agent."""
    table = live_orders.c
    columns = (table.workflow_path, table.workflow_version_id, table.job, table.agent_id)
    query = (
        select(*columns, func.count().label("number"))
        .where(table.controller_id == controller_id, table.state == RUNNING.code)
        .group_by(*columns)
    )
    jobs: dict[tuple[str, str, str], int] = {}
    agents: dict[str, int] = {}
    async with context.database.read() as connection:
        for row in await connection.execute(query):
            job = (row.workflow_path, row.workflow_version_id, row.job or "")
            jobs[job] = jobs.get(job, 0) + row.number
            agents[row.agent_id or ""] = agents.get(row.agent_id or "", 0) + row.number
    return jobs, agents


async def _agent_limits(context: RequestContext, controller_id: str) -> dict[str, int]:
    """`processLimit` of the Agents that have one."""
    table = live_items.c
    query = select(table.path, table.content).where(table.controller_id == controller_id, table.type == "AgentRef")
    async with context.database.read() as connection:
        items = {row.path: decode(row.content) for row in await connection.execute(query)}
    return {path: item["processLimit"] for path, item in items.items() if isinstance(item.get("processLimit"), int)}


def _reading(path: str, request: type, answer: type, handler: Any) -> Route:
    return Route(path, request, answer, "ctl:orders:view", False, handler)


ROUTES = [
    _reading("/orders/add/positions", WorkflowRequest, Positions, add_positions),
    _reading("/orders/resume/positions", OrderIdsRequest, ResumePositions, resume_positions),
    _reading("/order/variables", VariablesRequest, Variables, variables),
    _reading("/order/obstacles", OrderRequest, ObstacleAnswer, order_obstacles),
    _reading("/orders/obstacles", OrdersRequest, ObstaclesAnswer, orders_obstacles),
]
