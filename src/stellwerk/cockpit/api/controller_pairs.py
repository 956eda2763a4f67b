"""`/controller/cluster/*`, `/agent/cluster/*`: switch-over, appointment, confirmed loss of the nodes of a pair
(cluster.md 1.10.3, 2.2).
"""

from __future__ import annotations

from typing import Any

from stellwerk.cockpit.api.agents import AgentCommandRequest
from stellwerk.cockpit.api.cluster import Conflict, require_active, watch_control
from stellwerk.cockpit.api.controllers import UrlRequest
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route
from stellwerk.cockpit.cluster.members import Members
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.controllers.pairs import BACKUP, PRIMARY, Pairs


async def switchover(context: RequestContext, request: UrlRequest) -> Ok:
    """Let the passive node of a pair become the active one."""
    if await context.services.get(Members).has_pending_switch():
        raise Conflict("a switch-over of Cockpits is under way; try again when it is done")
    await context.services.get(Pairs).switch_over(request.controller_id)
    return context.ok()


async def appoint_nodes(context: RequestContext, request: UrlRequest) -> Ok:
    """Tell the active node of a pair the addresses of both."""
    await context.services.get(Pairs).appoint(request.controller_id)
    return context.ok()


async def confirm_node_loss(context: RequestContext, request: UrlRequest) -> Ok:
    """A person says that a node (by its url, else the one that is waited for) is dead; at the active Cockpit only."""
    require_active(context.services.get(Membership))
    primary, backup = await context.services.get(Pairs).nodes(request.controller_id)
    node_ids = {primary.uri: PRIMARY, backup.uri: BACKUP}
    lost = None
    if request.url:
        lost = node_ids.get(request.url.rstrip("/"))
        if lost is None:
            raise BadRequest(f"{request.url} is not the url of a node of '{request.controller_id}'")
    await watch_control(context).confirm_node_loss(request.controller_id, lost, context.account)
    return context.ok()


async def switchover_directors(context: RequestContext, request: AgentCommandRequest) -> Ok:
    """Let the passive Director of an Agent become the active one."""
    await context.services.get(Pairs).switch_over_directors(request.controller_id, request.agent_id)
    return context.ok()


async def confirm_director_loss(context: RequestContext, request: AgentCommandRequest) -> Ok:
    """A person says that the Director is dead whose loss waits for confirmation."""
    await context.services.get(Pairs).confirm_loss_of_director(request.controller_id, request.agent_id, context.account)
    return context.ok()


def _steering(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, "ctl:switch_over", True, handler, category="CONTROLLER")


ROUTES = [
    _steering("/controller/cluster/switchover", UrlRequest, switchover),
    _steering("/controller/cluster/appoint_nodes", UrlRequest, appoint_nodes),
    _steering("/controller/cluster/confirm_node_loss", UrlRequest, confirm_node_loss),
    _steering("/agent/cluster/switchover", AgentCommandRequest, switchover_directors),
    _steering("/agent/cluster/confirm_node_loss", AgentCommandRequest, confirm_director_loss),
]
