"""`/inventory/{rename,copy,replace,delete_draft,validate/path,path}` (cockpit-api 3, 7, 8; cockpit-services 1.5)."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory_life import NewPath
from stellwerk.cockpit.api.inventory_requests import (
    FolderRequest,
    ObjectFilter,
    ObjectFilters,
    find_object,
    folder_objects,
)
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.renaming import Renamer, resolved
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType


class RenameRequest(ObjectFilter, rename="camel"):
    new_path: str | None = None


class CopyRequest(RenameRequest, rename="camel"):
    suffix: str | None = None
    prefix: str | None = None
    shallow_copy: bool = False


class ReplaceRequest(msgspec.Struct, rename="camel"):
    objects: list[ObjectFilter]
    search: str
    replace: str = ""


class ReplaceFolderRequest(msgspec.Struct, rename="camel"):
    path: str
    search: str
    replace: str = ""


class ResponseItem(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    updated: list[dict[str, Any]]
    deleted: list[dict[str, Any]]


class PathRequest(msgspec.Struct, rename="camel"):
    name: str
    object_type: str


class PathAnswer(msgspec.Struct, frozen=True, rename="camel"):
    path: str
    delivery_date: str


def _new_path(context: RequestContext, item: StoredObject) -> NewPath:
    return NewPath(timestamp(context.now_ms()), item.id, item.path, item.type.name)


async def rename(context: RequestContext, request: RenameRequest) -> NewPath:
    """Give an object or a folder another name or place; drafts that refer to it follow."""
    item = await find_object(context, request)
    if not request.new_path:
        raise MissingParameter("newPath")
    renamer = context.services.get(Renamer)
    moved = await renamer.rename(item.id, request.new_path, partial(folder_permitted, context))
    return _new_path(context, moved)


async def copy(context: RequestContext, request: CopyRequest) -> NewPath:
    """Copy an object or a folder."""
    item = await find_object(context, request)
    if not request.new_path:
        raise MissingParameter("newPath")
    copied = await context.services.get(Renamer).copy(
        item.id,
        request.new_path,
        suffix=request.suffix,
        prefix=request.prefix,
        is_shallow=request.shallow_copy,
        permitted=partial(folder_permitted, context),
    )
    return _new_path(context, copied)


async def replace(context: RequestContext, request: ReplaceRequest) -> Ok:
    """Replace text in the names of objects."""
    ids = [(await find_object(context, item)).id for item in request.objects]
    permitted = partial(folder_permitted, context)
    await context.services.get(Renamer).replace(ids, request.search, request.replace, permitted)
    return context.ok()


async def replace_folder(context: RequestContext, request: ReplaceFolderRequest) -> Ok:
    """Replace text in the names of all objects of a folder and below it."""
    require_folder(context, names.normalized(request.path))
    ids = [item.id for item in await folder_objects(context, request.path, recursive=True)]
    permitted = partial(folder_permitted, context)
    await context.services.get(Renamer).replace(ids, request.search, request.replace, permitted)
    return context.ok()


async def delete_draft(context: RequestContext, request: ObjectFilters) -> ResponseItem:
    """Back to what was last deployed or released."""
    ids = [(await find_object(context, item)).id for item in request.objects]
    return await _reverted(context, ids, only_possible=len(ids) > 1)


async def delete_draft_folder(context: RequestContext, request: FolderRequest) -> ResponseItem:
    """The drafts of a folder back to what was last deployed or released."""
    require_folder(context, names.normalized(request.path))
    items = await folder_objects(context, request.path, recursive=request.recursive, types=request.types or None)
    ids = [item.id for item in items if item.type != ObjectType.FOLDER]
    return await _reverted(context, ids, only_possible=True)


async def _reverted(context: RequestContext, ids: list[int], *, only_possible: bool) -> ResponseItem:
    reverted = await context.services.get(Renamer).revert(ids, only_possible=only_possible)
    updated = [{"id": item.id, "path": item.path, "objectType": item.type.name} for item in reverted]
    return ResponseItem(timestamp(context.now_ms()), updated, [])


async def validate_path(context: RequestContext, request: RenameRequest) -> Ok:
    """Whether an object could be renamed so, or a new one be stored at `path`."""
    path = request.new_path or request.path
    if not path:
        raise MissingParameter("path")
    type_ = ObjectType.WORKFLOW if request.type is None else request.type
    async with context.services.get(Inventory).reading() as transaction:
        existing = None
        if request.new_path and request.id is not None:
            existing = await transaction.read_by_id(request.id)
        elif request.new_path and request.path:
            existing = await transaction.read(type_, request.path)
        target = names.normalized(path) if existing is None else resolved(path, existing.folder)
        await transaction.check_new_name(type_ if existing is None else existing.type, target, of=existing)
    return context.ok()


async def path_of_name(context: RequestContext, request: PathRequest) -> PathAnswer:
    """The full path of an object by its name."""
    item = await find_object(context, ObjectFilter(path=request.name, object_type=request.object_type))
    return PathAnswer(item.path, timestamp(context.now_ms()))


def _change(path: str, request: type, handler: Any, answer: Any) -> Route:
    return Route(path, request, answer, "joc:inventory:manage", True, handler, category="INVENTORY")


ROUTES = [
    _change("/inventory/rename", RenameRequest, rename, NewPath),
    _change("/inventory/copy", CopyRequest, copy, NewPath),
    _change("/inventory/replace", ReplaceRequest, replace, Ok),
    _change("/inventory/replace/folder", ReplaceFolderRequest, replace_folder, Ok),
    _change("/inventory/delete_draft", ObjectFilters, delete_draft, ResponseItem),
    _change("/inventory/delete_draft/folder", FolderRequest, delete_draft_folder, ResponseItem),
    Route("/inventory/validate/path", RenameRequest, Ok, "joc:inventory:manage", False, validate_path),
    Route("/inventory/path", PathRequest, PathAnswer, "joc:inventory:view", False, path_of_name),
]
