"""An HTTP(S) server for an ASGI application inside the caller's running loop: uvicorn's protocol, our life cycle.

Guarantees: `start` returns the real port; before `ready` every request is answered 503 `WebServiceStillNotAvailable`,
from `begin_stop` on 503 `ShuttingDown`; `stop` ends streams at once, lets other requests finish within the grace, and
leaves no connection open. Installs no signal handlers. Knows nothing of routes and users.

uvicorn's own `Server` is not used: it polls ten times a second, handles signals and exits the process when a port is
taken. Its protocol class, which speaks HTTP, is taken as it is, plus the client certificate and limits on the head of
a request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from stellwerk.wire.lifecycle import Lifecycle
from stellwerk.wire.request import Receive, Request, Scope, Send
from stellwerk.wire.responses import problem_response
from stellwerk.wire.router import send_response
from stellwerk.wire.tls import TlsOptions, server_context

logger = logging.getLogger(__name__)

#: An idle connection is closed after that time (journal spec 3.1: 17 minutes).
CONNECTION_IDLE_SECONDS = 1020
#: The head of a request must be complete within that time, and not larger than that many bytes.
HEAD_TIMEOUT_SECONDS = 60.0
MAXIMUM_HEAD_BYTES = 64 * 1024
#: `web.server.shutdown-timeout`.
DEFAULT_GRACE_SECONDS = 3.0


class _State(ServerState):
    """uvicorn's shared state of all connections, plus the wish to know when the last one has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.all_closed = asyncio.Event()
        self.all_closed.set()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol; adds the peer's certificate to the scope, and limits on the head of a request."""

    _head_bytes = 0
    _is_reading_head = False
    _head_timer: asyncio.TimerHandle | None = None
    server_state: _State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.server_state.all_closed.clear()
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.app_state = {**self.app_state, "peer_certificate": tls.getpeercert(True)}
        self._is_reading_head = True
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch_head()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if not self.server_state.connections:
            self.server_state.all_closed.set()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Most heads arrive in one piece: only what is left incomplete is watched
        if self._is_reading_head:
            self._watch_head()

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._is_reading_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_reading_head = False
        self._unwatch_head()
        super().on_headers_complete()

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > MAXIMUM_HEAD_BYTES:
            raise ValueError(f"the head of the request is larger than {MAXIMUM_HEAD_BYTES} bytes")  # answered with 400

    def _watch_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def _unwatch_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class HttpServer:
    """One port of a component.

        server = HttpServer(router, "127.0.0.1", 0)
        port = await server.start(is_ready=False)   # the port answers 503
        ...                                         # recover
        server.ready()
        ...
        await server.stop()

    `host` may be a name or address; "" means all interfaces. `port` 0 lets the system choose.
    """

    def __init__(
        self, app: Any, host: str = "127.0.0.1", port: int = 0, tls: TlsOptions | None = None, *, lifespan: bool = False
    ) -> None:
        """`lifespan`: run the application's ASGI lifespan (Litestar wants it; our `Router` has none)."""
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._lifecycle = Lifecycle()
        self._state = _State()
        self._sockets: list[socket.socket] = []
        self._listeners: list[asyncio.Server] = []
        self._date_timer: asyncio.TimerHandle | None = None
        self._app_state: dict[str, Any] = {}
        self._config = uvicorn.Config(
            self._serve,
            http=_Protocol,
            ws="none",
            lifespan="on" if lifespan else "off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=CONNECTION_IDLE_SECONDS,
        )

    @property
    def port(self) -> int:
        """The real port, once started."""
        return self._port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:4444`, for clients on this machine if bound to all interfaces."""
        host = self._host if self._host not in ("", "0.0.0.0", "::") else "127.0.0.1"
        if ":" in host:
            host = f"[{host}]"
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    @property
    def stream_count(self) -> int:
        """Answers that are being streamed now."""
        return self._lifecycle.stream_count

    @property
    def connection_count(self) -> int:
        return len(self._state.connections)

    async def start(self, *, is_ready: bool = True) -> int:
        """Bind and listen; returns the real port. Raises `OSError` (port taken, ...) and `TlsError`.

        With `is_ready=False` requests are answered 503 until `ready()` is called.
        """
        context = None if self._tls is None else server_context(self._tls)
        self._config.load()
        self._lifespan = self._config.lifespan_class(self._config)
        await self._lifespan.startup()
        if self._lifespan.should_exit:
            raise RuntimeError("The web application failed to start; its log entry above says why")
        try:
            self._sockets = await _bind(self._host, self._port)
            self._port = self._sockets[0].getsockname()[1]
            self._app_state = {
                **self._lifespan.state,
                "lifecycle": self._lifecycle,
                "is_bound_to_loopback": all(
                    ipaddress.ip_address(bound.getsockname()[0]).is_loopback for bound in self._sockets
                ),
            }
            await self._listen(context)
        except BaseException:
            await self.stop(0)
            raise
        self._tick()
        if is_ready:
            self.ready()
        return self._port

    def ready(self) -> None:
        """Serve requests from now on."""
        self._lifecycle.ready()

    async def rebind(self, tls: TlsOptions) -> None:
        """Use changed keys and trusted certificates for new connections; existing ones go on (journal spec 2.5).

        The port stays bound all the time. If the stores cannot be used, `TlsError` is raised and nothing changes.
        """
        context = server_context(tls)
        old_listeners, self._listeners = self._listeners, []
        await self._listen(context)
        self._tls = tls
        for listener in old_listeners:
            listener.close()

    def begin_stop(self) -> None:
        """Answer new requests 503 `ShuttingDown` and end all streams, while the port stays open."""
        self._lifecycle.begin_stop()

    async def stop(self, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
        """Close the port; requests may finish within `grace_seconds`, then they are cancelled. Idempotent."""
        self.begin_stop()
        for listener in self._listeners:
            listener.close()
        for bound in self._sockets:
            bound.close()
        self._listeners = []
        self._sockets = []
        if self._date_timer is not None:
            self._date_timer.cancel()
            self._date_timer = None
        for connection in list(self._state.connections):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_seconds
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=grace_seconds)
            if late:
                logger.warning("%d HTTP requests are cancelled after %s s of grace", len(late), grace_seconds)
                for task in late:
                    task.cancel()
                await asyncio.wait(late, timeout=grace_seconds + 1)
        try:
            # Answers may still be on their way to a slow reader
            await asyncio.wait_for(self._state.all_closed.wait(), max(0.0, deadline - loop.time()))
        except TimeoutError:
            for connection in list(self._state.connections):
                connection.transport.abort()
            await self._state.all_closed.wait()
        lifespan, self._lifespan = getattr(self, "_lifespan", None), None
        if lifespan is not None:
            await lifespan.shutdown()

    def _serve(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if self._lifecycle.refusal is None:
            return self._app(scope, receive, send)
        return self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # lifespan
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        assert self._lifecycle.refusal is not None
        headers = {"Connection": "close"}
        response = problem_response(self._lifecycle.refusal, request.header("accept"), headers=headers)
        await send_response(request, response, send)

    async def _listen(self, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        for bound in self._sockets:
            # A duplicate, because closing a listener closes its socket, but the port must outlive a rebind
            listener = await loop.create_server(
                lambda: _Protocol(self._config, self._state, self._app_state, loop),
                sock=bound.dup(),
                ssl=context,
                backlog=2048,
            )
            self._listeners.append(listener)

    def _tick(self) -> None:
        """Renew the Date header once a second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode("ascii"))]
        self._date_timer = asyncio.get_running_loop().call_later(1.0, self._tick)


async def _bind(host: str, port: int) -> list[socket.socket]:
    """Sockets for all addresses of `host`, all at the same port."""
    infos = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, type_, protocol, _, address in dict.fromkeys(infos):
            try:
                bound = socket.socket(family, type_, protocol)
            except OSError:
                continue  # an address family that this machine does not know
            sockets.append(bound)
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
            port = bound.getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise OSError(error.errno, f"Port {port} of {host or 'all interfaces'} cannot be bound: {error}") from error
    if not sockets:
        raise OSError(f"No address of {host or 'all interfaces'} can be bound")
    return sockets
