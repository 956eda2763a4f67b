"""The table of the specification: what elements and restrictions make of calendars of 2024 (services spec 3.3)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from stellwerk.language.calendars import Restrictions, read_calendar, resolve
from stellwerk.language.reader import Reader

HOLIDAYS = ["2024-01-01", "2024-03-29", "2024-04-01", "2024-05-01", "2024-12-25", "2024-12-26"]
BASE = {
    "type": "WORKINGDAYSCALENDAR",
    "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]},
    "excludes": {"dates": HOLIDAYS},
}


def dates(calendar: dict[str, Any], restriction: dict[str, Any] | None = None) -> list[str]:
    reader = Reader()
    restrictions = reader.result(reader.read(Restrictions, {"includes": restriction or {}}, "$"))
    found = resolve(
        read_calendar(calendar), "2024-01-01", "2024-12-31", today=date(2024, 1, 1), restrictions=restrictions
    )
    return [day.isoformat()[5:] for day in found.dates]


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (
            {"monthdays": [{"days": [1]}]},
            "01-02 02-01 03-01 04-02 05-02 06-03 07-01 08-01 09-02 10-01 11-01 12-02",
        ),
        ({"ultimos": [{"days": [1]}]}, "01-31 02-29 03-28 04-30 05-31 06-28 07-31 08-30 09-30 10-31 11-29 12-31"),
        ({"months": [{"months": [3, 12], "ultimos": [{"days": [2]}]}]}, "03-27 12-30"),
    ],
)
def test_restrictions_count_dates(restriction: dict[str, Any], expected: str) -> None:
    assert dates(BASE, restriction) == expected.split()


@pytest.mark.parametrize(
    ("repetition", "expected"),
    [
        (
            {"repetition": "WEEKLY", "step": 2, "from": "2024-01-03"},
            "01-03 01-17 01-31 02-14 02-28 03-13",
        ),
        ({"repetition": "DAILY", "step": 3, "from": "2024-01-02"}, "01-02 01-05 01-10 01-15 01-18 01-23"),
        ({"repetition": "MONTHLY", "step": 1, "from": "2024-01-06"}, "01-08 02-06 03-06 04-08 05-06 06-06"),
    ],
)
def test_restrictions_by_repetitions(repetition: dict[str, Any], expected: str) -> None:
    found = dates(BASE, {"repetitions": [repetition]})
    # Before the anchor nothing is restricted.
    found = [day for day in found if day >= repetition["from"][5:]]
    assert found[: len(expected.split())] == expected.split()


@pytest.mark.parametrize(
    ("includes", "expected"),
    [
        ({"monthdays": [{"weeklyDays": [{"day": 1, "weekOfMonth": 2}]}]}, "01-08 02-12 03-11 04-08"),
        ({"ultimos": [{"weeklyDays": [{"day": 5, "weekOfMonth": 1}]}]}, "01-26 02-23 03-29 04-26"),
        ({"repetitions": [{"repetition": "WEEKLY", "step": 2, "from": "2024-01-03"}]}, "01-03 01-17 01-31 02-14 02-28"),
        ({"repetitions": [{"repetition": "MONTHLY", "from": "2024-01-31"}]}, "01-31 02-29 03-31 04-30 05-31"),
    ],
)
def test_elements_of_a_calendar(includes: dict[str, Any], expected: str) -> None:
    assert dates({"type": "WORKINGDAYSCALENDAR", "includes": includes})[: len(expected.split())] == expected.split()
