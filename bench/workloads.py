"""The workloads W1 to W4 and what is measured beside them, each as an async function of a running installation."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.installation import Installation, fork, installation, sequence
from bench.machine import children_cpu_seconds, cpu_seconds, own_cpu_seconds, pss_bytes, tree, yardstick

#: What a measurement tells: figures by name.
Result = dict[str, Any]

_NAMES = ("controller", "agent", "cockpit")
W2_ORDERS = 200
W2_JOBS = 3


async def w1(up: Installation) -> Result:
    """One order of 10 sequential jobs: `orders/add` to `OrderFinished` at the Controller."""
    await up.deploy({"w1": sequence(10)})
    seconds = []
    for _ in range(8):
        begin = time.perf_counter()
        seconds.append(await up.all_ended(await up.add("w1")) - begin)
    return {"w1_seconds": statistics.median(seconds[1:]), "w1_all": seconds}


async def w2(up: Installation, rounds: int = 5) -> Result:
    """200 orders × 3 jobs to the end of all at the Controller and in the history, with the raw rate around each."""
    await up.deploy({"w2": sequence(W2_JOBS)})
    await up.all_in_history(await _added_and_ended(up, "w2", 20))
    jobs = W2_ORDERS * W2_JOBS
    ratios, rates, controller_rates, limits = [], [], [], []
    cpu: list[dict[str, float]] = []
    commits = []
    raw = yardstick()
    for _ in range(rounds):
        before = _cpu(up)
        commits_before = await _commits(up)
        begin = time.perf_counter()
        order_ids = await up.add("w2", W2_ORDERS)
        ended = await up.all_ended(order_ids)
        arrived = await up.all_in_history(order_ids)
        cpu.append({name: 1000 * (new - before[name]) / jobs for name, new in _cpu(up).items()})
        commits.append([(new - old) / jobs for new, old in zip(await _commits(up), commits_before, strict=True)])
        raw_before, raw = raw, yardstick()
        limits.append((raw_before + raw) / 2)
        rates.append(jobs / (arrived - begin))
        controller_rates.append(jobs / (ended - begin))
        ratios.append(rates[-1] / limits[-1])
    tasks = await up.task_count(workflowName="w2")
    expected = (rounds * W2_ORDERS + 20) * W2_JOBS
    if tasks != expected:
        raise AssertionError(f"the history holds {tasks} attempts instead of {expected}")
    return {
        "w2_ratio": statistics.median(ratios),
        "w2_ratio_best": max(ratios),
        "w2_jobs_per_second": statistics.median(rates),
        "w2_jobs_per_second_at_controller": statistics.median(controller_rates),
        "yardstick": statistics.median(limits),
        "w2_cpu_ms_per_job": {name: round(statistics.median([one[name] for one in cpu]), 3) for name in cpu[0]},
        "w2_commits_per_job": [round(statistics.median(column), 3) for column in zip(*commits, strict=True)],
        "w2_all": [round(ratio, 3) for ratio in ratios],
    }


async def pair() -> Result:
    """W2 with two coupled Controllers, to be compared with W2 of one in the same run."""
    async with installation(None, "--cluster", "--database", "sqlite") as up:
        await up.coupled()
        result = await w2(up)
    return {
        "pair_w2_ratio": result["w2_ratio"],
        "pair_w2_jobs_per_second": result["w2_jobs_per_second"],
        "pair_w2_cpu_ms_per_job": result["w2_cpu_ms_per_job"],
        "pair_w2_all": result["w2_all"],
    }


async def w3(up: Installation) -> Result:
    """A fork of 100 branches with one job each."""
    await up.deploy({"w3": fork(100)})
    seconds = []
    for _ in range(6):
        begin = time.perf_counter()
        seconds.append(await up.all_ended(await up.add("w3")) - begin)
    return {"w3_seconds": statistics.median(seconds[1:]), "w3_all": seconds}


async def w4(up: Installation) -> Result:
    """`POST orders/add` to the start of the process, which writes its own clock; the process `date` is included."""
    witness = up.data / "w4.txt"
    await up.deploy({"w4": sequence(1, script=f"date +%s%N >>{witness}")})
    milliseconds = []
    for _ in range(21):
        begin = time.time_ns()
        await up.all_ended(await up.add("w4"))
        milliseconds.append((_last_number(witness) - begin) / 1e6)
        await asyncio.sleep(0.02)  # let the Cockpit come to rest, as a person would
    return {"w4_milliseconds": statistics.median(milliseconds[1:]), "w4_all": milliseconds}


async def commits(up: Installation) -> Result:
    """Commits per job with 8 jobs at a time, per node."""
    await up.deploy({"commits": sequence(20, job_count=1)})
    await up.all_ended(await up.add("commits", 8))
    before = await _commits(up)
    await up.all_ended(await up.add("commits", 8))
    after = await _commits(up)
    controller, agent = ((new - old) / 160 for new, old in zip(after, before, strict=True))
    return {"commits_per_job_agent": agent, "commits_per_job_controller": controller}


async def idle(up: Installation, seconds: float = 10.0) -> Result:
    """CPU and memory of the whole tree of `up`, nothing to do."""
    await asyncio.sleep(3.0)
    pids = tree(up.pid)
    before = cpu_seconds(pids)
    begin = time.perf_counter()
    await asyncio.sleep(seconds)
    percent = 100 * (cpu_seconds(pids) - before) / (time.perf_counter() - begin)
    memory = {
        name: round(pss_bytes(pid) / 2**20, 1)
        for name, pid in zip(("controller", "agent", "cockpit", "up"), (*_components(up), up.pid), strict=True)
    }
    return {
        "idle_cpu_percent": percent,
        "idle_pss_mib": sum(map(pss_bytes, pids)) / 2**20,
        "idle_pss_mib_of": memory,
        "idle_processes": len(pids),
    }


async def cold_start() -> Result:
    """From the start of `up` on an empty folder to the first finished order."""
    finished, ready = [], []
    for _ in range(3):
        async with installation() as up:
            await up.deploy({"first": sequence(1)})
            finished.append(await up.all_ended(await up.add("first")) - up.started)
            ready.append(up.became_ready - up.started)
    return {"cold_start_seconds": statistics.median(finished), "cold_start_ready_seconds": statistics.median(ready)}


#: Measurements that share one installation, in this order.
SHARED: dict[str, Callable[[Installation], Awaitable[Result]]] = {
    "idle": idle,
    "W1": w1,
    "W2": w2,
    "W3": w3,
    "W4": w4,
    "commits": commits,
}


def _components(up: Installation) -> tuple[int, int, int]:
    return up.controller_pid, up.agent_pid, up.cockpit_pid


def _cpu(up: Installation) -> dict[str, float]:
    """CPU seconds of the components, and of the jobs' processes by themselves."""
    own = {name: own_cpu_seconds(pid) for name, pid in zip(_NAMES, _components(up), strict=True)}
    return {**own, "processes": children_cpu_seconds(up.agent_pid)}


async def _commits(up: Installation) -> tuple[float, float]:
    """Of the Controller and of the Agent."""
    name = "stellwerk_journal_commits_total"
    return (await up.figures("controller"))[name], (await up.figures("agent"))[name]


async def _added_and_ended(up: Installation, workflow: str, count: int) -> list[str]:
    order_ids = await up.add(workflow, count)
    await up.all_ended(order_ids)
    return order_ids


def _last_number(file: Path) -> int:
    return int(file.read_text().split()[-1])
