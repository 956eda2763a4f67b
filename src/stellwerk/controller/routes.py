"""The Controller's HTTP routes, a thin layer over the node (journal spec 3.2; bodies: orders spec 7.3).

A node is replaced when the Controller starts again in this process (a full disk, ShutDown with restart); routes ask for
the present one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from stellwerk import __version__
from stellwerk.cluster.member import Phase
from stellwerk.controller.director_survey import DirectorPeers, director_pairs
from stellwerk.controller.node import ControllerNode
from stellwerk.effects.clock import Clock
from stellwerk.engine.requests import DeleteOrdersWhenTerminated, FreshOrder
from stellwerk.node.cluster_routes import ClusterRoutes, acknowledgement_response
from stellwerk.node.log_routes import LOG_TEXT
from stellwerk.node.web import NodeWeb
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.event_stream import event_stream_response
from stellwerk.wire.media import NDJSON
from stellwerk.wire.overview import java_overview, server_metering_line, system_overview
from stellwerk.wire.request import COMMAND_BODY_LIMIT, Request, decode_json
from stellwerk.wire.responses import ACCEPTED, HttpError, Response, StreamingResponse
from stellwerk.wire.users import Permission

#: Limit of `item` and `order` bodies.
MAXIMUM_STREAM_BYTES = 256 << 20
_SNAPSHOT_CHUNK_BYTES = 1 << 18

#: Asks the Director of an Agent for its overview, with the Controller's own login.
AgentOverview = Callable[[ControllerNode, str], Awaitable[bytes]]
#: The log of a Subagent's process: its id, the level, and the query of journal spec 3.6.
SubagentLog = Callable[[ControllerNode, str, str, Mapping[str, str]], Awaitable[bytes]]

_order_decoder = decoder(FreshOrder)
_orders_decoder = decoder(tuple[FreshOrder, ...])
_id_decoder = msgspec.json.Decoder(str)


class ControllerRoutes:
    """`current` gives the running node, None while there is none."""

    def __init__(self, current: Callable[[], ControllerNode | None], controller_id: str, clock: Clock) -> None:
        self._current = current
        self._controller_id = controller_id
        self._clock = clock
        self._started_at_ms = clock.now_ms()

    def add_to(
        self, web: NodeWeb, agent_overview: AgentOverview, subagent_log: SubagentLog, directors: DirectorPeers
    ) -> None:
        """Add all routes; `agent_overview` and `subagent_log` serve what is forwarded, `directors` connects to those of
        pairs."""
        self._agent_overview = agent_overview
        self._subagent_log = subagent_log
        self._director_peers = directors
        router = web.router
        ndjson = (NDJSON,)
        for path in ("/controller/api", "/controller/api/"):
            router.add("GET", path, self.overview, permission=Permission.PUBLIC)
        router.add("POST", "/controller/api/command", self.command)
        ClusterRoutes(self._current, lambda: web.certificate_end).add_to(router, "/controller/api")
        router.add("GET", "/controller/api/cluster/directors", self.directors)
        router.add("GET", "/controller/api/event", self.events)
        for path in ("/controller/api/snapshot", "/controller/api/snapshot/"):
            router.add("GET", path, self.snapshot)
        router.add("POST", "/controller/api/order", self.add_orders)
        router.add("POST", "/controller/api/order/DeleteOrdersWhenTerminated", self.delete_orders, consumes=ndjson)
        router.add(
            "POST", "/controller/api/item", self.update_items, permission=Permission.UPDATE_ITEM, consumes=ndjson
        )
        router.add("GET", "/controller/api/agent-forward/{agent}", self.forward_to_agent)
        router.add("GET", "/controller/api/subagent-forward/{subagent}/log/{level}", self.forward_to_log)

    def _node(self) -> ControllerNode:
        """For what only an active node does."""
        node = self._reading_node()
        if not node.is_ready:
            raise ProblemError(node.not_ready_problem() or Problem.of("ControllerIsNotReady"))
        return node

    def _reading_node(self) -> ControllerNode:
        """For what a passive node does, too."""
        node = self._current()
        if node is None:
            raise ProblemError.of("ControllerIsNotReady")
        return node

    # --- reading ---

    async def overview(self, request: Request) -> Response:
        body: dict[str, Any] = {
            "id": self._controller_id,
            "version": __version__,
            "buildId": __version__,
        }
        node = self._current()
        meta = None if node is None else node.state.meta
        if node is not None and meta is not None:
            body["initiallyStartedAt"] = meta.initially_started_at
        body["startedAt"] = self._started_at_ms if node is None else node.started_at_ms
        if node is not None and (node.is_ready or node.cluster.phase is Phase.PASSIVE):
            body["totalRunningTime"] = node.total_running_seconds
            body["orderCount"] = len(node.state.orders)
        if node is not None and node.is_ready:
            await node.durable()
        return Response.json({**body, "system": system_overview(), "java": java_overview()})

    async def events(self, request: Request) -> StreamingResponse:
        node = self._reading_node()
        if request.query.boolean("onlyAcks"):
            return acknowledgement_response(node, request)
        return event_stream_response(
            request,
            node.readable_events(),
            families=node.FAMILIES,
            clock=self._clock,
            metering=lambda: server_metering_line(self._clock.now_ms()),
        )

    async def snapshot(self, request: Request) -> StreamingResponse:
        if "eventId" in request.query:
            raise ProblemError("Snapshots of the past are not supported; ask for the present one without eventId")
        return StreamingResponse(_chunks(await self._reading_node().snapshot()))

    async def forward_to_agent(self, request: Request) -> Response:
        node = self._node()
        path = request.parameters["agent"]
        node.state.agent(path)
        return Response(await self._agent_overview(node, path))

    async def forward_to_log(self, request: Request) -> Response:
        query = {**dict(request.query), "growing": "false"}  # an endless answer is not passed on
        parameters = request.parameters
        body = await self._subagent_log(self._node(), parameters["subagent"], parameters["level"], query)
        return Response(body, content_type=LOG_TEXT)

    async def directors(self, request: Request) -> Response:
        """The pairs of Directors and what each says of itself now; not in JS7."""
        return Response(encode(await director_pairs(self._node(), self._director_peers)))

    # --- changing ---

    async def command(self, request: Request) -> Response:
        node = self._current()
        if node is None:
            raise ProblemError.of("ControllerIsNotReady")
        return Response(await node.execute(await request.body(COMMAND_BODY_LIMIT), request.user.id))

    async def add_orders(self, request: Request) -> Response:
        body = await request.body(MAXIMUM_STREAM_BYTES)
        if request.content_type == NDJSON:
            lines = [line for line in body.split(b"\n") if line.strip()]
            return await self._add([decode_json(_order_decoder, line) for line in lines])
        if body.lstrip()[:1] == b"[":
            return await self._add(list(decode_json(_orders_decoder, body)))
        order = decode_json(_order_decoder, body)
        node = self._node()
        is_added = node.add_order(order)
        await node.durable()
        if not is_added:
            raise HttpError(409, Problem(message=f"Order:{order.id} has already been added"))
        return Response(b"{}", 201, headers={"Location": f"/controller/api/order/{quote(order.id, safe='')}"})

    async def _add(self, orders: list[FreshOrder]) -> Response:
        node = self._node()
        event_id = node.add_orders(orders)
        await node.durable()
        return Response.json({"TYPE": "AddOrders.Response", "eventId": event_id})

    async def delete_orders(self, request: Request) -> Response:
        body = await request.body(MAXIMUM_STREAM_BYTES)
        ids = tuple(decode_json(_id_decoder, line) for line in body.split(b"\n") if line.strip())
        await self._node().execute(encode(DeleteOrdersWhenTerminated(order_ids=ids)), request.user.id)
        return ACCEPTED

    async def update_items(self, request: Request) -> Response:
        await self._node().update_items(await request.body(MAXIMUM_STREAM_BYTES))
        return Response(b"{}")


async def _chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size >= _SNAPSHOT_CHUNK_BYTES:
            yield b"\n".join([*chunk, b""])
            chunk = []
            size = 0
    if chunk:
        yield b"\n".join([*chunk, b""])
