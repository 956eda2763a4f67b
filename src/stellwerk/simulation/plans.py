"""What a seed stands for, whether a run needed each of its faults, and how to repeat it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec.structs import replace

from stellwerk.simulation.disk import CrashForm
from stellwerk.simulation.installation import Plan, Report, simulate
from stellwerk.simulation.network import Weather

ROUGH = Weather(loss=0.02, doubling=0.05, delay=0.05)
#: A seed's run: so many orders within so many simulated seconds.
ORDERS = 20
SECONDS = 600.0


def plan_of(seed: int) -> Plan:
    """A whole installation, most of them with a pair of Controllers; five to fifteen faults of all kinds."""
    chance = random.Random(f"plan {seed}")
    weather = chance.choice([Weather(), Weather(delay=0.3), ROUGH])
    is_pair = chance.random() < 0.85
    return Plan(
        seed=seed,
        orders=ORDERS,
        seconds=SECONDS,
        controllers=2 if is_pair else 1,
        witnesses=chance.choice([1, 1, 3]) if is_pair else 0,
        directors=chance.choice([1, 2]),
        faults=chance.randint(8, 18),
        weather=weather,
        sync_seconds=chance.choice([0.0005, 0.004, 0.004, 0.03]),
    )


#: Shapes of short runs: of what there is a pair.
Shape = Literal["single", "pair", "directors"]


def short_plan(seed: int, *, shape: Shape, kinds: tuple[str, ...] = ()) -> Plan:
    """A minute with a few orders: for tests, and for looking for mutants."""
    chance = random.Random(f"short plan {seed}")
    is_pair = shape == "pair"
    return Plan(
        seed=seed,
        orders=5,
        seconds=60.0,
        controllers=2 if is_pair else 1,
        witnesses=chance.choice([1, 1, 3]) if is_pair else 0,
        directors=2 if shape == "directors" else 1,
        dragging=0.5 if shape == "directors" else 0.15,
        faults=chance.randint(5, 10),
        kinds=kinds,
        weather=chance.choice([Weather(), Weather(delay=0.1), ROUGH]),
    )


def crash_plans(every: int = 1) -> Iterator[Plan]:
    """A power failure at each operation (or each n-th) of each machine's disk in a run without other faults."""
    calm = Plan(seed=0, orders=1)
    operations = simulate(calm).operations
    for number in range(0, max(operations.values()), every):
        for machine, count in operations.items():
            for form in CrashForm if number < count else ():
                yield replace(calm, crash=(machine, number, form))


def shrunk(plan: Plan, fails: Callable[[Plan], bool] = lambda plan: bool(simulate(plan).violations)) -> Plan:
    """The same failing run with as few faults as possible: each that it can do without is left out."""
    for number in reversed(range(plan.faults)):
        fewer = replace(plan, without=(*plan.without, number))
        if fails(fewer):
            plan = fewer
    return plan


def repeat_command(plan: Plan, *, shape: Shape | None = None, mutant: str | None = None) -> str:
    """The shell command that repeats a run with its whole trace; `shape`: it is a short one."""
    words = ["PYTHONHASHSEED=0 python -m stellwerk.simulation --repeat", str(plan.seed)]
    if shape is not None:
        words.append(f"--short {shape}")
        if plan.kinds:
            words.append(f"--kinds '{','.join(plan.kinds)}'")
    if plan.crash is not None:
        machine, number, form = plan.crash
        words.append(f"--crash {machine}:{number}:{form.value}")
    if plan.without:
        words.append(f"--without {','.join(map(str, plan.without))}")
    if mutant is not None:
        words.append(f"--mutant {mutant}")
    return " ".join(words)


def facts_of(report: Report) -> frozenset[str]:
    """What this run has shown of that which a set of runs must show (`SOMETIMES`)."""
    return report.sometimes & SOMETIMES


#: Facts that a large set of runs must have reached; else it proves less than it seems (reliability 3.8).
SOMETIMES = frozenset(
    {
        "a fail-over",
        "a fail-over while an Agent was down or out of reach",
        "a fail-over while a job was running",
        "a switch-over",
        "a passive node declared lost",
        "a deposed active node halted",
        "the watch refused a fail-over",
        "a restarted active node went on",
        "a tail that was never committed was cut off",
        "a lost end of the journal was copied from the passive node",
        "a journal was copied anew",
        "a torn block was cut off at a start",
        "an order was added again after its answer got lost",
        "a process was lost and its job repeated",
        "a node waited for room on its disk",
        "a job was retried",
        "an Agent with orders was reset",
        "a Subagent with a running job was reset",
    }
)
