"""The example of docs/reference/calendars.md gives what the page says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

from stellwerk.language.calendars import calendar_problems, read_calendar
from stellwerk.language.daily_plan import Calendars, DailyPlan, read_schedule, schedule_problems

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "calendars.md"


def test_the_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    workdays, holidays, schedule = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    [expected] = re.findall(r"```\n(2027.*?)```", text, re.DOTALL)
    assert [*calendar_problems(workdays), *calendar_problems(holidays), *schedule_problems(schedule)] == []
    calendars = Calendars({"Workdays": read_calendar(workdays)}, {"Holidays": read_calendar(holidays)})
    starts: dict[str, list[str]] = defaultdict(list)
    for planned in DailyPlan([read_schedule(schedule)], calendars).days(date(2027, 3, 20), date(2027, 4, 11)):
        for order in planned.orders:
            starts[planned.date.isoformat()].append(f"{datetime.fromtimestamp(order.scheduled_for / 1000, UTC):%H:%M}")
    assert [" ".join((day, *times)) for day, times in starts.items()] == expected.split("\n")[:-1]
