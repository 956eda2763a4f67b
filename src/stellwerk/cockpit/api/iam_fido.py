"""`/iam/fido*`: devices of people: challenges, registrations and their approval (cockpit-api 7; cockpit-services 7.1).

Members of requests are those of the specification, and `requestId` and `attestationObject` in addition, without which
nobody could check what a device has signed. Binary values are base64url.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.iam_accounts import CATEGORY, MANAGE, VIEW
from stellwerk.cockpit.api.iam_clients import chosen_service
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.directory import Directory
from stellwerk.cockpit.auth.fido import AUTHENTICATION, REGISTRATION, Challenge, FidoDevices, NewDevice
from stellwerk.cockpit.auth.fido_settings import host_of_origin
from stellwerk.cockpit.auth.services import IdentityService
from stellwerk.cockpit.auth.sessions import Sessions


class ServiceRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str


class AuthenticationRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str | None = None
    origin: str | None = None


class BeginRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str
    email: str | None = None
    origin: str | None = None


class DeviceRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str
    origin: str
    credential_id: str
    attestation_object: str
    request_id: str
    client_data: str = msgspec.field(name="clientDataJSON")
    email: str | None = None


class AccountRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str


class RegistrationsRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str | None = None


class RegistrationAccount(msgspec.Struct, rename="camel"):
    account_name: str
    origin: str


class NamedRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    accounts: list[RegistrationAccount]


class ChallengeAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What a browser signs; `timeout` in milliseconds."""

    delivery_date: str
    request_id: str
    challenge: str
    credential_ids: list[str]
    timeout: int


class ClientAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    identity_service_name: str
    second_factor: bool
    iam_fido_protocol_type: str
    iam_fido_timeout: int
    iam_fido_transports: list[str]
    iam_fido_user_verification: str
    iam_fido_resident_key: str
    iam_fido_attachment: str
    iam_fido_require_account: bool


class RegisteredAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """`fingerprint`: of the device's key, which holder and administrator compare."""

    delivery_date: str
    fingerprint: str
    ok: bool = True


class RegistrationsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    fido_registration_items: list[dict[str, Any]]


async def _service(context: RequestContext, name: str) -> IdentityService:
    return await chosen_service(context, name, "FIDO")


async def client(context: RequestContext, request: ServiceRequest) -> ClientAnswer:
    """What a browser has to know to use a device; nothing of it is secret."""
    service = await _service(context, request.identity_service_name)
    settings = await context.services.get(FidoDevices).settings(service)
    required = settings.requires_verification(is_second_factor=service.second_factor)
    return ClientAnswer(
        delivery_date=timestamp(context.now_ms()),
        identity_service_name=service.name,
        second_factor=service.second_factor,
        iam_fido_protocol_type=settings.iamFidoProtocolType,
        iam_fido_timeout=settings.iamFidoTimeout,
        iam_fido_transports=settings.iamFidoTransports,
        iam_fido_user_verification="REQUIRED" if required else settings.iamFidoUserVerification or "PREFERRED",
        iam_fido_resident_key=settings.iamFidoResidentKey,
        iam_fido_attachment=settings.iamFidoAttachment,
        iam_fido_require_account=settings.iamFidoRequireAccount,
    )


async def request_authentication(context: RequestContext, request: AuthenticationRequest) -> ChallengeAnswer:
    """A challenge to log in with; good once and for a short time."""
    service = await _service(context, request.identity_service_name)
    devices = context.services.get(FidoDevices)
    found = await devices.challenge(service, AUTHENTICATION, request.account_name, request.origin)
    return await _challenge(context, service, found)


async def start_registration(context: RequestContext, request: BeginRequest) -> ChallengeAnswer:
    """A challenge to register a device with."""
    service = await _service(context, request.identity_service_name)
    if request.origin:
        host_of_origin(request.origin)
    found = await context.services.get(FidoDevices).challenge(service, REGISTRATION, request.account_name)
    return await _challenge(context, service, found)


async def _challenge(context: RequestContext, service: IdentityService, found: Challenge) -> ChallengeAnswer:
    settings = await context.services.get(FidoDevices).settings(service)
    return ChallengeAnswer(
        timestamp(context.now_ms()), found.request_id, found.challenge, found.credential_ids, settings.iamFidoTimeout
    )


async def register(context: RequestContext, request: DeviceRequest) -> RegisteredAnswer:
    """Ask to be let in with a device from now on; somebody has to approve it."""
    service = await _service(context, request.identity_service_name)
    devices = context.services.get(FidoDevices)
    fingerprint = await devices.register(service, request.account_name, request.email, _new(request))
    return RegisteredAnswer(timestamp(context.now_ms()), fingerprint)


def _new(request: DeviceRequest) -> NewDevice:
    return NewDevice(
        request_id=request.request_id,
        origin=request.origin,
        credential_id=request.credential_id,
        client_data_json=request.client_data,
        attestation_object=request.attestation_object,
    )


async def add_device(context: RequestContext, request: DeviceRequest) -> RegisteredAnswer:
    """One more device for the own account, without approval, or (with the permission) for another one."""
    service = await _service(context, request.identity_service_name)
    await _require_own(context, service, request.account_name)
    fingerprint = await context.services.get(FidoDevices).add(service, request.account_name, _new(request))
    return RegisteredAnswer(timestamp(context.now_ms()), fingerprint)


async def remove_devices(context: RequestContext, request: AccountRequest) -> Ok:
    """Take all devices from an account; its other sessions end."""
    service = await _service(context, request.identity_service_name)
    await _require_own(context, service, request.account_name)
    await context.services.get(FidoDevices).remove_all(service, request.account_name)
    await context.services.get(Sessions).close_account(request.account_name, but=context.session.token_hash)
    return context.ok()


async def _require_own(context: RequestContext, service: IdentityService, name: str) -> None:
    """The account itself, logged in by this very service; whoever else needs the permission."""
    own = {ground.account_id for ground in context.session.grounds if ground.service_id == service.id} - {None}
    # Who has neither the account nor the permission is not told which accounts exist.
    if not own or name != context.account or await _account_id(context, service, name) not in own:
        context.require(MANAGE)


async def _account_id(context: RequestContext, service: IdentityService, name: str) -> int:
    return await context.services.get(Directory).account_id(service.name, name)


async def registrations(context: RequestContext, request: RegistrationsRequest) -> RegistrationsAnswer:
    """Devices that wait for approval, oldest first."""
    service = await _service(context, request.identity_service_name)
    found = await context.services.get(FidoDevices).registrations(service, request.account_name)
    items = [
        {
            "identityServiceName": service.name,
            "accountName": one.account,
            **({"email": one.email} if one.email else {}),
            "origin": one.origin,
            "deferred": one.deferred,
            "created": timestamp(one.created),
            "fingerprint": one.fingerprint,
        }
        for one in found
    ]
    return RegistrationsAnswer(timestamp(context.now_ms()), items)


async def approve(context: RequestContext, request: NamedRequest) -> Ok:
    """Let devices in; accounts that do not exist are made, without roles. Compare the fingerprint first."""
    service = await _service(context, request.identity_service_name)
    await context.services.get(FidoDevices).approve(service, _named(request))
    return context.ok()


async def defer(context: RequestContext, request: NamedRequest) -> Ok:
    """Look at registrations later."""
    service = await _service(context, request.identity_service_name)
    await context.services.get(FidoDevices).defer(service, _named(request))
    return context.ok()


async def delete(context: RequestContext, request: NamedRequest) -> Ok:
    """Refuse devices."""
    service = await _service(context, request.identity_service_name)
    await context.services.get(FidoDevices).refuse(service, _named(request))
    return context.ok()


def _named(request: NamedRequest) -> list[tuple[str, str]]:
    return [(one.account_name, one.origin) for one in request.accounts]


def _public(path: str, request: type, answer: Any, handler: Any) -> Route:
    return Route(path, request, answer, None, False, handler, public=True)


def _changing(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, MANAGE, True, handler, category=CATEGORY)


ROUTES = [
    _public("/iam/identity_fido_client", ServiceRequest, ClientAnswer, client),
    _public("/iam/fido/request_authentication", AuthenticationRequest, ChallengeAnswer, request_authentication),
    _public("/iam/fidoregistration/request_registration_start", BeginRequest, ChallengeAnswer, start_registration),
    _public("/iam/fidoregistration/request_registration", DeviceRequest, RegisteredAnswer, register),
    # Also for the own account, without a permission.
    Route("/iam/fido/add_device", DeviceRequest, RegisteredAnswer, None, True, add_device, category=CATEGORY),
    Route("/iam/fido/remove_devices", AccountRequest, Ok, None, True, remove_devices, category=CATEGORY),
    Route("/iam/fidoregistrations", RegistrationsRequest, RegistrationsAnswer, VIEW, False, registrations),
    _changing("/iam/fidoregistration/approve", NamedRequest, approve),
    _changing("/iam/fidoregistration/deferr", NamedRequest, defer),
    _changing("/iam/fidoregistration/delete", NamedRequest, delete),
]
