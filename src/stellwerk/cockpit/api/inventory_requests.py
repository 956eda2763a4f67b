"""What requests about inventory objects share: how they name objects and folders, and how these are found."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.routes import RequestContext
from stellwerk.cockpit.deployment.undeployer import ALL_FRESH
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.rows import ListedObject, StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType

_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")


class ObjectFilter(msgspec.Struct, rename="camel"):
    """One object: by id, or by path and type (RequestFilter_Common2)."""

    id: int | None = None
    path: str | None = None
    object_type: str | None = None
    recursive: bool = False

    @property
    def type(self) -> ObjectType | None:
        return None if self.object_type is None else ObjectType.of(self.object_type)


class ObjectFilters(msgspec.Struct, rename="camel"):
    objects: list[ObjectFilter]
    cancel_orders_date_from: str | None = None


class FolderRequest(msgspec.Struct, rename="camel"):
    """A folder (RequestFolder_Common)."""

    path: str
    recursive: bool = False
    object_types: list[str] = []
    only_valid_objects: bool = False
    controller_id: str | None = None

    @property
    def types(self) -> list[ObjectType]:
        return [ObjectType.of(name) for name in self.object_types]


def require_named(request: ObjectFilter) -> None:
    """Refuse a request that names no object."""
    if request.id is None:
        if request.path is None:
            raise MissingParameter("path")
        if request.object_type is None:
            raise MissingParameter("objectType")


async def find_object(context: RequestContext, request: ObjectFilter) -> StoredObject:
    """The object that a request means. Raises `ApiError`."""
    require_named(request)
    inventory = context.services.get(Inventory)
    if request.id is not None:
        item = await inventory.read_by_id(request.id)
    else:
        item = await inventory.read(ObjectType.of(request.object_type or ""), request.path or "")
    require_folder(context, item.path)
    return item


async def folder_objects(
    context: RequestContext, path: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
) -> list[StoredObject]:
    """The objects of a folder that the account may see."""
    found = await context.services.get(Inventory).in_folder(path, recursive=recursive, types=types)
    return [item for item in found if folder_permitted(context, item.path)]


async def folder_list(
    context: RequestContext, path: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
) -> list[ListedObject]:
    """As `folder_objects`, without contents."""
    found = await context.services.get(Inventory).listed(path, recursive=recursive, types=types)
    return [item for item in found if folder_permitted(context, item.path)]


async def folder_with_contents(context: RequestContext, path: str) -> list[StoredObject]:
    """A folder and all that is below it, for what is done to it as a whole."""
    path = names.normalized(path)
    if path == "/":
        raise BadRequest("this is not possible with the root folder")
    require_folder(context, path)
    folder = await context.services.get(Inventory).read(ObjectType.FOLDER, path)
    contents = await context.services.get(Inventory).in_folder(path, recursive=True)
    for item in contents:
        require_folder(context, item.path)
    return [folder, *contents]


def require_deployment(context: RequestContext, controller_id: str) -> None:
    """Refuse with 403 what changes a Controller unless the account may deploy there."""
    context.require("ctl:deployment:deploy", controller_id)


def cancel_from(context: RequestContext, text: str | None) -> int | None:
    """`cancelOrdersDateFrom`: `now` (all orders that have not started) or a day. Raises `BadRequest`."""
    if not text:
        return None
    if text == "now":
        return ALL_FRESH
    if not _DAY.match(text):
        raise BadRequest(f"cancelOrdersDateFrom: {text!r} is neither 'now' nor a date yyyy-MM-dd")
    return instant_ms(text, context.now_ms())
