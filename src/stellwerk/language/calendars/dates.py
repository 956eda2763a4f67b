"""The dates of a calendar: `includes` less `excludes` (services spec 3.2).

Whether a day belongs to a calendar does not depend on the days that are asked for with it. A calendar may hold things
that are refused, and they are refused where they are looked at: `includes` always, each kind of `excludes` for days
that those before it have left over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from stellwerk.language.calendars.days import Day, Span, days_of_month
from stellwerk.language.calendars.model import Calendar, Frequencies
from stellwerk.language.calendars.rules import KINDS, Rule, rules_of, span
from stellwerk.language.reader import Reader

Rules = tuple[Rule, ...]
#: A calendar's rules → those that count.
Adaptation = Callable[[Rules], Rules]


class _Kinds:
    """Members of `includes` or `excludes`, understood when they are looked at."""

    def __init__(self, frequencies: Frequencies, kinds: Sequence[str], path: str, adapt: Adaptation) -> None:
        self._frequencies = frequencies
        self._kinds = kinds
        self._path = path
        self._adapt = adapt

    @cached_property
    def _rules(self) -> Rules:
        reader = Reader()
        found = [rule for kind in self._kinds for rule in rules_of(self._frequencies, kind, self._path, reader)]
        reader.result(None)
        return self._adapt(tuple(found))

    def match(self, day: Day) -> bool:
        """Raises `ReadError`."""
        return any(rule.matches(day) for rule in self._rules)


def unchanged(rules: Rules) -> Rules:
    return rules


class CalendarDates:
    """One calendar. Methods raise `ReadError` where something that they look at is refused.

    `non_working_day_calendars`: those that `excludes` may name; `further_excludes`: names of more that are excluded.
    The nested `excludes.nonWorkingDayCalendars` of those are not followed. `root` begins the paths of problems.
    """

    def __init__(
        self,
        calendar: Calendar,
        non_working_day_calendars: Mapping[str, CalendarDates],
        further_excludes: Sequence[str] = (),
        adapt: Adaptation = unchanged,
        root: str = "$",
    ) -> None:
        excludes = calendar.excludes
        self._root = root
        self._calendar = calendar
        self._others = non_working_day_calendars
        self._names = tuple(dict.fromkeys((*excludes.non_working_day_calendars, *further_excludes)))
        self._includes = _Kinds(calendar.includes, tuple(KINDS), f"{root}.includes", adapt)
        self._excludes = [
            _Kinds(excludes, (kind,), f"{root}.excludes", adapt) for kind in KINDS if getattr(excludes, kind)
        ]
        self._known: dict[int, bool] = {}
        self._months: dict[int, tuple[int, ...]] = {}

    @property
    def has_end(self) -> bool:
        return bool(self._calendar.to)

    @cached_property
    def validity(self) -> Span:
        reader = Reader()
        found = span(self._calendar, self._root, reader)
        reader.result(None)
        return found

    @cached_property
    def _excluding(self) -> list[CalendarDates]:
        if not self._others:
            return []
        reader = Reader()
        for name in self._names:
            if name not in self._others:
                path = f"{self._root}.excludes.nonWorkingDayCalendars"
                reader.problem(path, f"there is no calendar {name!r}", "release it first")
        reader.result(None)
        return [self._others[name] for name in self._names]

    def includes(self, day: Day) -> bool:
        """Excluded or not."""
        return self._includes.match(day)

    def has(self, day: Day) -> bool:
        """Without regard to the calendar's validity."""
        known = self._known.get(day.ordinal)
        if known is None:
            known = self._known[day.ordinal] = self._has(day)
        return known

    def _has(self, day: Day) -> bool:
        return self._includes.match(day) and not self._is_excluded(day)

    def _is_excluded(self, day: Day) -> bool:
        if any(other.has_valid(day) for other in self._excluding):
            return True
        return any(kind.match(day) for kind in self._excludes)

    def has_valid(self, day: Day) -> bool:
        return self.validity.covers(day.ordinal) and self.has(day)

    def month(self, index: int) -> tuple[int, ...]:
        """All dates of a month as ordinals, without regard to the calendar's validity."""
        found = self._months.get(index)
        if found is None:
            # Counts may go far back: days are not kept besides.
            found = self._months[index] = tuple(day.ordinal for day in days_of_month(index) if self._has(day))
        return found
