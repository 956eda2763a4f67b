"""`/inventory/{release,remove,trash,revalidate}`: the life of objects besides writing (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory_requests import (
    FolderRequest,
    ObjectFilter,
    ObjectFilters,
    cancel_from,
    find_object,
    folder_objects,
    folder_with_contents,
    require_deployment,
    require_named,
)
from stellwerk.cockpit.api.plan_renewal import NOW, renewed_plan
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.remover import Remover
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.trash import Trash
from stellwerk.cockpit.inventory.types import IMPORT_ORDER, RELEASABLE, ObjectType


class ReleaseRequest(msgspec.Struct, rename="camel"):
    update: list[ObjectFilter] = []
    delete: list[ObjectFilter] = []
    add_orders_date_from: str | None = None
    include_late: bool = False


class RecallRequest(msgspec.Struct, rename="camel"):
    releasables: list[ObjectFilter]
    #: Orders of recalled schedules stay in the plan.
    keep_orders: bool = False


class RemoveFolderRequest(FolderRequest, rename="camel"):
    cancel_orders_date_from: str | None = None


class RestoreRequest(ObjectFilter, rename="camel"):
    new_path: str | None = None
    suffix: str | None = None
    prefix: str | None = None


class NewPath(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    id: int
    path: str
    object_type: str


class ReportItem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    path: str
    name: str
    object_type: str
    valid: bool | None = None
    title: str | None = None
    invalid_msg: str | None = None

    @classmethod
    def of(cls, item: StoredObject) -> ReportItem:
        return cls(item.path, item.name, item.type.name, item.valid, item.title, item.invalid_message)


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """All lists are always there: the vendor's command line reads `validObjs`."""

    delivery_date: str
    valid_objs: list[ReportItem]
    invalid_objs: list[ReportItem]
    erroneous_objs: list[ReportItem] = []


# --- release ----------------------------------------------------------------------------------------------------------


async def release(context: RequestContext, request: ReleaseRequest) -> Ok:
    """Publish releasable objects for the Cockpit's own use, or remove released ones.

    `addOrdersDateFrom`: planned orders of the schedules are taken back from `now` or a date on, and planned again.
    """
    if request.delete:
        objects = [await find_object(context, item) for item in request.delete]
        await _remove(context, objects, None)
    if request.update or not request.delete:
        ids: dict[int, None] = {}
        for wanted in request.update:
            ids |= dict.fromkeys(item.id for item in await _releasables(context, wanted))
        async with renewed_plan(
            context,
            request.add_orders_date_from,
            schedules=await _schedules(context, ids),
            include_late=request.include_late,
        ):
            await context.services.get(Releases).release(list(ids))
    return context.ok()


async def _schedules(context: RequestContext, ids: Iterable[int]) -> set[str]:
    """The names of the schedules among these objects, also those under which they are released."""
    wanted = set(ids)
    inventory = context.services.get(Inventory)
    items = [await inventory.read_by_id(id_) for id_ in sorted(wanted)]
    found = {item.name for item in items if item.type == ObjectType.SCHEDULE}
    for item in (await context.services.get(Releases).of_objects()).values():
        if item.cid in wanted and item.type == ObjectType.SCHEDULE:
            found.add(names.name_of(item.path))
    return found


async def _releasables(context: RequestContext, wanted: ObjectFilter) -> list[StoredObject]:
    """The object, or the valid drafts of a folder."""
    item = await find_object(context, wanted) if wanted.path != "/" else None
    if item is not None and item.type != ObjectType.FOLDER:
        return [item]
    folder = "/" if item is None else item.path
    found = await folder_objects(context, folder, recursive=wanted.recursive, types=RELEASABLE)
    return [each for each in found if each.valid and not each.released]


async def recall(context: RequestContext, request: RecallRequest) -> Ok:
    """Withdraw released objects; they stay as drafts. Orders of schedules leave the plan unless `keepOrders`."""
    objects = [await find_object(context, item) for item in request.releasables]
    await _recall(context, objects, keep_orders=request.keep_orders)
    return context.ok()


async def _recall(context: RequestContext, objects: list[StoredObject], *, keep_orders: bool = False) -> None:
    ids = [item.id for item in objects]
    first, schedules = None if keep_orders else NOW, await _schedules(context, ids)
    async with renewed_plan(context, first, schedules=schedules, include_late=True):
        await context.services.get(Releases).recall(ids)


async def recall_folder(context: RequestContext, request: FolderRequest) -> Ok:
    """Withdraw what has been released of a folder."""
    require_folder(context, names.normalized(request.path))
    types = set(request.types) & RELEASABLE if request.object_types else RELEASABLE
    items = await folder_objects(context, request.path, recursive=request.recursive, types=types)
    await _recall(context, items)
    return context.ok()


# --- trash ------------------------------------------------------------------------------------------------------------


async def remove(context: RequestContext, request: ObjectFilters) -> Ok:
    """Delete objects from Controllers, recall them, and move them to the trash."""
    objects: dict[int, StoredObject] = {}
    for wanted in request.objects:
        item = await find_object(context, wanted)
        chosen = await folder_with_contents(context, item.path) if item.type == ObjectType.FOLDER else [item]
        objects |= {each.id: each for each in chosen}
    await _remove(context, objects.values(), request.cancel_orders_date_from)
    return context.ok()


async def remove_folder(context: RequestContext, request: RemoveFolderRequest) -> Ok:
    """Remove a folder with all that is in it; with `objectTypes` only such objects."""
    objects = await folder_with_contents(context, request.path)
    types = request.types
    await _remove(
        context, [item for item in objects if not types or item.type in types], request.cancel_orders_date_from
    )
    return context.ok()


async def _remove(context: RequestContext, objects: Iterable[StoredObject], cancel_text: str | None) -> None:
    items, cancel = list(objects), cancel_from(context, cancel_text)
    ids = {item.id for item in items}
    for deployed in await context.services.get(Deployer).current():
        if deployed.inv_cid in ids:  # before anything is taken back
            require_deployment(context, deployed.controller_id)
    async with renewed_plan(
        context,
        cancel_text,
        workflows=[item.name for item in items if item.type == ObjectType.WORKFLOW],
        schedules=await _schedules(context, ids),
        include_late=True,
    ):
        await context.services.get(Remover).remove(
            context.account, items, cancel_from_ms=cancel, require_controller=partial(require_deployment, context)
        )


async def restore(context: RequestContext, request: RestoreRequest) -> NewPath:
    """Bring an object or a folder back from the trash."""
    require_named(request)
    trash = context.services.get(Trash)
    found = await trash.find(request.type, request.path, request.id)
    require_folder(context, found.path)
    if request.new_path:
        require_folder(context, names.normalized(request.new_path))
    item = await trash.restore(
        request.type,
        request.path,
        request.id,
        new_path=request.new_path,
        suffix=request.suffix,
        prefix=request.prefix,
        permitted=partial(folder_permitted, context),
    )
    return NewPath(timestamp(context.now_ms()), item.id, item.path, item.type.name)


async def delete_trash(context: RequestContext, request: ObjectFilters) -> Ok:
    """Delete objects from the trash for good."""
    trash = context.services.get(Trash)
    for item in request.objects:
        require_named(item)
        require_folder(context, (await trash.find(item.type, item.path, item.id)).path)
    await trash.delete([(item.type, item.path, item.id) for item in request.objects])
    return context.ok()


async def delete_trash_folder(context: RequestContext, request: FolderRequest) -> Ok:
    """Delete for good what has been removed from a folder and below it."""
    require_folder(context, names.normalized(request.path))
    trash = context.services.get(Trash)
    await trash.delete_folder(request.path, partial(folder_permitted, context), request.types)
    return context.ok()


# --- validity ---------------------------------------------------------------------------------------------------------


async def revalidate_folder(context: RequestContext, request: FolderRequest) -> Report:
    """Check all objects of a folder anew; what is referred to first."""
    require_folder(context, names.normalized(request.path))
    async with context.services.get(Inventory).writing() as transaction:
        found = await transaction.in_folder(request.path, recursive=request.recursive)
        items = [item for item in found if folder_permitted(context, item.path) and item.type not in _WITHOUT_CONTENT]
        items.sort(key=lambda item: IMPORT_ORDER.index(item.type))
        judged = await transaction.revalidate(items)
    return Report(
        delivery_date=timestamp(context.now_ms()),
        valid_objs=[ReportItem.of(item) for item in judged if item.valid],
        invalid_objs=[ReportItem.of(item) for item in judged if not item.valid],
    )


_WITHOUT_CONTENT = (ObjectType.FOLDER, ObjectType.DESCRIPTORFOLDER)


def _change(path: str, request: type, handler: Any, answer: Any = Ok) -> Route:
    return Route(path, request, answer, "joc:inventory:manage", True, handler, category="INVENTORY")


ROUTES = [
    # The reference lets viewers release (cockpit-api 7): here it takes the right to change (docs/deviations.md).
    _change("/inventory/release", ReleaseRequest, release),
    _change("/inventory/releasables/recall", RecallRequest, recall),
    _change("/inventory/releasables/recall/folder", FolderRequest, recall_folder),
    _change("/inventory/remove", ObjectFilters, remove),
    _change("/inventory/remove/folder", RemoveFolderRequest, remove_folder),
    _change("/inventory/trash/restore", RestoreRequest, restore, NewPath),
    _change("/inventory/trash/delete", ObjectFilters, delete_trash),
    _change("/inventory/trash/delete/folder", FolderRequest, delete_trash_folder),
    _change("/inventory/revalidate/folder", FolderRequest, revalidate_folder, Report),
]
