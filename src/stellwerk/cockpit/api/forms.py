"""Bodies of `multipart/form-data`: uploads of archives, with text fields beside (cockpit-api 2.3).

fields, files = read_form(body, content_type)
"""

from __future__ import annotations

from io import BytesIO

import msgspec
from multipart import MultipartError, MultipartParser, parse_options_header

from stellwerk.cockpit.api.decoding import RequestError

_MAXIMUM_PARTS = 32
_MAXIMUM_FIELD_BYTES = 1 << 20


class Upload(msgspec.Struct, frozen=True):
    """A file as it was sent."""

    filename: str
    data: bytes


def read_form(body: bytes, content_type: str) -> tuple[dict[str, str], dict[str, Upload]]:
    """Text fields and files by their names; of several with one name the last. Raises `RequestError`."""
    media_type, options = parse_options_header(content_type)
    boundary = options.get("boundary")
    if media_type != "multipart/form-data" or not boundary:
        raise RequestError("the body has to be multipart/form-data, with a boundary in the header Content-Type")
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    # Everything is in memory already: no part goes to the disk.
    limits = {"part_limit": _MAXIMUM_PARTS, "spool_limit": len(body), "memory_limit": 2 * len(body) + 1}
    try:
        parser = MultipartParser(BytesIO(body), boundary, content_length=len(body), **limits)
        for part in parser:
            if part.filename is not None:
                files[part.name] = Upload(part.filename, part.raw)
            elif part.size > _MAXIMUM_FIELD_BYTES:
                raise RequestError(f"the form's field {part.name} is longer than {_MAXIMUM_FIELD_BYTES} bytes")
            else:
                fields[part.name] = part.value
    except (MultipartError, UnicodeDecodeError) as error:
        raise RequestError(f"the multipart body cannot be read: {error}") from None
    return fields, files
