"""A calendar to the dates that a person asks for (services spec 3.2); what is wrong with a calendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from stellwerk.language.calendars.dates import CalendarDates
from stellwerk.language.calendars.days import ALWAYS, Span, days
from stellwerk.language.calendars.model import Calendar, Excludes, Frequencies, Restrictions
from stellwerk.language.calendars.restrictions import BaseDates, RestrictedDates
from stellwerk.language.calendars.rules import KINDS, ordinal, rules_of, span
from stellwerk.language.reader import INVALID, Reader, ReadProblem

#: Of one question: the Gregorian calendar has come round.
MAXIMUM_DAYS = 146_097


class Resolution(NamedTuple):
    """Both ascending."""

    dates: tuple[date, ...]
    #: Included, but taken away by `excludes`.
    with_excludes: tuple[date, ...]


def read_calendar(content: Any) -> Calendar:
    """Of the JSON value of the inventory. Raises `ReadError`; texts are looked at only when dates are asked for."""
    reader = Reader()
    calendar: Calendar = reader.result(reader.read(Calendar, content, "$"))
    return calendar


def calendar_problems(content: Any) -> list[ReadProblem]:
    """All that is wrong with a calendar, also where no date that is asked for would meet it."""
    reader = Reader()
    calendar = reader.read(Calendar, content, "$")
    if calendar is not INVALID:
        span(calendar, "$", reader)
        check_frequencies(calendar.includes, "$.includes", reader)
        check_frequencies(calendar.excludes, "$.excludes", reader)
    return reader.problems


def check_frequencies(frequencies: Frequencies | Excludes, path: str, reader: Reader) -> None:
    """The reader gets all that is wrong."""
    for kind in KINDS:
        rules_of(frequencies, kind, path, reader)


def interval(calendar: CalendarDates, date_from: str | None, date_to: str | None, today: date) -> Span:
    """The days that are asked for, within the calendar's validity.

    From `date_from` (absent: `today`) to `date_to`; if neither that nor the calendar has an end, to the end of this
    year. Raises `ReadError`, also for more than 400 years.
    """
    reader = Reader()
    first = ordinal(date_from, today.toordinal(), "$.dateFrom", reader)
    last = ordinal(date_to, ALWAYS.last, "$.dateTo", reader)
    reader.result(None)
    if not date_to and not calendar.has_end:
        last = date(today.year, 12, 31).toordinal()
    found = Span(first, last).within(calendar.validity)
    if found.last - found.first >= MAXIMUM_DAYS:
        reader.problem("$.dateTo", "more than 400 years are asked for", "ask for less at once")
    reader.result(None)
    return found


def resolve(
    calendar: Calendar,
    date_from: str | None,
    date_to: str | None,
    *,
    today: date,
    non_working_day_calendars: Mapping[str, Calendar] | None = None,
    restrictions: Restrictions | None = None,
) -> Resolution:
    """The dates of a calendar from `date_from` to `date_to`, both included, `YYYY-MM-DD`.

    `non_working_day_calendars`: those that `excludes` may name. Raises `ReadError` where the calendar is refused, or
    one of these; then the path begins with its name: `Holidays:$.from`.
    """
    others = {
        name: CalendarDates(other, {}, root=f"{name}:$") for name, other in (non_working_day_calendars or {}).items()
    }
    restrictions = restrictions or Restrictions()
    base = BaseDates(calendar, others, restrictions.excludes.non_working_day_calendars)
    restricted = RestrictedDates(base, restrictions.includes)
    asked = interval(base.whole, date_from, date_to, today)
    found = restricted.dates(asked)
    excluded = [day.ordinal for day in days(asked) if base.whole.includes(day) and not base.whole.has(day)]
    return Resolution(tuple(map(date.fromordinal, found)), tuple(map(date.fromordinal, excluded)))
