"""Type FIDO: people prove who they are with devices (WebAuthn), alone or as the second factor of another service.

A device is let in in two steps: its holder registers it at the login page, and who manages accounts approves. The
holder is shown a fingerprint of the device's key, and so is who approves: both compare it, as anybody can register a
device under anybody's name. A device is bound to the origin at which it was registered, which the browser vouches for;
what it signs there counts nowhere else. Challenges are good once, at all members of a cluster.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.auth.credentials import Assertion, Credentials, LoginRefused, Proven
from stellwerk.cockpit.auth.fido_settings import FidoSettings, host_of_origin, read_fido_settings
from stellwerk.cockpit.auth.lookup import account_rows, check_name
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityService
from stellwerk.cockpit.database import Database, insert_row
from stellwerk.cockpit.database.tables.identity import (
    iam_accounts,
    iam_fido2_devices,
    iam_fido2_registrations,
    iam_fido2_requests,
)
from stellwerk.effects.clock import Clock, Random

AUTHENTICATION, REGISTRATION = "AUTHENTICATION", "REGISTRATION"
#: How long a challenge is good; longer than any time-out of the settings.
CHALLENGE_MS = 310_000
#: Anybody may ask for challenges and registrations: there is an end to what is kept of them.
MAXIMUM_CHALLENGES = 10_000
MAXIMUM_REGISTRATIONS = 1000
_NOTHING_PROVEN = "the device has proven nothing; the log says why"
_logger = structlog.get_logger(__name__)


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """`credential_ids`: devices that may answer; base64url, as the challenge itself."""

    request_id: str
    challenge: str
    credential_ids: list[str]


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser answers to `navigator.credentials.create`; texts are base64url."""

    request_id: str
    origin: str
    credential_id: str
    client_data_json: str
    attestation_object: str


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A device that waits for approval."""

    account: str
    email: str | None
    origin: str
    deferred: bool
    created: int
    fingerprint: str


class _Wrong(Exception):
    """Says why, for the log."""


class FidoDevices:
    """Challenges, registrations, devices; and the verifier of type FIDO."""

    def __init__(self, database: Database, settings: ServiceSettings, clock: Clock, random: Random) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._random = random
        #: Makes up devices of accounts that do not exist, so that an answer does not tell which ones do.
        self._decoy_key = random.token_bytes(32)

    async def settings(self, service: IdentityService) -> FidoSettings:
        return read_fido_settings(await self._settings.find(service) or {})

    # --- challenges

    async def challenge(
        self, service: IdentityService, purpose: str, account: str | None = None, origin: str | None = None
    ) -> Challenge:
        """A new one; for the authentication of an account with its devices at `origin`."""
        request_id, challenge = self._text(16), self._text(32)
        now, table = self._clock.now_ms(), iam_fido2_requests.c
        async with self._database.write() as connection:
            await connection.execute(delete(iam_fido2_requests).where(table.created < now - CHALLENGE_MS))
            count = (await connection.execute(select(func.count()).select_from(iam_fido2_requests))).scalar_one()
            if count >= MAXIMUM_CHALLENGES:
                raise ApiError("too many logins by device have been begun; try again in a few minutes")
            row = {
                "identity_service_id": service.id,
                "request_id": request_id,
                "purpose": purpose,
                "account_name": account or None,
                "challenge": challenge,
                "created": now,
            }
            await connection.execute(insert(iam_fido2_requests).values(row))
        ids = []
        if account and purpose == AUTHENTICATION:
            ids = await self._credential_ids(service, account, origin) or [self._decoy(service, account)]
        return Challenge(request_id=request_id, challenge=challenge, credential_ids=ids)

    async def _credential_ids(self, service: IdentityService, account: str, origin: str | None) -> list[str]:
        devices, accounts = iam_fido2_devices.c, iam_accounts.c
        query = (
            select(devices.credential_id)
            .join(iam_accounts, accounts.id == devices.account_id)
            .where(devices.identity_service_id == service.id, accounts.account_name == account)
            .order_by(devices.id)
        )
        if origin:
            query = query.where(devices.origin == origin)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    def _decoy(self, service: IdentityService, account: str) -> str:
        return _base64url(hmac.digest(self._decoy_key, f"{service.id}:{account}".encode(), "sha256"))

    async def _used(self, service: IdentityService, purpose: str, request_id: str) -> Any:
        """The row of a challenge, which is gone by this; raises `_Wrong`."""
        table = iam_fido2_requests.c
        async with self._database.write() as connection:
            done = await connection.execute(
                delete(iam_fido2_requests).where(table.request_id == request_id).returning(*table)
            )
            row = done.first()
        if row is None or row.created < self._clock.now_ms() - CHALLENGE_MS:
            raise _Wrong("the challenge is unknown, used, or too old")
        if row.identity_service_id != service.id or row.purpose != purpose:
            raise _Wrong("the challenge was given for something else")
        return row

    # --- login

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        """See `Verifier`; the device says whose it is."""
        assertion = credentials.assertion
        if assertion is None:
            raise LoginRefused(f"identity service '{service.name}' needs the answer of a device")
        try:
            return Proven(account=await self._asserted(service, assertion))
        except (_Wrong, ApiError) as error:
            _logger.warning("a login by device has failed", identity_service=service.name, reason=str(error))
            raise LoginRefused(_NOTHING_PROVEN) from None

    async def _asserted(self, service: IdentityService, assertion: Assertion) -> str:
        request = await self._used(service, AUTHENTICATION, assertion.request_id)
        settings = await self.settings(service)
        devices, accounts = iam_fido2_devices.c, iam_accounts.c
        query = (
            select(iam_fido2_devices, accounts.account_name)
            .join(iam_accounts, accounts.id == devices.account_id)
            .where(devices.identity_service_id == service.id, devices.credential_id == assertion.credential_id)
        )
        async with self._database.read() as connection:
            device = (await connection.execute(query)).first()
        if device is None:
            raise _Wrong("the device is not known")
        if request.account_name not in (None, device.account_name):
            raise _Wrong("the device is of another account than the challenge")
        count = await asyncio.to_thread(
            _checked_assertion,
            assertion,
            request.challenge,
            device,
            settings.requires_verification(is_second_factor=service.second_factor),
        )
        async with self._database.write() as connection:
            # Of two logins at once with copies of one device the second finds another count.
            same = (devices.id == device.id) & (devices.sign_count == device.sign_count)
            done = await connection.execute(update(iam_fido2_devices).where(same).values(sign_count=count))
        if not done.rowcount:
            raise _Wrong("the device was used by another login at the same time")
        return str(device.account_name)

    # --- registrations

    async def register(self, service: IdentityService, account: str, email: str | None, new: NewDevice) -> str:
        """Keep a device until it is approved; gives the fingerprint of its key."""
        check_name(account, "account", forbidden=":")
        values = await self._checked(service, new)
        now, table = self._clock.now_ms(), iam_fido2_registrations.c
        async with self._database.write() as connection:
            of_service = table.identity_service_id == service.id
            waiting = (
                await connection.execute(
                    select(table.id).where(of_service, table.account_name == account, table.origin == new.origin)
                )
            ).first()
            if waiting is not None:
                # It is not replaced: what is being approved just now must stay the same.
                raise ApiError(f"a device of '{account}' waits for approval already; ask for it, or for its deletion")
            count = await connection.execute(select(func.count()).select_from(iam_fido2_registrations))
            if count.scalar_one() >= MAXIMUM_REGISTRATIONS:
                raise ApiError("too many devices wait for approval; ask an administrator to look through them")
            row = {"identity_service_id": service.id, "account_name": account, "email": email or None, "created": now}
            await connection.execute(insert(iam_fido2_registrations).values(row | values))
        return fingerprint(values["public_key"])

    async def registrations(self, service: IdentityService, account: str | None = None) -> list[Registration]:
        """Oldest first."""
        table = iam_fido2_registrations.c
        query = select(iam_fido2_registrations).where(table.identity_service_id == service.id).order_by(table.id)
        if account:
            query = query.where(table.account_name == account)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Registration(
                account=row.account_name,
                email=row.email,
                origin=row.origin,
                deferred=row.deferred,
                created=row.created,
                fingerprint=fingerprint(row.public_key),
            )
            for row in rows
        ]

    async def approve(self, service: IdentityService, named: Sequence[tuple[str, str]]) -> None:
        """Let the devices of `(account, origin)` in; an account that does not exist is made, without roles."""
        settings, table = await self.settings(service), iam_fido2_registrations.c
        async with self._database.write() as connection:
            for row in await self._named(connection, service, named):
                accounts = iam_accounts.c
                key = (accounts.identity_service_id == service.id) & (accounts.account_name == row.account_name)
                account_id = (await connection.execute(select(accounts.id).where(key))).scalar()
                if account_id is None and settings.iamFidoRequireAccount:
                    raise ApiError(f"there is no account '{row.account_name}' in '{service.name}': add it first")
                if account_id is None:
                    values = {"account_name": row.account_name, "email": row.email}
                    account_id = await insert_row(
                        connection, iam_accounts, {"identity_service_id": service.id, **values}
                    )
                await self._insert(connection, account_id, row._mapping)
                await connection.execute(delete(iam_fido2_registrations).where(table.id == row.id))

    async def defer(self, service: IdentityService, named: Sequence[tuple[str, str]]) -> None:
        """Look at them later."""
        async with self._database.write() as connection:
            ids = [row.id for row in await self._named(connection, service, named)]
            where = iam_fido2_registrations.c.id.in_(ids)
            await connection.execute(update(iam_fido2_registrations).where(where).values(deferred=True))

    async def refuse(self, service: IdentityService, named: Sequence[tuple[str, str]]) -> None:
        async with self._database.write() as connection:
            ids = [row.id for row in await self._named(connection, service, named)]
            await connection.execute(delete(iam_fido2_registrations).where(iam_fido2_registrations.c.id.in_(ids)))

    async def _named(
        self, connection: AsyncConnection, service: IdentityService, named: Sequence[tuple[str, str]]
    ) -> list[Any]:
        table = iam_fido2_registrations.c
        rows = await connection.execute(
            select(iam_fido2_registrations).where(table.identity_service_id == service.id).with_for_update()
        )
        found = {(row.account_name, row.origin): row for row in rows}
        for account, origin in named:
            if (account, origin) not in found:
                raise ObjectNotFound(f"no device of '{account}' at {origin} waits for approval in '{service.name}'")
        return [found[key] for key in dict.fromkeys(named)]

    # --- devices

    async def add(self, service: IdentityService, account: str, new: NewDevice) -> str:
        """One more device of an account; gives the fingerprint of its key."""
        values = await self._checked(service, new)
        async with self._database.write() as connection:
            (row,) = await account_rows(connection, service.name, [account])
            await self._insert(connection, row.id, {"identity_service_id": service.id, **values})
        return fingerprint(values["public_key"])

    async def remove_all(self, service: IdentityService, account: str) -> None:
        async with self._database.write() as connection:
            (row,) = await account_rows(connection, service.name, [account])
            await connection.execute(delete(iam_fido2_devices).where(iam_fido2_devices.c.account_id == row.id))

    async def _insert(self, connection: AsyncConnection, account_id: int, values: Any) -> None:
        devices = iam_fido2_devices.c
        known = select(devices.id).where(devices.credential_id == values["credential_id"])
        if (await connection.execute(known)).first() is not None:
            raise ApiError("this device is registered already")
        names = ("identity_service_id", "credential_id", "public_key", "algorithm", "origin", "sign_count")
        row = {"account_id": account_id, "created": self._clock.now_ms(), **{name: values[name] for name in names}}
        await connection.execute(insert(iam_fido2_devices).values(row))

    async def _checked(self, service: IdentityService, new: NewDevice) -> dict[str, Any]:
        host = host_of_origin(new.origin)
        settings = await self.settings(service)
        try:
            request = await self._used(service, REGISTRATION, new.request_id)
            return await asyncio.to_thread(
                _checked_device,
                new,
                request.challenge,
                host,
                settings.requires_verification(is_second_factor=service.second_factor),
            )
        except _Wrong as error:
            raise BadRequest(f"the device cannot be registered: {error}") from None

    def _text(self, size: int) -> str:
        return _base64url(self._random.token_bytes(size))


def fingerprint(public_key: str) -> str:
    """A short form of a device's key, for people to compare: `3f2a-91bc-07de-55aa`."""
    digest = hashlib.sha256(public_key.encode()).hexdigest()
    return "-".join(digest[index : index + 4] for index in range(0, 16, 4))


def _checked_device(new: NewDevice, challenge: str, host: str, requires_verification: bool) -> dict[str, Any]:
    from webauthn import verify_registration_response
    from webauthn.helpers import decode_credential_public_key
    from webauthn.helpers.exceptions import WebAuthnException

    credential = {
        "id": new.credential_id,
        "rawId": new.credential_id,
        "type": "public-key",
        "response": {"clientDataJSON": new.client_data_json, "attestationObject": new.attestation_object},
    }
    try:
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=_bytes(challenge),
            expected_rp_id=host,
            expected_origin=new.origin,
            require_user_verification=requires_verification,
        )
        algorithm = int(decode_credential_public_key(verified.credential_public_key).alg)
    except (WebAuthnException, ValueError, TypeError, LookupError) as error:
        raise _Wrong(str(error)) from error
    return {
        "credential_id": _base64url(verified.credential_id),
        "public_key": _base64url(verified.credential_public_key),
        "algorithm": algorithm,
        "origin": new.origin,
        "sign_count": verified.sign_count,
    }


def _checked_assertion(assertion: Assertion, challenge: str, device: Any, requires_verification: bool) -> int:
    """The device's count of uses; raises `_Wrong`."""
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    credential = {
        "id": assertion.credential_id,
        "rawId": assertion.credential_id,
        "type": "public-key",
        "response": {
            "clientDataJSON": assertion.client_data_json,
            "authenticatorData": assertion.authenticator_data,
            "signature": assertion.signature,
        },
    }
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=_bytes(challenge),
            expected_rp_id=host_of_origin(device.origin),
            expected_origin=device.origin,
            credential_public_key=_bytes(device.public_key),
            credential_current_sign_count=device.sign_count,
            require_user_verification=requires_verification,
        )
    except (WebAuthnException, ValueError, TypeError, LookupError) as error:
        raise _Wrong(str(error)) from error
    return verified.new_sign_count


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
