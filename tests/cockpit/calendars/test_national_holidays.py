"""National holidays for the calendar editor."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from stellwerk.cockpit.calendars.national_holidays import NationalHoliday, countries, national_holidays
from stellwerk.language.calendars import read_calendar, resolve
from stellwerk.values.problems import ProblemError

UNITY = date(2027, 10, 3)


def test_years_of_a_country_in_order() -> None:
    found = national_holidays("DE", 2027, 2028)
    assert [holiday.date for holiday in found] == sorted({holiday.date for holiday in found})
    assert len([holiday for holiday in found if holiday.date.year == 2027]) == 9
    assert {holiday.date.year for holiday in found} == {2027, 2028}
    assert NationalHoliday(UNITY, "German Unity Day") in found


def test_a_subdivision_has_more() -> None:
    country, bavaria = (dict(national_holidays("DE", 2027, 2027, subdivision=name)) for name in (None, "BY"))
    assert set(bavaria) - set(country) == {date(2027, 1, 6), date(2027, 5, 27), date(2027, 11, 1)}


@pytest.mark.parametrize(("language", "name"), [("de", "Tag der Deutschen Einheit"), ("xx", "German Unity Day")])
def test_names_in_a_language_or_in_english(language: str, name: str) -> None:
    assert dict(national_holidays("DE", 2027, 2027, language=language))[UNITY] == name


def test_the_language_of_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "uk")
    assert dict(national_holidays("DE", 2027, 2027))[UNITY] == "German Unity Day"


def test_observed_days() -> None:
    """Independence Day 2027 is a Sunday."""
    assert {date(2027, 7, 4), date(2027, 7, 5)} <= set(dict(national_holidays("US", 2027, 2027)))


def test_all_countries_answer_with_their_subdivisions() -> None:
    known = countries()
    assert len(known) > 200
    assert "BY" in dict(known)["DE"]
    assert all(len(country.code) == 2 for country in known)


@pytest.mark.parametrize(
    ("country", "years", "subdivision", "text"),
    [
        ("XX", (2027, 2027), None, "'XX'"),
        ("deu", (2027, 2027), None, "ISO 3166"),
        ("DE", (2027, 2027), "XX", "there are: BB, BE"),
        ("DE", (2028, 2027), None, "must not be after"),
        ("DE", (0, 10), None, "years 0"),
        ("DE", (2000, 2100), None, "100 years"),
    ],
)
def test_what_is_unknown_is_refused(country: str, years: tuple[int, int], subdivision: str | None, text: str) -> None:
    with pytest.raises(ProblemError, match=text):
        national_holidays(country, *years, subdivision=subdivision)


def test_the_dates_make_a_calendar() -> None:
    dates = [holiday.date.isoformat() for holiday in national_holidays("DE", 2027, 2027)]
    content = {"type": "NONWORKINGDAYSCALENDAR", "includes": {"holidays": [{"nationalCalendar": "DE", "dates": dates}]}}
    found = resolve(read_calendar(content), "2027-01-01", "2027-12-31", today=UNITY)
    assert [day.isoformat() for day in found.dates] == dates


def test_the_cockpit_starts_without_the_library() -> None:
    """It is slow to import and large."""
    code = (
        "import sys, stellwerk.cockpit.calendars.national_holidays, stellwerk.cockpit.application; "
        "print('holidays' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
