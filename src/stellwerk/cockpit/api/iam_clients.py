"""What the login page has to know of identity services that work without a password: `/iam/identityproviders`,
`/iam/identityclient`. Public, and nothing in it is secret.
"""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.api.dispatch import security
from stellwerk.cockpit.api.errors import ObjectNotFound, StatusAnswer
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.credentials import LoginRefused
from stellwerk.cockpit.auth.oidc import OidcVerifier
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityService, IdentityServices


class ClientRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str


class Provider(msgspec.Struct, frozen=True, rename="camel"):
    """One button of the login page. `iamOidcName`: what stands on it."""

    identity_service_name: str
    identity_service_type: str
    iam_oidc_name: str


class DeviceService(msgspec.Struct, frozen=True, rename="camel"):
    """A service to which people log in with a device."""

    identity_service_name: str
    identity_service_type: str
    second_factor: bool


class ProvidersAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    oidc_service_items: list[Provider]
    fido_service_items: list[DeviceService]


class ClientAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """With this the browser goes to the provider: response type `code`, PKCE with S256."""

    delivery_date: str
    identity_service_name: str
    iam_oidc_name: str
    iam_oidc_client_id: str
    iam_oidc_flow_type: str
    authorization_endpoint: str
    scopes: list[str]


async def providers(context: RequestContext, request: NoRequest) -> ProvidersAnswer:
    """The identity services that people can choose at the login page."""
    settings = context.services.get(ServiceSettings)
    enabled = [one for one in await context.services.get(IdentityServices).all() if not one.disabled]
    return ProvidersAnswer(
        delivery_date=timestamp(context.now_ms()),
        oidc_service_items=[
            Provider(one.name, one.type, await settings.title(one)) for one in enabled if one.type.startswith("OIDC")
        ],
        fido_service_items=[
            DeviceService(one.name, one.type, one.second_factor) for one in enabled if one.type == "FIDO"
        ],
    )


async def client(context: RequestContext, request: ClientRequest) -> ClientAnswer:
    """Where the browser has to go to log in by OpenID Connect, and what it has to say there."""
    service = await chosen_service(context, request.identity_service_name, "OIDC")
    try:
        found = await context.services.get(OidcVerifier).client(service)
    except LoginRefused as refused:
        raise StatusAnswer(401, security(message=refused.reason)) from None
    return ClientAnswer(
        delivery_date=timestamp(context.now_ms()),
        identity_service_name=service.name,
        iam_oidc_name=found.title,
        iam_oidc_client_id=found.client_id,
        iam_oidc_flow_type="AUTHENTICATION",
        authorization_endpoint=found.authorization_url,
        scopes=list(found.scopes),
    )


async def chosen_service(context: RequestContext, name: str, type_: str) -> IdentityService:
    """An enabled service of the type; others are as unknown as those that do not exist."""
    for one in await context.services.get(IdentityServices).all():
        if one.name == name and one.type.startswith(type_) and not one.disabled:
            return one
    raise ObjectNotFound(f"there is no identity service '{name}' of type {type_} that is enabled")


ROUTES = [
    Route("/iam/identityproviders", NoRequest, ProvidersAnswer, None, False, providers, public=True),
    Route("/iam/identityclient", ClientRequest, ClientAnswer, None, False, client, public=True),
]
