"""Jobs that witness their own starts and ends, and the comparison of what they saw with what the history tells.

Each job appends one line at its begin and one at its end to a file, with O_APPEND and fsync, and holds a lock for as
long as it or anything that it has started lives: so two attempts at a time are seen even if one of them is killed.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from up_process import shell_job

_SCRIPT = """#!/bin/sh
witness() {{
    printf '%s\\t%s\\t%s\\t%s\\n' "$1" "$STELLWERK_ATTEMPT" "$LABEL" "$ORDER" |
        dd of="{folder}/witness" oflag=append conv=notrunc,fsync status=none || exit 90
}}
exec 9>"{folder}/locks/$ORDER.$LABEL"
flock -n 9 || witness overlap
witness begin
sleep "$SECONDS_TO_SLEEP"
witness end
exit "$RETURN_CODE"
"""


def witness_job(agent: str, folder: Path, seconds: str, return_code: str = "0") -> dict[str, Any]:
    """A job that sleeps; `seconds` and `return_code` are expressions, e.g. names of order arguments."""
    environment = {
        "ORDER": "$js7OrderId",
        "LABEL": "$js7Label",
        "SECONDS_TO_SLEEP": seconds,
        "RETURN_CODE": return_code,
    }
    return shell_job(agent, _SCRIPT.format(folder=folder), env=environment)


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
    (and a counter); the history has the same event's time in milliseconds.
    """
    faults = list(witness.faults)
    unmatched: dict[tuple[str, str, int], list[str]] = collections.defaultdict(list)
    for (order_id, attempt_id), attempt in witness.attempts.items():
        unmatched[order_id, attempt.label, int(attempt_id) // 1000].append(attempt_id)
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


def is_lost(task: dict[str, Any]) -> bool:
    error = task.get("error") or {}
    return "ProcessLost" in error.get("code", "") or "ProcessLost" in error.get("message", "")


def _milliseconds(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
