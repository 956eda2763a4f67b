"""Native `inventory/publishing`: what a deployment or release would change, before it is done (ui.md S13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.inventory_requests import ObjectFilter, find_object, folder_objects
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.deployment.applier import CHANGE, CREATE
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import DEPLOYED, UPDATE, InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import decode

#: Deployed or released as it is already.
SAME = "same"
#: Why an object is listed: a person has chosen it; a chosen one refers to it; it refers to a chosen one.
CHOSEN, NEEDED, REFERS = "chosen", "needed", "refers"
#: Objects of one preview.
MAXIMUM_OBJECTS = 1000


class PublishingRequest(msgspec.Struct, rename="camel"):
    """A folder stands for the drafts in it, with `recursive` also for those below it."""

    objects: list[ObjectFilter]
    controller_ids: list[str] = []


class TargetChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What changes at one Controller; without `controller_id`: in the Cockpit, by a release."""

    action: str
    controller_id: str | None = None
    commit_id: str | None = None
    before: Any = None
    #: Orders of a workflow that are at the Controller now.
    orders: int = 0


class PublishedObject(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    id: int
    path: str
    object_type: str
    reason: str
    after: Any
    valid: bool
    changes: list[TargetChange]
    #: Deployed or released before; what has never been must go along with what needs it.
    published: bool
    #: The object on whose account this one is listed.
    because: str | None = None
    invalid_msg: str | None = None


class Publishing(msgspec.Struct, frozen=True, rename="camel"):
    objects: list[PublishedObject]


async def preview(context: RequestContext, request: PublishingRequest) -> Publishing:
    """What would change where: of the objects, of drafts that they need, of drafts that refer to them."""
    for controller_id in request.controller_ids:
        context.require("ctl:deployment:view", controller_id)
    chosen: dict[int, StoredObject] = {}
    for wanted in request.objects:
        chosen |= {item.id: item for item in await _drafts(context, wanted)}
    async with context.services.get(Inventory).reading() as transaction:
        listed = await _neighbourhood(context, transaction, list(chosen.values()))
    if len(listed) > MAXIMUM_OBJECTS:
        raise BadRequest(f"at most {MAXIMUM_OBJECTS} objects at once, not {len(listed)}; choose a smaller folder")
    orders = await _orders(context, request.controller_ids, [item for item, _, _ in listed])
    return Publishing(
        [
            await _published(context, item, reason, because, request.controller_ids, orders)
            for item, reason, because in listed
        ]
    )


async def _drafts(context: RequestContext, wanted: ObjectFilter) -> list[StoredObject]:
    """The object, whatever its state, or what is to be published of a folder."""
    if wanted.path != "/" or wanted.id is not None:
        item = await find_object(context, wanted)
        if item.type != ObjectType.FOLDER:
            return [item]
        folder = item.path
    else:
        folder = "/"
    found = await folder_objects(context, folder, recursive=wanted.recursive)
    return [item for item in found if item.is_draft and _can_be_published(item)]


def _can_be_published(item: StoredObject) -> bool:
    return item.type.is_deployable or item.type.is_releasable


async def _neighbourhood(
    context: RequestContext, transaction: InventoryTransaction, chosen: Sequence[StoredObject]
) -> list[tuple[StoredObject, str, str | None]]:
    """The chosen objects, the drafts that they refer to all the way, the drafts that refer to the chosen ones."""
    listed: dict[int, tuple[StoredObject, str, str | None]] = {item.id: (item, CHOSEN, None) for item in chosen}

    def is_added(item: StoredObject, reason: str, because: str) -> bool:
        if item.id in listed or not item.is_draft or not _can_be_published(item):
            return False
        if not folder_permitted(context, item.path):
            return False
        listed[item.id] = (item, reason, because)
        return True

    open_ = list(chosen)
    while open_:
        item = open_.pop()
        open_ += [one for one in await transaction.referred(item) if is_added(one, NEEDED, item.path)]
    for item in chosen:
        for referrer in await transaction.referrers(item.type, item.name):
            is_added(referrer, REFERS, item.path)
    return list(listed.values())


async def _orders(
    context: RequestContext, controller_ids: Sequence[str], items: Sequence[StoredObject]
) -> dict[tuple[str, str], int]:
    """How many orders of each workflow (by name) are at each Controller."""
    workflows = [item.name for item in items if item.type == ObjectType.WORKFLOW]
    table = live_orders.c
    query = (
        select(table.controller_id, table.workflow_path, func.count())
        .where(table.workflow_path.in_(workflows), table.controller_id.in_(controller_ids))
        .group_by(table.controller_id, table.workflow_path)
    )
    async with context.database.read() as connection:
        return {(row[0], row[1]): row[2] for row in await connection.execute(query)}


async def _published(
    context: RequestContext,
    item: StoredObject,
    reason: str,
    because: str | None,
    controller_ids: Sequence[str],
    orders: Mapping[tuple[str, str], int],
) -> PublishedObject:
    if item.type.is_deployable:
        newest: dict[str, Any] = {}
        for row in await context.services.get(Deployer).of_object(item.id):
            if row.state == DEPLOYED:
                newest.setdefault(row.controller_id, row)
        changes = [
            _at_controller(item, id_, newest.get(id_), orders.get((id_, item.name), 0)) for id_ in controller_ids
        ]
        published = any(row.operation == UPDATE for row in newest.values())
    else:
        release = (await context.services.get(Releases).of_objects([item.id])).get(item.id)
        before = None if release is None else release.content
        changes = [TargetChange(action=action_of(before, item.content), before=_decoded(before))]
        published = release is not None
    return PublishedObject(
        id=item.id,
        path=item.path,
        object_type=item.type.name,
        reason=reason,
        after=item.configuration,
        valid=item.valid,
        changes=changes,
        published=published,
        because=because,
        invalid_msg=item.invalid_message,
    )


def _at_controller(item: StoredObject, controller_id: str, row: Any, orders: int) -> TargetChange:
    is_there = row is not None and row.operation == UPDATE and row.name == item.name
    before = row.inv_content if is_there else None
    return TargetChange(
        action=action_of(before, item.content),
        controller_id=controller_id,
        commit_id=row.commit_id if is_there else None,
        before=_decoded(before),
        orders=orders,
    )


def action_of(before: str | None, after: str | None) -> str:
    """What publishing does to a text that is there already, or is not."""
    if before is None:
        return CREATE
    return SAME if before == after else CHANGE


def _decoded(content: str | None) -> Any:
    return None if content is None else decode(content)


ROUTES = [
    Route("/stellwerk/inventory/publishing", PublishingRequest, Publishing, "joc:inventory:view", False, preview),
]
