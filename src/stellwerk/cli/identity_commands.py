"""The commands `stellwerk identity …`: their options. What they do is in `identity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, in_session

identity_app = typer.Typer(no_args_is_help=True, help="Who checks credentials: directories, providers, devices.")

Name = Annotated[str, typer.Argument(help="name of the identity service")]
Comment = Annotated[str, typer.Option(help="why, for the audit log")]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(identity_app, name="identity")


@identity_app.command("list")
def identity_list(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """List identity services in the order in which they are asked."""
    from stellwerk.cli import identity

    in_session(data, url, account, lambda c: identity.list_services(c, json))


@identity_app.command("store")
def identity_store(
    name: Name,
    type: Annotated[str, typer.Option(help="JOC, LDAP, LDAP-JOC, OIDC, OIDC-JOC, CERTIFICATE, FIDO")] = "",
    settings: Annotated[Path | None, typer.Option(help="JSON file with the settings; - reads standard input")] = None,
    required: Annotated[bool | None, typer.Option("--required/--optional", help="must all logins pass it")] = None,
    disabled: Annotated[bool | None, typer.Option("--disabled/--enabled", help="is it left out")] = None,
    second_factor: Annotated[str | None, typer.Option(help="service that asks for a second factor; '': none")] = None,
    only_second: Annotated[
        bool | None, typer.Option("--only-second/--not-only-second", help="is it a second factor of others only")
    ] = None,
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Add an identity service, or change what is given of one."""
    from stellwerk.cli import identity

    document = identity.read_settings(settings) if settings is not None else None
    change = identity.Change(
        type=type,
        settings=document,
        required=required,
        disabled=disabled,
        second_factor=second_factor,
        only_second=only_second,
    )
    in_session(data, url, account, lambda c: identity.store(c, name, change, comment, json))


@identity_app.command("remove")
def identity_remove(
    name: Name,
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Remove an identity service with its accounts and roles; who is logged in through it is logged out."""
    from stellwerk.cli import identity

    in_session(data, url, account, lambda c: identity.remove(c, name, comment, json))


@identity_app.command("devices")
def identity_devices(
    name: Name, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """List devices that wait for approval, with the fingerprints that their holders were shown."""
    from stellwerk.cli import identity

    in_session(data, url, account, lambda c: identity.list_devices(c, name, json))


@identity_app.command("approve")
def identity_approve(
    name: Name,
    fingerprint: Annotated[str, typer.Argument(help="what the holder of the device was shown")],
    comment: Comment = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Let a device in, by the fingerprint that its holder tells."""
    from stellwerk.cli import identity

    in_session(data, url, account, lambda c: identity.approve(c, name, fingerprint, comment, json))
