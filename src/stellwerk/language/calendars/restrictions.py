"""A calendar restricted by its assignment in a schedule (services spec 3.3).

Restrictions select from the dates of the calendar; some count them: the n-th date of a month, every third date from an
anchor on. A count goes beyond the interval that is asked for. What it finds there differs in two ways from what the
calendar yields when it is asked for those days, and users' plans depend on it:

- Before the interval, in the count of `monthdays.days` alone, `from` and `to` of the calendar's `weekdays` elements are
  not heeded.
- After the interval, in the count of `ultimos.days`, the calendar's `repetitions` have ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property

from stellwerk.language.calendars.dates import Adaptation, CalendarDates, Rules, unchanged
from stellwerk.language.calendars.days import ALWAYS, Day, Span, days, month_index, month_length
from stellwerk.language.calendars.model import Calendar, Frequencies
from stellwerk.language.calendars.repetitions import Course
from stellwerk.language.calendars.rules import (
    KINDS,
    DatesRule,
    MonthdaysRule,
    MonthsRule,
    Rule,
    UltimosRule,
    WeekdaysRule,
    rules_of,
)
from stellwerk.language.reader import Reader


def _always_by_weekday(rules: Rules) -> Rules:
    return tuple(replace(rule, span=ALWAYS) if isinstance(rule, WeekdaysRule) else rule for rule in rules)


def _without_repetitions(rules: Rules) -> Rules:
    return tuple(rule for rule in rules if not isinstance(rule, Course))


class BaseDates:
    """What restrictions select from: a calendar, and how counts see it outside of the interval."""

    def __init__(
        self,
        calendar: Calendar,
        non_working_day_calendars: Mapping[str, CalendarDates],
        further_excludes: Sequence[str],
        root: str = "$",
    ) -> None:
        def seen(adapt: Adaptation = unchanged) -> CalendarDates:
            return CalendarDates(calendar, non_working_day_calendars, further_excludes, adapt, root)

        parts = (calendar.includes, calendar.excludes)
        has_spans = any(element.from_ or element.to for part in parts for element in part.weekdays)
        self.whole = seen()
        self._before = seen(_always_by_weekday) if has_spans else self.whole
        has_repetitions = any(part.repetitions for part in parts)
        self._after = seen(_without_repetitions) if has_repetitions else self.whole

    def number(self, day: Day, interval: Span) -> int:
        """Which date of its month a date in the interval is, from 1 on."""
        if self._before is self.whole:
            return self.whole.month(day.month_index).index(day.ordinal) + 1
        before = sum(ordinal < interval.first for ordinal in self._before.month(day.month_index))
        return before + sum(interval.first <= ordinal <= day.ordinal for ordinal in self.whole.month(day.month_index))

    def number_from_end(self, day: Day, interval: Span) -> int:
        """1 for the last date of the month, and so on."""
        if self._after is self.whole:
            month = self.whole.month(day.month_index)
            return len(month) - month.index(day.ordinal)
        after = sum(ordinal > interval.last for ordinal in self._after.month(day.month_index))
        return after + sum(day.ordinal <= ordinal <= interval.last for ordinal in self.whole.month(day.month_index))

    def count(self, span: Span) -> int:
        """How many dates there are."""
        if span.is_empty:
            return 0
        first, last = month_index(span.first), month_index(span.last)
        between = sum(len(self.whole.month(index)) for index in range(first + 1, last))
        ends = {first, last}
        return between + sum(span.covers(ordinal) for index in ends for ordinal in self.whole.month(index))


class RestrictedDates:
    """Methods raise `ReadError` where something that they look at is refused."""

    def __init__(self, base: BaseDates, includes: Frequencies, path: str = "$.includes") -> None:
        self.base = base
        self._includes = includes
        self._path = path

    @cached_property
    def _rules(self) -> list[Rule]:
        reader = Reader()
        found = [rule for kind in KINDS for rule in rules_of(self._includes, kind, self._path, reader)]
        reader.result(None)
        return found

    def dates(self, interval: Span) -> list[int]:
        """Ordinals, ascending."""
        return [day.ordinal for day in days(interval) if self.has(day, interval)]

    def has(self, day: Day, interval: Span) -> bool:
        """Whether it is one of the dates of the interval, in which it lies."""
        rules = self._rules
        if not self.base.whole.has(day):
            return False
        if not rules or any(self._selects(rule, day, interval) for rule in rules):
            return True
        # Outside of what restrictions cover the dates stay as they are.
        return not any(rule.span.covers(day.ordinal) for rule in rules)

    def _selects(self, rule: Rule, day: Day, interval: Span) -> bool:
        match rule:
            case DatesRule() | WeekdaysRule():
                return rule.matches(day)
            case MonthdaysRule():
                if not rule.span.covers(day.ordinal):
                    return False
                is_listed = bool(rule.days) and self.base.number(day, interval) in rule.days
                return is_listed or (day.weekday, day.week) in rule.weekly_days
            case UltimosRule():
                if not rule.span.covers(day.ordinal):
                    return False
                is_listed = bool(rule.days) and self.base.number_from_end(day, interval) in rule.days
                return is_listed or (day.weekday, day.week_from_end) in rule.weekly_days
            case MonthsRule():
                if day.month not in rule.months:
                    return False
                if any(self._is_next_after_step(course, day) for course in rule.courses):
                    return True
                return rule.span.covers(day.ordinal) and any(self._selects(part, day, interval) for part in rule.rules)
            case Course():
                return self._is_next_after_step(rule, day)

    def _is_next_after_step(self, course: Course, day: Day) -> bool:
        """Whether a date is the one that a step of the course comes to."""
        if not course.span.covers(day.ordinal):
            return False
        anchor = course.span.first
        if course.kind == "DAILY":
            return self.base.count(Span(anchor, day.ordinal - 1)) % course.step == 0
        if course.kind == "WEEKLY":
            week = (day.ordinal - anchor) // 7
            begin = anchor + week * 7
            return week % course.step == 0 and self.base.count(Span(begin, day.ordinal - 1)) == 0
        if (day.month_index - month_index(anchor)) % course.step_months != 0:
            return False
        anchor_day = date.fromordinal(anchor).day
        is_month_end = anchor_day == month_length(month_index(anchor))
        wanted = day.day + day.day_from_end - 1 if is_month_end else anchor_day
        begin = day.ordinal - day.day + wanted
        return day.ordinal >= begin and self.base.count(Span(begin, day.ordinal - 1)) == 0
