"""What looks odd in periods and users rely on, rule by rule (conformance/data/README.md, section 2)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from stellwerk.language.calendars import Period, StartTimes, check_periods, parse_date, time_of_day
from stellwerk.language.reader import Reader, ReadError

DAY = "2027-06-02"
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def starts(
    *periods: dict[str, str], day: str = DAY, zone: str = "UTC", begin: str = "00:00", dates: list[str] | None = None
) -> list[str]:
    """On the clock of the zone, with the UTC offset where it is not the one that it has at noon."""
    reader = Reader()
    times = StartTimes(reader.result(reader.read(tuple[Period, ...], list(periods), "$.periods")))
    ordinals = [parse_date(text) for text in dates or [day]]
    found = times.instants(zone, parse_date(day), ordinals, time_of_day(begin))
    return [_shown(at, day, ZoneInfo(zone)) for at in sorted(found)]


def _shown(at: int, day: str, zone: ZoneInfo) -> str:
    local = datetime.fromtimestamp(at / 1000, zone)
    noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), zone).replace(hour=12)
    days = (local.date() - noon.date()).days
    offset = "" if local.utcoffset() == noon.utcoffset() else f" {local:%z}"
    return (f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}") + ("" if days == 0 else f" {days:+}d") + offset


def cycle(begin: str, end: str, repeat: str) -> dict[str, str]:
    return {"begin": begin, "end": end, "repeat": repeat}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("08", "08:00"), ("08:15", "08:15"), ("08:15:30", "08:15:30"), ("+08:15", "00:08:15"), ("+7", "00:00:07")],
)
def test_times_of_day(text: str, shown: str) -> None:
    assert starts({"singleStart": text}) == [shown]


@pytest.mark.parametrize(
    "text", ["7", "7:30", "8:15", "05:5", "24:00:00", "24", "25:00", "23:60", "10:00:60", "08:15:00:00", " 08", "x"]
)
def test_refused_times_of_day(text: str) -> None:
    with pytest.raises(ReadError, match=r"\$\.periods\[1\]\.singleStart"):
        starts({"singleStart": "08:00"}, {"singleStart": text})


@pytest.mark.parametrize(
    ("member", "text"), [("end", "24:30:00"), ("begin", "8"), ("repeat", "61:00"), ("repeat", "x")]
)
def test_refused_cycles(member: str, text: str) -> None:
    with pytest.raises(ReadError, match=rf"\$\.periods\[0\]\.{member}"):
        starts({**cycle("08:00", "09:00", "30:00"), member: text})


def test_the_end_of_the_day_is_an_end() -> None:
    for end in ("24:00:00", "24:00", "24", ""):
        assert starts(cycle("22:30", end, "01:00:00")) == ["22:30", "23:30"]


def test_repeat_counts_its_parts_from_the_right() -> None:
    assert starts(cycle("08:00", "08:01:30", "30")) == ["08:00", "08:00:30", "08:01"]
    assert starts(cycle("08:00", "08:10", "5:30")) == ["08:00", "08:05:30"]
    assert starts(cycle("08:00", "10:00", "1:00:00")) == ["08:00", "09:00"]


@pytest.mark.parametrize("repeat", ["24:00:00", "00:00:00", "0", ""])
def test_a_whole_day_and_nothing_repeat_nothing(repeat: str) -> None:
    assert starts(cycle("08:00", "10:00", repeat)) == []
    assert starts(cycle("08:00", "10:00", "23:59:59")) == ["08:00"]


def test_the_end_does_not_start_and_no_cycle_runs_across_midnight() -> None:
    assert starts(cycle("08:00", "10:00", "01:00:00")) == ["08:00", "09:00"]
    assert starts(cycle("10:00", "10:00", "01:00:00"), cycle("22:00", "02:00", "01:00:00")) == []


def test_a_period_may_be_single_and_cyclic() -> None:
    assert starts({"singleStart": "07:00", **cycle("08:00", "09:00", "30:00")}) == ["07:00", "08:00", "08:30"]


def test_begin_and_end_are_the_whole_day_by_default() -> None:
    assert len(starts({"repeat": "01:00:00"})) == 24
    assert starts({"begin": "08:00", "end": "09:00"}) == []


def test_a_cycle_passes_a_doubled_hour_once() -> None:
    """It shows 02:30, and after half an hour of elapsed time 02:00 for the second time: the first one is meant."""
    found = starts(cycle("01:00", "05:00", "30:00"), day="2027-10-31", zone=BERLIN)
    assert found == ["01:00 +0200", "01:30 +0200", "02:00 +0200", "02:30 +0200", "03:00", "03:30", "04:00", "04:30"]


def test_a_begin_or_end_in_the_doubled_hour_is_the_first_one() -> None:
    day, zone = "2027-10-31", BERLIN
    assert starts(cycle("01:00", "02:30", "30:00"), day=day, zone=zone) == ["01:00 +0200", "01:30 +0200", "02:00 +0200"]
    assert starts(cycle("02:00", "03:00", "45:00"), day=day, zone=zone) == ["02:00 +0200", "02:30 +0200", "02:45 +0200"]


def test_a_cycle_steps_over_the_hour_that_the_clock_leaps_over() -> None:
    found = starts(cycle("01:30", "04:00", "20:00"), day="2027-03-28", zone=BERLIN)
    assert found == ["01:30 +0100", "01:50 +0100", "03:10", "03:30", "03:50"]


def test_a_time_that_the_clock_leaps_over_is_moved_by_the_gap() -> None:
    assert starts({"singleStart": "02:29:59"}, day="2027-03-28", zone=BERLIN) == ["03:29:59"]
    assert starts({"singleStart": "02:15"}, day="2027-10-03", zone="Australia/Lord_Howe") == ["02:45"]


def test_of_two_wall_times_that_become_one_instant_the_later_of_the_list_stays() -> None:
    periods = [{"singleStart": "03:30"}, {"singleStart": "02:30"}]
    for ordered in (periods, periods[::-1]):
        times = StartTimes(Reader().read(tuple[Period, ...], ordered, "$"))
        ordinal = parse_date("2027-03-28")
        [wall] = times.instants(BERLIN, ordinal, [ordinal], 0).values()
        assert wall.period.single_start == ordered[1]["singleStart"]


def test_the_first_period_that_has_a_wall_time_keeps_it() -> None:
    single, hourly = {"singleStart": "08:00"}, cycle("07:00", "09:00", "01:00:00")
    ordinal = parse_date(DAY)
    for periods, expected in (
        ([single, hourly], {7: True, 8: False}),
        ([hourly, single], {7: True, 8: True}),
    ):
        times = StartTimes(Reader().read(tuple[Period, ...], periods, "$"))
        walls = times.instants("UTC", ordinal, [ordinal], 0).values()
        assert {wall.seconds // 3600: wall.is_cyclic for wall in walls} == expected


def test_starts_before_the_begin_of_the_plan_day_are_of_the_next_morning() -> None:
    single, late = {"singleStart": "02:00"}, {"singleStart": "07:00"}
    assert starts(single, late, begin="06:00") == ["07:00", "02:00 +1d"]
    assert starts(single, late, begin="02:00") == ["02:00", "07:00"]
    # A cycle, too: the wall times of the plan's date.
    assert starts(cycle("05:00", "07:00", "30:00"), begin="06:00") == ["06:00", "06:30", "05:00 +1d", "05:30 +1d"]


def test_a_begin_in_the_leapt_over_hour_moves_both_ends_of_the_plan_day() -> None:
    """From 03:30 on 14 March to 03:30 on the 15th, though 02:30 is what is set."""
    found = starts(cycle("02:00", "04:30", "30:00"), day="2027-03-14", zone=NEW_YORK, begin="02:30")
    assert found == ["03:30", "04:00", "03:00 +1d"]


def test_the_date_after_one_that_has_started_is_passed_over() -> None:
    before, after = "2027-06-01", "2027-06-03"
    early, late = {"singleStart": "05:00"}, {"singleStart": "07:00"}
    assert starts(early, late, dates=[DAY, after], begin="06:00") == ["07:00", "05:00 +1d"]
    # A date without a start in the plan's day passes nothing over; alone it starts what lies in the plan's day.
    assert starts(late, dates=[before, DAY], begin="00:00") == ["07:00"]
    assert starts(early, late, dates=[after], begin="06:00") == ["05:00 +1d"]
    # With a begin other than midnight the date after the plan's date is passed over, even if nothing has started.
    nothing = {"repeat": "00:00:00"}
    assert starts(nothing, dates=[DAY, after], begin="06:00") == []


def test_all_problems_of_periods_with_their_places() -> None:
    reader = Reader()
    periods = reader.read(tuple[Period, ...], [{"singleStart": "7"}, {"begin": "8", "end": "25", "repeat": "x"}], "$")
    check_periods(periods, "$.periods", reader)
    assert [problem.path for problem in reader.problems] == [
        "$.periods[0].singleStart",
        "$.periods[1].begin",
        "$.periods[1].end",
        "$.periods[1].repeat",
    ]
