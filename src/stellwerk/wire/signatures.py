"""X.509 signatures of items: the Cockpit signs, Controller and Agent verify (orders spec 6.1, services spec 2.9).

A signature covers the UTF-8 bytes of the item's text, byte for byte; so the text is stored and forwarded verbatim.
A verifier trusts a list of certificates. A self-signed one is named by its subject (`signerId`) and must itself be
in the list; one that was issued by an authority is sent along (`signerCertificate`), and the authority must be there.

The validity dates of certificates are not looked at: a deployed workflow must not stop at night because the
certificate of its signer has expired meanwhile. Whoever must not deploy any more is taken out of the trusted list.

Signatures of other types (PGP) are refused as `UnknownSignatureType`. Must not know what is signed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from stellwerk.values.problems import ProblemError

X509 = "X509"
RSA_ALGORITHM = "SHA256WithRSA"
ECDSA_ALGORITHM = "SHA512WithECDSA"

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
_GENERATED_YEARS = 30
_BLANKS_AROUND_COMMA = re.compile(r"\s*(?<!\\),\s*")


class Signature(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A signature as it stands in commands, events and item operations."""

    type: str = msgspec.field(name="TYPE")
    signature_string: str
    algorithm: str | None = None
    #: Subject of the signer's certificate, which the receiver must already hold.
    signer_id: str | None = None
    #: The signer's certificate (PEM), issued by an authority that the receiver trusts.
    signer_certificate: str | None = None


class SigningKey:
    """A private key with its certificate."""

    def __init__(
        self, private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self._private_key = private_key
        self.certificate = certificate

    @classmethod
    def generate(
        cls,
        name: str,
        now: datetime,
        *,
        algorithm: str = "ECDSA",
        until: datetime | None = None,
        issuer: SigningKey | None = None,
        is_authority: bool = False,
    ) -> SigningKey:
        """A new key with a certificate, by default self-signed and valid for 30 years from `now`.

        `name`: a distinguished name (`CN=signer,O=acme`), or only the common name. `algorithm`: RSA or ECDSA.
        `is_authority`: the key signs certificates of others, and nothing else. Raises `ProblemError`.
        """
        subject = _subject(name)
        begin = now.astimezone(UTC)
        end = begin + timedelta(days=365 * _GENERATED_YEARS) if until is None else until.astimezone(UTC)
        if end <= begin:
            raise ProblemError("A certificate cannot end before it begins")
        private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        if algorithm == "ECDSA":
            private_key = ec.generate_private_key(ec.SECP384R1())
        elif algorithm == "RSA":
            private_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        else:
            raise ProblemError(f"Keys of algorithm '{algorithm}' are not supported; use RSA or ECDSA")
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(private_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - timedelta(days=1))
            .not_valid_after(end)
            .add_extension(
                x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True
            )
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_authority,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        certificate = builder.sign(private_key if issuer is None else issuer._private_key, hashes.SHA512())
        return cls(private_key, certificate)

    @classmethod
    def from_pem(cls, private_key: bytes, certificate: bytes) -> SigningKey:
        """Raises `ProblemError` when the texts cannot be read, or do not belong together."""
        try:
            key = serialization.load_pem_private_key(private_key, password=None)
            loaded = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError) as error:
            raise ProblemError(f"The signing key cannot be read: {error}") from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ProblemError("The signing key must be an RSA or ECDSA key")
        if key.public_key() != loaded.public_key():
            raise ProblemError("The certificate does not belong to the signing key")
        return cls(key, loaded)

    @property
    def algorithm_name(self) -> str:
        """`RSA` or `ECDSA`, as key administration calls it."""
        return "RSA" if isinstance(self._private_key, rsa.RSAPrivateKey) else "ECDSA"

    def private_pem(self) -> bytes:
        return self._private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def _signed(self, data: bytes) -> tuple[str, bytes]:
        if isinstance(self._private_key, rsa.RSAPrivateKey):
            return RSA_ALGORITHM, self._private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return ECDSA_ALGORITHM, self._private_key.sign(data, ec.ECDSA(hashes.SHA512()))


def _subject(name: str) -> x509.Name:
    try:
        if "=" not in name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return x509.Name.from_rfc4514_string(_BLANKS_AROUND_COMMA.sub(",", name.strip()))
    except ValueError as error:
        raise ProblemError(f"'{name}' is no distinguished name such as CN=signer,O=acme: {error}") from error


def sign(text: str, key: SigningKey) -> Signature:
    """The signature of a text."""
    algorithm, signed = key._signed(text.encode())
    return signature_of(signed, algorithm, key.certificate)


def signature_of(signed: bytes, algorithm: str, certificate: x509.Certificate) -> Signature:
    """What was signed, elsewhere maybe, by the owner of a certificate. Not verified."""
    is_self_signed = certificate.subject == certificate.issuer
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Signature(
        type=X509,
        signature_string=base64.b64encode(signed).decode("ascii"),
        algorithm=algorithm,
        signer_id=certificate.subject.rfc4514_string() if is_self_signed else None,
        signer_certificate=None if is_self_signed else pem.decode("ascii"),
    )


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM text. Raises `ProblemError`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ProblemError(f"The trusted certificates cannot be read: {error}") from error


class SignatureVerifier:
    """Knows whom to trust."""

    def __init__(self, trusted: Iterable[x509.Certificate]) -> None:
        self._trusted: Sequence[x509.Certificate] = tuple(trusted)

    @classmethod
    def from_pem(cls, texts: Iterable[bytes]) -> SignatureVerifier:
        """From PEM texts with any number of certificates each. Raises `ProblemError`."""
        return cls(certificate for text in texts for certificate in load_certificates(text))

    @classmethod
    def from_folder(cls, folder: Path) -> SignatureVerifier:
        """From all `*.pem` files of a folder; a folder that does not exist trusts nobody. Raises `ProblemError`."""
        return cls.from_pem(file.read_bytes() for file in sorted(folder.glob("*.pem")))

    def verify(self, text: str, signature: Signature) -> None:
        """Return if the text has been signed by somebody trusted.

        Raises `ProblemError`: `UnknownSignatureType` (nobody is trusted for this type), `MessageSignedByUnknown`,
        `TamperedWithSignedMessage`.
        """
        if signature.type != X509 or not self._trusted:
            raise ProblemError.of("UnknownSignatureType", typeName=signature.type)
        candidates = self._candidates(signature)
        if not candidates:
            raise ProblemError.of("MessageSignedByUnknown")
        try:
            signed = base64.b64decode(signature.signature_string, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProblemError.of("TamperedWithSignedMessage") from error
        data = text.encode()
        if not any(_is_signed_by(certificate, data, signed, signature.algorithm) for certificate in candidates):
            raise ProblemError.of("TamperedWithSignedMessage")

    def _candidates(self, signature: Signature) -> Sequence[x509.Certificate]:
        """The trusted certificates that the signer may have used."""
        if signature.signer_certificate is not None:
            try:
                certificate = x509.load_pem_x509_certificate(signature.signer_certificate.encode())
            except ValueError:
                return ()
            is_trusted = certificate in self._trusted or any(_issued(issuer, certificate) for issuer in self._trusted)
            return (certificate,) if is_trusted else ()
        if signature.signer_id is not None:
            wanted = _distinguished_name(signature.signer_id)
            return [item for item in self._trusted if _distinguished_name(item.subject.rfc4514_string()) == wanted]
        return self._trusted


def _is_signed_by(certificate: x509.Certificate, data: bytes, signed: bytes, algorithm: str | None) -> bool:
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        hash_name, _, kind = (algorithm or RSA_ALGORITHM).upper().partition("WITH")
        expected_kind = "RSA"
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        hash_name, _, kind = (algorithm or ECDSA_ALGORITHM).upper().partition("WITH")
        expected_kind = "ECDSA"
    else:
        return False
    hash_type = _HASHES.get(hash_name.replace("-", ""))
    if hash_type is None or kind != expected_kind:
        return False
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signed, data, padding.PKCS1v15(), hash_type())
        else:
            public_key.verify(signed, data, ec.ECDSA(hash_type()))
    except InvalidSignature:
        return False
    return True


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether a trusted authority has issued the certificate directly."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not constraints.ca:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _distinguished_name(text: str) -> frozenset[str]:
    """Names are compared without regard to case, blanks and order (JDK and OpenSSL write them in opposite order)."""
    try:
        name = x509.Name.from_rfc4514_string(_BLANKS_AROUND_COMMA.sub(",", text.strip()))
    except ValueError:
        return frozenset({text.casefold()})
    return frozenset(
        f"{attribute.oid.dotted_string}={' '.join(str(attribute.value).split()).casefold()}" for attribute in name
    )
