"""`/agents/inventory/cluster/*`, `/agents/cluster/*`: Agents with Subagents, Subagent clusters (cockpit-api 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.agents import DIRECTORS, MANAGE, AgentsRequest, agent_view, changing
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.agent_clusters import AgentClusters, SubagentCluster
from stellwerk.cockpit.controllers.instances import AgentInstance, SubagentInstance
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.inventory.store import Inventory


class SubagentRequest(msgspec.Struct, rename="camel"):
    subagent_id: str
    url: str
    is_director: Literal["NO_DIRECTOR", "PRIMARY_DIRECTOR", "SECONDARY_DIRECTOR"] = "NO_DIRECTOR"
    title: str | None = None
    disabled: bool = False
    with_generate_subagent_cluster: bool = False

    def instance(self) -> SubagentInstance:
        return SubagentInstance(
            self.subagent_id,
            self.url.rstrip("/"),
            DIRECTORS.index(self.is_director),
            self.title or None,
            self.disabled,
        )


class ClusterAgentRequest(msgspec.Struct, rename="camel"):
    agent_id: str
    agent_name: str
    subagents: list[SubagentRequest]
    agent_name_aliases: list[str] = []
    title: str | None = None
    process_limit: int | None = None
    hidden: bool = False
    disabled: bool = False
    force_failover_confirmation: bool = False

    def instance(self, controller_id: str) -> AgentInstance:
        return AgentInstance(
            controller_id=controller_id,
            agent_id=self.agent_id,
            agent_name=self.agent_name,
            uri="",  # that of the primary Director
            aliases=tuple(dict.fromkeys(self.agent_name_aliases)),
            title=self.title or None,
            process_limit=self.process_limit,
            hidden=self.hidden,
            disabled=self.disabled,
            failover_confirmation=self.force_failover_confirmation,
            subagents=tuple(item.instance() for item in self.subagents),
        )


class StoreClusterAgentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    cluster_agents: list[ClusterAgentRequest]


class ClusterAgentIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    cluster_agent_ids: list[str]


class StoreSubagentsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    agent_id: str
    subagents: list[SubagentRequest]


class SubagentIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    subagent_ids: list[str]


class SubagentCommandRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    subagent_id: str
    force: bool = False


class MemberRequest(msgspec.Struct, rename="camel"):
    subagent_id: str
    #: A number, also as text, or an expression.
    priority: int | str = 0


class SubagentClusterRequest(msgspec.Struct, rename="camel"):
    agent_id: str
    subagent_cluster_id: str
    subagent_ids: list[MemberRequest]
    controller_id: str | None = None
    title: str | None = None

    def cluster(self, controller_id: str) -> SubagentCluster:
        return SubagentCluster(
            controller_id=controller_id,
            agent_id=self.agent_id,
            subagent_cluster_id=self.subagent_cluster_id,
            members=tuple((member.subagent_id, str(member.priority)) for member in self.subagent_ids),
            title=self.title or None,
        )


class StoreSubagentClustersRequest(msgspec.Struct, rename="camel"):
    subagent_clusters: list[SubagentClusterRequest]
    controller_id: str | None = None


class SubagentClusterIdsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    subagent_cluster_ids: list[str]


class SubagentClustersRequest(msgspec.Struct, rename="camel"):
    controller_id: str | None = None
    agent_ids: list[str] = []
    subagent_cluster_ids: list[str] = []


class ClusterAgents(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    agents: list[dict[str, Any]]


class SubagentOrderingRequest(msgspec.Struct, rename="camel"):
    subagent_id: str
    predecessor_subagent_id: str | None = None


class SubagentClusterOrderingRequest(msgspec.Struct, rename="camel"):
    subagent_cluster_id: str
    predecessor_subagent_cluster_id: str | None = None
    controller_id: str | None = None


class SubagentClusters(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    subagent_clusters: list[dict[str, Any]]


# --- Agents with Subagents --------------------------------------------------------------------------------------------


def cluster_agent_view(agent: AgentInstance) -> dict[str, Any]:
    """An Agent with Subagents (type `ClusterAgent`)."""
    subagents = [
        {
            "agentId": agent.agent_id,
            "subagentId": item.subagent_id,
            "url": item.uri,
            "isDirector": DIRECTORS[item.is_director],
            "title": item.title,
            "disabled": item.disabled,
            "deployed": item.deployed,
            "ordering": ordering,
        }
        for ordering, item in enumerate(agent.subagents, 1)
    ]
    shown = [{name: value for name, value in item.items() if value is not None} for item in subagents]
    return agent_view(agent) | {"subagents": shown, "forceFailoverConfirmation": agent.failover_confirmation}


async def cluster_agents(context: RequestContext, request: AgentsRequest) -> ClusterAgents:
    """The registered Agents with Subagents as they are in the database."""
    found = await context.services.get(Registry).agents(
        request.controller_id or None, request.agent_ids, only_visible=request.only_visible_agents
    )
    allows = context.session.permissions.allows
    views = [
        cluster_agent_view(agent)
        for agent in found
        if agent.subagents and allows("ctl:agents:view", agent.controller_id)
    ]
    return ClusterAgents(timestamp(context.now_ms()), views)


async def store(context: RequestContext, request: StoreClusterAgentsRequest) -> Ok:
    """Insert or update Agents with Subagents in the database; they are sent to the Controller by `deploy`."""
    if not request.cluster_agents:
        raise BadRequest("no clusterAgents given")
    for agent in request.cluster_agents:
        await context.services.get(AgentClusters).store_agent(
            agent.instance(request.controller_id), _generated(agent.subagents)
        )
    await context.services.get(Inventory).revalidate_invalid_workflows()
    return context.ok()


def _generated(subagents: Sequence[SubagentRequest]) -> list[str]:
    return [item.subagent_id for item in subagents if item.with_generate_subagent_cluster]


async def deploy(context: RequestContext, request: ClusterAgentIdsRequest) -> Ok:
    """Send Agents with their Subagents to their Controller, which begins to couple with them."""
    await context.services.get(AgentClusters).known_clusters(request.controller_id, request.cluster_agent_ids)
    await context.services.get(Registry).deploy_agents(request.controller_id, request.cluster_agent_ids)
    return context.ok()


async def revoke(context: RequestContext, request: ClusterAgentIdsRequest) -> Ok:
    """Delete Agents with their Subagents at their Controller, keep them in the database."""
    await context.services.get(AgentClusters).known_clusters(request.controller_id, request.cluster_agent_ids)
    await context.services.get(Registry).revoke_agents(request.controller_id, request.cluster_agent_ids)
    return context.ok()


# --- Subagents --------------------------------------------------------------------------------------------------------


async def store_subagents(context: RequestContext, request: StoreSubagentsRequest) -> Ok:
    """Insert or update Subagents of an Agent; they are sent to the Controller with the Agent."""
    await context.services.get(AgentClusters).store_subagents(
        request.controller_id,
        request.agent_id,
        [item.instance() for item in request.subagents],
        _generated(request.subagents),
    )
    return context.ok()


async def delete_subagents(context: RequestContext, request: SubagentIdsRequest) -> Ok:
    """Delete Subagents at the Controller and here."""
    await context.services.get(AgentClusters).delete_subagents(request.controller_id, request.subagent_ids)
    return context.ok()


async def enable_subagents(context: RequestContext, request: SubagentIdsRequest) -> Ok:
    """Let disabled Subagents start processes again."""
    clusters = context.services.get(AgentClusters)
    await clusters.set_disabled(request.controller_id, request.subagent_ids, is_disabled=False)
    return context.ok()


async def disable_subagents(context: RequestContext, request: SubagentIdsRequest) -> Ok:
    """Let Subagents start no new processes."""
    clusters = context.services.get(AgentClusters)
    await clusters.set_disabled(request.controller_id, request.subagent_ids, is_disabled=True)
    return context.ok()


async def reset_subagent(context: RequestContext, request: SubagentCommandRequest) -> Ok:
    """Let a Subagent begin anew; what runs there is lost."""
    clusters = context.services.get(AgentClusters)
    await clusters.reset_subagent(request.controller_id, request.subagent_id, force=request.force)
    return context.ok()


# --- Subagent clusters ------------------------------------------------------------------------------------------------


async def subagent_clusters(context: RequestContext, request: SubagentClustersRequest) -> SubagentClusters:
    """The Subagent clusters as they are in the database."""
    found = await context.services.get(AgentClusters).clusters(
        request.controller_id or None, request.agent_ids, request.subagent_cluster_ids
    )
    allows = context.session.permissions.allows
    views = [subagent_cluster_view(item) for item in found if allows("ctl:agents:view", item.controller_id)]
    return SubagentClusters(timestamp(context.now_ms()), views)


def subagent_cluster_view(item: SubagentCluster) -> dict[str, Any]:
    values = {
        "controllerId": item.controller_id,
        "agentId": item.agent_id,
        "subagentClusterId": item.subagent_cluster_id,
        "title": item.title,
        "deployed": item.deployed,
        "ordering": item.ordering,
        "subagentIds": [
            {"subagentId": id_, "priority": int(text) if text.lstrip("-").isdigit() else text}
            for id_, text in item.members
        ],
    }
    return {name: value for name, value in values.items() if value is not None}


async def store_subagent_clusters(context: RequestContext, request: StoreSubagentClustersRequest) -> Ok:
    """Insert or update Subagent clusters in the database; they are sent to the Controller by `deploy`."""
    if not request.subagent_clusters:
        raise BadRequest("no subagentClusters given")
    clusters = context.services.get(AgentClusters)
    wanted = []
    for item in request.subagent_clusters:
        controller_id = item.controller_id or request.controller_id or await clusters.controller_of_agent(item.agent_id)
        # The request may name no Controller: the permission is asked for that of the Agent.
        context.require(MANAGE, controller_id)
        wanted.append(item.cluster(controller_id))
    await clusters.store_clusters(wanted)
    return context.ok()


async def deploy_subagent_clusters(context: RequestContext, request: SubagentClusterIdsRequest) -> Ok:
    """Send Subagent clusters to their Controller."""
    await context.services.get(AgentClusters).deploy_clusters(request.controller_id, request.subagent_cluster_ids)
    return context.ok()


async def revoke_subagent_clusters(context: RequestContext, request: SubagentClusterIdsRequest) -> Ok:
    """Delete Subagent clusters at their Controller, keep them in the database."""
    await context.services.get(AgentClusters).revoke_clusters(request.controller_id, request.subagent_cluster_ids)
    return context.ok()


async def delete_subagent_clusters(context: RequestContext, request: SubagentClusterIdsRequest) -> Ok:
    """Delete Subagent clusters at their Controller and here."""
    await context.services.get(AgentClusters).delete_clusters(request.controller_id, request.subagent_cluster_ids)
    return context.ok()


async def subagent_ordering(context: RequestContext, request: SubagentOrderingRequest) -> Ok:
    """Let a Subagent stand behind another one of its Controller in lists, or first."""
    registry = context.services.get(Registry)
    controller_id = await registry.controller_of_subagent(request.subagent_id)
    context.require(MANAGE, controller_id)
    await registry.order_subagents(controller_id, request.subagent_id, request.predecessor_subagent_id or None)
    return context.ok()


async def subagent_cluster_ordering(context: RequestContext, request: SubagentClusterOrderingRequest) -> Ok:
    """Let a Subagent cluster stand behind another one of its Controller in lists, or first."""
    clusters, id_ = context.services.get(AgentClusters), request.subagent_cluster_id
    controller_id = request.controller_id or await clusters.controller_of_cluster(id_)
    context.require(MANAGE, controller_id)
    await clusters.order_clusters(controller_id, id_, request.predecessor_subagent_cluster_id or None)
    return context.ok()


ROUTES = [
    Route("/agents/inventory/cluster", AgentsRequest, ClusterAgents, "ctl:agents:view", False, cluster_agents),
    changing("/agents/inventory/cluster/store", StoreClusterAgentsRequest, store),
    changing("/agents/inventory/cluster/add", StoreClusterAgentsRequest, store),
    changing("/agents/inventory/cluster/deploy", ClusterAgentIdsRequest, deploy),
    changing("/agents/inventory/cluster/revoke", ClusterAgentIdsRequest, revoke),
    changing("/agents/inventory/cluster/subagents/store", StoreSubagentsRequest, store_subagents),
    changing("/agents/inventory/cluster/subagents/add", StoreSubagentsRequest, store_subagents),
    changing("/agents/inventory/cluster/subagents/delete", SubagentIdsRequest, delete_subagents),
    changing("/agents/inventory/cluster/subagents/enable", SubagentIdsRequest, enable_subagents),
    changing("/agents/inventory/cluster/subagents/disable", SubagentIdsRequest, disable_subagents),
    changing("/agents/inventory/cluster/subagents/ordering", SubagentOrderingRequest, subagent_ordering),
    changing("/agents/cluster/ordering", SubagentClusterOrderingRequest, subagent_cluster_ordering),
    changing("/agents/inventory/cluster/subagent/reset", SubagentCommandRequest, reset_subagent),
    Route("/agents/cluster", SubagentClustersRequest, SubagentClusters, "ctl:agents:view", False, subagent_clusters),
    changing("/agents/cluster/store", StoreSubagentClustersRequest, store_subagent_clusters),
    changing("/agents/cluster/add", StoreSubagentClustersRequest, store_subagent_clusters),
    changing("/agents/cluster/deploy", SubagentClusterIdsRequest, deploy_subagent_clusters),
    changing("/agents/cluster/revoke", SubagentClusterIdsRequest, revoke_subagent_clusters),
    changing("/agents/cluster/delete", SubagentClusterIdsRequest, delete_subagent_clusters),
]
