"""The real `Processes`: job processes of this machine (workflow spec 4.7; architecture section 6).

Guarantees: a process runs in a session of its own with empty standard input, default signals and no descriptor of
ours but its two pipes; it is recorded before it starts, so that it never outlives a killed Agent unnoticed; its pid
stays its own until its output is closed, too (it is reaped no earlier), so that killing cannot hit a stranger.

**Started by the Agent itself, guarded by a watchdog.** A spawner process whose end-of-file kills its jobs would be
the obvious safety net. But handing program, environment and pipes over (SCM_RIGHTS) and getting the exit status back
gave 0.78 (8 at a time) and 0.84 (2) of the starts per second and took 20 to 26 % more CPU time per process in the
long runs of `bench/spawn.py` (40 rounds, 2 shared cores; short runs scatter between 0.78 and 1.03): more than the
tenth that the architecture allows, and the spawner's own death would lose all jobs. So jobs are started with
`os.posix_spawn` here (never fork: no subprocess API of asyncio or uvloop, no `preexec_fn`), and a tiny `watchdog`
process waits for the Agent's end of file and then kills what the record says. The next start of the Agent does the
same again (`kill_survivors`), in case the watchdog was killed, too. The watchdog also keeps the `lease`: it does not
stand still when the Agent does.

Knows nothing of orders, jobs or outcomes: see `job_runner`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import math
import os
import signal
import sys
import time
from pathlib import Path

from stellwerk.agent.subagent import watchdog
from stellwerk.agent.subagent.attempt_record import (
    AttemptRecord,
    is_owned,
    read_entries,
    record_paths,
    remove_record,
    ticks_since_boot,
)
from stellwerk.agent.subagent.output_pipe import OutputPipe
from stellwerk.agent.subagent.process_table import ProcessId, ProcessTable, kill_families, open_process
from stellwerk.agent.subagent.spawning import DEFAULT_SIGNALS, guard_descriptors, spawn
from stellwerk.agent.subagent.survivors import AGENT_VARIABLE, ATTEMPT_VARIABLE, kill_rounds
from stellwerk.effects.processes import LeaseExpiredError, ProcessStart
from stellwerk.values.problems import ProblemError

#: How long `close` waits for processes that do not end although they have been killed (uninterruptible system calls).
_CLOSE_SECONDS = 10.0
#: A lease counts as expired so long before the watchdog acts: both never judge differently.
_LEASE_MARGIN_SECONDS = 0.3
_logger = logging.getLogger(__name__)
_SOURCE_DIRECTORY = str(Path(__file__).parents[3])


class SystemRunningProcess:
    """A `RunningProcess` of this machine."""

    def __init__(self, owner: SystemProcesses, pid: int, slot: int, stdout: int, stderr: int) -> None:
        loop = asyncio.get_running_loop()
        self.pid = pid
        self.slot = slot
        self.is_lost = False
        #: Descendants seen when the process was terminated; they may have left its tree since.
        self.remembered: set[ProcessId] = set()
        self._owner = owner
        self._loop = loop
        self._return_code: int | None = None
        self._exited = asyncio.Event()
        self._stdout = OutputPipe(stdout, loop, self._release_when_done)
        self._stderr = OutputPipe(stderr, loop, self._release_when_done)
        self._pidfd = os.pidfd_open(pid)
        loop.add_reader(self._pidfd, self._on_exit)

    async def read_stdout(self) -> bytes:
        return await self._stdout.read()

    async def read_stderr(self) -> bytes:
        return await self._stderr.read()

    async def wait(self) -> int:
        await self._exited.wait()
        assert self._return_code is not None
        return self._return_code

    def terminate(self) -> None:
        if self._return_code is None:
            self._owner.terminate_soon(self)

    def kill(self) -> None:
        if not self.is_released:
            self._owner.kill_soon(self)

    def abandon_output(self) -> None:
        self._stdout.close()
        self._stderr.close()

    @property
    def is_running(self) -> bool:
        return self._return_code is None

    @property
    def is_released(self) -> bool:
        """Has it ended, and is its output closed? Then the pid may already be another process'."""
        return self._pidfd < 0

    def send_sigterm(self) -> None:
        if self._return_code is None:
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        # Not reaped yet (WNOWAIT): as long as descendants hold the pipes, `kill` must be able to trust pid and session.
        result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        assert result is not None
        self._return_code = result.si_status + (0 if result.si_code == os.CLD_EXITED else 128)
        self.is_lost |= self._return_code == 128 + signal.SIGKILL and self._owner.has_expired
        self._exited.set()
        self._release_when_done()

    def _release_when_done(self) -> None:
        if self._return_code is not None and self._stdout.is_closed and self._stderr.is_closed:
            os.waitpid(self.pid, 0)
            os.close(self._pidfd)
            self._pidfd = -1
            self._owner.forget(self)


class SystemProcesses:
    """Starts the job processes of one Agent.

    `directory` belongs to this Agent and outlives it; it holds the record of running attempts. To be used in one
    running event loop.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        #: Tells our processes from those of another Agent on this machine.
        self.agent_token = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:20]
        self._record: AttemptRecord | None = None
        self._watchdog: _Watchdog | None = None
        self._leased_until = math.inf
        self._running: set[SystemRunningProcess] = set()
        self._is_closed = False
        # posix_spawn blocks our thread until the child has its program, so there is one spawn at a time anyway; the
        # lock makes it one per turn of the loop, so that a burst of starts does not stop everything else.
        self._spawning = asyncio.Lock()
        self._to_terminate: set[SystemRunningProcess] = set()
        self._to_kill: set[SystemRunningProcess] = set()
        guard_descriptors()
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            # Inherited from a careless parent; the kernel would throw the exit status of our jobs away.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    async def start(self, start: ProcessStart) -> SystemRunningProcess:
        async with self._spawning:
            await asyncio.sleep(0)
            # From here on without await: a cancelled caller leaves no process behind.
            if self._is_closed:
                raise OSError(errno.ESHUTDOWN, "the Agent is shutting down, no process is started")
            if self.has_expired:
                raise LeaseExpiredError
            return self._start(start)

    def _start(self, start: ProcessStart) -> SystemRunningProcess:
        record = self._guarded_record()
        environment = {
            **start.environment,
            ATTEMPT_VARIABLE: start.attempt,
            AGENT_VARIABLE: self.agent_token,
        }
        descriptors: list[int] = []
        slot = record.begin(start.attempt)
        try:
            descriptors += os.pipe()
            descriptors += os.pipe()
            stdout, stdout_end, stderr, stderr_end = descriptors
            earliest_start = ticks_since_boot()
            pid = spawn(start, environment, stdout_end, stderr_end)
        except BaseException:
            record.end(slot)
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        record.started(slot, start.attempt, pid, earliest_start)
        os.close(stdout_end)
        os.close(stderr_end)
        process = SystemRunningProcess(self, pid, slot, stdout, stderr)
        self._running.add(process)
        return process

    def lease(self, until: float | None) -> None:
        if self.has_expired:
            for process in self._running:
                process.is_lost |= process.is_running
                process.kill()
        self._leased_until = math.inf if until is None else until
        if self._watchdog is not None:
            self._watchdog.lease(self._leased_until)

    @property
    def has_expired(self) -> bool:
        return time.monotonic() >= self._leased_until - _LEASE_MARGIN_SECONDS

    async def kill_survivors(self) -> list[str]:
        attempts: list[str] = []
        own = self._record.path if self._record is not None else None
        for path in record_paths(str(self._directory)):
            if path == own:
                continue
            if is_owned(path):
                raise ProblemError(
                    f"Another Agent is running with the directory {self._directory}: its jobs are not touched. "
                    "Stop it, or give this Agent a data directory of its own"
                )
            entries = read_entries(path)
            for processes, seconds in kill_rounds(entries, self.agent_token):
                await _wait_until_gone(processes, seconds)
            remove_record(path)
            attempts += [entry.attempt for entry in entries]
        return attempts

    async def close(self) -> None:
        self._is_closed = True
        if self._record is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    for processes, seconds in kill_rounds(read_entries(self._record.path), self.agent_token):
                        await _wait_until_gone(processes, seconds)
                    for process in list(self._running):
                        process.abandon_output()
                        await process.wait()
            except TimeoutError:
                pids = sorted(process.pid for process in self._running)
                _logger.error("Job processes have not ended after SIGKILL, they stay recorded: pids %s", pids)
            self._record.close()
            self._record = None
        if self._watchdog is not None:
            await self._watchdog.close()
            self._watchdog = None

    def terminate_soon(self, process: SystemRunningProcess) -> None:
        self._to_terminate.add(process)
        self._signal_soon()

    def kill_soon(self, process: SystemRunningProcess) -> None:
        self._to_kill.add(process)
        self._signal_soon()

    def forget(self, process: SystemRunningProcess) -> None:
        """The process has ended and its output is closed."""
        self._running.discard(process)
        if self._record is not None:
            self._record.end(process.slot)

    def _signal_soon(self) -> None:
        # All processes that are ended in one turn of the loop share one look at the process table.
        if len(self._to_terminate) + len(self._to_kill) == 1:
            asyncio.get_running_loop().call_soon(self._signal)

    def _signal(self) -> None:
        to_terminate = {process for process in self._to_terminate if not process.is_released}
        to_kill = {process for process in self._to_kill if not process.is_released}
        self._to_terminate.clear()
        self._to_kill.clear()
        if to_terminate:
            table = ProcessTable()
            for process in to_terminate:
                process.remembered |= table.family(process.pid)
                process.send_sigterm()
        if to_kill:
            kill_families(
                {process.pid for process in to_kill},
                set().union(*(process.remembered for process in to_kill)),
            )

    def _guarded_record(self) -> AttemptRecord:
        """The record of this run, with a watchdog that lives."""
        if self._record is None:
            self._record = AttemptRecord(str(self._directory))
        if self._watchdog is None or self._watchdog.has_ended():
            self._watchdog = _Watchdog(self._record.path, self.agent_token)
            self._watchdog.lease(self._leased_until)
        return self._record


class _Watchdog:
    """Our end of the watchdog process."""

    def __init__(self, record_path: str, agent: str) -> None:
        read_end, self._pipe = os.pipe()
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-E", "-c", watchdog.COMMAND, _SOURCE_DIRECTORY, record_path, agent],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, read_end, 0),
                    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=DEFAULT_SIGNALS,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(read_end)
        self._pidfd = os.pidfd_open(self._pid)
        os.set_blocking(self._pipe, False)

    def lease(self, until: float) -> None:
        """If it stands still for hours, the pipe is full one day: it keeps to the last that it got, and kills."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._pipe, watchdog.LEASE.pack(until))

    def has_ended(self) -> bool:
        """Has somebody killed it? Then its remains are cleared away."""
        if os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG) is None:
            return False
        os.close(self._pidfd)
        os.close(self._pipe)
        return True

    async def close(self) -> None:
        """Tell it that we end, wait until it has ended."""
        os.close(self._pipe)
        await _wait_readable(self._pidfd)
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)  # noqa: ASYNC222 - it has ended
        os.close(self._pidfd)


async def _wait_until_gone(processes: set[ProcessId], timeout_seconds: float) -> None:
    """Wait until these processes have ended, at most for `timeout_seconds`; without processes just that long."""
    pidfds = [pidfd for process in processes if (pidfd := open_process(process)) is not None]
    try:
        async with asyncio.timeout(timeout_seconds):
            if not processes:
                await asyncio.sleep(timeout_seconds)
            for pidfd in pidfds:
                await _wait_readable(pidfd)
    except TimeoutError:
        return
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


async def _wait_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
