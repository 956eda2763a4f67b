"""What looks odd in schedules and users rely on, rule by rule (conformance/data/README.md, section 3).

The planned days are those of October 2027: the 1st is a Friday, weekends are 2 and 3, 9 and 10, 16 and 17.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from stellwerk.language.calendars import read_calendar
from stellwerk.language.daily_plan import Calendars, SchedulePlan, read_schedule, schedule_problems

WORKDAYS = {"weekdays": [{"days": [1, 2, 3, 4, 5]}]}
DAILY = {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}
WEEKEND = {"weekdays": [{"days": [0, 6]}]}
OFF = [{"calendarName": "Off"}]


def plan(
    periods: list[dict[str, Any]],
    days: dict[str, Any] = DAILY,
    off: dict[str, Any] | None = WEEKEND,
    *,
    further: list[dict[str, Any]] | None = None,
    assignment: dict[str, Any] | None = None,
    **members: Any,
) -> SchedulePlan:
    """One assignment of the calendar `Days`, and `further` ones; `off` are the non-working days of the schedule."""
    calendars = Calendars(
        {"Days": read_calendar({"type": "WORKINGDAYSCALENDAR", "includes": days})},
        {} if off is None else {"Off": read_calendar({"type": "NONWORKINGDAYSCALENDAR", "includes": off})},
    )
    content = {
        "path": "/folder/nightly",
        "workflowNames": ["W"],
        "calendars": [{"calendarName": "Days", "periods": periods, **(assignment or {})}, *(further or [])],
        "nonWorkingDayCalendars": OFF,
        **members,
    }
    return SchedulePlan(read_schedule(content), calendars)


def october(planned: SchedulePlan, last: int = 12) -> dict[int, list[str]]:
    """Day → its starts, with a `C` if they are of a cycle."""
    found = {}
    for day in range(1, last + 1):
        orders = planned.day(date(2027, 10, day), 0).orders
        if orders:
            found[day] = [_shown(order.scheduled_for) + ("C" if order.is_cyclic else "") for order in orders]
    return found


def _shown(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M}"


def single(start: str, when: str | None = None) -> dict[str, Any]:
    return {"singleStart": start} if when is None else {"singleStart": start, "whenHoliday": when}


@pytest.mark.parametrize(
    ("when", "days"),
    [
        (None, [1, 2, 3, 4, 5]),
        ("IGNORE", [1, 2, 3, 4, 5]),
        ("SUPPRESS", [1, 4, 5]),
        ("NEXTNONWORKINGDAY", [1, 4, 5]),
        ("PREVIOUSNONWORKINGDAY", [1, 4, 5]),
    ],
)
def test_which_starts_non_working_days_keep_off(when: str | None, days: list[int]) -> None:
    assert october(plan([single("08:00", when)]), 5) == {day: ["08:00"] for day in days}


def test_starts_are_moved_to_a_day_that_the_calendar_does_not_yield() -> None:
    """Saturdays and Sundays, which are off: to the Monday after or the Friday before, once."""
    assert october(plan([single("08:00", "NEXTNONWORKINGDAY")], WEEKEND)) == {4: ["08:00"], 11: ["08:00"]}
    assert october(plan([single("08:00", "PREVIOUSNONWORKINGDAY")], WEEKEND)) == {1: ["08:00"], 8: ["08:00"]}
    assert october(plan([single("08:00", "SUPPRESS")], WEEKEND)) == {}


def test_nothing_is_moved_where_the_calendar_yields_no_day_of_the_block() -> None:
    wednesdays = {"weekdays": [{"days": [3]}]}
    assert october(plan([single("08:00", "NEXTNONWORKINGDAY")], wednesdays)) == {6: ["08:00"]}


def test_on_a_day_that_the_calendar_yields_nothing_is_added() -> None:
    sundays_and_mondays = {"weekdays": [{"days": [0, 1]}]}
    assert october(plan([single("08:00", "NEXTNONWORKINGDAY")], sundays_and_mondays)) == {4: ["08:00"], 11: ["08:00"]}


def test_on_a_day_that_starts_are_moved_to_only_the_moved_periods_start() -> None:
    """The wall time of another period does not take theirs, either."""
    periods = [single("08:00"), single("08:00", "NEXTNONWORKINGDAY"), single("09:00", "PREVIOUSNONWORKINGDAY")]
    assert october(plan(periods, WEEKEND), 10) == {
        1: ["09:00"],
        2: ["08:00"],
        3: ["08:00"],
        4: ["08:00"],
        8: ["09:00"],
        9: ["08:00"],
        10: ["08:00"],
    }


def test_a_block_reaches_over_seven_days_only() -> None:
    """Off from the 2nd on; the calendar yields the 2nd. The day after the block sees the seven days before it."""
    for length, expected in ((7, {9: ["08:00"]}), (8, {})):
        off = {"dates": [f"2027-10-{day:02}" for day in range(2, 2 + length)]}
        assert october(plan([single("08:00", "NEXTNONWORKINGDAY")], {"dates": ["2027-10-02"]}, off)) == expected


def test_only_the_adjacent_block_counts() -> None:
    off = {"dates": ["2027-10-05", "2027-10-07"]}
    moved = plan([single("08:00", "NEXTNONWORKINGDAY")], {"dates": ["2027-10-05"]}, off)
    assert october(moved) == {6: ["08:00"]}
    moved = plan([single("08:00", "PREVIOUSNONWORKINGDAY")], {"dates": ["2027-10-07"]}, off)
    assert october(moved) == {6: ["08:00"]}


def test_the_calendar_may_yield_the_day_itself_if_the_window_is_asked_for_as_a_whole() -> None:
    """Counts depend on the interval that is asked for: the day alone is not one of the calendar's, in the window it is.

    Mondays, and Tuesdays that ended long ago, of which those before the interval count; every second day, of which
    those after the interval do not count.
    """
    fourth = {"includes": {"monthdays": [{"days": [4]}]}}
    mondays = {"weekdays": [{"days": [1]}, {"days": [2], "to": "2026-12-31"}]}
    moved = plan([single("08:00", "NEXTNONWORKINGDAY")], mondays, {"dates": ["2027-02-14"]}, assignment=fourth)
    assert len(moved.day(date(2027, 2, 15), 0).orders) == 1

    fourth = {"includes": {"ultimos": [{"days": [4]}]}}
    every_second = {"repetitions": [{"repetition": "DAILY", "step": 2, "from": "2027-02-01"}]}
    moved = plan([single("08:00", "PREVIOUSNONWORKINGDAY")], every_second, {"dates": ["2027-02-06"]}, assignment=fourth)
    assert len(moved.day(date(2027, 2, 5), 0).orders) == 1


def test_a_day_between_two_blocks_gets_the_starts_of_both() -> None:
    off = {"dates": ["2027-10-05", "2027-10-07"]}
    periods = [single("08:00", "NEXTNONWORKINGDAY"), single("09:00", "PREVIOUSNONWORKINGDAY")]
    assert october(plan(periods, off, off)) == {4: ["09:00"], 6: ["08:00", "09:00"], 8: ["08:00"]}


def test_the_validity_of_non_working_days_counts() -> None:
    off = read_calendar({"type": "NONWORKINGDAYSCALENDAR", "from": "2027-10-03", "includes": WEEKEND})
    days = read_calendar({"type": "WORKINGDAYSCALENDAR", "includes": DAILY})
    schedule = {
        "workflowNames": ["W"],
        "calendars": [{"calendarName": "Days", "periods": [single("08:00", "SUPPRESS")]}],
        "nonWorkingDayCalendars": OFF,
    }
    planned = SchedulePlan(read_schedule(schedule), Calendars({"Days": days}, {"Off": off}))
    assert list(october(planned, 4)) == [1, 2, 4]


def test_a_calendar_that_excludes_an_unknown_one_plans_nothing() -> None:
    days = read_calendar(
        {"type": "WORKINGDAYSCALENDAR", "includes": DAILY, "excludes": {"nonWorkingDayCalendars": ["Off"]}}
    )
    schedule = {"workflowNames": ["W"], "calendars": [{"calendarName": "Days", "periods": [single("08:00")]}]}
    planned = SchedulePlan(read_schedule(schedule), Calendars({"Days": days}, {})).day(date(2027, 10, 1), 0)
    assert planned.orders == ()
    assert "'Off'" in str(planned.problems[0])


def test_what_restrictions_exclude_is_not_a_non_working_day() -> None:
    """Excluded days only remove dates: nothing is there to be moved."""
    excluded = plan(
        [single("08:00", "NEXTNONWORKINGDAY")],
        assignment={"excludes": {"nonWorkingDayCalendars": ["Off"]}},
        nonWorkingDayCalendars=[],
    )
    assert list(october(excluded, 5)) == [1, 4, 5]


def test_a_suppressed_single_start_also_suppresses_the_start_of_a_cycle() -> None:
    cycle = {"begin": "08:00", "end": "10:00", "repeat": "01:00:00"}
    assert october(plan([single("08:00", "SUPPRESS"), cycle]), 2) == {1: ["08:00", "09:00C"], 2: ["09:00C"]}


def test_two_assignments_with_the_same_start_give_one_order_of_each_kind() -> None:
    cycle = {"begin": "08:00", "end": "10:00", "repeat": "01:00:00"}
    further = [
        {"calendarName": "Days", "periods": [single("08:00"), single("09:00")]},
        {"calendarName": "Days", "periods": [cycle]},
    ]
    planned = plan([single("08:00")], further=further).day(date(2027, 10, 1), 0)
    assert [(_shown(order.scheduled_for), order.is_cyclic, order.assignment) for order in planned.orders] == [
        ("08:00", False, 0),
        ("08:00", True, 2),
        ("09:00", False, 1),
        ("09:00", True, 2),
    ]


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (
            {"calendarName": "Days", "periods": [single("08:00"), single("7:30")]},
            "$.calendars[1].periods[1].singleStart",
        ),
        ({"calendarName": "Missing", "periods": [single("08:00")]}, "$.calendars[1]"),
        (
            {
                "calendarName": "Days",
                "periods": [single("08:00")],
                "excludes": {"nonWorkingDayCalendars": ["Missing"]},
            },
            "$.calendars[1]",
        ),
        (
            {"calendarName": "Days", "periods": [single("08:00")], "includes": {"weekdays": [{}]}},
            "$.calendars[1].includes.weekdays[0]",
        ),
        ({"calendarName": "Days", "periods": [single("08:00")], "timeZone": "Mars/Base"}, "$.calendars[1]"),
    ],
)
def test_what_is_refused_loses_only_its_assignment_and_is_told(broken: dict[str, Any], place: str) -> None:
    planned = plan([single("09:00")], further=[broken]).day(date(2027, 10, 1), 0)
    assert [_shown(order.scheduled_for) for order in planned.orders] == ["09:00"]
    assert [problem.path for problem in planned.problems] == [place]


def test_what_is_refused_in_a_calendar_is_told_with_its_name() -> None:
    faulty: dict[str, Any] = {"includes": {"weekdays": [{}]}}
    off = {"from": "1.1.2027", "includes": DAILY}
    for calendar, place in ((faulty, "Days:$.includes.weekdays[0]"), ({"includes": DAILY}, "Off:$.from")):
        calendars = Calendars({"Days": read_calendar(calendar)}, {"Off": read_calendar(off)})
        schedule = {
            "workflowNames": ["W"],
            "calendars": [{"calendarName": "Days", "periods": [single("08:00")]}],
            "nonWorkingDayCalendars": OFF,
        }
        planned = SchedulePlan(read_schedule(schedule), calendars).day(date(2027, 10, 1), 0)
        assert (planned.orders, [problem.path for problem in planned.problems]) == ((), [place])


def test_unknown_non_working_days_of_the_schedule_are_ignored() -> None:
    assert list(october(plan([single("08:00", "SUPPRESS")], off=None), 4)) == [1, 2, 3, 4]


def test_the_validity_of_the_calendar_does_not_count_in_a_plan() -> None:
    calendar = read_calendar({"type": "WORKINGDAYSCALENDAR", "from": "2030-01-01", "includes": DAILY})
    schedule = {"path": "s", "workflowNames": ["W"], "calendars": [{"calendarName": "Days", "periods": [single("08")]}]}
    planned = SchedulePlan(read_schedule(schedule), Calendars({"Days": calendar}, {}))
    assert len(planned.day(date(2027, 10, 1), 0).orders) == 1


def test_orders_are_workflows_times_parameterisations_with_short_names() -> None:
    planned = plan(
        [single("08:00")],
        workflowNames=["W", "V"],
        orderParameterisations=[{"orderName": "x" * 31, "variables": {"a": 1}}, {"orderName": ""}],
    ).day(date(2027, 10, 1), 0)
    assert [(order.workflow, order.order_name, order.parameterisation.variables) for order in planned.orders] == [
        ("V", "nightly", {}),
        ("V", "x" * 30, {"a": 1}),
        ("W", "nightly", {}),
        ("W", "x" * 30, {"a": 1}),
    ]


def test_one_of_several_workflows_with_variables_keeps_the_schedule_from_being_planned() -> None:
    calendars = Calendars({"Days": read_calendar({"includes": DAILY})}, {})
    for workflows, count, places in ((["W"], 1, []), (["V", "W"], 0, ["$.workflowNames[1]"])):
        content = {"workflowNames": workflows, "calendars": [{"calendarName": "Days", "periods": [single("08:00")]}]}
        planned = SchedulePlan(read_schedule(content), calendars, {"W"}).day(date(2027, 10, 1), 0)
        assert (len(planned.orders), [problem.path for problem in planned.problems]) == (count, places)


def test_legacy_members() -> None:
    schedule = read_schedule({"workflowName": "W", "variableSets": [{"orderName": "a"}]})
    assert schedule.workflow_names == ("W",)
    assert [name for name, _ in schedule.orders()] == ["a"]


def test_all_problems_of_a_schedule_with_their_places() -> None:
    problems = schedule_problems(
        {
            "workflowNames": ["W"],
            "calendars": [
                {"calendarName": "Days", "periods": [single("7")], "timeZone": "Mars/Base"},
                {"calendarName": "Days", "periods": [], "includes": {"dates": ["x"]}},
            ],
        }
    )
    assert [problem.path for problem in problems] == [
        "$.calendars[0].periods[0].singleStart",
        "$.calendars[0].timeZone",
        "$.calendars[1].includes.dates[0]",
    ]
    assert [problem.path for problem in schedule_problems({"calendars": [{}]})] == ["$", "$.calendars[0]"]
    no_workflow = {"workflowNames": [], "orderParameterisations": [{"orderName": "x" * 31}, {"orderName": "x" * 30}]}
    assert [problem.path for problem in schedule_problems(no_workflow)] == [
        "$.workflowNames",
        "$.orderParameterisations[1].orderName",
    ]
