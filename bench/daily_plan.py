"""CPU time of planning: `bench/daily_plan.py [schedules [days]]` prints one JSON line.

Pure computation, as `stellwerk.language.daily_plan` does it for the daily plan and for projections: 10,000 schedules
with 200 calendars, restrictions, non-working days and cycles in five time zones, for 30 days with a change of the
clock.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from stellwerk.language.calendars import read_calendar
from stellwerk.language.daily_plan import Calendars, DailyPlan, Schedule, read_schedule

FIRST = date(2027, 3, 15)
_ZONES = ("Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
_WHEN = ("SUPPRESS", "IGNORE", "NEXTNONWORKINGDAY", "PREVIOUSNONWORKINGDAY")
_RESTRICTIONS: tuple[dict[str, Any], ...] = (
    {"monthdays": [{"days": [1, 15]}]},
    {"ultimos": [{"days": [1]}]},
    {"weekdays": [{"days": [1, 5]}]},
    {"repetitions": [{"repetition": "DAILY", "step": 3, "from": "2019-01-07"}]},
    {"repetitions": [{"repetition": "MONTHLY", "step": 1, "from": "2024-01-31"}]},
    {"months": [{"months": [3, 6, 9, 12], "ultimos": [{"days": [1, 2, 3]}]}]},
)


def calendar_contents() -> tuple[dict[str, Any], dict[str, Any]]:
    """200 working-day calendars, each less one of 20 calendars of holidays, by name."""
    working: dict[str, Any] = {}
    for index in range(200):
        content: dict[str, Any] = {
            "type": "WORKINGDAYSCALENDAR",
            "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5] if index % 4 else [0, 1, 2, 3, 4, 5, 6]}]},
            "excludes": {"nonWorkingDayCalendars": [f"holidays-{index % 20}"]},
        }
        if index % 5 == 0:
            content["includes"]["repetitions"] = [{"repetition": "WEEKLY", "step": 2, "from": "2020-02-01"}]
        working[f"days-{index}"] = content
    non_working = {
        f"holidays-{index}": {
            "type": "NONWORKINGDAYSCALENDAR",
            "includes": {
                "weekdays": [{"days": [0, 6]}],
                "holidays": [{"dates": [str(FIRST + timedelta(days=index)), "2027-03-26", "2027-03-29"]}],
            },
        }
        for index in range(20)
    }
    return working, non_working


def calendars() -> Calendars:
    """All of them, understood."""
    working, non_working = (
        {name: read_calendar(content) for name, content in contents.items()} for contents in calendar_contents()
    )
    return Calendars(working, non_working)


def schedules(count: int) -> Iterator[Schedule]:
    """All of them, understood."""
    return map(read_schedule, schedule_contents(count))


def schedule_contents(count: int) -> Iterator[dict[str, Any]]:
    """Three of ten are restricted, one of seven is cyclic (each hour or 15 minutes), others start once or twice."""
    for index in range(count):
        start = f"{index % 24:02}:{index % 60:02}:00"
        periods: list[dict[str, Any]] = [{"singleStart": start, "whenHoliday": _WHEN[index % 4]}]
        if index % 7 == 0:
            repeat = "00:15:00" if index % 2 else "01:00:00"
            periods = [{"begin": "06:00:00", "end": "22:00:00", "repeat": repeat, "whenHoliday": "SUPPRESS"}]
        elif index % 3 == 0:
            periods.append({"singleStart": "23:30:00"})
        assignment: dict[str, Any] = {
            "calendarName": f"days-{index % 200}",
            "timeZone": _ZONES[index % 5],
            "periods": periods,
        }
        if index % 10 < 3:
            assignment["includes"] = _RESTRICTIONS[index % 6]
        yield {
            "path": f"/plan/schedule-{index}",
            "workflowNames": [f"workflow-{index}"],
            "calendars": [assignment],
            "nonWorkingDayCalendars": [{"calendarName": f"holidays-{index % 20}"}],
        }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    all_schedules = list(schedules(count))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    plan = DailyPlan(all_schedules, calendars())
    orders = problems = 0
    for planned in plan.days(FIRST, FIRST + timedelta(days=days - 1)):
        orders += len(planned.orders)
        problems += len(planned.problems)
    seconds = time.process_time() - started
    print(
        json.dumps(
            {
                "schedules": count,
                "days": days,
                "orders": orders,
                "problems": problems,
                "cpu_seconds": round(seconds, 3),
                "cpu_us_per_schedule_and_day": round(seconds * 1e6 / count / days, 2),
                "more_memory_mib": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
