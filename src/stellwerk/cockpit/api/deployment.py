"""`/inventory/deployment/*`: to Controllers and back (cockpit-api 2.3, 7, 8).

Unlike the reference these calls are answered when each Controller has committed or refused: scripts learn of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import (
    AccessDenied,
    BadRequest,
    FolderDenied,
    MissingParameter,
    ObjectNotFound,
)
from stellwerk.cockpit.api.folders import require_folder
from stellwerk.cockpit.api.inventory_requests import (
    ObjectFilter,
    cancel_from,
    find_object,
    folder_objects,
    require_deployment,
)
from stellwerk.cockpit.api.inventory_transfer import uploaded_files
from stellwerk.cockpit.api.plan_renewal import NOW, renewed_plan
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.permissions import long_form
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import Deployed, deployed_of
from stellwerk.cockpit.deployment.remover import Remover
from stellwerk.cockpit.deployment.signed_archives import SignedArchives
from stellwerk.cockpit.deployment.undeployer import Undeployer
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.references import Reference, references_of
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import DEPLOYED, UPDATE
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import decode


class PublishItem(msgspec.Struct, rename="camel"):
    path: str
    object_type: str
    commit_id: str | None = None
    recursive: bool = False

    @property
    def type(self) -> ObjectType:
        """Raises `BadRequest` for what is not deployed."""
        type_ = ObjectType.of(self.object_type)
        if type_ != ObjectType.FOLDER and not type_.is_deployable:
            raise BadRequest(f"{self.path}: objects of type {type_.name} are not deployed")
        return type_


class Publish(msgspec.Struct, rename="camel"):
    configuration: PublishItem


class PublishStore(msgspec.Struct, rename="camel"):
    draft_configurations: list[Publish] = []
    deploy_configurations: list[Publish] = []


class PublishDelete(msgspec.Struct, rename="camel"):
    deploy_configurations: list[Publish] = []


class DeployRequest(msgspec.Struct, rename="camel"):
    controller_ids: list[str] = []
    store: PublishStore | None = None
    delete: PublishDelete | None = None
    add_orders_date_from: str | None = None
    include_late: bool = False
    cancel_orders_date_from: str | None = None


class RevokeRequest(msgspec.Struct, rename="camel"):
    controller_ids: list[str]
    deploy_configurations: list[Publish]
    cancel_orders_date_from: str | None = None


class RedeployRequest(msgspec.Struct, rename="camel"):
    controller_id: str


class SynchronizeRequest(RedeployRequest, rename="camel"):
    folder: str
    recursive: bool = False


class ImportDeployRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    signature_algorithm: str
    format: str | None = None
    filename: str | None = None
    target_folder: str | None = None


class DeploymentHistoryRequest(msgspec.Struct, rename="camel"):
    compact_filter: dict[str, Any] | None = None
    detail_filter: dict[str, Any] | None = None


def _require_controllers(context: RequestContext, controller_ids: Iterable[str]) -> None:
    if not controller_ids:
        raise MissingParameter("controllerIds")
    for controller_id in controller_ids:
        require_deployment(context, controller_id)


async def deploy(context: RequestContext, request: DeployRequest) -> Ok:
    """Deploy drafts, or deployed versions again, or remove deployed objects; each Controller is one transaction.

    `addOrdersDateFrom`: planned orders of the workflows are taken back from `now` or a date on, and planned again.
    """
    _require_controllers(context, request.controller_ids)
    if request.delete is not None:
        await _remove_deployed(context, request, request.delete)
    if request.store is None and request.delete is not None:
        return context.ok()
    selections = request.store or PublishStore()
    objects = {item.id: item for item in await _drafts(context, selections.draft_configurations)}
    for item in await _deployed_again(context, selections.deploy_configurations, request.controller_ids):
        objects.setdefault(item.id, item)
    permitted = _permitted(context, request.controller_ids, selections, list(objects.values()))
    async with renewed_plan(
        context,
        request.add_orders_date_from,
        controller_ids=request.controller_ids,
        workflows=_workflows(permitted),
        include_late=request.include_late,
    ):
        await context.services.get(Deployer).deploy(context.account, request.controller_ids, permitted)
    return context.ok()


def _workflows(items: Iterable[StoredObject | Deployed]) -> list[str]:
    return [item.name for item in items if item.type == ObjectType.WORKFLOW]


def _permitted(
    context: RequestContext, controller_ids: list[str], selections: PublishStore, objects: list[StoredObject]
) -> list[StoredObject]:
    """Of a folder, what may be seen (here and at each Controller); an object that is named must be so."""
    permissions = context.session.permissions
    named = {
        (one.configuration.type, names.name_of(one.configuration.path))
        for one in (*selections.draft_configurations, *selections.deploy_configurations)
    }
    permitted: list[StoredObject] = []
    for item in objects:
        if all(permissions.permits_folder(item.path, id_) for id_ in (None, *controller_ids)):
            permitted.append(item)
        elif (item.type, item.name) in named:
            raise FolderDenied(item.folder)
    return permitted


async def _drafts(context: RequestContext, entries: Iterable[Publish]) -> list[StoredObject]:
    """The inventory objects that are meant; a folder stands for all its valid deployable drafts."""
    found: list[StoredObject] = []
    named: dict[Reference, PublishItem] = {}
    for entry in entries:
        wanted = entry.configuration
        if wanted.type == ObjectType.FOLDER:
            items = await folder_objects(context, wanted.path, recursive=wanted.recursive)
            found += [item for item in items if item.type.is_deployable and item.valid and not item.deployed]
        else:
            named[Reference(wanted.type, names.name_of(wanted.path))] = wanted
    objects = await context.services.get(Inventory).named(named)
    for reference, wanted in named.items():
        item = objects.get(reference)
        if item is None:  # says so
            item = await find_object(context, ObjectFilter(path=wanted.path, object_type=wanted.object_type))
        require_folder(context, item.path)
        found.append(item)
    return found


async def _deployed_again(
    context: RequestContext, entries: list[Publish], controller_ids: list[str]
) -> list[StoredObject]:
    """Deployed versions (the last, or that of a commit id) as they were, to be deployed again."""
    inventory = context.services.get(Inventory)
    found: dict[int, StoredObject] = {}
    for item in await _deployed(context, entries, controller_ids):
        if item.inv_cid is not None and item.inv_cid not in found:
            stored = await inventory.read_by_id(item.inv_cid)
            found[stored.id] = msgspec.structs.replace(stored, content=item.inv_content, valid=True)
    return list(found.values())


async def _deployed(
    context: RequestContext, entries: Iterable[Publish], controller_ids: Iterable[str]
) -> list[Deployed]:
    """What of the entries is deployed at the Controllers; raises `ObjectNotFound` for an object that is at none."""
    deployer = context.services.get(Deployer)
    wanted_controllers = set(controller_ids)
    current = [item for item in await deployer.current() if item.controller_id in wanted_controllers]
    found: dict[int, Deployed] = {}
    for entry in entries:
        wanted = entry.configuration
        if wanted.type == ObjectType.FOLDER:
            folder = names.normalized(wanted.path)
            chosen = [
                item
                for item in current
                if names.is_in_folder(item.path, folder, recursive=wanted.recursive)
                and context.session.permissions.permits_folder(item.path, item.controller_id)
            ]
        else:
            chosen = await _versions_of(context, wanted, current, wanted_controllers)
        found |= {item.id: item for item in chosen}
    return list(found.values())


async def _versions_of(
    context: RequestContext, wanted: PublishItem, current: list[Deployed], controller_ids: set[str]
) -> list[Deployed]:
    name = names.name_of(wanted.path)
    if wanted.commit_id is None:
        chosen = [item for item in current if item.type == wanted.type and item.name == name]
    else:
        stored = await find_object(context, ObjectFilter(path=wanted.path, object_type=wanted.object_type))
        rows = await context.services.get(Deployer).of_object(stored.id)
        versions = [deployed_of(row) for row in rows if row.commit_id == wanted.commit_id and row.operation == UPDATE]
        chosen = [item for item in versions if item.controller_id in controller_ids] or versions
    if not chosen:
        raise ObjectNotFound(f"Couldn't find a deployment of '{wanted.path}'")
    for item in chosen:
        require_folder(context, item.path, item.controller_id)
    return chosen


async def _remove_deployed(context: RequestContext, request: DeployRequest, delete: PublishDelete) -> None:
    """From these Controllers; into the trash what is at no other Controller (cockpit-api 2.3)."""
    items = await _deployed(context, delete.deploy_configurations, request.controller_ids)
    if not items:
        raise BadRequest("there is nothing to delete: nothing of it is deployed at these Controllers")
    cancel = cancel_from(context, request.cancel_orders_date_from)
    async with renewed_plan(
        context,
        request.cancel_orders_date_from,
        controller_ids=request.controller_ids,
        workflows=_workflows(items),
        include_late=True,
    ):
        await context.services.get(Undeployer).undeploy(context.account, items, cancel_from_ms=cancel)
    elsewhere = await context.services.get(Deployer).deployed_ids()
    inventory = context.services.get(Inventory)
    ids = {item.inv_cid for item in items if item.inv_cid is not None} - elsewhere
    objects = [await inventory.read_by_id(id_) for id_ in sorted(ids)]
    await context.services.get(Remover).remove(
        context.account, objects, cancel_from_ms=None, require_controller=partial(require_deployment, context)
    )


async def revoke(context: RequestContext, request: RevokeRequest) -> Ok:
    """Delete deployed objects from Controllers; they stay in the inventory as drafts.

    Orders of the workflows that have not started are cancelled and taken out of the plan, from `cancelOrdersDateFrom`
    on if it is given.
    """
    _require_controllers(context, request.controller_ids)
    items = await _deployed(context, request.deploy_configurations, request.controller_ids)
    if not items:
        raise BadRequest("there is nothing to revoke: nothing of it is deployed at these Controllers")
    first = request.cancel_orders_date_from or NOW
    async with renewed_plan(
        context, first, controller_ids=request.controller_ids, workflows=_workflows(items), include_late=True
    ):
        cancel = cancel_from(context, first)
        await context.services.get(Undeployer).undeploy(context.account, items, cancel_from_ms=cancel)
    return context.ok()


async def redeploy(context: RequestContext, request: RedeployRequest) -> Ok:
    """Sign and send all that is deployed to a Controller again, as it was deployed last."""
    await _send_again(context, request.controller_id, lambda item: True)
    return context.ok()


async def synchronize(context: RequestContext, request: SynchronizeRequest) -> Ok:
    """Send again what of a folder is deployed and not at the Controller, with what it refers to.

    Of objects other than workflows the Cockpit does not know whether a Controller has them: they are sent again, too.
    """
    folder = names.normalized(request.folder)
    require_folder(context, folder, request.controller_id)
    known = await context.services.get(WorkflowControls).known(request.controller_id)
    present = {name for name, _ in known.versions}
    await _send_again(
        context,
        request.controller_id,
        lambda item: (
            names.is_in_folder(item.path, folder, recursive=request.recursive)
            and (item.type != ObjectType.WORKFLOW or item.name not in present)
        ),
    )
    return context.ok()


async def _send_again(context: RequestContext, controller_id: str, is_wanted: Callable[[Deployed], bool]) -> None:
    """Nothing is done if nothing is wanted."""
    require_deployment(context, controller_id)
    deployer = context.services.get(Deployer)
    current = {(item.type, item.name): item for item in await deployer.current(controller_id)}
    permits = context.session.permissions.permits_folder
    chosen = {key: item for key, item in current.items() if is_wanted(item) and permits(item.path, item.controller_id)}
    for item in list(chosen.values()):
        for reference in references_of(item.type, decode(item.inv_content)):
            key = (reference.type, reference.name)
            if key in current:
                chosen[key] = current[key]
    if chosen:
        await deployer.deploy_again(context.account, controller_id, list(chosen.values()))


async def deploy_plan_calendar(context: RequestContext, request: NoRequest) -> Ok:
    """Tell all Controllers when the day of the daily plan begins, after that setting has been changed."""
    for controller_id in await context.services.get(ControllerConnections).registered():
        await context.services.get(Deployer).deploy_plan_calendar(controller_id)
    return context.ok()


async def import_deploy(context: RequestContext, request: ImportDeployRequest) -> Ok:
    """Deploy an archive that was exported for signing and signed elsewhere: at security level HIGH only.

    Objects are known by their names, wherever the archive or `targetFolder` puts them.
    """
    require_deployment(context, request.controller_id)
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    archives = context.services.get(SignedArchives)
    archives.require_level()
    files = await asyncio.to_thread(uploaded_files, upload, request.format, request.filename)
    await archives.deploy(
        context.account,
        request.controller_id,
        files,
        request.signature_algorithm,
        permitted=lambda path: context.session.permissions.permits_folder(path, request.controller_id),
    )
    return context.ok()


async def deployment_history(context: RequestContext, request: DeploymentHistoryRequest) -> dict[str, Any]:
    """Deployments, newest first: of one Controller, one object, one commit."""
    filters = {**(request.compact_filter or {}), **(request.detail_filter or {})}
    controller_id = filters.get("controllerId") or None
    if not context.session.permissions.allows_for_any_controller("ctl:deployment:view"):
        raise AccessDenied(long_form("ctl:deployment:view"))
    rows = await context.services.get(Deployer).history(
        controller_id=controller_id, commit_id=filters.get("commitId"), limit=int(filters.get("limit") or 5000)
    )
    allowed = context.session.permissions.allows
    return {
        "deliveryDate": timestamp(context.now_ms()),
        "depHistory": [
            {
                "account": row.account,
                "commitId": row.commit_id,
                "controllerId": row.controller_id,
                "deploymentDate": timestamp(row.deployment_date),
                "deploymentId": row.id,
                "deployType": ObjectType(row.type).name,
                "path": row.path,
                "folder": row.folder,
                "operation": "UPDATE" if row.operation == UPDATE else "DELETE",
                "state": "DEPLOYED" if row.state == DEPLOYED else "NOT_DEPLOYED",
                **({"invConfigurationId": row.inv_cid} if row.inv_cid is not None else {}),
                **({"errorMessage": row.error_message} if row.error_message else {}),
            }
            for row in rows
            if allowed("ctl:deployment:view", row.controller_id)
            and context.session.permissions.permits_folder(row.path, row.controller_id)
        ],
    }


_DEPLOY = "joc:inventory:deploy"

ROUTES = [
    Route("/inventory/deployment/deploy", DeployRequest, Ok, _DEPLOY, True, deploy, category="DEPLOYMENT"),
    Route("/inventory/deployment/revoke", RevokeRequest, Ok, _DEPLOY, True, revoke, category="DEPLOYMENT"),
    Route("/inventory/deployment/redeploy", RedeployRequest, Ok, _DEPLOY, True, redeploy, category="DEPLOYMENT"),
    Route(
        "/inventory/deployment/synchronize", SynchronizeRequest, Ok, _DEPLOY, True, synchronize, category="DEPLOYMENT"
    ),
    Route(
        "/inventory/deployment/import_deploy",
        ImportDeployRequest,
        Ok,
        _DEPLOY,
        True,
        import_deploy,
        category="DEPLOYMENT",
        form=True,
    ),
    Route(
        "/daily_plan/calendar/deploy",
        NoRequest,
        Ok,
        "joc:administration:settings:manage",
        True,
        deploy_plan_calendar,
        category="DEPLOYMENT",
    ),
    Route(
        "/inventory/deployment/history",
        DeploymentHistoryRequest,
        dict[str, Any],
        "ctl:deployment:view",
        False,
        deployment_history,
    ),
]
