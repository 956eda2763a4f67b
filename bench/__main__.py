"""`python -m bench`: everything in one run, beside the raw rate of processes (docs/reference/benchmarks.md).

    python -m bench                       all measurements, a table
    python -m bench --only W1,W2          some of them
    python -m bench --json                figures and verdicts as one JSON object
    python -m bench --profile FOLDER      W2 under cProfile; the figures of each component go to FOLDER

The data folders are made below BENCH_DIRECTORY (default: the working directory), which should lie on a real disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.installation import installation
from bench.machine import yardstick
from bench.report import table, verdicts
from bench.waiting_orders import replay, waiting_orders
from bench.workloads import SHARED, W2_JOBS, W2_ORDERS, cold_start, pair, w2

from stellwerk.cli.components import PROFILE

ALONE = (
    "pair",
    "cold-start",
    "waiting-orders",
    "journal",
    "projection",
    "instructions",
    "daily-plan",
    "history",
    "inventory",
)
_HERE = Path(__file__).parent


def main() -> None:
    names = (*SHARED, *ALONE)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of Stellwerk")
    parser.add_argument("--only", help=f"comma separated, of: {', '.join(names)}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--profile", metavar="FOLDER", type=Path, help="W2 only, under cProfile")
    options = parser.parse_args()
    wanted = tuple(options.only.split(",")) if options.only else names
    unknown = set(wanted) - set(names)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    if options.profile is not None:
        options.profile.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(profile(options.profile / "profile"))
        print(f"{W2_ORDERS} × {W2_JOBS} jobs: ratio {figures['w2_ratio']:.3f} under the profiler")
        for file in sorted(options.profile.glob("profile.*")):
            print(f"--- {file.name}")
            pstats.Stats(str(file)).sort_stats("tottime").print_stats(30)
        return
    figures = asyncio.run(measure(wanted))
    if options.json:
        print(json.dumps({"figures": figures, "verdicts": verdicts(figures)}))
        return
    print(table(figures))
    print(
        f"\nraw rate (xargs -P2 -n1 sh -c true): {figures['raw_before']:.0f}/s before, {figures['raw_after']:.0f} after"
    )
    if "w2_ratio" in figures:
        cpu = ", ".join(f"{name} {value:.2f}" for name, value in figures["w2_cpu_ms_per_job"].items())
        print(
            f"W2: {figures['w2_jobs_per_second']:.0f} jobs/s at a raw rate of {figures['yardstick']:.0f}/s; "
            f"CPU per job, ms: {cpu}"
        )
    if "idle_pss_mib_of" in figures:
        print("idle PSS, MiB: " + ", ".join(f"{name} {value}" for name, value in figures["idle_pss_mib_of"].items()))
    if "instructions" in figures:
        costs = figures["instructions"]["cpu_us_per_event"]
        print("engine, CPU µs per event: " + ", ".join(f"{name} {value}" for name, value in costs.items()))
    print("The whole of the figures: --json")


async def measure(wanted: tuple[str, ...]) -> dict[str, Any]:
    """Run the measurements one after the other."""
    figures: dict[str, Any] = {"raw_before": yardstick(1500)}
    if "cold-start" in wanted:
        _say("cold start")
        figures |= await cold_start()
    if any(name in wanted for name in SHARED):
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIRECTORY", "."), prefix="bench-") as copy:
            await _measure_shared(wanted, figures, Path(copy))
    if "pair" in wanted:
        _say("W2 with a pair of Controllers")
        figures |= await pair()
        if "w2_ratio" in figures:
            figures["pair_to_single"] = figures["pair_w2_ratio"] / figures["w2_ratio"]
    if "waiting-orders" in wanted:
        _say("100,000 waiting orders")
        figures |= await waiting_orders()
    if "journal" in wanted:
        _say("journal")
        figures |= _script("journal.py", os.environ.get("BENCH_DIRECTORY", "."))
    if "projection" in wanted:
        _say("projection")
        result = _script("projection.py")
        figures["projection_cpu_ms_per_event"] = result["bulk"]["cpu_ms_per_event"]
        figures["projection"] = result
    if "instructions" in wanted:
        _say("instructions, 100,000 orders for one lock and one notice, 10,000 files")
        figures["instructions"] = result = _script("instructions.py")
        orders, seconds = result["orders"], result["real_release_seconds"]
        figures["released_by_lock_us"] = result["released_by_lock_us"]
        figures["released_by_lock_ratio"] = result["released_by_lock_us"] / result["released_by_lock_us_few"]
        figures["released_by_notice_us"] = result["released_by_notice_us"]
        figures["released_by_notice_ratio"] = result["released_by_notice_us"] / result["released_by_notice_us_few"]
        figures["real_released_by_lock_per_second"] = orders / seconds["lock"]
        figures["real_released_by_notice_per_second"] = orders / seconds["notice"]
        figures["watched_files_seconds"] = result["watched_files_seconds"]
    if "daily-plan" in wanted:
        _say("planning 10,000 schedules for 30 days")
        figures["daily_plan"] = result = _script("daily_plan.py")
        figures["daily_plan_cpu_seconds"] = result["cpu_seconds"]
        figures["daily_plan_service"] = result = _script("daily_plan_service.py")
        figures["daily_plan_service_seconds"] = result["seconds"]
    if "history" in wanted:
        _say("history of 5,000,000 tasks, on SQLite and PostgreSQL")
        figures["history"] = result = _script("history.py")
        for database in ("sqlite", "postgresql"):
            figures[f"history_page_ms_{database}"] = result[database]["slowest_ms"]
    if "inventory" in wanted:
        _say("an inventory of 20,000 objects")
        figures["inventory"] = result = _script("inventory.py")
        for name in ("import", "tree", "search_by_name", "search_in_scripts", "deploy"):
            figures[f"inventory_{name}_seconds"] = result[name]
        figures["inventory_longest_wait_seconds"] = max(
            value for name, value in result.items() if name.endswith("_longest_wait")
        )
    figures["raw_after"] = yardstick(1500)
    return figures


async def _measure_shared(wanted: tuple[str, ...], figures: dict[str, Any], copy: Path) -> None:
    async with installation() as up:
        for name, workload in SHARED.items():
            if name in wanted:
                _say(name)
                figures |= await workload(up)
        if "W2" in wanted:
            # While it runs: an orderly end would leave nothing but a snapshot
            for file in (up.data / "controller" / "state").glob("controller--*.journal"):
                (copy / file.name).write_bytes(file.read_bytes())
            figures |= replay(copy)


async def profile(file: Path) -> dict[str, Any]:
    """W2 with all components under cProfile (CPU time of their main threads), dumped to FILE.<component>."""
    async with installation({PROFILE: str(file)}) as up:
        return await w2(up)


def _script(name: str, *arguments: str) -> dict[str, Any]:
    """Run one of the scripts beside, which print a line of JSON."""
    command = [sys.executable, str(_HERE / name), *arguments]
    line = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, Any] = json.loads(line)
    return result


def _say(name: str) -> None:
    print(f"… {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
