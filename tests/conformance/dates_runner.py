"""Runs one vector of `data/calendar*.jsonl`, `data/period*.jsonl` or `data/schedule*.jsonl` (data/README.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from stellwerk.language.calendars import (
    Period,
    Restrictions,
    StartTimes,
    parse_date,
    read_calendar,
    resolve,
    time_of_day,
)
from stellwerk.language.daily_plan import Calendars, SchedulePlan, read_schedule
from stellwerk.language.reader import Reader
from stellwerk.values.problems import ProblemError

Case = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read(type_: Any, value: Any) -> Any:
    reader = Reader()
    return reader.result(reader.read(type_, value, "$"))


def _shown(instant: int) -> str:
    return (_EPOCH + timedelta(milliseconds=instant)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compared(actual: Any, expected: Any) -> str | None:
    return None if actual == expected else f"expected {expected}, but it is {actual}"


def run_calendar(case: Case) -> str | None:
    """None if all is as expected, else the difference."""
    others = case.get("nonWorkingDayCalendars", {})
    actual: Any
    try:
        found = resolve(
            read_calendar(case["calendar"]),
            case["from"],
            case.get("to"),
            today=date(2026, 1, 1),
            non_working_day_calendars={name: read_calendar(other) for name, other in others.items()},
            restrictions=_read(Restrictions, case.get("restrictions", {})),
        )
        actual = [day.isoformat() for day in found.dates]
    except ProblemError:
        actual = "error"
    return _compared(actual, "error" if "error" in case else case["dates"])


def run_period(case: Case) -> str | None:
    actual: Any
    try:
        times = StartTimes(_read(tuple[Period, ...], case["periods"]))
        dates = [parse_date(text) for text in case["calendarDates"]]
        plan_date, period_begin = parse_date(case["dailyPlanDate"]), time_of_day(case["periodBegin"])
        actual = [_shown(at) for at in sorted(times.instants(case["timeZone"], plan_date, dates, period_begin))]
    except ProblemError:
        actual = "error"
    return _compared(actual, "error" if "error" in case else case["startTimes"])


def run_schedule(case: Case) -> str | None:
    calendars = Calendars(
        {name: read_calendar(calendar) for name, calendar in case["workingDayCalendars"].items()},
        {name: read_calendar(calendar) for name, calendar in case.get("nonWorkingDayCalendars", {}).items()},
    )
    plan = SchedulePlan(read_schedule(case["schedule"]), calendars)
    period_begin = time_of_day(case["periodBegin"])
    actual = []
    for ordinal in range(parse_date(case["from"]), parse_date(case["to"]) + 1):
        planned = plan.day(date.fromordinal(ordinal), period_begin)
        orders = [
            [_shown(order.scheduled_for), "C" if order.is_cyclic else "P", order.workflow, order.order_name]
            for order in planned.orders
        ]
        if orders:
            actual.append({"date": planned.date.isoformat(), "orders": orders})
    return _compared(actual, case["days"])
