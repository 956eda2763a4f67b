"""`stellwerk test`: unit tests of workflows on simulated time."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stellwerk.author.case_files import duration_ms
from stellwerk.author.case_run import Result, run_file
from stellwerk.cli.main import app
from stellwerk.values.problems import ProblemError

CASES = Path(__file__).parent / "cases"


def run(folder: Path, text: str) -> list[Result]:
    for file in CASES.glob("*.workflow.json"):
        shutil.copy(file, folder)
    test_file = folder / "some.test.toml"
    test_file.write_text(text)
    return list(run_file(test_file))


def test_the_cases_pass() -> None:
    results = list(run_file(CASES / "nightly.test.toml"))
    assert [result.differences for result in results] == [()] * len(results)
    assert len(results) == 9


def test_a_month_of_cycles_needs_little_time() -> None:
    """The aim is a second; machines are noisy, so only a gross excess fails."""
    started = time.process_time()
    list(run_file(CASES / "nightly.test.toml"))
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("expectation", "difference"),
    [
        ('state = "Failed"', "state: expected 'Failed', but it is 'Finished'"),
        ('path = ["report"]', "path: expected ['report'], but it is ['load', 'report']"),
        ("runs = {load = 2}", "runs.load: expected 2, but it is 1"),
        ("starts.load = []", "starts.load: expected []"),
        ('variables = {rows = "6"}', "variables.rows: expected '6', but it is '5'"),
        ("variables = {nothing = 1}", "but it is None"),
        ('events = ["OrderFinished", "OrderStarted"]', "events: expected"),
        ("ended_at = 2026-01-01T00:00:00Z", "ended_at: expected '2026-01-01T00:00:00Z'"),
        ('ends_within = "1s"', "ends_within: expected '1s', but it is '60 s'"),
        ('position = "0"', "position: expected '0', but it is '3'"),
        ('message = "no"', "message: expected 'no'"),
        ('orders = {other = "Finished"}', "orders.other: expected 'Finished', but it is 'Deleted'"),
    ],
)
def test_a_wrong_expectation_fails_and_says_what_is(tmp_path: Path, expectation: str, difference: str) -> None:
    text = 'workflow = "nightly"\n[[test]]\nname = "x"\njobs.load = {values = {rows = "5"}, duration = "1min"}\n'
    (result,) = run(tmp_path, f"{text}expect.{expectation}")
    assert len(result.differences) == 1 and difference in result.differences[0], result.differences
    assert any("OrderProcessed" in line for line in result.history)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "not a TOML file"),
        ("", "missing required field `test`"),
        ("test = []", "there is no [[test]]"),
        ('[[test]]\nname = "x"\nworkflw = "nightly"', "unknown field `workflw`"),
        ('[[test]]\nname = "x"\nexpect.sate = "Finished"', "unknown field `sate`"),
        ('files = ["none.json"]\n[[test]]\nname = "x"', "there is no workflow"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ProblemError) as error:
        run(tmp_path, text)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[test]]\nname = "x"', "say which `workflow`"),
        ('[[test]]\nname = "x"\nworkflow = "other"', "there is no workflow 'other'"),
        ('[[test]]\nname = "x"\nworkflow = "nightly"\njobs.nobody = {}', "there is no job or label nobody"),
        ('[[test]]\nname = "x"\nworkflow = "nightly"\narguments = {y = 1}', "UndeclaredOrderArgument"),
        ('[[test]]\nname = "x"\nworkflow = "nightly"\nrun_for = "soon"', "not a duration"),
        ('[[test]]\nname = "x"\nworkflow = "nightly"\ndo = [{at = 1, command = "fly"}]', "unknown command 'fly'"),
        ('[[test]]\nname = "x"\nworkflow = "nightly"\ndo = [{at = 1, command = "confirm"}]', "state Prompting"),
    ],
)
def test_a_test_that_cannot_run_fails(tmp_path: Path, text: str, problem: str) -> None:
    (result,) = run(tmp_path, text)
    assert problem in result.differences[0]


def test_durations() -> None:
    assert [duration_ms(value) for value in (90, 1.5, "90s", "2h 30min", "1d", "10ms", "1.5h")] == [
        90_000,
        1_500,
        90_000,
        9_000_000,
        86_400_000,
        10,
        5_400_000,
    ]


def test_the_command(tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(app, ["test", str(CASES)])
    assert good.exit_code == 0
    assert "9 passed, 0 failed" in good.output
    shutil.copytree(CASES, tmp_path / "cases")
    bad = tmp_path / "cases" / "bad.test.toml"
    bad.write_text(
        'workflow = "nightly"\n[[test]]\nname = "wrong"\nexpect.state = "Failed"\njobs.load = {values={rows="1"}}'
    )
    failed = runner.invoke(app, ["test", str(bad)])
    assert failed.exit_code == 1
    assert "what happened:" in failed.output
    told = json.loads(runner.invoke(app, ["test", "--json", str(tmp_path)]).output)
    assert (told["passed"], told["failed"]) == (9, 1)
