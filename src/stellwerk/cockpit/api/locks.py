"""`/locks`, `/lock`: who holds a lock and who waits for it (cockpit-api 8, LockEntry)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import ControllerObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.notes import note_marks
from stellwerk.cockpit.api.order_views import order_view
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import IN_SYNC, NOT_IN_SYNC, Folder
from stellwerk.cockpit.controllers.lock_uses import LockUses, lock_uses
from stellwerk.cockpit.controllers.order_selection import OrderFinder, Selection
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.database.tables.live import live_items
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import Deployed
from stellwerk.cockpit.inventory.names import is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.language.instructions.lock import LockDemand
from stellwerk.language.workflow import read_workflow
from stellwerk.values.json import decode

#: An order with what it does with locks.
_User = tuple[LiveOrder, LockUses]


class LocksRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    lock_paths: list[str] = []
    folders: list[Folder] = []
    compact: bool = False
    limit: int = 10_000


class LockRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    lock_path: str
    compact: bool = False
    limit: int = 10_000


class Locks(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    locks: list[dict[str, Any]]


class LockAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    survey_date: str
    lock: dict[str, Any]


async def locks(context: RequestContext, request: LocksRequest) -> Locks:
    """The deployed locks with the orders that hold them and wait for them; `compact`: only their numbers."""
    await context.services.get(Registry).controller(request.controller_id)
    names = {name_of(path) for path in request.lock_paths}
    folders = [(normalized(entry.folder), entry.recursive) for entry in request.folders]

    def is_wanted(name: str, path: str) -> bool:
        if names:
            return name in names
        return not folders or any(is_in_folder(path, folder, recursive=recursive) for folder, recursive in folders)

    chosen = [item for item in await _deployed(context, request.controller_id) if is_wanted(item[0].name, item[1])]
    now = timestamp(context.now_ms())
    return Locks(now, now, await _views(context, request, chosen))


async def lock(context: RequestContext, request: LockRequest) -> LockAnswer:
    """One lock."""
    await context.services.get(Registry).controller(request.controller_id)
    paths = await context.services.get(Inventory).paths_of(ObjectType.LOCK)
    name = name_of(request.lock_path)
    require_folder(context, paths.get(name, normalized(request.lock_path)))
    chosen = [item for item in await _deployed(context, request.controller_id) if item[0].name == name]
    if not chosen:
        raise ControllerObjectNotFound(
            f"the lock '{request.lock_path}' is not deployed to Controller '{request.controller_id}'"
        )
    [view] = await _views(context, request, chosen)
    now = timestamp(context.now_ms())
    return LockAnswer(now, now, view)


async def _deployed(context: RequestContext, controller_id: str) -> list[tuple[Deployed, str]]:
    """The locks that the caller may see, with their inventory paths, by path."""
    found = await context.services.get(Deployer).current(controller_id, [ObjectType.LOCK])
    paths = await context.services.get(Inventory).paths_of(ObjectType.LOCK)
    with_paths = sorted(((item, paths.get(item.name, item.path)) for item in found), key=lambda pair: pair[1])
    return [(item, path) for item, path in with_paths if folder_permitted(context, path)]


async def _views(
    context: RequestContext, request: LocksRequest | LockRequest, chosen: list[tuple[Deployed, str]]
) -> list[dict[str, Any]]:
    known, users = await _known(context, request.controller_id), await _users(context, request.controller_id)
    workflow_paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    notes = await note_marks(context, ObjectType.LOCK)
    now_ms = context.now_ms()
    views = []
    for item, path in chosen:
        limit = int(decode(item.inv_content).get("limit") or 1)
        held = [(order, demand) for order, uses in users for demand in uses.held if demand.lock_path == item.name]
        wanted = [(order, demand) for order, uses in users for demand in uses.wanted if demand.lock_path == item.name]
        view: dict[str, Any] = {
            "lock": {
                "path": path,
                "versionDate": timestamp(item.deployment_date),
                "state": IN_SYNC if item.name in known else NOT_IN_SYNC,
                **({"hasNote": notes[item.name]} if item.name in notes else {}),
            },
            "acquiredLockCount": sum(limit if demand.count is None else demand.count for _, demand in held),
            "ordersHoldingLocksCount": len(held),
            "ordersWaitingForLocksCount": len(wanted),
        }
        if not request.compact:
            left = request.limit if request.limit >= 0 else None
            visible = [
                [pair for pair in pairs if folder_permitted(context, _path(pair[0], workflow_paths))][:left]
                for pairs in (held, wanted)
            ]
            view["workflows"] = _workflows(visible[0], visible[1], now_ms, workflow_paths)
        views.append(view)
    return views


def _workflows(
    held: Iterable[tuple[LiveOrder, LockDemand]],
    wanted: Iterable[tuple[LiveOrder, LockDemand]],
    now_ms: int,
    paths: dict[str, str],
) -> list[dict[str, Any]]:
    """By workflow and version (`LockWorkflow`)."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for member, pairs in (("ordersHoldingLocks", held), ("ordersWaitingForLocks", wanted)):
        for order, demand in pairs:
            key = (_path(order, paths), order.workflow_version_id)
            view = found.setdefault(
                key, {"path": key[0], "versionId": key[1], "ordersHoldingLocks": [], "ordersWaitingForLocks": []}
            )
            lock: dict[str, Any] = {"id": demand.lock_path, "type": "EXCLUSIVE" if demand.count is None else "SHARED"}
            if demand.count is not None:
                lock["count"] = demand.count
            view[member].append({"lock": lock, "order": order_view(order, now_ms, paths, is_compact=True)})
    return [found[key] for key in sorted(found)]


def _path(order: LiveOrder, paths: dict[str, str]) -> str:
    return paths.get(order.workflow_path, "/" + order.workflow_path)


async def _known(context: RequestContext, controller_id: str) -> set[str]:
    """Names of the locks that the Controller has."""
    table = live_items.c
    query = select(table.path).where(table.controller_id == controller_id, table.type == "Lock")
    async with context.database.read() as connection:
        return set((await connection.execute(query)).scalars())


async def _users(context: RequestContext, controller_id: str) -> list[_User]:
    """The orders that hold locks or wait for some, by their ids."""
    table = live_items.c
    # More than needed: what a workflow really has is seen when it is read.
    query = select(table.path, table.version_id, table.content).where(
        table.controller_id == controller_id, table.type == "Workflow", table.content.contains("Lock", autoescape=True)
    )
    async with context.database.read() as connection:
        rows = list(await connection.execute(query))
    workflows = {(row.path, row.version_id): read_workflow(row.content) for row in rows}
    with_locks = {version: workflow for version, workflow in workflows.items() if workflow.lock_paths()}
    if not with_locks:
        return []
    finder = context.services.get(OrderFinder)
    orders = await finder.select(controller_id, Selection(workflow_ids=tuple(with_locks)))
    users = [(order, lock_uses(with_locks[order.workflow_path, order.workflow_version_id], order)) for order in orders]
    return [(order, uses) for order, uses in users if uses.held or uses.wanted]


ROUTES = [
    Route("/locks", LocksRequest, Locks, "ctl:locks:view", False, locks),
    Route("/lock", LockRequest, LockAnswer, "ctl:locks:view", False, lock),
]
