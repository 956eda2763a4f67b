"""`/tags*`, `/tag*`: the tags of workflows, jobs and orders, their order and groups (cockpit-api 3, 7, 8).

In requests and answers a tag is written `tag`, or `group:tag` if it belongs to a group.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.inventory.names import is_in_folder, normalized
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import TagKind, names_of, tags_of
from stellwerk.cockpit.inventory.types import ObjectType


class TagsRequest(msgspec.Struct, rename="camel"):
    tags: list[str]


class RenameRequest(msgspec.Struct, rename="camel"):
    name: str
    new_name: str


class GroupsRequest(msgspec.Struct, rename="camel"):
    groups: list[str]


class GroupRequest(msgspec.Struct, rename="camel"):
    group: str


class GroupTagsRequest(msgspec.Struct, rename="camel"):
    group: str
    tags: list[str] = []


class FoldersRequest(msgspec.Struct, rename="camel"):
    folders: list[Folder] = []


class Tags(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    tags: list[str]


class Groups(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    groups: list[str]


class GroupTags(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    group: str
    tags: list[str]


Handler = Callable[[RequestContext, Any], Awaitable[Any]]


def _all(kind: TagKind) -> Handler:
    async def all_tags(context: RequestContext, request: NoRequest) -> Tags:
        """All tags in people's order."""
        async with context.services.get(Inventory).reading() as transaction:
            found = await transaction.tags.all(kind)
        return Tags(timestamp(context.now_ms()), [str(tag) for tag in found])

    return all_tags


def _add(kind: TagKind) -> Handler:
    async def add(context: RequestContext, request: TagsRequest) -> Ok:
        """Add tags behind the others; those that are there stay where they are."""
        async with context.services.get(Inventory).writing() as transaction:
            await transaction.tags.add(kind, tags_of(request.tags))
        return context.ok()

    return add


def _delete(kind: TagKind) -> Handler:
    async def delete(context: RequestContext, request: TagsRequest) -> Ok:
        """Delete tags; what has them loses them."""
        async with context.services.get(Inventory).writing() as transaction:
            await transaction.tags.delete(kind, names_of(request.tags))
        return context.ok()

    return delete


def _order(kind: TagKind) -> Handler:
    async def order(context: RequestContext, request: TagsRequest) -> Ok:
        """Put these tags first, in this order."""
        async with context.services.get(Inventory).writing() as transaction:
            await transaction.tags.order(kind, names_of(request.tags))
        return context.ok()

    return order


def _rename(kind: TagKind) -> Handler:
    async def rename(context: RequestContext, request: RenameRequest) -> Ok:
        """Give a tag another name, and with `group:tag` another group."""
        [name], new = names_of([request.name]), tags_of([request.new_name])
        async with context.services.get(Inventory).writing() as transaction:
            await transaction.tags.rename(kind, name, new[0])
        return context.ok()

    return rename


def _used(kind: TagKind) -> Handler:
    async def used(context: RequestContext, request: FoldersRequest) -> dict[str, Any]:
        """Each tag with the paths of the workflows that have it, in the folders or everywhere."""
        inventory = context.services.get(Inventory)
        async with inventory.reading() as transaction:
            known = await transaction.tags.all(kind)
            tagged = await transaction.tags.tagged(kind)
        paths = {
            name: path
            for name, path in (await inventory.paths_of(ObjectType.WORKFLOW)).items()
            if folder_permitted(context, path) and _is_in(path, request.folders)
        }
        answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms())}
        for tag in known:
            answer[str(tag)] = sorted(paths[name] for name in tagged.get(tag.name, ()) if name in paths)
        return answer

    return used


def _is_in(path: str, folders: list[Folder]) -> bool:
    return not folders or any(
        is_in_folder(path, normalized(entry.folder), recursive=entry.recursive) for entry in folders
    )


# --- groups -----------------------------------------------------------------------------------------------------------


async def groups(context: RequestContext, request: NoRequest) -> Groups:
    """The groups of tags, in people's order."""
    async with context.services.get(Inventory).reading() as transaction:
        return Groups(timestamp(context.now_ms()), await transaction.tags.groups())


async def add_groups(context: RequestContext, request: GroupsRequest) -> Ok:
    """Add groups behind the others; those that are there stay where they are."""
    async with context.services.get(Inventory).writing() as transaction:
        await transaction.tags.add_groups(request.groups)
    return context.ok()


async def delete_groups(context: RequestContext, request: GroupsRequest) -> Ok:
    """Delete groups; their tags stay, without a group."""
    async with context.services.get(Inventory).writing() as transaction:
        await transaction.tags.delete_groups(request.groups)
    return context.ok()


async def order_groups(context: RequestContext, request: GroupsRequest) -> Ok:
    """Put these groups first, in this order."""
    async with context.services.get(Inventory).writing() as transaction:
        await transaction.tags.order_groups(request.groups)
    return context.ok()


async def rename_group(context: RequestContext, request: RenameRequest) -> Ok:
    """Give a group another name."""
    async with context.services.get(Inventory).writing() as transaction:
        await transaction.tags.rename_group(request.name, request.new_name)
    return context.ok()


async def read_group(context: RequestContext, request: GroupRequest) -> GroupTags:
    """The tags of a group, of whatever kind."""
    async with context.services.get(Inventory).reading() as transaction:
        tags = await transaction.tags.in_group(request.group)
    return GroupTags(timestamp(context.now_ms()), request.group, tags)


async def store_group(context: RequestContext, request: GroupTagsRequest) -> GroupTags:
    """Put exactly these tags into a group."""
    async with context.services.get(Inventory).writing() as transaction:
        await transaction.tags.set_group(request.group, names_of(request.tags))
        tags = await transaction.tags.in_group(request.group)
    return GroupTags(timestamp(context.now_ms()), request.group, tags)


_VIEW, _MANAGE = "joc:inventory:view", "joc:inventory:manage"


def _view(path: str, request: type, handler: Handler, answer: Any) -> Route:
    return Route(path, request, answer, _VIEW, False, handler)


def _change(path: str, request: type, handler: Handler, answer: Any = Ok) -> Route:
    return Route(path, request, answer, _MANAGE, True, handler, category="INVENTORY")


ROUTES = [
    _view("/tags", NoRequest, _all(TagKind.WORKFLOW), Tags),
    _view("/tags/job", NoRequest, _all(TagKind.JOB), Tags),
    _view("/tags/order", NoRequest, _all(TagKind.ORDER), Tags),
    _view("/tags/used", FoldersRequest, _used(TagKind.WORKFLOW), dict[str, Any]),
    _view("/tags/job/used", FoldersRequest, _used(TagKind.JOB), dict[str, Any]),
    _change("/tags/add", TagsRequest, _add(TagKind.WORKFLOW)),
    _change("/tags/job/add", TagsRequest, _add(TagKind.JOB)),
    _change("/tags/delete", TagsRequest, _delete(TagKind.WORKFLOW)),
    _change("/tags/job/delete", TagsRequest, _delete(TagKind.JOB)),
    _change("/tags/ordering", TagsRequest, _order(TagKind.WORKFLOW)),
    _change("/tags/job/ordering", TagsRequest, _order(TagKind.JOB)),
    _change("/tag/rename", RenameRequest, _rename(TagKind.WORKFLOW)),
    _change("/tag/job/rename", RenameRequest, _rename(TagKind.JOB)),
    _view("/tags/groups", NoRequest, groups, Groups),
    _view("/tags/group/read", GroupRequest, read_group, GroupTags),
    _change("/tags/groups/add", GroupsRequest, add_groups),
    _change("/tags/groups/delete", GroupsRequest, delete_groups),
    _change("/tags/groups/ordering", GroupsRequest, order_groups),
    _change("/tags/group/rename", RenameRequest, rename_group),
    _change("/tags/group/store", GroupTagsRequest, store_group, GroupTags),
]
