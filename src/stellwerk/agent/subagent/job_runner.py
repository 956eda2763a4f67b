"""Runs jobs: one launch becomes one process, its output, and one outcome (workflow spec 4.5 to 4.7).

Guarantees: each run ends with exactly one outcome, after the process has ended, its output has been taken and its
temporary files are deleted; whatever makes a run fail (also an exception of the sink, or a cancelled run) leaves no
process behind. An outcome never claims a `returnCode` of a process that was not started.

Knows neither workflows' positions nor journals; what it is asked to run is allowed to run.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stellwerk.agent.subagent import output
from stellwerk.agent.subagent.files import ProcessFiles, ReturnValuesError
from stellwerk.agent.subagent.launch import (
    JobLaunch,
    LaunchError,
    LaunchEvaluationError,
    LaunchSettings,
    call_request,
    process_start,
    start_error_message,
)
from stellwerk.agent.subagent.scripts import ScriptFiles
from stellwerk.agent.subagent.worker_pool import WorkerCall, WorkerPool, WorkerSettings
from stellwerk.effects.clock import Clock
from stellwerk.effects.processes import LeaseExpiredError, Processes, RunningProcess
from stellwerk.language.jobs import DEFAULT_RETURN_CODE_MEANING, InternalExecutable
from stellwerk.language.outcomes import Disrupted, Failed, Killed, Succeeded, TimedOut
from stellwerk.values.problems import Problem

_logger = logging.getLogger(__name__)

JobOutcome = Succeeded | Failed | TimedOut | Killed | Disrupted


class JobEvents(Protocol):
    """Takes a job's output; as long as it waits, the job's output is not read (journal spec 7.2)."""

    async def stdout(self, chunk: str) -> None: ...

    async def stderr(self, chunk: str) -> None: ...


class JobRunnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    launch: LaunchSettings
    workers: WorkerSettings = WorkerSettings()
    #: `js7.job.execution.sigkill-delay`.
    sigkill_delay_seconds: float = 15.0
    #: `js7.order.stdout-stderr.delay`.
    output_delay_seconds: float = output.DELAY_SECONDS
    #: When a process has ended but somebody holds its pipes: an info message after this time ...
    held_pipes_message_seconds: float = 0.1
    #: ... and if it was killed by SIGKILL: a second SIGKILL after this time ...
    kill_grace_seconds: float = 0.5
    #: ... and the pipes are given up after this time more.
    abandon_seconds: float = 3.0


class JobRunner:
    """Runs the jobs of one Subagent.

    The folders `scripts` and `files` of `work_directory` belong to it: what former runs have left there is removed,
    and `close` removes them. Raises `LookupError` for an unknown encoding.
    """

    def __init__(self, processes: Processes, clock: Clock, work_directory: Path, options: JobRunnerOptions) -> None:
        codecs.lookup(options.launch.encoding)
        self.processes = processes
        self.clock = clock
        self.options = options
        self.scripts = ScriptFiles(work_directory / "scripts", options.launch.encoding)
        self.files_directory = work_directory / "files"
        if self.files_directory.exists():
            shutil.rmtree(self.files_directory)
        self.files_directory.mkdir(mode=0o700)
        self.workers = WorkerPool(processes, options.workers)
        self._runs: dict[str, _Run] = {}

    def run(self, launch: JobLaunch, events: JobEvents) -> Coroutine[Any, Any, JobOutcome]:
        """Run a job to its outcome. The order can be killed from this call on, not only from the first await.

        What is returned must be awaited. Raises `ValueError` if the order is already being processed.
        """
        if launch.order_id in self._runs:
            raise ValueError(f"Order {launch.order_id} is already being processed")
        run = self._runs[launch.order_id] = _Run(self, launch, events)
        return self._run(run)

    async def _run(self, run: _Run) -> JobOutcome:
        try:
            return await run.outcome()
        finally:
            del self._runs[run.launch.order_id]

    def kill(self, order_id: str, immediately: bool = False) -> bool:
        """SIGTERM and, after the job's delay, SIGKILL; or SIGKILL at once. False if the order has no process here."""
        run = self._runs.get(order_id)
        if run is None:
            return False
        run.is_killed = True
        run.end_process(immediately)
        return True

    @property
    def order_ids(self) -> list[str]:
        """The orders being processed."""
        return list(self._runs)

    async def close_workers(self) -> None:
        """End the warm workers; all runs must have ended."""
        await self.workers.close()

    def close(self) -> None:
        """Remove the work files; all runs must have ended."""
        if self._runs:
            raise RuntimeError(f"{len(self._runs)} jobs are still running")
        self.scripts.close()
        shutil.rmtree(self.files_directory)


class _Run:
    """One launch on its way."""

    def __init__(self, runner: JobRunner, launch: JobLaunch, events: JobEvents) -> None:
        self.launch = launch
        self.is_killed = False
        self._runner = runner
        self._options = runner.options
        self._events = events
        self._process: RunningProcess | None = None
        self._is_timed_out = False
        self._is_sigterm_sent = False
        self._is_sigkill_sent = False
        self._is_sigkill_wanted = False
        self._has_exited = False
        self._is_giving_up = False
        self._last_error_line = output.LastLine()
        self._timers: set[asyncio.TimerHandle] = set()

    async def outcome(self) -> JobOutcome:
        if self.is_killed:
            return _CANCELLED_BEFORE_START
        try:
            files = ProcessFiles(self._runner.files_directory, self.launch.attempt)
        except OSError as error:
            return Failed(message=start_error_message(error))
        try:
            self._process = await self._start(files)
            code = await self._processed(self._process)
            return self._result(code, files)
        except LaunchEvaluationError as error:
            return Disrupted.other(Problem(message=str(error)))
        except LaunchError as error:
            return Failed(message=str(error))
        except LeaseExpiredError:
            return _LOST
        except OSError as error:
            if self._process is not None:
                raise
            return Failed(message=start_error_message(error))
        finally:
            for timer in self._timers:
                timer.cancel()
            if isinstance(self._process, WorkerCall):
                self._process.release()
            files.clean()

    async def _start(self, files: ProcessFiles) -> RunningProcess:
        settings = self._options.launch
        if isinstance(self.launch.job.executable, InternalExecutable):
            request = call_request(self.launch, self.launch.job.executable, settings, files)
            return await self._runner.workers.call(request, settings.environment)
        start = process_start(self.launch, settings, self._runner.scripts, files)
        return await self._runner.processes.start(start)

    async def _processed(self, process: RunningProcess) -> int:
        """From the start of the process until its end and that of its output; returns the return code."""
        try:
            if self.is_killed:
                self.end_process(self._is_sigkill_wanted)
            self._set_timeouts()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(process.read_stdout, self._events.stdout))
                tasks.create_task(self._pump(process.read_stderr, self._stderr))
                code = await process.wait()
                self._has_exited = True
                self._later(self._options.held_pipes_message_seconds, self._on_held_pipes)
                self._give_up_pipes_when_killed()
            return code
        except BaseException:
            process.kill()
            process.abandon_output()
            await process.wait()
            raise

    async def _pump(self, read: _Read, sink: _Sink) -> None:
        encoding, delay = self._options.launch.encoding, self._options.output_delay_seconds
        await output.pump(read, sink, encoding=encoding, delay_seconds=delay)

    async def _stderr(self, chunk: str) -> None:
        if self.launch.job.fail_on_err_written:
            self._last_error_line.add(chunk)
        await self._events.stderr(chunk)

    # --- ending it ---

    def end_process(self, immediately: bool) -> None:
        """SIGTERM, SIGKILL after the delay; with `immediately` or without delay SIGKILL at once (spec 4.7)."""
        delay_ms = self.launch.job.sigkill_delay_ms
        delay_seconds = self._options.sigkill_delay_seconds if delay_ms is None else delay_ms / 1000
        if self._process is None:
            self._is_sigkill_wanted |= immediately
        elif immediately or delay_seconds <= 0:
            self._send_sigkill()
        elif not self._is_sigterm_sent:
            self._is_sigterm_sent = True
            self._process.terminate()
            self._later(delay_seconds, self._send_sigkill)

    def _send_sigkill(self) -> None:
        assert self._process is not None
        self._is_sigkill_sent = True
        self._process.kill()
        self._give_up_pipes_when_killed()

    def _give_up_pipes_when_killed(self) -> None:
        if self._is_sigkill_sent and self._has_exited and not self._is_giving_up:
            assert self._process is not None
            self._is_giving_up = True
            # Once more, for a member of the family that the first look at the process table has missed.
            self._later(self._options.kill_grace_seconds, self._process.kill)
            self._later(self._options.kill_grace_seconds + self._options.abandon_seconds, self._abandon_output)

    def _abandon_output(self) -> None:
        assert self._process is not None
        _logger.warning(
            "%s: the process has been killed, but others still hold its output, which is given up", self.launch.order_id
        )
        self._process.abandon_output()

    def _on_held_pipes(self) -> None:
        _logger.info("%s: the process has ended, waiting for others to close its output", self.launch.order_id)

    def _set_timeouts(self) -> None:
        if self.launch.job.timeout_ms is not None:
            self._later(self.launch.job.timeout_ms / 1000, self._on_timeout)
        if self.launch.end_of_admission_period_ms is not None:
            self._at_end_of_admission_period(self.launch.end_of_admission_period_ms)

    def _at_end_of_admission_period(self, end_ms: int) -> None:
        """Look at the clock again when the time has come: it may have been set."""
        remaining_ms = end_ms - self._runner.clock.now_ms()
        if remaining_ms <= 0:
            self._on_timeout()
        else:
            seconds = min(remaining_ms / 1000, _LONGEST_TIMER_SECONDS)
            self._later(seconds, lambda: self._at_end_of_admission_period(end_ms))

    def _on_timeout(self) -> None:
        self._is_timed_out = True
        self.end_process(immediately=False)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)

    # --- its outcome ---

    def _result(self, code: int, files: ProcessFiles) -> JobOutcome:
        executable = self.launch.job.executable
        meaning = (
            DEFAULT_RETURN_CODE_MEANING
            if isinstance(executable, InternalExecutable) or executable.return_code_meaning is None
            else executable.return_code_meaning
        )
        is_success = meaning.is_success(code)
        if self.is_killed or self._is_timed_out:
            ended = _completed(is_success, {"returnCode": code})
            return Killed(outcome=ended) if self.is_killed else TimedOut(outcome=ended)
        if self._process is not None and self._process.is_lost:
            return _LOST
        if isinstance(self._process, WorkerCall):
            if self._process.error:
                return Failed(message=self._process.error, named_values={"returnCode": code})
            return _completed(is_success, {**self._process.values, "returnCode": code})
        try:
            values: dict[str, Any] = dict(files.read_return_values(self._options.launch.encoding))
        except ReturnValuesError as error:
            return Failed(message=f"Reading return values file failed: {error}", named_values={"returnCode": code})
        if is_success and self._last_error_line.is_written:
            return Failed(message=f"The job's error channel: {self._last_error_line.text}")
        return _completed(is_success, {**values, "returnCode": code})


#: A clock that is set back or forth is noticed within this time.
_LONGEST_TIMER_SECONDS = 60.0

_LOST = Disrupted.process_lost(Problem.of("ProcessLostDueToIsolation"))
_CANCELLED_BEFORE_START = Killed(outcome=Failed(message=str(Problem.of("ProcessCancelledBeforeStart"))))

_Read = Callable[[], Awaitable[bytes]]
_Sink = Callable[[str], Awaitable[None]]


def _completed(is_success: bool, values: dict[str, Any]) -> Succeeded | Failed:
    return Succeeded(named_values=values) if is_success else Failed(named_values=values)
