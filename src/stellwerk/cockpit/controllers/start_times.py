"""When a new order shall start: `scheduledFor` of requests (cockpit-api 1.6). Pure."""

from __future__ import annotations

import re

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.projection.model import NEVER_MS

_NOW_PLUS = re.compile(r"now\s*\+\s*(?:(\d{1,9})|(\d{1,6}):(\d{1,2})(?::(\d{1,2}))?)\Z")
_DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?")


def scheduled_for_ms(text: str | None, now_ms: int, time_zone: str | None) -> int | None:
    """Epoch milliseconds; None = at once. Raises `BadRequest` for other forms than those of the specification."""
    text = (text or "").strip()
    if text in ("", "now"):
        return None
    if text == "never":
        return NEVER_MS
    plus = _NOW_PLUS.match(text)
    if plus is not None:
        plain, hours, minutes, seconds = plus.groups()
        total = int(plain) if plain is not None else int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
        return now_ms + total * 1000
    if not _DAY_AND_TIME.match(text):
        raise BadRequest(
            f"scheduledFor '{text}' is not understood: give 'now', 'never', 'now + HH:mm:ss' or 'yyyy-mm-dd HH:mm:ss'"
        )
    return instant_ms(text, now_ms, time_zone=time_zone)
