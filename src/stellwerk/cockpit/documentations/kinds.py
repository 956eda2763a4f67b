"""Which files are documentations, what browsers are told of them, and by which names objects refer to them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from stellwerk.cockpit.api.errors import BadRequest

_TEXTS = {
    "html": "text/html",
    "htm": "text/html",
    "xml": "application/xml",
    "xsl": "application/xml",
    "xsd": "application/xml",
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    # Shown as it is written: it is not turned into HTML here.
    "md": "text/plain",
    "txt": "text/plain",
}
_IMAGES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "ico": "image/x-icon",
}
_OTHERS = {"pdf": "application/pdf"}
#: Files that documents use, not documents: nothing refers to them.
_PARTS = frozenset({"js", "css", "xsl", "xsd", *_IMAGES})
_UNFIT = re.compile(r"[^\w.-]+")


def kind_of(name: str) -> str:
    """The kind of a file by the end of its name: `html`, `png`, … Raises `BadRequest` for one that is not taken."""
    kind = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    if kind not in _TEXTS and kind not in _IMAGES and kind not in _OTHERS:
        known = ", ".join(sorted({*_TEXTS, *_IMAGES, *_OTHERS}))
        raise BadRequest(f"'{name}' is no documentation; files with these ends are: {known}; and zip archives of them")
    return kind


def shown_kind(kind: str) -> str:
    """`type` of the API: all images are one."""
    return "image" if kind in _IMAGES else "html" if kind == "htm" else kind


def media_type(kind: str) -> str:
    if kind in _TEXTS:
        return f"{_TEXTS[kind]}; charset=UTF-8"
    return _IMAGES.get(kind) or _OTHERS[kind]


def new_reference(name: str, kind: str, taken: Collection[str]) -> str | None:
    """The name by which objects refer to a new file, unlike those taken; None for parts of documents."""
    if kind in _PARTS:
        return None
    stem = _UNFIT.sub("-", name.rsplit(".", 1)[0]).strip("-.") or "document"
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    return found
