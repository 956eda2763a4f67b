"""`stellwerk user …`, `role …`, `audit`: who may do what, and who has done what, by the REST API."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from stellwerk.cli.output import CommandError, print_json, print_table, time_text
from stellwerk.cli.rest import Cockpit


def read_password(name: str) -> str:
    """Asked for twice at a terminal, else the first line of standard input: never an argument, which others can see."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandError("standard input holds no password", "write it there, or run this at a terminal")
        return password
    password = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("the two passwords differ", "try again")
    return password


def _request(comment: str, /, **members: Any) -> dict[str, Any]:
    return members | ({"auditLog": {"comment": comment}} if comment else {})


def _done(what: str, as_json: bool) -> None:
    print_json({"ok": True}) if as_json else print(what)


# --- accounts


async def list_users(cockpit: Cockpit, service: str, as_json: bool) -> None:
    answer = await cockpit.post("iam/accounts", {"identityServiceName": service})
    users = answer["accountItems"]
    if as_json:
        print_json({"users": users})
        return
    rows = [(one["accountName"], ", ".join(one["roles"]), _state(one), one.get("email", "")) for one in users]
    print_table(("USER", "ROLES", "STATE", "EMAIL"), rows)


def _state(user: dict[str, Any]) -> str:
    if user["blocked"]:
        return "blocked"
    if user["disabled"]:
        return "disabled"
    return "must change password" if user["forcePasswordChange"] else "active"


async def add_user(
    cockpit: Cockpit,
    service: str,
    name: str,
    roles: Sequence[str],
    email: str,
    password: str,
    comment: str,
    as_json: bool,
) -> None:
    """The server ignores unknown roles; a person who has mistyped one is told."""
    known = {one["roleName"] for one in (await cockpit.post("iam/roles", {"identityServiceName": service}))["roles"]}
    unknown = sorted(set(roles) - known)
    if unknown:
        raise CommandError(f"there is no role {unknown[0]}", f"choose from: {', '.join(sorted(known))}")
    found = await cockpit.post("iam/accounts", {"identityServiceName": service, "accountName": name})
    if found["accountItems"]:
        raise CommandError(f"there is a user {name} already", "see stellwerk user list")
    members: dict[str, Any] = {"identityServiceName": service, "accountName": name, "roles": list(roles)}
    members |= {"email": email} if email else {}
    members |= {"password": password} if password else {}
    await cockpit.post("iam/account/store", _request(comment, **members))
    how = "" if password else " with the initial password, which must be changed at the first login"
    _done(f"added {name}{how}" + ("" if roles else "; without a role it cannot log in"), as_json)


async def change_users(
    cockpit: Cockpit, verb: str, service: str, names: Sequence[str], comment: str, as_json: bool
) -> None:
    """`verb`: delete, enable, disable or resetpassword."""
    request = _request(comment, identityServiceName=service, accountNames=list(names))
    await cockpit.post(f"iam/accounts/{verb}", request)
    said = {"delete": "removed", "enable": "enabled", "disable": "disabled"}
    _done(f"{said.get(verb, 'set back the password of')} {', '.join(names)}", as_json)


async def set_password(cockpit: Cockpit, service: str, name: str, password: str, comment: str, as_json: bool) -> None:
    members = {"identityServiceName": service, "accountName": name, "password": password, "repeatedPassword": password}
    own = cockpit.target.password if cockpit.target.account == name else None
    members |= {"oldPassword": own} if own is not None else {}
    await cockpit.post("iam/account/changepassword", _request(comment, **members))
    _done(f"the password of {name} is changed", as_json)


async def block(cockpit: Cockpit, name: str, comment: str, as_json: bool) -> None:
    members = {"accountName": name} | ({"comment": comment} if comment else {})
    await cockpit.post("iam/blockedAccount/store", _request(comment, **members))
    _done(f"blocked {name}", as_json)


async def unblock(cockpit: Cockpit, names: Sequence[str], comment: str, as_json: bool) -> None:
    await cockpit.post("iam/blockedAccounts/delete", _request(comment, accountNames=list(names)))
    _done(f"unblocked {', '.join(names)}", as_json)


# --- roles


class RoleChange(msgspec.Struct, frozen=True):
    """What a command gives to a role or takes from it."""

    service: str
    name: str
    permissions: Sequence[str]
    excluded: Sequence[str]
    folders: Sequence[str]
    controller_id: str
    comment: str

    def request(self, **members: Any) -> dict[str, Any]:
        scope = {"identityServiceName": self.service, "roleName": self.name, "controllerId": self.controller_id}
        return _request(self.comment, **scope, **members)


async def list_roles(cockpit: Cockpit, service: str, as_json: bool) -> None:
    roles = []
    for role in (await cockpit.post("iam/roles", {"identityServiceName": service}))["roles"]:
        for controller_id in role["controllers"] or [""]:
            scope = {"identityServiceName": service, "roleName": role["roleName"], "controllerId": controller_id}
            permissions = (await cockpit.post("iam/permissions", scope))["permissions"]
            folders = (await cockpit.post("iam/folders", scope))["folders"]
            roles.append(
                {
                    "roleName": role["roleName"],
                    "controllerId": controller_id,
                    "permissions": permissions,
                    "folders": folders,
                }
            )
    if as_json:
        print_json({"roles": roles})
        return
    rows = [
        (
            one["roleName"],
            one["controllerId"] or "all",
            "\n".join(("not " if row["excluded"] else "") + row["permissionPath"] for row in one["permissions"]),
            "\n".join(row["folder"] + ("/*" if row["recursive"] else "") for row in one["folders"]) or "all",
        )
        for one in roles
    ]
    print_table(("ROLE", "CONTROLLER", "PERMISSIONS", "FOLDERS"), rows)


async def add_role(cockpit: Cockpit, change: RoleChange, as_json: bool) -> None:
    await cockpit.post(
        "iam/role/store",
        _request(change.comment, identityServiceName=change.service, roleName=change.name),
    )
    rows = [{"permissionPath": path, "excluded": False} for path in change.permissions]
    rows += [{"permissionPath": path, "excluded": True} for path in change.excluded]
    if rows:
        await cockpit.post("iam/permissions/store", change.request(permissions=rows))
    if change.folders:
        folders = [{"folder": folder, "recursive": True} for folder in change.folders]
        await cockpit.post("iam/folders/store", change.request(folders=folders))
    _done(f"role {change.name} is stored", as_json)


async def revoke_from_role(cockpit: Cockpit, change: RoleChange, as_json: bool) -> None:
    if not change.permissions and not change.folders:
        raise CommandError("nothing to revoke", "give --permission or --folder")
    if change.permissions:
        await cockpit.post("iam/permissions/delete", change.request(permissionPaths=list(change.permissions)))
    if change.folders:
        await cockpit.post("iam/folders/delete", change.request(folderNames=list(change.folders)))
    _done(f"role {change.name} is changed", as_json)


async def remove_roles(cockpit: Cockpit, service: str, names: Sequence[str], comment: str, as_json: bool) -> None:
    await cockpit.post("iam/roles/delete", _request(comment, identityServiceName=service, roleNames=list(names)))
    _done(f"removed {', '.join(names)}", as_json)


# --- the audit log


async def audit(cockpit: Cockpit, request: dict[str, Any], as_json: bool) -> None:
    items = (await cockpit.post("audit_log", request))["auditLog"]
    if as_json:
        print_json({"auditLog": items})
        return
    rows = [
        (
            time_text(one["created"]),
            one["account"],
            one["request"].removeprefix("."),
            "done" if one["status"] == 200 else f"refused ({one['status']})",
            one.get("comment", ""),
        )
        for one in items
    ]
    print_table(("TIME", "USER", "CALL", "OUTCOME", "COMMENT"), rows)
