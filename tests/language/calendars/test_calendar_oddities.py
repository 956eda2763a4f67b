"""What looks odd in calendars and users rely on, rule by rule (conformance/data/README.md, section 1)."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from stellwerk.language.calendars import Restrictions, calendar_problems, read_calendar, resolve
from stellwerk.language.reader import Reader, ReadError

WORKDAYS = {"weekdays": [{"days": [1, 2, 3, 4, 5]}]}


def dates(
    includes: dict[str, Any] | None = None,
    first: str | None = "2027-01-01",
    last: str | None = "2027-12-31",
    *,
    restricted_by: dict[str, Any] | None = None,
    excluded_by: dict[str, Any] | None = None,
    others: dict[str, Any] | None = None,
    from_: str | None = None,
    **members: Any,
) -> list[str]:
    reader = Reader()
    restrictions = {"includes": restricted_by or {}, "excludes": excluded_by or {}}
    found = resolve(
        read_calendar({"type": "WORKINGDAYSCALENDAR", "includes": includes or {}, "from": from_, **members}),
        first,
        last,
        today=date(2027, 6, 15),
        non_working_day_calendars={
            name: read_calendar({"type": "NONWORKINGDAYSCALENDAR", "includes": content})
            for name, content in (others or {}).items()
        },
        restrictions=reader.result(reader.read(Restrictions, restrictions, "$")),
    )
    return [day.isoformat() for day in found.dates]


def refusal(*arguments: Any, **members: Any) -> str:
    with pytest.raises(ReadError) as caught:
        dates(*arguments, **members)
    return str(caught.value)


def test_a_repetition_without_anchor_is_refused_at_its_place() -> None:
    assert "$.includes.repetitions[1]" in refusal(
        {"repetitions": [{"repetition": "DAILY", "from": "2027-01-01"}, {"repetition": "DAILY"}]}
    )


@pytest.mark.parametrize("element", [{}, {"days": []}])
def test_no_days_are_refused_in_weekdays_only(element: dict[str, Any]) -> None:
    assert "'days' in 'weekdays'" in refusal({"weekdays": [element]})
    assert dates({"monthdays": [element], "ultimos": [element]}) == []


def test_weekday_7_is_sunday_but_not_in_weekly_days() -> None:
    assert dates({"weekdays": [{"days": [7]}]}, last="2027-01-12") == ["2027-01-03", "2027-01-10"]
    assert dates({"monthdays": [{"weeklyDays": [{"day": 7, "weekOfMonth": 1}]}]}) == []
    assert len(dates({"monthdays": [{"weeklyDays": [{"day": 0, "weekOfMonth": 1}]}]})) == 12


def test_from_after_to_gives_no_dates_and_looks_at_nothing() -> None:
    assert dates({"weekdays": [{}]}, "2027-02-02", "2027-02-01") == []


def test_excludes_are_refused_only_where_dates_are_left() -> None:
    wrong = {"dates": ["2027-01-01"], "weekdays": [{}]}
    assert dates({"dates": ["2027-01-01"]}, excludes=wrong) == []
    assert "$.excludes.weekdays[0]" in refusal({"dates": ["2027-01-01", "2027-01-02"]}, excludes=wrong)


def test_excludes_are_looked_at_in_one_order() -> None:
    """Non-working-day calendars first, then dates, weekdays, monthdays, ultimos, holidays, repetitions, months."""
    kinds: list[tuple[str, Any, Any]] = [
        ("dates", "2027-01-01", "x"),
        ("weekdays", {"days": [5]}, {}),
        ("monthdays", {"days": [1]}, {"days": [1], "from": "x"}),
        ("ultimos", {"days": [31]}, {"days": [1], "from": "x"}),
        ("holidays", {"dates": ["2027-01-01"]}, {"dates": ["x"]}),
        ("repetitions", {"repetition": "DAILY", "from": "2027-01-01"}, {"repetition": "DAILY"}),
        ("months", {"months": [1], "monthdays": [{"days": [1]}]}, {"from": "x"}),
    ]
    one = {"dates": ["2027-01-01"]}
    off = {"nonWorkingDayCalendars": ["Off"], "dates": ["x"]}
    assert dates(one, excludes=off, others={"Off": one}) == []
    for (kind, good, wrong), (next_kind, next_good, next_wrong) in itertools.pairwise(kinds):
        assert dates(one, excludes={kind: [good], next_kind: [next_wrong]}) == []
        assert f"$.excludes.{kind}[0]" in refusal(one, excludes={kind: [wrong], next_kind: [next_good]})


def test_an_unknown_non_working_day_calendar_is_refused_where_there_are_others() -> None:
    excludes = {"nonWorkingDayCalendars": ["Missing"]}
    one = {"dates": ["2027-01-04"]}
    assert "'Missing'" in refusal(one, excludes=excludes, others={"Other": {}})
    assert dates(one, excludes=excludes) == one["dates"]


def test_calendars_that_excluded_ones_exclude_are_not_followed() -> None:
    others = {"Off": {"dates": ["2027-01-04"]}}
    found = resolve(
        read_calendar(
            {
                "type": "WORKINGDAYSCALENDAR",
                "includes": {"dates": ["2027-01-04", "2027-01-05"]},
                "excludes": {"nonWorkingDayCalendars": ["Outer"]},
            }
        ),
        "2027-01-01",
        "2027-01-31",
        today=date(2027, 1, 1),
        non_working_day_calendars={
            "Outer": read_calendar(
                {
                    "type": "NONWORKINGDAYSCALENDAR",
                    "includes": others["Off"],
                    "excludes": {"nonWorkingDayCalendars": ["Inner"]},
                }
            ),
            "Inner": read_calendar({"type": "NONWORKINGDAYSCALENDAR", "includes": others["Off"]}),
        },
    )
    assert (found.dates, found.with_excludes) == ((date(2027, 1, 5),), (date(2027, 1, 4),))


def test_months_step_from_the_last_computed_day() -> None:
    every_second = {"repetition": "MONTHLY", "step": 2, "from": "2026-12-31"}
    assert dates({"repetitions": [every_second]}) == [
        "2027-02-28",
        "2027-04-28",
        "2027-06-28",
        "2027-08-31",
        "2027-10-31",
        "2027-12-31",
    ]


def test_a_day_that_was_cut_twice_returns_to_that_of_the_anchor() -> None:
    every_third = {"repetition": "MONTHLY", "step": 3, "from": "2026-08-31"}
    found = dates({"repetitions": [every_third]}, "2026-11-01", "2027-11-30")
    assert found == ["2026-11-30", "2027-02-28", "2027-05-31", "2027-08-31", "2027-11-30"]


def test_years_return_to_29_february() -> None:
    yearly = {"repetition": "YEARLY", "from": "2024-02-29"}
    assert dates({"repetitions": [yearly]}, last="2029-01-01") == ["2027-02-28", "2028-02-29"]
    assert dates({"repetitions": [{**yearly, "step": 3}]}, last="2031-01-01") == ["2027-02-28", "2030-02-28"]


def test_repetitions_in_months_are_not_limited_by_the_element_and_yearly_ones_are_ignored() -> None:
    element = {
        "months": [2],
        "to": "2027-02-10",
        "repetitions": [
            {"repetition": "WEEKLY", "from": "2027-02-01"},
            {"repetition": "YEARLY", "from": "2027-02-03"},
        ],
        "monthdays": [{"days": [9, 16]}],
    }
    assert dates({"months": [element]}) == ["2027-02-01", "2027-02-08", "2027-02-09", "2027-02-15", "2027-02-22"]


def test_months_without_elements_add_nothing() -> None:
    assert dates({"months": [{"months": [1, 2]}, {"weekdays": [{"days": [1]}]}]}) == []


def test_of_the_excludes_of_a_restriction_only_calendars_count() -> None:
    excluded_by = {"dates": ["2027-01-04"], "weekdays": [{}], "nonWorkingDayCalendars": ["Off"]}
    found = dates(
        WORKDAYS, last="2027-01-06", excluded_by=excluded_by, others={"Off": {"dates": ["2027-01-05", "2027-01-09"]}}
    )
    assert found == ["2027-01-01", "2027-01-04", "2027-01-06"]


def test_outside_of_a_restricting_element_dates_stay() -> None:
    mondays_from_the_18th = {"weekdays": [{"days": [1], "from": "2027-01-18"}]}
    assert dates(WORKDAYS, "2027-01-13", "2027-01-26", restricted_by=mondays_from_the_18th) == [
        "2027-01-13",
        "2027-01-14",
        "2027-01-15",
        "2027-01-18",
        "2027-01-25",
    ]


def test_listed_dates_drop_all_others() -> None:
    listed = {"dates": ["2027-01-04", "2027-01-09"], "holidays": [{"dates": ["2027-01-06"]}]}
    assert dates(WORKDAYS, restricted_by=listed) == ["2027-01-04", "2027-01-06"]


@pytest.mark.parametrize("first", ["2027-11-01", "2027-11-09"])
@pytest.mark.parametrize("members", [{}, {"from_": "2027-11-09", "to": "2027-11-09"}])
def test_dates_are_counted_from_the_first_day_of_the_month(first: str, members: dict[str, Any]) -> None:
    assert dates(WORKDAYS, first, "2027-11-09", restricted_by={"monthdays": [{"days": [7]}]}, **members) == [
        "2027-11-09"
    ]


def test_and_to_the_end_of_the_month() -> None:
    assert dates(WORKDAYS, "2027-11-01", "2027-11-22", restricted_by={"ultimos": [{"days": [7]}]}) == ["2027-11-22"]


def test_spans_of_weekdays_are_not_heeded_in_the_count_before_the_interval() -> None:
    """Mondays, and Tuesdays that had ended before: they still count in an incomplete first month, and only there."""
    includes = {"weekdays": [{"days": [1]}, {"days": [2], "to": "2026-12-31"}]}
    third = {"monthdays": [{"days": [3]}]}
    assert dates(includes, "2027-02-01", "2027-02-28", restricted_by=third) == ["2027-02-15"]
    assert dates(includes, "2027-02-05", "2027-02-28", restricted_by=third) == ["2027-02-08"]
    assert dates(includes, "2027-02-15", "2027-02-15", restricted_by=third) == []


def test_repetitions_have_ended_in_the_count_after_the_interval() -> None:
    """Every second day from 1 February on, asked for day by day: each is the last one that its month has."""
    includes = {"repetitions": [{"repetition": "DAILY", "step": 2, "from": "2027-02-01"}]}
    last = {"ultimos": [{"days": [1]}]}
    assert dates(includes, "2027-02-01", "2027-02-28", restricted_by=last) == ["2027-02-27"]
    assert dates(includes, "2027-02-05", "2027-02-05", restricted_by=last) == ["2027-02-05"]
    assert dates(includes, "2027-02-06", "2027-02-06", restricted_by=last) == []
    # Only they: the Mondays 8, 15 and 22 still count.
    includes["weekdays"] = [{"days": [1]}]
    assert dates(includes, "2027-02-05", "2027-02-05", restricted_by={"ultimos": [{"days": [4]}]}) == ["2027-02-05"]


def test_restricting_months_have_a_date_with_the_day_of_the_anchor_or_a_larger_one() -> None:
    """February has none after the 28th, unless the anchor is a month end: then the last day of each month counts."""
    daily = {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}

    def by(anchor: str) -> list[str]:
        return dates(
            daily, anchor, "2027-04-30", restricted_by={"repetitions": [{"repetition": "MONTHLY", "from": anchor}]}
        )

    assert by("2027-01-30") == ["2027-01-30", "2027-03-30", "2027-04-30"]
    assert by("2027-01-31") == ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]
    assert by("2027-02-28") == ["2027-02-28", "2027-03-31", "2027-04-30"]


def test_in_months_restrictions_count_dates_too() -> None:
    """Repetitions as well, of which `to` of the element does not limit any, and yearly ones are ignored."""
    element = {
        "months": [1, 3],
        "to": "2027-01-31",
        "ultimos": [{"days": [1]}],
        "repetitions": [
            {"repetition": "MONTHLY", "from": "2027-01-02"},
            {"repetition": "YEARLY", "from": "2027-01-12"},
        ],
    }
    found = dates(WORKDAYS, last="2027-03-31", restricted_by={"months": [element]})
    assert [day for day in found if day[5:7] == "01"] == ["2027-01-04", "2027-01-29"]
    # After its end the element restricts nothing.
    assert len([day for day in found if day[5:7] in ("02", "03")]) == 20 + 23
    found = dates(WORKDAYS, last="2027-03-31", restricted_by={"months": [element], "dates": ["2027-03-10"]})
    assert found == ["2027-01-04", "2027-01-29", "2027-03-02", "2027-03-10"]


def test_what_months_restrict_is_said_by_their_own_span() -> None:
    """In the other months and before the span of an element within them, nothing stays."""
    element = {"months": [1], "monthdays": [{"days": [20], "from": "2027-01-15"}]}
    assert dates(WORKDAYS, last="2027-02-28", restricted_by={"months": [element]}) == ["2027-01-28"]


def test_a_national_calendar_has_no_effect() -> None:
    assert dates({"holidays": [{"nationalCalendar": "DE"}]}) == []
    assert dates({"holidays": [{"nationalCalendar": "DE", "dates": ["2027-10-03"]}]}) == ["2027-10-03"]


@pytest.mark.parametrize(
    "text", ["2027-02-30", "20270101", "2027-1-05", "05.01.2027", "2027-13-01", "x", "2027-01-01 "]
)
def test_dates_have_one_form(text: str) -> None:
    assert "$.from" in refusal(WORKDAYS, from_=text)
    assert "$.dateTo" in refusal(WORKDAYS, last=text)
    assert "$.includes.holidays[0].dates[1]" in refusal({"holidays": [{"dates": ["2027-01-01", text]}]})


def test_absent_ends_of_the_interval() -> None:
    daily = {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}
    assert dates(daily, None, None)[0::199] == ["2027-06-15", "2027-12-31"]
    assert dates(daily, "2027-12-01", None, to="2029-02-03")[-1] == "2029-02-03"
    assert dates(daily, None, "2027-07-01", from_="2027-06-30") == ["2027-06-30", "2027-07-01"]


def test_all_problems_of_a_calendar_with_their_places() -> None:
    problems = calendar_problems(
        {
            "type": "WORKINGDAYSCALENDAR",
            "from": "1.1.2027",
            "includes": {
                "weekdays": [{"days": [1]}, {}],
                "months": [{"months": [1], "repetitions": [{"repetition": "DAILY", "step": 0}]}],
            },
            "excludes": {"dates": ["2027-02-29"]},
        }
    )
    assert [problem.path for problem in problems] == [
        "$.from",
        "$.includes.weekdays[1]",
        "$.includes.months[0].repetitions[0]",
        "$.includes.months[0].repetitions[0].step",
        "$.excludes.dates[0]",
    ]
    assert calendar_problems({"type": "WORKINGDAYSCALENDAR"}) == []
    assert [problem.path for problem in calendar_problems({"type": "X", "includes": {"dates": 1}})] == [
        "$.type",
        "$.includes.dates",
    ]
