"""`/authentication/auth`: accounts, roles and profiles of one identity service in one document (cockpit-api 7)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.iam_accounts import VIEW
from stellwerk.cockpit.api.iam_roles import Folder, Permission
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.auth.directory import Account, Directory
from stellwerk.cockpit.auth.permissions import ROOT, PermissionRow
from stellwerk.cockpit.auth.roles import RoleRows, Roles
from stellwerk.cockpit.settings.configurations import Configurations


class OverviewRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str


class RolePermissions(msgspec.Struct, frozen=True, rename="camel"):
    """`controllers`: those of single Controllers, by their ids."""

    joc: list[Permission]
    controller_defaults: list[Permission]
    controllers: dict[str, list[Permission]]


class RoleFolders(msgspec.Struct, frozen=True, rename="camel"):
    """`joc`: those for all Controllers."""

    joc: list[Folder]
    controllers: dict[str, list[Folder]]


class RoleView(msgspec.Struct, frozen=True, rename="camel"):
    folders: RoleFolders
    permissions: RolePermissions


class OverviewAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Passwords are never in it."""

    delivery_date: str
    identity_service_name: str
    main: list[Any]
    accounts: list[dict[str, Any]]
    profiles: list[dict[str, Any]]
    roles: dict[str, RoleView]


async def overview(context: RequestContext, request: OverviewRequest) -> OverviewAnswer:
    """Accounts with their roles, roles with all that they hold, and who has stored preferences."""
    service = request.identity_service_name
    accounts = await context.services.get(Directory).accounts(service)
    names = {account.name for account in accounts}
    profiles = await context.services.get(Configurations).matching(configuration_type="PROFILE")
    return OverviewAnswer(
        delivery_date=timestamp(context.now_ms()),
        identity_service_name=service,
        main=[],
        accounts=[_account(account) for account in accounts],
        profiles=[{"account": one.account} for one in profiles if one.account in names],
        roles={role.name: _role(role) for role in await context.services.get(Roles).all_rows(service)},
    )


def _account(account: Account) -> dict[str, Any]:
    return {
        "accountName": account.name,
        "forcePasswordChange": account.force_password_change,
        "disabled": account.disabled,
        "roles": account.roles,
    }


def _role(role: RoleRows) -> RoleView:
    permissions = RolePermissions([], [], {})
    for row in role.permissions:
        _kind(permissions, row).append(Permission(row.permission, row.excluded))
    folders = RoleFolders([], {})
    for folder in role.folders:
        of = folders.joc if folder.controller_id is None else folders.controllers.setdefault(folder.controller_id, [])
        of.append(Folder(folder.folder, folder.recursive))
    return RoleView(folders, permissions)


def _kind(permissions: RolePermissions, row: PermissionRow) -> list[Permission]:
    """Those of Controllers in general have a list of their own; `sos:products` is of everything, so of JOC, too."""
    if row.controller_id is not None:
        return permissions.controllers.setdefault(row.controller_id, [])
    is_of_controllers = row.permission.startswith(f"{ROOT}:controller")
    return permissions.controller_defaults if is_of_controllers else permissions.joc


ROUTES = [Route("/authentication/auth", OverviewRequest, OverviewAnswer, VIEW, False, overview)]
