"""What becomes of jobs when their Agent is killed (architecture section 6; reliability 4 rule 8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stellwerk.agent.subagent.attempt_record import (
    SLOT_BYTES,
    AttemptRecord,
    Entry,
    read_entries,
    record_paths,
    ticks_since_boot,
)
from stellwerk.agent.subagent.process_table import ProcessTable, read_environment, read_row
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.agent.subagent.survivors import find_survivors, kill_survivors
from stellwerk.effects.processes import ProcessStart
from stellwerk.values.problems import ProblemError

if TYPE_CHECKING:
    from tests.agent.subagent.conftest import World

#: An Agent that starts a job for each line of standard input, whose output goes to ours; or has a lease of N seconds.
AGENT = """
import asyncio, os, sys
from pathlib import Path
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.effects.processes import ProcessStart

async def main():
    processes = SystemProcesses(Path(sys.argv[1]))
    for number, line in enumerate(sys.stdin):
        if line.startswith("LEASE "):
            processes.lease(asyncio.get_running_loop().time() + float(line.split()[1]))
            continue
        process = await processes.start(ProcessStart(["/bin/sh", "-c", line], dict(os.environ), f"attempt-{number}"))
        print("pid", process.pid, flush=True)
        data = b""
        while not data.endswith(b"READY\\n"):
            data += await process.read_stdout()
        print(data.decode(), end="", flush=True)
        if data.startswith(b"END"):
            await process.read_stdout()
            await process.read_stderr()
            await process.wait()
            print("ENDED", flush=True)

asyncio.run(main())
"""


class Agent:
    """An Agent in a process of its own, to be killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._popen = subprocess.Popen(
            [sys.executable, "-c", AGENT, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def job(self, script: str) -> list[int]:
        """Start a job that prints pids and READY; returns its pid and those."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(script + "\n")
        words = self._read_until("READY").split()
        return [int(word) for word in words if word.isdigit()]

    def wait_for_end(self) -> None:
        self._read_until("ENDED")

    def _read_until(self, end: str) -> str:
        assert self._popen.stdout is not None
        lines = ""
        while not lines.endswith(end + "\n"):
            line = self._popen.stdout.readline()
            assert line, f"the Agent ended after {lines!r}"
            lines += line
        return lines

    def watchdog_pid(self) -> int:
        return next(
            int(row.process.pid)
            for row in ProcessTable().rows.values()
            if row.parent == self._popen.pid and b"watchdog" in Path(f"/proc/{row.process.pid}/cmdline").read_bytes()
        )

    def lease(self, seconds: float) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"LEASE {seconds}\n")

    def stop(self) -> None:
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._popen.send_signal(signal.SIGCONT)

    def is_stopped(self) -> bool:
        row = read_row(self._popen.pid)
        return row is not None and row.state == "T"

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "processes"


@pytest.fixture
def new_agent(directory: Path) -> Iterator[Callable[[], Agent]]:
    agents: list[Agent] = []

    def new_agent() -> Agent:
        agents.append(Agent(directory))
        return agents[-1]

    yield new_agent
    for agent in agents:
        agent.close()


WITH_FAMILY = "setsid sleep 1000 & echo $!; env -i sleep 1000 & echo $!; echo READY; wait"


def test_a_killed_agent_takes_its_jobs_along(world: World, new_agent: Callable[[], Agent]) -> None:
    """Also those in other sessions, and those without our environment."""
    agent = new_agent()
    pids = agent.job(WITH_FAMILY) + agent.job("exec env -i sh -c 'echo READY; sleep 1000; :'")
    watchdog = agent.watchdog_pid()
    agent.kill()
    for pid in pids:
        world.wait_gone(pid)
    world.wait_gone(watchdog)
    assert record_paths(str(agent.directory)) == []
    assert len(pids) == 4


def test_the_watchdog_outlives_polite_signals_and_is_replaced(world: World, new_agent: Callable[[], Agent]) -> None:
    agent = new_agent()
    pids = agent.job("echo READY; sleep 1000; :")
    first = agent.watchdog_pid()
    # It is deaf as soon as it has started up: it ignores signal 15, bit 14.
    while not int(_status(first, "SigIgn"), 16) & 1 << 14:
        assert world.is_alive(first)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(first, number)
    assert agent.watchdog_pid() == first
    os.kill(first, signal.SIGKILL)
    world.wait_gone(first)
    pids += agent.job("echo READY; sleep 1000; :")
    second = agent.watchdog_pid()
    assert second != first
    agent.kill()
    for pid in pids:
        world.wait_gone(pid)
    world.wait_gone(second)


def test_the_jobs_of_an_agent_that_stands_still_end_with_their_lease(
    world: World, new_agent: Callable[[], Agent]
) -> None:
    """SIGSTOP does not stop the watchdog."""
    agent = new_agent()
    agent.lease(2.0)
    pids = agent.job("setsid sleep 1000 & echo $!; echo READY; wait")
    agent.stop()
    for pid in pids:
        world.wait_gone(pid)
    assert agent.is_stopped()
    agent.resume()
    agent.lease(1000.0)
    (pid,) = agent.job("echo READY; sleep 1000; :")
    assert world.is_alive(pid), "it works on"
    watchdog = agent.watchdog_pid()
    agent.kill()
    world.wait_gone(pid)
    world.wait_gone(watchdog)


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name))


async def test_the_next_start_kills_what_the_watchdog_has_not(
    world: World, directory: Path, new_agent: Callable[[], Agent]
) -> None:
    agent = new_agent()
    pids = agent.job(WITH_FAMILY)
    _kill_both(world, agent)
    assert all(world.is_alive(pid) for pid in pids)
    successor = SystemProcesses(directory)
    assert await successor.kill_survivors() == ["attempt-0"]
    assert not any(world.is_alive(pid) for pid in pids)
    assert record_paths(str(directory)) == []
    assert await successor.kill_survivors() == []
    await successor.close()


def _kill_both(world: World, agent: Agent) -> None:
    """The watchdog first, then the Agent."""
    watchdog = agent.watchdog_pid()
    os.kill(watchdog, signal.SIGKILL)
    world.wait_gone(watchdog)
    agent.kill()


async def test_what_a_finished_job_has_left_running_is_no_survivor(
    world: World, directory: Path, new_agent: Callable[[], Agent]
) -> None:
    """A job that restarts a service must not have it killed with the next Agent."""
    agent = new_agent()
    _, service = agent.job("echo END; setsid sleep 1000 >/dev/null 2>&1 & echo $!; echo READY")
    agent.wait_for_end()
    pids = agent.job("echo READY; sleep 1000; :")
    _kill_both(world, agent)
    successor = SystemProcesses(directory)
    assert await successor.kill_survivors() == ["attempt-1"]
    await successor.close()
    assert not world.is_alive(pids[0])
    assert world.is_alive(service)
    os.kill(service, signal.SIGKILL)


async def test_the_jobs_of_a_running_agent_are_not_touched(
    world: World, directory: Path, new_agent: Callable[[], Agent]
) -> None:
    agent = new_agent()
    (pid,) = agent.job("echo READY; sleep 1000; :")
    second = SystemProcesses(directory)
    with pytest.raises(ProblemError, match="Another Agent is running"):
        await second.kill_survivors()
    await second.close()
    assert world.is_alive(pid)
    watchdog = agent.watchdog_pid()
    agent.kill()
    world.wait_gone(watchdog)


async def test_another_agents_processes_are_not_touched(world: World, tmp_path: Path) -> None:
    other = SystemProcesses(tmp_path / "other")
    process = await other.start(ProcessStart(["/bin/sleep", "1000"], dict(os.environ), "1"))
    mine = [Entry("1", process.pid, 0, ticks_since_boot())]
    assert find_survivors(mine, world.processes.agent_token) == set()
    assert {found.pid for found in find_survivors(mine, other.agent_token)} == {process.pid}
    await other.close()


async def test_a_reused_pid_is_not_touched(world: World) -> None:
    """A stranger without our environment is a survivor only if it has started when ours has."""
    with subprocess.Popen(["/usr/bin/env", "-i", "/bin/sleep", "1000"]) as stranger:  # noqa: ASYNC220
        row = read_row(stranger.pid)
        assert row is not None
        started = row.process.start_time
        while _status(stranger.pid, "Name") != "sleep":
            assert world.is_alive(stranger.pid)
        assert read_environment(stranger.pid) == {}
        for earliest, latest, is_found in [
            (started, started, True),
            (started + 1, started + 9, False),
            (started - 9, started - 1, False),
        ]:
            found = find_survivors([Entry("1", stranger.pid, earliest, latest)], world.processes.agent_token)
            assert bool(found) == is_found
        stranger.kill()


async def test_a_process_whose_start_was_under_way_is_found(world: World, directory: Path) -> None:
    """The record has the attempt, but no pid yet."""
    process = await world.shell("echo READY; exec sleep 1000")
    await world.read_until(process.read_stdout, b"READY\n")
    record = AttemptRecord(str(directory))
    record.begin("1")
    assert kill_survivors(record.path, world.processes.agent_token) == ["1"]
    assert await process.wait() == 137
    process.abandon_output()


def test_a_record_of_another_boot_or_a_torn_one_names_nothing(tmp_path: Path) -> None:
    record = AttemptRecord(str(tmp_path))
    slots = [record.begin(f"attempt-{number}") for number in range(3)]
    record.started(slots[0], "attempt-0", 4711, 100)
    record.end(slots[1])
    entries = read_entries(record.path)
    assert [(entry.attempt, entry.pid) for entry in entries] == [("attempt-0", 4711), ("attempt-2", 0)]
    assert record.begin("attempt-3") == slots[1], "a free slot is used again"

    path = Path(record.path)
    data = path.read_bytes()
    assert len(data) == 4 * SLOT_BYTES
    path.write_bytes(data[: 3 * SLOT_BYTES - 5])
    assert [entry.attempt for entry in read_entries(record.path)] == ["attempt-0"]
    for damaged in (b"", data.replace(b"running 1 ", b"running 1 x"), data[:20]):
        path.write_bytes(damaged)
        assert read_entries(record.path) == []
    path.unlink()
    assert read_entries(record.path) == []


def test_the_watchdog_imports_nothing_heavy() -> None:
    source = Path(sys.modules["stellwerk"].__file__ or "").parents[1]
    command = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import stellwerk.agent.subagent.watchdog; "
        "print(*sys.modules)"
    )
    modules = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-c", command], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    heavy = {"asyncio", "typing", "dataclasses", "inspect", "re", "logging", "subprocess", "msgspec", "pathlib"}
    assert heavy.isdisjoint(modules)
