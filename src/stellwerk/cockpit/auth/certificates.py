"""Type CERTIFICATE: the client certificate of the TLS connection says who it is, by its common name.

The server has verified the certificate's chain and dates before any request arrives (`certificate_authorities` of
`cockpit.toml`); whoever these authorities certify under an account's name is that account.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from stellwerk.cockpit.auth.credentials import Credentials, LoginRefused, Proven
from stellwerk.cockpit.auth.services import IdentityService


def common_name(certificate: bytes | None) -> str | None:
    """The common name of a DER certificate; None if there is none, or several: nobody can say which one counts."""
    if certificate is None:
        return None
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        return None
    name = names[0].value
    return name if isinstance(name, str) and name.isprintable() and name.strip() == name != "" else None


class CertificateVerifier:
    """Also as a second factor: then the certificate must be that of the account of the first one."""

    async def verify(self, service: IdentityService, row: Any, credentials: Credentials) -> Proven:
        name = credentials.certificate_name
        if name is None:
            raise LoginRefused(f"identity service '{service.name}' needs a client certificate; the browser sent none")
        if name != credentials.account:
            raise LoginRefused("the client certificate is of another account")
        return Proven(account=name)
