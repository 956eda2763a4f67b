"""The groups `stellwerk agent` and `stellwerk controller`: their options. What they do is in `nodes`.

Without a command they run the component itself, as service managers and `up` do: `stellwerk agent --data FOLDER`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, Yes, in_session

agent_app = typer.Typer(invoke_without_command=True)
controller_app = typer.Typer(invoke_without_command=True)

Data = Annotated[Path | None, typer.Option("--data", help="the folder that holds everything of this component")]
AgentId = Annotated[str, typer.Argument(help="id of the Agent")]
AgentIds = Annotated[list[str], typer.Argument(help="ids of Agents")]
Node = Annotated[str | None, typer.Argument(help="url of the node; of a pair it must be given")]


def register(app: typer.Typer) -> None:
    """Add the groups to the command line."""
    app.add_typer(agent_app, name="agent")
    app.add_typer(controller_app, name="controller")


def _folder(data: Path | None) -> Path:
    if data is None:
        raise typer.BadParameter("give --data FOLDER to run it, or one of the commands that --help lists")
    return data


@controller_app.callback()
def controller(context: typer.Context, data: Data = None) -> None:
    """Run a Controller on its data folder (which holds controller.toml); or, with a command, those of the Cockpit."""
    if context.invoked_subcommand is None:
        from stellwerk.cli.components import run_controller

        raise SystemExit(run_controller(_folder(data)))


@agent_app.callback()
def agent(context: typer.Context, data: Data = None) -> None:
    """Run an Agent on its data folder (which holds agent.toml); or, with a command, the Agents of the Cockpit."""
    if context.invoked_subcommand is None:
        from stellwerk.cli.components import run_agent

        raise SystemExit(run_agent(_folder(data)))


# --- Agents -----------------------------------------------------------------------------------------------------------


@agent_app.command("list")
def agent_list(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """List the registered Agents with their state."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.list_agents(c, json))


@agent_app.command("show")
def agent_show(
    agent_id: AgentId, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Show one Agent, with its Subagents."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.show_agent(c, agent_id, json))


@agent_app.command("add")
def agent_add(
    agent_id: AgentId,
    address: Annotated[str, typer.Argument(help="url of the Agent, as its Controller reaches it")],
    name: Annotated[str | None, typer.Option(help="by which workflows know it; default: the id")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="another name; repeatable")] = None,
    title: Annotated[str | None, typer.Option(help="for people")] = None,
    process_limit: Annotated[
        int | None, typer.Option(min=0, help="most processes at a time; default: no limit")
    ] = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Register an Agent, or change one, and let its Controller couple with it."""
    from stellwerk.cli import nodes

    values = {
        "agentId": agent_id,
        "agentName": name or agent_id,
        "url": address,
        "agentNameAliases": alias or None,
        "title": title,
        "processLimit": process_limit,
    }
    agent = {member: value for member, value in values.items() if value is not None}
    in_session(data, url, account, lambda c: nodes.add_agent(c, agent, json))


@agent_app.command("remove")
def agent_remove(
    agent_id: AgentId,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Delete an Agent at its Controller and at the Cockpit; its process is not touched."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.remove_agent(c, agent_id, yes, json))


@agent_app.command("reset")
def agent_reset(
    agent_id: AgentId,
    force: Annotated[
        bool, typer.Option("--force", help="also one that does not answer, or is another Controller's")
    ] = False,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Make an Agent forget its orders and its journal."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.reset_agent(c, agent_id, force, yes, json))


@agent_app.command("enable")
def agent_enable(
    agent_ids: AgentIds, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Let disabled Agents start processes again."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.set_enabled(c, agent_ids, True, json))


@agent_app.command("disable")
def agent_disable(
    agent_ids: AgentIds, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Let Agents start no new processes; what runs goes on."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.set_enabled(c, agent_ids, False, json))


@agent_app.command("switch-over")
def agent_switch_over(
    agent_id: AgentId,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Let the other Director of a pair become the active one."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.switch_agent_over(c, agent_id, yes, json))


# --- Controllers ------------------------------------------------------------------------------------------------------


@controller_app.command("list")
def controller_list(data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False) -> None:
    """List the registered Controllers, each node as it answers now."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.list_controllers(c, json))


@controller_app.command("show")
def controller_show(
    controller_id: Annotated[str | None, typer.Argument(help="default: that of the installation")] = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Show one Controller with its nodes."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.show_controller(c, controller_id, json))


@controller_app.command("add")
def controller_add(
    address: Annotated[str, typer.Argument(help="url of the Controller, of a pair: of its primary node")],
    backup: Annotated[str | None, typer.Option(help="url of the other node of a pair")] = None,
    title: Annotated[str | None, typer.Option(help="for people")] = None,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Register a Controller, or change the addresses of one."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.add_controller(c, address, backup, title, json))


@controller_app.command("remove")
def controller_remove(
    controller_id: Annotated[str, typer.Argument(help="id of the Controller")],
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Forget a Controller and its Agents; they work on."""
    from stellwerk.cli import nodes

    in_session(data, url, account, lambda c: nodes.remove_controller(c, controller_id, yes, json))


@controller_app.command("restart")
def controller_restart(
    node: Node = None,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Restart a node of the Controller; of a pair the other one takes over."""
    from stellwerk.cli import nodes

    in_session(
        data, url, account, lambda c: nodes.end_controller(c, node, is_restart=True, is_confirmed=yes, as_json=json)
    )


@controller_app.command("stop")
def controller_stop(
    node: Node = None,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Shut a node of the Controller down; of a pair the other one takes over."""
    from stellwerk.cli import nodes

    in_session(
        data, url, account, lambda c: nodes.end_controller(c, node, is_restart=False, is_confirmed=yes, as_json=json)
    )


@controller_app.command("switch-over")
def controller_switch_over(
    yes: Yes = False, data: Home = Path("data"), url: Url = None, account: Account = None, json: Json = False
) -> None:
    """Let the passive Controller become the active one."""
    from stellwerk.cli import cluster

    in_session(data, url, account, lambda c: cluster.switch_over(c, yes, json))
