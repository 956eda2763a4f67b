"""`/controller*`: registration and state of Controllers (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import structlog

from stellwerk.cockpit.api.agent_clusters import cluster_agent_view
from stellwerk.cockpit.api.agents import MANAGE, agent_view
from stellwerk.cockpit.api.cluster import member_views, pair_state, watch_control
from stellwerk.cockpit.api.errors import BadRequest, ControllerUnreachable, MissingParameter
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.instances import ControllerInstance, NewNode
from stellwerk.cockpit.controllers.pairs import NodeSurvey, Pairs, survey
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError

_ESTABLISHED = {"_text": "established", "severity": 0}
_UNREACHABLE = {"_text": "unreachable", "severity": 2}
_OPERATIONAL = {"_text": "operational", "severity": 0}
_INOPERABLE = {"_text": "inoperable", "severity": 2}
_ACTIVE = {"_text": "active", "severity": 0}
_INACTIVE = {"_text": "inactive", "severity": 1}
_UNKNOWN_NODE = {"_text": "unknown", "severity": 2}
_logger = structlog.get_logger(__name__)


# --- requests and answers ---------------------------------------------------------------------------------------------


class ControllerRequest(msgspec.Struct, rename="camel"):
    controller_id: str | None = None


class UrlRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    url: str | None = None
    with_switchover: bool = True


class TestRequest(msgspec.Struct, rename="camel"):
    url: str
    controller_id: str | None = None


class NodeRequest(msgspec.Struct, rename="camel"):
    url: str
    role: str = "STANDALONE"
    title: str | None = None
    cluster_url: str | None = None


class RegisterRequest(msgspec.Struct, rename="camel"):
    controllers: list[NodeRequest]
    controller_id: str | None = None


class ControllerIds(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    controller_ids: list[str]
    selected: str


class Controllers(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    controllers: list[dict[str, Any]]
    agents: list[dict[str, Any]]
    cluster_agents: list[dict[str, Any]]
    current_security_level: str


class ControllerAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    controller: dict[str, Any]


# --- Controllers ------------------------------------------------------------------------------------------------------


async def _permitted(context: RequestContext) -> list[ControllerInstance]:
    """The Controllers that the caller may see."""
    registry = context.services.get(Registry)
    allows = context.session.permissions.allows
    return [item for item in await registry.controllers() if allows("ctl:view", item.controller_id)]


async def ids(context: RequestContext, request: NoRequest) -> ControllerIds:
    """The ids of the registered Controllers, and which one is selected: the first."""
    found = list(dict.fromkeys(item.controller_id for item in await _permitted(context)))
    return ControllerIds(timestamp(context.now_ms()), found, found[0] if found else "")


async def _surveyed(context: RequestContext, controller_id: str | None) -> list[NodeSurvey]:
    """The nodes that the caller may see (of one Controller, or of all) as they answer now."""
    found = [item for item in await _permitted(context) if controller_id in (None, "", item.controller_id)]
    return await survey(context.services.get(ControllerConnections), found)


async def controllers(context: RequestContext, request: ControllerRequest) -> Controllers:
    """The registered Controllers, each node with its state as it answers now, and their Agents."""
    found = await _surveyed(context, request.controller_id)
    instances = [item.instance for item in found]
    return await _with_agents(context, request, instances, [_node_view(context, item) for item in found])


async def _with_agents(
    context: RequestContext,
    request: ControllerRequest,
    found: list[ControllerInstance],
    views: list[dict[str, Any]],
) -> Controllers:
    known = {item.controller_id for item in found}
    agents = await context.services.get(Registry).agents(request.controller_id or None)
    return Controllers(
        delivery_date=timestamp(context.now_ms()),
        controllers=views,
        agents=[agent_view(agent) for agent in agents if agent.controller_id in known and not agent.subagents],
        cluster_agents=[
            cluster_agent_view(agent) for agent in agents if agent.controller_id in known and agent.subagents
        ],
        current_security_level=context.configuration.security_level,
    )


async def registered_controllers(context: RequestContext, request: ControllerRequest) -> Controllers:
    """The registered Controllers as they are in the database, and their Agents; nobody is asked."""
    found = [item for item in await _permitted(context) if request.controller_id in (None, "", item.controller_id)]
    return await _with_agents(context, request, found, [_registered(item) for item in found])


async def registered_controller(context: RequestContext, request: UrlRequest) -> ControllerAnswer:
    """A node of a Controller as it is in the database: by its url, else the primary one; it is not asked."""
    nodes = await context.services.get(Registry).nodes(request.controller_id)
    chosen = [node for node in nodes if node.uri == (request.url or "").rstrip("/")] or nodes
    return ControllerAnswer(timestamp(context.now_ms()), _registered(chosen[0]))


def _registered(item: ControllerInstance) -> dict[str, Any]:
    values = {
        "id": item.id,
        "controllerId": item.controller_id,
        "title": item.title or item.controller_id,
        "host": item.host,
        "url": item.uri,
        "clusterUrl": item.cluster_uri,
        "role": item.role,
        "isCoupled": False,
        "startedAt": None if item.started_at is None else timestamp(item.started_at),
        "version": item.version,
        "securityLevel": item.security_level,
    }
    return {name: value for name, value in values.items() if value is not None}


def _node_view(context: RequestContext, item: NodeSurvey) -> dict[str, Any]:
    """A registered node with its state."""
    now_ms = context.now_ms()
    view = _registered(item.instance)
    if item.overview is None:
        return view | {
            "componentState": _INOPERABLE,
            "connectionState": _UNREACHABLE,
            "clusterNodeState": _UNKNOWN_NODE,
            "surveyDate": timestamp(now_ms),
        }
    view = _with_overview(view, item.overview, now_ms)
    if not item.instance.is_cluster:
        return view
    state = item.state
    view["isCoupled"] = state is not None and state.type == "Coupled"
    view["clusterNodeState"] = _UNKNOWN_NODE if state is None else _ACTIVE if state.is_active else _INACTIVE
    to_confirm = watch_control(context).node_to_confirm(item.instance.controller_id)
    is_preparing = state is not None and state.type == "PreparedToBeCoupled" and not state.is_active
    if is_preparing or (state is not None and state.node_id == to_confirm):
        view["componentState"] = _INOPERABLE
    return view


def _with_overview(registered: dict[str, Any], overview: dict[str, Any], now_ms: int) -> dict[str, Any]:
    system = overview.get("system") or {}
    java = overview.get("java") or {}
    result = registered | {
        "surveyDate": timestamp(now_ms),
        "isCoupled": True,
        "version": str(overview.get("version", "")),
        "componentState": _OPERATIONAL,
        "connectionState": _ESTABLISHED,
        "clusterNodeState": _ACTIVE,
        "os": {
            "name": str((java.get("systemProperties") or {}).get("os.name", "Linux")),
            "architecture": str((java.get("systemProperties") or {}).get("os.arch", "")),
            "distribution": str(system.get("distribution", "")),
        },
        "javaVersion": str(java.get("version", "")),
    }
    if isinstance(overview.get("startedAt"), int):
        result["startedAt"] = timestamp(overview["startedAt"])
    if system.get("hostname"):
        result["host"] = str(system["hostname"])
    return result


async def controller(context: RequestContext, request: UrlRequest) -> ControllerAnswer:
    """The state of a node, by its url, else of the active one, asked now; 434 if it cannot be reached."""
    nodes = await context.services.get(Registry).nodes(request.controller_id)
    chosen = [node for node in nodes if node.uri == (request.url or "").rstrip("/")] or nodes
    found = await survey(context.services.get(ControllerConnections), chosen)
    item = next((item for item in found if item.is_active), found[0])
    if item.overview is None:
        raise ControllerUnreachable(item.error or f"{item.instance.uri} does not answer")
    return ControllerAnswer(timestamp(context.now_ms()), _node_view(context, item))


async def test(context: RequestContext, request: TestRequest) -> ControllerAnswer:
    """Contact a URL and tell which Controller is there."""
    try:
        overview = await context.services.get(Registry).look_at(request.url, request.controller_id or None)
    except (PeerUnreachableError, ProblemError) as error:
        raise ControllerUnreachable(str(error)) from error
    registered: dict[str, Any] = {
        "id": 0,
        "controllerId": overview["id"],
        "title": overview["id"],
        "url": request.url,
        "role": "STANDALONE",
        "isCoupled": False,
        "securityLevel": context.configuration.security_level,
    }
    return ControllerAnswer(timestamp(context.now_ms()), _with_overview(registered, overview, context.now_ms()))


async def register(context: RequestContext, request: RegisterRequest) -> Any:
    """Register a Controller by the URLs of its one or two nodes, or change a registered one."""
    roles = sorted(node.role for node in request.controllers)
    if roles not in (["STANDALONE"], ["BACKUP", "PRIMARY"]):
        raise BadRequest("controllers: give one entry with role STANDALONE, or two with the roles PRIMARY and BACKUP")
    nodes = [
        NewNode(node.url, node.role != "BACKUP", node.cluster_url or None, node.title or None)
        for node in request.controllers
    ]
    services = context.services
    controller_id = await services.get(Registry).register(nodes, controller_id=request.controller_id or None)
    if len(nodes) > 1:
        try:
            await services.get(Pairs).appoint(controller_id)
        except (PeerUnreachableError, ProblemError) as error:
            # The registration stands; `appoint_nodes` does it again.
            _logger.warning("the nodes have not been appointed", controller=controller_id, problem=str(error))
    return context.ok()


async def unregister(context: RequestContext, request: UrlRequest) -> Ok:
    """Forget a Controller and its Agents; the Controller itself is not touched."""
    await context.services.get(Registry).unregister(request.controller_id)
    return context.ok()


def _shut_down(summary: str, *, restart: bool) -> Any:
    async def handler(context: RequestContext, request: UrlRequest) -> Ok:
        pairs, registry = context.services.get(Pairs), context.services.get(Registry)
        if len(await registry.nodes(request.controller_id)) > 1 and not request.url:
            raise MissingParameter("url")
        client, is_active_of_pair = await pairs.node_client(request.controller_id, request.url)
        command: dict[str, Any] = {"TYPE": "ShutDown"}
        if restart:
            command["restart"] = True
        if is_active_of_pair and request.with_switchover:
            command["clusterAction"] = {"TYPE": "Switchover"}
        await client.command(command)
        return context.ok()

    handler.__doc__ = summary
    return handler


terminate = _shut_down("Shut a node of a Controller down.", restart=False)
restart = _shut_down("Restart a node of a Controller.", restart=True)


def _abort(summary: str, *, restart: bool) -> Any:
    async def handler(context: RequestContext, request: UrlRequest) -> Ok:
        pairs, registry = context.services.get(Pairs), context.services.get(Registry)
        if len(await registry.nodes(request.controller_id)) > 1 and not request.url:
            raise MissingParameter("url")
        client, _ = await pairs.node_client(request.controller_id, request.url)
        await client.overview()  # one that cannot be reached at all is not aborted
        # The node ends at once: that its answer gets lost is what was asked for.
        with contextlib.suppress(PeerUnreachableError):
            await client.command({"TYPE": "EmergencyStop", "restart": restart})
        return context.ok()

    handler.__doc__ = summary
    return handler


abort = _abort("End a node of a Controller at once, without any care.", restart=False)
abort_and_restart = _abort("End a node of a Controller at once and start it again.", restart=True)


async def components(context: RequestContext, request: ControllerRequest) -> dict[str, Any]:
    """Cockpits, database and Controllers with their states."""
    surveyed = await _surveyed(context, request.controller_id)
    found = [_node_view(context, item) for item in surveyed]
    async with context.database.read() as connection:
        dialect = connection.dialect
        version = ".".join(str(part) for part in getattr(dialect, "server_version_info", None) or ())
    database = {
        "dbms": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(dialect.name, dialect.name),
        "version": version,
        "componentState": _OPERATIONAL,
        "connectionState": _ESTABLISHED,
    }
    links = [{"role": item["role"], "state": item.get("connectionState", _UNREACHABLE)} for item in found]
    answer = {
        "deliveryDate": timestamp(context.now_ms()),
        "jocs": await member_views(context, links),
        "database": database,
        "controllers": found,
    }
    cluster_state = _cluster_state(context, surveyed)
    return answer if cluster_state is None else answer | {"clusterState": cluster_state}


def _cluster_state(context: RequestContext, surveyed: list[NodeSurvey]) -> dict[str, Any] | None:
    """The state of the pair, if these are the nodes of one (cluster.md 1.3, "Cockpit display")."""
    ids = {item.instance.controller_id for item in surveyed if item.instance.is_cluster}
    if len(ids) != 1:
        return None
    [controller_id] = ids
    to_confirm = watch_control(context).node_to_confirm(controller_id)
    states = sorted((item.state for item in surveyed if item.state is not None), key=lambda state: not state.is_active)
    return pair_state(states[0].type if states else None, to_confirm)


def _changing(path: str, request: type, permission: str, handler: Any) -> Route:
    return Route(path, request, Ok, permission, True, handler, category="CONTROLLER")


ROUTES = [
    Route("/controller/ids", NoRequest, ControllerIds, "ctl:view", False, ids),
    Route("/controllers", ControllerRequest, Controllers, "ctl:view", False, controllers),
    Route("/controller", UrlRequest, ControllerAnswer, "ctl:view", False, controller, unreachable_status=434),
    Route("/controllers/p", ControllerRequest, Controllers, "ctl:view", False, registered_controllers),
    Route("/controller/p", UrlRequest, ControllerAnswer, "ctl:view", False, registered_controller),
    Route("/controller/components", ControllerRequest, dict[str, Any], "ctl:view", False, components),
    Route("/controller/test", TestRequest, ControllerAnswer, "joc:administration:controllers:view", False, test),
    _changing("/controller/register", RegisterRequest, MANAGE, register),
    _changing("/controller/unregister", UrlRequest, MANAGE, unregister),
    _changing("/controller/cleanup", UrlRequest, MANAGE, unregister),
    _changing("/controller/terminate", UrlRequest, "ctl:terminate", terminate),
    _changing("/controller/restart", UrlRequest, "ctl:restart", restart),
    _changing("/controller/abort", UrlRequest, "ctl:terminate", abort),
    _changing("/controller/abort_and_restart", UrlRequest, "ctl:restart", abort_and_restart),
]
