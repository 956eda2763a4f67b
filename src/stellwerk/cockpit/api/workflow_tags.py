"""`/inventory/workflow/tags*`, `/inventory/read/*tag`, `/workflows/tag/search`: which workflow or job has which tags
(cockpit-api 3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory import folder_item
from stellwerk.cockpit.api.inventory_requests import folder_objects
from stellwerk.cockpit.api.inventory_views import QuickSearchRequest
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.tags import Tags
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.search import MINIMUM_LENGTH, glob
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import TagKind, names_of, tags_of
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType


class WorkflowRequest(msgspec.Struct, rename="camel"):
    path: str


class WorkflowTagsRequest(msgspec.Struct, rename="camel"):
    path: str
    tags: list[str] = []


class ModifyRequest(msgspec.Struct, rename="camel"):
    folders: list[Folder]
    add_tags: list[str] = []
    delete_tags: list[str] = []


class JobsRequest(msgspec.Struct, rename="camel"):
    path: str
    job_names: list[str] = []


class JobTags(msgspec.Struct, rename="camel"):
    job_name: str
    job_tags: list[str] = []


class JobTagsRequest(msgspec.Struct, rename="camel"):
    path: str
    jobs: list[JobTags] = []


class RenameJobRequest(msgspec.Struct, rename="camel"):
    path: str
    job_name: str
    new_job_name: str


class JobsTags(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    jobs: list[JobTags]


class TagRequest(msgspec.Struct, rename="camel"):
    tag: str
    only_valid_objects: bool = False


class TagSearchRequest(QuickSearchRequest, rename="camel"):
    controller_id: str = ""


async def _workflow(context: RequestContext, transaction: InventoryTransaction, path: str) -> str:
    """The name of a workflow that may be seen. Raises `ApiError`."""
    item = await transaction.read(ObjectType.WORKFLOW, path)
    require_folder(context, item.path)
    return item.name


async def read(context: RequestContext, request: WorkflowRequest) -> Tags:
    """The tags of a workflow."""
    async with context.services.get(Inventory).reading() as transaction:
        found = await transaction.tags.of_workflow(await _workflow(context, transaction, request.path))
    return Tags(timestamp(context.now_ms()), [str(tag) for tag in found])


async def store(context: RequestContext, request: WorkflowTagsRequest) -> Ok:
    """Give a workflow exactly these tags."""
    async with context.services.get(Inventory).writing() as transaction:
        name = await _workflow(context, transaction, request.path)
        await transaction.tags.tag_workflow(name, tags_of(request.tags))
    return context.ok()


async def store_folder(context: RequestContext, request: ModifyRequest) -> Ok:
    """Give tags to all workflows of folders, and take tags from them."""
    tags, removed = tags_of(request.add_tags), names_of(request.delete_tags)
    names: dict[str, None] = {}
    for entry in request.folders:
        require_folder(context, entry.folder)
        found = await folder_objects(context, entry.folder, recursive=entry.recursive, types=[ObjectType.WORKFLOW])
        names |= dict.fromkeys(item.name for item in found)
    async with context.services.get(Inventory).writing() as transaction:
        for name in names:
            await transaction.tags.untag_workflow(name, removed)
            await transaction.tags.tag_workflow(name, tags, keep=True)
    return context.ok()


async def read_jobs(context: RequestContext, request: JobsRequest) -> JobsTags:
    """The tags of jobs of a workflow; without `jobNames` of all that have some."""
    async with context.services.get(Inventory).reading() as transaction:
        found = await transaction.tags.of_jobs(await _workflow(context, transaction, request.path))
    jobs = [
        JobTags(job, [str(tag) for tag in tags])
        for job, tags in sorted(found.items())
        if not request.job_names or job in request.job_names
    ]
    return JobsTags(timestamp(context.now_ms()), jobs)


async def store_jobs(context: RequestContext, request: JobTagsRequest) -> Ok:
    """Give each of these jobs exactly its tags; other jobs keep theirs."""
    async with context.services.get(Inventory).writing() as transaction:
        name = await _workflow(context, transaction, request.path)
        for job in request.jobs:
            if not job.job_name:
                raise BadRequest("jobs: jobName is empty")
            await transaction.tags.tag_job(name, job.job_name, tags_of(job.job_tags))
    return context.ok()


async def rename_job(context: RequestContext, request: RenameJobRequest) -> Ok:
    """The tags of a job follow its new name."""
    if not request.new_job_name:
        raise BadRequest("newJobName is empty")
    async with context.services.get(Inventory).writing() as transaction:
        name = await _workflow(context, transaction, request.path)
        await transaction.tags.rename_job(name, request.job_name, request.new_job_name)
    return context.ok()


async def _tagged(context: RequestContext, request: TagRequest, kind: TagKind) -> dict[str, Any]:
    [tag] = names_of([request.tag])
    async with context.services.get(Inventory).reading() as transaction:
        names = (await transaction.tags.tagged(kind)).get(tag, set())
    deployed = {item.inv_cid for item in await context.services.get(Deployer).current(types=[ObjectType.WORKFLOW])}
    found = await folder_objects(context, "/", recursive=True, types=[ObjectType.WORKFLOW]) if names else []
    return {
        "deliveryDate": timestamp(context.now_ms()),
        "tag": request.tag,
        "workflows": [
            folder_item(item, item.id in deployed, False)
            for item in found
            if item.name in names and (item.valid or not request.only_valid_objects)
        ],
    }


async def read_tag(context: RequestContext, request: TagRequest) -> dict[str, Any]:
    """The workflows that have a tag."""
    return await _tagged(context, request, TagKind.WORKFLOW)


async def read_job_tag(context: RequestContext, request: TagRequest) -> dict[str, Any]:
    """The workflows with a job that has a tag."""
    return await _tagged(context, request, TagKind.JOB)


async def search(context: RequestContext, request: TagSearchRequest) -> dict[str, Any]:
    """Tags of deployed workflows that begin with a text; `*` and `?` are wildcards."""
    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms()), "token": request.token or "-", "results": []}
    if request.quit:
        return answer
    if len(request.search) < MINIMUM_LENGTH:
        raise BadRequest(f"search: give at least {MINIMUM_LENGTH} characters")
    deployed = await context.services.get(Deployer).current(request.controller_id or None, [ObjectType.WORKFLOW])
    visible = {item.name for item in deployed if folder_permitted(context, item.path)}
    async with context.services.get(Inventory).reading() as transaction:
        known = await transaction.tags.all(TagKind.WORKFLOW)
        tagged = await transaction.tags.tagged(TagKind.WORKFLOW)
    pattern = glob(request.search)
    answer["results"] = [
        {
            "path": tag.name,
            "name": tag.name,
            "objectType": "WORKFLOWTAG",
            "ordering": ordering,
            **({} if tag.group is None else {"group": tag.group}),
        }
        for ordering, tag in enumerate(known, 1)
        if pattern.match(tag.name) and tagged.get(tag.name, set()) & visible
    ]
    return answer


_VIEW, _MANAGE = "joc:inventory:view", "joc:inventory:manage"


def _change(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, _MANAGE, True, handler, category="INVENTORY")


ROUTES = [
    Route("/inventory/workflow/tags", WorkflowRequest, Tags, _VIEW, False, read),
    _change("/inventory/workflow/tags/store", WorkflowTagsRequest, store),
    _change("/inventory/workflow/tags/store/folder", ModifyRequest, store_folder),
    Route("/inventory/workflow/tags/job", JobsRequest, JobsTags, _VIEW, False, read_jobs),
    # The reference lets viewers change tags of jobs (cockpit-api 7): here it takes the right to change.
    _change("/inventory/workflow/tags/job/store", JobTagsRequest, store_jobs),
    _change("/inventory/workflow/tags/job/rename", RenameJobRequest, rename_job),
    Route("/inventory/read/tag", TagRequest, dict[str, Any], _VIEW, False, read_tag),
    Route("/inventory/read/job/tag", TagRequest, dict[str, Any], _VIEW, False, read_job_tag),
    Route("/workflows/tag/search", TagSearchRequest, dict[str, Any], "ctl:workflows:view", False, search),
]
