"""The Subagent's HTTP routes, a thin layer over it (journal spec 3.5, 6). The same in both kinds of process."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk import __version__
from stellwerk.agent.subagent.commands import decode_command
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.effects.clock import Clock
from stellwerk.node.commands import ACCEPTED
from stellwerk.node.web import NodeWeb
from stellwerk.values.json import encode
from stellwerk.wire.authentication import SESSION_HEADER
from stellwerk.wire.event_stream import EventFamilies, event_stream_response
from stellwerk.wire.overview import java_overview, system_overview
from stellwerk.wire.request import Request
from stellwerk.wire.responses import Response, StreamingResponse
from stellwerk.wire.users import Permission

#: Largest command (cluster spec 3.2); signed items with large workflows travel in commands.
MAXIMUM_COMMAND_BYTES = 256 << 20

_TYPES = (
    "OrderStdoutWritten",
    "OrderStderrWritten",
    "OrderProcessed",
    "SubagentItemAttached",
    "SubagentShutdownStarted",
    "SubagentShutdown",
    "ServerMeteringEvent",
)
FAMILIES: EventFamilies = {name: frozenset({name}) for name in _TYPES}


def add_subagent_routes(web: NodeWeb, subagent: Subagent, clock: Clock) -> None:
    async def overview(request: Request) -> Response:
        body: dict[str, Any] = {
            "version": __version__,
            "buildId": __version__,
            "startedAt": subagent.started_at_ms,
            "isTerminating": subagent.is_shutting_down,
            "system": system_overview(),
            "java": java_overview(),
        }
        return Response.json(body)

    async def command(request: Request) -> Response:
        number, decoded = decode_command(await request.body(MAXIMUM_COMMAND_BYTES))
        # Without a session (public access, Basic credentials) all requests of a user are one session.
        session = request.header(SESSION_HEADER) or f"user {request.user.id}"
        response = await subagent.execute(decoded, session, number)
        return Response(ACCEPTED if response is None else encode(response))

    async def events(request: Request) -> StreamingResponse:
        subagent.check_run_id(request.query.get("subagentRunId"))
        return event_stream_response(
            request, subagent.journal, families=FAMILIES, clock=clock, metering=lambda: metering_line(subagent, clock)
        )

    router = web.router
    router.add("GET", "/subagent/api", overview, permission=Permission.PUBLIC)
    router.add("POST", "/subagent/api/command", command, permission=Permission.AGENT_DIRECTOR)
    router.add("GET", "/subagent/api/event", events)


def metering_line(subagent: Subagent, clock: Clock) -> bytes:
    """Not journaled, hence event id -1 (journal spec 1.3)."""
    return encode({"eventId": -1, "timestamp": clock.now_ms(), **msgspec.to_builtins(subagent.measure())})
