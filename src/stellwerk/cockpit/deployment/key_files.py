"""Files of the signing key, for who sets up an installation as a whole.

The certificate must be at Controller and Agents when they start, and the Cockpit may start after them: so key and
certificate can be made before anything is started. The Cockpit's first start takes that key over into its database.

Imports little: the supervisor of an installation uses it and stays in memory.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

#: Name of the certificate's file below the data folder of the Cockpit.
CERTIFICATE_FILE = "signing-certificate.pem"
#: Name of the private key's file, if the key was made before the first start.
KEY_FILE = "private/signing-key.pem"
COMMON_NAME = "Stellwerk signing key"


def ensure_key_files(data: Path, now: datetime) -> bytes:
    """The certificate (PEM) of the Cockpit whose data folder is `data`; makes it with its key if there is none."""
    certificate_file, key_file = data / CERTIFICATE_FILE, data / KEY_FILE
    if not certificate_file.exists():
        from stellwerk.wire.signatures import SigningKey  # only the first start needs cryptography

        key = SigningKey.generate(COMMON_NAME, now)
        write_atomically(key_file, key.private_pem(), mode=0o600)
        write_atomically(certificate_file, key.certificate_pem())
    return certificate_file.read_bytes()


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
