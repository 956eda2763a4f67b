"""Whatever people store: nothing but a refusal with a place, and the check of an object foresees every refusal."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.calendars import Restrictions, calendar_problems, read_calendar, resolve
from stellwerk.language.daily_plan import Calendars, SchedulePlan, read_schedule, schedule_problems
from stellwerk.language.reader import Reader, ReadError

DAY = date(2027, 2, 15)


def optional(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


texts = st.sampled_from(["2027-02-10", "2027-02-28", "1999-12-31", "0001-01-01", "9999-12-31", "", "2027-02-30", "x"])
numbers = st.lists(st.integers(-1, 32) | st.just(10**30), max_size=3)
ends = {"from": texts, "to": texts}
weekdays = optional({"days": numbers, **ends})
weekly_days = st.lists(
    st.fixed_dictionaries({"day": st.integers(-1, 8), "weekOfMonth": st.integers(-1, 6)}), max_size=2
)
monthdays = optional({"days": numbers, "weeklyDays": weekly_days, **ends})
kinds = st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
repetitions = optional({"repetition": kinds, "step": st.sampled_from([-1, 0, 1, 2, 13, 10**30]), **ends})


def few(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, max_size=2)


parts = {
    "weekdays": few(weekdays),
    "monthdays": few(monthdays),
    "ultimos": few(monthdays),
    "repetitions": few(repetitions),
}
frequencies = optional(
    {
        "dates": few(texts),
        "holidays": few(optional({"dates": few(texts), "nationalCalendar": st.just("DE")})),
        "months": few(optional({"months": numbers, **parts, **ends})),
        **parts,
    }
)
calendars = optional({"includes": frequencies, "excludes": frequencies, **ends})
times = st.sampled_from(["", "08", "08:15", "23:59:59", "24:00", "00:30:00", "30", "7", "7:30", "+5", "x", "25:00"])
periods = optional({"singleStart": times, "begin": times, "end": times, "repeat": times})


@settings(max_examples=300, deadline=None)
@given(calendar=calendars, restriction=frequencies)
def test_the_check_of_a_calendar_foresees_every_refusal(calendar: dict[str, Any], restriction: dict[str, Any]) -> None:
    reader = Reader()
    restrictions = reader.result(reader.read(Restrictions, {"includes": restriction}, "$"))
    problems = [*calendar_problems(calendar), *calendar_problems({"includes": restriction})]
    try:
        found = resolve(read_calendar(calendar), "2027-02-01", "2027-03-15", today=DAY, restrictions=restrictions)
    except ReadError as error:
        assert {str(item) for item in error.problems} <= {str(item) for item in problems}
    else:
        assert list(found.dates) == sorted(set(found.dates))


@settings(max_examples=200, deadline=None)
@given(calendar=calendars, restriction=frequencies, some_periods=st.lists(periods, max_size=3))
def test_the_check_of_a_schedule_foresees_every_refusal(
    calendar: dict[str, Any], restriction: dict[str, Any], some_periods: list[dict[str, Any]]
) -> None:
    schedule = {
        "workflowNames": ["W"],
        "calendars": [{"calendarName": "Days", "includes": restriction, "periods": some_periods}],
    }
    plan = SchedulePlan(read_schedule(schedule), Calendars({"Days": read_calendar(calendar)}, {}))
    problems = plan.day(DAY, 0).problems
    known = {str(item) for item in schedule_problems(schedule)}
    known |= {f"Days:{item}" for item in calendar_problems(calendar)}
    assert {str(item) for item in problems} <= known


def test_the_number_of_days_is_limited() -> None:
    """So that one question cannot keep a Cockpit busy."""
    calendar = read_calendar({"includes": {"dates": ["2027-01-01"]}})
    with pytest.raises(ReadError, match="400 years"):
        resolve(calendar, "2027-01-01", "9999-12-31", today=DAY)
    assert len(resolve(calendar, "2027-01-01", "2426-12-31", today=DAY).dates) == 1
