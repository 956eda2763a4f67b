"""Days of the calendar as numbers: the ordinals of `datetime.date`, with what rules ask about a day.

No time zone, no clock: a day is what people call it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from stellwerk.values.problems import ProblemError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Day(NamedTuple):
    ordinal: int
    #: Months since the year 0: year · 12 + month - 1.
    month_index: int
    #: 1 to 12.
    month: int
    day: int
    #: 1 is the last day of the month.
    day_from_end: int
    #: 0 = Sunday … 6 = Saturday.
    weekday: int

    @property
    def week(self) -> int:
        """1 for the first such weekday of the month, and so on."""
        return (self.day + 6) // 7

    @property
    def week_from_end(self) -> int:
        """1 for the last such weekday of the month, and so on."""
        return (self.day_from_end + 6) // 7


class Span(NamedTuple):
    """Days from `first` to `last`, both included; empty if `first` is greater."""

    first: int
    last: int

    @property
    def is_empty(self) -> bool:
        return self.first > self.last

    def covers(self, ordinal: int) -> bool:
        return self.first <= ordinal <= self.last

    def within(self, other: Span) -> Span:
        return Span(max(self.first, other.first), min(self.last, other.last))


ALWAYS = Span(date.min.toordinal(), date.max.toordinal())


def parse_date(text: str) -> int:
    """The ordinal. Raises `ProblemError` unless it is a day of the calendar in the form `YYYY-MM-DD`."""
    if _DATE.fullmatch(text) is None:
        raise ProblemError(f"'{text}' must have the format YYYY-MM-DD.")
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError as error:
        raise ProblemError(f"there is no day {text}") from error


def month_index(ordinal: int) -> int:
    day = date.fromordinal(ordinal)
    return day.year * 12 + day.month - 1


def month_length(index: int) -> int:
    return len(days_of_month(index))


@lru_cache(maxsize=10_000)
def days_of_month(index: int) -> tuple[Day, ...]:
    year, month = index // 12, index % 12 + 1
    first = date(year, month, 1)
    is_very_last = (year, month) == (date.max.year, 12)
    after = ALWAYS.last + 1 if is_very_last else date((index + 1) // 12, (index + 1) % 12 + 1, 1).toordinal()
    return tuple(
        Day(ordinal, index, month, ordinal - first.toordinal() + 1, after - ordinal, ordinal % 7)
        for ordinal in range(first.toordinal(), after)
    )


@lru_cache(maxsize=100_000)
def day_of(ordinal: int) -> Day:
    day = date.fromordinal(ordinal)
    return days_of_month(day.year * 12 + day.month - 1)[day.day - 1]


def days(span: Span) -> Iterator[Day]:
    if span.is_empty:
        return
    for index in range(month_index(span.first), month_index(span.last) + 1):
        for day in days_of_month(index):
            if span.first <= day.ordinal <= span.last:
                yield day
