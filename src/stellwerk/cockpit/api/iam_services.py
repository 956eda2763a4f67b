"""`/iam/identityservice*`: who checks credentials (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import MissingParameter
from stellwerk.cockpit.api.iam_accounts import CATEGORY, MANAGE, VIEW
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth import services as identity
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityServices


class ServicesRequest(msgspec.Struct, rename="camel"):
    """All members are filters."""

    identity_service_name: str | None = None
    identity_service_type: str | None = None
    disabled: bool | None = None
    second_factor: bool | None = None


class ServiceRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str


class StoreRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    identity_service_type: str | None = None
    service_authentication_scheme: str = "SINGLE-FACTOR"
    ordering: int | None = None
    disabled: bool = False
    second_factor: bool = False
    second_factor_identity_service_name: str | None = None
    required: bool = False


class RenameRequest(msgspec.Struct, rename="camel"):
    identity_service_old_name: str
    identity_service_new_name: str


class NamesRequest(msgspec.Struct, rename="camel"):
    identity_service_names: list[str]


class IdentityService(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_type: str
    identity_service_name: str
    service_authentication_scheme: str
    ordering: int | None
    disabled: bool
    required: bool
    second_factor: bool
    second_factor_identity_service_name: str | msgspec.UnsetType = msgspec.UNSET


class IdentityServicesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    identity_service_items: list[IdentityService]
    identity_service_types: list[str]


class Renamed(msgspec.Struct, frozen=True, rename="camel"):
    identity_service_old_name: str
    identity_service_new_name: str


def _view(one: identity.IdentityService) -> IdentityService:
    return IdentityService(
        identity_service_type=one.type,
        identity_service_name=one.name,
        service_authentication_scheme=one.authentication_scheme,
        ordering=one.ordering,
        disabled=one.disabled,
        required=one.required,
        second_factor=one.second_factor,
        second_factor_identity_service_name=one.second_factor_name or msgspec.UNSET,
    )


async def services(context: RequestContext, request: ServicesRequest) -> IdentityServicesAnswer:
    """Identity services in the order in which they are asked, and all types that there are."""
    found = [
        one
        for one in await context.services.get(IdentityServices).all()
        if request.identity_service_name in (None, "", one.name)
        and request.identity_service_type in (None, "", one.type)
        and request.disabled in (None, one.disabled)
        and request.second_factor in (None, one.second_factor)
    ]
    return IdentityServicesAnswer(timestamp(context.now_ms()), [_view(one) for one in found], list(identity.TYPES))


async def service(context: RequestContext, request: ServiceRequest) -> IdentityService:
    """One identity service."""
    return _view(await context.services.get(IdentityServices).read(request.identity_service_name))


async def store(context: RequestContext, request: StoreRequest) -> IdentityService:
    """Add or change an identity service; answers what has been stored."""
    if request.identity_service_type is None:
        raise MissingParameter("identityServiceType")
    one = identity.IdentityService(
        type=request.identity_service_type,
        name=request.identity_service_name,
        authentication_scheme=request.service_authentication_scheme,
        second_factor=request.second_factor,
        second_factor_name=request.second_factor_identity_service_name or None,
        ordering=request.ordering,
        disabled=request.disabled,
        required=request.required,
    )
    if one.required and not (one.disabled or one.is_chosen or one.unavailable):
        # Nobody could log in any more.
        await context.services.get(ServiceSettings).check(one)
    return _view(await context.services.get(IdentityServices).store(one))


async def rename(context: RequestContext, request: RenameRequest) -> Renamed:
    """Give an identity service another name."""
    old, new = request.identity_service_old_name, request.identity_service_new_name
    await context.services.get(IdentityServices).rename(old, new)
    return Renamed(old, new)


async def delete(context: RequestContext, request: ServiceRequest) -> Ok:
    """Delete an identity service with its accounts and roles; their sessions end."""
    await context.services.get(IdentityServices).delete(request.identity_service_name)
    return context.ok()


async def reorder(context: RequestContext, request: NamesRequest) -> Ok:
    """The order in which identity services are asked."""
    await context.services.get(IdentityServices).reorder(request.identity_service_names)
    return context.ok()


def _changing(path: str, request: type, answer: Any, handler: Any) -> Route:
    return Route(path, request, answer, MANAGE, True, handler, category=CATEGORY)


ROUTES = [
    Route("/iam/identityservices", ServicesRequest, IdentityServicesAnswer, VIEW, False, services),
    Route("/iam/identityservice", ServiceRequest, IdentityService, VIEW, False, service),
    _changing("/iam/identityservice/store", StoreRequest, IdentityService, store),
    _changing("/iam/identityservice/rename", RenameRequest, Renamed, rename),
    _changing("/iam/identityservice/delete", ServiceRequest, Ok, delete),
    _changing("/iam/identityservices/reorder", NamesRequest, Ok, reorder),
]
