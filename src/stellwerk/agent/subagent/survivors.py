"""Survivors: processes of attempts that were running when their Agent was killed.

They are found by the attempt's token in their environment, and by pid and start time in the record for a program that
has overwritten its environment; then their families are killed. Nothing is adopted: exit status and pipes of a
process that is not our child are gone (architecture section 6).

Shared by the watchdog and by the Agent's next start; both may be at it at the same time.
Uses only small modules of the standard library, because `watchdog.py` runs it in a bare interpreter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from stellwerk.agent.subagent.attempt_record import Entry, read_entries, remove_record
from stellwerk.agent.subagent.process_table import (
    ProcessId,
    ProcessTable,
    kill_families,
    read_environment,
    wait_until_gone,
)

#: Environment variables of every job process, by which it is recognised.
ATTEMPT_VARIABLE = "STELLWERK_ATTEMPT"
AGENT_VARIABLE = "STELLWERK_AGENT"

#: A process whose start was under way may still carry the Agent's environment: look again this often, this far apart.
_STARTING_ROUNDS = 10
_STARTING_PAUSE_SECONDS = 0.02


def find_survivors(entries: list[Entry], agent: str) -> set[ProcessId]:
    """The processes that belong to these attempts of this Agent, without descendants in another environment."""
    attempts = {entry.attempt.encode() for entry in entries}
    recorded = {entry.pid: entry for entry in entries if entry.pid}
    found = set()
    for row in ProcessTable().rows.values():
        if row.state in "ZX":
            continue
        environment = read_environment(row.process.pid)
        its_agent = environment.get(AGENT_VARIABLE.encode())
        entry = recorded.get(row.process.pid)
        if its_agent is not None:
            is_survivor = its_agent == agent.encode() and environment.get(ATTEMPT_VARIABLE.encode()) in attempts
        else:
            is_survivor = entry is not None and entry.earliest_start <= row.process.start_time <= entry.latest_start
        if is_survivor:
            found.add(row.process)
    return found


def kill_rounds(entries: list[Entry], agent: str) -> Iterator[tuple[set[ProcessId], float]]:
    """Kill the survivors and their families, again and again until none is found.

    After each round the caller waits, in its own way, until the processes yielded are gone, at most for the seconds
    yielded. The rounds do not end while a process lives that we cannot end: its attempt must not be repeated.
    """
    quiet_rounds = 0
    needed_rounds = _STARTING_ROUNDS if any(not entry.pid for entry in entries) else 1
    while entries and quiet_rounds < needed_rounds:
        survivors = find_survivors(entries, agent)
        if survivors:
            yield kill_families(set(), survivors), 1.0
        else:
            quiet_rounds += 1
            if quiet_rounds < needed_rounds:
                yield set(), _STARTING_PAUSE_SECONDS


def kill_survivors(record_path: str, agent: str) -> list[str]:
    """Kill the survivors of one record, wait until they are gone, remove the record. Blocks; returns the attempts."""
    attempts = end_survivors(read_entries(record_path), agent)
    remove_record(record_path)
    return attempts


def end_survivors(entries: list[Entry], agent: str) -> list[str]:
    """Kill these processes and wait until they are gone. Blocks; returns the attempts."""
    for processes, seconds in kill_rounds(entries, agent):
        if processes:
            wait_until_gone(processes, seconds)
        else:
            time.sleep(seconds)
    return [entry.attempt for entry in entries]
