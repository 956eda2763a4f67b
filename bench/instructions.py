"""What each instruction costs, orders that wait for one lock or notice, and files in a watched folder.

Prints one line of JSON. The first figures are of the engine alone (a rehearsal: no journal, no processes), the last
ones of a real Controller with its journal on disk.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stellwerk.author.rehearsal import JobEnd, Rehearsal
from stellwerk.engine import commands, noticing
from stellwerk.engine import requests as r
from stellwerk.language.items import read_unsigned_item
from stellwerk.language.outcomes import Succeeded
from stellwerk.language.workflow import read_workflow
from stellwerk.sdk.in_process import InProcessInstallation
from stellwerk.values.events import decode_envelope

Json = dict[str, Any]
_START_MS = 1_748_772_000_000
_DAY = "#2025-06-01#"
_ALL_DAY = {"periods": [{"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": 86400}]}
_JOB = {"agentPath": "A", "processLimit": 1000, "executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}
_EXECUTE = {"TYPE": "Execute.Named", "jobName": "j"}
_NOTHING = {"instructions": [{"TYPE": "EmptyInstruction"}]}
_ITEMS: list[Json] = [
    {"TYPE": "Lock", "path": "L", "limit": 1_000_000},
    {
        "TYPE": "GlobalBoard",
        "path": "B",
        "postOrderToNoticeKey": "$js7OrderId",
        "expectOrderToNoticeKey": "$js7OrderId",
    },
    {"TYPE": "GlobalBoard", "path": "ONE", "postOrderToNoticeKey": "'K'", "expectOrderToNoticeKey": "'K'"},
    {"TYPE": "Calendar", "path": "CAL", "orderIdPattern": "#([^#]+)#.*", "periodDatePattern": "yyyy-MM-dd"},
    {"TYPE": "Lock", "path": "SINGLE", "limit": 1},
]
_POST = {"TYPE": "PostNotices", "boardPaths": ["B"]}

#: Name → instructions of the workflow that is measured.
_INSTRUCTIONS: dict[str, list[Json]] = {
    "EmptyInstruction": [{"TYPE": "EmptyInstruction"}] * 5,
    "Execute.Named": [_EXECUTE] * 3,
    "If": [{"TYPE": "If", "predicate": "$js7TryCount == 0", "then": _NOTHING}] * 3,
    "Try": [{"TYPE": "Try", "try": {"instructions": [{"TYPE": "Fail"}]}, "catch": _NOTHING}] * 3,
    "Fork": [{"TYPE": "Fork", "branches": [{"id": name, "workflow": _NOTHING} for name in "ab"]}],
    "ForkList": [
        {
            "TYPE": "ForkList",
            "children": "[1, 2, 3, 4]",
            "childToId": "x => $x",
            "childToArguments": "x => {x: $x}",
            "workflow": _NOTHING,
        }
    ],
    "Lock": [{"TYPE": "Lock", "demands": [{"lockPath": "L", "count": 1}], "lockedWorkflow": _NOTHING}] * 3,
    "PostNotices": [_POST] * 3,
    "ExpectNotices": [_POST, *([{"TYPE": "ExpectNotices", "boardPaths": "'B'"}] * 3)],
    "ConsumeNotices": [_POST, {"TYPE": "ConsumeNotices", "boardPaths": "'B'", "subworkflow": _NOTHING}],
    "AddOrder": [{"TYPE": "AddOrder", "orderId": "$js7OrderId ++ '-added'", "workflowPath": "EMPTY"}],
    "Cycle": [
        {
            "TYPE": "Cycle",
            "cycleWorkflow": _NOTHING,
            "schedule": {
                "schemes": [{"admissionTimeScheme": _ALL_DAY, "repeat": {"TYPE": "Continuous", "pause": 0, "limit": 5}}]
            },
        }
    ],
    "AdmissionTime": [{"TYPE": "AdmissionTime", "admissionTimeScheme": _ALL_DAY, "block": _NOTHING}] * 3,
    "Options": [{"TYPE": "Options", "block": _NOTHING}] * 3,
    "StickySubagent": [{"TYPE": "StickySubagent", "agentPath": "A", "subworkflow": _NOTHING}] * 3,
    "Finish": [{"TYPE": "Finish"}],
}


def _rehearsal(instructions: list[Json]) -> Rehearsal:
    found = Rehearsal(lambda order: JobEnd(Succeeded(named_values={"returnCode": 0})), _START_MS, ("A",))
    for item in _ITEMS:
        found.add_item(read_unsigned_item(item))
    for path, block in (("EMPTY", []), ("W", instructions)):
        found.add_workflow(
            read_workflow(
                {
                    "TYPE": "Workflow",
                    "path": path,
                    "versionId": "1",
                    "calendarPath": "CAL",
                    "instructions": block,
                    "jobs": {"j": _JOB},
                }
            )
        )
    return found


def _add(rehearsal: Rehearsal, count: int) -> None:
    for number in range(count):
        fresh = r.FreshOrder(id=f"{_DAY}{number}", workflow_path="W", delete_when_terminated=True)
        rehearsal.command(commands.add_order, fresh)


def cost_per_event(orders: int) -> dict[str, float]:
    """Microseconds of CPU for each event, by instruction: deciding, applying, adopting."""
    figures: dict[str, float] = {}
    for name, instructions in _INSTRUCTIONS.items():
        rehearsal = _rehearsal(instructions)
        begin = time.process_time()
        _add(rehearsal, orders)
        rehearsal.run(100_000_000)
        if rehearsal.controller.orders and name != "AddOrder":
            raise AssertionError(f"{name}: {len(rehearsal.controller.orders)} orders are left")
        figures[name] = round((time.process_time() - begin) / len(rehearsal.events) * 1e6, 1)
    return figures


def released_by_lock(count: int) -> float:
    """Microseconds for each order, of so many that wait for one lock, that gets it, does nothing and gives it back."""
    lock = {"TYPE": "Lock", "demands": [{"lockPath": "SINGLE"}], "lockedWorkflow": {"instructions": []}}
    holder = {"TYPE": "Prompt", "question": "'go'"}
    holding = {
        "TYPE": "If",
        "predicate": "$js7OrderId == 'HOLDER'",
        "then": {"instructions": [{**lock, "lockedWorkflow": {"instructions": [holder]}}]},
        "else": {"instructions": [lock]},
    }
    rehearsal = _rehearsal([holding])
    rehearsal.command(commands.add_order, r.FreshOrder(id="HOLDER", workflow_path="W"))
    _add(rehearsal, count)
    waiting = len(rehearsal.controller.locks.queue("SINGLE"))
    if waiting != count:
        raise AssertionError(f"{waiting} orders wait")
    begin = time.process_time()
    rehearsal.command(commands.answer_order_prompt, "HOLDER")
    rehearsal.run(100_000_000)
    seconds = time.process_time() - begin
    if len(rehearsal.controller.orders) != 1:
        raise AssertionError("orders are left")
    return seconds / count * 1e6


def released_by_notice(count: int) -> float:
    """Microseconds for each order, of so many that wait for one notice, that goes on and ends."""
    rehearsal = _rehearsal([{"TYPE": "ExpectNotices", "boardPaths": "'ONE'"}])
    _add(rehearsal, count)
    begin = time.process_time()
    rehearsal.command(noticing.post_notice, r.PostNotice(notice_id=["ONE", "K"]))
    rehearsal.run(100_000_000)
    seconds = time.process_time() - begin
    if rehearsal.controller.orders:
        raise AssertionError("orders are left")
    return seconds / count * 1e6


async def real_releases(count: int) -> dict[str, float]:
    """A real Controller with its journal: seconds from the notice, or the free lock, until all orders have ended."""
    figures: dict[str, float] = {}
    lock = {"TYPE": "Lock", "demands": [{"lockPath": "SINGLE"}], "lockedWorkflow": {"instructions": []}}
    prompt = {"TYPE": "Prompt", "question": "'go'"}
    workflows: list[Json] = [
        {"path": "NOTICE", "instructions": [{"TYPE": "ExpectNotices", "boardPaths": "'ONE'"}]},
        {"path": "LOCK", "instructions": [lock]},
        {"path": "HOLDER", "instructions": [{**lock, "lockedWorkflow": {"instructions": [prompt]}}]},
    ]
    with tempfile.TemporaryDirectory(prefix="stellwerk-bench-", dir=".") as folder:
        async with InProcessInstallation(Path(folder), ()) as installation:
            await installation.deploy([*_ITEMS, *({"TYPE": "Workflow", **item} for item in workflows)])
            await installation.command({"TYPE": "AddOrder", "order": {"id": "HOLDER", "workflowPath": "HOLDER"}})
            for path, command in (
                ("NOTICE", {"TYPE": "PostNotice", "noticeId": ["ONE", "K"]}),
                ("LOCK", {"TYPE": "AnswerOrderPrompt", "orderId": "HOLDER"}),
            ):
                for start in range(0, count, 2000):
                    numbers = range(start, min(start + 2000, count))
                    orders = [
                        {"id": f"{path}-{n}", "workflowPath": path, "deleteWhenTerminated": True} for n in numbers
                    ]
                    await installation.command({"TYPE": "AddOrders", "orders": orders})
                await _until(installation, "OrderNoticesExpected" if path == "NOTICE" else "OrderLocksQueued", count)
                begin = time.perf_counter()
                await installation.command(command)
                await _until(installation, "OrderDeleted", count, f"{path}-")
                figures[path.lower()] = round(time.perf_counter() - begin, 2)
    return figures


async def watched_files(count: int) -> float:
    """Seconds from the last of so many files being there until each has had its order, and that has ended."""
    with tempfile.TemporaryDirectory(prefix="stellwerk-bench-", dir=".") as folder:
        incoming = Path(folder) / "incoming"
        incoming.mkdir()
        for number in range(count):
            (incoming / f"file-{number}").touch()
        async with InProcessInstallation(Path(folder), ("A",)) as installation:
            watch = {
                "TYPE": "FileWatch",
                "path": "F",
                "workflowPath": "W",
                "agentPath": "A",
                "directoryExpr": f"'{incoming.resolve()}'",
            }
            begin = time.perf_counter()
            await installation.deploy([{"TYPE": "Workflow", "path": "W", "instructions": []}, watch])
            await _until(installation, "OrderFinished", count)
            return round(time.perf_counter() - begin, 2)


async def _until(installation: InProcessInstallation, event_type: str, count: int, prefix: str = "") -> None:
    async for lines in installation.events():
        for line in lines:
            envelope = decode_envelope(line)
            if envelope.type == event_type and str(envelope.key).startswith(prefix):
                count -= 1
        if count <= 0:
            return


def main(arguments: list[str]) -> None:
    many = int(arguments[0]) if arguments else 100_000
    few = many // 10
    figures: Json = {"cpu_us_per_event": cost_per_event(500), "orders": many}
    for name, measure in (("lock", released_by_lock), ("notice", released_by_notice)):
        figures[f"released_by_{name}_us_few"] = round(measure(few), 1)
        figures[f"released_by_{name}_us"] = round(measure(many), 1)
    figures["real_release_seconds"] = asyncio.run(real_releases(many))
    figures["watched_files_seconds"] = asyncio.run(watched_files(10_000))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
