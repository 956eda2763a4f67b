"""`/controller*`: registration and state of Controllers (cockpit-api 2.3, 7, 8)."""

from __future__ import annotations

import platform
from typing import Any

import msgspec

import stellwerk
from stellwerk.cockpit.api.agents import MANAGE, agent_view
from stellwerk.cockpit.api.errors import BadRequest, ControllerUnreachable
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.registry import ControllerInstance, Registry
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError

_ESTABLISHED = {"_text": "established", "severity": 0}
_UNREACHABLE = {"_text": "unreachable", "severity": 2}
_OPERATIONAL = {"_text": "operational", "severity": 0}
_INOPERABLE = {"_text": "inoperable", "severity": 2}
_ACTIVE = {"_text": "active", "severity": 0}
_UNKNOWN_NODE = {"_text": "unknown", "severity": 2}


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
    current_security_level: str = "LOW"


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


async def controllers(context: RequestContext, request: ControllerRequest) -> Controllers:
    """The registered Controllers with their Agents, as they are in the database."""
    found = [item for item in await _permitted(context) if request.controller_id in (None, "", item.controller_id)]
    known = {item.controller_id for item in found}
    agents = await context.services.get(Registry).agents(request.controller_id or None)
    return Controllers(
        delivery_date=timestamp(context.now_ms()),
        controllers=[_registered(item) for item in found],
        agents=[agent_view(agent) for agent in agents if agent.controller_id in known],
        cluster_agents=[],
    )


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
        "securityLevel": "LOW",
    }
    return {name: value for name, value in values.items() if value is not None}


async def _surveyed(context: RequestContext, item: ControllerInstance) -> dict[str, Any]:
    """A registered Controller with its state as it answers now. Raises `PeerUnreachableError`."""
    client = await context.services.get(ControllerConnections).client(item.controller_id)
    return _with_overview(_registered(item), await client.overview(), context.now_ms())


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
    """The state of a Controller, asked now; 434 if it cannot be reached."""
    item = await context.services.get(Registry).controller(request.controller_id)
    return ControllerAnswer(timestamp(context.now_ms()), await _surveyed(context, item))


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
        "securityLevel": "LOW",
    }
    return ControllerAnswer(timestamp(context.now_ms()), _with_overview(registered, overview, context.now_ms()))


async def register(context: RequestContext, request: RegisterRequest) -> Any:
    """Register a Controller by its URL, or change the URL and title of a registered one."""
    if len(request.controllers) != 1 or request.controllers[0].role != "STANDALONE":
        raise BadRequest("this release registers stand-alone Controllers: give one entry with role STANDALONE")
    [node] = request.controllers
    await context.services.get(Registry).register(
        node.url, controller_id=request.controller_id or None, title=node.title or None
    )
    return context.ok()


async def unregister(context: RequestContext, request: UrlRequest) -> Ok:
    """Forget a Controller and its Agents; the Controller itself is not touched."""
    await context.services.get(Registry).unregister(request.controller_id)
    return context.ok()


def _controller_command(summary: str, command: dict[str, Any]) -> Any:
    async def handler(context: RequestContext, request: UrlRequest) -> Ok:
        client = await context.services.get(ControllerConnections).client(request.controller_id)
        await client.command(command)
        return context.ok()

    handler.__doc__ = summary
    return handler


terminate = _controller_command("Shut a Controller down.", {"TYPE": "ShutDown"})
restart = _controller_command("Restart a Controller.", {"TYPE": "ShutDown", "restart": True})


async def components(context: RequestContext, request: ControllerRequest) -> dict[str, Any]:
    """Cockpit, database and Controllers with their states."""
    now = timestamp(context.now_ms())
    found = []
    for item in await _permitted(context):
        if request.controller_id in (None, "", item.controller_id):
            try:
                found.append(await _surveyed(context, item))
            except (PeerUnreachableError, ProblemError):
                down = {
                    "componentState": _INOPERABLE,
                    "connectionState": _UNREACHABLE,
                    "clusterNodeState": _UNKNOWN_NODE,
                    "surveyDate": now,
                }
                found.append(_registered(item) | down)
    host = platform.node()
    cockpit = {
        "id": 1,
        "instanceId": f"{host}#0",
        "memberId": f"{host}#0",
        "title": "Stellwerk",
        "current": True,
        "host": host,
        "version": stellwerk.__version__,
        "isApiServer": False,
        "connectionState": _ESTABLISHED,
        "componentState": _OPERATIONAL,
        "clusterNodeState": _ACTIVE,
        "controllerConnectionStates": [
            {"role": item["role"], "state": item.get("connectionState", _UNREACHABLE)} for item in found
        ],
        "securityLevel": "LOW",
        "lastHeartbeat": now,
    }
    async with context.database.read() as connection:
        dialect = connection.dialect
        version = ".".join(str(part) for part in getattr(dialect, "server_version_info", None) or ())
    database = {
        "dbms": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(dialect.name, dialect.name),
        "version": version,
        "componentState": _OPERATIONAL,
        "connectionState": _ESTABLISHED,
    }
    return {"deliveryDate": now, "jocs": [cockpit], "database": database, "controllers": found}


def _changing(path: str, request: type, permission: str, handler: Any) -> Route:
    return Route(path, request, Ok, permission, True, handler, category="CONTROLLER")


ROUTES = [
    Route("/controller/ids", NoRequest, ControllerIds, "ctl:view", False, ids),
    Route("/controllers", ControllerRequest, Controllers, "ctl:view", False, controllers),
    Route("/controller", UrlRequest, ControllerAnswer, "ctl:view", False, controller, unreachable_status=434),
    Route("/controller/components", ControllerRequest, dict[str, Any], "ctl:view", False, components),
    Route("/controller/test", TestRequest, ControllerAnswer, "joc:administration:controllers:view", False, test),
    _changing("/controller/register", RegisterRequest, MANAGE, register),
    _changing("/controller/unregister", UrlRequest, MANAGE, unregister),
    _changing("/controller/cleanup", UrlRequest, MANAGE, unregister),
    _changing("/controller/terminate", UrlRequest, "ctl:terminate", terminate),
    _changing("/controller/restart", UrlRequest, "ctl:restart", restart),
]
