"""Calendars as they stand in the inventory (services spec 3.1).

Structs hold what a person has stored: dates and times of day stay text, and members may be absent. What they mean is
worked out, and so possibly refused, only when it is looked at (`rules`, `wall_times`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

CalendarType = Literal["WORKINGDAYSCALENDAR", "NONWORKINGDAYSCALENDAR"]


class _Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class _Limited(_Member, frozen=True, kw_only=True):
    """Counts from `from` to `to`, both included, `YYYY-MM-DD`."""

    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None


class Weekdays(_Limited, frozen=True, kw_only=True):
    #: 0 = Sunday … 6 = Saturday; 7 is Sunday, too.
    days: tuple[int, ...] = ()


class WeeklyDay(_Member, frozen=True, kw_only=True):
    """The `week_of_month`-th such weekday, 0 = Sunday … 6 = Saturday, of the month."""

    day: int
    week_of_month: int


class Monthdays(_Limited, frozen=True, kw_only=True):
    """Counted from the beginning of the month, and in `ultimos` from its end; 1 is the first or the last day."""

    days: tuple[int, ...] = ()
    weekly_days: tuple[WeeklyDay, ...] = ()


class Repetition(_Limited, frozen=True, kw_only=True):
    """From the day `from` on, each `step`-th day, week, month or year."""

    repetition: Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] | None = None
    step: int = 1


class Months(_Limited, frozen=True, kw_only=True):
    """In these months (1 to 12) only."""

    months: tuple[int, ...] = ()
    weekdays: tuple[Weekdays, ...] = ()
    monthdays: tuple[Monthdays, ...] = ()
    ultimos: tuple[Monthdays, ...] = ()
    repetitions: tuple[Repetition, ...] = ()


class Holidays(_Member, frozen=True, kw_only=True):
    """`national_calendar` tells where the dates were taken from, and has no effect."""

    national_calendar: str | None = None
    dates: tuple[str, ...] = ()


class Frequencies(_Member, frozen=True, kw_only=True):
    """Days, by any of these elements."""

    dates: tuple[str, ...] = ()
    weekdays: tuple[Weekdays, ...] = ()
    monthdays: tuple[Monthdays, ...] = ()
    ultimos: tuple[Monthdays, ...] = ()
    months: tuple[Months, ...] = ()
    holidays: tuple[Holidays, ...] = ()
    repetitions: tuple[Repetition, ...] = ()


class Excludes(Frequencies, frozen=True, kw_only=True):
    #: Names of calendars.
    non_working_day_calendars: tuple[str, ...] = ()


class Calendar(_Limited, frozen=True, kw_only=True):
    """Days on which schedules may start, or days off; `from` and `to` are its validity."""

    #: Of the object that holds it; the Cockpit sets it at every store.
    type: CalendarType | None = None
    title: str | None = None
    documentation_name: str | None = None
    includes: Frequencies = Frequencies()
    excludes: Excludes = Excludes()


class Restrictions(_Member, frozen=True, kw_only=True):
    """What a schedule's assignment of a calendar adds to it (services spec 3.3).

    Of `excludes` only `non_working_day_calendars` counts.
    """

    includes: Frequencies = Frequencies()
    excludes: Excludes = Excludes()


class Period(_Member, frozen=True, kw_only=True):
    """When orders start on a day: at `single_start`; from `begin` until before `end` each `repeat` (spec 3.4)."""

    single_start: str | None = None
    begin: str | None = None
    end: str | None = None
    repeat: str | None = None
    when_holiday: Literal["SUPPRESS", "IGNORE", "NEXTNONWORKINGDAY", "PREVIOUSNONWORKINGDAY"] | None = None
