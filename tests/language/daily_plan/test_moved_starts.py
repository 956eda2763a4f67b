"""`whenHoliday` against the table of the specification, written down plainly (services spec 3.5)."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.calendars import read_calendar
from stellwerk.language.daily_plan import Calendars, SchedulePlan, read_schedule

FIRST = date(2027, 10, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(40)]


def block(days: list[date], off: set[date]) -> list[date]:
    """The first run of days that are off, in the order given."""
    found: list[date] = []
    for day in days:
        if day in off:
            found.append(day)
        elif found:
            break
    return found


def starts(when: str | None, day: date, dates: set[date], off: set[date]) -> bool:
    if day in dates:
        return day not in off or when in (None, "IGNORE")
    step = {"NEXTNONWORKINGDAY": -1, "PREVIOUSNONWORKINGDAY": 1}.get(when or "")
    if step is None:
        return False
    # From the day itself away from it: the last block before, or the first block after.
    window = [day + timedelta(days=step * number) for number in range(8)]
    found = block(window, off)
    return bool(found) and found[0] == day + timedelta(days=step) and any(item in dates for item in found)


@settings(max_examples=200, deadline=None)
@given(
    dates=st.sets(st.sampled_from(DAYS)),
    off=st.sets(st.sampled_from(DAYS)) | st.just({day for day in DAYS if day.isoweekday() > 5}),
    when=st.sampled_from([None, "IGNORE", "SUPPRESS", "NEXTNONWORKINGDAY", "PREVIOUSNONWORKINGDAY"]),
)
def test_when_holiday(dates: set[date], off: set[date], when: str | None) -> None:
    calendars = Calendars(
        {"Days": read_calendar({"includes": {"dates": sorted(map(str, dates))}})},
        {"Off": read_calendar({"includes": {"dates": sorted(map(str, off))}})},
    )
    content = {
        "workflowNames": ["W"],
        "calendars": [{"calendarName": "Days", "periods": [{"singleStart": "08:00", "whenHoliday": when}]}],
        "nonWorkingDayCalendars": [{"calendarName": "Off"}],
    }
    plan = SchedulePlan(read_schedule(content), calendars)
    planned = {day for day in DAYS if plan.day(day, 0).orders}
    assert planned == {day for day in DAYS if starts(when, day, dates, off)}
