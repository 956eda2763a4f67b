"""Keys by which deployments are signed, and by whom (cockpit-services 2.9).

| level | who signs | what is stored |
|---|---|---|
| LOW | the Cockpit, for everybody, with the key of the default account | that key, made at the first start |
| MEDIUM | the Cockpit, with the key of the account that deploys | a key per account that has one |
| HIGH | people, elsewhere | certificates only: those whose signatures are accepted |

Keys are in the database, so that every Cockpit of a cluster has them. At level LOW the certificate is written to a file
in the data folder at each start: from there it is given to Controllers and Agents, which trust it. A key that was made
before the first start (`key_files`) is taken over. Private keys are never told.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import delete, select

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_keys
from stellwerk.cockpit.deployment.key_files import CERTIFICATE_FILE, COMMON_NAME, KEY_FILE, write_atomically
from stellwerk.effects.clock import Clock
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SigningKey, load_certificates

#: The account whose key signs for everybody at level LOW (setting `default_profile_account`).
DEFAULT_ACCOUNT = "root"


class SecurityLevel(StrEnum):
    """A property of the installation (`security_level` in cockpit.toml)."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class KeyKind(StrEnum):
    """What a row of `dep_keys` holds. All but PRIVATE and X509 are the installation's, not an account's."""

    PRIVATE = "PRIVATE"
    #: A certificate alone: its owner signs elsewhere.
    X509 = "X509"
    #: Issues certificates.
    CA = "CA"
    #: Whose certificates are trusted for signing.
    SIGNING_CA = "SIGNING_CA"


class UnusableKey(ApiError):
    """JOC-416: a key or certificate cannot be read or used, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-416", kind="JocKeyNotParseableException")


class KeyMissing(ApiError):
    """JOC-413."""

    def __init__(self) -> None:
        super().__init__(
            "No private key found for signing! - Please check your private key from the key management section "
            "in your profile.",
            code="JOC-413",
            kind="JocMissingKeyException",
        )


class NotAtThisLevel(ApiError):
    """JOC-004: what the security level of the installation does not allow."""

    def __init__(self, what: str, level: SecurityLevel) -> None:
        super().__init__(
            f"{what} is not available for Security Level {level}", code="JOC-004", kind="JocNotImplementedException"
        )


class StoredKey(msgspec.Struct, frozen=True):
    """PEM texts; without a private key it is a certificate alone."""

    certificate_pem: str
    private_pem: str | None = None

    @property
    def certificate(self) -> x509.Certificate:
        return load_certificates(self.certificate_pem.encode())[0]

    def signing_key(self) -> SigningKey | None:
        """None without a private key. Raises `ProblemError` if they do not belong together."""
        if self.private_pem is None:
            return None
        return SigningKey.from_pem(self.private_pem.encode(), self.certificate_pem.encode())


class SigningKeys:
    """All keys and certificates of the installation. A `Service`."""

    def __init__(self, database: Database, clock: Clock, data: Path, level: SecurityLevel = SecurityLevel.LOW) -> None:
        self._database = database
        self._clock = clock
        self._data = data
        self.level = level

    async def start(self) -> None:
        """At level LOW: make a key at the very first start, and write its certificate to the file."""
        if self.level is SecurityLevel.LOW:
            stored = await self.find(DEFAULT_ACCOUNT, KeyKind.PRIVATE) or await self._create()
            self._write_certificate(stored)

    async def stop(self) -> None:
        """Nothing to stop."""

    # --- signing ------------------------------------------------------------------------------------------------------

    async def signing_key(self, account: str) -> SigningKey:
        """The key with which a deployment of this account is signed. Raises `KeyMissing`, `NotAtThisLevel`."""
        if self.level is SecurityLevel.HIGH:
            raise NotAtThisLevel("signing by the Cockpit", self.level)
        stored = await self.find(self.owner(account), KeyKind.PRIVATE)
        key = None if stored is None else stored.signing_key()
        if key is None:
            raise KeyMissing
        return key

    async def accepted_signers(self, account: str) -> list[x509.Certificate]:
        """Whose signatures are accepted when this account deploys what was signed elsewhere (level HIGH)."""
        found = [await self.find(account, KeyKind.X509), await self.find(None, KeyKind.SIGNING_CA)]
        return [stored.certificate for stored in found if stored is not None]

    def owner(self, account: str) -> str:
        """Whose key it is that counts for an account."""
        return DEFAULT_ACCOUNT if self.level is SecurityLevel.LOW else account

    # --- the store ----------------------------------------------------------------------------------------------------

    async def own(self, account: str) -> StoredKey | None:
        """The key, or at level HIGH the certificate, that counts for an account."""
        kind = KeyKind.X509 if self.level is SecurityLevel.HIGH else KeyKind.PRIVATE
        return await self.find(self.owner(account), kind)

    async def find(self, account: str | None, kind: KeyKind) -> StoredKey | None:
        """`account` None: of the installation."""
        table = dep_keys
        query = select(table.c.key, table.c.certificate).where(*self._at(account, kind))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else StoredKey(row.certificate, row.key)

    async def store(self, account: str, private_pem: str | None, certificate_pem: str) -> None:
        """The key of an account; at level HIGH a certificate alone. Raises `UnusableKey`, `NotAtThisLevel`."""
        if self.level is SecurityLevel.HIGH:
            if private_pem is not None:
                raise NotAtThisLevel("storing a private key", self.level)
            await self.save(account, KeyKind.X509, StoredKey(one_certificate(certificate_pem)))
            return
        if private_pem is None:
            raise UnusableKey(f"at security level {self.level} a private key is needed, with its certificate")
        stored = StoredKey(one_certificate(certificate_pem), private_pem)
        try:
            stored.signing_key()
        except ProblemError as error:
            raise UnusableKey(str(error.problem)) from error
        await self._save_signer(account, stored)

    async def generate(
        self, account: str, *, algorithm: str, name: str, until: datetime | None, by_authority: bool
    ) -> StoredKey:
        """A new key for an account. Raises `UnusableKey`, `KeyMissing` without an authority, `NotAtThisLevel`."""
        if self.level is SecurityLevel.HIGH:
            raise NotAtThisLevel("generating a private key", self.level)
        issuer = None
        if by_authority:
            authority = await self.find(None, KeyKind.CA)
            issuer = None if authority is None else authority.signing_key()
            if issuer is None:
                raise UnusableKey("there is no certificate authority with a private key: generate or store one first")
        stored = self._generate(name, algorithm=algorithm, until=until, issuer=issuer)
        await self._save_signer(account, stored)
        return stored

    async def generate_authority(self, name: str) -> StoredKey:
        """A new certificate authority of the installation. Raises `UnusableKey`."""
        stored = self._generate(name, is_authority=True)
        await self.save(None, KeyKind.CA, stored)
        return stored

    async def save(self, account: str | None, kind: KeyKind, stored: StoredKey) -> None:
        """Insert or replace; nothing is checked."""
        row = {
            "key_type": kind,
            "key_alg": algorithm_of(stored.certificate),
            "key": stored.private_pem,
            "certificate": stored.certificate_pem,
            "account": account or "",
            "seclvl": self.level,
        }
        async with self._database.write() as connection:
            keys = ["account", "seclvl", "key_type"]
            await connection.execute(self._database.upsert(dep_keys, keys, ["key_alg", "key", "certificate"]), [row])

    async def delete(self, account: str | None, kind: KeyKind) -> None:
        async with self._database.write() as connection:
            await connection.execute(delete(dep_keys).where(*self._at(account, kind)))

    async def delete_own(self, account: str) -> None:
        """What counts for an account."""
        kind = KeyKind.X509 if self.level is SecurityLevel.HIGH else KeyKind.PRIVATE
        await self.delete(self.owner(account), kind)

    async def _save_signer(self, account: str, stored: StoredKey) -> None:
        await self.save(self.owner(account), KeyKind.PRIVATE, stored)
        if self.level is SecurityLevel.LOW:
            self._write_certificate(stored)

    def _at(self, account: str | None, kind: KeyKind) -> list[Any]:
        table = dep_keys.c
        return [table.account == (account or ""), table.seclvl == self.level, table.key_type == kind]

    def _write_certificate(self, stored: StoredKey) -> None:
        write_atomically(self._data / CERTIFICATE_FILE, stored.certificate_pem.encode())

    def _generate(self, name: str, **options: Any) -> StoredKey:
        try:
            key = SigningKey.generate(name, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC), **options)
        except ProblemError as error:
            raise UnusableKey(str(error.problem)) from error
        return StoredKey(key.certificate_pem().decode(), key.private_pem().decode())

    async def _create(self) -> StoredKey:
        key_file, certificate_file = self._data / KEY_FILE, self._data / CERTIFICATE_FILE
        if key_file.exists() and certificate_file.exists():
            stored = StoredKey(certificate_file.read_text(), key_file.read_text())
        else:
            stored = self._generate(COMMON_NAME)
        row = {
            "key_type": KeyKind.PRIVATE,
            "key_alg": algorithm_of(stored.certificate),
            "key": stored.private_pem,
            "certificate": stored.certificate_pem,
            "account": DEFAULT_ACCOUNT,
            "seclvl": self.level,
        }
        async with self._database.write() as connection:
            await connection.execute(self._database.upsert(dep_keys, ["account", "seclvl", "key_type"], []), [row])
        # Another Cockpit that starts at the same time may have been quicker: its key counts.
        return await self.find(DEFAULT_ACCOUNT, KeyKind.PRIVATE) or stored


def one_certificate(pem: str) -> str:
    """The certificate of a PEM text. Raises `UnusableKey` unless it is exactly one, of a key that signs."""
    try:
        certificates = load_certificates(pem.encode())
    except ProblemError as error:
        raise UnusableKey(str(error.problem)) from error
    if len(certificates) != 1:
        raise UnusableKey(f"one certificate is expected, {len(certificates)} are there")
    algorithm_of(certificates[0])
    return certificates[0].public_bytes(serialization.Encoding.PEM).decode()


def algorithm_of(certificate: x509.Certificate) -> str:
    """`RSA` or `ECDSA`. Raises `UnusableKey` for others."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA"
    raise UnusableKey("only RSA and ECDSA keys are supported")
