"""The Controller as a process: `stellwerk controller --data FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from stellwerk.cluster.peer import HttpClusterPeer
from stellwerk.controller.node import ControllerNode
from stellwerk.controller.routes import ControllerRoutes
from stellwerk.effects.clock import SystemClock, SystemRandom, system_environment
from stellwerk.node.cluster_host import NodeCluster
from stellwerk.node.configuration import ControllerConfiguration
from stellwerk.node.main import Lifeline, NodeProcess, cluster_peers, health_of
from stellwerk.node.node import NodeEffects
from stellwerk.node.web import NodeWeb
from stellwerk.wire.active_node import ActiveNodePeer
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.signatures import SignatureVerifier

#: Events are kept that long for readers that are not registered (journal spec 4.6).
RELEASE_DELAY_SECONDS = 60.0


async def run_controller(configuration: ControllerConfiguration, lifeline: Lifeline) -> int:
    """Run until a signal or a command ends it; returns the exit code."""
    clock, random = SystemClock(), SystemRandom()
    environment = system_environment()
    tls = configuration.client_tls()
    process = NodeProcess("controller", configuration, lifeline)

    def director(agent_path: str, uri: str) -> HttpPeer:
        password = configuration.agents.get(agent_path)
        credentials = None if password is None else Credentials(configuration.id, password)
        return HttpPeer(uri, "agent", credentials, tls=tls)

    def peer(agent_path: str, uris: tuple[str, ...]) -> HttpPeer | ActiveNodePeer:
        nodes = [director(agent_path, uri) for uri in uris]
        return nodes[0] if len(nodes) == 1 else ActiveNodePeer(nodes)

    async def agent_overview(node: ControllerNode, agent_path: str) -> bytes:
        connection = peer(agent_path, node.state.director_uris(agent_path))
        try:
            return await connection.get("")
        finally:
            await connection.close()

    async def subagent_log(node: ControllerNode, subagent_id: str, level: str, query: Mapping[str, str]) -> bytes:
        item = node.state.subagent(subagent_id).subagent_item
        is_director = subagent_id in node.state.agent(item.agent_path).agent_ref.directors
        connection = (
            director(item.agent_path, item.uri)
            if is_director
            else peer(item.agent_path, node.state.director_uris(item.agent_path))
        )
        try:
            path = f"log/{level}" if is_director else f"subagent-forward/{quote(subagent_id, safe='')}/log/{level}"
            return await connection.get(path, query)
        finally:
            await connection.close()

    def current() -> ControllerNode | None:
        return process.node if isinstance(process.node, ControllerNode) else None

    def make_web(process: NodeProcess) -> NodeWeb:
        def health() -> tuple[bool, dict[str, object]]:
            return health_of(process, "controller")

        web = NodeWeb(configuration, clock, random, "/controller", health=health)
        ControllerRoutes(current, configuration.id, clock).add_to(web, agent_overview, subagent_log, director)
        return web

    async def make_node(process: NodeProcess) -> ControllerNode:
        return ControllerNode(
            configuration.id,
            NodeEffects(process.disk, clock, random, environment),
            peer,
            lambda: SignatureVerifier.from_folder(configuration.trusted_keys_directory),
            configuration.journal.options(RELEASE_DELAY_SECONDS),
            configuration.journal.users_allowed_to_release_events,
            NodeCluster(
                configuration.cluster.configuration(), cluster_peers(configuration, "controller", configuration.id)
            ),
            watched_nodes=lambda agent_path, uri: HttpClusterPeer(director(agent_path, uri)),
        )

    return await process.run(make_web, make_node)
