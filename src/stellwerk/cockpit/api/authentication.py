"""Login, logout, touch, permissions of the session (cockpit-api 1.2, 1.10)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.dispatch import security
from stellwerk.cockpit.api.errors import MissingParameter, StatusAnswer
from stellwerk.cockpit.api.routes import Answer, NoRequest, Ok, RequestContext, Route
from stellwerk.cockpit.approvals.approvals import Approvals
from stellwerk.cockpit.auth.accounts import Accounts
from stellwerk.cockpit.auth.certificates import common_name
from stellwerk.cockpit.auth.credentials import (
    Assertion,
    AuthorizationCode,
    Credentials,
    LoginRefused,
    SecondFactorNeeded,
)
from stellwerk.cockpit.auth.permissions import CONTROLLER_PERMISSIONS, JOC_PERMISSIONS, Permissions
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.values.json import encode

_URL_SAFE = str.maketrans("+/", "-_")


class SecurityAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The authentication object of a successful login."""

    access_token: str
    account: str
    caller_host_name: str
    caller_ip_address: str
    force_password_change: bool
    identity_service: str
    role: str
    session_timeout: int
    enable_touch: bool = True
    has_role: bool = True
    is_approval_requestor: bool = False
    is_approver: bool = False
    is_authenticated: bool = True
    is_permitted: bool = True
    message: str = ""


class PermissionsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Effective permissions as nested booleans."""

    roles: list[str]
    joc: dict[str, Any]
    controller_defaults: dict[str, Any]
    controllers: dict[str, Any]


class LoginRequest(msgspec.Struct):
    """Empty but for OpenID Connect: with what the provider has sent the browser back."""

    code: str | None = None
    redirect_uri: str | None = None
    code_verifier: str | None = None
    nonce: str | None = None


async def login(context: RequestContext, request: LoginRequest) -> Answer:
    """Log in with Basic credentials, or with a provider's code; the answer's header X-Access-Token is the session."""
    credentials = _credentials(context, request)
    account = credentials.account
    try:
        token, session = await context.services.get(Accounts).login(credentials)
    except SecondFactorNeeded as needed:
        # The name of the last member is spelled so in the specification.
        body = security(
            account=needed.account,
            accessToken="",
            message="Second factor needed",
            identityService=f"{needed.first.type}:{needed.first.name}",
            secondFactoridentityService=needed.second,
        )
        return Answer(encode({**body, "isAuthenticated": True}))
    except LoginRefused as refused:
        body = security(account=account, message=f"{refused.reason}: Could not login")
        raise StatusAnswer(401, body) from None
    timeout = context.services.get(Sessions).timeout_ms()
    approvals = context.services.get(Approvals)
    answer = SecurityAnswer(
        access_token=token,
        account=session.account,
        caller_host_name=context.address,
        caller_ip_address=context.address,
        force_password_change=session.force_password_change,
        identity_service=session.identity_service,
        role=", ".join(session.roles),
        session_timeout=timeout,
        is_approval_requestor=approvals.requestor_role in session.roles,
        is_approver=session.account in {one.account for one in await approvals.approvers()},
    )
    return Answer(encode(answer), headers={"X-Access-Token": token, "X-JOC-Timeout": str(timeout)})


async def logout(context: RequestContext, request: NoRequest) -> dict[str, Any]:
    """End the session; also answers 200 for a token that is unknown."""
    if context.token is None:
        raise MissingParameter("X-Access-Token")
    session = await context.services.get(Sessions).close(context.token)
    return security(accessToken="", account=session.account if session else "", message="")


async def touch(context: RequestContext, request: NoRequest) -> Ok:
    """Renew the session."""
    return context.ok()


async def permissions(context: RequestContext, request: NoRequest) -> PermissionsAnswer:
    """The effective permissions of the session."""
    return permissions_answer(context.session.roles, context.session.permissions)


def permissions_answer(roles: Sequence[str], granted: Permissions) -> PermissionsAnswer:
    """Also the answer of `controller/register` for the first Controller, and of `iam/account/permissions`."""
    return PermissionsAnswer(
        roles=list(roles),
        joc=granted.tree("joc", JOC_PERMISSIONS),
        controller_defaults=granted.tree("ctl", CONTROLLER_PERMISSIONS),
        controllers={
            controller_id: granted.tree("ctl", CONTROLLER_PERMISSIONS, controller_id)
            for controller_id in granted.controller_ids()
        },
    )


def _credentials(context: RequestContext, request: LoginRequest) -> Credentials:
    headers = context.headers
    service = _text(headers.get("x-identity-service"))
    if request.code is not None:
        for name in ("redirect_uri", "code_verifier"):
            if not getattr(request, name):
                raise MissingParameter(name)
        code = AuthorizationCode(
            code=request.code,
            redirect_uri=request.redirect_uri or "",
            code_verifier=request.code_verifier or "",
            nonce=request.nonce,
        )
        return Credentials(address=context.address, identity_service=service, code=code)
    holder = common_name(context.certificate)
    # Other proofs need no password.
    is_proven = "x-id-token" in headers or "x-signature" in headers or holder is not None
    account, password = ("", "") if is_proven and "authorization" not in headers else _basic_credentials(context)
    return Credentials(
        account=account or holder or "",
        password=password,
        address=context.address,
        identity_service=service,
        certificate_name=holder,
        assertion=_assertion(headers),
        first_service=_text(headers.get("x-1st-identity-service")),
    )


def _assertion(headers: Mapping[str, str]) -> Assertion | None:
    """What a device has signed, in headers; base64 is taken in both its alphabets."""
    if "x-signature" not in headers:
        return None
    names = ("x-request-id", "x-credential-id", "x-client-data-json", "x-authenticator-data", "x-signature")
    texts = [headers.get(name, "").translate(_URL_SAFE).rstrip("=") for name in names]
    return Assertion(**dict(zip(Assertion.__struct_fields__, texts, strict=True)))


def _text(header: str | None) -> str | None:
    """Names in headers are UTF-8, or, as some clients send them, Latin-1."""
    if header is None:
        return None
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _basic_credentials(context: RequestContext) -> tuple[str, str]:
    scheme, _, encoded = context.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        body = security(message="No credentials: give an Authorization header of type Basic: Could not login")
        raise StatusAnswer(401, body)
    try:
        account, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise StatusAnswer(401, security(message="Illegal Authorization header: Could not login")) from None
    return account, password


ROUTES = [
    Route("/authentication/login", LoginRequest, SecurityAnswer, None, False, login, public=True),
    Route("/authentication/logout", NoRequest, dict[str, Any], None, False, logout, public=True),
    Route("/authentication/joc_cockpit_permissions", NoRequest, PermissionsAnswer, None, False, permissions),
    Route("/touch", NoRequest, Ok, None, False, touch),
]
