"""`/jocs`, `/joc/cluster/*`: the members of the Cockpit's cluster (cluster.md 4.5, cockpit-api 2.3).

`joc/cluster/restart` works on the active member, as there run the services; the others at any member.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.cluster.active_services import ActiveServices, RunnableService
from stellwerk.cockpit.cluster.election import SWITCH_SECONDS
from stellwerk.cockpit.cluster.members import Member, Members
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.cluster.watch import WatchControl
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.instances import check_url
from stellwerk.cockpit.controllers.pairs import Pairs
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError

MANAGE = "joc:cluster:manage"
#: `ClusterServices`.
SERVICES = ("cluster", "history", "dailyplan", "cleanup", "monitor", "lognotification")
RUNNABLE = ("dailyplan", "cleanup")

_ESTABLISHED = {"_text": "established", "severity": 0}
_UNSTABLE = {"_text": "unstable", "severity": 1}
_UNKNOWN = {"_text": "unknown", "severity": 2}
_OPERATIONAL = {"_text": "operational", "severity": 0}


#: Of the states of a pair of nodes (cockpit-api 2.3); those not named: 2.
_PAIR_SEVERITY = {
    "ClusterCoupled": 0,
    "ClusterFailedOver": 1,
    "ClusterSwitchedOver": 1,
    "ClusterPassiveLost": 1,
    "ClusterNodesAppointed": 1,
    "ClusterUnknown": 4,
}


def pair_state(type_: str | None, node_to_confirm: str | None) -> dict[str, Any]:
    """The state of a pair of nodes as clients see it (type `ClusterState`). `type_` None: nobody has told it."""
    if node_to_confirm is not None:
        return {"_text": "ClusterNodeLossToBeConfirmed", "severity": 2, "lossNode": node_to_confirm}
    text = f"Cluster{type_ or 'Unknown'}"
    return {"_text": text, "severity": _PAIR_SEVERITY.get(text, 2)}


class CockpitFilter(msgspec.Struct, rename="camel"):
    controller_id: str | None = None


class Cockpits(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    jocs: list[dict[str, Any]]


class MemberRequest(msgspec.Struct, rename="camel"):
    member_id: str


class ServiceRequest(msgspec.Struct):
    type: str


class ClusterResponse(msgspec.Struct, frozen=True, rename="camel"):
    """`state`: a `JocClusterState`."""

    delivery_date: str
    type: str
    state: str


class UrlRequest(msgspec.Struct, rename="camel"):
    """`instanceId`: of a member, e.g. `joc#0`; none: the one that answers."""

    url: str
    instance_id: str | None = None


class NotActive(ApiError):
    """JOC-503: only the active Cockpit can do that."""

    def __init__(self, active: str | None) -> None:
        where = f"the active one is {active}" if active else "at present no Cockpit is active"
        super().__init__(f"this Cockpit is not active: {where}", code="JOC-503", kind="JocServiceException")


class Conflict(ApiError):
    """JOC-409."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-409", kind="JocConflictException")


def watch_control(context: RequestContext) -> WatchControl:
    """Of the active member it watches the Controller pairs."""
    return context.services.get(WatchControl)  # type: ignore[type-abstract]


async def member_views(context: RequestContext, controller_links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The members as clients see them (type `Cockpit`)."""
    services = context.services
    membership = services.get(Membership)
    return [
        _view(member, membership, context.now_ms(), controller_links) for member in await services.get(Members).all()
    ]


def _view(member: Member, membership: Membership, now_ms: int, links: list[dict[str, Any]]) -> dict[str, Any]:
    is_current = member.member_id == membership.member_id
    age, interval = member.age_ms / 1000, membership.interval_seconds
    if is_current or age <= interval + 1:
        connection = _ESTABLISHED
    else:
        connection = _UNSTABLE if age <= membership.alive_seconds else _UNKNOWN
    if connection is _UNKNOWN:
        node = _UNKNOWN
    elif member.api_server:
        node = {"_text": "api-server", "severity": 1}
    elif member.member_id == membership.active_member_id:
        node = {"_text": "active", "severity": 0}
    else:
        node = {"_text": "inactive", "severity": 1}
    values = {
        "id": member.id,
        "instanceId": member.instance_id,
        "memberId": member.member_id,
        "title": member.title,
        "current": is_current,
        "host": member.host,
        "url": member.uri,
        "startedAt": timestamp(member.started_at),
        "version": member.version,
        "isApiServer": member.api_server,
        "connectionState": connection,
        "componentState": _UNKNOWN if connection is _UNKNOWN else _OPERATIONAL,
        "clusterNodeState": node,
        "controllerConnectionStates": links if is_current else [],
        "os": {"name": member.os or "", "architecture": "", "distribution": ""},
        "securityLevel": member.security_level,
        "lastHeartbeat": timestamp(member.heart_beat),
    }
    return {name: value for name, value in values.items() if value is not None}


async def jocs(context: RequestContext, request: CockpitFilter) -> Cockpits:
    """The members of the Cockpit's cluster."""
    return Cockpits(timestamp(context.now_ms()), await member_views(context, []))


async def set_url(context: RequestContext, request: UrlRequest) -> Ok:
    """Say how people reach a member, until it is started again; `url` in `cockpit.toml` says it for good."""
    check_url(request.url)
    members, membership = context.services.get(Members), context.services.get(Membership)
    wanted = request.instance_id
    found = [
        member
        for member in await members.all()
        if member.instance_id == wanted or (not wanted and member.member_id == membership.member_id)
    ]
    if not found:
        raise BadRequest(f"there is no member with the instanceId '{wanted}'")
    if found[0].member_id == membership.member_id:
        await membership.set_uri(request.url.rstrip("/"))
    else:
        await members.set_uri(request.url.rstrip("/"), found[0].member_id)
    return context.ok()


async def restart_proxies(context: RequestContext, request: NoRequest) -> Ok:
    """Close the connections of this Cockpit to its Controllers and open them anew."""
    await context.services.get(ControllerConnections).reconnect()
    return context.ok()


async def switch_member(context: RequestContext, request: MemberRequest) -> ClusterResponse:
    """Make another member the active one; answers when it has been asked for and can be expected."""
    members, membership = context.services.get(Members), context.services.get(Membership)
    target = next((member for member in await members.all() if member.member_id == request.member_id), None)
    if target is None:
        raise BadRequest(f"there is no member '{request.member_id}'")
    if target.api_server:
        raise BadRequest(f"{target.title} ({target.instance_id}) is an API server, which never becomes active")
    row = await members.row()
    if row is None or row.member_id is None:
        raise Conflict("at present no Cockpit is active; one is about to take over")
    if row.member_id == target.member_id:
        return _response(context, "cluster", "ALREADY_STARTED")
    if target.age_ms > membership.alive_seconds * 1000:
        raise BadRequest(
            f"{target.title} ({target.instance_id}) is not running: its last heart beat came "
            f"{target.age_ms / 1000:.0f} s ago"
        )
    await _check_controllers(context)
    if not await members.ask_for_switch(row, target.member_id):
        raise Conflict("the active Cockpit has changed just now")
    await membership.look_everywhere()
    return _response(context, "cluster", "SWITCH_MEMBER")


async def _check_controllers(context: RequestContext) -> None:
    """No switch-over of Cockpits while that of a Controller pair is under way: its watch is needed."""
    pairs, registry = context.services.get(Pairs), context.services.get(Registry)
    ids = {node.controller_id for node in await registry.controllers() if node.is_cluster}
    for controller_id in ids:
        try:
            async with asyncio.timeout(SWITCH_SECONDS / 10):
                state = await pairs.state(controller_id)
        except (PeerUnreachableError, ProblemError, TimeoutError):
            continue  # nobody there who would switch over
        if state.type == "SwitchedOver":
            raise Conflict(f"the Controller '{controller_id}' switches over just now")


async def restart(context: RequestContext, request: ServiceRequest) -> ClusterResponse:
    """Restart a service of the active member; `cluster`: all."""
    membership, services = context.services.get(Membership), context.services.get(ActiveServices)
    _check_type(request.type, SERVICES)
    if request.type != "cluster":
        require_active(membership)
        if services.get(request.type) is None:
            return _response(context, request.type, "MISSING_HANDLERS")
    await membership.restart(None if request.type == "cluster" else request.type)
    return _response(context, request.type, "RESTARTED")


async def run(context: RequestContext, request: ServiceRequest) -> ClusterResponse:
    """Let a service of the active member do its work now."""
    _check_type(request.type, RUNNABLE)
    require_active(context.services.get(Membership))
    service = context.services.get(ActiveServices).get(request.type)
    if not isinstance(service, RunnableService):
        return _response(context, request.type, "MISSING_HANDLERS")
    return _response(context, request.type, await service.run_now())


async def delete_member(context: RequestContext, request: MemberRequest) -> Ok:
    """Forget a member that does not run any more."""
    members, membership = context.services.get(Members), context.services.get(Membership)
    target = next((member for member in await members.all() if member.member_id == request.member_id), None)
    if target is None:
        raise BadRequest(f"there is no member '{request.member_id}'")
    row = await members.row()
    if row is not None and row.member_id == target.member_id:
        raise BadRequest(f"{target.title} ({target.instance_id}) is the active member")
    if target.age_ms <= membership.alive_seconds * 1000:
        raise BadRequest(f"{target.title} ({target.instance_id}) is running: stop it first")
    await members.delete(target.member_id)
    return context.ok()


def _check_type(given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise BadRequest(f"type must be one of {', '.join(known)}")


def require_active(membership: Membership) -> None:
    """Raises `NotActive`."""
    if not membership.is_active:
        raise NotActive(membership.active_member_id)


def _response(context: RequestContext, type_: str, state: str) -> ClusterResponse:
    return ClusterResponse(timestamp(context.now_ms()), type_, state)


def _managing(path: str, request: type, answer: Any, handler: Any) -> Route:
    return Route(path, request, answer, MANAGE, True, handler, category="CONTROLLER")


def _changing(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, "joc:administration:settings:manage", True, handler, category="SETTINGS")


ROUTES = [
    Route("/jocs", CockpitFilter, Cockpits, None, False, jocs),
    _managing("/joc/cluster/switch_member", MemberRequest, ClusterResponse, switch_member),
    _managing("/joc/cluster/restart", ServiceRequest, ClusterResponse, restart),
    _managing("/joc/cluster/run", ServiceRequest, ClusterResponse, run),
    _managing("/joc/proxies/restart", NoRequest, Ok, restart_proxies),
    _changing("/joc/url", UrlRequest, set_url),
    _changing("/joc/uri", UrlRequest, set_url),
    _managing("/joc/cluster/delete_member", MemberRequest, Ok, delete_member),
]
