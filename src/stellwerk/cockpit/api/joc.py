"""What clients read first about the Cockpit itself: version, properties, licence, is it the active one."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

import stellwerk
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.openapi import openapi_document
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route, timestamp
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances, inv_js_instances
from stellwerk.cockpit.settings.settings import Settings

#: The generation of the API that clients may expect.
API_VERSION = "2.9.0"
#: Views of the vendor's UI and the settings that hide them; what a session may see is said by its permissions.
VIEWS: dict[str, str | None] = {
    "dashboard": "dashboard",
    "dailyPlan": "dailyplan",
    "workflows": "workflows",
    "orders": None,
    "fileTransfers": "filetransfer",
    "resources": "resources",
    "history": "history",
    "auditLog": "auditlog",
    "configuration": "configuration",
    "monitor": "monitor",
    "report": "report",
}


class Properties(msgspec.Struct, frozen=True, rename="camel"):
    """Settings that the UI needs before it can draw (type `Properties`)."""

    delivery_date: str
    force_comments_for_audit_log: bool
    inventory_version: str
    security_level: str
    title: str = "Stellwerk"
    default_profile_account: str = ""
    api_version: str = API_VERSION
    comments: list[str] = []
    show_views: dict[str, bool] = {}
    display_folders_in_views: bool = True
    welcome_do_not_remind_me: bool = False
    welcome_got_it: bool = False
    allow_empty_arguments: bool = False
    allow_undeclared_variables: bool = False
    #: Clusters need no licence here.
    cluster_license: bool = True
    license_type: str = "OPENSOURCE"
    kiosk_role: str = ""
    kiosk_views: dict[str, int] = {}
    enable_link_checker: bool = False


class VersionsRequest(msgspec.Struct, rename="camel"):
    controller_ids: list[str] = []
    agent_ids: list[str] = []


class ControllerVersion(msgspec.Struct, frozen=True, rename="camel"):
    controller_id: str
    uri: str
    version: str
    compatibility: str = "COMPATIBLE"


class AgentVersion(msgspec.Struct, frozen=True, rename="camel"):
    agent_id: str
    uri: str
    version: str
    compatibility: str = "COMPATIBLE"


class Versions(msgspec.Struct, frozen=True, rename="camel"):
    """The first element of each list is what the vendor's script prints."""

    controller_versions: list[ControllerVersion]
    agent_versions: list[AgentVersion]
    joc_version: str


class Version(msgspec.Struct, frozen=True):
    """`git` and `date` of the reference are not known here."""

    version: str


class License(msgspec.Struct, frozen=True):
    type: str = "OPENSOURCE"
    valid: bool = False


async def properties(context: RequestContext, request: NoRequest) -> Properties:
    """Properties of this Cockpit."""
    settings = context.services.get(Settings)
    return Properties(
        delivery_date=timestamp(context.now_ms()),
        force_comments_for_audit_log=settings.boolean("joc", "force_comments_for_audit_log"),
        comments=settings.texts("joc", "comments_for_audit_log"),
        inventory_version=stellwerk.__version__,
        security_level=context.configuration.security_level,
        default_profile_account=settings.text("joc", "default_profile_account") or "",
        display_folders_in_views=settings.boolean("joc", "display_folders_in_views"),
        allow_empty_arguments=settings.boolean("joc", "allow_empty_arguments"),
        allow_undeclared_variables=settings.boolean("joc", "allow_undeclared_variables"),
        welcome_do_not_remind_me=settings.boolean("user", "welcome_do_not_remind_me"),
        welcome_got_it=settings.boolean("user", "welcome_got_it"),
        show_views={
            view: setting is None or settings.text("joc", f"show_view_{setting}") != "false"
            for view, setting in VIEWS.items()
        },
    )


async def versions(context: RequestContext, request: VersionsRequest) -> Versions:
    """Versions of Cockpit, Controllers and Agents as far as they are known."""
    controllers, agents = inv_js_instances.c, inv_agent_instances.c
    controller_query = select(controllers.controller_id, controllers.uri, controllers.version)
    agent_query = select(agents.agent_id, agents.uri, agents.version)
    if request.controller_ids:
        controller_query = controller_query.where(controllers.controller_id.in_(request.controller_ids))
        agent_query = agent_query.where(agents.controller_id.in_(request.controller_ids))
    if request.agent_ids:
        agent_query = agent_query.where(agents.agent_id.in_(request.agent_ids))
    controller_query = controller_query.where(*permitted(context, "ctl:view", controllers.controller_id))
    agent_query = agent_query.where(*permitted(context, "ctl:view", agents.controller_id))
    async with context.database.read() as connection:
        controller_rows = (await connection.execute(controller_query.order_by(controllers.id))).all()
        agent_rows = (await connection.execute(agent_query.order_by(agents.id))).all()
    return Versions(
        controller_versions=[
            ControllerVersion(row.controller_id, row.uri, row.version or "") for row in controller_rows
        ],
        agent_versions=[AgentVersion(row.agent_id, row.uri or "", row.version or "") for row in agent_rows],
        joc_version=stellwerk.__version__,
    )


async def version(context: RequestContext, request: NoRequest) -> Version:
    """The Cockpit's version."""
    return Version(version=stellwerk.__version__)


async def license_(context: RequestContext, request: NoRequest) -> License:
    """Always the open source licence; nothing is locked behind another one."""
    return License()


async def is_active(context: RequestContext, request: NoRequest) -> bool:
    """Is this Cockpit the active one of its cluster."""
    return context.services.get(Membership).is_active


async def openapi(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """This API as an OpenAPI document."""
    from stellwerk.cockpit.api import all_routes

    return openapi_document(all_routes())


ROUTES = [
    Route("/joc/properties", NoRequest, Properties, None, False, properties),
    Route("/joc/versions", VersionsRequest, Versions, "ctl:view", False, versions),
    Route("/joc/version", NoRequest, Version, "ctl:view", False, version),
    Route("/joc/license", NoRequest, License, None, False, license_),
    Route("/joc/is_active", NoRequest, bool, None, False, is_active, public=True),
    Route("/joc/is_active", NoRequest, bool, None, False, is_active, public=True, method="GET"),
    Route("/stellwerk/openapi.json", NoRequest, dict[str, Any], None, False, openapi, public=True, method="GET"),
]
