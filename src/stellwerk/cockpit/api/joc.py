"""What clients read first about the Cockpit itself: version, properties, licence, is it the active one."""

from __future__ import annotations

from typing import Any

import msgspec

import stellwerk
from stellwerk.cockpit.api.openapi import openapi_document
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route, timestamp


class Properties(msgspec.Struct, frozen=True, rename="camel"):
    """Settings that the UI needs before it can draw (type `Properties`, the members that apply here)."""

    delivery_date: str
    clustering: bool
    force_comments_for_audit_log: bool
    security_level: str
    show_views: dict[str, bool]
    title: str
    version: str
    java_enabled: bool = False


class Version(msgspec.Struct, frozen=True):
    """`git` and `date` of the reference are not known here."""

    version: str


class License(msgspec.Struct, frozen=True):
    type: str = "OPENSOURCE"
    valid: bool = False


async def properties(context: RequestContext, request: NoRequest) -> Properties:
    """Properties of this Cockpit."""
    return Properties(
        delivery_date=timestamp(context.now_ms()),
        clustering=False,
        force_comments_for_audit_log=context.configuration.force_audit_comments,
        security_level="LOW",
        show_views={},
        title="Stellwerk",
        version=stellwerk.__version__,
    )


async def version(context: RequestContext, request: NoRequest) -> Version:
    """The Cockpit's version."""
    return Version(version=stellwerk.__version__)


async def license_(context: RequestContext, request: NoRequest) -> License:
    """Always the open source licence; nothing is locked behind another one."""
    return License()


async def is_active(context: RequestContext, request: NoRequest) -> bool:
    """Is this Cockpit the active one of its cluster."""
    return True


async def openapi(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """This API as an OpenAPI document."""
    from stellwerk.cockpit.api import all_routes

    return openapi_document(all_routes())


ROUTES = [
    Route("/joc/properties", NoRequest, Properties, None, False, properties),
    Route("/joc/version", NoRequest, Version, "ctl:view", False, version),
    Route("/joc/license", NoRequest, License, None, False, license_),
    Route("/joc/is_active", NoRequest, bool, None, False, is_active, public=True),
    Route("/joc/is_active", NoRequest, bool, None, False, is_active, public=True, method="GET"),
    Route("/stellwerk/openapi.json", NoRequest, dict[str, Any], None, False, openapi, public=True, method="GET"),
]
