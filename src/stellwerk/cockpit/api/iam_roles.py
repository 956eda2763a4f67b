"""`/iam/role*`, `/iam/permission*`, `/iam/folder*`: what roles permit, and where (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.iam_accounts import CATEGORY, MANAGE, VIEW
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route
from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, long_form
from stellwerk.cockpit.auth.roles import Role, Roles
from stellwerk.cockpit.inventory.names import normalized


class RolesRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str


class RoleRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    role_name: str


class StoreRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    role_name: str
    ordering: int | None = None


class RenameRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    role_old_name: str
    role_new_name: str


class NamesRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    role_names: list[str]


class ScopeRequest(msgspec.Struct, rename="camel"):
    """`controllerId` empty: what holds for all Controllers."""

    identity_service_name: str
    role_name: str
    controller_id: str = ""


class Permission(msgspec.Struct, rename="camel"):
    permission_path: str
    excluded: bool = False


class Folder(msgspec.Struct):
    folder: str
    recursive: bool = True


class PermissionRequest(ScopeRequest, kw_only=True):
    permission_path: str


class PermissionsRequest(ScopeRequest, kw_only=True):
    permissions: list[Permission]


class PermissionRenameRequest(ScopeRequest, kw_only=True):
    old_permission_path: str
    new_permission: Permission


class PermissionPathsRequest(ScopeRequest, kw_only=True):
    permission_paths: list[str]


class FolderRequest(ScopeRequest, kw_only=True):
    folder_name: str


class FoldersRequest(ScopeRequest, kw_only=True):
    folders: list[Folder]


class FolderRenameRequest(ScopeRequest, kw_only=True):
    old_folder_name: str
    new_folder: Folder


class FolderNamesRequest(ScopeRequest, kw_only=True):
    folder_names: list[str]


class RoleView(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    role_name: str
    ordering: int
    controllers: list[str]


class RolesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    roles: list[RoleView]


class PermissionsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    controller_id: str
    role_name: str
    permissions: list[Permission]


class PermissionAnswer(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    controller_id: str
    role_name: str
    permission: Permission


class FoldersAnswer(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    controller_id: str
    role_name: str
    folders: list[Folder]


class FolderAnswer(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_name: str
    controller_id: str
    role_name: str
    folder: Folder


def _role(service: str, role: Role) -> RoleView:
    return RoleView(service, role.name, role.ordering, role.controllers)


def _scope(request: ScopeRequest) -> tuple[str, str, str]:
    return request.identity_service_name, request.role_name, request.controller_id


def _shown(request: ScopeRequest) -> tuple[str, str, str]:
    return request.identity_service_name, request.controller_id, request.role_name


async def roles(context: RequestContext, request: RolesRequest) -> RolesAnswer:
    """The roles of an identity service."""
    service = request.identity_service_name
    found = await context.services.get(Roles).all(service)
    return RolesAnswer(service, [_role(service, role) for role in found])


async def role(context: RequestContext, request: RoleRequest) -> RoleView:
    """One role."""
    service = request.identity_service_name
    return _role(service, await context.services.get(Roles).read(service, request.role_name))


async def store(context: RequestContext, request: StoreRequest) -> Ok:
    """Add a role, or give it another place in the order."""
    await context.services.get(Roles).store(request.identity_service_name, request.role_name, request.ordering)
    return context.ok()


async def rename(context: RequestContext, request: RenameRequest) -> Ok:
    """Give a role another name."""
    await context.services.get(Roles).rename(
        request.identity_service_name, request.role_old_name, request.role_new_name
    )
    return context.ok()


async def delete(context: RequestContext, request: NamesRequest) -> Ok:
    """Delete roles; sessions of accounts that have no other role end."""
    await context.services.get(Roles).delete(request.identity_service_name, request.role_names)
    return context.ok()


async def reorder(context: RequestContext, request: NamesRequest) -> Ok:
    """The order in which roles are shown."""
    await context.services.get(Roles).reorder(request.identity_service_name, request.role_names)
    return context.ok()


# --- permissions


def _permission(row: PermissionRow) -> Permission:
    return Permission(row.permission, row.excluded)


async def permissions(context: RequestContext, request: ScopeRequest) -> PermissionsAnswer:
    """The permissions of a role, for all Controllers or for one."""
    found = await context.services.get(Roles).permissions(*_scope(request))
    return PermissionsAnswer(*_shown(request), [_permission(row) for row in found])


async def permission(context: RequestContext, request: PermissionRequest) -> PermissionAnswer:
    """One permission of a role."""
    for row in await context.services.get(Roles).permissions(*_scope(request)):
        if long_form(row.permission) == long_form(request.permission_path):
            return PermissionAnswer(*_shown(request), _permission(row))
    raise ObjectNotFound(f"Couldn't find '{request.permission_path}' in the role '{request.role_name}'")


async def store_permissions(context: RequestContext, request: PermissionsRequest) -> Ok:
    """Add permissions to a role, or change whether they are excluded."""
    rows = [(one.permission_path, one.excluded) for one in request.permissions]
    await context.services.get(Roles).store_permissions(*_scope(request), rows)
    return context.ok()


async def rename_permission(context: RequestContext, request: PermissionRenameRequest) -> Ok:
    """Put another permission in the place of one."""
    new = request.new_permission
    await context.services.get(Roles).rename_permission(
        *_scope(request), request.old_permission_path, (new.permission_path, new.excluded)
    )
    return context.ok()


async def delete_permissions(context: RequestContext, request: PermissionPathsRequest) -> Ok:
    """Take permissions from a role."""
    await context.services.get(Roles).delete_permissions(*_scope(request), request.permission_paths)
    return context.ok()


# --- folders


def _folder(row: FolderRow) -> Folder:
    return Folder(row.folder, row.recursive)


def _given(folder: Folder) -> tuple[str, bool]:
    if not folder.folder.startswith("/"):
        raise BadRequest(f"the folder '{folder.folder}' must begin with /")
    return folder.folder, folder.recursive


async def folders(context: RequestContext, request: ScopeRequest) -> FoldersAnswer:
    """The folders to which a role is restricted, for all Controllers or for one."""
    found = await context.services.get(Roles).folders(*_scope(request))
    return FoldersAnswer(*_shown(request), [_folder(row) for row in found])


async def folder(context: RequestContext, request: FolderRequest) -> FolderAnswer:
    """One folder of a role."""
    for row in await context.services.get(Roles).folders(*_scope(request)):
        if row.folder == normalized(request.folder_name):
            return FolderAnswer(*_shown(request), _folder(row))
    raise ObjectNotFound(f"Couldn't find the folder '{request.folder_name}' in the role '{request.role_name}'")


async def store_folders(context: RequestContext, request: FoldersRequest) -> Ok:
    """Restrict a role to folders, in addition to those it has."""
    await context.services.get(Roles).store_folders(*_scope(request), [_given(one) for one in request.folders])
    return context.ok()


async def rename_folder(context: RequestContext, request: FolderRenameRequest) -> Ok:
    """Put another folder in the place of one."""
    await context.services.get(Roles).rename_folder(
        *_scope(request), request.old_folder_name, _given(request.new_folder)
    )
    return context.ok()


async def delete_folders(context: RequestContext, request: FolderNamesRequest) -> Ok:
    """Take folders from a role; with none left it is not restricted any more."""
    await context.services.get(Roles).delete_folders(*_scope(request), request.folder_names)
    return context.ok()


def _reading(path: str, request: type, answer: Any, handler: Any) -> Route:
    return Route(path, request, answer, VIEW, False, handler)


def _changing(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, MANAGE, True, handler, category=CATEGORY)


ROUTES = [
    _reading("/iam/roles", RolesRequest, RolesAnswer, roles),
    _reading("/iam/role", RoleRequest, RoleView, role),
    _changing("/iam/role/store", StoreRequest, store),
    _changing("/iam/role/rename", RenameRequest, rename),
    _changing("/iam/roles/delete", NamesRequest, delete),
    _changing("/iam/roles/reorder", NamesRequest, reorder),
    _reading("/iam/permissions", ScopeRequest, PermissionsAnswer, permissions),
    _reading("/iam/permission", PermissionRequest, PermissionAnswer, permission),
    _changing("/iam/permissions/store", PermissionsRequest, store_permissions),
    _changing("/iam/permission/rename", PermissionRenameRequest, rename_permission),
    _changing("/iam/permissions/delete", PermissionPathsRequest, delete_permissions),
    _reading("/iam/folders", ScopeRequest, FoldersAnswer, folders),
    _reading("/iam/folder", FolderRequest, FolderAnswer, folder),
    _changing("/iam/folders/store", FoldersRequest, store_folders),
    _changing("/iam/folder/rename", FolderRenameRequest, rename_folder),
    _changing("/iam/folders/delete", FolderNamesRequest, delete_folders),
]
