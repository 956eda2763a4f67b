"""`/profile/key*`, `/profile/ca*`: keys and certificates for signing (cockpit-api 3, 7, 8; cockpit-services 2.9).

Private keys come in and are never told again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import ApiError, BadRequest, MissingParameter
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.deployment.keys import (
    KeyKind,
    SigningKeys,
    StoredKey,
    UnusableKey,
    algorithm_of,
    one_certificate,
)
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SigningKey

_BLOCK = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.*?-----END (?P=kind)-----\s*", re.DOTALL)
_PGP = "PGP"


class KeyPair(msgspec.Struct, rename="camel"):
    """As it is sent (JocKeyPair)."""

    key_algorithm: str | None = None
    private_key: str | None = None
    public_key: str | None = None
    certificate: str | None = None


class SetKeyRequest(msgspec.Struct, rename="camel"):
    keys: KeyPair


class GenerateKeyRequest(msgspec.Struct, rename="camel"):
    key_algorithm: str
    dn: str | None = None
    valid_until: str | None = None
    use_ssl_ca: bool = False


class ImportKeyRequest(msgspec.Struct, rename="camel"):
    key_algorithm: str | None = None


class GenerateAuthorityRequest(msgspec.Struct, rename="camel"):
    dn: str


class SetAuthorityRequest(msgspec.Struct, rename="camel"):
    private_key: str | None = None
    certificate: str | None = None


class SetSigningAuthorityRequest(msgspec.Struct, rename="camel"):
    certificate: str


class JocKeyPair(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """As it is told; `key_type` PRIVATE: the private key is stored, too. Where there is none, only the date."""

    delivery_date: str
    key_algorithm: str | None = None
    key_type: str | None = None
    certificate: str | None = None
    key_id: str | None = msgspec.field(name="keyID", default=None)
    valid_until: str | None = None


def _shown(context: RequestContext, stored: StoredKey | None, kind: KeyKind) -> Any:
    now = timestamp(context.now_ms())
    if stored is None:
        return JocKeyPair(now)
    certificate = stored.certificate
    return JocKeyPair(
        delivery_date=now,
        key_algorithm=algorithm_of(certificate),
        key_type=kind if stored.private_pem is None else KeyKind.PRIVATE,
        certificate=stored.certificate_pem,
        key_id=certificate.subject.rfc4514_string(),
        valid_until=timestamp(int(certificate.not_valid_after_utc.timestamp() * 1000)),
    )


def _refuse_pgp(algorithm: str | None) -> None:
    if algorithm == _PGP:
        raise ApiError(
            "PGP keys are not supported: use X.509 with RSA or ECDSA",
            code="JOC-414",
            kind="JocUnsupportedKeyTypeException",
        )


def _uploaded(context: RequestContext) -> tuple[str | None, str]:
    """Private key and certificate of an uploaded PEM file."""
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    text = upload.data.decode("utf-8", errors="replace")
    blocks = {match["kind"].rpartition(" ")[2]: match[0] for match in _BLOCK.finditer(text)}
    if "PGP" in text.partition("\n")[0]:
        _refuse_pgp(_PGP)
    if "CERTIFICATE" not in blocks:
        raise UnusableKey(f"{upload.filename} holds no certificate; a PEM file is expected")
    return blocks.get("KEY"), blocks["CERTIFICATE"]


# --- keys of accounts -------------------------------------------------------------------------------------------------


async def read(context: RequestContext, request: NoRequest) -> Any:
    """The certificate that stands for the account's signatures."""
    return _shown(context, await context.services.get(SigningKeys).own(context.account), KeyKind.X509)


async def store(context: RequestContext, request: SetKeyRequest) -> Ok:
    """Store the account's key with its certificate; at level HIGH the certificate alone."""
    _refuse_pgp(request.keys.key_algorithm)
    if not request.keys.certificate:
        raise BadRequest("keys: certificate is missing")
    await context.services.get(SigningKeys).store(
        context.account, request.keys.private_key or None, request.keys.certificate
    )
    return context.ok()


async def import_(context: RequestContext, request: ImportKeyRequest) -> Ok:
    """The same from a PEM file."""
    _refuse_pgp(request.key_algorithm)
    private_key, certificate = _uploaded(context)
    await context.services.get(SigningKeys).store(context.account, private_key, certificate)
    return context.ok()


async def generate(context: RequestContext, request: GenerateKeyRequest) -> Any:
    """Make a new key for the account. Controllers and Agents must trust its certificate, or the authority's."""
    _refuse_pgp(request.key_algorithm)
    keys = context.services.get(SigningKeys)
    until_ms = instant_ms(request.valid_until, context.now_ms())
    stored = await keys.generate(
        context.account,
        algorithm=request.key_algorithm,
        name=request.dn or context.account,
        until=None if until_ms is None else datetime.fromtimestamp(until_ms / 1000, UTC),
        by_authority=request.use_ssl_ca,
    )
    return _shown(context, stored, KeyKind.PRIVATE)


async def delete(context: RequestContext, request: NoRequest) -> Ok:
    """Forget the account's key; nothing is signed before there is another."""
    await context.services.get(SigningKeys).delete_own(context.account)
    return context.ok()


# --- authorities ------------------------------------------------------------------------------------------------------


async def read_authority(context: RequestContext, request: NoRequest) -> Any:
    """The certificate of the installation's authority."""
    return _shown(context, await context.services.get(SigningKeys).find(None, KeyKind.CA), KeyKind.CA)


async def generate_authority(context: RequestContext, request: GenerateAuthorityRequest) -> Any:
    """Make a new authority, which issues certificates for signing."""
    return _shown(context, await context.services.get(SigningKeys).generate_authority(request.dn), KeyKind.CA)


async def store_authority(context: RequestContext, request: SetAuthorityRequest) -> Ok:
    """Store the authority: certificate, or certificate and private key."""
    if not request.certificate:
        raise BadRequest("certificate is missing")
    await _save_authority(context, request.private_key or None, request.certificate)
    return context.ok()


async def import_authority(context: RequestContext, request: NoRequest) -> Ok:
    """The same from a PEM file."""
    await _save_authority(context, *_uploaded(context))
    return context.ok()


async def _save_authority(context: RequestContext, private_key: str | None, certificate: str) -> None:
    stored = StoredKey(_authority(certificate), private_key)
    if private_key is not None:
        try:
            SigningKey.from_pem(private_key.encode(), stored.certificate_pem.encode())
        except ProblemError as error:
            raise UnusableKey(str(error.problem)) from error
    await context.services.get(SigningKeys).save(None, KeyKind.CA, stored)


def _authority(pem: str) -> str:
    text = one_certificate(pem)
    extensions = StoredKey(text).certificate.extensions
    if not any(extension.oid.dotted_string == "2.5.29.19" and extension.value.ca for extension in extensions):
        raise UnusableKey("the certificate is not that of an authority (basic constraints)")
    return text


async def read_signing_authority(context: RequestContext, request: NoRequest) -> Any:
    """The certificate of the authority whose certificates are trusted for signing."""
    stored = await context.services.get(SigningKeys).find(None, KeyKind.SIGNING_CA)
    return _shown(context, stored, KeyKind.CA)


async def store_signing_authority(context: RequestContext, request: SetSigningAuthorityRequest) -> Ok:
    """Trust the certificates of an authority for signing."""
    stored = StoredKey(_authority(request.certificate))
    await context.services.get(SigningKeys).save(None, KeyKind.SIGNING_CA, stored)
    return context.ok()


async def import_signing_authority(context: RequestContext, request: NoRequest) -> Ok:
    """The same from a PEM file."""
    _, certificate = _uploaded(context)
    return await store_signing_authority(context, SetSigningAuthorityRequest(certificate))


async def delete_signing_authority(context: RequestContext, request: NoRequest) -> Ok:
    """Trust it no longer."""
    await context.services.get(SigningKeys).delete(None, KeyKind.SIGNING_CA)
    return context.ok()


_VIEW, _MANAGE = "joc:administration:certificates:view", "joc:administration:certificates:manage"


def _view(path: str, handler: Any) -> Route:
    return Route(path, NoRequest, JocKeyPair, _VIEW, False, handler)


def _change(path: str, request: type, handler: Any, *, answer: Any = Ok, form: bool = False) -> Route:
    return Route(path, request, answer, _MANAGE, True, handler, category="CERTIFICATES", form=form)


ROUTES = [
    _view("/profile/key", read),
    _change("/profile/key/store", SetKeyRequest, store),
    _change("/profile/key/import", ImportKeyRequest, import_, form=True),
    _change("/profile/key/generate", GenerateKeyRequest, generate, answer=JocKeyPair),
    _change("/profile/key/delete", NoRequest, delete),
    _view("/profile/ca", read_authority),
    _change("/profile/ca/generate", GenerateAuthorityRequest, generate_authority, answer=JocKeyPair),
    _change("/profile/ca/store", SetAuthorityRequest, store_authority),
    _change("/profile/ca/import", NoRequest, import_authority, form=True),
    _view("/profile/key/ca", read_signing_authority),
    _change("/profile/key/ca/store", SetSigningAuthorityRequest, store_signing_authority),
    _change("/profile/key/ca/import", NoRequest, import_signing_authority, form=True),
    _change("/profile/key/ca/delete", NoRequest, delete_signing_authority),
]
