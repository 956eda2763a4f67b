"""Calendars, restrictions and periods against a second, plain computation with `datetime`: day by day, step by step."""

from __future__ import annotations

import calendar
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.calendars import Period, Restrictions, StartTimes, read_calendar, resolve
from stellwerk.language.reader import Reader

ONE = timedelta(days=1)
FIRST, LAST = date(2026, 1, 1), date(2029, 12, 31)
#: No interval reaches further.
END = date(2030, 12, 31)


def read(type_: Any, value: Any) -> Any:
    reader = Reader()
    return reader.result(reader.read(type_, value, "$"))


def dates(calendar: dict[str, Any], first: date, last: date, restriction: dict[str, Any] | None = None) -> list[date]:
    restrictions = read(Restrictions, {"includes": restriction or {}})
    content = read_calendar({"type": "WORKINGDAYSCALENDAR", **calendar})
    return list(resolve(content, str(first), str(last), today=FIRST, restrictions=restrictions).dates)


# --- the plain computation ---


def length_of_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def later_by_months(day: date, months: int, wanted_day: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    # A day that was cut stays cut, until a month has the wanted one.
    fits = wanted_day <= length_of_month(first)
    return first.replace(day=wanted_day if fits else min(day.day, length_of_month(first)))


def course(repetition: dict[str, Any]) -> Iterator[date]:
    """Step by step from the anchor on."""
    day = anchor = date.fromisoformat(repetition["from"])
    step = repetition.get("step", 1)
    end = date.fromisoformat(repetition.get("to", "9000-01-01"))
    while day <= min(end, END):
        yield day
        match repetition["repetition"]:
            case "DAILY":
                day += step * ONE
            case "WEEKLY":
                day += step * 7 * ONE
            case "MONTHLY":
                day = later_by_months(day, step, anchor.day)
            case "YEARLY":
                day = later_by_months(day, 12 * step, anchor.day)


def is_in_span(element: dict[str, Any], day: date) -> bool:
    first, last = element.get("from", "0001-01-01"), element.get("to", "9999-12-31")
    return bool(first <= str(day) <= last)


def matches(kind: str, element: dict[str, Any], day: date) -> bool:
    weekday = day.isoweekday() % 7
    if not is_in_span(element, day):
        return False
    match kind:
        case "weekdays":
            return weekday in element["days"]
        case "monthdays" | "ultimos":
            number = day.day if kind == "monthdays" else length_of_month(day) - day.day + 1
            week = -(-number // 7)
            is_weekly = any(weekday == item["day"] and week == item["weekOfMonth"] for item in element["weeklyDays"])
            return is_weekly or number in element["days"]
    return day in set(course(element))


def plain_dates(calendar: dict[str, Any], first: date, last: date) -> list[date]:
    days = [first + number * ONE for number in range((last - first).days + 1)]
    return [
        day
        for day in days
        if is_in_span(calendar, day)
        and any(matches(kind, item, day) for kind, items in calendar["includes"].items() for item in items)
        and not any(matches(kind, item, day) for kind, items in calendar["excludes"].items() for item in items)
    ]


# --- what is tried ---

days = st.dates(FIRST, LAST)


@st.composite
def spans(draw: st.DrawFn) -> dict[str, str]:
    ends = {"from": draw(st.none() | days), "to": draw(st.none() | days)}
    return {name: str(day) for name, day in ends.items() if day is not None}


numbers = st.lists(st.integers(1, 31), max_size=4)
weekly_days = st.lists(st.fixed_dictionaries({"day": st.integers(0, 6), "weekOfMonth": st.integers(1, 5)}), max_size=2)
weekdays = st.fixed_dictionaries({"days": st.lists(st.integers(0, 6), min_size=1, max_size=5)})
monthdays = st.fixed_dictionaries({"days": numbers, "weeklyDays": weekly_days})
month_ends = st.sampled_from([date(2026, 1, 31), date(2026, 1, 29), date(2026, 1, 30), date(2028, 2, 29)])
repetitions = st.builds(
    lambda anchor, kind, step, span: {"repetition": kind, "step": step, **span, "from": str(anchor)},
    st.dates(date(2024, 1, 1), LAST) | month_ends,
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 14),
    spans(),
)


def limited(elements: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.builds(lambda element, span: {**element, **span}, elements, spans()), max_size=2)


frequencies = st.fixed_dictionaries(
    {
        "weekdays": limited(weekdays),
        "monthdays": limited(monthdays),
        "ultimos": limited(monthdays),
        "repetitions": st.lists(repetitions, max_size=2),
    }
)


@settings(max_examples=150, deadline=None)
@given(includes=frequencies, excludes=frequencies, validity=spans(), first=days, length=st.integers(0, 200))
def test_calendar(
    includes: dict[str, Any], excludes: dict[str, Any], validity: dict[str, str], first: date, length: int
) -> None:
    calendar = {"includes": includes, "excludes": excludes, **validity}
    last = first + length * ONE
    assert dates(calendar, first, last) == plain_dates(calendar, first, last)


@settings(max_examples=100, deadline=None)
@given(base=weekdays, excluded=limited(monthdays), restriction=monthdays, first=days, length=st.integers(0, 70))
def test_restriction_by_number_in_the_month(
    base: dict[str, Any], excluded: list[dict[str, Any]], restriction: dict[str, Any], first: date, length: int
) -> None:
    """Of whole months, whatever part of them is asked for."""
    calendar = {"includes": {"weekdays": [base]}, "excludes": {"monthdays": excluded}}
    last = first + length * ONE
    whole = plain_dates(calendar, first.replace(day=1), last.replace(day=length_of_month(last)))

    def expected(kind: str) -> list[date]:
        found = []
        for day in whole:
            month = [other for other in whole if (other.year, other.month) == (day.year, day.month)]
            number = month.index(day) + 1 if kind == "monthdays" else len(month) - month.index(day)
            is_weekly = matches(kind, {**restriction, "days": []}, day)
            if first <= day <= last and (is_weekly or number in restriction["days"]):
                found.append(day)
        return found

    assert dates(calendar, first, last, {"monthdays": [restriction]}) == expected("monthdays")
    assert dates(calendar, first, last, {"ultimos": [restriction]}) == expected("ultimos")


@settings(max_examples=100, deadline=None)
@given(base=weekdays, restriction=repetitions, first=days, length=st.integers(0, 200))
def test_restriction_by_repetition(base: dict[str, Any], restriction: dict[str, Any], first: date, length: int) -> None:
    calendar = {"includes": {"weekdays": [base]}, "excludes": {}}
    last = first + length * ONE
    anchor = date.fromisoformat(restriction["from"])
    from_anchor = plain_dates(calendar, anchor, last)
    step = restriction["step"]
    if restriction["repetition"] == "DAILY":
        selected = from_anchor[::step]
    elif restriction["repetition"] == "WEEKLY":
        weeks: dict[int, date] = {}
        for day in from_anchor:
            weeks.setdefault((day - anchor).days // 7, day)
        selected = [day for week, day in weeks.items() if week % step == 0]
    else:
        months = step if restriction["repetition"] == "MONTHLY" else 12 * step
        is_month_end = anchor.day == length_of_month(anchor)
        found: dict[int, date] = {}
        for day in from_anchor:
            distance = (day.year - anchor.year) * 12 + day.month - anchor.month
            if distance % months == 0 and day.day >= (length_of_month(day) if is_month_end else anchor.day):
                found.setdefault(distance, day)
        selected = list(found.values())
    expected = [
        day for day in plain_dates(calendar, first, last) if not is_in_span(restriction, day) or day in selected
    ]
    assert dates(calendar, first, last, {"repetitions": [restriction]}) == expected


# --- periods ---

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
changes = st.sampled_from(
    [date(2027, 3, 28), date(2027, 10, 31), date(2027, 3, 14), date(2027, 11, 7), date(2027, 4, 4), date(2027, 10, 3)]
)
walls = st.integers(0, 86_399)


def text(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def placed(day: date, seconds: int, zone: ZoneInfo) -> datetime:
    """With `fold=0` Python moves a time that the clock leaps over like Java, and takes the first of a doubled hour."""
    wall = datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)
    return wall.replace(tzinfo=zone).astimezone(UTC)


@settings(max_examples=200, deadline=None)
@given(
    day=changes | days,
    zone_name=st.sampled_from(ZONES),
    single=walls,
    begin=walls,
    end=st.integers(1, 86_400),
    repeat=st.integers(60, 20_000),
)
def test_periods_of_a_whole_day(day: date, zone_name: str, single: int, begin: int, end: int, repeat: int) -> None:
    zone = ZoneInfo(zone_name)
    shown = {single}
    at = placed(day, begin, zone)
    while at < placed(day, end, zone):
        local = at.astimezone(zone)
        shown.add(local.hour * 3600 + local.minute * 60 + local.second)
        at += timedelta(seconds=repeat)
    expected = sorted({int(placed(day, seconds, zone).timestamp()) * 1000 for seconds in shown})
    periods = [
        {"singleStart": text(single)},
        {"begin": text(begin), "end": text(end), "repeat": text(repeat)},
    ]
    times = StartTimes(read(tuple[Period, ...], periods))
    assert sorted(times.instants(zone_name, day.toordinal(), [day.toordinal()], 0)) == expected


@settings(max_examples=200, deadline=None)
@given(day=changes | days, zone=st.sampled_from(ZONES), single=walls, begin=walls)
def test_each_wall_time_starts_once_on_each_plan_day(day: date, zone: str, single: int, begin: int) -> None:
    """Whenever the plan's day begins: between two begins, and never twice over consecutive days."""
    times = StartTimes(read(tuple[Period, ...], [{"singleStart": text(single)}]))
    starts: list[int] = []
    for number in range(3):
        ordinal = day.toordinal() + number
        found = list(times.instants(zone, ordinal, [ordinal], begin))
        assert len(found) == 1
        starts += found
    assert starts == sorted(set(starts))
    assert all(later - earlier > 22 * 3_600_000 for earlier, later in itertools.pairwise(starts))
