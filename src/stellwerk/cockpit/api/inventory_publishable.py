"""What can be deployed or released, and its versions: `/inventory/{deployable,releasable}[s]` (cockpit-api 3, 7, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory import IN_SYNC, NOT_DEPLOYED
from stellwerk.cockpit.api.inventory_requests import ObjectFilter, find_object, folder_list
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.releases import Released, Releases
from stellwerk.cockpit.inventory.rows import ListedObject
from stellwerk.cockpit.inventory.transaction import DEPLOYED, UPDATE
from stellwerk.cockpit.inventory.types import DEPLOYABLE, RELEASABLE, ObjectType


class PublishableFilter(ObjectFilter, rename="camel"):
    only_valid_objects: bool = False
    without_drafts: bool = False
    without_deployed: bool = False
    without_released: bool = False
    latest: bool = False
    controller_id: str | None = None


class PublishablesFilter(msgspec.Struct, rename="camel"):
    folder: str
    recursive: bool = False
    object_types: list[str] = []
    only_valid_objects: bool = False
    with_removed_objects: bool = False
    without_drafts: bool = False
    without_deployed: bool = False
    without_released: bool = False
    latest: bool = False
    controller_id: str | None = None


async def deployables(context: RequestContext, request: PublishablesFilter) -> dict[str, Any]:
    """The deployable objects of a folder with their deployments, folders nested."""
    types = {ObjectType.of(name) for name in request.object_types} & DEPLOYABLE or DEPLOYABLE
    items = await _items(context, request, types)
    versions = await context.services.get(Deployer).versions_of([item.id for item in items])
    found = {item.id: _deployable(item, versions.get(item.id, []), request) for item in items}
    return _tree(context, request, items, found, "deployables")


async def deployable(context: RequestContext, request: PublishableFilter) -> dict[str, Any]:
    """One deployable object with its deployments."""
    item = await find_object(context, request)
    versions = await context.services.get(Deployer).versions_of([item.id])
    entry = _deployable(item, versions.get(item.id, []), request)
    return {"deliveryDate": timestamp(context.now_ms()), "deployable": entry or _entry(item)}


async def releasables(context: RequestContext, request: PublishablesFilter) -> dict[str, Any]:
    """The releasable objects of a folder with their releases, folders nested."""
    types = {ObjectType.of(name) for name in request.object_types} & RELEASABLE or RELEASABLE
    items = await _items(context, request, types)
    copies = await context.services.get(Releases).of_objects()
    found = {item.id: _releasable(item, copies.get(item.id), request) for item in items}
    return _tree(context, request, items, found, "releasables")


async def releasable(context: RequestContext, request: PublishableFilter) -> dict[str, Any]:
    """One releasable object with its release."""
    item = await find_object(context, request)
    copies = await context.services.get(Releases).of_objects([item.id])
    entry = _releasable(item, copies.get(item.id), request)
    return {"deliveryDate": timestamp(context.now_ms()), "releasable": entry or _entry(item)}


async def _items(context: RequestContext, request: PublishablesFilter, types: Any) -> list[ListedObject]:
    require_folder(context, names.normalized(request.folder))
    items = await folder_list(context, request.folder, recursive=request.recursive)
    return [
        item
        for item in items
        if item.type == ObjectType.FOLDER or (item.type in types and (item.valid or not request.only_valid_objects))
    ]


def _entry(item: ListedObject) -> dict[str, Any]:
    return {
        "id": item.id,
        "folder": item.folder,
        "objectName": item.name,
        "objectType": item.type.name,
        "valid": item.valid,
        "deleted": item.deleted,
    }


def _deployable(
    item: ListedObject, rows: Sequence[Any], request: PublishableFilter | PublishablesFilter
) -> dict[str, Any] | None:
    """None if nothing of it is asked for. `rows`: its deployments, newest first."""
    rows = [row for row in rows if row.state == DEPLOYED]
    if request.controller_id:
        rows = [row for row in rows if row.controller_id == request.controller_id]
    versions: list[dict[str, Any]] = []
    if item.is_draft and not request.without_drafts:
        versions.append({"id": item.id, "versionDate": timestamp(item.modified), "versions": []})
    if not request.without_deployed:
        versions += _versions(item, rows[:1] if request.latest else rows)
    if not versions:
        return None
    return {
        **_entry(item),
        "deployed": item.deployed,
        "syncState": IN_SYNC if item.deployed else NOT_DEPLOYED,
        "deployablesVersions": versions,
    }


def _versions(item: ListedObject, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of one commit at several Controllers are one version."""
    by_commit: dict[tuple[str, int], list[Any]] = {}
    for row in rows:
        by_commit.setdefault((row.commit_id, row.operation), []).append(row)
    return [
        {
            "id": item.id,
            "commitId": commit_id,
            "deploymentId": group[0].id,
            "deploymentPath": group[0].path,
            "deploymentOperation": "update" if operation == UPDATE else "delete",
            "versionDate": timestamp(group[0].deployment_date),
            "versions": [
                {
                    "deploymentId": row.id,
                    "path": row.path,
                    "controllerId": row.controller_id,
                    "version": row.commit_id,
                    "deploymentDate": timestamp(row.deployment_date),
                }
                for row in group
            ],
        }
        for (commit_id, operation), group in by_commit.items()
    ]


def _releasable(
    item: ListedObject, copy: Released | None, request: PublishableFilter | PublishablesFilter
) -> dict[str, Any] | None:
    versions: list[dict[str, Any]] = []
    if item.is_draft and not request.without_drafts:
        versions.append({"id": item.id, "versionDate": timestamp(item.modified)})
    if copy is not None and not request.without_released:
        released = {"id": item.id, "releaseId": copy.id, "releasePath": copy.path}
        versions.append({**released, "versionDate": timestamp(copy.modified)})
    if not versions:
        return None
    return {**_entry(item), "released": item.released, "releasableVersions": versions}


def _tree(
    context: RequestContext,
    request: PublishablesFilter,
    items: Sequence[ListedObject],
    entries: dict[int, dict[str, Any] | None],
    member: str,
) -> dict[str, Any]:
    """Folders with what is in them; below a folder that is not recursive only the names of its folders."""
    top = names.normalized(request.folder)

    def node(path: str) -> dict[str, Any]:
        return {"name": names.name_of(path), "path": path, "folders": [], member: []}

    nodes = {top: node(top)}
    for item in items:  # folders come before what is in them
        if item.type == ObjectType.FOLDER and folder_permitted(context, item.path):
            nodes[item.path] = node(item.path)
            parent = nodes.get(item.folder)
            if parent is not None:
                parent["folders"].append(nodes[item.path])
    for item in items:
        entry = entries.get(item.id)
        holder = nodes.get(item.folder)
        if item.type != ObjectType.FOLDER and entry is not None and holder is not None:
            holder[member].append(entry)
    return {"deliveryDate": timestamp(context.now_ms()), **nodes[top]}


def _view(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, dict[str, Any], "joc:inventory:view", False, handler)


ROUTES = [
    _view("/inventory/deployables", PublishablesFilter, deployables),
    _view("/inventory/deployable", PublishableFilter, deployable),
    _view("/inventory/releasables", PublishablesFilter, releasables),
    _view("/inventory/releasable", PublishableFilter, releasable),
]
