"""The commands `stellwerk plan …`, `calendar`, `schedule`: their options. What they do is in `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, in_session

plan_app = typer.Typer(invoke_without_command=True, help="What starts when: the daily plan and its forecast.")

From = Annotated[str | None, typer.Option("--from", help="first date, yyyy-mm-dd; default: today")]
To = Annotated[str | None, typer.Option("--to", help="last date; default: 30 days in all")]
Files = Annotated[
    list[Path] | None, typer.Option("--files", help="*.schedule.json, *.calendar.json or folders, instead of a Cockpit")
]
Others = Annotated[list[Path] | None, typer.Option("--folder", help="with a file: where else calendars lie")]


def register(app: typer.Typer) -> None:
    """Add the group and commands to the command line."""
    app.add_typer(plan_app, name="plan")
    app.command()(calendar)
    app.command()(schedule)


@plan_app.callback()
def plan(
    context: typer.Context,
    first: From = None,
    last: To = None,
    files: Files = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """What starts when, as a table and a drawn month: planned orders, and the forecast from schedules."""
    if context.invoked_subcommand is not None:
        return
    from stellwerk.cli import plan as commands

    begin, end = commands.days(first, last)
    if files:
        commands.plan_of_files(files, begin, end, json)
    else:
        in_session(data, url, account, lambda c: commands.plan(c, begin, end, json))


@plan_app.command("diff")
def plan_diff(
    paths: Annotated[list[Path], typer.Argument(help="changed files, or folders that hold them")],
    against: Annotated[
        list[Path] | None, typer.Option("--against", help="compare with these files instead of what is released")
    ] = None,
    first: From = None,
    last: To = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """What a change of calendars or schedules would change: starts that go (-) and that come (+)."""
    from stellwerk.cli import plan as commands

    begin, end = commands.days(first, last)
    if against:
        old = commands.of_files(against)
        commands.print_difference(old, old.overlaid(commands.of_files(paths)), begin, end, json)
    else:
        in_session(data, url, account, lambda c: commands.plan_difference(c, paths, begin, end, json))


def calendar(
    name: Annotated[str, typer.Argument(help="a file *.calendar.json, or the name of a released calendar")],
    first: From = None,
    last: To = None,
    folder: Others = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """The dates of a calendar, drawn by months: [1] is a date, x one that is taken away."""
    from stellwerk.cli import plan as commands

    begin, end = commands.days(first, last)
    if Path(name).is_file():
        commands.calendar_of_file(Path(name), folder or [], begin, end, json)
    else:
        in_session(data, url, account, lambda c: commands.calendar(c, name, begin, end, json))


def schedule(
    name: Annotated[str, typer.Argument(help="a file *.schedule.json, or the name of a released schedule")],
    first: From = None,
    last: To = None,
    folder: Others = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """The start times of a schedule."""
    from stellwerk.cli import plan as commands

    begin, end = commands.days(first, last)
    if Path(name).is_file():
        commands.schedule_of_file(Path(name), folder or [], begin, end, json)
    else:
        in_session(data, url, account, lambda c: commands.schedule(c, name, begin, end, json))
