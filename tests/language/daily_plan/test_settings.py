"""Which days are planned, submitted, closed, projected, and when the service runs (services spec 4.3, 4.4, 4.8)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from stellwerk.language.daily_plan import PlanSettings
from stellwerk.values.problems import ProblemError


def at(text: str, zone: str = "Etc/UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def shown(instant: int, zone: str) -> str:
    return datetime.fromtimestamp(instant / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M")


@pytest.mark.parametrize("zone", ["Etc/UTC", "America/New_York", "Asia/Kolkata"])
def test_days_from_tomorrow_on_by_the_clock_of_the_plan(zone: str) -> None:
    settings = PlanSettings(time_zone=zone, days_ahead_plan=3, days_ahead_submit=1)
    for time in ("2027-03-30T00:00", "2027-03-30T23:59"):
        assert settings.dates_to_plan(at(time, zone)) == [date(2027, 3, 31), date(2027, 4, 1), date(2027, 4, 2)]
        assert settings.dates_to_submit(at(time, zone)) == [date(2027, 3, 31)]
    assert PlanSettings(days_ahead_plan=0).dates_to_plan(at("2027-03-30T00:00")) == []


@pytest.mark.parametrize(
    ("settings", "after", "expected"),
    [
        (PlanSettings(), "2027-03-30T12:00", "03-30 23:30"),
        (PlanSettings(), "2027-03-30T23:30", "03-31 23:30"),
        (PlanSettings(period_begin="06:00"), "2027-03-30T12:00", "03-31 05:30"),
        (PlanSettings(start_time="13:00:00", period_begin="06:00"), "2027-03-30T12:00", "03-30 13:00"),
        # The clock leaps from 2 to 3 o'clock on the 28th.
        (PlanSettings(start_time="02:30", time_zone="Europe/Berlin"), "2027-03-27T12:00", "03-28 03:30"),
        (PlanSettings(start_time="02:30", time_zone="Europe/Berlin"), "2027-03-28T03:30", "03-29 02:30"),
    ],
)
def test_the_next_run(settings: PlanSettings, after: str, expected: str) -> None:
    zone = settings.time_zone
    assert shown(settings.next_run(at(after, zone)), zone) == expected


def test_before_its_begin_a_start_is_of_the_plan_of_the_day_before() -> None:
    settings = PlanSettings(period_begin="06:00", time_zone="Europe/Berlin")
    assert settings.plan_date(at("2027-06-02T05:59", "Europe/Berlin")) == date(2027, 6, 1)
    assert settings.plan_date(at("2027-06-02T06:00", "Europe/Berlin")) == date(2027, 6, 2)


def test_a_days_plan_begins_and_ends_by_the_wall_clock_also_where_it_changes() -> None:
    settings = PlanSettings(period_begin="06:00", time_zone="Europe/Berlin")
    begin, end = settings.bounds(date(2027, 6, 1))
    assert (begin, end) == (at("2027-06-01T06:00", "Europe/Berlin"), at("2027-06-02T06:00", "Europe/Berlin"))
    hours = {
        day: (end - begin) // 3_600_000 for day in (27, 28, 29) for begin, end in [settings.bounds(date(2027, 3, day))]
    }
    assert hours == {27: 23, 28: 24, 29: 24}
    begin, end = PlanSettings(time_zone="Europe/Berlin").bounds(date(2027, 10, 31))
    assert end - begin == 25 * 3_600_000


def test_plans_that_are_closed() -> None:
    now = at("2027-06-10T12:00")
    assert PlanSettings().oldest_open_plan(now) == date(2027, 6, 10)
    assert PlanSettings(age_of_plans_to_be_closed_automatically=3).oldest_open_plan(now) == date(2027, 6, 8)
    assert PlanSettings(age_of_plans_to_be_closed_automatically=0).oldest_open_plan(now) is None


def test_projected_dates() -> None:
    assert PlanSettings().projected_dates(at("2027-04-30T12:00")) == (date(2027, 2, 28), date(2027, 10, 31))
    assert PlanSettings().projected_dates(at("2027-12-31T12:00")) == (date(2027, 10, 31), date(2028, 6, 30))


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(ProblemError, match="25"):
        PlanSettings(period_begin="25").next_run(0)
    with pytest.raises(ProblemError, match="Mars"):
        PlanSettings(time_zone="Mars/Base").today(0)
