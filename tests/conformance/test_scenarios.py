"""Real nodes do what the scenarios say (CONFORMANCE.md, section 2)."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.run import main, read_cases, run_cases
from tests.conformance.scenarios_compare import differences, matches, normalized, order_difference
from tests.conformance.scenarios_runner import run

DATA = Path(__file__).parent / "data"

#: One order that runs a job and prints.
CASE: dict[str, Any] = {
    "id": "own",
    "items": [
        {
            "TYPE": "Workflow",
            "path": "W",
            "instructions": [
                {
                    "TYPE": "Execute.Anonymous",
                    "job": {
                        "agentPath": "A",
                        "executable": {"TYPE": "ShellScriptExecutable", "script": "echo ${TODAY}"},
                    },
                }
            ],
        }
    ],
    "agents": ["A"],
    "orders": [{"id": "O", "workflowPath": "W"}],
    "steps": [{"await": {"order": "O", "event": "OrderTerminated", "timeout": 20}}],
    "expect": {
        "O": {
            "events": ["OrderProcessingStarted", {"TYPE": "OrderProcessed"}, "OrderMoved", "OrderFinished"],
            "filter": "relevant",
            "finalState": "Finished",
            "stdout": "${TODAY}\n",
        }
    },
    "eventOrder": [["O", "OrderStarted"], ["O", "OrderTerminated"]],
}


async def test_all_scenarios() -> None:
    result = await run_cases("scenarios", read_cases(DATA / "scenarios-dev.jsonl"))
    assert not result.failed, "\n".join(f"{id_}: {difference}" for id_, difference in result.failed.items())
    assert len(result.passed) == 116
    assert not result.later


async def test_some_scenarios_on_real_processes() -> None:
    """`make conformance` runs all of them so."""
    cases = read_cases(DATA / "scenarios-dev.jsonl")[::12]
    result = await run_cases("scenarios", cases, with_processes=True)
    assert not result.failed, "\n".join(f"{id_}: {difference}" for id_, difference in result.failed.items())
    assert len(result.passed) == len(cases)


async def test_a_case_passes() -> None:
    assert await run(CASE) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"expect": {"O": {"finalState": "Failed"}}},
        {"expect": {"O": {"stdout": "other"}}},
        {"expect": {"O": {"events": ["OrderFinished"], "filter": "relevant"}}},
        {"expect": {"O": {"outcomes": [{"TYPE": "Succeeded", "namedValues": {"returnCode": 1}}]}}},
        {"eventOrder": [["O", "OrderTerminated"], ["O", "OrderStarted"]]},
        {"steps": [{"command": {"TYPE": "CancelOrders", "orderIds": ["NOPE"]}}]},
        {"steps": [{"command": {"TYPE": "NoOperation"}, "expectError": {"code": "UnknownKey"}}]},
        {"steps": [{"assertNoEvent": {"order": "O", "event": "OrderFinished", "within": 20}}]},
        {"steps": [{"assertState": {"order": "O", "position": [7]}}]},
        {"orders": [{"id": "O", "workflowPath": "W", "expectError": {}}]},
    ],
)
async def test_the_runner_reports_a_difference(wrong: dict[str, Any]) -> None:
    assert await run({**deepcopy(CASE), **wrong}) is not None


def test_the_command_fails_with_a_failing_vector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "positions-own.jsonl").write_text(
        '{"id":"p1","op":"isFork","input":"fork+a","result":true}\n{"id":"p2","op":"isFork","input":"then","result":true}\n'
    )
    (tmp_path / "period-x.jsonl").write_text('{"id":"r1"}\n')
    assert main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 2 failed"
    assert any(line.startswith("  failed: p2") for line in lines)
    # An exception fails its case only.
    assert "period-x.jsonl: 0 passed, 1 failed, 0 not yet supported" in lines[0]
    assert any(line.startswith("  failed: r1") for line in lines)
    assert main([str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": False}, {}, True),
        ({"a": 0}, {}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"message": "No such * at"}, {"message": "Problem: No such thing at all"}, True),
        ({"message": "such"}, {"message": "other"}, False),
    ],
)
def test_matching(expected: Any, actual: Any, equal: bool) -> None:
    assert matches(expected, actual) is equal


def test_normalization() -> None:
    assert normalized({"eventId": 1, "TYPE": "OrderCatched", "movedTo": [0, "cycle+end=17,i=2,next=5", 1]}) == {
        "TYPE": "OrderCaught",
        "movedTo": [0, "cycle+i=2", 1],
    }
    assert normalized("cycle+end=17,next=5") == "cycle+i=0"


def test_parts_of_event_lists() -> None:
    events = [{"TYPE": name} for name in ("OrderStarted", "OrderMoved", "OrderMoved", "OrderFinished")]
    for expected, is_right in (
        ({"eventsPrefix": ["OrderStarted", "OrderMoved"]}, True),
        ({"eventsPrefix": ["OrderMoved"]}, False),
        ({"eventsEnd": ["OrderMoved", "OrderFinished"]}, True),
        ({"eventsEnd": ["OrderMoved"]}, False),
        ({"eventsContain": ["OrderMoved", "OrderFinished"]}, True),
        ({"eventsContain": ["OrderFinished", "OrderMoved"]}, False),
        ({"events": ["OrderStarted", "OrderFinished"], "filter": "noMoves"}, True),
    ):
        assert (differences("O", expected, events, None) == []) is is_right, expected
    keyed = [{"Key": "O", **event} for event in events]
    assert order_difference([["O", "OrderMoved"], ["O", "OrderFinished"]], keyed) == []
    assert order_difference([["O", "OrderFinished"], ["O", "OrderMoved"]], keyed) != []
