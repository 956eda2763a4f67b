"""The simulator in its short form: architecture, section 2; reliability, section 3. The long form is `make sim`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from stellwerk.simulation.__main__ import caught, crash_plans, main, random_plan
from stellwerk.simulation.broken import VARIANTS
from stellwerk.simulation.disk import CrashForm
from stellwerk.simulation.installation import Plan, simulate


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nodes report each crash; here these are the point."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_the_same_seed_gives_the_same_run() -> None:
    first, second, other = (simulate(random_plan(seed)) for seed in (5, 5, 6))
    assert first.trace == second.trace
    assert first.hash == second.hash != other.hash


def test_a_calm_run_runs_each_job_as_often_as_the_workflow_says() -> None:
    report = simulate(Plan(seed=1, orders=2))
    assert not report.violations
    # extract, left, over, right, report, and flaky three times.
    assert report.starts == 2 * 8
    assert not any(report.faults.values())


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_or_done_twice_whatever_fails(seed: int) -> None:
    report = simulate(random_plan(seed))
    assert not report.violations, "\n".join([*report.trace[-60:], *report.violations])
    assert sum(report.faults.values()) > 0


@pytest.mark.parametrize("form", list(CrashForm))
def test_a_power_failure_at_some_writes_of_each_machine(form: CrashForm) -> None:
    plans = [plan for plan in crash_plans(every=9) if plan.crash is not None and plan.crash[2] is form]
    assert {plan.crash[0] for plan in plans if plan.crash} == {"controller", "A", "B"}
    for plan in plans:
        report = simulate(plan)
        assert not report.violations, f"{plan}: {report.violations}"
        assert report.faults["ended runs"] == 1, plan


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_variant_is_caught(variant: str) -> None:
    assert caught(variant) is not None


def test_a_failing_run_is_repeated_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    found = next(plan for plan in crash_plans(variant="no-sync") if simulate(plan).violations)
    assert found.crash is not None
    machine, number, form = found.crash
    code = main(["--repeat", "0", "--variant", "no-sync", "--crash", f"{machine}:{number}:{form.value}"])
    output = capsys.readouterr().out
    assert code == 1
    assert "VIOLATION" in output and "OrderAdded" in output
