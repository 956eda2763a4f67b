"""Dates in requests (cockpit-api 1.6): filters (`-1d`, `2026-01-31T23:00:00Z`), the start of orders (`now + 60`).

Pure. All results are epoch milliseconds.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stellwerk.cockpit.api.errors import BadRequest

#: "Never": 9999-12-31T23:59:59Z (cockpit-services 5.1).
NEVER_MS = 253402300799000

_ABSOLUTE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?\Z"
)
_RELATIVE = re.compile(r"\s*(?:[+-]?\s*\d+\s*[smhdwMy]\s*)+(Z|[+-]\d{2}:?\d{2})?\s*\Z")
_RELATIVE_PART = re.compile(r"([+-]?)\s*(\d+)\s*([smhdwMy])")
_NOW_PLUS = re.compile(r"now\s*\+\s*(?:(\d+)|(\d+):(\d{1,2})(?::(\d{1,2}))?)\Z")


def zone_of(name: str | None) -> tzinfo:
    """Raises `BadRequest` for an unknown zone; UTC if none is given."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(f"unknown time zone '{name}'; give an IANA name like Europe/Berlin") from None


def filter_ms(text: str | None, now_ms: int, time_zone: str | None = None, *, is_end: bool = False) -> int | None:
    """The instant that a `dateFrom` (or, `is_end`, a `dateTo`) stands for; None = no limit.

    An end that names days, weeks, months or years is the end of that day, week, month or year; one that names only
    hours, minutes or seconds is that instant (recommended by the specification against the reference).
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if text == "never":
        return NEVER_MS
    absolute = _ABSOLUTE.match(text)
    if absolute is not None:
        return _absolute_ms(absolute, time_zone)
    relative = _RELATIVE.match(text)
    if relative is None:
        raise BadRequest(f"'{text}' is not a date: give 2026-01-31T23:00:00Z or a relative one like -1d")
    zone = zone_of(time_zone) if time_zone else _offset_zone(relative[1])
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    first: dict[str, int] = {}
    for sign, number, unit in _RELATIVE_PART.findall(text):
        first.setdefault(unit, -int(number) if sign == "-" else int(number))
    try:
        return _ms(_moved(now, first, is_end=is_end))
    except (OverflowError, ValueError):
        raise BadRequest(f"'{text}' lies outside of the years 1 to 9999") from None


def _moved(now: datetime, units: dict[str, int], *, is_end: bool) -> datetime:
    has_days = any(unit in units for unit in "dwMy")
    if has_days:
        now = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if "y" in units:
        now = now.replace(year=now.year + units["y"], month=12 if is_end else 1, day=31 if is_end else 1)
    if "M" in units:
        months = now.year * 12 + now.month - 1 + units["M"]
        year, month = months // 12, months % 12 + 1
        now = now.replace(year=year, month=month, day=monthrange(year, month)[1] if is_end else 1)
    if "w" in units:
        now += timedelta(weeks=units["w"], days=(6 if is_end else 0) - now.weekday())
    now += timedelta(days=units.get("d", 0) + (1 if is_end and has_days else 0))
    # Hours are elapsed time, also over a change of the clocks.
    moved = now.astimezone(UTC) + timedelta(
        hours=units.get("h", 0), minutes=units.get("m", 0), seconds=units.get("s", 0)
    )
    return moved.astimezone(now.tzinfo)


def scheduled_for_ms(text: str | None, now_ms: int, time_zone: str | None) -> int | None:
    """`scheduledFor` of a new order: None = at once. Raises `BadRequest` for other forms than those of the spec."""
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
    absolute = _ABSOLUTE.match(text)
    if absolute is None or absolute[4] is None:
        raise BadRequest(
            f"scheduledFor '{text}' is not understood: give 'now', 'never', 'now + HH:mm:ss' or 'yyyy-mm-dd HH:mm:ss'"
        )
    return _absolute_ms(absolute, time_zone)


def _absolute_ms(match: re.Match[str], time_zone: str | None) -> int:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone = zone_of(time_zone) if time_zone else _offset_zone(offset)
    try:
        clock_time = (int(hour or 0), int(minute or 0), int(second or 0))
        instant = datetime(int(year), int(month), int(day), *clock_time, tzinfo=zone)
    except ValueError as error:
        raise BadRequest(f"'{match[0]}' is not a date: {error}") from None
    return _ms(instant) + int((fraction or "0")[:3].ljust(3, "0"))


def _offset_zone(offset: str | None) -> tzinfo:
    if not offset or offset == "Z":
        return UTC
    text = offset if len(offset) > 3 else offset + "00"
    zone = datetime.strptime(text, "%z").tzinfo
    assert zone is not None, "the pattern admits offsets only"
    return zone


def _ms(instant: datetime) -> int:
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
