"""Elements of `includes` and `excludes` as rules that a day matches or not (services spec 3.2).

Texts are understood here. What is wrong goes to a `Reader` with its JSON path: who asks for dates raises its problems
(`dates`, `restrictions`), who checks an object collects them all (`resolution`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stellwerk.language.calendars.days import ALWAYS, Day, Span, parse_date
from stellwerk.language.calendars.model import Frequencies, Holidays, Monthdays, Months, Repetition, Weekdays
from stellwerk.language.calendars.repetitions import Course
from stellwerk.language.reader import Reader
from stellwerk.values.problems import ProblemError


@dataclass(frozen=True)
class DatesRule:
    ordinals: frozenset[int]
    span: Span = ALWAYS

    def matches(self, day: Day) -> bool:
        return day.ordinal in self.ordinals


@dataclass(frozen=True)
class WeekdaysRule:
    weekdays: frozenset[int]
    span: Span = ALWAYS

    def matches(self, day: Day) -> bool:
        return day.weekday in self.weekdays and self.span.covers(day.ordinal)


@dataclass(frozen=True)
class MonthdaysRule:
    days: frozenset[int]
    #: Weekday, and which one of the month.
    weekly_days: frozenset[tuple[int, int]]
    span: Span = ALWAYS

    def matches(self, day: Day) -> bool:
        return (day.day in self.days or (day.weekday, day.week) in self.weekly_days) and self.span.covers(day.ordinal)


@dataclass(frozen=True)
class UltimosRule:
    """Days from the end of the month."""

    days: frozenset[int]
    weekly_days: frozenset[tuple[int, int]]
    span: Span = ALWAYS

    def matches(self, day: Day) -> bool:
        is_listed = day.day_from_end in self.days or (day.weekday, day.week_from_end) in self.weekly_days
        return is_listed and self.span.covers(day.ordinal)


@dataclass(frozen=True)
class MonthsRule:
    months: frozenset[int]
    rules: tuple[WeekdaysRule | MonthdaysRule | UltimosRule, ...]
    #: Not limited by `span`, and never yearly.
    courses: tuple[Course, ...]
    span: Span = ALWAYS

    def matches(self, day: Day) -> bool:
        if day.month not in self.months:
            return False
        if any(course.matches(day) for course in self.courses):
            return True
        return self.span.covers(day.ordinal) and any(rule.matches(day) for rule in self.rules)


Rule = DatesRule | WeekdaysRule | MonthdaysRule | UltimosRule | MonthsRule | Course


def ordinal(text: str | None, default: int, path: str, reader: Reader) -> int:
    """The day of a date; absent and empty are the default."""
    if not text:
        return default
    try:
        return parse_date(text)
    except ProblemError as error:
        reader.problem(path, error.problem)
        return default


def span(element: Any, path: str, reader: Reader) -> Span:
    """What `from` and `to` of an element leave."""
    first = ordinal(element.from_, ALWAYS.first, f"{path}.from", reader)
    return Span(first, ordinal(element.to, ALWAYS.last, f"{path}.to", reader))


def dates_rule(dates: Sequence[str], path: str, reader: Reader) -> DatesRule:
    return DatesRule(
        frozenset(ordinal(text, ALWAYS.first, f"{path}[{index}]", reader) for index, text in enumerate(dates))
    )


def weekdays_rule(element: Weekdays, path: str, reader: Reader) -> WeekdaysRule:
    if not element.days:
        reader.problem(path, "json field 'days' in 'weekdays' is undefined.", "list weekdays, 0 is Sunday")
    return WeekdaysRule(frozenset(0 if day == 7 else day for day in element.days), span(element, path, reader))


def _monthdays(
    element: Monthdays, path: str, reader: Reader
) -> tuple[frozenset[int], frozenset[tuple[int, int]], Span]:
    weekly_days = frozenset((item.day, item.week_of_month) for item in element.weekly_days)
    return frozenset(element.days), weekly_days, span(element, path, reader)


def monthdays_rule(element: Monthdays, path: str, reader: Reader) -> MonthdaysRule:
    return MonthdaysRule(*_monthdays(element, path, reader))


def ultimos_rule(element: Monthdays, path: str, reader: Reader) -> UltimosRule:
    return UltimosRule(*_monthdays(element, path, reader))


def course(element: Repetition, path: str, reader: Reader) -> Course:
    if not element.from_:
        reader.problem(path, "json field 'from' in 'repetitions' is undefined.", "give the first day")
    if element.repetition is None:
        reader.problem(
            path, "json field 'repetition' in 'repetitions' is undefined.", "DAILY, WEEKLY, MONTHLY or YEARLY"
        )
    if element.step < 1:
        reader.problem(f"{path}.step", "must be at least 1")
    return Course(element.repetition or "DAILY", max(1, element.step), span(element, path, reader))


def holidays_rule(element: Holidays, path: str, reader: Reader) -> DatesRule:
    return dates_rule(element.dates, f"{path}.dates", reader)


def months_rule(element: Months, path: str, reader: Reader) -> MonthsRule:
    return MonthsRule(
        months=frozenset(element.months),
        rules=(
            *_each(weekdays_rule, element.weekdays, f"{path}.weekdays", reader),
            *_each(monthdays_rule, element.monthdays, f"{path}.monthdays", reader),
            *_each(ultimos_rule, element.ultimos, f"{path}.ultimos", reader),
        ),
        courses=tuple(
            item for item in _each(course, element.repetitions, f"{path}.repetitions", reader) if item.kind != "YEARLY"
        ),
        span=span(element, path, reader),
    )


def _each(rule: Callable[[Any, str, Reader], Any], elements: Iterable[Any], path: str, reader: Reader) -> list[Any]:
    return [rule(element, f"{path}[{index}]", reader) for index, element in enumerate(elements)]


def _dates_rules(dates: Sequence[str], path: str, reader: Reader) -> list[Rule]:
    return [dates_rule(dates, path, reader)] if dates else []


def _each_of(rule: Callable[[Any, str, Reader], Rule]) -> Callable[[Any, str, Reader], list[Rule]]:
    return lambda elements, path, reader: _each(rule, elements, path, reader)


#: Members of `includes` and `excludes` in the order in which excludes are looked at → how they are understood.
KINDS: dict[str, Callable[[Any, str, Reader], list[Rule]]] = {
    "dates": _dates_rules,
    "weekdays": _each_of(weekdays_rule),
    "monthdays": _each_of(monthdays_rule),
    "ultimos": _each_of(ultimos_rule),
    "holidays": _each_of(holidays_rule),
    "repetitions": _each_of(course),
    "months": _each_of(months_rule),
}


def rules_of(frequencies: Frequencies, kind: str, path: str, reader: Reader) -> list[Rule]:
    """The rules of one member of `includes` or `excludes`; `path` is that of the whole."""
    return KINDS[kind](getattr(frequencies, kind), f"{path}.{kind}", reader)
