"""`python -m stellwerk.simulation`, or `make sim`: see docs/how-to/simulate.md. Exit code 1 when anything was wrong.

Seeds are run on all cores until there have been enough of them or the time is over; then a crash at every write of a
short scenario, and the mutants, each of which must be caught. A failing seed is shrunk: the faults that it can do
without are left out; one command repeats what remains, with its whole trace as a conversation.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import itertools
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, get_args

import msgspec
from msgspec.structs import replace

from stellwerk.simulation.disk import CrashForm
from stellwerk.simulation.installation import Plan, Report, simulate
from stellwerk.simulation.plans import (
    SOMETIMES,
    Shape,
    crash_plans,
    facts_of,
    plan_of,
    repeat_command,
    short_plan,
    shrunk,
)

#: Where the mutants are: they belong to the tests, not to the product.
MUTANTS = "tests.simulation.mutants"


class Mutant(Protocol):
    """A deliberately broken variant (`tests.simulation.mutants.Mutant`)."""

    runs: int
    shape: Shape
    kinds: tuple[str, ...]
    crashes: bool

    def break_it(self) -> AbstractContextManager[None]: ...


class Outcome(msgspec.Struct, frozen=True):
    """What remains of a run's report."""

    plan: Plan
    violations: tuple[str, ...]
    seconds: float
    events: int
    takeovers: int
    faults: Mapping[str, int]
    facts: frozenset[str]

    @classmethod
    def of(cls, report: Report) -> Outcome:
        return cls(
            report.plan,
            report.violations,
            report.simulated_seconds,
            report.events,
            report.takeovers,
            report.faults,
            facts_of(report),
        )


def mutants() -> Mapping[str, Mutant]:
    """By name; none where the tests are not there."""
    try:
        found: Mapping[str, Mutant] = importlib.import_module(MUTANTS).MUTANTS
        return found
    except ImportError:
        return {}


def run_plan(plan: Plan) -> Outcome:
    """One run, for a worker process. What it raises is a violation, too."""
    logging.disable(logging.CRITICAL)  # nodes report each crash and each lost connection: here these are the point
    try:
        return Outcome.of(simulate(plan))
    except Exception as error:
        return Outcome(plan, (f"the simulation ended with {error!r}",), 0.0, 0, 0, {}, frozenset())


def caught(name: str) -> tuple[int, str] | None:
    """How many runs it took to catch a mutant, and by what; None: it was not, within the stated number."""
    mutant = mutants()[name]
    plans: Iterable[Plan] = crash_plans() if mutant.crashes else short_plans(mutant)
    for count, plan in enumerate(itertools.islice(plans, mutant.runs), 1):
        with mutant.break_it():
            outcome = run_plan(plan)
        if outcome.violations:
            return count, outcome.violations[0]
    return None


def short_plans(mutant: Mutant) -> Iterator[Plan]:
    """The runs in which a mutant is looked for."""
    return (short_plan(seed, shape=mutant.shape, kinds=mutant.kinds) for seed in itertools.count())


class Tally:
    """Counts of all runs."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.runs = 0
        self.failed: list[Plan] = []
        self.seconds = 0.0
        self.events = 0
        self.takeovers = 0
        self.faults: collections.Counter[str] = collections.Counter()
        self.facts: set[str] = set()

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.seconds += outcome.seconds
        self.events += outcome.events
        self.takeovers += outcome.takeovers
        self.faults.update(outcome.faults)
        self.facts |= outcome.facts
        if outcome.plan.crash is not None:
            self.faults[f"power failure at a write, {outcome.plan.crash[2].value}"] += 1
        if outcome.violations:
            self.failed.append(outcome.plan)
            print(f"VIOLATION  {repeat_command(outcome.plan)}", flush=True)
            for violation in outcome.violations[:5]:
                print(f"    {violation[:500]}", flush=True)
        if sys.stderr.isatty() and self.runs % 10 == 0:
            rate = self.runs / (time.monotonic() - self.began)
            print(f"\r{self.runs} runs, {rate:.1f}/s, {len(self.failed)} failed ", end="", file=sys.stderr, flush=True)

    def print(self, title: str) -> None:
        elapsed = time.monotonic() - self.began
        faults = ", ".join(f"{count} × {kind}" for kind, count in sorted(self.faults.items()))
        print(
            f"{title}: {self.runs} runs ({self.runs / elapsed:.1f}/s), {self.seconds / 3600:.1f} simulated hours, "
            f"{self.events} events, {self.takeovers} take-overs, {len(self.failed)} with violations; "
            f"faults: {faults or 'none'}",
            flush=True,
        )


def outcomes(plans: Iterable[Plan], jobs: int) -> Generator[Outcome, None, None]:
    """On `jobs` processes, as they come."""
    if jobs == 1:
        yield from map(run_plan, plans)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_plan, plans, chunksize=1)


def run_seeds(first: int, count: int, minutes: float | None, jobs: int) -> Tally:
    """Seeds until there have been `count`, or `minutes` are over."""
    tally = Tally()
    until = None if minutes is None else time.monotonic() + 60 * minutes
    with contextlib.closing(outcomes(map(plan_of, range(first, first + count)), jobs)) as results:
        for outcome in results:
            tally.add(outcome)
            if until is not None and time.monotonic() > until:
                break
    return tally


def repeat(options: argparse.Namespace) -> int:
    """One run with its whole trace."""
    kinds = tuple(options.kinds.split(",")) if options.kinds else ()
    if options.crash is not None:
        machine, number, form = options.crash.split(":")
        plan = Plan(seed=options.repeat, orders=1, crash=(machine, int(number), CrashForm(form)))
    elif options.short is not None:
        plan = short_plan(options.repeat, shape=options.short, kinds=kinds)
    else:
        plan = plan_of(options.repeat)
    if options.without:
        plan = replace(plan, without=tuple(map(int, options.without.split(","))))
    broken: Any = contextlib.nullcontext()
    if options.mutant is not None:
        broken = mutants()[options.mutant].break_it()
    with broken:
        report = simulate(plan)
    print("\n".join(report.trace))
    print(f"hash {report.hash}")
    for violation in report.violations:
        print(f"VIOLATION  {violation}")
    return 1 if report.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stellwerk.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="so many runs with random faults (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="begin with this seed (default: 0)")
    parser.add_argument("--minutes", type=float, help="stop with the seeds after so many minutes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    parser.add_argument("--every", type=int, default=1, help="crash at every n-th write only (default: 1; 0: never)")
    parser.add_argument("--only-seeds", action="store_true", help="no crashes at writes, no mutants")
    parser.add_argument("--repeat", type=int, metavar="SEED", help="repeat one run and print its whole trace")
    parser.add_argument("--short", choices=get_args(Shape), help="with --repeat: the short form of a run")
    parser.add_argument("--kinds", metavar="A,B", help="with --short: only these kinds of faults")
    parser.add_argument("--without", metavar="N,M", help="with --repeat: leave out these faults")
    parser.add_argument("--crash", metavar="MACHINE:NUMBER:FORM", help="with --repeat: the planned power failure")
    parser.add_argument("--mutant", help="with --repeat: a broken variant")
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if options.repeat is not None:
        return repeat(options)
    is_good = True
    first, second = (simulate(plan_of(options.first)) for _ in range(2))
    is_same = first.hash == second.hash and first.trace == second.trace
    is_good &= is_same
    print(f"seed {options.first} twice: {'the same' if is_same else 'NOT the same'} hash {first.hash[:16]}", flush=True)
    tally = run_seeds(options.first, options.seeds, options.minutes, options.jobs)
    tally.print("random faults")
    for fact in sorted(SOMETIMES - tally.facts):
        print(f"never seen: {fact}")
    is_good &= not tally.failed and (options.seeds < 200 or tally.facts >= SOMETIMES)
    for plan in tally.failed[:3]:
        print(f"shrunk: {repeat_command(shrunk(plan))}", flush=True)
    if not options.only_seeds:
        is_good &= _crashes(options.every, options.jobs) and _mutants()
    print("all is well" if is_good else "something is wrong")
    return 0 if is_good else 1


def _crashes(every: int, jobs: int) -> bool:
    if every == 0:
        return True
    tally = Tally()
    for outcome in outcomes(crash_plans(every), jobs):
        tally.add(outcome)
    tally.print("a crash at every write")
    return not tally.failed


def _mutants() -> bool:
    is_good = True
    for name in mutants():
        found = caught(name)
        is_good &= found is not None
        text = "NOT caught" if found is None else f"caught in run {found[0]}: {found[1][:150]}"
        print(f"mutant {name}: {text}", flush=True)
    return is_good
