"""`/inventory/repository/*`: files of inventory objects in working copies, and Git for these (cockpit-api 3, 7, 8)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.inventory_transfer import Chosen, choose_objects
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.archive_objects import EXTENSIONS
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.repositories.credentials import Credentials, GitCredentials
from stellwerk.cockpit.repositories.git import Result
from stellwerk.cockpit.repositories.service import Repositories
from stellwerk.cockpit.repositories.working_copies import Category, Listed


class Configurations(msgspec.Struct, rename="camel"):
    draft_configurations: list[Chosen] = []
    deploy_configurations: list[Chosen] = []
    released_configurations: list[Chosen] = []


class StoreRequest(msgspec.Struct, rename="camel"):
    rollout: Configurations | None = None
    local: Configurations | None = None


class FilesRequest(msgspec.Struct, rename="camel"):
    configurations: list[Chosen]
    category: Category


class ReadRequest(msgspec.Struct, rename="camel"):
    folder: str
    category: Category
    recursive: bool = False


class FolderRequest(msgspec.Struct, rename="camel"):
    folder: str


class UnlinkRequest(FolderRequest, rename="camel"):
    delete_repository: bool = False


class GitRequest(msgspec.Struct, rename="camel"):
    folder: str
    category: Category


class CloneRequest(GitRequest, rename="camel"):
    remote_url: str | None = None
    remote_uri: str | None = None


class CommitRequest(GitRequest, rename="camel"):
    message: str = ""


class CheckoutRequest(GitRequest, rename="camel"):
    branch: str | None = None
    tag: str | None = None


class AddCredentials(msgspec.Struct, rename="camel"):
    credentials: list[Credentials]


class RemoveCredentials(msgspec.Struct, rename="camel"):
    git_servers: list[str]


class CredentialsList(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    credentials: list[Credentials]


# --- files ------------------------------------------------------------------------------------------------------------


async def store(context: RequestContext, request: StoreRequest) -> Ok:
    """Write objects of the inventory into working copies."""
    if (request.rollout is None) == (request.local is None):
        raise BadRequest("give either rollout or local")
    service = context.services.get(Repositories)
    category = Category.LOCAL if request.rollout is None else Category.ROLLOUT
    wanted = request.rollout or request.local or Configurations()
    published = [*wanted.deploy_configurations, *wanted.released_configurations]
    objects = await choose_objects(context, wanted.draft_configurations, published, EXTENSIONS, only_valid=False)
    # Of a folder what the category holds is meant; who names an object is told if it is not held there.
    named = {
        (entry.choice.type, names.name_of(entry.choice.path)) for entry in (*wanted.draft_configurations, *published)
    }
    held = service.types_in(category)
    chosen = [item for item in objects if item.type in held or (item.type, item.name) in named]
    if not chosen:
        raise BadRequest(f"there is nothing to store: no object for the {category.lower()} repository was found")
    await service.store(category, chosen)
    return context.ok()


def _files(context: RequestContext, entries: Iterable[Chosen]) -> list[tuple[ObjectType, str, bool]]:
    found = []
    for entry in entries:
        choice = entry.choice
        require_folder(context, names.normalized(choice.path))
        found.append((choice.type, choice.path, choice.recursive))
    return found


async def delete(context: RequestContext, request: FilesRequest) -> Ok:
    """Delete files from working copies; the inventory stays as it is."""
    chosen = _files(context, request.configurations)
    await context.services.get(Repositories).delete(request.category, chosen)
    return context.ok()


async def update(context: RequestContext, request: FilesRequest) -> Ok:
    """Store what the files say as drafts of the inventory, all or none."""
    chosen = _files(context, request.configurations)
    permitted = partial(folder_permitted, context)
    await context.services.get(Repositories).update(request.category, chosen, permitted)
    return context.ok()


async def read(context: RequestContext, request: ReadRequest) -> dict[str, Any]:
    """The files in a folder of a working copy, as a tree."""
    folder = names.normalized(request.folder)
    require_folder(context, folder)
    listed = await context.services.get(Repositories).listed(request.category, folder, recursive=request.recursive)
    return _tree(folder, [item for item in listed if folder_permitted(context, _path(item))])


def _path(item: Listed) -> str:
    return f"/{item.name[: -len(_extension(item.name))]}"


def _extension(name: str) -> str:
    return next(extension for extension in EXTENSIONS.values() if name.endswith(extension))


def _tree(folder: str, files: list[Listed]) -> dict[str, Any]:
    """ResponseFolder_Repository of a folder and what is below it."""
    node: dict[str, Any] = {"path": folder, "name": names.name_of(folder), "folders": [], "items": []}
    below: dict[str, list[Listed]] = {}
    for item in files:
        path = _path(item)
        if names.folder_of(path) == folder:
            type_ = next(type_ for type_, extension in EXTENSIONS.items() if extension == _extension(item.name))
            node["items"].append(
                {
                    "folder": folder,
                    "objectName": names.name_of(path),
                    "objectType": type_.name,
                    "lastModified": timestamp(item.modified_ms),
                }
            )
        else:
            child = path[len(folder) :].split("/")[1]
            below.setdefault(child, []).append(item)
    node["folders"] = [_tree(names.joined(folder, name), items) for name, items in sorted(below.items())]
    if files:
        node["lastModified"] = timestamp(max(item.modified_ms for item in files))
    return node


async def link(context: RequestContext, request: FolderRequest) -> Ok:
    """Mark a top folder as one that is kept in a repository."""
    require_folder(context, names.normalized(request.folder))
    await context.services.get(Repositories).link(request.folder, is_linked=True)
    return context.ok()


async def unlink(context: RequestContext, request: UnlinkRequest) -> Ok:
    """Take the mark away; with `deleteRepository` the working copies are deleted."""
    require_folder(context, names.normalized(request.folder))
    service = context.services.get(Repositories)
    await service.link(request.folder, is_linked=False)
    if request.delete_repository:
        await service.drop(request.folder)
    return context.ok()


# --- git --------------------------------------------------------------------------------------------------------------


def _service(context: RequestContext, request: GitRequest) -> Repositories:
    require_folder(context, names.normalized(request.folder))
    return context.services.get(Repositories)


async def clone(context: RequestContext, request: CloneRequest) -> Result:
    """Make a working copy of a remote repository for a top folder."""
    url = request.remote_url or request.remote_uri
    if not url:
        raise BadRequest("give remoteUrl")
    return await _service(context, request).clone(context.account, request.category, request.folder, url)


async def add(context: RequestContext, request: GitRequest) -> Result:
    """`git add --all`."""
    return await _service(context, request).add(context.account, request.category, request.folder)


async def commit(context: RequestContext, request: CommitRequest) -> Result:
    """`git commit`, under the name that the account has given for the server."""
    service = _service(context, request)
    return await service.commit(context.account, request.category, request.folder, request.message)


async def push(context: RequestContext, request: GitRequest) -> Result:
    """`git push` of the present branch."""
    return await _service(context, request).push(context.account, request.category, request.folder)


async def pull(context: RequestContext, request: GitRequest) -> Result:
    """`git pull`, forwards only."""
    return await _service(context, request).pull(context.account, request.category, request.folder)


async def checkout(context: RequestContext, request: CheckoutRequest) -> Result:
    """`git checkout` of a branch or tag."""
    service = _service(context, request)
    return await service.checkout(
        context.account, request.category, request.folder, branch=request.branch, tag=request.tag
    )


async def credentials(context: RequestContext, request: NoRequest) -> CredentialsList:
    """The account's own credentials for Git servers, without their secrets."""
    found = await context.services.get(GitCredentials).of(context.account)
    return CredentialsList(timestamp(context.now_ms()), [item.masked() for item in found])


async def add_credentials(context: RequestContext, request: AddCredentials) -> Ok:
    """Store credentials; they replace those for the same servers."""
    await context.services.get(GitCredentials).add(context.account, request.credentials)
    return context.ok()


async def remove_credentials(context: RequestContext, request: RemoveCredentials) -> Ok:
    """Forget the credentials for servers."""
    await context.services.get(GitCredentials).remove(context.account, request.git_servers)
    return context.ok()


_VIEW, _MANAGE, _DEPLOY = "joc:inventory:view", "joc:inventory:manage", "joc:inventory:deploy"
_AT = "/inventory/repository/"


def _change(path: str, request: type, handler: Any, permission: str = _MANAGE, answer: Any = Ok) -> Route:
    return Route(_AT + path, request, answer, permission, True, handler, category="INVENTORY")


ROUTES = [
    _change("store", StoreRequest, store, _DEPLOY),
    _change("update", FilesRequest, update, _DEPLOY),
    _change("delete", FilesRequest, delete, _DEPLOY),
    Route(_AT + "read", ReadRequest, dict[str, Any], _DEPLOY, False, read),
    _change("link", FolderRequest, link),
    _change("unlink", UnlinkRequest, unlink),
    _change("git/clone", CloneRequest, clone, answer=Result),
    _change("git/add", GitRequest, add, answer=Result),
    _change("git/commit", CommitRequest, commit, answer=Result),
    _change("git/push", GitRequest, push, answer=Result),
    _change("git/pull", GitRequest, pull, answer=Result),
    _change("git/checkout", CheckoutRequest, checkout, answer=Result),
    Route(_AT + "git/credentials", NoRequest, CredentialsList, _VIEW, False, credentials),
    _change("git/credentials/add", AddCredentials, add_credentials),
    _change("git/credentials/remove", RemoveCredentials, remove_credentials),
]
