"""Calendars, periods and schedules do what the conformance vectors say (data/README.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dates_runner import run_calendar, run_period, run_schedule

FAMILIES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "calendar": run_calendar,
    "period": run_period,
    "schedule": run_schedule,
}


def cases(family: str) -> list[dict[str, Any]]:
    file = Path(__file__).parent / "data" / f"{family}-dev.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("family", "count"), [("calendar", 922), ("period", 698), ("schedule", 412)])
def test_vectors(family: str, count: int) -> None:
    """All of a family at once: they take less time than pytest takes to name them."""
    found = {case["id"]: FAMILIES[family](case) for case in cases(family)}
    assert len(found) == count
    assert {id_: difference for id_, difference in found.items() if difference is not None} == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_runner_reports_a_difference(family: str) -> None:
    """With the result of another case, and a refusal where there is none and the other way round."""
    expected = {"calendar": "dates", "period": "startTimes", "schedule": "days"}[family]
    all_cases = cases(family)
    accepted = [case for case in all_cases if case.get(expected)]
    one, other = accepted[0], next(case for case in accepted if case[expected] != accepted[0][expected])
    assert FAMILIES[family]({**one, expected: other[expected]}) is not None
    if family != "schedule":
        refused = next(case for case in all_cases if "error" in case)
        assert FAMILIES[family]({**one, "error": "invalid"}) is not None
        assert FAMILIES[family]({**{k: v for k, v in refused.items() if k != "error"}, expected: []}) is not None
