"""The simulator in its short form: architecture, section 2; reliability, section 3. The long form is `make sim`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import get_args

import pytest
from msgspec.structs import replace
from tests.simulation.mutants import MUTANTS

from stellwerk.simulation.command import caught, main
from stellwerk.simulation.disk import CrashForm
from stellwerk.simulation.installation import Plan, Step, simulate
from stellwerk.simulation.plans import Shape, crash_plans, plan_of, repeat_command, short_plan, shrunk


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nodes report each crash; here these are the point."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_the_same_seed_gives_the_same_run(shape: Shape) -> None:
    first, second, other = (simulate(short_plan(seed, shape=shape)) for seed in (5, 5, 6))
    assert first.trace == second.trace
    assert first.hash == second.hash != other.hash


@pytest.mark.parametrize("controllers", [1, 2])
def test_a_calm_run_runs_each_job_as_often_as_the_workflow_says(controllers: int) -> None:
    report = simulate(Plan(seed=1, orders=2, controllers=controllers, witnesses=controllers - 1))
    assert not report.violations
    # extract, left, over, right, report, and flaky three times.
    assert report.starts == 2 * 8
    assert not any(report.faults.values())


@pytest.mark.parametrize("shape", get_args(Shape))
@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_or_done_twice_whatever_fails(seed: int, shape: Shape) -> None:
    report = simulate(short_plan(seed, shape=shape))
    assert not report.violations, "\n".join([*report.trace[-60:], *report.violations])
    assert sum(report.faults.values()) > 0


@pytest.mark.parametrize("seed", range(3))
def test_ten_minutes_of_a_whole_installation(seed: int) -> None:
    plan = plan_of(seed)
    report = simulate(plan)
    assert not report.violations, "\n".join([*report.trace[-60:], *report.violations])
    assert plan.orders >= 20 and report.simulated_seconds >= 600
    assert sum(count for kind, count in report.faults.items() if kind != "ended runs") >= 5


@pytest.mark.parametrize("form", list(CrashForm))
def test_a_power_failure_at_some_writes_of_each_machine(form: CrashForm) -> None:
    plans = [plan for plan in crash_plans(every=9) if plan.crash is not None and plan.crash[2] is form]
    assert {plan.crash[0] for plan in plans if plan.crash} == {"controller", "A", "B"}
    for plan in plans:
        report = simulate(plan)
        assert not report.violations, f"{plan}: {report.violations}"
        assert report.faults["ended runs"] == 1, plan


@pytest.mark.parametrize("number", range(24, 31))
def test_a_reset_is_done_or_not_wherever_the_agent_crashes(number: int) -> None:
    """The Controller takes the answer to `Reset` for the deletion of the journal."""
    steps: tuple[Step, ...] = ((1.5, "reset", "A"),)
    plan = Plan(seed=0, orders=1, seconds=5.0, dragging=1.0, steps=steps, crash=("A", number, CrashForm.BEFORE))
    report = simulate(plan)
    assert not report.violations, report.violations
    assert report.faults["ended runs"] == 1 and "an Agent with orders was reset" in report.sometimes


def test_directors_that_both_start_again_need_no_person_when_the_watch_is_new() -> None:
    """Another Controller has become active meanwhile: it knows nothing of the pair of Directors."""
    down: list[Step] = [(8.0, "kill", name) for name in ("A", "A-b", "controller")]
    up: list[Step] = [(16.0, "start", name) for name in ("A", "A-b")]
    plan = Plan(seed=1, orders=2, directors=2, controllers=2, witnesses=1, seconds=20.0, steps=(*down, *up))
    report = simulate(plan)
    assert not report.violations, report.violations
    assert "a fail-over while an Agent was down or out of reach" in report.sometimes


def test_there_are_mutants_enough() -> None:
    assert len(MUTANTS) >= 12


#: What needs more runs is part of `make sim`, and of the long form here.
_FEW_RUNS = 100


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long_only if mutant.runs > _FEW_RUNS else ())
        for name, mutant in MUTANTS.items()
    ],
)
def test_a_mutant_is_caught_within_the_stated_number_of_runs(name: str) -> None:
    assert caught(name) is not None


def test_a_failing_run_is_shrunk_and_repeated_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    mutant = MUTANTS["no-sync"]
    with mutant.break_it():
        plans = (short_plan(seed, shape="single", kinds=mutant.kinds) for seed in range(20))
        found = next(plan for plan in plans if simulate(plan).violations)
        smaller = shrunk(found)
    assert len(found.without) < len(smaller.without) < found.faults
    with mutant.break_it():
        assert simulate(smaller).violations
    assert not simulate(smaller).violations
    command = repeat_command(smaller, shape="single", mutant="no-sync")
    arguments = command.partition("stellwerk.simulation ")[2].replace("'", "").split(" ")
    kinds = arguments.index("--kinds")
    arguments[kinds + 1 : kinds + 3] = [" ".join(arguments[kinds + 1 : kinds + 3])]
    code = main(arguments)
    output = capsys.readouterr().out
    assert code == 1
    assert "VIOLATION" in output and "OrderAdded" in output


def test_leaving_out_a_fault_changes_no_other() -> None:
    plan = short_plan(3, shape="pair")
    everything = {text for text in simulate(plan).trace if "(fault " in text}
    without = {text for text in simulate(replace(plan, without=(2,))).trace if "(fault " in text}
    assert without < everything
    assert all("(fault 2)" in text for text in everything - without)
