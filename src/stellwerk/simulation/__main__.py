"""`python -m stellwerk.simulation`, or `make sim`: see docs/how-to/simulate.md. Exit code 1 when anything was wrong.

Four parts: the same seed twice, random faults for N seeds, a crash at every write of a short scenario in three forms,
and broken variants that must be caught. A failing run prints the command that repeats it with its whole trace.
"""

from __future__ import annotations

import argparse
import collections
import logging
import random
import sys
import time
from collections.abc import Iterable, Iterator

from stellwerk.simulation.broken import VARIANTS
from stellwerk.simulation.disk import CrashForm
from stellwerk.simulation.installation import Plan, Report, simulate
from stellwerk.simulation.network import Weather

ROUGH = Weather(loss=0.02, doubling=0.05, delay=0.05)


def random_plan(seed: int, variant: str | None = None) -> Plan:
    """What a seed stands for."""
    chance = random.Random(f"plan {seed}")
    weather = chance.choice([Weather(), Weather(delay=0.3), ROUGH])
    return Plan(seed=seed, orders=4, faults=chance.randint(4, 10), weather=weather, variant=variant)


def crash_plans(every: int = 1, variant: str | None = None) -> Iterator[Plan]:
    """A power failure at each operation (or each n-th) of each machine's disk in a run without other faults."""
    calm = Plan(seed=0, orders=1, variant=variant)
    operations = simulate(calm).operations
    for number in range(0, max(operations.values()), every):
        for machine, count in operations.items():
            for form in CrashForm if number < count else ():
                yield Plan(seed=0, orders=1, variant=variant, crash=(machine, number, form))


def caught(variant: str) -> tuple[int, str] | None:
    """How many runs it took to catch a broken variant, and by what; None: it was not."""
    plans: Iterable[Plan] = crash_plans(variant=variant)
    if VARIANTS[variant].needs_cuts:
        plans = (random_plan(seed, variant) for seed in range(100))
    for count, plan in enumerate(plans, 1):
        violations = simulate(plan).violations
        if violations:
            return count, violations[0]
    return None


def repeat_command(plan: Plan) -> str:
    words = ["PYTHONHASHSEED=0 python -m stellwerk.simulation --repeat", str(plan.seed)]
    if plan.crash is not None:
        machine, number, form = plan.crash
        words += ["--crash", f"{machine}:{number}:{form.value}"]
    if plan.variant is not None:
        words += ["--variant", plan.variant]
    return " ".join(words)


class _Tally:
    """Counts of all runs."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.runs = 0
        self.failed = 0
        self.seconds = 0.0
        self.events = 0
        self.faults: collections.Counter[str] = collections.Counter()

    def add(self, report: Report) -> None:
        self.runs += 1
        self.seconds += report.simulated_seconds
        self.events += report.events
        self.faults.update(report.faults)
        if report.plan.crash is not None:
            self.faults[f"power failure at a write, {report.plan.crash[2].value}"] += 1
        if report.violations:
            self.failed += 1
            print(f"VIOLATION  {repeat_command(report.plan)}")
            for violation in report.violations[:5]:
                print(f"    {violation[:500]}")
        if sys.stderr.isatty() and self.runs % 10 == 0:
            print(f"\r{self.runs} runs, {self.failed} failed", end="", file=sys.stderr, flush=True)

    def print(self, title: str) -> None:
        elapsed = time.monotonic() - self.began
        faults = ", ".join(f"{count} × {kind}" for kind, count in sorted(self.faults.items()))
        print(
            f"{title}: {self.runs} runs ({self.runs / elapsed:.1f}/s), {self.seconds / 3600:.2f} simulated hours, "
            f"{self.events} events, {self.failed} with violations; faults: {faults or 'none'}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stellwerk.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="each seed is 20 runs with random faults (default: 3)")
    parser.add_argument("--every", type=int, default=1, help="crash at every n-th write only (default: 1)")
    parser.add_argument("--repeat", type=int, metavar="SEED", help="repeat one run and print its whole trace")
    parser.add_argument("--crash", metavar="MACHINE:NUMBER:FORM", help="with --repeat: the planned power failure")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="with --repeat: a broken variant")
    return parser


def repeat(seed: int, crash: str | None, variant: str | None) -> int:
    if crash is None:
        plan = random_plan(seed, variant)
    else:
        machine, number, form = crash.split(":")
        plan = Plan(seed=seed, orders=1, variant=variant, crash=(machine, int(number), CrashForm(form)))
    report = simulate(plan)
    print("\n".join(report.trace))
    print(f"hash {report.hash}")
    for violation in report.violations:
        print(f"VIOLATION  {violation}")
    return 1 if report.violations else 0


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # Nodes report each crash and each lost connection: here these are the point.
    logging.disable(logging.CRITICAL)
    if options.repeat is not None:
        return repeat(options.repeat, options.crash, options.variant)
    is_good = True
    for seed in range(options.seeds):
        first, second = simulate(random_plan(seed)), simulate(random_plan(seed))
        is_same = first.hash == second.hash and first.trace == second.trace
        is_good &= is_same
        print(f"seed {seed} twice: {'the same' if is_same else 'NOT the same'} hash {first.hash[:16]}")
    tally = _Tally()
    for seed in range(options.seeds * 20):
        tally.add(simulate(random_plan(seed)))
    tally.print("random faults")
    is_good &= tally.failed == 0
    tally = _Tally()
    for plan in crash_plans(options.every):
        tally.add(simulate(plan))
    tally.print("a crash at every write")
    is_good &= tally.failed == 0
    for variant in VARIANTS:
        found = caught(variant)
        is_good &= found is not None
        print(
            f"broken variant {variant}: "
            + ("NOT caught" if found is None else f"caught in run {found[0]}: {found[1][:200]}")
        )
    print("all is well" if is_good else "something is wrong")
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
