"""CPU time of the Cockpit's projection per event, on SQLite: `bench/projection.py [orders]` prints one JSON line.

`bulk`: the stream of a catch-up, orders one after the other. `interleaved`: events of 500 orders take turns, so that
each transaction touches many orders with few events each.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.projection.writer import ProjectionWriter

WORKFLOW = {
    "TYPE": "Workflow",
    "path": "load",
    "versionId": "v1",
    "instructions": [{"TYPE": "Execute.Named", "jobName": name} for name in ("extract", "transform", "publish")],
    "jobs": {
        name: {"agentPath": "agent-1", "executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}
        for name in ("extract", "transform", "publish")
    },
}


def order_events(order_id: str) -> Iterator[dict[str, object]]:
    """One order with three jobs from its addition to its deletion."""

    def event(kind: str, **members: object) -> dict[str, object]:
        return {"Key": order_id, "TYPE": kind, **members}

    yield event("OrderAdded", workflowId={"path": "load", "versionId": "v1"}, planId=[], arguments={"file": "a.csv"})
    yield event("OrderAttachable", agentPath="agent-1")
    yield event("OrderAttached", agentPath="agent-1")
    yield event("OrderStarted")
    for position in range(3):
        yield event("OrderProcessingStarted", subagentId="agent-1", stick=False)
        yield event("OrderStdoutWritten", chunk="loaded 4711 rows from a.csv\n")
        yield event("OrderProcessed", outcome={"TYPE": "Succeeded", "namedValues": {"returnCode": 0}})
        yield event("OrderMoved", to=[position + 1])
    yield event("OrderDetachable")
    yield event("OrderDetached")
    yield event("OrderFinished")
    yield event("OrderDeleted")


def lines(streams: list[Iterator[dict[str, object]]], first: int, *, turns: bool) -> list[bytes]:
    if turns:
        ordered = [event for group in itertools.zip_longest(*streams) for event in group if event is not None]
    else:
        ordered = [event for stream in streams for event in stream]
    return [
        json.dumps({"eventId": first + 1000 * index, **event}, separators=(",", ":")).encode()
        for index, event in enumerate(ordered)
    ]


async def measure(orders: int, *, turns: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        database = await Database.open(f"sqlite:///{directory}/bench.sqlite")
        writer = ProjectionWriter(database, "controller")
        workflow = {"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(WORKFLOW)}}
        await writer.project([json.dumps({"eventId": 1, **workflow}).encode()])
        events: list[bytes] = []
        first = 1_700_000_000_000_000
        for start in range(0, orders, 500):
            streams = [order_events(f"#2026-11-24#P{number:08d}-load") for number in range(start, start + 500)]
            events += lines(streams, first + len(events) * 1000, turns=turns)
        cpu, wall = time.process_time(), time.perf_counter()
        transactions = len(await writer.project(events))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        await database.close()
    return {
        "events": len(events),
        "transactions": transactions,
        "cpu_ms_per_event": round(cpu * 1000 / len(events), 4),
        "events_per_second": round(len(events) / wall),
    }


async def main() -> None:
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    result = {
        "benchmark": "projection",
        "limit_cpu_ms_per_event": 0.03,
        "bulk": await measure(orders, turns=False),
        "interleaved": await measure(orders, turns=True),
    }
    print(json.dumps(result))


asyncio.run(main())
