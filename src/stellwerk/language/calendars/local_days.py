"""One day on the clock of a time zone (services spec 3.6)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from stellwerk.language.calendars.wall_times import DAY_SECONDS
from stellwerk.language.schedules.local_time import DAY_MS, local_midnight, time_zone, to_instant, to_local


class LocalDay:
    """Wall times, in seconds since midnight, to instants, in milliseconds since the epoch, and back."""

    def __init__(self, zone: ZoneInfo, ordinal: int) -> None:
        self._zone = zone
        self._midnight = local_midnight(date.fromordinal(ordinal))
        self._first = to_instant(self._midnight, zone)
        #: The clock does not change on this day. (No zone changes it twice a day.)
        self.is_even = to_instant(self._midnight + DAY_MS, zone) - self._first == DAY_MS

    def instant(self, wall: int) -> int:
        """See `local_time` about wall times that the clock leaps over or shows twice."""
        return self._first + wall * 1000 if self.is_even else to_instant(self._midnight + wall * 1000, self._zone)

    def wall(self, instant: int) -> int:
        """What the clock shows, on whichever day."""
        return (to_local(instant, self._zone) - self._midnight) // 1000 % DAY_SECONDS


@lru_cache(maxsize=20_000)
def local_day(zone: str, ordinal: int) -> LocalDay:
    """Raises `ProblemError` for an unknown time zone."""
    return LocalDay(time_zone(zone), ordinal)
