"""AdmissionTimeScheme: when something is admitted, and the search for intervals (workflow spec 7.3)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from stellwerk.language.reader import INVALID, Reader
from stellwerk.language.schedules.local_time import (
    DAY_MS,
    local_date,
    local_midnight,
    month_of,
    month_start,
    to_instant,
    to_local,
)
from stellwerk.language.schedules.periods import Interval, Period

#: How far ahead the next admission is looked for.
SEARCH_LIMIT_MS = 1096 * DAY_MS
#: One more day: local time and instants differ by less.
_MARGIN_MS = DAY_MS


class Unrestricted(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="Unrestricted"):
    pass


class MonthRestriction(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", tag="MonthRestriction"):
    months: tuple[int, ...]

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        restriction = reader.read_struct(cls, value, path)
        if restriction is INVALID:
            return INVALID
        months = restriction.months
        if not 1 <= len(months) <= 11 or len(set(months)) != len(months) or not all(1 <= m <= 12 for m in months):
            return reader.problem(f"{path}.months", "1 to 11 different months between 1 and 12 are expected")
        return restriction


class RestrictedScheme(msgspec.Struct, frozen=True, kw_only=True):
    """Periods, in some months only or always."""

    periods: tuple[Period, ...]
    restriction: Unrestricted | MonthRestriction | None = None

    def intervals(self, period: Period, from_ms: int, offset_ms: int) -> Iterator[Interval]:
        """The intervals of one period, cut to the allowed months; in the order of their starts, without end."""
        if not isinstance(self.restriction, MonthRestriction):
            yield from period.intervals(from_ms, offset_ms)
            return
        months = self.restriction.months
        while True:
            while month_of(from_ms - offset_ms) not in months:
                from_ms = month_start(from_ms - offset_ms, 1) + offset_ms
            unit: int | None = period.first_unit(from_ms, offset_ms)
            while unit is not None:
                if (cut := _cut(period.interval(unit), months)) is not None:
                    yield cut
                unit = period.next_unit(unit)
                # The unit of `from_ms` itself, behind a previous one that covers it, may begin in a forbidden month.
                if unit is not None and unit + offset_ms > from_ms and month_of(unit) not in months:
                    from_ms = unit + offset_ms
                    break
            if unit is None:
                return


def _cut(interval: Interval, months: tuple[int, ...]) -> Interval | None:
    """What lies in the allowed months of the calendar; the date offset concerns whole units only."""
    start, end = interval
    if month_of(start) not in months:
        start = month_start(start, 1)
        if month_of(start) not in months:
            return None
    month_end = start
    while month_end < end and month_of(month_end) in months:
        month_end = month_start(month_end, 1)
    end = min(end, month_end)
    return Interval(start, end) if start < end else None


class Found(NamedTuple):
    """An interval and the number of its period, counted through all restricted schemes."""

    interval: Interval
    period_index: int


class AdmissionTimeScheme(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All times in milliseconds; local times are those of the workflow's zone."""

    restricted_schemes: tuple[RestrictedScheme, ...] = ()

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if isinstance(value, dict) and "periods" in value:
            scheme = reader.read(RestrictedScheme, {"periods": value["periods"]}, path)
            return INVALID if scheme is INVALID else cls(restricted_schemes=(scheme,))
        if isinstance(value, dict) and "restrictedSchemes" not in value:
            return reader.problem(path, "an admission time scheme has `periods` or `restrictedSchemes`")
        return reader.read_struct(cls, value, path)

    # --- local time ---

    def _local(self, from_ms: int, until_ms: int, offset_ms: int) -> Iterator[Found]:
        """Ordered by start, then by period; those that end later than `from_ms` and begin before `until_ms`."""
        index = 0
        streams = []
        for scheme in self.restricted_schemes:
            for period in scheme.periods:
                streams.append(_bounded(scheme.intervals(period, from_ms, offset_ms), from_ms, until_ms, index))
                index += 1
        return heapq.merge(*streams)

    def local_intervals(self, from_ms: int, until_ms: int, offset_ms: int = 0) -> list[Found]:
        return list(self._local(from_ms, until_ms, offset_ms))

    def local_interval(self, from_ms: int, offset_ms: int = 0) -> Interval | None:
        """The one that covers the time, or the next one."""
        found = next(self._local(from_ms, from_ms + SEARCH_LIMIT_MS, offset_ms), None)
        return None if found is None else found.interval

    def has_period_start_on(self, day: date, offset_ms: int = 0) -> bool:
        """Does a period start on exactly this date? Restrictions to months are not looked at (workflow spec 4.6)."""
        midnight = local_midnight(day)
        return any(
            local_date(period.start(unit)) == day
            for scheme in self.restricted_schemes
            for period in scheme.periods
            for unit in {period.unit(midnight), period.unit(midnight + offset_ms)}
        )

    # --- instants ---

    def intervals(self, zone: ZoneInfo, from_ms: int, until_ms: int, offset_ms: int = 0) -> Iterator[Found]:
        """Like `local_intervals`, in instants: the start is converted, the duration stays (workflow spec 7.1)."""
        local_from = to_local(from_ms, zone)
        # A period in the gap of spring begins later than its local time says.
        begin, end = local_from - _MARGIN_MS // 8, to_local(until_ms, zone) + _MARGIN_MS
        pending: list[Found] = []
        for found in self._local(begin, end, offset_ms):
            start = to_instant(found.interval.start, zone)
            instants = Found(Interval(start, start + found.interval.duration), found.period_index)
            while pending and pending[0].interval.start <= start - _MARGIN_MS // 8:
                yield heapq.heappop(pending)
            if instants.interval.end > from_ms and start < until_ms:
                heapq.heappush(pending, instants)
        while pending:
            yield heapq.heappop(pending)

    def interval(self, zone: ZoneInfo, from_ms: int, offset_ms: int = 0) -> Interval | None:
        """The interval that covers the instant, or the next one within 1096 days."""
        found = next(self.intervals(zone, from_ms, from_ms + SEARCH_LIMIT_MS, offset_ms), None)
        return None if found is None else found.interval

    def is_permitted(self, zone: ZoneInfo, at_ms: int, offset_ms: int = 0) -> bool:
        interval = self.interval(zone, at_ms, offset_ms)
        return interval is not None and interval.contains(at_ms)

    def long_interval(
        self, zone: ZoneInfo, from_ms: int, offset_ms: int = 0, limit_ms: int = SEARCH_LIMIT_MS
    ) -> Interval | None:
        """The interval at or after the instant, with those that adjoin or overlap it."""
        start: int | None = None
        end = 0
        for (next_start, next_end), _ in self.intervals(zone, from_ms, from_ms + SEARCH_LIMIT_MS, offset_ms):
            if start is None:
                start, end = next_start, next_end
            elif next_start > end or end - start >= limit_ms:
                break
            else:
                end = max(end, next_end)
        return None if start is None else Interval(start, end)


def _bounded(intervals: Iterator[Interval], from_ms: int, until_ms: int, index: int) -> Iterator[Found]:
    for interval in intervals:
        if interval.start >= until_ms:
            return
        if interval.end > from_ms:
            yield Found(interval, index)
