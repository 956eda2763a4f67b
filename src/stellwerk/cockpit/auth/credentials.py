"""What somebody shows at login, and `Verifier`: how one type of identity service checks it (cockpit-services 7.1, 7.2).

A verifier says whose credentials they are; it neither opens sessions nor knows permissions.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from stellwerk.cockpit.auth.passwords import Passwords
from stellwerk.cockpit.auth.services import IdentityService

#: What is said of wrong credentials. It must not depend on whether the account exists.
WRONG = "Unknown account or wrong password"


class LoginRefused(Exception):
    """`reason` is said to the client; it does not tell whether the account exists."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SecondFactorNeeded(Exception):
    """The first factor is right by `first`; the service named `second` asks for the second one."""

    def __init__(self, account: str, first: IdentityService, second: str) -> None:
        super().__init__(second)
        self.account = account
        self.first = first
        self.second = second


class AuthorizationCode(msgspec.Struct, frozen=True, kw_only=True):
    """With what an OpenID Connect provider has sent somebody back, and what proves that it is for this client."""

    code: str
    redirect_uri: str
    code_verifier: str
    nonce: str | None = None


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """What a device has signed (WebAuthn); texts are base64url. `request_id`: of the challenge."""

    request_id: str
    credential_id: str
    client_data_json: str
    authenticator_data: str
    signature: str


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one login request brings; `address` is that of the caller."""

    account: str = ""
    password: str = ""
    address: str = ""
    #: The identity service that the client chooses (header X-IDENTITY-SERVICE).
    identity_service: str | None = None
    code: AuthorizationCode | None = None
    #: The common name in the client certificate of the TLS connection.
    certificate_name: str | None = None
    assertion: Assertion | None = None
    #: The service that has accepted the first factor, in the second step (header X-1ST-IDENTITY-SERVICE).
    first_service: str | None = None

    @property
    def chosen_type(self) -> str | None:
        """The type of service that these are for, where they are for no other; they cannot be guessed."""
        if self.code is not None:
            return "OIDC"
        return "FIDO" if self.assertion is not None and self.first_service is None else None


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is. `roles`: names of the service's roles where it keeps no accounts here; None: the database knows."""

    account: str
    roles: tuple[str, ...] | None = None


class Verifier(Protocol):
    """Checks credentials for one type of identity service."""

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        """Who shows the credentials; raises `LoginRefused`.

        `row`: the service's account of the name that was given in `iam_accounts`, if there is one.
        """


class PasswordVerifier:
    """Type JOC: the password's hash is in the database."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        hashed = None if row is None else row.account_password
        if not await self._passwords.matches(hashed, credentials.password):
            raise LoginRefused(WRONG)
        return Proven(account=credentials.account)
