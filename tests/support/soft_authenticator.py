"""A FIDO2 device in software: what a browser and a security key answer together, also wrongly where a test wants it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

_PRESENT, _VERIFIED, _WITH_CREDENTIAL = 0x01, 0x04, 0x40


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class SoftAuthenticator:
    """One device with one key, at one origin."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.host = urlsplit(origin).hostname or ""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.count = 0
        #: Whether it asks its holder for a PIN or a finger.
        self.verifies = True

    def create(self, challenge: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Members of the request that registers it."""
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + encode_cbor(key)
        data = self._data(_WITH_CREDENTIAL) + credential
        return {
            "requestId": challenge["requestId"],
            "origin": self.origin,
            "credentialId": base64url(self.credential_id),
            "clientDataJSON": base64url(self._client_data("webauthn.create", challenge)),
            "attestationObject": base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            **changes,
        }

    def sign(self, challenge: dict[str, Any], **changes: str) -> dict[str, str]:
        """Headers of the login."""
        self.count += 1
        data, client = self._data(0), self._client_data("webauthn.get", challenge)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "X-REQUEST-ID": challenge["requestId"],
            "X-CREDENTIAL-ID": base64url(self.credential_id),
            "X-CLIENT-DATA-JSON": base64url(client),
            "X-AUTHENTICATOR-DATA": base64url(data),
            "X-SIGNATURE": base64url(signature),
            **changes,
        }

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, type_: str, challenge: dict[str, Any]) -> bytes:
        members = {"type": type_, "challenge": challenge["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(members).encode()
