"""Trust stores in settings of identity services: PEM and PKCS#12 files."""

from __future__ import annotations

from pathlib import Path

from stellwerk.cockpit.api.errors import BadRequest


def trust_store(path: str, type_: str) -> Path | None:
    """The file; None: the authorities of the system are trusted. Raises `BadRequest` for what cannot be read."""
    if not path:
        return None
    if type_.upper() == "JKS" or path.lower().endswith(".jks"):
        raise BadRequest(
            "a trust store of type JKS cannot be read: convert it to PKCS12 (keytool -importkeystore "
            "-deststoretype PKCS12) or PEM"
        )
    return Path(path)
