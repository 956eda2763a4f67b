"""Settings of identity services of type FIDO (cockpit-services 7.1), and what they say. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from stellwerk.cockpit.api.decoding import Reader, RequestError
from stellwerk.cockpit.api.errors import BadRequest

REQUIRED = "REQUIRED"
_CHOICES = ("DISCOURAGED", "PREFERRED", REQUIRED)
_ATTACHMENTS = ("PLATFORM", "ROAMING")
_TRANSPORTS = ("BLE", "HYBRID", "INTERNAL", "NFC", "USB")


class FidoSettings(msgspec.Struct, frozen=True):
    """One service; names and values are those of the stored settings. Time-out in milliseconds."""

    iamFidoProtocolType: str = "FIDO2"
    iamFidoTimeout: int = 60_000
    iamFidoTransports: list[str] = []
    #: Whether the device asks for a PIN or a finger; empty: it must where it is the only factor.
    iamFidoUserVerification: str = ""
    iamFidoResidentKey: str = "PREFERRED"
    iamFidoAttachment: str = ""
    #: Devices are let in for accounts that exist already.
    iamFidoRequireAccount: bool = False

    def requires_verification(self, *, is_second_factor: bool) -> bool:
        """A device that somebody has found must not be enough to log in, unless the settings say so."""
        return self.iamFidoUserVerification == REQUIRED or not (self.iamFidoUserVerification or is_second_factor)


_reader = Reader(FidoSettings)


def read_fido_settings(document: Any) -> FidoSettings:
    """From the JSON of the configuration (with or without its outer `fido`), if any; raises `BadRequest`."""
    if isinstance(document, dict) and isinstance(document.get("fido"), dict):
        document = document["fido"]
    try:
        settings = _reader.read(document)
    except RequestError as error:
        raise BadRequest(f"settings of a FIDO service: {error}") from None
    for name, values in (
        ("iamFidoUserVerification", ("", *_CHOICES)),
        ("iamFidoResidentKey", _CHOICES),
        ("iamFidoAttachment", ("", *_ATTACHMENTS)),
    ):
        if getattr(settings, name) not in values:
            raise BadRequest(f"{name} must be one of {', '.join(values).strip(', ')}")
    if set(settings.iamFidoTransports) - set(_TRANSPORTS):
        raise BadRequest(f"iamFidoTransports may name {', '.join(_TRANSPORTS)}")
    if not 1000 <= settings.iamFidoTimeout <= 300_000:
        raise BadRequest("iamFidoTimeout must be from 1000 to 300000 ms")
    return settings


def host_of_origin(origin: str) -> str:
    """The host to which a device is bound; raises `BadRequest` for what no browser would do this at."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    is_plain = origin == f"{parts.scheme}://{parts.netloc}" and parts.username is None
    if not is_plain or not (parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")):
        raise BadRequest(f"'{origin[:200]}' is no origin of a secure page: give https://host[:port]")
    return host
