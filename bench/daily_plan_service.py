"""Planning into the database: `bench/daily_plan_service.py [schedules [days [database url]]]` prints one JSON line.

The schedules of `bench/daily_plan.py`, released, their workflows deployed; the Cockpit's generator fills the days as
its service does. Progress goes to standard error. Default: a new SQLite file; a PostgreSQL database must be empty.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.daily_plan import FIRST, calendar_contents, schedule_contents
from sqlalchemy import func, insert, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.daily_plan.generation import Generation, Generator
from stellwerk.cockpit.database.tables.daily_plan import dpl_orders
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import inv_released_configurations
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import encode

CONTROLLER_ID = "controller"


def _released(count: int) -> Iterator[dict[str, Any]]:
    working, non_working = calendar_contents()
    objects: list[tuple[ObjectType, str, Iterable[tuple[str, Any]]]] = [
        (ObjectType.WORKINGDAYSCALENDAR, "/days", working.items()),
        (ObjectType.NONWORKINGDAYSCALENDAR, "/days", non_working.items()),
        (ObjectType.SCHEDULE, "/plan", ((f"schedule-{n}", item) for n, item in enumerate(schedule_contents(count)))),
    ]
    for type_, folder, named in objects:
        for name, content in named:
            values = {"type": int(type_), "path": f"{folder}/{name}", "name": name, "folder": folder}
            yield {**values, "content": encode(content).decode(), "created": 0, "modified": 0}


def _deployed(count: int) -> Iterator[dict[str, Any]]:
    content = encode({"instructions": []}).decode()
    for number in range(count):
        name = f"workflow-{number}"
        yield {
            "account": "bench",
            "path": f"/plan/{name}",
            "folder": "/plan",
            "name": name,
            "type": int(ObjectType.WORKFLOW),
            "controller_id": CONTROLLER_ID,
            "content": content,
            "inv_content": content,
            "commit_id": "bench",
            "operation": 0,
            "state": 0,
            "deployment_date": 0,
        }


class _Progress:
    """Orders as they are written, told once a second; and how long others waited at most for the event loop."""

    def __init__(self) -> None:
        self.orders = 0
        self.longest_block = 0.0
        self._started = time.perf_counter()
        self._told = 0.0

    def add(self, count: int) -> None:
        self.orders += count
        now = time.perf_counter() - self._started
        if now - self._told >= 1:
            self._told = now
            print(f"{now:6.0f} s  {self.orders:9,} orders", file=sys.stderr)

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            self.longest_block = max(self.longest_block, time.perf_counter() - before - 0.005)


async def measure(count: int, days: int, database_url: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        configuration = CockpitConfiguration(data=Path(folder), port=0, database_url=database_url)
        cockpit = Cockpit(configuration)
        await cockpit.start(listen=False)
        rows = [{"cid": number, **row} for number, row in enumerate(_released(count))]
        async with cockpit.database.write() as connection:
            await connection.execute(insert(inv_released_configurations), rows)
            await connection.execute(insert(dep_history), list(_deployed(count)))
        del rows
        dates = [FIRST + timedelta(days=number) for number in range(days)]
        generation = Generation(
            controller_id=CONTROLLER_ID,
            dates=dates,
            account="bench",
            include_late=True,
            include_non_automatic=True,
        )
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        progress = _Progress()
        watching = asyncio.create_task(progress.watch())
        generator = cockpit.services.get(Generator)
        started, cpu = time.perf_counter(), time.process_time()
        added = await generator.generate(generation, cockpit.database.write, progress.add)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        again = time.perf_counter()
        assert await generator.generate(generation, cockpit.database.write) == 0
        again = time.perf_counter() - again
        watching.cancel()
        async with cockpit.database.read() as connection:
            stored = (await connection.execute(select(func.count()).select_from(dpl_orders))).scalar_one()
        assert stored == added
        backend = cockpit.database.url.get_backend_name()
        await cockpit.stop()
    return {
        "database": backend,
        "schedules": count,
        "days": days,
        "orders": added,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "orders_per_second": round(added / seconds),
        "again_seconds": round(again, 1),
        "longest_block_ms": round(progress.longest_block * 1000),
        "more_memory_mib": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024, 1),
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    url = sys.argv[3] if len(sys.argv) > 3 else None
    print(json.dumps(asyncio.run(measure(count, days, url))))


if __name__ == "__main__":
    main()
