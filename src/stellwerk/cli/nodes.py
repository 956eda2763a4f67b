"""`stellwerk agent …`, `stellwerk controller …`: what is registered at the Cockpit, and what people do with it."""

from __future__ import annotations

from typing import Any

from stellwerk.cli.output import CommandError, confirm, print_json, print_table
from stellwerk.cli.rest import Cockpit


def _done(what: str, as_json: bool) -> None:
    print_json({"ok": True}) if as_json else print(what)


def _text(state: Any) -> str:
    return str(state.get("_text", "")) if isinstance(state, dict) else ""


# --- Agents -----------------------------------------------------------------------------------------------------------


async def _agents(cockpit: Cockpit) -> list[dict[str, Any]]:
    """Registered Agents, stand-alone and clusters, with what is known of their state."""
    here = {"controllerId": cockpit.target.controller_id}
    registered = [
        *(await cockpit.post("agents/inventory", here))["agents"],
        *(await cockpit.post("agents/inventory/cluster", here))["agents"],
    ]
    live = {item["agentId"]: item for item in (await cockpit.post("agents", here))["agents"]}
    return [{**item, **live.get(item["agentId"], {})} for item in registered]


async def list_agents(cockpit: Cockpit, as_json: bool) -> None:
    """Registered Agents with their state."""
    agents = await _agents(cockpit)
    if as_json:
        print_json(agents)
        return
    rows = [
        (
            agent["agentId"],
            agent["agentName"],
            _text(agent.get("state")) or ("" if agent.get("deployed") else "NOT_DEPLOYED"),
            "disabled" if agent.get("disabled") else "",
            agent.get("processLimit", ""),
            agent.get("runningTasks", ""),
            len(agent["subagents"]) if agent.get("subagents") else "",
            agent.get("url", ""),
        )
        for agent in agents
    ]
    columns = ("AGENT", "NAME", "STATE", "", "LIMIT", "RUNNING", "SUBAGENTS", "URL")
    print_table(columns, rows, "no Agent is registered")


async def show_agent(cockpit: Cockpit, agent_id: str, as_json: bool) -> None:
    """One Agent, all that is known."""
    agent = await _agent(cockpit, agent_id)
    if as_json:
        print_json(agent)
        return
    _print_members(agent)
    subagents = agent.get("subagents") or []
    if subagents:
        rows = [
            (
                item["subagentId"],
                item.get("isDirector", ""),
                _text(item.get("state")),
                _text(item.get("clusterNodeState")),
                "disabled" if item.get("disabled") else "",
                item.get("url", ""),
            )
            for item in subagents
        ]
        print_table(("SUBAGENT", "DIRECTOR", "STATE", "ROLE", "", "URL"), rows)


async def _agent(cockpit: Cockpit, agent_id: str) -> dict[str, Any]:
    for agent in await _agents(cockpit):
        if agent["agentId"] == agent_id:
            return agent
    raise CommandError(f"no Agent '{agent_id}' is registered", "stellwerk agent list")


def _print_members(item: dict[str, Any]) -> None:
    """Plain members, and of those with a state its text."""
    shown = {name: _text(value) if isinstance(value, dict) else value for name, value in item.items()}
    shown = {name: value for name, value in shown.items() if value not in ("", None) and not isinstance(value, list)}
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")


async def add_agent(cockpit: Cockpit, agent: dict[str, Any], as_json: bool) -> None:
    """Register an Agent, or change one, and send it to its Controller."""
    here = {"controllerId": cockpit.target.controller_id}
    known = {item["agentId"]: item for item in await _agents(cockpit)}
    if known.get(agent["agentId"], {}).get("subagents"):
        raise CommandError(f"the Agent '{agent['agentId']}' is a cluster", "change it by the REST API")
    await cockpit.post("agents/inventory/store", {**here, "agents": [agent]})
    await cockpit.post("agents/inventory/deploy", {**here, "agentIds": [agent["agentId"]]})
    verb = "changed" if agent["agentId"] in known else "added"
    _done(f"Agent '{agent['agentId']}' is {verb}; its Controller couples with {agent['url']}", as_json)


async def remove_agent(cockpit: Cockpit, agent_id: str, is_confirmed: bool, as_json: bool) -> None:
    """Delete an Agent at its Controller and at the Cockpit; its process is not touched."""
    await _agent(cockpit, agent_id)
    confirm(f"The Agent '{agent_id}' is deleted at its Controller and here.", is_confirmed)
    await cockpit.post("agent/delete", {"controllerId": cockpit.target.controller_id, "agentId": agent_id})
    _done(f"Agent '{agent_id}' is deleted", as_json)


async def reset_agent(cockpit: Cockpit, agent_id: str, is_forced: bool, is_confirmed: bool, as_json: bool) -> None:
    """Make an Agent forget its orders and its journal."""
    await _agent(cockpit, agent_id)
    confirm(f"The Agent '{agent_id}' forgets everything: orders that are there fail, jobs are killed.", is_confirmed)
    body = {"controllerId": cockpit.target.controller_id, "agentId": agent_id, "force": is_forced}
    await cockpit.post("agent/reset", body)
    _done(f"Agent '{agent_id}' is reset", as_json)


async def set_enabled(cockpit: Cockpit, agent_ids: list[str], is_enabled: bool, as_json: bool) -> None:
    """Let Agents start processes, or no new ones."""
    verb = "enable" if is_enabled else "disable"
    here = {"controllerId": cockpit.target.controller_id}
    await cockpit.post(f"agents/inventory/{verb}", {**here, "agentIds": agent_ids})
    _done(f"{verb}d: {', '.join(agent_ids)}", as_json)


async def switch_agent_over(cockpit: Cockpit, agent_id: str, is_confirmed: bool, as_json: bool) -> None:
    """Let the other Director of a pair become the active one."""
    await _agent(cockpit, agent_id)
    confirm(f"The other Director of '{agent_id}' takes over.", is_confirmed)
    body = {"controllerId": cockpit.target.controller_id, "agentId": agent_id}
    await cockpit.post("agent/cluster/switchover", body)
    _done(f"the Directors of '{agent_id}' exchange their roles", as_json)


# --- Controllers ------------------------------------------------------------------------------------------------------


async def _controllers(cockpit: Cockpit) -> list[dict[str, Any]]:
    return list((await cockpit.post("controllers"))["controllers"])


async def list_controllers(cockpit: Cockpit, as_json: bool) -> None:
    """Registered Controllers, each node with its state as it answers now."""
    nodes = await _controllers(cockpit)
    if as_json:
        print_json(nodes)
        return
    rows = [
        (
            node["controllerId"],
            node["role"],
            _text(node.get("connectionState")),
            _text(node.get("clusterNodeState")),
            node.get("version", ""),
            node["url"],
        )
        for node in nodes
    ]
    columns = ("CONTROLLER", "NODE", "CONNECTION", "ROLE", "VERSION", "URL")
    print_table(columns, rows, "no Controller is registered")


async def show_controller(cockpit: Cockpit, controller_id: str | None, as_json: bool) -> None:
    """One Controller with its nodes."""
    id_ = controller_id or cockpit.target.controller_id
    nodes = [node for node in await _controllers(cockpit) if node["controllerId"] == id_]
    if not nodes:
        raise CommandError(f"no Controller '{id_}' is registered", "stellwerk controller list")
    if as_json:
        print_json(nodes)
        return
    for node in nodes:
        _print_members(node)
        print()


async def add_controller(cockpit: Cockpit, url: str, backup_url: str | None, title: str | None, as_json: bool) -> None:
    """Register a Controller by the address of its one or two nodes; or change what is registered."""
    extra = {"title": title} if title else {}
    if backup_url is None:
        nodes = [{"url": url, "role": "STANDALONE", **extra}]
    else:
        nodes = [{"url": url, "role": "PRIMARY", **extra}, {"url": backup_url, "role": "BACKUP", **extra}]
    await cockpit.post("controller/register", {"controllers": nodes})
    _done(f"the Controller at {url} is registered", as_json)


async def remove_controller(cockpit: Cockpit, controller_id: str, is_confirmed: bool, as_json: bool) -> None:
    """Forget a Controller and its Agents; it works on."""
    confirm(f"The Cockpit forgets the Controller '{controller_id}' and its Agents; they work on.", is_confirmed)
    await cockpit.post("controller/unregister", {"controllerId": controller_id})
    _done(f"Controller '{controller_id}' is forgotten", as_json)


async def end_controller(
    cockpit: Cockpit, url: str | None, *, is_restart: bool, is_confirmed: bool, as_json: bool
) -> None:
    """Stop a node, or start it again."""
    verb = "restart" if is_restart else "terminate"
    what = "is restarted" if is_restart else "is shut down"
    confirm(
        f"The Controller '{cockpit.target.controller_id}' {what}; of a pair the other node takes over.", is_confirmed
    )
    body = {"controllerId": cockpit.target.controller_id, **({"url": url} if url else {})}
    await cockpit.post(f"controller/{verb}", body)
    _done(f"the Controller {what}", as_json)
