"""Answers that a browser saves as a file."""

from __future__ import annotations

from urllib.parse import quote

from stellwerk.cockpit.api.routes import Answer

#: For contents without a type of their own.
ANY = "application/octet-stream"


def download(name: str, body: bytes) -> Answer:
    """A file by this name. Never compressed by the transport: it is saved as it comes (cockpit-api 1.1)."""
    safe = "".join(character for character in name if character.isprintable() and character not in '"\\')
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(safe, safe='')}",
        "Access-Control-Expose-Headers": "Content-Disposition",
    }
    return Answer(body, media_type=ANY, headers=headers)
