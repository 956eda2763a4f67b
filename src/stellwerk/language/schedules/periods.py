"""Admission periods: the seven kinds, each as a rule from a calendar unit to one interval (workflow spec 7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from stellwerk.language.reader import INVALID, DurationMs, Reader
from stellwerk.language.schedules.local_time import DAY_MS, WEEK_MS, month_start, week_start

_DAY = 86_400
_WEEK = 7 * _DAY
#: Beyond any year that a date can have.
_LATEST = 250_000_000_000


class Interval(NamedTuple):
    """`[start, end)` in milliseconds: of the local clock, or of the epoch."""

    start: int
    end: int

    @property
    def duration(self) -> int:
        return self.end - self.start

    def contains(self, time: int) -> bool:
        return self.start <= time < self.end


class _Period(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    """Base. A calendar unit is named by the local time at which it begins, without date offset."""

    #: Name, first and last value (in seconds) of the member that says when the period starts.
    START: ClassVar[tuple[str, int, int]]
    MAXIMUM_DURATION: ClassVar[int | None] = None

    duration_ms: DurationMs = msgspec.field(name="duration")

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        period = reader.read_struct(cls, value, path)
        if period is INVALID:
            return INVALID
        name, low, high = cls.START
        member = msgspec.structs.fields(cls)
        encoded = next(field.encode_name for field in member if field.name == name)
        if not low <= getattr(period, name) <= high:
            return reader.problem(f"{path}.{encoded}", f"must be between {low} and {high}")
        if period.duration_ms <= 0:
            return reader.problem(f"{path}.duration", "must be a positive number of seconds")
        if cls.MAXIMUM_DURATION is not None and period.duration_ms > cls.MAXIMUM_DURATION * 1000:
            return reader.problem(f"{path}.duration", f"must not be longer than {cls.MAXIMUM_DURATION} seconds")
        return period

    def unit(self, local_ms: int) -> int:
        """The calendar unit that contains the local time."""
        raise NotImplementedError

    def next_unit(self, unit: int, count: int = 1) -> int | None:
        """None: there is no other."""
        raise NotImplementedError

    def start(self, unit: int) -> int:
        raise NotImplementedError

    @property
    def second_of_day(self) -> int:
        """At which second of the day the period starts."""
        value: int = getattr(self, self.START[0])
        return value % _DAY

    def interval(self, unit: int) -> Interval:
        start = self.start(unit)
        return Interval(start, start + self.duration_ms)

    def first_unit(self, from_ms: int, offset_ms: int) -> int:
        """The unit of `from_ms`, or the one before, if its interval still covers that time."""
        unit = self.unit(from_ms - offset_ms)
        previous = self.next_unit(unit, -1)
        return previous if previous is not None and self.interval(previous).contains(from_ms) else unit

    def intervals(self, from_ms: int, offset_ms: int) -> Iterator[Interval]:
        """Those of the first unit and of all later ones."""
        unit: int | None = self.first_unit(from_ms, offset_ms)
        while unit is not None:
            yield self.interval(unit)
            unit = self.next_unit(unit)


class DailyPeriod(_Period, frozen=True, kw_only=True, tag="DailyPeriod"):
    START = ("second_of_day_", 0, _DAY - 1)
    second_of_day_: int = msgspec.field(name="secondOfDay")

    def unit(self, local_ms: int) -> int:
        return local_ms // DAY_MS * DAY_MS

    def next_unit(self, unit: int, count: int = 1) -> int:
        return unit + count * DAY_MS

    def start(self, unit: int) -> int:
        return unit + self.second_of_day_ * 1000


class WeekdayPeriod(_Period, frozen=True, kw_only=True, tag="WeekdayPeriod"):
    START = ("second_of_week", 0, _WEEK - 1)
    MAXIMUM_DURATION = _WEEK
    second_of_week: int

    def unit(self, local_ms: int) -> int:
        return week_start(local_ms)

    def next_unit(self, unit: int, count: int = 1) -> int:
        return unit + count * WEEK_MS

    def start(self, unit: int) -> int:
        return unit + self.second_of_week * 1000


class _MonthlyPeriod(_Period, frozen=True, kw_only=True):
    def unit(self, local_ms: int) -> int:
        return month_start(local_ms)

    def next_unit(self, unit: int, count: int = 1) -> int:
        return month_start(unit, count)


class MonthlyDatePeriod(_MonthlyPeriod, frozen=True, kw_only=True, tag="MonthlyDatePeriod"):
    START = ("second_of_month", 0, 31 * _DAY - 1)
    second_of_month: int

    def start(self, unit: int) -> int:
        """On the last day of the month, if the month has no such day."""
        last_day = month_start(unit, 1) - DAY_MS
        day = min(unit + self.second_of_month // _DAY * DAY_MS, last_day)
        return day + self.second_of_month % _DAY * 1000


class MonthlyLastDatePeriod(_MonthlyPeriod, frozen=True, kw_only=True, tag="MonthlyLastDatePeriod"):
    START = ("last_second_of_month", -28 * _DAY + 1, -1)
    last_second_of_month: int

    def start(self, unit: int) -> int:
        return month_start(unit, 1) + self.last_second_of_month * 1000


class MonthlyWeekdayPeriod(_MonthlyPeriod, frozen=True, kw_only=True, tag="MonthlyWeekdayPeriod"):
    START = ("second_of_weeks", 0, 4 * _WEEK - 1)
    second_of_weeks: int

    def start(self, unit: int) -> int:
        weekday_ms = self.second_of_weeks % _WEEK // _DAY * DAY_MS
        first = unit + (week_start(unit) + weekday_ms - unit) % WEEK_MS
        return first + self.second_of_weeks // _WEEK * WEEK_MS + self.second_of_weeks % _DAY * 1000


class MonthlyLastWeekdayPeriod(_MonthlyPeriod, frozen=True, kw_only=True, tag="MonthlyLastWeekdayPeriod"):
    START = ("second_of_weeks", -4 * _WEEK + 1, -1)
    second_of_weeks: int

    def start(self, unit: int) -> int:
        second_of_week = (self.second_of_weeks + 5 * _WEEK) % _WEEK
        last_day = month_start(unit, 1) - DAY_MS
        last = last_day - (last_day - week_start(last_day) - second_of_week // _DAY * DAY_MS) % WEEK_MS
        return last - (-self.second_of_weeks - 1) // _WEEK * WEEK_MS + second_of_week % _DAY * 1000


class SpecificDatePeriod(_Period, frozen=True, kw_only=True, tag="SpecificDatePeriod"):
    """Once: seconds on the local clock since 1970-01-01T00:00."""

    START = ("seconds_since_local_epoch", -(_LATEST), _LATEST)
    seconds_since_local_epoch: int

    def unit(self, local_ms: int) -> int:
        return 0

    def next_unit(self, unit: int, count: int = 1) -> int | None:
        return None

    def start(self, unit: int) -> int:
        return self.seconds_since_local_epoch * 1000


Period = (
    DailyPeriod
    | WeekdayPeriod
    | MonthlyDatePeriod
    | MonthlyLastDatePeriod
    | MonthlyWeekdayPeriod
    | MonthlyLastWeekdayPeriod
    | SpecificDatePeriod
)


def stays_in_production_day(period: Period, offset_ms: int) -> bool:
    """False when the period begins before the change of the production day and ends after it. Advice only."""
    return (period.second_of_day * 1000 - offset_ms) % DAY_MS + period.duration_ms <= DAY_MS
