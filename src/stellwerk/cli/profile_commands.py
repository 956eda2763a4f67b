"""The commands `stellwerk login`, `logout`, `profiles`: other installations (`profiles`)."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated

import typer

from stellwerk.cli.options import Json
from stellwerk.cli.output import CommandError, print_json, print_table

Name = Annotated[str | None, typer.Option("--profile", help="name of the profile")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(login)
    app.command()(logout)
    app.command()(profiles)


def login(
    url: Annotated[str, typer.Argument(help="address of a Cockpit, e.g. https://cockpit.example:4446")],
    account: Annotated[str | None, typer.Option("--account", help="default: STELLWERK_ACCOUNT, or root")] = None,
    controller: Annotated[
        str | None, typer.Option("--controller", help="the Controller that commands mean; default: the first")
    ] = None,
    profile: Name = None,
    json: Json = False,
) -> None:
    """Log in to a Cockpit elsewhere; following commands use it until `logout`, or for `--profile NAME`."""
    from stellwerk.cli.orders import execute
    from stellwerk.cli.profiles import DEFAULT_NAME, Profile, named_profile, read_profiles, write_profiles
    from stellwerk.cli.rest import Cockpit, Target

    name = profile or named_profile() or DEFAULT_NAME
    known = read_profiles()
    person = account or os.environ.get("STELLWERK_ACCOUNT") or "root"
    target = Target(url=url.rstrip("/"), account=person, password=_password(person, url))

    async def enter(cockpit: Cockpit) -> Profile:
        ids = (await cockpit.post("controller/ids"))["controllerIds"]
        if controller is not None and controller not in ids:
            raise CommandError(f"{url} has no Controller '{controller}'", f"it has: {', '.join(ids) or 'none'}")
        chosen = controller or (ids[0] if ids else "controller")
        return Profile(target.url, person, cockpit.keep_session(), chosen)

    entered = execute(target, enter)
    write_profiles(known.having(name, entered))
    if json:
        print_json({"profile": name, "url": entered.url, "account": person, "controllerId": entered.controller_id})
    else:
        print(f"logged in to {entered.url} as {person}: profile '{name}', Controller '{entered.controller_id}'")


def _password(account: str, url: str) -> str:
    given = os.environ.get("STELLWERK_PASSWORD")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise CommandError("a password is needed", "set STELLWERK_PASSWORD")
    return getpass.getpass(f"Password of {account} at {url}: ")


def logout(profile: Name = None, json: Json = False) -> None:
    """End the session of a profile (default: the current one) and forget it."""
    from stellwerk.cli.orders import execute
    from stellwerk.cli.profiles import named_profile, read_profiles, write_profiles
    from stellwerk.cli.rest import Cockpit, Target

    known = read_profiles()
    found = known.chosen(profile or named_profile())
    if found is None:
        raise CommandError("nobody is logged in", "stellwerk profiles lists who is")
    name, entered = found
    # Forgotten first: what the Cockpit says, or that it does not answer, changes nothing.
    write_profiles(known.without(name))

    async def leave(cockpit: Cockpit) -> None:
        await cockpit.post("authentication/logout")

    try:
        execute(Target(url=entered.url, token=entered.token), leave)
    except CommandError as error:
        if not json:
            print(f"{error}\n  → the session ends by itself", file=sys.stderr)
    print_json({"profile": name, "ok": True}) if json else print(f"logged out: profile '{name}' is forgotten")


def profiles(json: Json = False) -> None:
    """List the installations that you have logged in to."""
    from stellwerk.cli.profiles import read_profiles

    known = read_profiles()
    items = [
        {
            "profile": name,
            "current": name == known.current,
            "url": item.url,
            "account": item.account,
            "controllerId": item.controller_id,
        }
        for name, item in sorted(known.profiles.items())
    ]
    if json:
        print_json(items)
        return
    rows = [
        (f"{item['profile']}{' *' if item['current'] else ''}", item["url"], item["account"], item["controllerId"])
        for item in items
    ]
    print_table(("PROFILE", "URL", "ACCOUNT", "CONTROLLER"), rows, "nobody is logged in")
