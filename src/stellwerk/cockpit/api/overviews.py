"""Counters of the vendor's dashboard and workflows view: `/orders/overview/snapshot`, `/workflows/order_count`,
`/workflows/overview/snapshot` (cockpit-api 3, 8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.native_orders import state_now
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflow_controls import workflow_paths
from stellwerk.cockpit.api.workflows import Folder, WorkflowId
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import BY_CODE, SCHEDULED

#: Member of `OrdersSummary` by state.
_MEMBERS = {
    "PENDING": "pending",
    "SCHEDULED": "scheduled",
    "INPROGRESS": "inProgress",
    "RUNNING": "running",
    "PROMPTING": "prompting",
    "SUSPENDED": "suspended",
    "WAITING": "waiting",
    "BLOCKED": "blocked",
    "FAILED": "failed",
    "BROKEN": "failed",
    "FINISHED": "terminated",
    "CANCELLED": "terminated",
}


class OrdersRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_ids: list[WorkflowId] = []
    folders: list[Folder] = []
    date_to: str | None = None
    time_zone: str | None = None


class ControllerRequest(msgspec.Struct, rename="camel"):
    controller_id: str


class OrdersSnapshot(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    orders: dict[str, int]


class OrderCounts(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    workflows: list[dict[str, Any]]
    num_of_all_orders: dict[str, int]


class WorkflowsSnapshot(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    workflows: dict[str, int]


#: Workflow name, version id, state's text, number of orders.
_Count = tuple[str, str, str, int]


async def _counts(context: RequestContext, request: OrdersRequest) -> list[_Count]:
    """Orders by workflow and state; `dateTo` leaves out what is scheduled for later."""
    now_ms = context.now_ms()
    table, state = live_orders.c, state_now(now_ms).label("state")
    query = select(table.workflow_path, table.workflow_version_id, state, func.count().label("number"))
    query = query.where(table.controller_id == request.controller_id)
    end_ms = instant_ms(request.date_to, now_ms, time_zone=request.time_zone, is_end=True)
    if end_ms is not None:
        query = query.where(
            (table.state != SCHEDULED.code) | table.scheduled_for.is_(None) | (table.scheduled_for < end_ms)
        )
    async with context.database.read() as connection:
        rows = await connection.execute(query.group_by(table.workflow_path, table.workflow_version_id, state))
        return [
            (row.workflow_path, row.workflow_version_id, BY_CODE[row.state].text, row.number)
            for row in rows
            if row.state in BY_CODE
        ]


def _summary(counts: Iterable[_Count]) -> dict[str, int]:
    summary = dict.fromkeys(_MEMBERS.values(), 0)
    for _, _, state, number in counts:
        if state in _MEMBERS:
            summary[_MEMBERS[state]] += number
    return summary


async def orders_snapshot(context: RequestContext, request: OrdersRequest) -> OrdersSnapshot:
    """How many orders are in each state."""
    await context.services.get(Registry).controller(request.controller_id)
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    wanted = {(name_of(item.path), item.version_id or None) for item in request.workflow_ids}
    folders = [(normalized(entry.folder), entry.recursive) for entry in request.folders]

    def is_wanted(name: str, version: str) -> bool:
        path = paths.get(name, "/" + name)
        if not folder_permitted(context, path):
            return False
        if wanted:
            return (name, None) in wanted or (name, version) in wanted
        return not folders or any(is_in_folder(path, folder, recursive=recursive) for folder, recursive in folders)

    counts = [count for count in await _counts(context, request) if is_wanted(count[0], count[1])]
    now = timestamp(context.now_ms())
    return OrdersSnapshot(now, now, _summary(counts))


async def order_count(context: RequestContext, request: OrdersRequest) -> OrderCounts:
    """How many orders of each workflow are in each state."""
    await context.services.get(Registry).controller(request.controller_id)
    paths = await workflow_paths(context, request.controller_id)
    counts = await _counts(context, request)
    views, counted = [], []
    for wanted in request.workflow_ids:
        name = name_of(wanted.path)
        if name not in paths:
            continue
        own = [count for count in counts if count[0] == name and wanted.version_id in (None, "", count[1])]
        counted += own
        view: dict[str, Any] = {"path": paths[name], "numOfOrders": _summary(own)}
        views.append(view | ({"versionId": wanted.version_id} if wanted.version_id else {}))
    now = timestamp(context.now_ms())
    return OrderCounts(now, now, views, _summary(counted))


async def workflows_snapshot(context: RequestContext, request: ControllerRequest) -> WorkflowsSnapshot:
    """How many deployed workflows the Controller has as they are here, and how many are suspended."""
    await context.services.get(Registry).controller(request.controller_id)
    paths = await workflow_paths(context, request.controller_id)
    deployed = await context.services.get(Deployer).current(request.controller_id, [ObjectType.WORKFLOW])
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    own = [item for item in deployed if item.name in paths]
    present = sum((item.name, item.commit_id) in known.versions for item in own)
    summary = {
        "synchronized": present,
        "notSynchronized": len(own) - present,
        "suspended": sum(item.name in known.suspended for item in own),
        "outstanding": 0,  # a Controller confirms a suspension at once; that of Agents is not kept here
    }
    now = timestamp(context.now_ms())
    return WorkflowsSnapshot(now, now, summary)


ROUTES = [
    Route("/orders/overview/snapshot", OrdersRequest, OrdersSnapshot, "ctl:orders:view", False, orders_snapshot),
    Route("/workflows/order_count", OrdersRequest, OrderCounts, "ctl:workflows:view", False, order_count),
    Route(
        "/workflows/overview/snapshot",
        ControllerRequest,
        WorkflowsSnapshot,
        "ctl:workflows:view",
        False,
        workflows_snapshot,
    ),
]
