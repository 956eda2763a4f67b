"""Media types and content negotiation of requests and answers (journal spec 0, 1.2, 2.6).

Pure functions over header values.
"""

from __future__ import annotations

from functools import lru_cache

JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"

#: What a browser form may send without asking: refused, so that no foreign page can command us (2.6, CSRF guard).
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def media_type(content_type: str) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def accepted_ranges(accept: str) -> tuple[tuple[str, float], ...]:
    """The media ranges of an `Accept` header with their quality; a malformed quality counts as 0."""
    ranges = []
    for part in accept.split(","):
        name, *parameters = part.split(";")
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if name.strip():
            ranges.append((name.strip().lower(), quality))
    return tuple(ranges)


def accepts(accept: str, type_: str) -> bool:
    """Whether `accept` has a range that matches; the most specific range decides, as RFC 9110 has it."""
    qualities = dict(accepted_ranges(accept))
    for name in (type_, type_.partition("/")[0] + "/*", "*/*"):
        if name in qualities:
            return qualities[name] > 0
    return False


def prefers_json(accept: str | None) -> bool:
    """Whether a problem is told in JSON: only to those who name it; `*/*` gets text (journal spec 0)."""
    if accept is None:
        return False
    if accept == JSON:
        return True
    qualities = dict(accepted_ranges(accept))
    return qualities.get(JSON, qualities.get("application/*", 0.0)) > 0


def accepts_gzip(accept_encoding: str) -> bool:
    return dict(accepted_ranges(accept_encoding)).get("gzip", 0.0) > 0
