"""The command line's entry: groups, common options, and how errors leave.

Each command imports what it needs when it runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from stellwerk import __version__
from stellwerk.cli import (
    access_commands,
    backup_commands,
    history_commands,
    identity_commands,
    inventory_commands,
    node_commands,
    notify_commands,
    plan_commands,
    profile_commands,
)
from stellwerk.cli.options import Account, Home, Json, Url, Yes
from stellwerk.cli.options import in_session as _execute
from stellwerk.cli.output import CommandError, fail
from stellwerk.cli.profiles import use_profile

app = typer.Typer(
    name="stellwerk",
    help="Workload automation that people can trust with a bank's night run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
order_app = typer.Typer(no_args_is_help=True, help="Add, list, watch, cancel, suspend and resume orders.")
journal_app = typer.Typer(no_args_is_help=True, help="Look into journals.")
cluster_app = typer.Typer(no_args_is_help=True, help="The pair of Controllers: look at it, switch over.")
app.add_typer(order_app, name="order")
app.add_typer(cluster_app, name="cluster")
app.add_typer(journal_app, name="journal")
for commands in (
    node_commands,
    plan_commands,
    inventory_commands,
    access_commands,
    identity_commands,
    notify_commands,
    profile_commands,
    backup_commands,
    history_commands,
):
    commands.register(app)

Arguments = Annotated[
    list[str] | None, typer.Option("--argument", "-a", help="NAME=VALUE; a JSON number, Boolean or list keeps its type")
]
Data = Annotated[Path, typer.Option("--data", help="the folder that holds everything of this component")]


def main() -> None:
    """Run the command; a `CommandError` becomes a message and an exit code, not a traceback."""
    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except CommandError as error:
        fail(error, as_json)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _version(value: bool) -> None:
    if value:
        print(f"stellwerk {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
    profile: Annotated[
        str | None, typer.Option("--profile", help="use this installation, which `stellwerk login` has named")
    ] = None,
) -> None:
    if profile is not None:
        use_profile(profile)


# --- the installation on this machine --------------------------------------------------------------------------------


@app.command()
def up(
    data: Data = Path("data"),
    port: Annotated[int, typer.Option(help="port of the Cockpit; 0 for a free one")] = 4446,
    agents: Annotated[str, typer.Option(help="names of the Agents, comma separated; more can be named later")] = "",
    supervise: Annotated[bool, typer.Option(help="start a component again when it ends")] = False,
    cluster: Annotated[
        bool, typer.Option(help="two of each (of Agents: the first), and witnesses: play with fail-over")
    ] = False,
    database: Annotated[str, typer.Option(help="with --cluster: postgresql://… for two Cockpits; sqlite for one")] = "",
    json: Json = False,
) -> None:
    """Start a whole installation: Cockpit, Controller and Agents, one process each; Ctrl-C stops all."""
    from stellwerk.cli.up import run_up

    names = [name.strip() for name in agents.split(",") if name.strip()]
    running = run_up(
        data,
        port=port,
        agents=names,
        supervise=supervise,
        as_json=json,
        cluster=cluster,
        database_url=database or None,
    )
    raise SystemExit(asyncio.run(running))


@app.command()
def demo(
    data: Data = Path("data/demo"),
    port: Annotated[int, typer.Option(help="port of the Cockpit; the next free one is taken if it is in use")] = 4446,
    orders: Annotated[int, typer.Option(help="how many orders to add")] = 12,
    seconds: Annotated[float, typer.Option(help="stop by itself after so many seconds; 0: run until Ctrl-C")] = 0,
) -> None:
    """Start an installation with sample workflows and orders, and show live progress until Ctrl-C."""
    from stellwerk.cli.demo import run_demo

    raise SystemExit(asyncio.run(run_demo(data, port=port, orders=orders, seconds=seconds)))


@app.command()
def cockpit(
    data: Data, port: Annotated[int | None, typer.Option(help="instead of the port in cockpit.toml")] = None
) -> None:
    """Run a Cockpit on its data folder (which holds cockpit.toml)."""
    from stellwerk.cli.components import run_cockpit

    raise SystemExit(run_cockpit(data, port))


@app.command()
def witness(data: Data) -> None:
    """Run a witness, which arbitrates between the nodes of pairs, on its data folder (which holds witness.toml)."""
    from stellwerk.cli.components import run_witness

    raise SystemExit(run_witness(data))


@app.command()
def subagent(data: Data) -> None:
    """Run a Subagent, which runs jobs for an Agent, on its data folder (which holds subagent.toml)."""
    from stellwerk.cli.components import run_subagent

    raise SystemExit(run_subagent(data))


@app.command("import-js7")
def import_js7(
    folder: Annotated[Path, typer.Argument(help="the folder of a JS7 Controller or Agent; holds config/")],
    data: Data,
    json: Json = False,
) -> None:
    """Take over controller.conf or agent.conf and private.conf of JS7 into TOML files of a new data folder."""
    from stellwerk.cli.import_js7 import run_import

    run_import(folder, data, json)


# --- workflows -------------------------------------------------------------------------------------------------------


class CheckFormat(StrEnum):
    """How `check` tells its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="inventory files, or folders that hold them")],
    form: Annotated[CheckFormat, typer.Option("--format", help="text, json, or GitHub annotations")] = CheckFormat.TEXT,
    strict: Annotated[bool, typer.Option(help="warnings count as errors")] = False,
    json: Json = False,
) -> None:
    """Report all problems and likely mistakes of inventory files, with line, JSON path and remedy.

    Exit code 0: no errors; 1: errors (with --strict also warnings); 2: wrong use.
    """
    from stellwerk.cli.author import check_files

    raise typer.Exit(check_files(paths, "json" if json else form.value, strict))


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="a workflow file")],
    mermaid: Annotated[bool, typer.Option(help="as a diagram for Mermaid")] = False,
) -> None:
    """Print a workflow as readable steps, or as a diagram."""
    from stellwerk.cli import author

    author.explain(file, mermaid)


@app.command()
def schema() -> None:
    """Print the JSON Schema of workflow files, for editors."""
    from stellwerk.cli.author import print_schema

    print_schema()


@app.command()
def test(
    paths: Annotated[list[Path], typer.Argument(help="test files, or folders with *.test.toml")],
    json: Json = False,
) -> None:
    """Run unit tests of workflows on simulated time; no installation, no processes.

    Exit code 0: all passed; 1: some failed; 2: a file cannot be used.
    """
    from stellwerk.cli.author import run_tests

    raise typer.Exit(run_tests(paths, json))


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="a workflow file")],
    argument: Annotated[
        list[str], typer.Option("--argument", "-a", help="NAME=VALUE; JSON values keep their type")
    ] = [],  # noqa: B006
    keep: Annotated[bool, typer.Option(help="keep the temporary data folder")] = False,
    json: Json = False,
) -> None:
    """Run one workflow on an installation of its own in this process; the exit code tells the outcome."""
    from stellwerk.cli.run import run_workflow

    raise SystemExit(asyncio.run(run_workflow(file, _arguments(argument or []), keep=keep, as_json=json)))


def _arguments(pairs: list[str]) -> dict[str, Any]:
    from stellwerk.cli.rest import parse_arguments

    return parse_arguments(pairs)


@journal_app.command("export")
def journal_export(
    data: Annotated[Path, typer.Argument(help="the folder with the journal files, e.g. data/controller/state")],
    name: Annotated[str, typer.Option(help="controller or agent")] = "controller",
) -> None:
    """Write the newest journal file in the plain JS7 form to standard output."""
    from stellwerk.effects.system_disk import SystemDisk
    from stellwerk.journal import export_js7

    for line in export_js7(SystemDisk(data), name):
        os.write(1, line + b"\n")


# --- orders, logs, history -------------------------------------------------------------------------------------------

OrderIds = Annotated[list[str], typer.Argument(help="order ids")]


@order_app.command("add")
def order_add(
    workflow: Annotated[str, typer.Argument(help="path of the workflow")],
    name: Annotated[str, typer.Option(help="name of the order, part of its id")] = "order",
    argument: Arguments = None,
    at: Annotated[str | None, typer.Option(help="start time, e.g. 2026-12-24T18:00:00Z or now+3600")] = None,
    count: Annotated[int, typer.Option(min=1, help="how many")] = 1,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Add orders to a workflow and print their ids."""
    from stellwerk.cli import orders

    arguments = _arguments(argument or [])
    _execute(data, url, account, lambda c: orders.add(c, workflow, name, arguments, at, count, json))


@order_app.command("list")
def order_list(
    state: Annotated[list[str] | None, typer.Option(help="only orders in this state; repeatable")] = None,
    workflow: Annotated[str | None, typer.Option(help="only orders of this workflow")] = None,
    limit: int = 1000,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """List the orders that the Controller knows."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.list_orders(c, state or [], workflow, limit, json))


@order_app.command("cancel")
def order_cancel(
    order_ids: OrderIds,
    kill: Annotated[bool, typer.Option(help="kill the running job")] = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Cancel orders."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.change(c, "cancel", order_ids, {"kill": kill}, json))


@order_app.command("suspend")
def order_suspend(
    order_ids: OrderIds,
    kill: Annotated[bool, typer.Option(help="kill the running job")] = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Suspend orders until they are resumed."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.change(c, "suspend", order_ids, {"kill": kill}, json))


@order_app.command("resume")
def order_resume(
    order_ids: OrderIds,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Resume suspended, stopped or failed orders."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.change(c, "resume", order_ids, {}, json))


@order_app.command("confirm")
def order_confirm(
    order_ids: OrderIds,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Answer the prompt that orders wait at."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.change(c, "confirm", order_ids, {}, json))


@order_app.command("watch")
def order_watch(
    order_id: Annotated[str, typer.Argument()],
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Follow an order until it rests; exit code 0 when it has finished, 1 otherwise."""
    from stellwerk.cli import orders

    raise SystemExit(_execute(data, url, account, lambda c: orders.watch(c, order_id, json)))


@app.command()
def status(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """Components with their coupling, orders by state."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.status(c, json))


@app.command()
def api(
    missing: Annotated[
        bool,
        typer.Option("--missing", help="published endpoints that are not implemented; tier 1 is the shell CLI"),
    ] = False,
    json: Json = False,
) -> None:
    """List the endpoints of the Cockpit's REST API."""
    from stellwerk.cli.api import list_api

    list_api(missing=missing, as_json=json)


@app.command()
def chaos(
    data: Home = Path("data"),
    rounds: Annotated[int, typer.Option(min=1, help="how many faults")] = 10,
    only: Annotated[list[str] | None, typer.Option(help="only this component; may be given several times")] = None,
    seed: Annotated[int | None, typer.Option(help="the same faults again")] = None,
    stop_seconds: Annotated[float, typer.Option(min=0.1, help="how long a stopped process stands still")] = 5.0,
) -> None:
    """Kill (-9) and stop parts of an installation of `up --cluster --supervise`, and watch it recover."""
    from stellwerk.cli import chaos as commands

    commands.chaos(data, rounds=rounds, only=only or [], seed=seed, stop_seconds=stop_seconds, say=print)


@cluster_app.command("show")
def cluster_show(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """All clusters: who is active, how far the other one is behind, whether it can take over, what has happened."""
    from stellwerk.cli import cluster

    _execute(data, url, account, lambda c: cluster.show(c, json))


@cluster_app.command("switch-over")
def cluster_switch_over(
    yes: Yes = False, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Let the passive Controller become the active one."""
    from stellwerk.cli import cluster

    _execute(data, url, account, lambda c: cluster.switch_over(c, yes, json))


@cluster_app.command("confirm-loss")
def cluster_confirm_loss(
    node: Annotated[
        str | None, typer.Argument(help="url of the node that is stopped; none: that is waited for")
    ] = None,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Say that a node is stopped for sure, so that the other one may take over."""
    from stellwerk.cli import cluster

    _execute(data, url, account, lambda c: cluster.confirm_loss(c, node, yes, json))


@app.command()
def deploy(
    paths: Annotated[list[Path], typer.Argument(help="inventory files, or folders that hold them")],
    folder: Annotated[str, typer.Option(help="folder in the inventory")] = "/",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Check, store and deploy workflows, locks, boards, job resources, file order sources: all or none."""
    from stellwerk.cli import orders

    _execute(data, url, account, lambda c: orders.deploy(c, paths, folder, json))
