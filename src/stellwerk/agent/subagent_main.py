"""`stellwerk subagent --data FOLDER`: the Subagent as a process; and how it is made in an Agent's process, too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from stellwerk.agent.subagent.commands import ShutDown
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.memory_journal import LIMIT
from stellwerk.agent.subagent.metering import SystemMeter
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.agent.subagent.routes import add_subagent_routes
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.agent.subagent.worker_pool import WorkerSettings
from stellwerk.effects.clock import Clock, Random, SystemClock, SystemRandom, system_environment
from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError
from stellwerk.node.configuration import AgentConfiguration, ConfigurationError, SubagentConfiguration
from stellwerk.node.logs import set_up_logs
from stellwerk.node.main import Lifeline, raise_file_limit
from stellwerk.node.node import EXIT_ERROR
from stellwerk.node.web import NodeWeb, prepare_directories
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SignatureVerifier

logger = logging.getLogger(__name__)

#: When the process is asked to end: how long killed jobs and the Director may take.
FAREWELL_SECONDS = 5.0


def make_subagent(
    configuration: AgentConfiguration | SubagentConfiguration,
    clock: Clock,
    random: Random,
    environment: Mapping[str, str],
) -> Subagent:
    """The data folder must have been prepared. Raises `LookupError` for an unknown encoding."""
    jobs = configuration.jobs
    runner = JobRunner(
        SystemProcesses(configuration.data / "processes"),
        clock,
        configuration.work_directory,
        JobRunnerOptions(
            launch=LaunchSettings(
                environment=environment,
                executables_directory=configuration.data / jobs.executables_directory,
                working_directory=jobs.working_directory,
                encoding=jobs.encoding,
                script_injection_allowed=jobs.signed_script_injection_allowed,
            ),
            workers=WorkerSettings(
                python_directory=configuration.data / jobs.python_directory,
                allows_installed_modules=jobs.signed_script_injection_allowed,
            ),
            sigkill_delay_seconds=jobs.sigkill_delay_seconds,
        ),
    )
    limit = configuration.journal_event_count if isinstance(configuration, SubagentConfiguration) else LIMIT
    return Subagent(
        runner,
        clock,
        random,
        environment,
        trusted_signatures(configuration),
        measure=SystemMeter().measure,
        journal_limit=limit,
    )


def trusted_signatures(configuration: AgentConfiguration | SubagentConfiguration) -> Callable[[], SignatureVerifier]:
    return lambda: SignatureVerifier.from_folder(configuration.trusted_keys_directory)


async def run_subagent(configuration: SubagentConfiguration, lifeline: Lifeline) -> int:
    """Run until a signal or a command ends it; returns the exit code."""
    try:
        set_up_logs(configuration.log.level, configuration.log.json)
        prepare_directories(configuration)
        lock = DirectoryLock(configuration.state_directory, "subagent")
    except (DuplicateStartError, ConfigurationError, ValueError, OSError) as error:
        logger.error("subagent does not start: %s", error)
        return EXIT_ERROR
    raise_file_limit()
    clock, random = SystemClock(), SystemRandom()
    try:
        subagent = make_subagent(configuration, clock, random, system_environment())
        try:
            return await _serve(configuration, lifeline, subagent, clock, random)
        finally:
            await subagent.close()
            await subagent.runner.processes.close()
    finally:
        lifeline.close()
        lock.release()


async def _serve(
    configuration: SubagentConfiguration, lifeline: Lifeline, subagent: Subagent, clock: Clock, random: Random
) -> int:
    def health() -> tuple[bool, dict[str, object]]:
        is_healthy = not subagent.is_shutting_down
        return is_healthy, {"status": "ok" if is_healthy else "stopping", "component": "subagent"}

    web = NodeWeb(configuration, clock, random, "/subagent", health=health)
    add_subagent_routes(web, subagent, clock)
    stop = asyncio.Event()
    try:
        # Before anybody can ask: what a former process has left running is gone.
        await subagent.start()
        await web.start()
    except (ProblemError, OSError) as error:
        logger.error("subagent does not start: %s", error)
        return EXIT_ERROR
    try:
        lifeline.watch(stop.set)
        web.ready()
        lifeline.ready(port=web.port)
        logger.info("subagent is ready on port %s", web.port)
        wanted = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(subagent.ended.wait())]
        await asyncio.wait(wanted, return_when=asyncio.FIRST_COMPLETED)
        for task in wanted:
            task.cancel()
        if stop.is_set():
            await _say_farewell(subagent)
    finally:
        web.begin_stop()
        await web.stop()
    return 0


async def _say_farewell(subagent: Subagent) -> None:
    """Asked to end by the system: jobs are ended, and the Director learns it if it is there."""
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await subagent.execute(ShutDown(process_signal="SIGTERM"), session="the process' own end")
            await subagent.ended.wait()
    except TimeoutError:
        logger.warning("The Director has not taken the last events; it will find its processes lost")
