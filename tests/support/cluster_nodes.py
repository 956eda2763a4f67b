"""A Controller of one or two nodes with real sockets: they serve events and their cluster state, and note commands.

They decide nothing: a test says who is active. Both nodes have the same committed events, as coupled nodes have.
"""

from __future__ import annotations

import json
from typing import Any

from wire_node import Events, ManualClock

from stellwerk.effects.clock import SystemRandom
from stellwerk.values.problems import ProblemError
from stellwerk.wire.authentication import AuthenticationSettings, Authenticator, add_session_routes
from stellwerk.wire.client import HttpPeer
from stellwerk.wire.event_stream import event_stream_response
from stellwerk.wire.router import Permission, Request, Response, Router, StreamingResponse
from stellwerk.wire.server import HttpServer
from stellwerk.wire.sessions import SessionRegister
from stellwerk.wire.users import Users

CONTROLLER_ID = "controller"
FIRST_EVENT_ID = 1_748_772_000_000_000


class ClusterNode:
    """One node. `believes` overrides what the cluster says, for a node that has not heard of a change."""

    def __init__(self, cluster: NodeCluster, node_id: str) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.believes: str | None = None
        self.commands: list[dict[str, Any]] = []
        #: What is executed, but not answered.
        self.lost_answers = 0
        self.state_requests = 0
        self._port = 0
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_active(self) -> bool:
        return (self.believes or self.cluster.active_id) == self.node_id

    def peer(self) -> HttpPeer:
        return HttpPeer(self.url, self.cluster.prefix)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"TYPE": self.cluster.type}
        if state["TYPE"] != "Empty":
            state["setting"] = {
                "idToUri": self.cluster.id_to_uri,
                "activeId": self.believes or self.cluster.active_id,
            }
        return {"nodeId": self.node_id, "isBackup": self.node_id == "Backup", "clusterState": state}

    async def start(self) -> None:
        """At a free port, later on at the same one."""
        prefix = f"/{self.cluster.prefix}/api"
        sessions = SessionRegister(SystemRandom(), ManualClock(), timeout_seconds=3600)
        users = Users.from_configuration({})
        router = Router(Authenticator(users, sessions, AuthenticationSettings(is_public=True)))
        add_session_routes(router, self.cluster.prefix, Authenticator(users, sessions))
        for path in (prefix, f"{prefix}/"):
            router.add("GET", path, self._overview, permission=Permission.PUBLIC)
        router.add("GET", f"{prefix}/cluster", self._cluster)
        router.add("POST", f"{prefix}/command", self._command)
        router.add("GET", f"{prefix}/event", self._events)
        self._server = HttpServer(router, "127.0.0.1", self._port)
        self._port = await self._server.start()

    async def stop(self) -> None:
        """As if killed: connections break."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(0)

    async def _overview(self, request: Request) -> Response:
        return Response.json({"id": CONTROLLER_ID, "version": "2.9.1", "startedAt": 1_700_000_000_000})

    async def _cluster(self, request: Request) -> Response:
        self.state_requests += 1
        if self.cluster.type == "Empty" and self.node_id == "Backup":
            raise ProblemError.of("BackupClusterNodeNotAppointed")
        return Response.json(self.state())

    async def _command(self, request: Request) -> Response:
        command = json.loads(await request.body(limit=1_000_000))
        if not self.is_active or (self.node_id in self.cluster.changing):
            raise ProblemError.of("ClusterNodeIsNotActive")
        self.commands.append(command)
        self.cluster.execute(command)
        if self.lost_answers > 0:
            self.lost_answers -= 1
            return Response(b"", status=503)
        return Response.json({"TYPE": "Accepted"})

    async def _events(self, request: Request) -> StreamingResponse:
        return event_stream_response(request, self.cluster.events, families={}, clock=ManualClock())


class NodeCluster:
    """One node (`Primary`, no cluster) or two."""

    def __init__(self, *, prefix: str = "controller", is_pair: bool = True, type_: str = "Coupled") -> None:
        self.prefix = prefix
        self.events = Events()
        self.type = type_ if is_pair else "Empty"
        self.active_id = "Primary"
        self.id_to_uri: dict[str, str] = {}
        #: Nodes that say that they are active, but refuse commands.
        self.changing: set[str] = set()
        names = ("Primary", "Backup") if is_pair else ("Primary",)
        self.nodes = {name: ClusterNode(self, name) for name in names}
        self._next = FIRST_EVENT_ID

    @property
    def primary(self) -> ClusterNode:
        return self.nodes["Primary"]

    @property
    def backup(self) -> ClusterNode:
        return self.nodes["Backup"]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes.values()]

    @property
    def commands(self) -> list[dict[str, Any]]:
        return [command for node in self.nodes.values() for command in node.commands]

    async def start(self) -> None:
        for node in self.nodes.values():
            await node.start()
        if not self.id_to_uri and self.type != "Empty":
            self.id_to_uri = {name: node.url for name, node in self.nodes.items()}

    async def stop(self) -> None:
        for node in self.nodes.values():
            await node.stop()

    def execute(self, command: dict[str, Any]) -> None:
        if command["TYPE"] == "ClusterAppointNodes":
            self.id_to_uri = command["idToUri"]
            if self.type == "Empty":
                self.type = "NodesAppointed"
        elif command["TYPE"] == "ClusterSwitchOver":
            self.active_id = "Backup" if self.active_id == "Primary" else "Primary"
            self.type = "SwitchedOver"

    async def add(self, *events: dict[str, Any]) -> int:
        """Commit events; gives the last id."""
        lines = []
        for event in events:
            self._next += 1000
            lines.append((self._next, json.dumps({"eventId": self._next, **event}).encode()))
        async with self.events._grown:
            self.events.lines += lines
            self.events._grown.notify_all()
        return self._next

    async def add_orders(self, *names: str) -> int:
        """Two events each: added and started."""
        events: list[dict[str, Any]] = []
        for name in names:
            events.append(
                {"Key": name, "TYPE": "OrderAdded", "workflowId": {"path": "w", "versionId": "1"}, "planId": []}
            )
            events.append({"Key": name, "TYPE": "OrderStarted"})
        return await self.add(*events)
