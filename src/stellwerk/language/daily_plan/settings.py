"""Which days are planned and submitted, and when (services spec 4.3 and 4.4). Pure: who asks says what time it is."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property

import msgspec

from stellwerk.language.calendars import time_of_day
from stellwerk.language.calendars.days import month_index, month_length
from stellwerk.language.calendars.local_days import LocalDay
from stellwerk.language.calendars.wall_times import DAY_SECONDS
from stellwerk.language.schedules.local_time import local_date, time_zone, to_local

_HALF_AN_HOUR = 1800


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Section `dailyplan` of the settings. Names are those of the settings."""

    time_zone: str = "Etc/UTC"
    #: Wall time at which the day of the plan begins, in the time zone of each assignment.
    period_begin: str = "00:00:00"
    #: Wall time in `time_zone` of the service's daily run; empty: half an hour before `period_begin`.
    start_time: str = ""
    #: 0 switches the service off.
    days_ahead_plan: int = 7
    days_ahead_submit: int = 3
    #: 0: never.
    age_of_plans_to_be_closed_automatically: int = 1
    projections_month_before: int = 2
    projections_month_ahead: int = 6

    @cached_property
    def period_begin_seconds(self) -> int:
        """Raises `ProblemError` if it is no time of day."""
        return time_of_day(self.period_begin or "00")

    @cached_property
    def start_time_seconds(self) -> int:
        """Raises `ProblemError` if it is no time of day."""
        if self.start_time:
            return time_of_day(self.start_time)
        return (self.period_begin_seconds - _HALF_AN_HOUR) % DAY_SECONDS

    def today(self, now_ms: int) -> date:
        """Raises `ProblemError` for an unknown time zone."""
        return local_date(to_local(now_ms, time_zone(self.time_zone)))

    def plan_date(self, instant_ms: int) -> date:
        """The plan that a start at this time belongs to: before `period_begin` it is still that of the day before."""
        local = to_local(instant_ms, time_zone(self.time_zone))
        return local_date(local - self.period_begin_seconds * 1000)

    def bounds(self, day: date) -> tuple[int, int]:
        """When the plan of a date begins and ends in `time_zone`, milliseconds; 23 or 25 hours where clocks change."""
        zone, ordinal = time_zone(self.time_zone), day.toordinal()
        begin, end = (LocalDay(zone, number).instant(self.period_begin_seconds) for number in (ordinal, ordinal + 1))
        return begin, end

    def dates_to_plan(self, now_ms: int) -> list[date]:
        """From tomorrow on."""
        return self._from_tomorrow(now_ms, self.days_ahead_plan)

    def dates_to_submit(self, now_ms: int) -> list[date]:
        return self._from_tomorrow(now_ms, self.days_ahead_submit)

    def _from_tomorrow(self, now_ms: int, count: int) -> list[date]:
        today = self.today(now_ms)
        return [today + timedelta(days=number) for number in range(1, count + 1)]

    def next_run(self, after_ms: int) -> int:
        """The first time after this one at which the service runs, in milliseconds since the epoch."""
        zone = time_zone(self.time_zone)
        today = self.today(after_ms).toordinal()
        runs = (LocalDay(zone, ordinal).instant(self.start_time_seconds) for ordinal in (today, today + 1, today + 2))
        return next(run for run in runs if run > after_ms)

    def oldest_open_plan(self, now_ms: int) -> date | None:
        """Plans of earlier dates are closed; None: none are."""
        age = self.age_of_plans_to_be_closed_automatically
        return self.today(now_ms) - timedelta(days=age - 1) if age > 0 else None

    def projected_dates(self, now_ms: int) -> tuple[date, date]:
        """First and last: from some months before today to the end of a month ahead."""
        today = self.today(now_ms)
        first = _in_month(today, -self.projections_month_before)
        after = _in_month(today.replace(day=1), self.projections_month_ahead + 1)
        return first, after - timedelta(days=1)


def _in_month(day: date, months: int) -> date:
    """That day of the month some months later, or the last one."""
    index = month_index(day.toordinal()) + months
    return date(index // 12, index % 12 + 1, min(day.day, month_length(index)))
