"""The commands `stellwerk user …`, `role …`, `audit`: their options. What they do is in `access`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, in_session

user_app = typer.Typer(no_args_is_help=True, help="Who may log in: list, add, remove, block, change passwords.")
role_app = typer.Typer(no_args_is_help=True, help="What accounts may do, and in which folders.")

Names = Annotated[list[str], typer.Argument(help="names of accounts")]
Name = Annotated[str, typer.Argument(help="name of the account")]
RoleName = Annotated[str, typer.Argument(help="name of the role")]
Service = Annotated[str, typer.Option(help="the identity service")]
Comment = Annotated[str, typer.Option(help="why, for the audit log")]
Permissions = Annotated[list[str] | None, typer.Option(help="e.g. sos:products:controller:view; repeatable")]
Controller = Annotated[str, typer.Option(help="only for this Controller; default: for all")]
DEFAULT_SERVICE = "JOC-INITIAL"


def register(app: typer.Typer) -> None:
    """Add the groups and commands to the command line."""
    app.add_typer(user_app, name="user")
    app.add_typer(role_app, name="role")
    app.command()(audit)


@user_app.command("list")
def user_list(
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """List accounts with their roles and whether they can log in."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.list_users(c, service, json))


@user_app.command("add")
def user_add(
    name: Name,
    role: Annotated[list[str] | None, typer.Option(help="a role of the account; repeatable")] = None,
    email: Annotated[str, typer.Option(help="address of the person")] = "",
    with_password: Annotated[
        bool, typer.Option("--with-password", help="ask for a password (or read it from standard input)")
    ] = False,
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Add an account; without --with-password it gets the initial password, which must be changed at first."""
    from stellwerk.cli import access

    password = access.read_password(name) if with_password else ""
    in_session(
        data, url, account, lambda c: access.add_user(c, service, name, role or [], email, password, comment, json)
    )


@user_app.command("remove")
def user_remove(
    names: Names,
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Remove accounts; who is logged in is logged out."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.change_users(c, "delete", service, names, comment, json))


@user_app.command("enable")
def user_enable(
    names: Names,
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Let accounts log in again."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.change_users(c, "enable", service, names, comment, json))


@user_app.command("disable")
def user_disable(
    names: Names,
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Let accounts not log in any more; who is logged in is logged out."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.change_users(c, "disable", service, names, comment, json))


@user_app.command("password")
def user_password(
    name: Name,
    reset: Annotated[bool, typer.Option("--reset", help="back to the initial password, which must be changed")] = False,
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Set the password of an account: asked for, or read from standard input. Who is logged in is logged out."""
    from stellwerk.cli import access

    if reset:
        in_session(
            data, url, account, lambda c: access.change_users(c, "resetpassword", service, [name], comment, json)
        )
        return
    password = access.read_password(name)
    in_session(data, url, account, lambda c: access.set_password(c, service, name, password, comment, json))


@user_app.command("block")
def user_block(
    name: Name,
    comment: Annotated[str, typer.Option(help="why; shown with the block, and in the audit log")] = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Put a name on the block list of all identity services; who is logged in is logged out."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.block(c, name, comment, json))


@user_app.command("unblock")
def user_unblock(
    names: Names,
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Take names off the block list."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.unblock(c, names, comment, json))


@role_app.command("list")
def role_list(
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """List roles with what they permit and where."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.list_roles(c, service, json))


@role_app.command("add")
def role_add(
    name: RoleName,
    permission: Permissions = None,
    exclude: Annotated[list[str] | None, typer.Option(help="a permission that it takes away; repeatable")] = None,
    folder: Annotated[
        list[str] | None, typer.Option(help="restrict it to this folder and those below; repeatable")
    ] = None,
    controller: Controller = "",
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Add a role, or permissions and folders to one."""
    from stellwerk.cli import access

    change = access.RoleChange(service, name, permission or [], exclude or [], folder or [], controller, comment)
    in_session(data, url, account, lambda c: access.add_role(c, change, json))


@role_app.command("revoke")
def role_revoke(
    name: RoleName,
    permission: Permissions = None,
    folder: Annotated[list[str] | None, typer.Option(help="do not restrict it to this folder; repeatable")] = None,
    controller: Controller = "",
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Take permissions (also excluded ones) or folders from a role."""
    from stellwerk.cli import access

    change = access.RoleChange(service, name, permission or [], [], folder or [], controller, comment)
    in_session(data, url, account, lambda c: access.revoke_from_role(c, change, json))


@role_app.command("remove")
def role_remove(
    names: Annotated[list[str], typer.Argument(help="names of roles")],
    comment: Comment = "",
    service: Service = DEFAULT_SERVICE,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Remove roles; who has no other one is logged out."""
    from stellwerk.cli import access

    in_session(data, url, account, lambda c: access.remove_roles(c, service, names, comment, json))


def audit(
    user: Annotated[str, typer.Option(help="only calls of this account")] = "",
    category: Annotated[list[str] | None, typer.Option(help="e.g. INVENTORY, CONTROLLER, IDENTITY; repeatable")] = None,
    object: Annotated[str, typer.Option(help="a part of the name of an object, or a pattern with *")] = "",
    since: Annotated[str, typer.Option(help="e.g. -1d, -2h, 2026-11-24T06:00:00Z")] = "-7d",
    limit: Annotated[int, typer.Option(help="at most so many, the newest")] = 100,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Who has changed what: the audit log, newest first."""
    from stellwerk.cli import access

    request = {
        "account": user,
        "categories": [one.upper() for one in category or []],
        "objectName": object,
        "dateFrom": since,
        "limit": limit,
    }
    in_session(data, url, account, lambda c: access.audit(c, request, json))
