"""`/workflow/stop|unstop|skip|unskip|transition`, `/workflows/suspend|resume` (cockpit-api 2.3, Workflow commands)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ControllerObjectNotFound, FolderDenied, MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.orders import Place, position_or_label
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route
from stellwerk.cockpit.api.workflows import Folder, WorkflowId
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import folder_of, is_in_folder, name_of, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import names_of
from stellwerk.cockpit.inventory.types import ObjectType


class PositionsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_id: WorkflowId
    positions: list[Place]


class LabelsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_path: str
    labels: list[str]


class TransitionRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_id: WorkflowId


class WorkflowsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    workflow_paths: list[str] = []
    folders: list[Folder] = []
    workflow_tags: list[str] = []
    all: bool = False


async def workflow_paths(context: RequestContext, controller_id: str) -> dict[str, str]:
    """Name → inventory path of the workflows that are deployed to the Controller and that the caller may see."""
    deployed = await context.services.get(Deployer).current(controller_id, [ObjectType.WORKFLOW])
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    found = {item.name: paths.get(item.name, item.path) for item in deployed}
    return {name: path for name, path in found.items() if folder_permitted(context, path)}


async def _permitted(context: RequestContext, path: str) -> str:
    """The path as it was given. Raises `FolderDenied` if its workflow lies where the caller may not look."""
    paths = await context.services.get(Inventory).paths_of(ObjectType.WORKFLOW)
    full = paths.get(name_of(path), normalized(path))
    if not folder_permitted(context, full):
        raise FolderDenied(folder_of(full))
    return path


def _stop(summary: str, *, stopped: bool) -> Any:
    async def handler(context: RequestContext, request: PositionsRequest) -> Ok:
        places = [place for given in request.positions if (place := position_or_label(given, "positions"))]
        if not places:
            raise BadRequest("no positions given")
        await context.services.get(WorkflowControls).stop(
            request.controller_id,
            await _permitted(context, request.workflow_id.path),
            request.workflow_id.version_id or None,
            places,
            stopped=stopped,
        )
        return context.ok()

    handler.__doc__ = summary
    return handler


def _skip(summary: str, *, skipped: bool) -> Any:
    async def handler(context: RequestContext, request: LabelsRequest) -> Ok:
        if not request.labels:
            raise BadRequest("no labels given")
        path = await _permitted(context, request.workflow_path)
        controls = context.services.get(WorkflowControls)
        await controls.skip(request.controller_id, path, request.labels, skipped=skipped)
        return context.ok()

    handler.__doc__ = summary
    return handler


def _suspend(summary: str, *, suspended: bool) -> Any:
    async def handler(context: RequestContext, request: WorkflowsRequest) -> Ok:
        chosen = await _chosen(context, request)
        await context.services.get(WorkflowControls).suspend(request.controller_id, chosen, suspended=suspended)
        return context.ok()

    handler.__doc__ = summary
    return handler


async def _chosen(context: RequestContext, request: WorkflowsRequest) -> list[str]:
    """The workflows that a request means: all, else its paths, else those in its folders or with its tags."""
    paths = await workflow_paths(context, request.controller_id)
    if request.all:
        return list(paths)
    if request.workflow_paths:
        named = [name_of(await _permitted(context, path)) for path in request.workflow_paths]
        unknown = [name for name in named if name not in paths]
        if unknown:
            raise ControllerObjectNotFound(f"not deployed to Controller '{request.controller_id}': {unknown[0]}")
        return named
    if not request.folders and not request.workflow_tags:
        raise BadRequest("give workflowPaths, folders, workflowTags, or all")
    folders = [(normalized(entry.folder), entry.recursive) for entry in request.folders]
    tags, tagged = set(names_of(request.workflow_tags)), await context.services.get(Inventory).workflow_tags()
    return [
        name
        for name, path in paths.items()
        if (not folders or any(is_in_folder(path, folder, recursive=recursive) for folder, recursive in folders))
        and (not tags or not tags.isdisjoint(tagged.get(name, ())))
    ]


async def transition(context: RequestContext, request: TransitionRequest) -> Ok:
    """Transfer the orders of an old version of a workflow to its current version."""
    if not request.workflow_id.version_id:
        raise MissingParameter("versionId")
    path = await _permitted(context, request.workflow_id.path)
    controls = context.services.get(WorkflowControls)
    await controls.transfer_orders(request.controller_id, path, request.workflow_id.version_id)
    return context.ok()


_POSITIONS = "ctl:orders:manage_positions"


def _changing(path: str, request: type, permission: str, handler: Any) -> Route:
    return Route(path, request, Ok, permission, True, handler, category="CONTROLLER")


ROUTES = [
    _changing("/workflow/stop", PositionsRequest, _POSITIONS, _stop("Let orders stop at positions.", stopped=True)),
    _changing(
        "/workflow/unstop", PositionsRequest, _POSITIONS, _stop("Stop orders at positions no more.", stopped=False)
    ),
    _changing("/workflow/skip", LabelsRequest, _POSITIONS, _skip("Skip labelled instructions.", skipped=True)),
    _changing(
        "/workflow/unskip", LabelsRequest, _POSITIONS, _skip("Skip labelled instructions no more.", skipped=False)
    ),
    _changing("/workflow/transition", TransitionRequest, _POSITIONS, transition),
    _changing("/workflow/transfer", TransitionRequest, _POSITIONS, transition),
    _changing(
        "/workflows/suspend",
        WorkflowsRequest,
        "ctl:orders:suspend_resume",
        _suspend("Suspend workflows: their orders do not go on.", suspended=True),
    ),
    _changing(
        "/workflows/resume",
        WorkflowsRequest,
        "ctl:orders:suspend_resume",
        _suspend("Resume suspended workflows.", suspended=False),
    ),
]
