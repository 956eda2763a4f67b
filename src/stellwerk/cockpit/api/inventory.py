"""`/inventory/*`: store, read and deploy what people write (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import first_json_value
from stellwerk.cockpit.api.errors import AccessDenied, BadRequest, FolderDenied, MissingParameter, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, is_above_permitted, require_folder
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.permissions import long_form
from stellwerk.cockpit.deployment.deployer import Deployed, Deployer, deployed_of, select_objects
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.store import DEPLOYED, UPDATE, Inventory, StoredObject
from stellwerk.cockpit.inventory.types import FOLDER_MEMBERS, ObjectType
from stellwerk.cockpit.inventory.validation import describe, find_problems
from stellwerk.language.inventory import Target
from stellwerk.values.json import decode

_IN_SYNC = {"_text": "IN_SYNC", "severity": 6}
_NOT_DEPLOYED = {"_text": "NOT_DEPLOYED", "severity": 4}


class StoreRequest(msgspec.Struct, rename="camel"):
    id: int | None = None
    path: str | None = None
    object_type: str | None = None
    configuration: Any = None


class ReadRequest(msgspec.Struct, rename="camel"):
    id: int | None = None
    path: str | None = None
    object_type: str | None = None
    commit_id: str | None = None
    controller_id: str | None = None


class FolderRequest(msgspec.Struct, rename="camel"):
    path: str
    recursive: bool = False
    object_types: list[str] = []
    only_valid_objects: bool = False
    controller_id: str | None = None


class PublishItem(msgspec.Struct, rename="camel"):
    path: str
    object_type: str
    commit_id: str | None = None
    recursive: bool = False


class Publish(msgspec.Struct, rename="camel"):
    configuration: PublishItem


class PublishStore(msgspec.Struct, rename="camel"):
    draft_configurations: list[Publish] = []
    deploy_configurations: list[Publish] = []


class DeployRequest(msgspec.Struct, rename="camel"):
    controller_ids: list[str] = []
    store: PublishStore | None = None
    delete: Any = None
    add_orders_date_from: str | None = None


class ValidateRequest(msgspec.Struct, rename="camel"):
    """Any configuration; its members are not looked at by the decoder."""


class DeploymentHistoryRequest(msgspec.Struct, rename="camel"):
    compact_filter: dict[str, Any] | None = None
    detail_filter: dict[str, Any] | None = None


class Validation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    delivery_date: str
    valid: bool
    invalid_msg: str | None = None


class ItemDeployment(msgspec.Struct, frozen=True, rename="camel"):
    deployment_id: int
    path: str
    controller_id: str
    version: str
    deployment_date: str


class DeployableVersion(msgspec.Struct, frozen=True, rename="camel"):
    id: int
    commit_id: str
    deployment_id: int
    deployment_path: str
    deployment_operation: str
    version_date: str
    versions: list[ItemDeployment]


class ConfigurationObject(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An inventory object as it is stored or read."""

    id: int
    path: str
    object_type: str
    name: str
    configuration: Any
    state: str
    valid: bool
    invalid_msg: str | msgspec.UnsetType = msgspec.UNSET
    deleted: bool
    deployed: bool
    released: bool
    has_deployments: bool
    has_releases: bool
    sync_state: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    deployments: list[DeployableVersion] | msgspec.UnsetType = msgspec.UNSET
    configuration_date: str
    delivery_date: str


def _state(item: StoredObject, has_deployments: bool) -> str:
    """The derived state (cockpit-services 1.4)."""
    if item.type.is_deployable:
        if item.deployed:
            return "DEPLOYMENT_IS_NEWER"
        return "DRAFT_IS_NEWER" if has_deployments else "DEPLOYMENT_NOT_EXIST"
    if item.type.is_releasable:
        return "RELEASE_IS_NEWER" if item.released else "RELEASE_NOT_EXIST"
    return "NO_CONFIGURATION_EXIST"


async def _answer(
    context: RequestContext, item: StoredObject, *, is_stored: bool = False, configuration: Any = msgspec.UNSET
) -> ConfigurationObject:
    rows = await context.services.get(Deployer).of_object(item.id)
    has_deployments = any(row.state == DEPLOYED and row.operation == UPDATE for row in rows)
    deployments = [
        DeployableVersion(
            id=item.id,
            commit_id=row.commit_id,
            deployment_id=row.id,
            deployment_path=row.path,
            deployment_operation="update" if row.operation == UPDATE else "delete",
            version_date=timestamp(row.deployment_date),
            versions=[
                ItemDeployment(row.id, row.path, row.controller_id, row.commit_id, timestamp(row.deployment_date))
            ],
        )
        for row in rows
        if row.state == DEPLOYED
    ]
    if is_stored and not item.deployed:
        state = "DRAFT_IS_NEWER"
    else:
        state = _state(item, has_deployments)
    return ConfigurationObject(
        id=item.id,
        path=item.path,
        object_type=item.type.name,
        name=item.name,
        configuration=item.configuration if configuration is msgspec.UNSET else configuration,
        state=state,
        valid=item.valid,
        invalid_msg=item.invalid_message if item.invalid_message is not None else msgspec.UNSET,
        deleted=item.deleted,
        deployed=item.deployed,
        released=item.released,
        has_deployments=has_deployments,
        has_releases=item.released,
        sync_state=(_IN_SYNC if item.deployed else _NOT_DEPLOYED) if item.type.is_deployable else msgspec.UNSET,
        deployments=deployments if deployments and not is_stored else msgspec.UNSET,
        configuration_date=timestamp(item.modified),
        delivery_date=timestamp(context.now_ms()),
    )


async def store(context: RequestContext, request: StoreRequest) -> ConfigurationObject:
    """Create or update the draft of one object; invalid content is stored with what is wrong with it."""
    if request.id is None:
        if request.path is None:
            raise MissingParameter("path")
        if request.object_type is None:
            raise MissingParameter("objectType")
    type_ = ObjectType.of(request.object_type) if request.object_type is not None else ObjectType.WORKFLOW
    inventory = context.services.get(Inventory)
    path = request.path if request.id is None else (await inventory.read_by_id(request.id)).path
    require_folder(context, names.normalized(path or ""))
    item = await inventory.store(type_, request.path or "", request.configuration, id_=request.id)
    return await _answer(context, item, is_stored=True)


async def _find(context: RequestContext, request: ReadRequest) -> StoredObject:
    inventory = context.services.get(Inventory)
    if request.id is not None:
        item = await inventory.read_by_id(request.id)
    elif request.path is None:
        raise MissingParameter("path")
    elif request.object_type is None:
        raise MissingParameter("objectType")
    else:
        item = await inventory.read(ObjectType.of(request.object_type), request.path)
    require_folder(context, item.path)
    return item


async def read_configuration(context: RequestContext, request: ReadRequest) -> ConfigurationObject:
    """One object of the inventory; with `commitId` as it was deployed then."""
    item = await _find(context, request)
    if request.commit_id is None:
        return await _answer(context, item)
    for row in await context.services.get(Deployer).of_object(item.id):
        if row.commit_id == request.commit_id and row.operation == UPDATE:
            return await _answer(context, item, configuration=decode(row.inv_content))
    raise ObjectNotFound(f"Couldn't find the deployment {request.commit_id} of '{item.path}'")


async def read_folder(context: RequestContext, request: FolderRequest) -> dict[str, Any]:
    """The objects of a folder, by type."""
    types = [ObjectType.of(name) for name in request.object_types] or [
        type_ for members in FOLDER_MEMBERS.values() for type_ in members
    ]
    inventory = context.services.get(Inventory)
    folder = names.normalized(request.path)
    if not folder_permitted(context, folder) and not is_above_permitted(context, folder):
        raise FolderDenied(folder)
    found_items = await inventory.in_folder(folder, recursive=request.recursive, types=types)
    items = [item for item in found_items if folder_permitted(context, item.path)]
    deployed_ids = {deployed.inv_cid for deployed in await context.services.get(Deployer).current()}
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms()), "path": folder}
    for member, member_types in FOLDER_MEMBERS.items():
        found = [
            _folder_item(item, item.id in deployed_ids)
            for item in items
            if item.type in member_types and (item.valid or not request.only_valid_objects)
        ]
        if found or any(type_ in types for type_ in member_types):
            answer[member] = found
    return answer


def _folder_item(item: StoredObject, has_deployments: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": item.id,
        "path": item.path,
        "name": item.name,
        "objectType": item.type.name,
        "valid": item.valid,
        "deleted": item.deleted,
        "deployed": item.deployed,
        "released": item.released,
        "hasDeployments": has_deployments,
        "hasReleases": item.released,
        "modified": timestamp(item.modified),
    }
    if item.title is not None:
        result["title"] = item.title
    if item.type.is_deployable:
        result["syncState"] = _IN_SYNC if item.deployed else _NOT_DEPLOYED
    return result


async def validate(context: RequestContext, request: ValidateRequest) -> Validation:
    """Check a configuration without storing it."""
    type_ = ObjectType.of(context.path_parameters["objectType"])
    problems = find_problems(type_, first_json_value(context.raw_body), Target(path="/validation"))
    return Validation(delivery_date=timestamp(context.now_ms()), valid=not problems, invalid_msg=describe(problems))


async def deploy(context: RequestContext, request: DeployRequest) -> Ok:
    """Deploy drafts, or deployed versions again; answers when each Controller has committed.

    `delete` and `addOrdersDateFrom` come with the daily plan; until then they are refused rather than ignored.
    """
    if not request.controller_ids:
        raise MissingParameter("controllerIds")
    if request.delete is not None:
        raise BadRequest("deleting deployed objects is not supported yet by this release")
    if request.add_orders_date_from:
        raise BadRequest("addOrdersDateFrom is not supported yet by this release: there is no daily plan")
    for controller_id in request.controller_ids:
        context.require("ctl:deployment:deploy", controller_id)
    selections = request.store or PublishStore()
    inventory, deployer = context.services.get(Inventory), context.services.get(Deployer)
    objects = await select_objects(
        inventory,
        [
            (entry.configuration.path, entry.configuration.object_type, entry.configuration.recursive)
            for entry in selections.draft_configurations
        ],
    )
    again = await _deployed_again(context, selections.deploy_configurations, request.controller_ids)
    drafts = {item.id for item in objects}
    objects += [item for item in again if item.id not in drafts]
    objects = _permitted_to_deploy(context, request.controller_ids, selections, objects)
    await deployer.deploy(context.account, request.controller_ids, objects)
    return context.ok()


def _permitted_to_deploy(
    context: RequestContext, controller_ids: list[str], selections: PublishStore, objects: list[StoredObject]
) -> list[StoredObject]:
    """Of a folder, what may be seen (here and at each Controller); an object that is named must be so."""
    permissions = context.session.permissions
    named = {
        (ObjectType.of(one.configuration.object_type), names.name_of(one.configuration.path))
        for one in (*selections.draft_configurations, *selections.deploy_configurations)
    }
    permitted: list[StoredObject] = []
    for item in objects:
        if all(permissions.permits_folder(item.path, id_) for id_ in (None, *controller_ids)):
            permitted.append(item)
        elif (item.type, item.name) in named:
            raise FolderDenied(item.folder)
    return permitted


async def _deployed_again(
    context: RequestContext, entries: list[Publish], controller_ids: list[str]
) -> list[StoredObject]:
    """Deployed versions (the last, or that of a commit id) as they were, to be deployed again."""
    if not entries:
        return []
    inventory, deployer = context.services.get(Inventory), context.services.get(Deployer)
    current = [item for item in await deployer.current() if item.controller_id in controller_ids]
    found: dict[int, StoredObject] = {}
    for entry in entries:
        wanted = entry.configuration
        type_ = ObjectType.of(wanted.object_type)
        if type_ == ObjectType.FOLDER:
            chosen = [
                item
                for item in current
                if names.is_in_folder(item.path, names.normalized(wanted.path), recursive=wanted.recursive)
            ]
        else:
            chosen = await _versions_of(deployer, inventory, type_, wanted, current)
        for item in chosen:
            if item.inv_cid is not None:
                stored = await inventory.read_by_id(item.inv_cid)
                found[stored.id] = msgspec.structs.replace(stored, content=item.inv_content, valid=True)
    return list(found.values())


async def _versions_of(
    deployer: Deployer, inventory: Inventory, type_: ObjectType, wanted: PublishItem, current: list[Deployed]
) -> list[Deployed]:
    name = names.name_of(wanted.path)
    if wanted.commit_id is None:
        chosen = [item for item in current if item.type == type_ and item.name == name]
    else:
        stored = await inventory.read(type_, wanted.path)
        rows = await deployer.of_object(stored.id)
        chosen = [deployed_of(row) for row in rows if row.commit_id == wanted.commit_id and row.operation == UPDATE]
    if not chosen:
        raise ObjectNotFound(f"Couldn't find a deployment of '{wanted.path}'")
    return chosen[:1]


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
                "invConfigurationId": row.inv_cid,
                "operation": "UPDATE" if row.operation == UPDATE else "DELETE",
                "state": "DEPLOYED" if row.state == DEPLOYED else "NOT_DEPLOYED",
                **({"errorMessage": row.error_message} if row.error_message else {}),
            }
            for row in rows
            if allowed("ctl:deployment:view", row.controller_id)
            and context.session.permissions.permits_folder(row.path, row.controller_id)
        ],
    }


ROUTES = [
    Route(
        "/inventory/store",
        StoreRequest,
        ConfigurationObject,
        "joc:inventory:manage",
        True,
        store,
        category="INVENTORY",
    ),
    Route(
        "/inventory/read/configuration",
        ReadRequest,
        ConfigurationObject,
        "joc:inventory:view",
        False,
        read_configuration,
    ),
    Route("/inventory/read/folder", FolderRequest, dict[str, Any], "joc:inventory:view", False, read_folder),
    Route("/inventory/{objectType}/validate", ValidateRequest, Validation, "joc:inventory:manage", False, validate),
    Route(
        "/inventory/deployment/deploy", DeployRequest, Ok, "joc:inventory:deploy", True, deploy, category="DEPLOYMENT"
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
