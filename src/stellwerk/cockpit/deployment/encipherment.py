"""Values that only jobs on some Agents can read (cockpit-services 10.5).

A value is encrypted with a random AES key (256 bits, CBC, PKCS#7 padding), and that key with the public key of a
certificate (RSA, PKCS#1 v1.5): `enc:<key> <initialization vector> <value>`, each in base64. The private key lies on
Agents only. The form is that of JS7, whose jobs read it; it says nothing of who has encrypted a value.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding as asymmetric_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from sqlalchemy import delete, select

from stellwerk.cockpit.api.errors import ApiError, ObjectNotFound
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.collections import enc_assignments, enc_certificates
from stellwerk.effects.clock import Random
from stellwerk.wire.signatures import load_certificates

_KEY_BYTES = 32
_BLOCK_BYTES = 16


def encrypted(text: str, certificate: x509.Certificate, random: Random) -> str:
    """A value as jobs get it. Raises `ApiError` for keys that are not RSA."""
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise ApiError(
            "only certificates with RSA keys are supported for encryption",
            code="JOC-414",
            kind="JocUnsupportedKeyTypeException",
        )
    key, vector = random.token_bytes(_KEY_BYTES), random.token_bytes(_BLOCK_BYTES)
    padder = PKCS7(_BLOCK_BYTES * 8).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    parts = (
        public_key.encrypt(key, asymmetric_padding.PKCS1v15()),
        vector,
        encryptor.update(padded) + encryptor.finalize(),
    )
    return "enc:" + " ".join(base64.b64encode(part).decode("ascii") for part in parts)


class Encipherment:
    """Certificates by alias, and the Agents that have their private keys."""

    def __init__(self, database: Database, random: Random) -> None:
        self._database = database
        self._random = random

    async def certificates(self, aliases: Iterable[str] = ()) -> list[tuple[str, str, str | None]]:
        """(alias, PEM, path of the private key on Agents); without aliases all."""
        table = enc_certificates.c
        query = select(table.cert_alias, table.certificate, table.private_key_path).order_by(table.cert_alias)
        wanted = list(aliases)
        if wanted:
            query = query.where(table.cert_alias.in_(wanted))
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [(row.cert_alias, row.certificate, row.private_key_path) for row in rows]

    async def encrypt(self, text: str, alias: str) -> str:
        """Raises `ObjectNotFound`."""
        found = await self.certificates([alias])
        if not found:
            raise ObjectNotFound(f"Couldn't find the certificate '{alias}'")
        return self.encrypt_for(text, load_certificates(found[0][1].encode())[0])

    def encrypt_for(self, text: str, certificate: x509.Certificate) -> str:
        return encrypted(text, certificate, self._random)

    async def store(self, alias: str, certificate_pem: str, private_key_path: str | None) -> None:
        """Insert or replace."""
        row = {"cert_alias": alias, "certificate": certificate_pem, "private_key_path": private_key_path}
        async with self._database.write() as connection:
            await connection.execute(self._database.upsert(enc_certificates, ["cert_alias"]), [row])

    async def delete(self, alias: str) -> None:
        """With its assignments. Raises `ObjectNotFound`."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(enc_certificates).where(enc_certificates.c.cert_alias == alias))
            if gone.rowcount == 0:
                raise ObjectNotFound(f"Couldn't find the certificate '{alias}'")
            await connection.execute(delete(enc_assignments).where(enc_assignments.c.cert_alias == alias))

    async def assignments(self) -> dict[str, list[str]]:
        """Alias → ids of Agents."""
        table = enc_assignments.c
        found: dict[str, list[str]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(select(enc_assignments).order_by(table.cert_alias, table.agent_id)):
                found.setdefault(row.cert_alias, []).append(row.agent_id)
        return found

    async def assign(self, alias: str, agent_id: str) -> None:
        """Raises `ObjectNotFound` for an unknown alias."""
        if not await self.certificates([alias]):
            raise ObjectNotFound(f"Couldn't find the certificate '{alias}'")
        statement = self._database.upsert(enc_assignments, ["cert_alias", "agent_id"], [])
        async with self._database.write() as connection:
            await connection.execute(statement, [{"cert_alias": alias, "agent_id": agent_id}])

    async def unassign(self, alias: str, agent_id: str) -> None:
        table = enc_assignments.c
        async with self._database.write() as connection:
            await connection.execute(
                delete(enc_assignments).where(table.cert_alias == alias, table.agent_id == agent_id)
            )
