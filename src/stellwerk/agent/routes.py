"""The Director's HTTP routes, a thin layer over the node (journal spec 3.4).

A node is replaced when the Agent is reset or starts again in this process; routes ask for the present one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stellwerk import __version__
from stellwerk.agent.director.node import AgentNode
from stellwerk.effects.clock import Clock
from stellwerk.language.items import SubagentItem
from stellwerk.node.cluster_routes import ClusterRoutes, acknowledgement_response
from stellwerk.node.log_routes import LOG_TEXT
from stellwerk.node.web import NodeWeb
from stellwerk.values.problems import ProblemError
from stellwerk.wire.event_stream import event_stream_response
from stellwerk.wire.overview import java_overview, server_metering_line, system_overview
from stellwerk.wire.request import Request
from stellwerk.wire.responses import Response, StreamingResponse
from stellwerk.wire.users import Permission

#: Items with large workflows travel in commands.
MAXIMUM_COMMAND_BYTES = 256 << 20


#: The log of another Subagent's process: its item, the level, and the query of journal spec 3.6.
SubagentLog = Callable[[AgentNode, SubagentItem, str, Mapping[str, str]], Awaitable[bytes]]


def add_agent_routes(
    web: NodeWeb, current: Callable[[], AgentNode | None], subagent_log: SubagentLog, clock: Clock
) -> None:
    """`current` gives the running node, None while there is none."""

    def node() -> AgentNode:
        found = current()
        if found is None:
            raise ProblemError.of("NoDirector")
        return found

    async def overview(request: Request) -> Response:
        found = current()
        body: dict[str, Any] = {
            "version": __version__,
            "buildId": __version__,
            "startedAt": None if found is None else found.started_at_ms,
            "isTerminating": found is None or found.is_stopping,
            "system": system_overview(),
            "java": java_overview(),
        }
        return Response.json({name: value for name, value in body.items() if value is not None})

    async def command(request: Request) -> Response:
        agent = node()
        agent.check_user(request.user.id)
        return Response(await agent.execute(await request.body(MAXIMUM_COMMAND_BYTES), request.user.id))

    async def events(request: Request) -> StreamingResponse:
        agent = node()
        if request.query.boolean("onlyAcks"):
            return acknowledgement_response(agent, request)
        return event_stream_response(
            request,
            agent.readable_events(),
            families=agent.FAMILIES,
            clock=clock,
            metering=lambda: server_metering_line(clock.now_ms()),
        )

    async def forward_to_log(request: Request) -> Response:
        item = node().state.subagent(request.parameters["subagent"]).subagent_item
        query = {**dict(request.query), "growing": "false"}  # an endless answer is not passed on
        return Response(await subagent_log(node(), item, request.parameters["level"], query), content_type=LOG_TEXT)

    router = web.router
    router.add("GET", "/agent/api/subagent-forward/{subagent}/log/{level}", forward_to_log)
    router.add("GET", "/agent/api", overview, permission=Permission.PUBLIC)
    router.add("POST", "/agent/api/command", command)
    router.add("GET", "/agent/api/event", events)
    ClusterRoutes(current, lambda: web.certificate_end).add_to(router, "/agent/api")
