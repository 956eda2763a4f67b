"""The Agent as a process: `stellwerk agent --data FOLDER`."""

from __future__ import annotations

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.routes import add_agent_routes
from stellwerk.agent.subagent.job_runner import JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import LaunchSettings
from stellwerk.agent.subagent.processes import SystemProcesses
from stellwerk.agent.subagent.worker_pool import WorkerSettings
from stellwerk.effects.clock import SystemClock, SystemRandom, system_environment
from stellwerk.effects.system_directories import SystemDirectories
from stellwerk.node.configuration import AgentConfiguration
from stellwerk.node.main import Lifeline, NodeProcess
from stellwerk.node.node import NodeEffects
from stellwerk.node.web import NodeWeb
from stellwerk.wire.authentication import JS7_VERSION
from stellwerk.wire.overview import java_overview, system_overview
from stellwerk.wire.signatures import SignatureVerifier

#: Agents delete what their Controller has, without a grace period (journal spec 4.6).
RELEASE_DELAY_SECONDS = 0.0


async def run_agent(configuration: AgentConfiguration, lifeline: Lifeline) -> int:
    """Run until a signal or a command ends it; returns the exit code."""
    clock, random = SystemClock(), SystemRandom()
    environment = system_environment()
    jobs = configuration.jobs
    process = NodeProcess("agent", configuration, lifeline)
    processes = SystemProcesses(configuration.data / "processes")

    def make_web(process: NodeProcess) -> NodeWeb:
        def health() -> tuple[bool, dict[str, object]]:
            node = process.node
            is_healthy = node is not None and node.is_ready
            return is_healthy, {"status": "ok" if is_healthy else "starting or stopping", "component": "agent"}

        web = NodeWeb(configuration, clock, random, "/agent", "/subagent", health=health)
        add_agent_routes(web, lambda: process.node if isinstance(process.node, AgentNode) else None, clock)
        return web

    async def make_node(process: NodeProcess) -> AgentNode:
        runner = JobRunner(
            processes,
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
        return AgentNode(
            NodeEffects(process.disk, clock, random, environment),
            processes,
            runner,
            lambda: SignatureVerifier.from_folder(configuration.trusted_keys_directory),
            configuration.journal.options(RELEASE_DELAY_SECONDS),
            platform_info=_platform_info(clock),
            directories=SystemDirectories(),
            script_injection_allowed=jobs.signed_script_injection_allowed,
        )

    try:
        return await process.run(make_web, make_node)
    finally:
        await processes.close()


def _platform_info(clock: SystemClock) -> dict[str, object]:
    """What the Controller shows of this machine (orders spec 6.3)."""
    system = system_overview()
    info: dict[str, object] = {
        "timestamp": clock.now_ms(),
        "timezone": clock.zone(),
        "js7Version": JS7_VERSION,
        "hostname": system["hostname"],
        "java": java_overview(),
    }
    if "distribution" in system:
        info["operatingSystemDistribution"] = system["distribution"]
    if "cpuModel" in system:
        info["cpuModel"] = system["cpuModel"]
    return info
