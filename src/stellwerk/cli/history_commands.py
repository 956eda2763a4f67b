"""The commands `stellwerk history …` and `log`: their options. What they do is in `history`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, in_session

history_app = typer.Typer(invoke_without_command=True, help="What has run, what it printed, and figures of it.")

Query = Annotated[str, typer.Option("--filter", help="e.g. 'workflow:/etl/* state:failed started:>-2d'")]
Workflow = Annotated[str | None, typer.Option(help="only this workflow")]
Limit = Annotated[int, typer.Option(min=1, help="at most so many")]


def register(app: typer.Typer) -> None:
    """Add the group and command to the command line."""
    app.add_typer(history_app, name="history")
    app.command()(log)


def _terms(query: str, workflow: str | None) -> str:
    return query if workflow is None else f'{query} workflow:"{workflow}"'.strip()


@history_app.callback()
def history(
    context: typer.Context,
    workflow: Workflow = None,
    query: Query = "",
    tasks: Annotated[bool, typer.Option(help="tasks instead of orders")] = False,
    limit: Limit = 50,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Orders that have run, the newest first; commands for tasks, logs and figures."""
    if context.invoked_subcommand is not None:
        return
    from stellwerk.cli import history as commands

    kind = "tasks" if tasks else "orders"
    in_session(data, url, account, lambda c: commands.runs(c, kind, _terms(query, workflow), limit, json))


@history_app.command("orders")
def history_orders(
    workflow: Workflow = None,
    query: Query = "",
    limit: Limit = 50,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Orders that have run, the newest first."""
    from stellwerk.cli import history as commands

    in_session(data, url, account, lambda c: commands.runs(c, "orders", _terms(query, workflow), limit, json))


@history_app.command("tasks")
def history_tasks(
    workflow: Workflow = None,
    query: Query = "",
    limit: Limit = 50,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Attempts of jobs, the newest first."""
    from stellwerk.cli import history as commands

    in_session(data, url, account, lambda c: commands.runs(c, "tasks", _terms(query, workflow), limit, json))


@history_app.command("log")
def history_log(
    order_id: Annotated[str, typer.Argument()],
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """The log of an order, with the output of its jobs."""
    from stellwerk.cli import history as commands

    in_session(data, url, account, lambda c: commands.log(c, order_id, json))


def log(
    order_id: Annotated[str, typer.Argument()], data: Home = Path("data"), url: Url = None, account: Account = None
) -> None:
    """Print the log of an order, with the output of its jobs."""
    from stellwerk.cli import history as commands

    in_session(data, url, account, lambda c: commands.log(c, order_id))


@history_app.command("search")
def history_search(
    text: Annotated[str, typer.Argument(help="words as they stand in a line; the last one may be cut off")],
    workflow: Workflow = None,
    query: Query = "",
    limit: Limit = 20,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Tasks whose logs have a text, with the lines, the newest first."""
    from stellwerk.cli import history as commands

    in_session(data, url, account, lambda c: commands.search(c, text, _terms(query, workflow), limit, json))


@history_app.command("statistics")
def history_statistics(
    workflow: Workflow = None,
    query: Query = "",
    tasks: Annotated[bool, typer.Option(help="of tasks instead of orders")] = False,
    begin: Annotated[str, typer.Option("--from", help="e.g. -24h, -7d, 2026-11-01")] = "-24h",
    end: Annotated[str, typer.Option("--to", help="e.g. now, -1d, 2026-12-01")] = "now",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """How much has run, how long it took, what failed, and which Agents worked."""
    from stellwerk.cli import history as commands

    kind, terms = ("tasks" if tasks else "orders"), _terms(query, workflow)
    in_session(data, url, account, lambda c: commands.statistics(c, kind, terms, begin, end, json))
