"""`/inventory/*`: store, read, validate what people write (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import first_json_value
from stellwerk.cockpit.api.errors import FolderDenied, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, is_above_permitted, require_folder
from stellwerk.cockpit.api.inventory_requests import (
    FolderRequest,
    ObjectFilter,
    find_object,
    folder_list,
    require_named,
)
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import ListedObject, StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import DEPLOYED, UPDATE
from stellwerk.cockpit.inventory.types import FOLDER_MEMBERS, ObjectType
from stellwerk.cockpit.inventory.validation import describe, find_problems
from stellwerk.language.inventory import Target
from stellwerk.values.json import decode

IN_SYNC = {"_text": "IN_SYNC", "severity": 6}
NOT_DEPLOYED = {"_text": "NOT_DEPLOYED", "severity": 4}


class StoreRequest(ObjectFilter, rename="camel"):
    configuration: Any = None


class ReadRequest(ObjectFilter, rename="camel"):
    commit_id: str | None = None
    controller_id: str | None = None


class ValidateRequest(msgspec.Struct, rename="camel"):
    """Any configuration; its members are not looked at by the decoder."""


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


def state_of(item: ListedObject, has_deployments: bool, has_releases: bool) -> str:
    """The derived state (cockpit-services 1.4)."""
    if item.type.is_deployable:
        if item.deployed:
            return "DEPLOYMENT_IS_NEWER"
        return "DRAFT_IS_NEWER" if has_deployments else "DEPLOYMENT_NOT_EXIST"
    if item.type.is_releasable:
        if item.released:
            return "RELEASE_IS_NEWER"
        return "DRAFT_IS_NEWER" if has_releases else "RELEASE_NOT_EXIST"
    return "NO_CONFIGURATION_EXIST"


async def configuration_answer(
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
    has_releases = bool(await context.services.get(Releases).of_objects([item.id]))
    state = "DRAFT_IS_NEWER" if is_stored and item.is_draft else state_of(item, has_deployments, has_releases)
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
        has_releases=has_releases,
        sync_state=(IN_SYNC if item.deployed else NOT_DEPLOYED) if item.type.is_deployable else msgspec.UNSET,
        deployments=deployments if deployments and not is_stored else msgspec.UNSET,
        configuration_date=timestamp(item.modified),
        delivery_date=timestamp(context.now_ms()),
    )


async def store(context: RequestContext, request: StoreRequest) -> ConfigurationObject:
    """Create or update the draft of one object; invalid content is stored with what is wrong with it."""
    require_named(request)
    if request.id is not None:
        await find_object(context, request)  # whether it may be seen
    else:
        require_folder(context, names.normalized(request.path or ""))
    inventory = context.services.get(Inventory)
    type_ = ObjectType.WORKFLOW if request.type is None else request.type
    item = await inventory.store(type_, request.path or "", request.configuration, id_=request.id)
    return await configuration_answer(context, item, is_stored=True)


async def read_configuration(context: RequestContext, request: ReadRequest) -> ConfigurationObject:
    """One object of the inventory; with `commitId` as it was deployed then."""
    item = await find_object(context, request)
    if request.commit_id is None:
        return await configuration_answer(context, item)
    for row in await context.services.get(Deployer).of_object(item.id):
        if row.commit_id == request.commit_id and row.operation == UPDATE:
            return await configuration_answer(context, item, configuration=decode(row.inv_content))
    raise ObjectNotFound(f"Couldn't find the deployment {request.commit_id} of '{item.path}'")


async def read_folder(context: RequestContext, request: FolderRequest) -> dict[str, Any]:
    """The objects of a folder, by type."""
    types = request.types or [type_ for members in FOLDER_MEMBERS.values() for type_ in members]
    folder = names.normalized(request.path)
    if not folder_permitted(context, folder) and not is_above_permitted(context, folder):
        raise FolderDenied(folder)
    items = await folder_list(context, folder, recursive=request.recursive, types=types)
    deployed_ids = await context.services.get(Deployer).deployed_ids()
    released_ids = await context.services.get(Releases).ids()
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms()), "path": folder}
    for member, member_types in FOLDER_MEMBERS.items():
        found = [
            folder_item(item, item.id in deployed_ids, item.id in released_ids)
            for item in items
            if item.type in member_types and (item.valid or not request.only_valid_objects)
        ]
        if found or any(type_ in types for type_ in member_types):
            answer[member] = found
    return answer


def folder_item(item: ListedObject, has_deployments: bool, has_releases: bool) -> dict[str, Any]:
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
        "hasReleases": has_releases,
        "modified": timestamp(item.modified),
    }
    if item.title is not None:
        result["title"] = item.title
    if item.type.is_deployable:
        result["syncState"] = IN_SYNC if item.deployed else NOT_DEPLOYED
    return result


async def validate(context: RequestContext, request: ValidateRequest) -> Validation:
    """Check a configuration without storing it."""
    type_ = ObjectType.of(context.path_parameters["objectType"])
    problems = find_problems(type_, first_json_value(context.raw_body), Target(path="/validation"))
    return Validation(delivery_date=timestamp(context.now_ms()), valid=not problems, invalid_msg=describe(problems))


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
]
