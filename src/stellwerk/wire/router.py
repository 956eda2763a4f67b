"""A small ASGI router: paths to handlers, with permissions, refusals and problems as the specification has them.

    router = Router(authenticator)
    router.add("POST", "/agent/api/command", execute)                      # any user who has logged in
    router.add("GET", "/agent/api", overview, permission=Permission.PUBLIC)
    router.add("GET", "/controller/api/agent-forward/{agent}", forward)    # request.parameters["agent"]
    router.add("GET", "/agent/api/subagent-forward/{id}/log/{rest:path}", log)

Each request is checked in this order: path (404), method (405), CSRF guard (403), content type (415), user and
permission (401, 403); then the handler runs. What it raises becomes an answer: `ProblemError` by its code, `HttpError`
by its status, anything else is logged and answered with 500 (orders spec 8.1). Cost matters here: this is the path of
every command.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import unquote

from stellwerk.effects.correlation import HEADER as CORRELATION_HEADER
from stellwerk.effects.correlation import accept_correlation_id
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.authentication import Authenticator
from stellwerk.wire.compression import MINIMUM_COMPRESSED_BYTES, compress, compressed_chunks
from stellwerk.wire.lifecycle import Lifecycle
from stellwerk.wire.media import FORM_TYPES, JSON, NDJSON, accepts_gzip
from stellwerk.wire.request import ClientDisconnectedError, Query, Receive, Request, Scope, Send, duration_seconds
from stellwerk.wire.responses import ACCEPTED, HttpError, Response, StreamingResponse, problem_response
from stellwerk.wire.users import Permission

__all__ = [
    "ACCEPTED",
    "Handler",
    "HttpError",
    "Permission",
    "Query",
    "Request",
    "Response",
    "Router",
    "StreamingResponse",
    "duration_seconds",
]

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Request], Awaitable[Response | StreamingResponse]]

#: Longest URL in bytes (journal spec 3.1).
MAXIMUM_URL_BYTES = 8000
_NOT_CACHED = (b"cache-control", b"max-age=0, no-store, no-cache")
_BODY_LESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_content_type_headers: dict[str, tuple[bytes, bytes]] = {}


class _Route:
    __slots__ = ("consumes", "handler", "permission")

    def __init__(self, handler: Handler, permission: Permission, consumes: frozenset[str]) -> None:
        self.handler = handler
        self.permission = permission
        self.consumes = consumes


_Methods: TypeAlias = dict[str, _Route]


class Router:
    """An ASGI application. Without an authenticator only public routes can be added."""

    def __init__(self, authenticator: Authenticator | None = None) -> None:
        self.authenticator = authenticator
        self._exact: dict[str, _Methods] = {}
        self._patterns: list[tuple[tuple[str, ...], bool, _Methods]] = []

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        permission: Permission = Permission.VALID_USER,
        consumes: tuple[str, ...] = (JSON, NDJSON),
    ) -> None:
        """Route a method and path. `{name}` is one segment, `{name:path}` (last) the rest with its slashes.

        `consumes` lists the content types of requests with a body; others are refused with 415. GET serves HEAD, too.
        """
        if self.authenticator is None and permission is not Permission.PUBLIC:
            raise ValueError(f"{method} {path} needs {permission.value}, but the router has no authenticator")
        methods = self._methods_for(path)
        route = _Route(handler, permission, frozenset(consumes))
        for name in (method, "HEAD") if method == "GET" else (method,):
            if name in methods:
                raise ValueError(f"{name} {path} has been added already")
            methods[name] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The router serves HTTP only, not {scope['type']}")
        request = Request(scope, receive)
        accept_correlation_id(request.header(CORRELATION_HEADER))
        try:
            response = await self._respond(request)
            if isinstance(response, StreamingResponse):
                await _Stream(request, response, receive, send).run()
                return
        except ClientDisconnectedError:
            return
        except Exception as error:
            response = error_response(error, request)
        await send_response(request, response, send)

    async def _respond(self, request: Request) -> Response | StreamingResponse:
        scope = request.scope
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAXIMUM_URL_BYTES:
            raise HttpError(414, f"The URL is longer than {MAXIMUM_URL_BYTES} bytes")
        methods = self._exact.get(request.path)
        if methods is None:
            methods = self._match(request)
        route = methods.get(request.method)
        if route is None:
            raise HttpError(405, f"{request.method} is not allowed here", {"Allow": ", ".join(sorted(methods))})
        if request.method not in _BODY_LESS_METHODS:
            _check_content_type(request, route)
        if route.permission is not Permission.PUBLIC:
            assert self.authenticator is not None  # by add()
            request.user = await self.authenticator.authorize(request, route.permission)
        return await route.handler(request)

    def _methods_for(self, path: str) -> _Methods:
        if not path.startswith("/"):
            raise ValueError(f"A path begins with /, not so {path!r}")
        if "{" not in path:
            return self._exact.setdefault(path, {})
        pattern = tuple(path.split("/"))
        is_open = pattern[-1].endswith(":path}")
        if is_open:
            pattern = (*pattern[:-1], pattern[-1].replace(":path}", "}"))
        for known, known_open, methods in self._patterns:
            if known == pattern and known_open == is_open:
                return methods
        added: _Methods = {}
        self._patterns.append((pattern, is_open, added))
        return added

    def _match(self, request: Request) -> _Methods:
        # Split before decoding: an id may contain an encoded slash
        segments = request.scope["raw_path"].decode("ascii").split("/")
        for pattern, is_open, methods in self._patterns:
            parameters = _match_pattern(pattern, is_open, segments)
            if parameters is not None:
                request.parameters = parameters
                return methods
        raise HttpError(404, "404 Not Found")


def error_response(error: Exception, request: Request) -> Response:
    """The answer for what a handler raised; unexpected exceptions are logged."""
    accept = request.header("accept")
    if isinstance(error, ProblemError):
        return problem_response(error.problem, accept)
    if isinstance(error, HttpError):
        return problem_response(error.problem, accept, error.status, error.headers)
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    problem = Problem(message=f"{request.method} {request.path} failed: {type(error).__name__}: {error}")
    return problem_response(problem, accept, 500)


async def send_response(request: Request, response: Response, send: Send) -> None:
    """Send a complete answer, compressed if it is large and the client offers to expand it."""
    body = response.body
    headers = [_content_type_header(response.content_type), _NOT_CACHED]
    if len(body) >= MINIMUM_COMPRESSED_BYTES and accepts_gzip(request.header("accept-encoding") or ""):
        body = compress(body)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    headers.append((b"content-length", b"%d" % len(body)))
    if response.headers:
        headers += _encoded_headers(response.headers)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Stream:
    """One streamed answer being sent; ends with its chunks, with its client, or with the server."""

    __slots__ = ("_has_started", "_receive", "_request", "_response", "_send")

    def __init__(self, request: Request, response: StreamingResponse, receive: Receive, send: Send) -> None:
        self._request = request
        self._response = response
        self._receive = receive
        self._send = send
        self._has_started = False

    async def run(self) -> None:
        if self._request.method == "HEAD":
            await self._start(is_compressed=False)
            await self._finish()
            return
        loop = asyncio.get_running_loop()
        pump = loop.create_task(self._pump())
        watcher = loop.create_task(self._client_gone())
        watcher.add_done_callback(lambda _: pump.cancel())
        lifecycle: Lifecycle | None = self._request.scope.get("state", {}).get("lifecycle")
        if lifecycle is not None:
            lifecycle.add_stream(pump)
        try:
            await asyncio.wait((pump,))
            is_client_gone = watcher.done()
        finally:
            # Also when the server's grace is over and this task is cancelled
            watcher.cancel()
            pump.cancel()
        if not pump.cancelled():
            pump.result()  # a ClientDisconnectedError or an error before the first byte; it is the router's
        elif is_client_gone:
            return
        elif lifecycle is not None and lifecycle.refusal is not None and not self._has_started:
            raise ProblemError(lifecycle.refusal)
        if not self._has_started:
            await self._start(is_compressed=False)
        await self._finish()

    async def _pump(self) -> None:
        is_compressed = accepts_gzip(self._request.header("accept-encoding") or "")
        chunks = self._response.chunks
        stream = compressed_chunks(chunks) if is_compressed else chunks
        try:
            async for chunk in stream:
                if not self._has_started:
                    await self._start(is_compressed)
                if chunk:
                    await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Exception as error:
            if not self._has_started:
                raise
            if isinstance(error, ProblemError):
                logger.info("Stream %s ends: %s", self._request.path, error)
            else:
                logger.error("Stream %s ends", self._request.path, exc_info=error)
        finally:
            for iterator in (stream, chunks):
                if isinstance(iterator, AsyncGenerator):
                    await iterator.aclose()

    async def _start(self, is_compressed: bool) -> None:
        self._has_started = True
        headers = [_content_type_header(self._response.content_type), _NOT_CACHED]
        if is_compressed:
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
        headers += _encoded_headers(self._response.headers)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _client_gone(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass


def _check_content_type(request: Request, route: _Route) -> None:
    type_ = request.content_type
    if type_ in route.consumes:
        return
    if not type_ or type_ in FORM_TYPES:
        raise HttpError(403, "This request could be forged by a foreign web page: the header Content-Type must be "
                        f"{' or '.join(sorted(route.consumes))}")  # fmt: skip
    raise HttpError(415, f"Content-Type {type_} is not supported here; use {' or '.join(sorted(route.consumes))}")


def _match_pattern(pattern: tuple[str, ...], is_open: bool, segments: list[str]) -> dict[str, str] | None:
    if is_open:
        if len(segments) < len(pattern):
            return None
        last = len(pattern) - 1
        segments = [*segments[:last], "/".join(segments[last:])]
    elif len(segments) != len(pattern):
        return None
    parameters = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            if not segment and not is_open:
                return None
            parameters[expected[1:-1]] = unquote(segment)
        elif expected != segment:
            return None
    return parameters


def _content_type_header(content_type: str) -> tuple[bytes, bytes]:
    header = _content_type_headers.get(content_type)
    if header is None:
        header = (b"content-type", content_type.encode("latin-1"))
        if len(_content_type_headers) < 100:
            _content_type_headers[content_type] = header
    return header


def _encoded_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
