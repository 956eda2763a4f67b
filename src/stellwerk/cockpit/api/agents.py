"""`/agents*`, `/agent/*`: registration and state of Agents (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.cluster import pair_state
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.agent_clusters import AgentClusters
from stellwerk.cockpit.controllers.cluster_survey import ClusterSurvey, DirectorsAnswer
from stellwerk.cockpit.controllers.instances import AgentInstance, SubagentInstance
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.database.tables.live import live_agents, live_orders
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.projection.model import RUNNING

MANAGE = "joc:administration:controllers:manage"

#: Severity of Agent states (cockpit-api 2.3).
_AGENT_SEVERITY = {"COUPLED": 0, "RESETTING": 1, "RESET": 1, "INITIALISED": 1, "SHUTDOWN": 2, "COUPLINGFAILED": 2}
_IN_SYNC = {"_text": "IN_SYNC", "severity": 6}
_NOT_DEPLOYED = {"_text": "NOT_DEPLOYED", "severity": 4}
#: By the phase in which a Director says that it is.
_NODE_STATES = {
    "active": {"_text": "active", "severity": 0},
    "passive": {"_text": "inactive", "severity": 1},
}
_UNKNOWN_NODE = {"_text": "unknown", "severity": 2}
_ALL = {"_text": "ALL_SUBAGENTS_ARE_COUPLED_AND_ENABLED", "severity": 0}
_SOME = {"_text": "ONLY_SOME_SUBAGENTS_ARE_COUPLED_AND_ENABLED", "severity": 1}
_NONE = {"_text": "NO_SUBAGENTS_ARE_COUPLED_AND_ENABLED", "severity": 2}
#: `isDirector` by the number in the database.
DIRECTORS = ("NO_DIRECTOR", "PRIMARY_DIRECTOR", "SECONDARY_DIRECTOR")


class AgentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str | None = None
    agent_ids: list[str] = []
    states: list[str] = []
    only_visible_agents: bool = False
    compact: bool = False


class AgentRequest(msgspec.Struct, rename="camel"):
    agent_id: str
    agent_name: str
    url: str
    agent_name_aliases: list[str] = []
    title: str | None = None
    process_limit: int | None = None
    hidden: bool = False
    disabled: bool = False

    def instance(self, controller_id: str) -> AgentInstance:
        return AgentInstance(
            controller_id=controller_id,
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            uri=self.url.rstrip("/"),
            aliases=tuple(dict.fromkeys(self.agent_name_aliases)),
            title=self.title or None,
            process_limit=self.process_limit,
            hidden=self.hidden,
            disabled=self.disabled,
        )


class StoreAgentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    agents: list[AgentRequest]


class AgentIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    agent_ids: list[str]


class AgentCommandRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    agent_id: str
    force: bool = False


class ResetAgentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    agent_ids: list[str]
    force: bool = False


class ControllerRequest(msgspec.Struct, rename="camel"):
    controller_id: str


class OrderingRequest(msgspec.Struct, rename="camel"):
    agent_id: str
    predecessor_agent_id: str | None = None


class Agents(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    agents: list[dict[str, Any]]
    survey_date: str | msgspec.UnsetType = msgspec.UNSET


def agent_view(agent: AgentInstance) -> dict[str, Any]:
    values = {
        "controllerId": agent.controller_id,
        "agentId": agent.agent_id,
        "agentName": agent.agent_name,
        "agentNameAliases": list(agent.aliases) or None,
        "url": agent.uri,
        "title": agent.title,
        "processLimit": agent.process_limit,
        "hidden": agent.hidden,
        "disabled": agent.disabled,
        "deployed": agent.deployed,
        "syncState": _IN_SYNC if agent.deployed else _NOT_DEPLOYED,
        "ordering": agent.ordering,
    }
    return {name: value for name, value in values.items() if value is not None}


async def agents(context: RequestContext, request: AgentsRequest) -> Agents:
    """The deployed Agents with their state by the Controller's events, and the processes that run on them."""
    registry = context.services.get(Registry)
    if request.controller_id:
        await registry.controller(request.controller_id)
    registered = await registry.agents(
        request.controller_id or None, request.agent_ids, only_visible=request.only_visible_agents
    )
    async with context.database.read() as connection:
        rows = list(await connection.execute(select(live_agents)))
        live = {(row.controller_id, row.agent_id): row for row in rows if row.kind == "A"}
        live_subagents = {(row.controller_id, row.agent_id): row for row in rows if row.kind == "S"}
        running = await connection.execute(
            select(live_orders.c.controller_id, live_orders.c.agent_id, live_orders.c.order_id).where(
                live_orders.c.state == RUNNING.code
            )
        )
        tasks: dict[tuple[str, str], list[str]] = {}
        for row in running:
            tasks.setdefault((row.controller_id, row.agent_id), []).append(row.order_id)
    pairs = await _pairs(context) if any(len(_directors(agent)) > 1 for agent in registered) else {}
    allows = context.session.permissions.allows
    found = []
    for agent in registered:
        if not agent.deployed or not allows("ctl:agents:view", agent.controller_id):
            continue
        known = live.get((agent.controller_id, agent.agent_id))
        state = "UNKNOWN" if known is None else str(known.state)
        if request.states and state not in request.states:
            continue
        view = _live_view(agent, state, known, tasks.get((agent.controller_id, agent.agent_id), []))
        if agent.subagents:
            directors = pairs.get((agent.controller_id, agent.agent_id))
            view |= _cluster_view(agent, state, live_subagents, directors)
        found.append(view)
    now = timestamp(context.now_ms())
    return Agents(delivery_date=now, agents=found, survey_date=now)


def _shown_state(state: str) -> dict[str, Any]:
    if state == "RESET":
        return {"_text": "INITIALISED", "severity": 1, "_reason": "RESET"}
    shown: dict[str, Any] = {"_text": state, "severity": _AGENT_SEVERITY.get(state, 4)}
    return {**shown, "_reason": "FRESH"} if state == "INITIALISED" else shown


def _directors(agent: AgentInstance) -> list[SubagentInstance]:
    return [item for item in agent.subagents if item.is_director]


async def _pairs(context: RequestContext) -> dict[tuple[str, str], DirectorsAnswer]:
    """What the pairs of Directors say of themselves now, by Controller and Agent."""
    answers = await context.services.get(ClusterSurvey).recent()
    return {(id_, pair.agent_path): pair for id_, answer in answers.items() for pair in answer.directors}


def _cluster_view(
    agent: AgentInstance, agent_state: str, live: dict[tuple[str, str], Any], pair: DirectorsAnswer | None
) -> dict[str, Any]:
    """The members of a cluster's `AgentV`: its Subagents, how many of them are there, its pair of Directors."""
    phases: dict[str | None, str] = {}
    if pair is not None:
        phases = {node.subagent_id: node.status.phase for node in pair.answers(0) if node.status is not None}
    is_pair = len(_directors(agent)) > 1
    views, usable = [], 0
    for item in agent.subagents:
        row = live.get((agent.controller_id, item.subagent_id))
        state = "UNKNOWN" if row is None else str(row.state)
        usable += state == "COUPLED" and not item.disabled
        view: dict[str, Any] = {
            "agentId": agent.agent_id,
            "subagentId": item.subagent_id,
            "url": item.uri,
            "isDirector": DIRECTORS[item.is_director],
            "state": _shown_state(state),
            "disabled": item.disabled,
        }
        if row is not None and row.message:
            view["errorMessage"] = row.message
        if item.is_director:
            phase = phases.get(item.subagent_id) if is_pair else "active" if agent_state == "COUPLED" else None
            view["clusterNodeState"] = _NODE_STATES.get(phase or "", _UNKNOWN_NODE)
        views.append(view)
    health = _ALL if usable == len(agent.subagents) else _SOME if usable else _NONE
    members: dict[str, Any] = {"subagents": views, "healthState": health}
    if is_pair:
        members["clusterState"] = pair_state(pair.state, pair.loss_to_confirm) if pair else pair_state(None, None)
    return members


def _live_view(agent: AgentInstance, state: str, row: Any, order_ids: list[str]) -> dict[str, Any]:
    values = {
        "controllerId": agent.controller_id,
        "agentId": agent.agent_id,
        "agentName": agent.agent_name,
        "subagentId": None if agent.subagents else agent.subagent_id,
        "url": agent.uri,
        "processLimit": agent.process_limit,
        "state": _shown_state(state),
        "errorMessage": None if row is None else row.message,
        "runningTasks": len(order_ids),
        "disabled": agent.disabled,
    }
    return {name: value for name, value in values.items() if value is not None}


async def agents_inventory(context: RequestContext, request: AgentsRequest) -> Agents:
    """The registered stand-alone Agents as they are in the database."""
    found = await context.services.get(Registry).agents(
        request.controller_id or None, request.agent_ids, only_visible=request.only_visible_agents
    )
    views = [agent_view(agent) for agent in found if not agent.subagents]
    return Agents(delivery_date=timestamp(context.now_ms()), agents=views)


async def store_agents(context: RequestContext, request: StoreAgentsRequest) -> Ok:
    """Insert or update Agents in the database; they are sent to the Controller by `deploy`."""
    if not request.agents:
        raise BadRequest("no agents given")
    await context.services.get(Registry).store_agents(
        [agent.instance(request.controller_id) for agent in request.agents]
    )
    await context.services.get(Inventory).revalidate_invalid_workflows()
    return context.ok()


async def deploy_agents(context: RequestContext, request: AgentIdsRequest) -> Ok:
    """Send Agents to their Controller, which begins to couple with them."""
    await context.services.get(Registry).deploy_agents(request.controller_id, request.agent_ids)
    return context.ok()


async def revoke_agents(context: RequestContext, request: AgentIdsRequest) -> Ok:
    """Delete Agents at their Controller, keep them in the database."""
    await context.services.get(Registry).revoke_agents(request.controller_id, request.agent_ids)
    return context.ok()


async def enable_agents(context: RequestContext, request: AgentIdsRequest) -> Ok:
    """Let disabled Agents start processes again."""
    await context.services.get(Registry).set_disabled(request.controller_id, request.agent_ids, is_disabled=False)
    return context.ok()


async def disable_agents(context: RequestContext, request: AgentIdsRequest) -> Ok:
    """Let Agents start no new processes."""
    await context.services.get(Registry).set_disabled(request.controller_id, request.agent_ids, is_disabled=True)
    return context.ok()


async def delete_agent(context: RequestContext, request: AgentCommandRequest) -> Ok:
    """Delete an Agent at its Controller and here."""
    await context.services.get(Registry).delete_agent(request.controller_id, request.agent_id)
    return context.ok()


async def reset_agent(context: RequestContext, request: AgentCommandRequest) -> Ok:
    """Make an Agent forget everything; `force` also one that belongs to another Controller or does not answer."""
    await context.services.get(Registry).reset_agent(request.controller_id, request.agent_id, force=request.force)
    return context.ok()


async def reset_agents(context: RequestContext, request: ResetAgentsRequest) -> Ok:
    """Make several Agents forget everything."""
    await context.services.get(Registry).reset_agents(request.controller_id, request.agent_ids, force=request.force)
    return context.ok()


async def reassign(context: RequestContext, request: ControllerRequest) -> Ok:
    """Send all deployed Agents to their Controller once more."""
    await context.services.get(Registry).reassign_agents(request.controller_id)
    return context.ok()


async def ordering(context: RequestContext, request: OrderingRequest) -> Ok:
    """Let an Agent stand behind another one of its Controller in lists, or first."""
    controller_id = await context.services.get(AgentClusters).controller_of_agent(request.agent_id)
    context.require(MANAGE, controller_id)
    await context.services.get(Registry).order_agents(
        controller_id, request.agent_id, request.predecessor_agent_id or None
    )
    return context.ok()


def changing(path: str, request: type, handler: Any) -> Route:
    """A route with which administrators change Agents."""
    return Route(path, request, Ok, MANAGE, True, handler, category="CONTROLLER")


ROUTES = [
    Route("/agents", AgentsRequest, Agents, "ctl:agents:view", False, agents),
    Route("/agents/inventory", AgentsRequest, Agents, "ctl:agents:view", False, agents_inventory),
    changing("/agents/inventory/store", StoreAgentsRequest, store_agents),
    changing("/agents/inventory/add", StoreAgentsRequest, store_agents),
    changing("/agents/inventory/deploy", AgentIdsRequest, deploy_agents),
    changing("/agents/inventory/revoke", AgentIdsRequest, revoke_agents),
    changing("/agents/inventory/enable", AgentIdsRequest, enable_agents),
    changing("/agents/inventory/disable", AgentIdsRequest, disable_agents),
    changing("/agents/inventory/ordering", OrderingRequest, ordering),
    changing("/agents/inventory/cluster/ordering", OrderingRequest, ordering),
    changing("/agents/inventory/reassign", ControllerRequest, reassign),
    changing("/agents/reassign", ControllerRequest, reassign),
    changing("/agents/reset", ResetAgentsRequest, reset_agents),
    changing("/agent/reset", AgentCommandRequest, reset_agent),
    changing("/agent/delete", AgentCommandRequest, delete_agent),
    changing("/agent/remove", AgentCommandRequest, delete_agent),
]
