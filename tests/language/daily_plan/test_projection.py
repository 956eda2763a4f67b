"""A projection over many days is each day planned afresh, lazily, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from stellwerk.language.calendars import read_calendar, time_of_day
from stellwerk.language.daily_plan import Calendars, DailyPlan, Schedule, read_schedule

_DAY = timedelta(days=1)
CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "conformance" / "data" / "schedule-dev.jsonl").read_text().splitlines()
]


def calendars(case: dict[str, Any]) -> Calendars:
    return Calendars(
        {name: read_calendar(content) for name, content in case["workingDayCalendars"].items()},
        {name: read_calendar(content) for name, content in case.get("nonWorkingDayCalendars", {}).items()},
    )


def test_days_planned_one_after_the_other_are_days_planned_afresh() -> None:
    """Whatever has been asked for before, in whichever order, with calendars that many schedules share."""
    for case in CASES[::3]:
        first, period_begin = date.fromisoformat(case["from"]), time_of_day(case["periodBegin"])
        last = first + timedelta(days=40)
        schedule = read_schedule(case["schedule"])
        together = DailyPlan([schedule, schedule], calendars(case), period_begin)
        backwards = [first + timedelta(days=number) for number in range(40, -1, -1)]
        afresh = {day: list(DailyPlan([schedule], calendars(case), period_begin).day(day)) for day in backwards}
        found = list(together.days(first, last))
        assert [planned.date for planned in found] == sorted(backwards * 2)
        for planned in found:
            assert [planned] == afresh[planned.date], case["id"]


def test_a_projection_computes_days_only_as_it_is_read() -> None:
    """Asking for a thousand years of a cycle each second costs what the first of its days costs."""
    case = {"workingDayCalendars": {"Days": _every_day()}}
    plan = DailyPlan([_schedule(0, "00:00:01"), _schedule(1, "01:00:00")], calendars(case))
    days = plan.days(date(2027, 1, 1), date(3027, 1, 1))
    assert [len(next(days).orders) for _ in range(3)] == [86_400, 24, 86_400]


def test_memory_does_not_grow_with_days() -> None:
    case = {"workingDayCalendars": {"Days": _every_day()}}
    schedules = [_schedule(number, "00:10:00") for number in range(20)]
    plan = DailyPlan(schedules, calendars(case))

    def peak(days: int) -> int:
        tracemalloc.start()
        count = sum(len(planned.orders) for planned in plan.days(date(2027, 1, 1), date(2027, 1, 1) + days * _DAY))
        assert count == 20 * 144 * (days + 1)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    few = peak(5)
    # A day's orders are about a hundred times what is kept of a day, its calendar's and its clock's.
    assert peak(50) < 2 * few


def _every_day() -> dict[str, Any]:
    return {"type": "WORKINGDAYSCALENDAR", "includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}


def _schedule(number: int, repeat: str) -> Schedule:
    return read_schedule(
        {
            "path": f"/{number}",
            "workflowNames": ["W"],
            "calendars": [{"calendarName": "Days", "periods": [{"repeat": repeat}]}],
        }
    )
