"""Native `attention` and `topology`: what needs a person, and is the machinery sound (ui.md S2, 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.cluster import member_views
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route
from stellwerk.cockpit.controllers.connections import ControllerConnections, Urls
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances
from stellwerk.cockpit.database.tables.history import history_cursors
from stellwerk.cockpit.database.tables.live import live_agents, live_controllers, live_items, live_orders
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.projection.follower import LinkState
from stellwerk.cockpit.projection.model import FAILED, PROMPTING, SCHEDULED, decode_live_order

SAMPLES = 5
LATE_MS = 60_000
_LINK_STATES = {"coupled": "COUPLED", "connecting": "CONNECTING", "snapshot": "CONNECTING", "lost": "LOST"}


class AttentionGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """`severity`: 1 urgent, 2 important, 3 to know."""

    id: str
    kind: str
    severity: int
    title: str
    count: int
    sample: list[dict[str, Any]]
    since: int | None = None
    link: str | None = None
    remedy: str | None = None


class Attention(msgspec.Struct, frozen=True, rename="camel"):
    groups: list[AttentionGroup]
    as_of: int


class Node(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    id: str
    kind: str
    state: str
    role: str | None = None
    url: str | None = None
    version: str | None = None
    started_at: int | None = None
    message: str | None = None


class Link(msgspec.Struct, frozen=True, omit_defaults=True, rename={"from_": "from", "last_seen": "lastSeen"}):
    from_: str
    to: str
    state: str
    since: int | None = None
    last_seen: int | None = None
    error: str | None = None


class Topology(msgspec.Struct, frozen=True, rename="camel"):
    nodes: list[Node]
    links: list[Link]
    as_of: int


async def attention(context: RequestContext, request: NoRequest) -> Attention:
    """Groups of what needs a person, most urgent first."""
    groups = [*await _components(context), *await _orders(context)]
    groups.sort(key=lambda group: (group.severity, -group.count))
    return Attention(groups=groups, as_of=context.now_ms())


async def _orders(context: RequestContext) -> list[AttentionGroup]:
    table = live_orders.c
    allowed = permitted(context, "ctl:orders:view", table.controller_id)
    now = context.now_ms()
    names = context.services.get(WorkflowNames)
    kinds: list[tuple[str, Any, Any, int]] = [
        ("failed", table.state == FAILED.code, table.error_key, 1),
        ("prompt", table.state == PROMPTING.code, table.workflow_path, 2),
        (
            "late",
            (table.state == SCHEDULED.code) & (table.scheduled_for < now - LATE_MS),
            table.workflow_path,
            2,
        ),
    ]
    groups: list[AttentionGroup] = []
    async with context.database.read() as connection:
        for kind, condition, key, severity in kinds:
            since = func.min(table.scheduled_for if kind == "late" else table.since)
            found = await connection.execute(
                select(key, func.count(), since)
                .where(condition, *allowed)
                .group_by(key)
                .order_by(func.count().desc())
                .limit(50)
            )
            for group_key, count, first in found.all():
                rows = await connection.execute(
                    select(table.data)
                    .where(condition, key == group_key if group_key is not None else key.is_(None), *allowed)
                    .limit(SAMPLES)
                )
                samples = [decode_live_order(row.data) for row in rows]
                if samples:
                    groups.append(_group(kind, severity, group_key, count, first, samples, names))
    return groups


def _group(
    kind: str, severity: int, key: str | None, count: int, since: int, samples: list[Any], names: WorkflowNames
) -> AttentionGroup:
    first = samples[0]
    path = names.path(first.workflow_path)
    step = names.step(first)
    where = f' at "{step.label or step.job}"' if step is not None and (step.label or step.job) else ""
    orders = "1 order" if count == 1 else f"{count} orders"
    if kind == "failed":
        detail = "" if first.return_code is None else f" · exit {first.return_code}"
        title = f"{orders} failed{where} in {path}{detail}" + (f' "{first.message[:120]}"' if first.message else "")
        remedy = "Read the log, remove the cause, then resume the orders."
        query = f"state:failed workflow:{path}"
    elif kind == "prompt":
        title, remedy = f"{orders} in {path} ask for an answer", "Read the question and confirm."
        query = f"state:prompting workflow:{path}"
    else:
        title = f"{orders} of {path} are overdue and cannot start"
        remedy = "Look what they wait for: Agent, workflow suspended, admission time."
        query = f"state:blocked workflow:{path}"
    return AttentionGroup(
        id=f"{kind}:{key}",
        kind=kind,
        severity=severity,
        title=title,
        count=count,
        sample=[
            {
                "orderId": order.order_id,
                "workflow": names.path(order.workflow_path),
                "historyId": order.history_id,
                "taskId": order.last_task_id,
                "message": order.message,
            }
            for order in samples
        ],
        since=since,
        link=f"/orders?q={query}",
        remedy=remedy,
    )


async def _components(context: RequestContext) -> list[AttentionGroup]:
    groups: list[AttentionGroup] = []
    for controller_id, link in _links(context).items():
        if link.state in ("lost", "failed") and context.session.permissions.allows("ctl:view", controller_id):
            groups.append(
                AttentionGroup(
                    id=f"controller:{controller_id}",
                    kind="component",
                    severity=1,
                    title=f"Controller {controller_id} is not reachable"
                    if link.state == "lost"
                    else f"History of Controller {controller_id} has stopped",
                    count=1,
                    sample=[{"component": controller_id, "message": link.error}],
                    since=link.since_ms,
                    link="/clusters",
                    remedy="Orders go on at the Controller and its Agents; history follows when it is back. "
                    + (link.error or ""),
                )
            )
    async with context.database.read() as connection:
        agents = await connection.execute(
            select(live_agents).where(
                live_agents.c.kind == "A",
                live_agents.c.state.in_(["COUPLINGFAILED", "SHUTDOWN", "RESETTING"]),
                *permitted(context, "ctl:agents:view", live_agents.c.controller_id),
            )
        )
        for agent in agents:
            groups.append(
                AttentionGroup(
                    id=f"agent:{agent.agent_id}",
                    kind="component",
                    severity=1,
                    title=f"Agent {agent.agent_id} is not coupled ({agent.state.lower()})",
                    count=1,
                    sample=[{"component": agent.agent_id, "message": agent.message}],
                    since=agent.since,
                    link="/resources/agents",
                    remedy="Its jobs go on; orders wait at the Controller until it is back. " + (agent.message or ""),
                )
            )
        gaps = await connection.execute(select(history_cursors).where(history_cursors.c.gaps > 0))
        for gap in gaps:
            if gap.gap_time is not None and gap.gap_time > context.now_ms() - 86_400_000:
                groups.append(
                    AttentionGroup(
                        id=f"gap:{gap.controller_id}",
                        kind="history",
                        severity=2,
                        title=f"Events of Controller {gap.controller_id} were released before they were read",
                        count=gap.gaps,
                        sample=[],
                        since=gap.gap_time,
                        remedy="History has a gap; what was lost is marked there. "
                        "Check who else releases events at the Controller.",
                    )
                )
    return groups


def _links(context: RequestContext) -> Mapping[str, LinkState]:
    services = context.services
    return services.get(SharedLive).links() if services.has(SharedLive) else {}


async def _cockpits(context: RequestContext) -> tuple[list[Node], list[Link]]:
    """The members of the Cockpit's cluster; the one that answers has the id `cockpit`."""
    nodes: list[Node] = []
    links: list[Link] = []
    for member in await member_views(context, []):
        id_ = "cockpit" if member["current"] else str(member["instanceId"])
        is_alive = member["componentState"]["severity"] == 0
        nodes.append(
            Node(
                id=id_,
                kind="cockpit",
                state="RUNNING" if is_alive else "LOST",
                role=member["clusterNodeState"]["_text"],
                url=member.get("url"),
                version=member["version"],
            )
        )
        links.append(Link(from_=id_, to="database", state="CONNECTED" if is_alive else "LOST"))
    return nodes, links


async def topology(context: RequestContext, request: NoRequest) -> Topology:
    """Components, their states, and the links between them."""
    database_kind = "SQLite" if context.database.is_sqlite else "PostgreSQL"
    nodes, links = await _cockpits(context)
    nodes.append(Node(id="database", kind="database", state="RUNNING", role=database_kind))
    follower_links = _links(context)
    controllers: Mapping[str, Urls] = {}
    if context.services.has(ControllerConnections):
        controllers = await context.services.get(ControllerConnections).registered()
    allowed = context.session.permissions
    async with context.database.read() as connection:
        ready = {row.controller_id: row for row in await connection.execute(select(live_controllers))}
        agents = (await connection.execute(select(live_agents))).all()
        items = (
            await connection.execute(
                select(live_items.c.controller_id, live_items.c.path).where(live_items.c.type == "AgentRef")
            )
        ).all()
        urls = {
            row.agent_id: row.uri
            for row in await connection.execute(select(inv_agent_instances.c.agent_id, inv_agent_instances.c.uri))
        }
    for controller_id in sorted({*controllers, *ready}):
        if not allowed.allows("ctl:view", controller_id):
            continue
        link = follower_links.get(controller_id)
        row = ready.get(controller_id)
        state = _LINK_STATES.get(link.state, "FAILED") if link is not None else "UNKNOWN"
        nodes.append(
            Node(
                id=controller_id,
                kind="controller",
                state=state,
                role="active",
                url=" ".join(controllers.get(controller_id, ())) or None,
                started_at=row.ready_time if row is not None else None,
                message=link.error if link is not None else None,
            )
        )
        links.append(
            Link(
                from_="cockpit",
                to=controller_id,
                state=state,
                since=link.since_ms if link is not None else None,
                last_seen=link.last_seen_ms if link is not None else None,
                error=link.error if link is not None else None,
            )
        )
    known = {(agent.controller_id, agent.agent_id): agent for agent in agents if agent.kind == "A"}
    for controller_id, path in items:
        if not allowed.allows("ctl:agents:view", controller_id):
            continue
        agent = known.get((controller_id, path))
        state = agent.state if agent is not None else "INITIALISED"
        message = agent.message if agent is not None else None
        since = agent.since if agent is not None else None
        nodes.append(Node(id=path, kind="agent", state=state, url=urls.get(path), message=message))
        links.append(Link(from_=controller_id, to=path, state=state, since=since, error=message))
    return Topology(nodes=nodes, links=links, as_of=context.now_ms())


ROUTES = [
    Route(f"{PREFIX}/attention", NoRequest, Attention, "ctl:view", False, attention, method="GET"),
    Route(f"{PREFIX}/topology", NoRequest, Topology, "ctl:view", False, topology, method="GET"),
]
