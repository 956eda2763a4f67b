"""Native `attention`: what needs a person (ui.md S2, 4.4)."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.cluster import watch_control
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.native_topology import follower_links
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route
from stellwerk.cockpit.controllers.cluster_history import cluster_changes
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.database.tables.history import history_cursors
from stellwerk.cockpit.database.tables.live import live_agents, live_orders
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.projection.clusters import CONFIRMED, TO_BE_CONFIRMED
from stellwerk.cockpit.projection.model import FAILED, PROMPTING, SCHEDULED, decode_live_order

SAMPLES = 5
#: A pair that couples anew needs a moment: not worth a person's attention.
COUPLING_MS = 5_000
LATE_MS = 60_000


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


async def attention(context: RequestContext, request: NoRequest) -> Attention:
    """Groups of what needs a person, most urgent first."""
    groups = [*await _components(context), *await _orders(context)]
    groups.sort(key=lambda group: (group.severity, -group.count))
    return Attention(groups=groups, as_of=context.now_ms())


async def _orders(context: RequestContext) -> list[AttentionGroup]:
    table = live_orders.c
    allowed = permitted(context, "ctl:orders:view", table.controller_id, workflow=table.workflow_path)
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


async def _pairs(context: RequestContext) -> list[AttentionGroup]:
    """Pairs of which one node goes on alone, and losses that a person has to confirm."""
    groups: list[AttentionGroup] = []
    services = context.services
    registered = await services.get(ControllerConnections).registered() if services.has(ControllerConnections) else {}
    async with context.database.read() as connection:
        changes = await cluster_changes(connection)
    for (controller_id, agent_id), (newest, *_) in changes.items():
        permission = "ctl:agents:view" if agent_id else "ctl:view"
        is_pair = len(registered.get(controller_id, ())) == 2 or bool(agent_id)
        if not is_pair or not context.session.permissions.allows(permission, controller_id):
            continue
        name = f"Directors of Agent {agent_id}" if agent_id else f"Controller pair {controller_id}"
        link = f"/clusters/agent/{agent_id}" if agent_id else f"/clusters/controller/{controller_id}"
        if agent_id:
            lost = newest.lost if newest.state == TO_BE_CONFIRMED else None
        else:
            lost = watch_control(context).node_to_confirm(controller_id)
        if lost is not None:
            groups.append(
                AttentionGroup(
                    id=f"loss:{controller_id}:{agent_id}",
                    kind="component",
                    severity=1,
                    title=f"{name}: a person must confirm that {lost} is stopped",
                    count=1,
                    sample=[],
                    since=newest.time if agent_id else None,
                    link=link,
                    remedy="Until then nobody takes over. Make sure that its process has ended, then confirm its loss.",
                )
            )
        is_settled = newest.time is None or newest.time <= context.now_ms() - COUPLING_MS
        if newest.state not in ("Coupled", TO_BE_CONFIRMED, CONFIRMED) and is_settled:
            alone = f" · running on {newest.active} alone" if newest.active is not None else ""
            groups.append(
                AttentionGroup(
                    id=f"pair:{controller_id}:{agent_id}",
                    kind="component",
                    severity=2,
                    title=f"{name} not coupled{alone}",
                    count=1,
                    sample=[],
                    since=newest.time,
                    link=link,
                    remedy="Nobody takes over if that one is lost, too. Start the other node; it couples by itself.",
                )
            )
    return groups


async def _components(context: RequestContext) -> list[AttentionGroup]:
    groups: list[AttentionGroup] = []
    for controller_id, link in follower_links(context).items():
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
    groups += await _pairs(context)
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


ROUTES = [
    Route(f"{PREFIX}/attention", NoRequest, Attention, "ctl:view", False, attention, method="GET"),
]
