"""The calendars that schedules refer to by name: each is understood once, whoever asks (services spec 4.5)."""

from __future__ import annotations

from collections.abc import Mapping

from stellwerk.language.calendars import BaseDates, Calendar, CalendarDates, day_of
from stellwerk.values.problems import ProblemError


class DaysOff:
    """The union of non-working-day calendars."""

    def __init__(self, calendars: tuple[CalendarDates, ...]) -> None:
        self._calendars = calendars
        self._known: dict[int, bool] = {}

    def has(self, ordinal: int) -> bool:
        """Raises `ReadError` where a calendar is refused."""
        known = self._known.get(ordinal)
        if known is None:
            day = day_of(ordinal)
            known = self._known[ordinal] = any(calendar.has_valid(day) for calendar in self._calendars)
        return known


class Calendars:
    """Released calendars by name."""

    def __init__(
        self, working_day_calendars: Mapping[str, Calendar], non_working_day_calendars: Mapping[str, Calendar]
    ) -> None:
        self._working = working_day_calendars
        self._non_working = {
            name: CalendarDates(calendar, {}, root=f"{name}:$") for name, calendar in non_working_day_calendars.items()
        }
        self._bases: dict[tuple[str, tuple[str, ...]], BaseDates] = {}
        self._days_off: dict[tuple[str, ...], DaysOff] = {}

    def base(self, name: str, further_excludes: tuple[str, ...]) -> BaseDates:
        """Raises `ProblemError` if the calendar or one of those that it excludes is unknown.

        The calendar's own `from` and `to` do not count in a plan.
        """
        key = (name, further_excludes)
        known = self._bases.get(key)
        if known is None:
            calendar = self._working.get(name)
            if calendar is None:
                raise ProblemError(f"there is no released working-day calendar {name!r}")
            for excluded in (*calendar.excludes.non_working_day_calendars, *further_excludes):
                if excluded not in self._non_working:
                    raise ProblemError(f"there is no released non-working-day calendar {excluded!r}")
            known = self._bases[key] = BaseDates(calendar, self._non_working, further_excludes, f"{name}:$")
        return known

    def days_off(self, names: tuple[str, ...]) -> DaysOff:
        """Unknown names are ignored."""
        known = self._days_off.get(names)
        if known is None:
            found = tuple(self._non_working[name] for name in names if name in self._non_working)
            known = self._days_off[names] = DaysOff(found)
        return known
