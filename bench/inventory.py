"""A large inventory, seen from outside: `bench/inventory.py [objects]` prints one JSON line.

20,000 objects in 2,000 folders (workflows, job resources, locks, schedules that refer to each other) are imported into
a running installation; then tree, folders and searches are asked for as screens do, and 1,000 workflows are deployed in
one transaction. All the while somebody else asks for something small: how long they wait shows whether the Cockpit
stands still. Progress goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Iterator
from typing import Any, TypeVar

from bench.installation import AGENT, CONTROLLER_ID, Installation, installation

from stellwerk.cockpit.archives import ArchiveFormat, Entry, write_archive

T = TypeVar("T")

PER_FOLDER = 10
DEPLOYED = 1000
_REPEATS = 5


def _workflow(number: int) -> dict[str, Any]:
    executable = {"TYPE": "ShellScriptExecutable", "script": f"echo {number}\n" * 5, "env": {"N": "$n"}}
    call = {"TYPE": "Execute.Named", "jobName": "load", "label": "load"}
    lock = f"lock-{number // PER_FOLDER}"
    return {
        "title": f"Load number {number}",
        "jobResourceNames": [f"resource-{number // PER_FOLDER}"],
        "orderPreparation": {"parameters": {"n": {"type": "Number", "default": number}}},
        "instructions": [
            {"TYPE": "Lock", "demands": [{"lockName": lock}], "lockedWorkflow": {"instructions": [call]}},
            {"TYPE": "Execute.Named", "jobName": "check", "label": "check"},
        ],
        "jobs": {name: {"agentName": AGENT, "executable": executable} for name in ("load", "check")},
    }


def _entries(objects: int) -> Iterator[Entry]:
    """Seven workflows, a job resource, a lock and a schedule in each folder; folders are nested."""
    for folder in range(objects // PER_FOLDER):
        path = f"site-{folder // 100}/area-{folder % 100 // 10}/team-{folder}"
        contents: dict[str, Any] = {
            f"resource-{folder}.jobresource.json": {"arguments": {"a": '"b"'}},
            f"lock-{folder}.lock.json": {"limit": 2},
            f"schedule-{folder}.schedule.json": {"workflowNames": [f"workflow-{folder * PER_FOLDER}"]},
        }
        for number in range(folder * PER_FOLDER, folder * PER_FOLDER + PER_FOLDER - 3):
            contents[f"workflow-{number}.workflow.json"] = _workflow(number)
        for name, content in contents.items():
            yield Entry(f"{path}/{name}", json.dumps(content).encode())


class _Onlooker:
    """Asks for something small all the time, and remembers the longest wait."""

    def __init__(self, up: Installation) -> None:
        self._up = up
        self.longest = 0.0

    async def __aenter__(self) -> _Onlooker:
        self._task = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            started = time.perf_counter()
            await self._up.cockpit.post("joc/properties", {})
            self.longest = max(self.longest, time.perf_counter() - started)
            await asyncio.sleep(0.02)


async def _timed(work: Awaitable[T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = await work
    return time.perf_counter() - started, result


async def _import(up: Installation, data: bytes) -> None:
    fields = {"format": "ZIP", "targetFolder": "/", "overwrite": "false"}
    await up.cockpit.upload("inventory/import", fields, "inventory.zip", data)


def _named(name: str, object_type: str) -> dict[str, Any]:
    return {"configuration": {"path": name, "objectType": object_type}}


def _say(what: str) -> None:
    print(f"  … {what}", file=sys.stderr, flush=True)


async def measure(up: Installation, objects: int) -> dict[str, Any]:
    """All measurements; seconds, unless the name says otherwise."""
    figures: dict[str, Any] = {"objects": objects}
    data = write_archive(_entries(objects), ArchiveFormat.ZIP, modified_ms=0)
    _say(f"import of {objects} objects, {len(data) >> 10} KiB")
    async with _Onlooker(up) as onlooker:
        figures["import"], _ = await _timed(_import(up, data))
    figures["import_longest_wait"] = onlooker.longest
    one = {"path": "/site-0/area-0/team-1", "recursive": False}
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "tree": ("tree", {"forInventory": True, "types": ["INVENTORY"]}),
        "folder": ("inventory/read/folder", one),
        "search_by_name": ("inventory/search", {"returnType": "WORKFLOW", "search": "workflow-1234"}),
        "search_in_scripts": ("inventory/search", {"returnType": "WORKFLOW", "advanced": {"jobScript": "echo 1234"}}),
        "quick_search": ("inventory/quick/search", {"search": "workflow-12"}),
        "deployables": ("inventory/deployables", {"folder": "/site-0", "recursive": True}),
        "statistics": ("inventory/statistics", {"controllerId": CONTROLLER_ID}),
    }
    for name, (path, request) in asked.items():
        _say(name)
        times, size = [], 0
        async with _Onlooker(up) as onlooker:
            for _ in range(_REPEATS):
                seconds, answer = await _timed(up.cockpit.post(path, request))
                times.append(seconds)
                size = len(json.dumps(answer))
        figures[name] = sorted(times)[_REPEATS // 2]
        figures[f"{name}_kib"] = size >> 10
        figures[f"{name}_longest_wait"] = onlooker.longest
    chosen = [number for number in range(objects) if number % PER_FOLDER < PER_FOLDER - 3][:DEPLOYED]
    folders = sorted({number // PER_FOLDER for number in chosen})
    drafts = [_named(f"resource-{folder}", "JOBRESOURCE") for folder in folders]
    drafts += [_named(f"lock-{folder}", "LOCK") for folder in folders]
    drafts += [_named(f"workflow-{number}", "WORKFLOW") for number in chosen]
    _say(f"deployment of {len(drafts)} objects")
    request = {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": drafts}}
    async with _Onlooker(up) as onlooker:
        figures["deploy"], _ = await _timed(up.cockpit.post("inventory/deployment/deploy", request))
    figures["deploy_longest_wait"] = onlooker.longest
    figures["deployed_workflows"] = len(chosen)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


async def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    async with installation() as up:
        print(json.dumps(await measure(up, objects)))


if __name__ == "__main__":
    asyncio.run(main())
