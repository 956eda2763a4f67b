"""Native `inventory/{tree,object,schema,check,store}`: the inventory as the editor needs it (ui.md S13).

The compatible calls cannot count what lies below a folder, tell where a problem stands, or refuse to overwrite what
somebody else has stored meanwhile.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import case, func, select

from stellwerk.cockpit.api.errors import ApiError, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, is_above_permitted, require_folder
from stellwerk.cockpit.api.inventory import state_of
from stellwerk.cockpit.api.inventory_requests import ObjectFilter, find_object, folder_objects
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.references import Reference, references_of
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import DEPLOYED, UPDATE
from stellwerk.cockpit.inventory.tree import FolderCount, TreeFolder, folders_in
from stellwerk.cockpit.inventory.types import DEPLOYABLE, RELEASABLE, ObjectType
from stellwerk.language.inventory.object_schemas import schema_of, types_with_schema
from stellwerk.language.reader import ReadProblem
from stellwerk.values.json import decode

_WITHOUT_CONTENT = (ObjectType.FOLDER, ObjectType.DESCRIPTORFOLDER)


class FolderQuery(msgspec.Struct):
    folder: str = "/"


class ObjectQuery(msgspec.Struct, rename="camel"):
    path: str
    object_type: str


class SchemaQuery(msgspec.Struct, rename="camel"):
    object_type: str


class CheckRequest(msgspec.Struct, rename="camel"):
    path: str
    object_type: str
    configuration: Any = None


class StoreRequest(CheckRequest, rename="camel"):
    """`revision`: of the content that was edited; none: the object is new."""

    revision: str | None = None


class Finding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`path`: a JSON path in the spelling of the author, such as `$.jobs.load.agentName`."""

    path: str
    message: str
    remedy: str | None = None

    @classmethod
    def of(cls, problem: ReadProblem) -> Finding:
        return cls(problem.path, str(problem.problem), problem.remedy)


class TreeObject(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    id: int
    path: str
    name: str
    object_type: str
    state: str
    valid: bool
    modified: int
    title: str | None = None


class Tree(msgspec.Struct, frozen=True, rename="camel"):
    """`may_change`: whether the account may change what lies here."""

    path: str
    folders: list[TreeFolder]
    objects: list[TreeObject]
    may_change: bool


class Neighbour(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object at the other end of a reference. Without a path: nothing has this name, or it may not be seen."""

    name: str
    object_type: str
    path: str | None = None
    state: str | None = None
    valid: bool | None = None
    hidden: bool = False


class VersionAt(msgspec.Struct, frozen=True, rename="camel"):
    controller_id: str
    current: bool


class Version(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One deployment of the object; `refused`: why it did not happen."""

    commit_id: str
    operation: str
    account: str
    time: int
    path: str
    at: list[VersionAt]
    refused: str | None = None


class Release(msgspec.Struct, frozen=True, rename="camel"):
    time: int
    path: str
    configuration: Any


class Permitted(msgspec.Struct, frozen=True, rename="camel"):
    """What the account may do; `controllers`: where it may deploy to."""

    change: bool
    publish: bool
    controllers: list[str]


class EditedObject(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One object with all that its page shows. Times are milliseconds since 1970."""

    id: int
    path: str
    name: str
    object_type: str
    configuration: Any
    revision: str
    modified: int
    state: str
    valid: bool
    problems: list[Finding]
    uses: list[Neighbour]
    used_by: list[Neighbour]
    versions: list[Version]
    release: Release | None = None
    can: Permitted


class Checked(msgspec.Struct, frozen=True, rename="camel"):
    problems: list[Finding]


class Stored(msgspec.Struct, frozen=True, rename="camel"):
    """What is stored now; the server may have put members to it (`version`)."""

    id: int
    path: str
    configuration: Any
    revision: str
    problems: list[Finding]


def revision_of(item: StoredObject) -> str:
    """Stands for a content; the same content has the same revision, whoever has stored it."""
    return hashlib.sha256((item.content or "").encode()).hexdigest()[:16]


# --- tree -------------------------------------------------------------------------------------------------------------


async def tree(context: RequestContext, request: FolderQuery) -> Tree:
    """One folder: its objects, and its folders with the counts of what lies below them."""
    folder = names.normalized(request.folder)
    permits = folder_permitted(context, names.joined(folder, "x"))
    if not permits and not is_above_permitted(context, folder):
        require_folder(context, names.joined(folder, "x"))
    objects = await folder_objects(context, folder, recursive=False)
    states = await _states(context, objects)
    return Tree(
        path=folder,
        folders=folders_in(folder, await _folder_counts(context)),
        objects=[
            TreeObject(
                item.id, item.path, item.name, item.type.name, states[item.id], item.valid, item.modified, item.title
            )
            for item in objects
            if item.type not in _WITHOUT_CONTENT
        ],
        may_change=permits and context.session.permissions.allows("joc:inventory:manage"),
    )


async def _folder_counts(context: RequestContext) -> list[tuple[str, FolderCount]]:
    """All folders that may be seen with the count of what lies in them: one row of the database for each."""
    table = inv_configurations
    has_content = table.c.type.not_in([int(type_) for type_ in _WITHOUT_CONTENT])
    published = table.c.type.in_([int(type_) for type_ in DEPLOYABLE | RELEASABLE])
    draft = published & ~table.c.deployed & ~table.c.released
    query = (
        select(
            table.c.folder,
            func.count().label("objects"),
            func.sum(case((draft, 1), else_=0)).label("drafts"),
            func.sum(case((table.c.valid, 0), else_=1)).label("invalid"),
        )
        .where(has_content)
        .group_by(table.c.folder)
    )
    async with context.database.read() as connection:
        found = {
            row.folder: FolderCount(row.objects, row.drafts, row.invalid) for row in await connection.execute(query)
        }
        empty = await connection.execute(select(table.c.path).where(table.c.type == int(ObjectType.FOLDER)))
        for row in empty:
            found.setdefault(row.path, FolderCount())
    return [
        (folder, count)
        for folder, count in found.items()
        if folder_permitted(context, names.joined(folder, "x")) or is_above_permitted(context, folder)
    ]


async def _states(context: RequestContext, items: Iterable[StoredObject]) -> dict[int, str]:
    """The derived states of objects (cockpit-services 1.4)."""
    items = list(items)
    drafts = [item for item in items if item.is_draft]
    deployed: set[int | None] = set()
    if any(item.type.is_deployable for item in drafts):
        deployed = {one.inv_cid for one in await context.services.get(Deployer).current()}
    released = await context.services.get(Releases).of_objects([item.id for item in drafts if item.type.is_releasable])
    return {item.id: state_of(item, item.id in deployed, item.id in released) for item in items}


# --- one object -------------------------------------------------------------------------------------------------------


async def read_object(context: RequestContext, request: ObjectQuery) -> EditedObject:
    """One object: content, problems, neighbours, versions, and what the account may do with it."""
    item = await find_object(context, ObjectFilter(path=request.path, object_type=request.object_type))
    async with context.services.get(Inventory).reading() as transaction:
        problems = await transaction.problems(item.type, item.path, item.configuration)
        referrers = await transaction.referrers(item.type, item.name)
        uses: list[tuple[Reference, StoredObject | None]] = [
            (reference, await transaction.find_named(reference))
            for reference in sorted(references_of(item.type, item.configuration))
        ]
    states = await _states(context, [item, *referrers, *(found for _, found in uses if found is not None)])
    release = (await context.services.get(Releases).of_objects([item.id])).get(item.id)
    return EditedObject(
        id=item.id,
        path=item.path,
        name=item.name,
        object_type=item.type.name,
        configuration=item.configuration,
        revision=revision_of(item),
        modified=item.modified,
        state=states[item.id],
        valid=item.valid,
        problems=[Finding.of(problem) for problem in problems],
        uses=[_neighbour(context, reference, found, states) for reference, found in uses],
        used_by=[
            _neighbour(context, Reference(one.type, one.name), one, states)
            for one in referrers
            if folder_permitted(context, one.path)
        ],
        versions=await _versions(context, item),
        release=None if release is None else Release(release.modified, release.path, decode(release.content)),
        can=await _permitted(context, item),
    )


def _neighbour(
    context: RequestContext, reference: Reference, found: StoredObject | None, states: dict[int, str]
) -> Neighbour:
    if found is None:
        return Neighbour(reference.name, reference.type.name)
    if not folder_permitted(context, found.path):
        return Neighbour(found.name, found.type.name, hidden=True)
    return Neighbour(found.name, found.type.name, found.path, states[found.id], found.valid)


async def _versions(context: RequestContext, item: StoredObject) -> list[Version]:
    """Newest first; rows of one deployment at several Controllers are one version."""
    allowed = context.session.permissions
    groups: dict[tuple[str, int, str | None], list[Any]] = defaultdict(list)
    current: dict[str, int] = {}
    for row in await context.services.get(Deployer).of_object(item.id):
        if row.state == DEPLOYED:
            current.setdefault(row.controller_id, row.id)
        if allowed.allows("ctl:deployment:view", row.controller_id):
            groups[row.commit_id, row.operation, row.error_message].append(row)
    return [
        Version(
            commit_id=commit_id,
            operation="update" if operation == UPDATE else "delete",
            account=found[0].account,
            time=found[0].deployment_date,
            path=found[0].path,
            at=[VersionAt(row.controller_id, current.get(row.controller_id) == row.id) for row in found],
            refused=found[0].error_message if found[0].state != DEPLOYED else None,
        )
        for (commit_id, operation, _), found in groups.items()
    ]


async def _permitted(context: RequestContext, item: StoredObject) -> Permitted:
    permissions = context.session.permissions
    change = permissions.allows("joc:inventory:manage")
    controllers = dict.fromkeys(one.controller_id for one in await context.services.get(Registry).controllers())
    return Permitted(
        change=change,
        publish=permissions.allows("joc:inventory:deploy") if item.type.is_deployable else change,
        controllers=[
            id_
            for id_ in controllers
            if permissions.allows("ctl:deployment:deploy", id_) and permissions.permits_folder(item.path, id_)
        ],
    )


# --- writing ----------------------------------------------------------------------------------------------------------


async def schema(context: RequestContext, request: SchemaQuery) -> dict[str, Any]:
    """The JSON Schema of an object type, for completion and hints while one writes."""
    found = schema_of(ObjectType.of(request.object_type).name)
    if found is None:
        known = ", ".join(types_with_schema())
        raise ObjectNotFound(f"there is no schema for {request.object_type}; there is one for {known}")
    return found


async def check(context: RequestContext, request: CheckRequest) -> Checked:
    """What is wrong with a content, each problem with its place; nothing is stored."""
    require_folder(context, names.normalized(request.path))
    type_ = ObjectType.of(request.object_type)
    async with context.services.get(Inventory).reading() as transaction:
        problems = await transaction.problems(type_, names.normalized(request.path), request.configuration)
    return Checked([Finding.of(problem) for problem in problems])


async def store(context: RequestContext, request: StoreRequest) -> Stored:
    """Store a draft, but only over the content that has been edited: else JOC-425, and nothing is lost."""
    path = names.normalized(request.path)
    require_folder(context, path)
    type_ = ObjectType.of(request.object_type)
    async with context.services.get(Inventory).writing() as transaction:
        existing = await transaction.find(rows.at(type_, path))
        if (None if existing is None else revision_of(existing)) != request.revision:
            raise _conflict(path, existing, request.revision)
        item = await transaction.store(type_, path, request.configuration)
        problems = await transaction.problems(type_, path, item.configuration)
    return Stored(item.id, item.path, item.configuration, revision_of(item), [Finding.of(one) for one in problems])


def _conflict(path: str, existing: StoredObject | None, revision: str | None) -> ApiError:
    if existing is None:
        text = f"{path} is not there any more: somebody has renamed, moved or removed it"
    elif revision is None:
        text = f"{path} is there already"
    else:
        text = f"somebody else has stored {path} since you began"
    return ApiError(text, code="JOC-425", kind="JocConcurrentAccessException")


def _get(name: str, request: type, answer: Any, handler: Any) -> Route:
    path = f"/stellwerk/inventory/{name}"
    return Route(path, request, answer, "joc:inventory:view", False, handler, method="GET")


ROUTES = [
    _get("tree", FolderQuery, Tree, tree),
    _get("object", ObjectQuery, EditedObject, read_object),
    _get("schema", SchemaQuery, dict[str, Any], schema),
    Route("/stellwerk/inventory/check", CheckRequest, Checked, "joc:inventory:view", False, check),
    Route(
        "/stellwerk/inventory/store", StoreRequest, Stored, "joc:inventory:manage", True, store, category="INVENTORY"
    ),
]
