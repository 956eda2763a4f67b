"""Signing and verifying items (orders spec 6.1, services spec 2.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier, SigningKey, load_certificates, sign

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TEXT = '{"TYPE":"Workflow","path":"load","note":"Zürich ☃"}'


def _code(verifier: SignatureVerifier, text: str, signature: Signature) -> str | None:
    with pytest.raises(ProblemError) as caught:
        verifier.verify(text, signature)
    return caught.value.problem.code


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate("stellwerk signing", NOW)


@pytest.fixture(scope="module")
def rsa_key() -> SigningKey:
    private_key = rsa.generate_private_key(65537, 2048)
    return SigningKey(private_key, _certificate(private_key, "CN=rsa", private_key, "CN=rsa", is_authority=False))


def _certificate(
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    subject: str,
    issuer_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    is_authority: bool,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(subject))
        .issuer_name(x509.Name.from_rfc4514_string(issuer))
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def test_a_signed_text_is_verified_by_who_trusts_the_certificate(key: SigningKey) -> None:
    signature = sign(TEXT, key)
    SignatureVerifier.from_pem([key.certificate_pem()]).verify(TEXT, signature)
    assert decode(encode(signature)) == {
        "TYPE": "X509",
        "signatureString": signature.signature_string,
        "algorithm": "SHA512WithECDSA",
        "signerId": "CN=stellwerk signing",
    }


def test_a_signature_survives_json(key: SigningKey) -> None:
    signature = msgspec.json.decode(encode(sign(TEXT, key)), type=Signature)
    SignatureVerifier([key.certificate]).verify(TEXT, signature)


def test_rsa_keys_sign_as_well(rsa_key: SigningKey) -> None:
    signature = sign(TEXT, rsa_key)
    assert signature.algorithm == "SHA256WithRSA"
    verifier = SignatureVerifier([rsa_key.certificate])
    verifier.verify(TEXT, signature)
    assert _code(verifier, TEXT + " ", signature) == "TamperedWithSignedMessage"


@pytest.mark.parametrize("position", [0, 10, len(TEXT) - 1])
def test_a_changed_text_is_refused(key: SigningKey, position: int) -> None:
    changed = TEXT[:position] + "_" + TEXT[position + 1 :]
    assert _code(SignatureVerifier([key.certificate]), changed, sign(TEXT, key)) == "TamperedWithSignedMessage"


@pytest.mark.parametrize("broken", ["", "!!!", "AAAA", "Zürich"])
def test_a_broken_signature_string_is_refused(key: SigningKey, broken: str) -> None:
    signature = msgspec.structs.replace(sign(TEXT, key), signature_string=broken)
    assert _code(SignatureVerifier([key.certificate]), TEXT, signature) == "TamperedWithSignedMessage"


def test_an_unknown_signer_is_refused(key: SigningKey) -> None:
    other = SigningKey.generate("somebody else", NOW)
    assert _code(SignatureVerifier([other.certificate]), TEXT, sign(TEXT, key)) == "MessageSignedByUnknown"


def test_a_signer_of_the_same_name_with_another_key_is_refused(key: SigningKey) -> None:
    impostor = SigningKey.generate("stellwerk signing", NOW)
    assert _code(SignatureVerifier([key.certificate]), TEXT, sign(TEXT, impostor)) == "TamperedWithSignedMessage"


def test_types_for_which_nobody_is_trusted_are_refused(key: SigningKey) -> None:
    signature = sign(TEXT, key)
    verifier = SignatureVerifier([key.certificate])
    assert _code(verifier, TEXT, msgspec.structs.replace(signature, type="PGP")) == "UnknownSignatureType"
    assert _code(SignatureVerifier([]), TEXT, signature) == "UnknownSignatureType"


@pytest.mark.parametrize("algorithm", ["SHA256WithRSA", "NoneWithECDSA", "MD5WithECDSA", "nonsense"])
def test_a_signature_with_an_unfitting_algorithm_is_refused(key: SigningKey, algorithm: str) -> None:
    signature = msgspec.structs.replace(sign(TEXT, key), algorithm=algorithm)
    assert _code(SignatureVerifier([key.certificate]), TEXT, signature) == "TamperedWithSignedMessage"


def test_names_are_compared_without_regard_to_order_case_and_blanks() -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = "CN=Signer,OU=Devel,O=Example,C=DE"
    certificate = _certificate(private_key, name, private_key, name, is_authority=False)
    signature = sign(TEXT, SigningKey(private_key, certificate))
    written_by_openssl = msgspec.structs.replace(signature, signer_id="C=DE, O=example,  OU=Devel, CN=SIGNER")
    SignatureVerifier([certificate]).verify(TEXT, written_by_openssl)


def test_a_certificate_issued_by_a_trusted_authority_is_sent_along_and_accepted() -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate(authority_key, "CN=root", authority_key, "CN=root", is_authority=True)
    private_key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(private_key, "CN=leaf", authority_key, "CN=root", is_authority=False)
    signature = sign(TEXT, SigningKey(private_key, certificate))
    assert signature.signer_certificate is not None and signature.signer_id is None
    SignatureVerifier([authority]).verify(TEXT, signature)


def test_who_is_no_authority_cannot_vouch_for_others(key: SigningKey) -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(
        private_key, "CN=leaf", key._private_key, key.certificate.subject.rfc4514_string(), is_authority=False
    )
    signature = sign(TEXT, SigningKey(private_key, certificate))
    assert _code(SignatureVerifier([key.certificate]), TEXT, signature) == "MessageSignedByUnknown"


def test_keys_are_stored_as_pem(key: SigningKey) -> None:
    again = SigningKey.from_pem(key.private_pem(), key.certificate_pem())
    SignatureVerifier([key.certificate]).verify(TEXT, sign(TEXT, again))
    assert again.algorithm_name == "ECDSA"
    assert again.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "stellwerk signing"


def test_a_key_with_a_foreign_certificate_is_refused(key: SigningKey) -> None:
    other = SigningKey.generate("other", NOW)
    with pytest.raises(ProblemError, match="does not belong"):
        SigningKey.from_pem(key.private_pem(), other.certificate_pem())
    with pytest.raises(ProblemError, match="cannot be read"):
        SigningKey.from_pem(b"nonsense", other.certificate_pem())
    with pytest.raises(ProblemError, match="cannot be read"):
        load_certificates(b"nonsense")


def test_trusted_certificates_are_read_from_a_folder(key: SigningKey, rsa_key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "all.pem").write_bytes(key.certificate_pem() + rsa_key.certificate_pem())
    (tmp_path / "readme.txt").write_text("no certificate")
    verifier = SignatureVerifier.from_folder(tmp_path)
    verifier.verify(TEXT, sign(TEXT, key))
    verifier.verify(TEXT, sign(TEXT, rsa_key))
    nobody = SignatureVerifier.from_folder(tmp_path / "missing")
    assert _code(nobody, TEXT, sign(TEXT, key)) == "UnknownSignatureType"
