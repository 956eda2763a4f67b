"""Views of inventory and trash: tree, search, references, statistics (cockpit-api 3, 7, 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory import state_of
from stellwerk.cockpit.api.inventory_requests import (
    FolderRequest,
    ObjectFilter,
    folder_list,
    folder_objects,
    require_named,
)
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.documentations.store import Documentations
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import ListedObject, StoredObject
from stellwerk.cockpit.inventory.search import MINIMUM_LENGTH, matches, matches_advanced, quick_matches
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import names_of
from stellwerk.cockpit.inventory.trash import Trash, TrashedObject
from stellwerk.cockpit.inventory.types import CALENDARS, FOLDER_MEMBERS, ObjectType

#: Contents that are looked into without a pause.
_AT_ONCE = 100


class TreeFolder(msgspec.Struct, rename="camel"):
    folder: str
    recursive: bool = False


class TreeRequest(msgspec.Struct, rename="camel"):
    types: list[str] = []
    folders: list[TreeFolder] = []
    controller_id: str | None = None
    only_valid_objects: bool = False
    for_inventory: bool = False
    for_inventory_trash: bool = False


class SearchRequest(msgspec.Struct, rename="camel"):
    return_type: str
    search: str | None = None
    folders: list[str] = []
    tags: list[str] = []
    advanced: dict[str, Any] | None = None
    deployed_or_released: bool = False
    undeployed_or_unreleased: bool = False
    valid: bool | None = None
    controller_id: str | None = None


class QuickSearchRequest(msgspec.Struct, rename="camel"):
    search: str
    token: str | None = None
    quit: bool = False
    return_types: list[str] = []


class ReferencesRequest(msgspec.Struct, rename="camel"):
    path: str
    object_types: list[str] = []


class DependencyItem(msgspec.Struct, rename="camel"):
    name: str
    type: str


class DependenciesRequest(msgspec.Struct, rename="camel"):
    configurations: list[DependencyItem]
    operation_type: str | None = None


class ControllerRequest(msgspec.Struct, rename="camel"):
    controller_id: str | None = None


def _types(names_: Iterable[str]) -> list[ObjectType]:
    """Object types of a search; `CALENDAR` is both kinds."""
    result: list[ObjectType] = []
    for name in names_:
        result += CALENDARS if name == "CALENDAR" else (ObjectType.of(name),)
    return result


# --- tree -------------------------------------------------------------------------------------------------------------


async def tree(context: RequestContext, request: TreeRequest) -> dict[str, Any]:
    """The folders of the inventory, of the trash, or those with objects of some types, as a tree."""
    if request.for_inventory or request.for_inventory_trash:
        context.require("joc:inventory:view")
    kinds = {name for name in request.types if name not in ("INVENTORY", "FOLDER", "DOCUMENTATION")}
    if request.for_inventory_trash:
        trash = context.services.get(Trash)
        found: list[TrashedObject] | list[ListedObject] = await trash.in_folder("/", recursive=True)
    else:
        found = await context.services.get(Inventory).listed("/", recursive=True)
    if request.types == ["DOCUMENTATION"]:
        return {
            "deliveryDate": timestamp(context.now_ms()),
            "folders": _nested(await _of_documentations(context, request)),
        }
    wanted = set(_types(kinds))
    paths: dict[str, bool] = {"/": False}
    for item in found:
        is_folder = item.type == ObjectType.FOLDER
        if not folder_permitted(context, item.path) or (is_folder and wanted and not request.for_inventory):
            continue
        if wanted and not is_folder and item.type not in wanted:
            continue
        if request.only_valid_objects and not item.valid:
            continue
        for parent in names.parents_of(item.path):
            paths.setdefault(parent, False)
        if is_folder:
            paths[item.path] = getattr(item, "deleted", False)
    if request.folders:
        paths = {path: flag for path, flag in paths.items() if _is_asked_for(path, request.folders)}
    return {"deliveryDate": timestamp(context.now_ms()), "folders": _nested(paths)}


async def _of_documentations(context: RequestContext, request: TreeRequest) -> dict[str, bool]:
    """The folders with documentations."""
    context.require("joc:documentations:view")
    paths: dict[str, bool] = {"/": False}
    for item in await context.services.get(Documentations).all():
        if folder_permitted(context, item.path):
            paths |= dict.fromkeys(names.parents_of(item.path), False)
    return {path: flag for path, flag in paths.items() if not request.folders or _is_asked_for(path, request.folders)}


def _is_asked_for(path: str, folders: Iterable[TreeFolder]) -> bool:
    """A folder, those above it, and with `recursive` those below it."""
    for entry in folders:
        folder = names.normalized(entry.folder)
        if path == folder or folder.startswith("/" if path == "/" else path + "/"):
            return True
        if entry.recursive and path.startswith("/" if folder == "/" else folder + "/"):
            return True
    return False


def _nested(paths: dict[str, bool]) -> list[dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {}
    top: list[dict[str, Any]] = []
    for path in sorted(paths):
        name = "" if path == "/" else names.name_of(path)
        node = nodes[path] = {"path": path, "name": name, "deleted": paths[path], "permitted": True, "folders": []}
        parent = nodes.get(names.folder_of(path)) if path != "/" else None
        (top if parent is None else parent["folders"]).append(node)
    return top


# --- trash ------------------------------------------------------------------------------------------------------------


async def read_trash_folder(context: RequestContext, request: FolderRequest) -> dict[str, Any]:
    """What has been removed from a folder, by type."""
    folder = names.normalized(request.path)
    require_folder(context, folder)
    trash = context.services.get(Trash)
    items = [
        item
        for item in await trash.in_folder(folder, recursive=request.recursive, types=request.types or None)
        if folder_permitted(context, item.path) and (item.valid or not request.only_valid_objects)
    ]
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms()), "path": folder}
    for member, types in FOLDER_MEMBERS.items():
        answer[member] = [_trash_item(item) for item in items if item.type in types]
    return answer


def _trash_item(item: TrashedObject) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": item.id,
        "path": item.path,
        "name": item.name,
        "objectType": item.type.name,
        "valid": item.valid,
        "deleted": True,
        "modified": timestamp(item.modified),
    }
    return result if item.title is None else {**result, "title": item.title}


async def read_trash_configuration(context: RequestContext, request: ObjectFilter) -> dict[str, Any]:
    """One removed object with its content."""
    require_named(request)
    item = await context.services.get(Trash).find(request.type, request.path, request.id)
    require_folder(context, item.path)
    return {
        **_trash_item(item),
        "configuration": item.configuration,
        "configurationDate": timestamp(item.modified),
        "deliveryDate": timestamp(context.now_ms()),
    }


# --- search -----------------------------------------------------------------------------------------------------------


async def search(context: RequestContext, request: SearchRequest) -> dict[str, Any]:
    """Objects of a type by name or title, folder, state, and what is in them."""
    types = _types([request.return_type])
    deployed = await context.services.get(Deployer).deployed_ids()
    released = await context.services.get(Releases).ids()
    folders = [names.normalized(folder) for folder in request.folders]
    tags = set(names_of(request.tags))
    tagged = await context.services.get(Inventory).workflow_tags() if tags else {}
    results = []
    # Contents are read only where they are looked into.
    read = folder_objects if request.advanced else folder_list
    for number, item in enumerate(await read(context, "/", recursive=True, types=types)):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        is_published = item.deployed or item.released
        if (
            (folders and not any(names.is_in_folder(item.path, folder, recursive=True) for folder in folders))
            or (tags and (item.type != ObjectType.WORKFLOW or tags.isdisjoint(tagged.get(item.name, ()))))
            or not matches(request.search, item.name, item.title)
            or (request.valid is not None and item.valid != request.valid)
            or (request.deployed_or_released and not is_published)
            or (request.undeployed_or_unreleased and is_published)
            or (request.advanced and not _has(item, request.advanced))
        ):
            continue
        results.append(
            {
                **_base(item),
                "id": item.id,
                **({} if item.title is None else {"title": item.title}),
                "valid": item.valid,
                "deleted": item.deleted,
                "deployed": item.deployed,
                "released": item.released,
                "hasDeployments": item.id in deployed,
                "hasReleases": item.id in released,
                "permitted": True,
            }
        )
    return {"deliveryDate": timestamp(context.now_ms()), "results": results}


def _has(item: ListedObject, wanted: dict[str, Any]) -> bool:
    return isinstance(item, StoredObject) and matches_advanced(item.type, item.configuration, wanted)


def _base(item: ListedObject) -> dict[str, Any]:
    return {"path": item.path, "name": item.name, "objectType": item.type.name}


async def quick_search(context: RequestContext, request: QuickSearchRequest) -> dict[str, Any]:
    """Names that begin with a text, as people type it; `*` and `?` are wildcards.

    The token of the former answer is only echoed: each search is fast enough by itself.
    """
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms()), "token": request.token or "-", "results": []}
    if request.quit:
        return answer
    if len(request.search) < MINIMUM_LENGTH:
        raise BadRequest(f"search: give at least {MINIMUM_LENGTH} characters")
    found = await folder_list(context, "/", recursive=True, types=_types(request.return_types) or None)
    objects = [item for item in found if item.type != ObjectType.FOLDER]
    answer["results"] = [_base(item) for item in quick_matches(request.search, objects)]
    return answer


# --- references -------------------------------------------------------------------------------------------------------


async def references(context: RequestContext, request: ReferencesRequest) -> dict[str, Any]:
    """The objects that refer to an object (`objectType` in the address), with their content, by type."""
    type_ = ObjectType.of(context.path_parameters["objectType"].upper())
    wanted = set(_types(request.object_types))
    async with context.services.get(Inventory).reading() as transaction:
        item = await transaction.read(type_, request.path)
        require_folder(context, item.path)
        referrers = await transaction.referrers(type_, item.name)
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms())}
    shown = {"noticeBoards": "boards"}
    for member, types in FOLDER_MEMBERS.items():
        found = [
            {**(referrer.configuration or {}), "path": referrer.path, "name": referrer.name}
            for referrer in referrers
            if referrer.type in types
            and (not wanted or referrer.type in wanted)
            and folder_permitted(context, referrer.path)
        ]
        if found:
            answer[shown.get(member, member)] = found
    return answer


async def dependencies(context: RequestContext, request: DependenciesRequest) -> dict[str, Any]:
    """The objects, what they refer to and what refers to them, all the way; what is not published is enforced."""
    deployed = await context.services.get(Deployer).deployed_ids()
    released = await context.services.get(Releases).ids()
    requested: list[int] = []
    objects: dict[int, tuple[StoredObject, list[StoredObject], list[StoredObject]]] = {}
    async with context.services.get(Inventory).reading() as transaction:
        open_: list[StoredObject] = []
        for wanted in request.configurations:
            item = await transaction.read(ObjectType.of(wanted.type), wanted.name)
            require_folder(context, item.path)
            requested.append(item.id)
            open_.append(item)
        while open_:
            item = open_.pop()
            if item.id in objects:
                continue
            referred = [each for each in await transaction.referred(item) if folder_permitted(context, each.path)]
            referrers = await transaction.referrers(item.type, item.name)
            referrers = [each for each in referrers if folder_permitted(context, each.path)]
            objects[item.id] = (item, referred, referrers)
            open_ += referred + referrers
    answer = {}
    for id_, (item, referred, referrers) in objects.items():
        answer[str(id_)] = {
            **_base(item),
            "id": id_,
            "state": state_of(item, id_ in deployed, id_ in released),
            "valid": item.valid,
            "deleted": item.deleted,
            "deployed": item.deployed,
            "released": item.released,
            "hasDeployments": id_ in deployed,
            "hasReleases": id_ in released,
            "references": [each.id for each in referred],
            "referencedBy": [each.id for each in referrers],
            "enforcedReferences": [each.id for each in referred if each.is_draft],
            "enforcedReferencedBy": [each.id for each in referrers if each.is_draft and item.is_draft],
        }
    return {"deliveryDate": timestamp(context.now_ms()), "requestedItems": requested, "objects": answer}


async def statistics(context: RequestContext, request: ControllerRequest) -> dict[str, Any]:
    """How many objects of each type the account may see."""
    now = timestamp(context.now_ms())
    items = await folder_list(context, "/", recursive=True)
    answer: dict[str, Any] = {"deliveryDate": now, "surveyDate": now}
    for member, types in FOLDER_MEMBERS.items():
        if member not in ("jobClasses", "deploymentDescriptors"):
            name = f"numOf{member[0].upper()}{member[1:]}"
            answer[name] = sum(item.type in types for item in items)
    answer["numOfJobs"] = 0
    workflows = await folder_objects(context, "/", recursive=True, types=[ObjectType.WORKFLOW])
    for number, item in enumerate(workflows):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        content = item.configuration
        answer["numOfJobs"] += len(content.get("jobs") or {}) if isinstance(content, dict) else 0
    return answer


def _view(path: str, request: type, handler: Any, permission: str | None = "joc:inventory:view") -> Route:
    return Route(path, request, dict[str, Any], permission, False, handler)


ROUTES = [
    _view("/tree", TreeRequest, tree, None),
    _view("/inventory/trash/read/folder", FolderRequest, read_trash_folder),
    _view("/inventory/trash/read/configuration", ObjectFilter, read_trash_configuration),
    _view("/inventory/search", SearchRequest, search),
    _view("/inventory/quick/search", QuickSearchRequest, quick_search),
    _view("/inventory/{objectType}/references", ReferencesRequest, references),
    _view("/inventory/dependencies", DependenciesRequest, dependencies),
    _view("/inventory/statistics", ControllerRequest, statistics),
]
