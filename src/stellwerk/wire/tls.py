"""TLS contexts for servers and clients, with client certificates (journal spec 2.5).

Key stores are PEM files or PKCS#12 archives, trust stores likewise. Servers require a client certificate unless told
otherwise; clients always verify the server and its host name.
"""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

MAXIMUM_STORE_BYTES = 10 * 1000 * 1000


class TlsError(Exception):
    """A key or trust store cannot be used; says which one and why."""


class TlsOptions(msgspec.Struct, frozen=True):
    """Where key and trusted certificates are.

    `certificate`: PEM with the chain (and the key, unless `private_key` names its file), or PKCS#12 (`.p12`, `.pfx`).
    `trust`: PEM or PKCS#12 files, each may hold several certificates. A client without `trust` trusts the system's.
    """

    certificate: Path | None = None
    private_key: Path | None = None
    password: str | None = None
    trust: tuple[Path, ...] = ()
    trust_password: str | None = None
    #: Servers: refuse a handshake without a client certificate (`https-client-authentication`).
    requires_client_certificate: bool = True


def server_context(options: TlsOptions) -> ssl.SSLContext:
    """The context of a server; raises `TlsError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if options.certificate is None:
        raise TlsError("An HTTPS server needs a certificate with its key")
    if options.requires_client_certificate:
        if not options.trust:
            raise TlsError(
                "Client certificates are required, but no trust store says whom to trust. Configure one, or turn "
                "https-client-authentication off"
            )
        context.verify_mode = ssl.CERT_REQUIRED
    elif options.trust:
        context.verify_mode = ssl.CERT_OPTIONAL
    _load(context, options)
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """The context of a client; verifies certificate and host name of the server. Raises `TlsError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not options.trust:
        context.load_default_certs()
    _load(context, options)
    return context


def certificate_end(options: TlsOptions) -> int | None:
    """When the own certificate ends, epoch milliseconds; None without one. Raises `TlsError`."""
    path = options.certificate
    if path is None:
        return None
    try:
        if _is_pkcs12(path):
            password = None if options.password is None else options.password.encode()
            _, certificate, _ = pkcs12.load_key_and_certificates(_read(path), password)
        else:
            certificate = x509.load_pem_x509_certificate(_read(path))
    except (OSError, ValueError) as error:
        raise TlsError(f"Key store {path} cannot be used: {error}") from error
    return None if certificate is None else round(certificate.not_valid_after_utc.timestamp() * 1000)


def _load(context: ssl.SSLContext, options: TlsOptions) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in options.trust:
        try:
            context.load_verify_locations(cadata=_trusted_pem(path, options.trust_password))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise TlsError(f"Trust store {path} cannot be used: {error}") from error
    if options.certificate is not None:
        try:
            _load_key(context, options.certificate, options)
        except (OSError, ValueError) as error:
            raise TlsError(f"Key store {options.certificate} cannot be used: {error}") from error


def _is_pkcs12(path: Path) -> bool:
    return path.suffix.lower() in (".p12", ".pfx")


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAXIMUM_STORE_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MAXIMUM_STORE_BYTES}")
    return path.read_bytes()


def _trusted_pem(path: Path, password: str | None) -> str:
    content = _read(path)
    if not _is_pkcs12(path):
        return content.decode("ascii")
    archive = pkcs12.load_pkcs12(content, None if password is None else password.encode())
    entries = [entry for entry in (archive.cert, *archive.additional_certs) if entry is not None]
    if not entries:
        raise ValueError("it holds no certificate")
    return "".join(entry.certificate.public_bytes(Encoding.PEM).decode("ascii") for entry in entries)


def _load_key(context: ssl.SSLContext, path: Path, options: TlsOptions) -> None:
    if not _is_pkcs12(path):
        # A password function, even an empty one: OpenSSL would otherwise ask at the terminal
        context.load_cert_chain(path, options.private_key, lambda: options.password or "")
        return
    key, certificate, others = pkcs12.load_key_and_certificates(
        _read(path), None if options.password is None else options.password.encode()
    )
    if key is None or certificate is None:
        raise ValueError("it holds no private key with its certificate")
    chain = b"".join(item.public_bytes(Encoding.PEM) for item in (certificate, *others))
    # Python's ssl reads keys from files only: the file is ours alone, encrypted, and gone at once.
    password = secrets.token_hex(32)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with open(descriptor, "wb") as file:
            file.write(chain + encrypted)
        context.load_cert_chain(name, password=password)
    finally:
        os.unlink(name)
