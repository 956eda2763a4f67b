"""The Cockpit as a whole: database, services, ASGI application, server.

`Cockpit(configuration)` builds nothing that lives; `start()` opens the database (migrations), creates the first
account, starts the services and listens; `stop()` undoes it in reverse. Signal handlers belong to the caller.
"""

from __future__ import annotations

import asyncio
import platform
import ssl
from collections.abc import Callable
from typing import Any, cast

import prometheus_client
import uvicorn
from litestar import Litestar, asgi
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import stellwerk
from stellwerk.cockpit.api import all_routes
from stellwerk.cockpit.api.dispatch import Dispatcher, RouteTable
from stellwerk.cockpit.api.native_stream import Streams
from stellwerk.cockpit.api.native_topology import OwnCertificate
from stellwerk.cockpit.api.routes import COMPATIBLE
from stellwerk.cockpit.approvals.approvals import Approvals
from stellwerk.cockpit.audit.log import AuditLog
from stellwerk.cockpit.auth.accounts import Accounts
from stellwerk.cockpit.auth.assembly import add_identity_services
from stellwerk.cockpit.auth.local_session import LocalSession
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.cleanup.service import CleanupService
from stellwerk.cockpit.cluster.active_services import ActiveServices
from stellwerk.cockpit.cluster.members import Members, member_id_of
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.cluster.watch import ControllerWatch, WatchControl, WatchKnowledge
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.controllers.cluster_survey import ClusterSurvey
from stellwerk.cockpit.controllers.connections import ControllerConnections, Urls
from stellwerk.cockpit.daily_plan.services import add_daily_plan_services
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.deployment.services import add_services
from stellwerk.cockpit.history.log_index import LogIndexer
from stellwerk.cockpit.live.announcements import Announcements
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.metrics import observe
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.service import MonitorService
from stellwerk.cockpit.monitoring.services import add_monitoring_services
from stellwerk.cockpit.projection.follower import ControllerFollower, FollowedPeer, Followers
from stellwerk.cockpit.projection.writer import ProjectionWriter
from stellwerk.cockpit.services import Services
from stellwerk.cockpit.settings.configurations import Configurations
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.cockpit.static import SECURITY_HEADERS, StaticFiles
from stellwerk.effects.clock import Clock, Random, SystemClock, SystemRandom
from stellwerk.values.json import encode
from stellwerk.wire.tls import TlsOptions, certificate_end

#: Called with the services that exist before any service of a subject: add yours (`services.add`).
AddServices = Callable[["Cockpit"], None]


class Cockpit:
    """One Cockpit process."""

    def __init__(
        self,
        configuration: CockpitConfiguration,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        add_services: AddServices | None = None,
    ) -> None:
        self.configuration = configuration
        self.clock = clock or SystemClock()
        self.random = random or SystemRandom()
        self.services = Services()
        self.registry = prometheus_client.CollectorRegistry()
        #: The password of the first account; known only in the run that has created it.
        self.first_password: str | None = None
        self.port: int | None = None
        self._add_services = add_services or add_standard_services
        self._database: Database | None = None
        self._server: _Server | None = None

    @property
    def database(self) -> Database:
        assert self._database is not None, "the Cockpit has not been started"
        return self._database

    async def start(self, *, listen: bool = True) -> None:
        """Everything up to the open port; `listen=False` stops short of it (tests that call `application` directly)."""
        configuration = self.configuration
        configuration.data.mkdir(parents=True, exist_ok=True)
        self._database = await Database.open(configuration.effective_database_url)
        try:
            self._build()
            self.first_password = await self.services.get(Accounts).create_first(configuration.first_password)
            await self.services.start()
            if listen:
                self._server = _Server(self.application, configuration)
                self.port = await self._server.start()
                await self.services.get(Membership).set_uri(self._url(self.port))
                self.services.add(OwnCertificate(certificate_end(TlsOptions(certificate=configuration.certificate))))
        except BaseException:
            await self.stop()
            raise

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Stop listening (open streams end), then the services, then the database."""
        if self.services.has(LiveHub):
            await self.services.get(LiveHub).stop()
        if self.services.has(Sessions):
            self.services.get(Sessions).leave()
        if self._server is not None:
            await self._server.stop(grace_seconds)
            self._server = None
        try:
            await self.services.stop()
        finally:
            if self._database is not None:
                await self._database.close()
                self._database = None

    def _build(self) -> None:
        configuration, services = self.configuration, self.services
        loop = asyncio.get_running_loop()
        services.add(self.database)
        news = services.add(News(self.database))
        settings = services.add(Settings(services.add(Configurations(self.database, self.clock)), news))
        sessions = services.add(
            Sessions(
                self.database,
                news,
                self.random,
                idle_seconds=settings.seconds("identityService", "idle_session_timeout"),
                maximum=configuration.maximum_sessions,
                time=loop.time,
            )
        )
        settings.on_change(
            lambda: sessions.set_idle_seconds(settings.seconds("identityService", "idle_session_timeout"))
        )
        services.add(AuditLog(self.database))
        add_identity_services(services, sessions, settings, configuration.login_delays, self.clock, self.random)
        services.add(Approvals(self.database, settings, news, self.clock))
        services.add(LocalSession(sessions, configuration.data / "work"))
        members = services.add(Members(self.database, member_id_of(configuration.data)))
        fence = services.add(Fence(self.database))
        active_services = services.add(ActiveServices())
        services.add(WatchKnowledge(fence))
        membership = Membership(members, fence, active_services, news, configuration.cluster, self._member_values())
        self._add_services(self)
        # The last one: what starts as the active member finds everything else running.
        services.add(membership)
        if services.has(SharedLive):
            membership.on_active_changed(services.get(SharedLive).active_changed)
        observe(self.registry, services)
        self.dispatcher = Dispatcher(
            RouteTable(all_routes()),
            database=self.database,
            services=services,
            sessions=sessions,
            clock=self.clock,
            configuration=configuration,
        )
        self.application = self._application()

    def _member_values(self) -> dict[str, Any]:
        """What `joc_instances` says of this member besides what the membership sets."""
        cluster, host = self.configuration.cluster, platform.node()
        return {
            "cluster_id": "api" if cluster.as_api_server else "joc",
            "os": platform.system(),
            "host": host,
            "data_directory": str(self.configuration.data.resolve()),
            "security_level": self.configuration.security_level,
            "timezone": self.clock.zone(),
            "title": cluster.title or host[:30],
            "ordering": cluster.ordering,
            "api_server": cluster.as_api_server,
            "version": stellwerk.__version__,
            "uri": self.configuration.url,
        }

    def names(self) -> CockpitNames:
        """How people reach this Cockpit, for messages."""
        configuration = self.configuration
        settings = self.services.get(Settings)
        return CockpitNames(
            id=member_id_of(configuration.data),
            title=configuration.cluster.title or platform.node()[:30],
            uri=self._url(self.port or configuration.port),
            reverse_proxy_uri=settings.text("joc", "joc_reverse_proxy_url") or "",
        )

    def _url(self, port: int) -> str:
        configuration = self.configuration
        scheme = "https" if configuration.certificate is not None else "http"
        is_everywhere = configuration.host in ("0.0.0.0", "::", "")
        host = platform.node() if is_everywhere else configuration.host
        return configuration.url or f"{scheme}://{host}:{port}"

    def _application(self) -> ASGIApp:
        """Litestar carries the mounts; everything below `/joc/api` is the route table's."""
        static = StaticFiles(self.configuration.ui_directory, "/ui")

        @asgi(COMPATIBLE, is_mount=True, copy_scope=False)
        async def api(scope: Scope, receive: Receive, send: Send) -> None:
            await self.dispatcher(scope, receive, send)

        @asgi("/ui", is_mount=True, copy_scope=False)
        async def ui(scope: Scope, receive: Receive, send: Send) -> None:
            await static(scope, receive, send)

        @asgi(["/", "/joc"], copy_scope=False)
        async def home(scope: Scope, receive: Receive, send: Send) -> None:
            await _answer(send, 307, b"", "text/plain", location="/ui/")

        @asgi("/health", copy_scope=False)
        async def health(scope: Scope, receive: Receive, send: Send) -> None:
            status, body = await self._health()
            await _answer(send, status, encode(body), "application/json")

        @asgi("/metrics", copy_scope=False)
        async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
            text = prometheus_client.generate_latest(self.registry)
            await _answer(send, 200, text, prometheus_client.CONTENT_TYPE_LATEST)

        application = Litestar(
            route_handlers=[api, ui, home, health, metrics],
            openapi_config=None,
            logging_config=None,
            on_app_init=[],
            debug=False,
        )
        return _with_security_headers(application)

    async def _health(self) -> tuple[int, dict[str, Any]]:
        try:
            async with self.database.read() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except Exception as error:
            return 503, {"status": "database is not usable", "error": f"{type(error).__name__}: {error}"}
        membership = self.services.get(Membership)
        return 200, {"status": "ok", "role": membership.role, "term": membership.term}


def add_standard_services(cockpit: Cockpit) -> None:
    """The services of a real Cockpit, in the order of their start."""
    services = cockpit.services
    news = services.get(News)
    add_services(services, cockpit.database, news, cockpit.configuration, cockpit.clock, cockpit.random)
    add_live_services(cockpit)
    add_daily_plan_services(services, cockpit.database, cockpit.configuration, cockpit.clock, cockpit.random)
    add_monitoring_services(services, cockpit.configuration, cockpit.clock, cockpit.random, cockpit.names)
    services.get(ActiveServices).add("log-index", LogIndexer(services.get(Fence)))
    cleanup = CleanupService(services.get(Fence), cockpit.clock, services.get(Settings))
    services.add(cleanup, is_started_here=False)
    services.get(ActiveServices).add("cleanup", cleanup)


def add_live_services(cockpit: Cockpit) -> None:
    """The live hub; on the active member a follower for each registered Controller."""
    services, database, clock = cockpit.services, cockpit.database, cockpit.clock
    names = services.add(WorkflowNames(database))
    hub = services.add(LiveHub(clock, names))
    services.get(Approvals).on_change = lambda: hub.emit("", EventSnapshot("ApprovalUpdated", "APPROVAL"))
    services.add(Streams())
    services.add(Announcements(hub, services.get(News)))
    connections, fence = services.get(ControllerConnections), services.get(Fence)
    services.add(ClusterSurvey(connections, hub, clock))

    def make_follower(controller_id: str, urls: Urls) -> tuple[ControllerFollower, FollowedPeer]:
        # Followed Controllers are reached by the same peers as commands, which can stream, too.
        peer = cast(FollowedPeer, connections.open_peer(urls, controller_id))
        writer = ProjectionWriter(database, controller_id, fence.write, services.get(MonitorService))
        interval = cockpit.configuration.release_interval_seconds
        return ControllerFollower(peer, writer, shared, clock, release_interval_seconds=interval), peer

    followers = Followers(make_follower, connections)
    shared = services.add(SharedLive(database, hub, services.get(News), followers.links))
    services.get(ActiveServices).add("history", followers)
    watch = ControllerWatch(connections, services.get(WatchKnowledge), cockpit.random)
    services.get(ActiveServices).add("controller-watch", watch)
    services.add(watch, WatchControl, is_started_here=False)


def _with_security_headers(application: Any) -> ASGIApp:
    headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await application(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await application(scope, receive, send_with_headers)

    return wrapped


async def _answer(send: Send, status: int, body: bytes, media_type: str, **headers: str) -> None:
    pairs = {"content-type": media_type, "content-length": str(len(body)), "cache-control": "no-store", **headers}
    encoded = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol; adds the client's certificate to the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.app_state = {**self.app_state, "peer_certificate": tls.getpeercert(True)}


class _Server:
    """uvicorn inside the caller's loop, without its signal handlers."""

    def __init__(self, application: ASGIApp, configuration: CockpitConfiguration) -> None:
        self._config = uvicorn.Config(
            application,
            host=configuration.host,
            port=configuration.port,
            http=_Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            timeout_keep_alive=75,
        )
        if configuration.certificate is not None:
            self._config.ssl_certfile = str(configuration.certificate)
            self._config.ssl_keyfile = str(configuration.private_key) if configuration.private_key else None
            if configuration.certificate_authorities is not None:
                self._config.ssl_ca_certs = str(configuration.certificate_authorities)
                self._config.ssl_cert_reqs = ssl.CERT_OPTIONAL
        self._server = uvicorn.Server(self._config)

    async def start(self) -> int:
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        try:
            await self._server.startup()
        except SystemExit:
            raise OSError(
                f"cannot listen on {self._config.host}:{self._config.port}: is another Cockpit running? "
                "Choose a free port with --port"
            ) from None
        self._ticks = asyncio.create_task(self._server.main_loop(), name="cockpit-server")
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    async def stop(self, grace_seconds: float) -> None:
        self._server.should_exit = True
        self._config.timeout_graceful_shutdown = max(1, int(grace_seconds))
        await self._ticks
        await self._server.shutdown()
