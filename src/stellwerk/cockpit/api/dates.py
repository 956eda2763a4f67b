"""Date filters of requests: absolute, relative, `never` (cockpit-api 1.6). Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stellwerk.cockpit.api.errors import BadRequest

NEVER_MS = 253402300799000
_PART = re.compile(r"\s*([+-]?)(\d+)([smhdwMy])")
_ABSOLUTE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(Z|[+-]\d\d(?::?\d\d)?)?$")


def instant_ms(
    text: str | None, now_ms: int, *, time_zone: str | None = None, is_end: bool = False, is_past: bool = False
) -> int | None:
    """Milliseconds of a filter value; None without limit. `is_end`: a dateTo, the end of its day, week, month or year.
    `is_past`: an unsigned relative value lies in the past."""
    if not text:
        return None
    if text == "never":
        return NEVER_MS
    absolute = _ABSOLUTE.match(text.strip())
    if absolute is not None:
        return _absolute(absolute, time_zone)
    return _relative(text, now_ms, _zone(time_zone), is_end=is_end, is_past=is_past)


def _absolute(match: re.Match[str], time_zone: str | None) -> int:
    day, time, offset = match.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{time or '00:00:00'}")
    except ValueError:
        raise BadRequest(f"'{match[0]}' is no date") from None
    zone: tzinfo = _zone(time_zone)
    if time_zone is None and offset not in (None, "Z"):
        sign = -1 if offset[0] == "-" else 1
        digits = offset[1:].replace(":", "").ljust(4, "0")
        zone = _fixed(sign * (int(digits[:2]) * 60 + int(digits[2:])))
    return int(local.replace(tzinfo=zone).timestamp() * 1000)


def _relative(text: str, now_ms: int, zone: tzinfo, *, is_end: bool, is_past: bool) -> int:
    amounts: dict[str, int] = {}
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise BadRequest(f"'{text}' is no date: give e.g. 2026-01-31T23:00:00Z, -1d or never")
        sign, amount, unit = match.groups()
        negative = sign == "-" or (sign == "" and is_past)
        # Only the first occurrence of a unit counts.
        amounts.setdefault(unit, -min(int(amount), 100_000) if negative else min(int(amount), 100_000))
        position = match.end()
    try:
        now = datetime.fromtimestamp(now_ms / 1000, zone)
        if amounts.keys() & set("dwMy"):
            day = _moved(now.date(), amounts, is_end=is_end)
            now = datetime(day.year, day.month, day.day, tzinfo=zone)
        now += timedelta(hours=amounts.get("h", 0), minutes=amounts.get("m", 0), seconds=amounts.get("s", 0))
        return int(now.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise BadRequest(f"'{text}' lies outside of the calendar") from None


def _moved(day: date, amounts: dict[str, int], *, is_end: bool) -> date:
    if "y" in amounts:
        year = day.year + amounts["y"]
        day = date(year, 12, 31) if is_end else date(year, 1, 1)
    if "M" in amounts:
        months = day.year * 12 + day.month - 1 + amounts["M"]
        first = date(months // 12, months % 12 + 1, 1)
        following = months + 1
        day = date(following // 12, following % 12 + 1, 1) - timedelta(days=1) if is_end else first
    if "w" in amounts:
        monday = day - timedelta(days=day.weekday()) + timedelta(weeks=amounts["w"])
        day = monday + timedelta(days=6) if is_end else monday
    if "d" in amounts:
        day += timedelta(days=amounts["d"])
    # The end of a period is the beginning of the next day (1.6; the day is added only where a day is meant).
    return day + timedelta(days=1) if is_end else day


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, or too long for a file
        raise BadRequest(f"timeZone: '{name}' is no time zone; give e.g. Europe/Berlin") from None


def _fixed(minutes: int) -> tzinfo:
    from datetime import timezone

    return timezone(timedelta(minutes=minutes))
