"""The Agent as a process: `stellwerk agent --data FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec

from stellwerk.agent.director.node import AgentNode
from stellwerk.agent.director.subagent_driver import DriverTiming
from stellwerk.agent.director.subagent_peers import HttpSubagentPeer
from stellwerk.agent.routes import add_agent_routes
from stellwerk.agent.subagent.routes import add_subagent_routes
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.agent.subagent_main import make_subagent, trusted_signatures
from stellwerk.effects.clock import SystemClock, SystemRandom, system_environment
from stellwerk.effects.system_directories import SystemDirectories
from stellwerk.language.items import SubagentItem
from stellwerk.node.cluster_host import NodeCluster
from stellwerk.node.configuration import AgentConfiguration
from stellwerk.node.main import Lifeline, NodeProcess, cluster_peers, health_of
from stellwerk.node.node import NodeEffects
from stellwerk.node.web import NodeWeb
from stellwerk.node.witness import Witness, witness_of_agent
from stellwerk.wire.authentication import JS7_VERSION
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.overview import java_overview, system_overview

#: Agents delete what their Controller has, without a grace period (journal spec 4.6).
RELEASE_DELAY_SECONDS = 0.0


async def run_agent(configuration: AgentConfiguration, lifeline: Lifeline) -> int:
    """Run until a signal or a command ends it; returns the exit code."""
    clock, random = SystemClock(), SystemRandom()
    environment = system_environment()
    process = NodeProcess("agent", configuration, lifeline)
    #: One for the whole life of the process; the Director's runs come and go.
    subagents: list[Subagent] = []
    #: One or none, also for the whole life of the process.
    witnesses: list[Witness] = []
    beside = AsyncExitStack()
    driver_timing = DriverTiming(**msgspec.structs.asdict(configuration.subagent_driver))
    tls = configuration.client_tls()

    def http_peer(own_id: str, item: SubagentItem) -> HttpPeer:
        password = configuration.subagents.get(item.id)
        credentials = None if password is None else Credentials(own_id, password)
        timeout = driver_timing.heartbeat_timeout_seconds
        return HttpPeer(item.uri, "subagent", credentials, tls=tls, idle_timeout_seconds=timeout)

    def remote_peer(own_id: str, item: SubagentItem) -> HttpSubagentPeer:
        return HttpSubagentPeer(http_peer(own_id, item))

    async def subagent_log(node: AgentNode, item: SubagentItem, level: str, query: Mapping[str, str]) -> bytes:
        connection = http_peer(node.state.local_subagent_id or "", item)
        try:
            return await connection.get(f"log/{level}", query)
        finally:
            await connection.close()

    def make_web(process: NodeProcess) -> NodeWeb:
        def health() -> tuple[bool, dict[str, object]]:
            is_healthy, details = health_of(process, "agent")
            for witness in witnesses:
                details["witness"] = witness.status()
            return is_healthy, details

        web = NodeWeb(configuration, clock, random, "/agent", "/subagent", health=health)
        subagents.append(make_subagent(configuration, clock, random, environment))
        add_agent_routes(
            web, lambda: process.node if isinstance(process.node, AgentNode) else None, subagent_log, clock
        )
        add_subagent_routes(web, subagents[0], clock)
        return web

    async def make_node(process: NodeProcess) -> AgentNode:
        if configuration.witness is not None and not witnesses:
            witnesses.append(await beside.enter_async_context(witness_of_agent(configuration, configuration.witness)))
        return AgentNode(
            NodeEffects(process.disk, clock, random, environment),
            subagents[0],
            trusted_signatures(configuration),
            configuration.journal.options(RELEASE_DELAY_SECONDS),
            platform_info=_platform_info(clock),
            directories=SystemDirectories(),
            script_injection_allowed=configuration.jobs.signed_script_injection_allowed,
            remote_peers=remote_peer,
            driver_timing=driver_timing,
            cluster=NodeCluster(configuration.cluster.configuration(), cluster_peers(configuration, "agent", "agent")),
        )

    try:
        async with beside:
            return await process.run(make_web, make_node)
    finally:
        for subagent in subagents:
            await subagent.close()
            await subagent.runner.processes.close()


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
