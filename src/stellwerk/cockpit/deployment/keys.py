"""The installation's signing key (cockpit-services 2.9, security level LOW).

The first start generates an X.509 key and keeps it in the database, so that every Cockpit of a cluster signs with it.
At each start the certificate is written to a file in the data folder: from there it is given to Controller and Agents,
which trust it. A key that was made before the first start (`key_files`) is taken over.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_keys
from stellwerk.cockpit.deployment.key_files import CERTIFICATE_FILE, COMMON_NAME, KEY_FILE, write_atomically
from stellwerk.effects.clock import Clock
from stellwerk.wire.signatures import Signature, SigningKey, sign

SECURITY_LEVEL = "LOW"
#: The account whose key signs for everybody at level LOW (setting `default_profile_account`).
DEFAULT_ACCOUNT = "root"


class SigningKeys:
    """Holds the key of security level LOW. A `Service`."""

    def __init__(self, database: Database, clock: Clock, data: Path) -> None:
        self._database = database
        self._clock = clock
        self._data = data
        self._key: SigningKey | None = None

    async def start(self) -> None:
        """Load the key; generate one at the very first start."""
        self._key = await self._load() or await self._create()
        write_atomically(self._data / CERTIFICATE_FILE, self._key.certificate_pem())

    async def stop(self) -> None:
        self._key = None

    @property
    def certificate_pem(self) -> bytes:
        return self._require().certificate_pem()

    def sign(self, text: str) -> Signature:
        return sign(text, self._require())

    def _require(self) -> SigningKey:
        if self._key is None:
            raise ApiError(
                "No private key found for signing! - Please check your private key from the key management section "
                "in your profile.",
                code="JOC-413",
                kind="JocMissingKeyException",
            )
        return self._key

    async def _load(self) -> SigningKey | None:
        table = dep_keys
        query = select(table.c.key, table.c.certificate).where(
            table.c.account == DEFAULT_ACCOUNT, table.c.seclvl == SECURITY_LEVEL, table.c.key_type == "PRIVATE"
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else SigningKey.from_pem(row.key.encode(), row.certificate.encode())

    async def _create(self) -> SigningKey:
        key_file, certificate_file = self._data / KEY_FILE, self._data / CERTIFICATE_FILE
        if key_file.exists() and certificate_file.exists():
            key = SigningKey.from_pem(key_file.read_bytes(), certificate_file.read_bytes())
        else:
            key = SigningKey.generate(COMMON_NAME, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC))
        row = {
            "key_type": "PRIVATE",
            "key_alg": key.algorithm_name,
            "key": key.private_pem().decode(),
            "certificate": key.certificate_pem().decode(),
            "account": DEFAULT_ACCOUNT,
            "seclvl": SECURITY_LEVEL,
        }
        async with self._database.write() as connection:
            await connection.execute(self._database.upsert(dep_keys, ["account", "seclvl", "key_type"], []), [row])
        # Another Cockpit that starts at the same time may have been quicker: its key counts.
        return await self._load() or key
