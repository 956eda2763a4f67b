"""Calendars and periods of the Cockpit: to dates and to start times (services spec 3). Pure.

They are part of the language because people write them and the Cockpit, the command line and help for authors must
understand them alike. Local time is that of `stellwerk.language.schedules`.
"""

from stellwerk.language.calendars.dates import CalendarDates
from stellwerk.language.calendars.days import Day, Span, day_of, parse_date
from stellwerk.language.calendars.model import Calendar, Excludes, Frequencies, Period, Restrictions
from stellwerk.language.calendars.periods import StartTimes, Wall, check_periods
from stellwerk.language.calendars.resolution import (
    Resolution,
    calendar_problems,
    check_frequencies,
    read_calendar,
    resolve,
)
from stellwerk.language.calendars.restrictions import BaseDates, RestrictedDates
from stellwerk.language.calendars.wall_times import time_of_day

__all__ = [
    "BaseDates",
    "Calendar",
    "CalendarDates",
    "Day",
    "Excludes",
    "Frequencies",
    "Period",
    "Resolution",
    "RestrictedDates",
    "Restrictions",
    "Span",
    "StartTimes",
    "Wall",
    "calendar_problems",
    "check_frequencies",
    "check_periods",
    "day_of",
    "parse_date",
    "read_calendar",
    "resolve",
    "time_of_day",
]
