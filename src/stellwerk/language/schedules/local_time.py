"""Local time of a zone as a number: milliseconds since 1970-01-01T00:00 on the local clock (workflow spec 7.1).

Periods are computed with such numbers, where a day always has 24 hours; only their beginning is converted to an
instant, with Java's rules: a time in the gap of spring is shifted forward by the gap, of a time that comes twice in
autumn the first one is meant.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from stellwerk.values.problems import ProblemError

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_MILLISECOND = timedelta(milliseconds=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = _EPOCH.replace(tzinfo=None)
_EPOCH_ORDINAL = _LOCAL_EPOCH.toordinal()


@lru_cache(maxsize=256)
def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """Raises `ProblemError` UnknownKey."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ProblemError.of("UnknownKey", type="time zone", key=name) from error


def to_local(instant_ms: int, zone: zoneinfo.ZoneInfo) -> int:
    """What the clock of the zone shows."""
    shown = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone).replace(tzinfo=None)
    return (shown - _LOCAL_EPOCH) // _MILLISECOND


def to_instant(local_ms: int, zone: zoneinfo.ZoneInfo) -> int:
    """When the clock of the zone shows it; see the module about gaps and overlaps."""
    shown = (_LOCAL_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=zone)
    return (shown - _EPOCH) // _MILLISECOND


def local_midnight(day: date) -> int:
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY_MS


def local_date(local_ms: int) -> date:
    return date.fromordinal(local_ms // DAY_MS + _EPOCH_ORDINAL)


def month_start(local_ms: int, months: int = 0) -> int:
    """Midnight of the first day of the month, `months` later."""
    day = local_date(local_ms)
    index = day.year * 12 + day.month - 1 + months
    return local_midnight(date(index // 12, index % 12 + 1, 1))


def month_of(local_ms: int) -> int:
    return local_date(local_ms).month


def week_start(local_ms: int) -> int:
    """Monday's midnight; 1970-01-01 was a Thursday."""
    return (local_ms + 3 * DAY_MS) // WEEK_MS * WEEK_MS - 3 * DAY_MS
