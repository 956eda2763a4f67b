"""Runs all conformance vectors of a folder: `python -m tests.conformance.run [FOLDER]`, or `make conformance`.

Scenarios run twice: on real nodes in this process, and on real Controller and Agent processes; with `--quick` in this
process only.

Each file `FAMILY-*.jsonl` is run; for each the cases that pass, fail and are not yet supported are printed, failures
with their difference. Exit code 1 if any failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from tests.conformance import dates_runner, expressions_runner, positions_runner, scenarios_runner, schemes_runner
from tests.conformance.scenarios_runner import NotSupportedError

_DEFAULT_FOLDER = Path(__file__).parent / "data"
#: Scenarios wait for processes and timers most of their time.
_AT_A_TIME = 6

Case = dict[str, Any]
#: None: as expected; else the difference. Raises `NotSupportedError`.
Run = Callable[[Case], Awaitable[str | None]]


def _plain(run: Callable[[Case], str | None]) -> Run:
    async def run_case(case: Case) -> str | None:
        return run(case)

    return run_case


FAMILIES: Final[dict[str, Run]] = {
    "calendar": _plain(dates_runner.run_calendar),
    "expressions": _plain(expressions_runner.run),
    "period": _plain(dates_runner.run_period),
    "positions": _plain(positions_runner.run),
    "scenarios": scenarios_runner.run,
    "schedule": _plain(dates_runner.run_schedule),
    "schemes": _plain(schemes_runner.run),
}


class Result:
    """Ids by result, in the order of the file."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        #: id → difference
        self.failed: dict[str, str] = {}
        #: id → reason
        self.later: dict[str, str] = {}


def read_cases(file: Path) -> list[Case]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


async def run_cases(family: str, cases: list[Case], *, with_processes: bool = False) -> Result:
    """Run all cases of one file of this family; `with_processes`: scenarios on real Controller and Agent processes."""
    result = Result()
    run = scenarios_runner.run_processes if with_processes and family == "scenarios" else FAMILIES[family]
    limit = asyncio.Semaphore(_AT_A_TIME)

    async def run_limited(case: Case) -> str | NotSupportedError | None:
        async with limit:
            try:
                return await run(case)
            except NotSupportedError as error:
                return error
            except Exception as error:  # a bug of ours fails its case, and the others are still run
                return f"{type(error).__name__}: {error}"

    for case, outcome in zip(cases, await asyncio.gather(*map(run_limited, cases)), strict=True):
        if isinstance(outcome, NotSupportedError):
            result.later[case["id"]] = str(outcome)
        elif outcome is None:
            result.passed.append(case["id"])
        else:
            result.failed[case["id"]] = f"{case.get('title', '')}\n    {outcome}".lstrip()
    return result


def family_of(file: Path) -> str:
    return file.name.split("-")[0]


def vector_files(folder: Path) -> list[Path]:
    """All `FAMILY-*.jsonl` of a folder."""
    return sorted(file for file in folder.glob("*-*.jsonl") if family_of(file) in FAMILIES)


def _print(name: str, result: Result, seconds: float) -> None:
    print(
        f"{name}: {len(result.passed)} passed, {len(result.failed)} failed, "
        f"{len(result.later)} not yet supported ({seconds:.1f} s)"
    )
    if result.passed:
        print(f"  passed: {' '.join(result.passed)}")
    for reason in sorted(set(result.later.values())):
        ids = [id_ for id_, other in result.later.items() if other == reason]
        text = " ".join(reason.split())
        print(f"  not yet supported ({text[:160]}): {' '.join(ids) if len(ids) < 100 else f'{len(ids)} cases'}")
    for id_, difference in result.failed.items():
        print(f"  failed: {id_} {difference}")


def _print_table(results: dict[str, Result]) -> None:
    """One line for each family, and how scenarios were run."""
    width = max(map(len, results))
    print(f"{'family':{width}}  passed  failed  not yet supported")
    for name, result in results.items():
        print(f"{name:{width}}  {len(result.passed):6}  {len(result.failed):6}  {len(result.later):17}")


def main(arguments: list[str]) -> int:
    is_quick = "--quick" in arguments
    arguments = [argument for argument in arguments if argument != "--quick"]
    folder = Path(arguments[0]) if arguments else _DEFAULT_FOLDER
    files = vector_files(folder)
    if not files:
        print(f"There is no file FAMILY-*.jsonl in {folder}; families are {', '.join(sorted(FAMILIES))}")
        return 2
    results: dict[str, Result] = {}
    for file in files:
        family = family_of(file)
        for with_processes in (False, True) if family == "scenarios" and not is_quick else (False,):
            how = " on real processes" if with_processes else ""
            started = time.monotonic()
            result = asyncio.run(run_cases(family, read_cases(file), with_processes=with_processes))
            _print(file.name + how, result, time.monotonic() - started)
            results[file.name + how] = result
    _print_table(results)
    passed = sum(len(result.passed) for result in results.values())
    failed = sum(len(result.failed) for result in results.values())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
