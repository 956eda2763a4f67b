"""Native `topology`: all components, the links between them, and the clusters (ui.md S2, S15, 4.4).

One answer for the Overview, the screen Clusters and `stellwerk cluster show`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

from stellwerk.cockpit.api.cluster import MANAGE, member_views, watch_control
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route
from stellwerk.cockpit.auth.permissions import long_form
from stellwerk.cockpit.cluster.members import Members
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.controllers.cluster_history import ClusterChange, PairKey, cluster_changes
from stellwerk.cockpit.controllers.cluster_survey import ClusterSurvey, ControllerAnswer
from stellwerk.cockpit.controllers.cluster_view import (
    Certificate,
    Cluster,
    Link,
    Node,
    Pair,
    Permission,
    Readiness,
    node_view,
    pair_view,
)
from stellwerk.cockpit.controllers.connections import ControllerConnections, Urls
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances
from stellwerk.cockpit.database.tables.live import live_agents, live_controllers, live_items
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.projection.follower import LinkState

SWITCH_OVER, TERMINATE, RESTART = "ctl:switch_over", "ctl:terminate", "ctl:restart"
_LINK_STATES = {"coupled": "COUPLED", "connecting": "CONNECTING", "snapshot": "CONNECTING", "lost": "LOST"}


class OwnCertificate(msgspec.Struct, frozen=True):
    """A service of a Cockpit that listens. `end`: of its certificate, epoch milliseconds; None without TLS."""

    end: int | None


class Topology(msgspec.Struct, frozen=True, rename="camel"):
    nodes: list[Node]
    links: list[Link]
    clusters: list[Cluster]
    as_of: int


def follower_links(context: RequestContext) -> Mapping[str, LinkState]:
    """How the active Cockpit stands to each Controller."""
    services = context.services
    return services.get(SharedLive).links() if services.has(SharedLive) else {}


async def topology(context: RequestContext, request: NoRequest) -> Topology:
    """Components, their states, the links between them, and which of them are clusters."""
    shape = Topology(nodes=[], links=[], clusters=[], as_of=context.now_ms())
    await _cockpits(context, shape)
    services = context.services
    registered: Mapping[str, Urls] = {}
    if services.has(ControllerConnections):
        registered = await services.get(ControllerConnections).registered()
    survey = await services.get(ClusterSurvey).recent() if services.has(ClusterSurvey) else {}
    async with context.database.read() as connection:
        ready = {row.controller_id: row for row in await connection.execute(select(live_controllers))}
        changes = await cluster_changes(connection)
    allows = context.session.permissions.allows
    for controller_id in sorted({*registered, *ready}):
        if allows("ctl:view", controller_id):
            urls = registered.get(controller_id, ())
            started_at = ready[controller_id].ready_time if controller_id in ready else None
            _controller(context, shape, controller_id, urls, started_at, survey.get(controller_id), changes)
    await _agents(context, shape, survey, changes)
    return replace(shape, as_of=context.now_ms())


# --- Cockpits ---------------------------------------------------------------------------------------------------------


async def _cockpits(context: RequestContext, shape: Topology) -> None:
    """The database and the members of the Cockpit's cluster; the one that answers has the id `cockpit`."""
    membership = context.services.get(Membership)
    certificate = _own_certificate(context)
    rows = {member.member_id: member for member in await context.services.get(Members).all()}
    views = [view for view in await member_views(context, []) if view["memberId"] in rows]
    ids: dict[str, str] = {}
    for member in views:
        is_current = member["current"]
        id_ = ids[member["memberId"]] = "cockpit" if is_current else str(member["instanceId"])
        is_alive = member["componentState"]["severity"] == 0
        shape.nodes.append(
            Node(
                id=id_,
                kind="cockpit",
                state="RUNNING" if is_alive else "LOST",
                role=member["clusterNodeState"]["_text"],
                url=member.get("url"),
                version=member["version"],
                cluster="cockpit" if len(views) > 1 else None,
                name=member["title"],
                member_id=member["memberId"],
                started_at=rows[member["memberId"]].started_at,
                last_seen=rows[member["memberId"]].heart_beat or None,
                cert=certificate if is_current else None,
                can={} if len(views) == 1 else _member_verbs(context, member, is_alive=is_alive),
            )
        )
        shape.links.append(Link(from_=id_, to="database", state="CONNECTED" if is_alive else "LOST"))
    database_kind = "SQLite" if context.database.is_sqlite else "PostgreSQL"
    shape.nodes.append(Node(id="database", kind="database", state="RUNNING", role=database_kind))
    if len(views) > 1:
        shape.clusters.append(_cockpit_cluster(membership, views, ids))


def _cockpit_cluster(membership: Membership, views: Sequence[dict[str, Any]], ids: Mapping[str, str]) -> Cluster:
    active = membership.active_member_id
    others = [
        view["title"]
        for view in views
        if view["memberId"] != active and not view["isApiServer"] and view["componentState"]["severity"] == 0
    ]
    return Cluster(
        id="cockpit",
        kind="cockpit",
        name="Cockpit",
        state="Active" if active is not None else "NoActive",
        nodes=list(ids.values()),
        term=membership.term,
        active=ids.get(active) if active is not None else None,
        readiness=Readiness(
            can_fail_over=bool(others),
            reason=None if others else "no other Cockpit runs that may become active",
            silence_limit=round(membership.lease_seconds * 1000),
        ),
    )


def _member_verbs(context: RequestContext, member: dict[str, Any], *, is_alive: bool) -> dict[str, Permission]:
    switch: Permission = _permission(context, MANAGE, None)
    if switch is True and member["isApiServer"]:
        switch = "An API server never becomes active."
    elif switch is True and not is_alive:
        switch = "It is not running."
    elif switch is True and member["clusterNodeState"]["_text"] == "active":
        switch = "It is the active one."
    return {"switchTo": switch}


def _own_certificate(context: RequestContext) -> Certificate | None:
    if not context.services.has(OwnCertificate):
        return None
    end = context.services.get(OwnCertificate).end
    return None if end is None else Certificate(end)


# --- Controllers ------------------------------------------------------------------------------------------------------


def _controller(
    context: RequestContext,
    shape: Topology,
    controller_id: str,
    urls: Urls,
    started_at: int | None,
    answer: ControllerAnswer | None,
    changes: Mapping[PairKey, Sequence[ClusterChange]],
) -> None:
    link = follower_links(context).get(controller_id)
    state = _LINK_STATES.get(link.state, "FAILED") if link is not None else "UNKNOWN"
    target = controller_id
    if len(urls) == 2 and answer is not None and len(answer.nodes) == 2:
        pair = Pair(
            kind="controller",
            name=controller_id,
            controller_id=controller_id,
            answers=answer.nodes,
            changes=changes.get((controller_id, ""), ()),
            loss_to_confirm=watch_control(context).node_to_confirm(controller_id),
        )
        cluster = _add_pair(context, shape, pair)
        target = cluster.active or controller_id
    else:
        told = answer.nodes[0] if answer is not None and answer.nodes else None
        node = Node(
            id=controller_id,
            kind="controller",
            state=state,
            role="active",
            url=" ".join(urls) or None,
            started_at=started_at,
            message=link.error if link is not None else None,
            controller_id=controller_id,
        )
        if told is not None and told.status is not None:
            seen = node_view(controller_id, "controller", told, controller_id=controller_id)
            node = replace(seen, state=state, role="active", message=node.message)
        shape.nodes.append(replace(node, can=_node_verbs(context, node, is_pair=False)))
    shape.links.append(
        Link(
            from_="cockpit",
            to=target,
            state=state,
            since=link.since_ms if link is not None else None,
            last_seen=link.last_seen_ms if link is not None else None,
            error=link.error if link is not None else None,
        )
    )


def _add_pair(context: RequestContext, shape: Topology, pair: Pair) -> Cluster:
    cluster, nodes, links = pair_view(pair)
    if pair.kind == "controller":
        nodes = [replace(node, can=_node_verbs(context, node, is_pair=True)) for node in nodes]
    cluster = replace(cluster, can=_pair_verbs(context, cluster, nodes))
    shape.nodes.extend(nodes)
    shape.links.extend(links)
    shape.clusters.append(cluster)
    return cluster


# --- what people may do -----------------------------------------------------------------------------------------------


def _permission(context: RequestContext, permission: str, controller_id: str | None) -> Permission:
    if context.session.permissions.allows(permission, controller_id):
        return True
    return f"You lack the permission {long_form(permission)}."


def _pair_verbs(context: RequestContext, cluster: Cluster, nodes: Sequence[Node]) -> dict[str, Permission]:
    permitted = _permission(context, SWITCH_OVER, cluster.controller_id)
    lost = [node.name for node in nodes if node.state in ("LOST", "UNKNOWN")]
    switch = permitted
    if switch is True and lost:
        switch = f"{' and '.join(name or '' for name in lost)} does not answer."
    elif switch is True and cluster.state != "Coupled":
        switch = f"The nodes are not coupled ({cluster.state})."
    confirm = permitted
    if confirm is True and cluster.loss_to_confirm is None:
        confirm = "No node's loss waits for a person."
    return {"switchOver": switch, "confirmLoss": confirm}


def _node_verbs(context: RequestContext, node: Node, *, is_pair: bool) -> dict[str, Permission]:
    verbs: dict[str, Permission] = {}
    for name, permission in (("terminate", TERMINATE), ("restart", RESTART)):
        verbs[name] = _permission(context, permission, node.controller_id)
        if verbs[name] is True and is_pair and node.state in ("LOST", "UNKNOWN"):
            verbs[name] = "It does not answer."
    return verbs


# --- Agents -----------------------------------------------------------------------------------------------------------


async def _agents(
    context: RequestContext,
    shape: Topology,
    survey: Mapping[str, ControllerAnswer],
    changes: Mapping[PairKey, Sequence[ClusterChange]],
) -> None:
    async with context.database.read() as connection:
        agents = (await connection.execute(select(live_agents).where(live_agents.c.kind == "A"))).all()
        items = (
            await connection.execute(
                select(live_items.c.controller_id, live_items.c.path).where(live_items.c.type == "AgentRef")
            )
        ).all()
        urls = {
            row.agent_id: row.uri
            for row in await connection.execute(select(inv_agent_instances.c.agent_id, inv_agent_instances.c.uri))
        }
    known = {(agent.controller_id, agent.agent_id): agent for agent in agents}
    for controller_id, path in items:
        if not context.session.permissions.allows("ctl:agents:view", controller_id):
            continue
        agent = known.get((controller_id, path))
        state = agent.state if agent is not None else "INITIALISED"
        message = agent.message if agent is not None else None
        since = agent.since if agent is not None else None
        shape.nodes.append(
            Node(id=path, kind="agent", state=state, url=urls.get(path), message=message, controller_id=controller_id)
        )
        shape.links.append(Link(from_=controller_id, to=path, state=state, since=since, error=message))
        told = survey.get(controller_id)
        directors = next((one for one in told.directors if one.agent_path == path), None) if told is not None else None
        if told is not None and directors is not None:
            pair = Pair(
                kind="agent",
                name=path,
                controller_id=controller_id,
                agent_id=path,
                answers=directors.answers(told.asked_ms),
                changes=changes.get((controller_id, path), ()),
                loss_to_confirm=directors.loss_to_confirm,
                needs_confirmation=directors.requires_failover_confirmation,
            )
            _add_pair(context, shape, pair)


ROUTES = [Route(f"{PREFIX}/topology", NoRequest, Topology, "ctl:view", False, topology, method="GET")]
