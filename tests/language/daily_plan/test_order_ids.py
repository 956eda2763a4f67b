"""Ids of planned orders: kinds, cycles, numbers (services spec 4.2)."""

from __future__ import annotations

import re
from datetime import date

import pytest

from stellwerk.language.calendars import read_calendar, time_of_day
from stellwerk.language.daily_plan import (
    Calendars,
    DayOfSchedule,
    SchedulePlan,
    main_part,
    order_groups,
    read_schedule,
    with_number,
)
from stellwerk.language.daily_plan.order_ids import added_order_id

DAY = date(2027, 10, 1)
#: 2027-10-01T00:00:00Z in milliseconds, with a counter.
NUMBER = 1_822_348_800_000_07


def planned(period_begin: str = "00:00") -> DayOfSchedule:
    """One single start and two cycles for two order names."""
    calendar = read_calendar({"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}})
    schedule = read_schedule(
        {
            "path": "/nightly",
            "workflowNames": ["W"],
            "calendars": [
                {
                    "calendarName": "Days",
                    "periods": [
                        {"begin": "08:00", "end": "11:00", "repeat": "01:00:00"},
                        {"begin": "08:30", "end": "09:30", "repeat": "00:30:00"},
                        {"singleStart": "08:00"},
                        {"singleStart": "07:00"},
                    ],
                }
            ],
            "orderParameterisations": [{"orderName": "a"}, {"orderName": "b"}],
        }
    )
    return SchedulePlan(schedule, Calendars({"Days": calendar}, {})).day(DAY, time_of_day(period_begin))


def ids(day: DayOfSchedule) -> list[str]:
    groups = order_groups(day.date, day.orders)
    return [id_ for number, group in enumerate(groups, NUMBER) for id_ in group.order_ids(number)]


def test_a_cycle_shares_its_main_part_and_counts_its_orders() -> None:
    """The wall times 8:30 and 9:00 are those of two cycles: the first of the list has 9:00."""
    assert [id_ for id_ in ids(planned()) if id_.endswith("-a")] == [
        "#2027-10-01#P34880000007-a",
        "#2027-10-01#C34880000009-00001-3-a",
        "#2027-10-01#C34880000009-00002-3-a",
        "#2027-10-01#C34880000009-00003-3-a",
        "#2027-10-01#C34880000011-00001-1-a",
    ]


def test_each_order_has_its_own_id_and_each_cycle_its_own_main_part() -> None:
    found = ids(planned())
    assert len(set(found)) == len(found) == len(planned().orders) == 10
    assert len({main_part(id_) for id_ in found}) == 6
    assert all(len(main_part(id_) or "") == 25 for id_ in found)
    assert all(re.fullmatch(r"#\d{4}-\d{2}-\d{2}#(P\d{11}|C\d{11}-\d{5}-\d+)-[ab]", id_) for id_ in found)


def test_orders_that_are_too_late_are_not_counted() -> None:
    half_past_eight = planned().orders[4].scheduled_for
    rest = planned().later_than(half_past_eight)
    assert [id_ for id_ in ids(rest) if id_.endswith("-a")] == [
        "#2027-10-01#C34880000007-00001-2-a",
        "#2027-10-01#C34880000007-00002-2-a",
    ]


def test_the_date_is_that_of_the_plan_also_for_starts_of_the_next_morning() -> None:
    day = planned("09:00")
    assert day.orders[-1].scheduled_for > planned().orders[-1].scheduled_for
    assert {id_[:12] for id_ in ids(day)} == {"#2027-10-01#"}


def test_an_order_that_replaces_another_one_gets_a_new_number_only() -> None:
    assert with_number("#2027-10-01#C34880000009-00002-3-a-b", NUMBER + 1) == "#2027-10-01#C34880000008-00002-3-a-b"
    assert with_number(added_order_id(DAY, NUMBER, "x"), NUMBER + 1) == "#2027-10-01#T34880000008-x"


def test_other_ids_have_no_main_part() -> None:
    assert main_part("my-order") is None
    with pytest.raises(ValueError, match="my-order"):
        with_number("my-order", NUMBER)
