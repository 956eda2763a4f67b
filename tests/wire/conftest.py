"""Nodes with real sockets, stopped after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from wire_node import USERS, Events, ManualClock, Node, NodeFactory

from stellwerk.effects.clock import SystemRandom
from stellwerk.wire.authentication import AuthenticationSettings, Authenticator, add_session_routes
from stellwerk.wire.event_stream import event_stream_response
from stellwerk.wire.router import Permission, Request, Response, Router, StreamingResponse
from stellwerk.wire.server import HttpServer
from stellwerk.wire.sessions import SessionRegister
from stellwerk.wire.tls import TlsOptions
from stellwerk.wire.users import Users


@pytest.fixture
async def start_node() -> AsyncIterator[NodeFactory]:
    nodes: list[Node] = []

    async def start(
        *,
        settings: AuthenticationSettings | None = None,
        tls: TlsOptions | None = None,
        is_ready: bool = True,
        users: dict[str, Any] = USERS,
    ) -> Node:
        clock = ManualClock()
        sessions = SessionRegister(SystemRandom(), clock, timeout_seconds=3600)
        settings = settings or AuthenticationSettings(invalid_authentication_delay_seconds=0)
        authenticator = Authenticator(Users.from_configuration(users), sessions, settings)
        router = Router(authenticator)
        events = Events()
        server = HttpServer(router, "127.0.0.1", 0, tls)
        http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))  # a test fails rather than hangs
        node = Node(server, router, authenticator, sessions, clock, events, http)
        nodes.append(node)

        async def command(request: Request) -> Response:
            body = await request.body(limit=10_000)
            node.commands.append(body)
            return Response.json({"TYPE": "Accepted", "user": request.user.id})

        async def stream(request: Request) -> StreamingResponse:
            families = {"OrderEvent": frozenset({"OrderMoved", "OrderAdded"}), "AgentReady": frozenset({"AgentReady"})}
            return event_stream_response(request, events, families=families, clock=clock)

        async def overview(request: Request) -> Response:
            return Response.json({"version": "2.9.1"})

        add_session_routes(router, "agent", authenticator)
        router.add("POST", "/agent/api/command", command)
        router.add("GET", "/agent/api/event", stream)
        router.add("GET", "/agent/api", overview, permission=Permission.PUBLIC)
        await server.start(is_ready=is_ready)
        return node

    yield start
    for node in nodes:
        for peer in node.peers:
            await peer.close()
        await node.http.close()
        await node.server.stop(1)


@pytest.fixture
async def node(start_node: NodeFactory) -> Node:
    return await start_node()
