"""An assignment of a calendar to the starts of a day: restrictions, `whenHoliday`, periods (services spec 3.5)."""

from __future__ import annotations

from collections.abc import Callable

from stellwerk.language.calendars import RestrictedDates, Span, StartTimes, Wall, day_of
from stellwerk.language.daily_plan.registry import Calendars, DaysOff
from stellwerk.language.daily_plan.schedule import DEFAULT_TIME_ZONE, Assignment

#: How far away from the planned day starts are moved.
_WINDOW_DAYS = 7
#: Despite their names: to the next or the previous working day.
_NEXT, _PREVIOUS = "NEXTNONWORKINGDAY", "PREVIOUSNONWORKINGDAY"
#: What keeps a start off a non-working day.
_KEEPS_OFF = frozenset({"SUPPRESS", _NEXT, _PREVIOUS})


class AssignmentPlan:
    """Plans every day afresh. Methods raise `ProblemError` where something that they look at is refused."""

    def __init__(self, assignment: Assignment, calendars: Calendars, days_off: DaysOff, path: str) -> None:
        base = calendars.base(assignment.calendar_name, assignment.excludes.non_working_day_calendars)
        self._dates = RestrictedDates(base, assignment.includes, f"{path}.includes")
        self._days_off = days_off
        self._zone = assignment.time_zone or DEFAULT_TIME_ZONE
        self._starts = StartTimes(assignment.periods, f"{path}.periods")
        used = {period.when_holiday for period in assignment.periods}
        #: Kinds of moving that the periods use, and whether starts are moved to a day.
        self._movements: list[tuple[str, Callable[[int], bool]]] = [
            (when, is_moved_to)
            for when, is_moved_to in ((_NEXT, self._is_after_block), (_PREVIOUS, self._is_before_block))
            if when in used
        ]
        #: Only these start on a day that starts are moved to.
        self._moved = {
            kinds: StartTimes([period for period in assignment.periods if period.when_holiday in kinds])
            for kinds in (frozenset({_NEXT}), frozenset({_PREVIOUS}), frozenset({_NEXT, _PREVIOUS}))
            if kinds <= used
        }

    def starts(self, plan_date: int, period_begin: int) -> dict[int, Wall]:
        """Instant (milliseconds since the epoch) → wall time and period, of a plan's day."""
        if self._dates.has(day_of(plan_date), Span(plan_date, plan_date)):
            found = self._starts.instants(self._zone, plan_date, (plan_date,), period_begin)
            if self._days_off.has(plan_date):
                return {at: wall for at, wall in found.items() if wall.period.when_holiday not in _KEEPS_OFF}
            return found
        moved = frozenset(when for when, is_moved_to in self._movements if is_moved_to(plan_date))
        return self._moved[moved].instants(self._zone, plan_date, (plan_date,), period_begin) if moved else {}

    def _is_after_block(self, day: int) -> bool:
        """Whether a block of non-working days ends the day before, and the calendar has a date in it."""
        if self._days_off.has(day):
            return False
        window = Span(day - _WINDOW_DAYS, day)
        first = day
        while first > window.first and self._days_off.has(first - 1):
            first -= 1
        return first < day and self._has_any(Span(first, day), window)

    def _is_before_block(self, day: int) -> bool:
        """Whether a block begins the day after, and the calendar has a date in it."""
        if self._days_off.has(day):
            return False
        window = Span(day, day + _WINDOW_DAYS)
        last = day
        while last < window.last and self._days_off.has(last + 1):
            last += 1
        return last > day and self._has_any(Span(day, last), window)

    def _has_any(self, span: Span, window: Span) -> bool:
        return any(self._dates.has(day_of(ordinal), window) for ordinal in range(span.first, span.last + 1))
