"""A certificate authority of a test: certificates for TLS, also such as are not valid any more."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._builder(self.name, self.key, is_authority=True).sign(self.key, hashes.SHA256())
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, host: str | None = None, *, is_expired: bool = False
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, is_authority=False, is_expired=is_expired)
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        addresses = [loopback if host is None else x509.DNSName(host)]
        builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        return key, builder.sign(self.key, hashes.SHA256())

    def pem(self, name: str, host: str | None = None, *, is_expired: bool = False) -> Path:
        """Key and certificate in one PEM file, for 127.0.0.1 unless another host is named."""
        key, certificate = self.issue(name, host, is_expired=is_expired)
        path = self.directory / f"{name}.key.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        return path

    def archive(self, name: str, password: str) -> Path:
        """Key and certificate in a PKCS#12 file."""
        key, certificate = self.issue(name)
        path = self.directory / f"{name}.p12"
        encryption = BestAvailableEncryption(password.encode())
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(b"key", key, certificate, [self.certificate], encryption)
        )
        return path

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool, is_expired: bool = False
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(hours=-1 if is_expired else 24))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
