"""Admission and cycles against a second, plain computation, and at the changes of the clock (workflow spec 7)."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.reader import Reader
from stellwerk.language.schedules import AdmissionTimeScheme
from stellwerk.language.schedules.cycle import Schedule
from stellwerk.language.schedules.local_time import to_instant, to_local

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
DAY, WEEK = 86_400, 604_800
ORIGIN = date(1970, 1, 1)


def read(value: dict[str, Any], of: Any = AdmissionTimeScheme) -> Any:
    reader = Reader()
    found = reader.read(of, value, "$")
    assert not reader.problems, reader.problems
    return found


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


# --- the plain computation: look at each day ---


def start_of(period: dict[str, Any]) -> int:
    [value] = [value for name, value in period.items() if name not in ("TYPE", "duration")]
    return int(value)


def starts_on(period: dict[str, Any], day: date) -> bool:
    """Does the period start on this date? In words of the calendar, without arithmetic on units."""
    last = calendar.monthrange(day.year, day.month)[1]
    start = start_of(period)
    match period["TYPE"]:
        case "DailyPeriod":
            return True
        case "WeekdayPeriod":
            return day.weekday() == start // DAY
        case "MonthlyDatePeriod":
            return day.day == min(start // DAY + 1, last)
        case "MonthlyLastDatePeriod":
            return last - day.day == -(start // DAY) - 1
        case "MonthlyWeekdayPeriod":
            nth, weekday = divmod(start // DAY, 7)
            return day.weekday() == weekday and (day.day - 1) // 7 == nth
        case "MonthlyLastWeekdayPeriod":
            back, weekday = divmod(start // DAY, 7)
            return day.weekday() == weekday and (last - day.day) // 7 == -back - 1
    return day == ORIGIN + timedelta(seconds=start)


def plain_intervals(periods: list[dict[str, Any]], zone: ZoneInfo, first: date, days: int) -> Iterator[tuple[int, int]]:
    for number in range(days):
        day = first + timedelta(days=number)
        for period in periods:
            if starts_on(period, day):
                local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(seconds=start_of(period) % DAY)
                start = int(local.timestamp() * 1000)
                yield start, start + period["duration"] * 1000


def period_strategy() -> st.SearchStrategy[dict[str, Any]]:
    def kind(name: str, member: str, low: int, high: int, longest: int) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {"TYPE": st.just(name), member: st.integers(low, high), "duration": st.integers(1, longest)}
        )

    return st.one_of(
        kind("DailyPeriod", "secondOfDay", 0, DAY - 1, DAY),
        kind("WeekdayPeriod", "secondOfWeek", 0, WEEK - 1, WEEK),
        kind("MonthlyDatePeriod", "secondOfMonth", 0, 31 * DAY - 1, 20 * DAY),
        kind("MonthlyLastDatePeriod", "lastSecondOfMonth", -28 * DAY + 1, -1, 20 * DAY),
        kind("MonthlyWeekdayPeriod", "secondOfWeeks", 0, 4 * WEEK - 1, 20 * DAY),
        kind("MonthlyLastWeekdayPeriod", "secondOfWeeks", -4 * WEEK + 1, -1, 20 * DAY),
        kind("SpecificDatePeriod", "secondsSinceLocalEpoch", 1_767_225_600, 1_798_761_600, 90 * DAY),
    )


@settings(max_examples=200, deadline=None)
@given(
    periods=st.lists(period_strategy(), min_size=1, max_size=3),
    zone_name=st.sampled_from(ZONES),
    at=st.integers(1_767_225_600, 1_798_761_600),
)
def test_admission_is_what_looking_at_each_day_finds(periods: list[dict[str, Any]], zone_name: str, at: int) -> None:
    zone = ZoneInfo(zone_name)
    scheme: AdmissionTimeScheme = read({"periods": periods})
    at_ms = at * 1000
    around = datetime.fromtimestamp(at, zone).date() - timedelta(days=100)
    all_intervals = sorted(plain_intervals(periods, zone, around, 200))
    assert scheme.is_permitted(zone, at_ms) == any(start <= at_ms < end for start, end in all_intervals)
    later = [start for start, _ in all_intervals if start > at_ms]
    if later and not scheme.is_permitted(zone, at_ms):
        found = scheme.interval(zone, at_ms)
        assert found is not None
        assert found.start == later[0]


@settings(max_examples=300, deadline=None)
@given(
    months=st.sets(st.integers(1, 12), min_size=1, max_size=11),
    period=st.one_of(
        st.builds(
            lambda second, duration: {"TYPE": "DailyPeriod", "secondOfDay": second, "duration": duration},
            st.integers(0, DAY - 1),
            st.integers(1, DAY),
        ),
        st.builds(
            lambda second, duration: {"TYPE": "WeekdayPeriod", "secondOfWeek": second, "duration": duration},
            st.integers(0, WEEK - 1),
            st.integers(1, WEEK),
        ),
    ),
    at=st.integers(1_767_225_600, 1_798_761_600),
)
def test_forbidden_months_admit_nothing_and_cut(months: set[int], period: dict[str, Any], at: int) -> None:
    restriction = {"TYPE": "MonthRestriction", "months": sorted(months)}
    scheme: AdmissionTimeScheme = read({"restrictedSchemes": [{"periods": [period], "restriction": restriction}]})
    free: AdmissionTimeScheme = read({"periods": [period]})
    zone = ZoneInfo("UTC")
    is_allowed = datetime.fromtimestamp(at, UTC).month in months
    if not is_allowed:
        assert not scheme.is_permitted(zone, at * 1000)
    elif datetime.fromtimestamp(at - WEEK, UTC).month in months:
        assert scheme.is_permitted(zone, at * 1000) == free.is_permitted(zone, at * 1000)
    found = scheme.interval(zone, at * 1000)
    assert found is not None
    assert datetime.fromtimestamp(found.start / 1000, UTC).month in months
    assert datetime.fromtimestamp((found.end - 1) / 1000, UTC).month in months


def test_a_week_that_begins_in_a_forbidden_month_behind_one_that_reaches_into_it() -> None:
    """It was looked at for ever."""
    period = {"TYPE": "WeekdayPeriod", "secondOfWeek": 6 * DAY, "duration": WEEK}
    restriction = {"TYPE": "MonthRestriction", "months": [2]}
    scheme: AdmissionTimeScheme = read({"restrictedSchemes": [{"periods": [period], "restriction": restriction}]})
    found = scheme.interval(ZoneInfo("UTC"), instant("2024-01-15T00:00:00"))  # 1 February 2024 is a Thursday
    assert found == (instant("2024-02-01T00:00:00"), instant("2024-02-04T00:00:00"))
    assert scheme.interval(ZoneInfo("UTC"), found.end) == (found.end, instant("2024-02-11T00:00:00"))


# --- the changes of the clock ---


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29T02:00:00", "2026-03-29T01:00:00"),  # in the gap: an hour later on the clock
        ("2026-03-29T02:59:59", "2026-03-29T01:59:59"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25T02:00:00", "2026-10-25T00:00:00"),  # twice: the first one
        ("2026-10-25T02:59:59", "2026-10-25T00:59:59"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00"),
    ],
)
def test_local_time_becomes_an_instant_by_javas_rules(local: str, expected: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert to_instant(instant(local), zone) == instant(expected)
    assert to_local(instant(expected), zone) >= instant(local)


def cycles(repeat: dict[str, Any], zone_name: str, begin: str, end: str, body_ms: int = 0) -> list[str]:
    """The starts of all cycles, when each body takes so long."""
    zone = ZoneInfo(zone_name)
    periods = [{"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": DAY}]
    schedule: Schedule = read({"schemes": [{"admissionTimeScheme": {"periods": periods}, "repeat": repeat}]}, Schedule)
    now = instant(begin)
    state = schedule.next_state(schedule.initial_state(now, instant(end)), now, zone, 0)
    found = []
    while state is not None:
        now = max(now, state.next)
        found.append(f"{datetime.fromtimestamp(now / 1000, UTC):%dT%H:%M}")
        now += body_ms
        state = schedule.next_state(state, now, zone, 0)
    return found


HALF_HOURLY = {"TYPE": "Periodic", "period": 3600, "offsets": [0, 1800]}


def test_a_periodic_cycle_in_spring() -> None:
    found = cycles(HALF_HOURLY, "Europe/Mariehamn", "2021-03-28T00:30:00", "2021-03-28T03:00:00")
    assert found == ["28T00:30", "28T01:00", "28T01:30", "28T02:00", "28T02:30"]


def test_a_periodic_cycle_in_autumn_serves_the_repeated_hour_once() -> None:
    found = cycles(HALF_HOURLY, "Europe/Mariehamn", "2021-10-31T00:00:00", "2021-10-31T03:00:00")
    assert found == ["31T00:00", "31T00:30", "31T02:00", "31T02:30"]


@pytest.mark.parametrize("day", ["2021-03-28", "2021-10-31", "2021-06-01"])
def test_ticking_and_continuous_cycles_run_in_physical_time(day: str) -> None:
    ticking = {"TYPE": "Ticking", "interval": 3600}
    assert cycles(ticking, "Europe/Mariehamn", f"{day}T00:00:00", f"{day}T04:00:00") == [
        f"{day[-2:]}T{hour:02}:00" for hour in range(4)
    ]
    continuous = {"TYPE": "Continuous", "pause": 600}
    found = cycles(continuous, "Europe/Mariehamn", f"{day}T00:00:00", f"{day}T02:00:00", body_ms=1_200_000)
    assert found == [f"{day[-2:]}T{hour:02}:{minute}" for hour in range(2) for minute in ("00", "30")]


def test_older_times_are_lost_when_a_body_is_too_slow() -> None:
    found = cycles(HALF_HOURLY, "UTC", "2026-01-15T00:00:00", "2026-01-15T04:00:00", body_ms=4_000_000)
    # each body takes 1:06:40; the latest time that has passed counts, the ones before it are lost
    assert found == ["15T00:00", "15T01:06", "15T02:13", "15T03:20"]
