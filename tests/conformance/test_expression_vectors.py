"""The expression language does what the conformance vectors say (CONFORMANCE.md, section 1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.expressions_runner import run

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "expressions-dev.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_expression_vector(case: dict[str, Any]) -> None:
    assert run(case) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"expr": "1 + 1", "result": 3},
        {"expr": "true", "result": 1},
        {"expr": "'1'", "result": 1},
        {"expr": "missing", "result": False},
        {"expr": "1", "parse": "error", "error_kind": "syntax"},
        {"expr": "1 +", "result": 1},
        {"expr": "1 / 0", "error_kind": "type"},
        {"expr": "1", "error_kind": "type"},
        {"expr": "1 / 0", "result": 0},
        {"expr": "1+1", "canonical": "1+1", "result": 2},
        {"expr": "error('a')", "error_kind": "user-error", "message": "b"},
        {"expr": "x => $x", "kind": "function", "args": [1], "result": 2},
    ],
)
def test_the_runner_reports_a_difference(wrong: dict[str, Any]) -> None:
    assert run(wrong) is not None
