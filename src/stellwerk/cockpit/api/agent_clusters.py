"""`/agents/inventory/cluster*`: registration of Agents with two Directors, or with Subagents (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.agents import AgentRequest, Agents, AgentsRequest, agent_view, changing
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.registry import (
    NO_DIRECTOR,
    PRIMARY_DIRECTOR,
    SECONDARY_DIRECTOR,
    AgentInstance,
    Registry,
    SubagentInstance,
)
from stellwerk.cockpit.inventory.store import Inventory

DIRECTORS = {
    "NO_DIRECTOR": NO_DIRECTOR,
    "PRIMARY_DIRECTOR": PRIMARY_DIRECTOR,
    "SECONDARY_DIRECTOR": SECONDARY_DIRECTOR,
}
_NAMES = {number: name for name, number in DIRECTORS.items()}


class SubagentRequest(msgspec.Struct, rename="camel"):
    subagent_id: str
    url: str
    is_director: Literal["NO_DIRECTOR", "PRIMARY_DIRECTOR", "SECONDARY_DIRECTOR"]
    title: str | None = None
    disabled: bool = False
    with_generate_subagent_cluster: bool = False


class ClusterAgentRequest(AgentRequest, rename="camel", kw_only=True):
    #: The Agent's own is that of its primary Director.
    url: str = ""
    subagents: list[SubagentRequest]
    force_failover_confirmation: bool = False


class StoreClusterAgentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    cluster_agents: list[ClusterAgentRequest]


class ClusterAgentIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    cluster_agent_ids: list[str]


def _view(agent: AgentInstance) -> dict[str, Any]:
    subagents = [
        {
            "agentId": agent.agent_id,
            "subagentId": item.subagent_id,
            "url": item.uri,
            "isDirector": _NAMES[item.is_director],
            "title": item.title,
            "disabled": item.disabled,
            "deployed": agent.deployed,
            "ordering": ordering,
        }
        for ordering, item in enumerate(agent.subagents, 1)
    ]
    shown = [{name: value for name, value in item.items() if value is not None} for item in subagents]
    return agent_view(agent) | {"subagents": shown, "forceFailoverConfirmation": agent.failover_confirmation}


async def cluster_inventory(context: RequestContext, request: AgentsRequest) -> Agents:
    """The registered clustered Agents with their Subagents."""
    found = await context.services.get(Registry).agents(
        request.controller_id or None, request.agent_ids, only_visible=request.only_visible_agents
    )
    views = [_view(agent) for agent in found if agent.subagents]
    return Agents(delivery_date=timestamp(context.now_ms()), agents=views)


async def store_cluster_agents(context: RequestContext, request: StoreClusterAgentsRequest) -> Ok:
    """Insert or update Agents with their Subagents; they are sent to the Controller by `deploy`.

    Bundles are items of the Controller that this API does not keep yet: to generate one is refused.
    """
    if not request.cluster_agents:
        raise BadRequest("no clusterAgents given")
    await context.services.get(Registry).store_agents(
        [_instance(request.controller_id, agent) for agent in request.cluster_agents]
    )
    await context.services.get(Inventory).revalidate_invalid_workflows()
    return context.ok()


def _instance(controller_id: str, agent: ClusterAgentRequest) -> AgentInstance:
    if not agent.subagents:
        raise BadRequest(f"the Agent '{agent.agent_id}' needs its primary Director among `subagents`")
    if any(item.with_generate_subagent_cluster for item in agent.subagents):
        raise BadRequest("withGenerateSubagentCluster: Subagent clusters are not kept by the Cockpit yet")
    subagents = tuple(
        SubagentInstance(
            item.subagent_id, item.url.rstrip("/"), DIRECTORS[item.is_director], item.title or None, item.disabled
        )
        for item in sorted(agent.subagents, key=lambda item: item.is_director != "PRIMARY_DIRECTOR")
    )
    return AgentInstance(
        controller_id=controller_id,
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        uri=subagents[0].uri,
        aliases=tuple(dict.fromkeys(agent.agent_name_aliases)),
        title=agent.title or None,
        process_limit=agent.process_limit,
        hidden=agent.hidden,
        disabled=agent.disabled,
        failover_confirmation=agent.force_failover_confirmation,
        subagents=subagents,
    )


async def deploy_cluster_agents(context: RequestContext, request: ClusterAgentIdsRequest) -> Ok:
    """Send Agents with all their Subagents to the Controller, which begins to couple with them."""
    await context.services.get(Registry).deploy_agents(request.controller_id, request.cluster_agent_ids)
    return context.ok()


async def revoke_cluster_agents(context: RequestContext, request: ClusterAgentIdsRequest) -> Ok:
    """Delete Agents and their Subagents at the Controller, keep them in the database."""
    await context.services.get(Registry).revoke_agents(request.controller_id, request.cluster_agent_ids)
    return context.ok()


_INVENTORY = "/agents/inventory/cluster"
ROUTES = [
    Route(_INVENTORY, AgentsRequest, Agents, "ctl:agents:view", False, cluster_inventory),
    changing(f"{_INVENTORY}/store", StoreClusterAgentsRequest, store_cluster_agents),
    changing(f"{_INVENTORY}/add", StoreClusterAgentsRequest, store_cluster_agents),
    changing(f"{_INVENTORY}/deploy", ClusterAgentIdsRequest, deploy_cluster_agents),
    changing(f"{_INVENTORY}/revoke", ClusterAgentIdsRequest, revoke_cluster_agents),
]
