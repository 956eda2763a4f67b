"""The HTTP face of a component: port, users, sessions, health and metrics; routes are added by the owner.

web = NodeWeb(configuration, clock, random)
add_controller_routes(web.router, node)
await web.start()     # the port answers 503 until
web.ready()
await web.stop()
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from stellwerk.effects.clock import Clock, Random
from stellwerk.node.configuration import ComponentConfiguration
from stellwerk.node.log_routes import add_log_routes
from stellwerk.node.metrics import NodeCollector
from stellwerk.node.node import Node
from stellwerk.values.json import encode
from stellwerk.wire.authentication import Authenticator, add_session_routes
from stellwerk.wire.metrics import add_metrics_route, metrics_registry
from stellwerk.wire.request import Request
from stellwerk.wire.responses import Response
from stellwerk.wire.router import Router
from stellwerk.wire.server import HttpServer
from stellwerk.wire.sessions import SessionRegister
from stellwerk.wire.tls import certificate_end
from stellwerk.wire.users import Permission, Users


class NodeWeb:
    """One port of one node. `prefixes` are the paths below which sessions are opened, e.g. `/controller`."""

    def __init__(
        self,
        configuration: ComponentConfiguration,
        clock: Clock,
        random: Random,
        *prefixes: str,
        health: Callable[[], tuple[bool, dict[str, Any]]],
    ) -> None:
        self._configuration = configuration
        self._prefixes = prefixes
        self._health = health
        web = configuration.web
        self.users = Users.from_configuration(configuration.users)
        self.sessions = SessionRegister(random, clock, web.session_timeout_seconds)
        self.router = Router(Authenticator(self.users, self.sessions, web.authentication()))
        self.registry: CollectorRegistry = metrics_registry()
        for prefix in prefixes:
            assert self.router.authenticator is not None
            add_session_routes(self.router, prefix.strip("/"), self.router.authenticator)
            add_log_routes(self.router, f"{prefix}/api")
        add_metrics_route(self.router, self.registry)
        self.router.add("GET", "/health", self._answer_health, permission=Permission.PUBLIC)
        self._tls = web.tls(configuration.data)
        self._server = HttpServer(self.router, web.host, web.port, self._tls)
        #: Of the certificate of this port, read when the port is opened: epoch milliseconds, None without TLS.
        self.certificate_end: int | None = None

    def measure(self, current: Callable[[], Node[Any, Any] | None]) -> None:
        """Add the figures of the node to the metrics; `current` gives the present run, None between two."""
        self.registry.register(NodeCollector(current))

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> int:
        """Listen; requests are answered 503 until `ready`. Raises `OSError` and `TlsError`."""
        work = self._configuration.work_directory
        port = await self._server.start(is_ready=False)
        self.certificate_end = None if self._tls is None else certificate_end(self._tls)
        self.sessions.publish_system_session(work)
        (work / "http-uri").write_text(f"{self._server.url}{self._prefixes[0]}\n")
        return port

    def ready(self) -> None:
        self._server.ready()

    def begin_stop(self) -> None:
        self._server.begin_stop()

    async def stop(self, grace_seconds: float = 3.0) -> None:
        work = self._configuration.work_directory
        await self._server.stop(grace_seconds)
        self.sessions.withdraw_system_session(work)
        with contextlib.suppress(FileNotFoundError):
            (work / "http-uri").unlink()

    async def _answer_health(self, request: Request) -> Response:
        """200 when the node does its work, 503 when it does not; the body says what is the matter."""
        is_healthy, details = self._health()
        return Response(encode(details), status=200 if is_healthy else 503)


def prepare_directories(configuration: ComponentConfiguration) -> None:
    """Make the node's folders; `work` is emptied, as at each start (journal spec 5.2)."""
    work: Path = configuration.work_directory
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(mode=0o700, parents=True)
    configuration.state_directory.mkdir(mode=0o700, exist_ok=True)
