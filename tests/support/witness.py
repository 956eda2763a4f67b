"""Jobs that witness their own starts and ends, and the comparison of what they saw with what the history tells.

Each job appends one line at its begin and one at its end to a file, with O_APPEND and fsync, and holds a lock for as
long as it or anything that it has started lives: so two attempts at a time are seen even if one of them is killed.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from up_process import DEADLINE_SECONDS, Api, shell_job, wait_until

_SCRIPT = """#!/bin/sh
witness() {{
    printf '%s\\t%s\\t%s\\t%s\\n' "$1" "$STELLWERK_ATTEMPT" "$LABEL" "$ORDER" |
        dd of="{folder}/witness" oflag=append conv=notrunc,fsync status=none || exit 90
}}
exec 9>"{folder}/locks/$ORDER.$LABEL"
flock -n 9 || witness overlap
witness begin
{work}
witness end
exit "$RETURN_CODE"
"""

_SELF_MADE = "subagent-"


def witness_job(agent: str, folder: Path, seconds: str, return_code: str = "0") -> dict[str, Any]:
    """A job that sleeps; `seconds` and `return_code` are expressions, e.g. names of order arguments."""
    environment = {
        "ORDER": "$js7OrderId",
        "LABEL": "$js7Label",
        "SECONDS_TO_SLEEP": seconds,
        "RETURN_CODE": return_code,
    }
    return shell_job(agent, script(folder), env=environment)


def witness_workflow(path: str, agent: str, script: str, **job_members: Any) -> dict[str, Any]:
    """A workflow in the engine's spelling, of one job with this script and the label `job`."""
    executable = {
        "TYPE": "ShellScriptExecutable",
        "script": script,
        "env": {"ORDER": "$js7OrderId", "LABEL": "$js7Label", "RETURN_CODE": "0"},
    }
    job = {"agentPath": agent, "executable": executable, "processLimit": 1000, **job_members}
    return {
        "TYPE": "Workflow",
        "path": path,
        "instructions": [{"TYPE": "Execute.Named", "jobName": "job", "label": "job"}],
        "jobs": {"job": job},
    }


def script(folder: Path, work: str = 'sleep "$SECONDS_TO_SLEEP"') -> str:
    """Witnesses that `work`, a shell command, has been done."""
    return _SCRIPT.format(folder=folder, work=work)


@dataclass
class Attempt:
    """What one attempt has written about itself."""

    order_id: str
    label: str
    has_ended: bool = False


@dataclass
class Witness:
    """The file, read."""

    #: By order id and attempt: Agents count attempts independently of each other.
    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def starts(self) -> int:
        return len(self.attempts)


def prepare(folder: Path) -> None:
    (folder / "locks").mkdir(parents=True)
    (folder / "witness").touch()


def count_starts(folder: Path) -> int:
    """Quick: lines that begin with `begin`."""
    return (folder / "witness").read_bytes().count(b"begin\t")


def count_ends(folder: Path) -> int:
    return (folder / "witness").read_bytes().count(b"end\t")


def read(folder: Path) -> Witness:
    """All lines; a line that does not fit the others is a fault."""
    witness = Witness()
    for line in (folder / "witness").read_text().splitlines():
        parts = line.split("\t")
        if len(parts) != 4:
            witness.faults.append(f"unreadable: {line!r}")
            continue
        kind, attempt, label, order_id = parts
        known = witness.attempts.get((order_id, attempt))
        if kind == "begin":
            if known is not None:
                witness.faults.append(f"two starts of one attempt: {line!r}")
            witness.attempts[order_id, attempt] = Attempt(order_id, label)
        elif kind == "end" and known is not None and known.label == label and not known.has_ended:
            known.has_ended = True
        else:
            witness.faults.append(f"{kind} out of place: {line!r}")
    return witness


def compare(witness: Witness, tasks: Iterable[dict[str, Any]]) -> list[str]:
    """Everything in which witness and history differ; empty when they agree.

    STELLWERK_ATTEMPT is the event id of the attempt's OrderProcessingStarted at its Agent, in microseconds since 1970
    (and a counter); the history has the same event's time in milliseconds. What a Director that has just become active
    starts, after another one's OrderProcessingStarted, is named by its Subagent: that attempt is the latest one then.
    """
    tasks = list(tasks)
    faults = list(witness.faults)
    unmatched: dict[tuple[str, str, int], list[str]] = collections.defaultdict(list)
    for (order_id, attempt_id), attempt in witness.attempts.items():
        started = int(attempt_id.removeprefix(_SELF_MADE)) // 1000
        if attempt_id.startswith(_SELF_MADE):
            of_job = (task for task in tasks if (task["orderId"], task["label"]) == (order_id, attempt.label))
            starts = [_milliseconds(task["startTime"]) for task in of_job]
            started = max((start for start in starts if start <= started), default=started)
        unmatched[order_id, attempt.label, started].append(attempt_id)
    for task in tasks:
        what = f"{task['orderId']} {task['label']} attempt {task['attempt']}"
        found = unmatched.get((task["orderId"], task["label"], _milliseconds(task["startTime"])))
        succeeded = task["state"]["_text"] == "SUCCESSFUL"
        lost = is_lost(task)
        if task["state"]["_text"] == "INCOMPLETE":
            faults.append(f"{what} has not ended in the history")
        if not found:
            if not lost:
                faults.append(f"{what} has no witness, but is not ProcessLost: {task}")
            continue
        attempt = witness.attempts[task["orderId"], found.pop()]
        if not lost and not attempt.has_ended:
            faults.append(f"{what} is told to have ended, but its witness has not: {task}")
        if succeeded and lost:
            faults.append(f"{what} is both: {task}")
    for (order_id, label, _), left in unmatched.items():
        faults += [f"{order_id} {label}: the start {attempt} is not in the history" for attempt in left]
    return faults


def all_have_ended_once(api: Api, folder: Path, orders: list[str]) -> None:
    """Waits for the end of all; then the history has exactly these, and each one's job was done once and never lost."""
    seconds = 2 * DEADLINE_SECONDS

    def open_orders() -> list[str]:
        history = api.history()
        return [id_ for id_ in orders if history.get(id_, {}).get("state", {}).get("_text") != "SUCCESSFUL"]

    wait_until(lambda: not open_orders(), lambda: f"the end of {open_orders()}", seconds)
    assert set(api.history()) == set(orders), "orders that nobody has added, or that are doubled"
    wait_until(lambda: all("endTime" in task for task in api.tasks()), "the end of all tasks", seconds)
    tasks = api.tasks()
    assert not (faults := compare(read(folder), tasks)), "\n".join(faults)
    assert collections.Counter(task["orderId"] for task in tasks) == dict.fromkeys(orders, 1), "jobs were repeated"


def tasks_of(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a Controller's events tell of the attempts at `witness_workflow`, in the Cockpit's form of a history."""
    attempts: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for event in events:
        of_order = attempts[event.get("Key", "")]
        if event["TYPE"] == "OrderProcessingStarted":
            started = datetime.fromtimestamp(event.get("timestamp", event["eventId"] // 1000) / 1000, UTC)
            task = {"orderId": event["Key"], "label": "job", "attempt": len(of_order) + 1}
            state = {"_text": "INCOMPLETE"}
            of_order.append({**task, "startTime": started.isoformat(), "state": state, "at": event["subagentId"]})
        elif event["TYPE"] == "OrderProcessed":
            outcome = event["outcome"]
            has_succeeded = outcome["TYPE"] == "Succeeded"
            of_order[-1]["state"] = {"_text": "SUCCESSFUL" if has_succeeded else "FAILED"}
            of_order[-1]["error"] = {"message": str(outcome.get("reason", ""))}
    return [task for tasks in attempts.values() for task in tasks]


def is_lost(task: dict[str, Any]) -> bool:
    error = task.get("error") or {}
    return "ProcessLost" in error.get("code", "") or "ProcessLost" in error.get("message", "")


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
