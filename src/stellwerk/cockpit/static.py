"""The web UI's files: hashed names are cached for ever, anything that is no file becomes `index.html` (its own router).

Every answer carries a strict content security policy: scripts only from here, no inline script, no frames.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PACKAGE_DIRECTORY = Path(__file__).parent / "ui"

#: Inline styles are allowed because the UI's component library sets them; scripts never are.
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

_NOT_BUILT = (
    b"<!doctype html><meta charset=utf-8><title>Stellwerk</title><h1>The web UI is not built</h1>"
    b"<p>Build it with <code>make ui</code> (it needs no Node.js of yours), then reload this page. "
    b"The REST API under <code>/joc/api</code> works without it."
)


class StaticFiles:
    """An ASGI application below `prefix`. Reads small files whole: the largest is a few megabytes."""

    def __init__(self, directory: Path | None, prefix: str) -> None:
        self._directory = (directory or PACKAGE_DIRECTORY).resolve()
        self._prefix = prefix

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b"", "text/plain", {"allow": "GET, HEAD"})
            return
        relative = unquote(scope["path"]).removeprefix(self._prefix).lstrip("/")
        file = self._find(relative)
        if file is None and (relative.startswith("assets/") or not (self._directory / "index.html").is_file()):
            missing = relative.startswith("assets/") and (self._directory / "index.html").is_file()
            body, status = (b"no such file", 404) if missing else (_NOT_BUILT, 503)
            await _send(send, status, body, "text/plain" if missing else "text/html; charset=utf-8", {})
            return
        hashed = file is not None and relative.startswith("assets/")
        path = file or self._directory / "index.html"
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if media_type.startswith("text/") or media_type in ("application/javascript", "application/json"):
            media_type += "; charset=utf-8"
        headers = {"cache-control": "public, max-age=31536000, immutable" if hashed else "no-cache"}
        compressed = path.with_name(path.name + ".gz")
        if compressed.is_file():  # made once by the build
            headers["vary"] = "accept-encoding"
            if _takes_gzip(scope):
                path = compressed
                headers["content-encoding"] = "gzip"
        body = path.read_bytes()
        await _send(send, 200, b"" if scope["method"] == "HEAD" else body, media_type, headers)

    def _find(self, relative: str) -> Path | None:
        if not relative or "\0" in relative:
            return None
        path = (self._directory / relative).resolve()
        return path if path.is_relative_to(self._directory) and path.is_file() else None


def _takes_gzip(scope: Any) -> bool:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
    parts = [part.replace(" ", "").lower() for part in accepted.split(",")]
    return any(part == "gzip" or (part.startswith("gzip;q=") and part[7:].strip("0.") != "") for part in parts)


async def _send(send: Any, status: int, body: bytes, media_type: str, headers: dict[str, str]) -> None:
    all_headers = {"content-type": media_type, "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
