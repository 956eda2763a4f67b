"""The installation's signing key (cockpit-services 2.9, security level LOW).

The first start generates an X.509 key and keeps it in the database, so that every Cockpit of a cluster signs with it.
At each start the certificate is written to a file in the data folder: from there it is given to Controller and Agents,
which trust it. Who sets up an installation as a whole calls `ensure_key_files` before anything is started, so that the
certificate is there when Controller and Agents start; the Cockpit's first start then takes over that key.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_keys
from stellwerk.effects.clock import Clock
from stellwerk.wire.signatures import Signature, SigningKey, sign

SECURITY_LEVEL = "LOW"
#: The account whose key signs for everybody at level LOW (setting `default_profile_account`).
DEFAULT_ACCOUNT = "root"
#: Name of the certificate's file below the data folder of the Cockpit.
CERTIFICATE_FILE = "signing-certificate.pem"
#: Name of the private key's file, if the key was made before the first start.
KEY_FILE = "private/signing-key.pem"
COMMON_NAME = "Stellwerk signing key"


def ensure_key_files(data: Path, now: datetime) -> bytes:
    """The certificate (PEM) of the Cockpit whose data folder is `data`; makes it with its key if there is none."""
    certificate_file, key_file = data / CERTIFICATE_FILE, data / KEY_FILE
    if not certificate_file.exists():
        key = SigningKey.generate(COMMON_NAME, now)
        key_file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(key_file, key.private_pem(), mode=0o600)
        write_atomically(certificate_file, key.certificate_pem())
    return certificate_file.read_bytes()


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


def write_atomically(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Whoever reads the file sees the old or the new content, never a part; nobody sees it with a wider mode."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(draft, file)
