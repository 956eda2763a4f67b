"""Positions do what the conformance vectors say (CONFORMANCE.md, section 4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.positions_runner import run

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "positions-dev.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_position_vector(case: dict[str, Any]) -> None:
    assert run(case) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "parseJson", "input": [1], "result": [2]},
        {"op": "parseJson", "input": [1], "error": "decode"},
        {"op": "parseJson", "input": [1, 2], "result": [1, 2]},
        {"op": "isFork", "input": "fork", "result": 1},
        {"op": "nextRetryPosition", "input": [1], "result": None},
        {"op": "parseCycleState", "input": "then", "error": "decode"},
        {"op": "unheardOf", "input": [1], "result": None},
    ],
)
def test_the_runner_reports_a_difference(wrong: dict[str, Any]) -> None:
    assert run(wrong) is not None
