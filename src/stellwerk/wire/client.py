"""The client side of both hops: `HttpPeer` speaks to one node (journal spec 1.4, 2.2).

Guarantees: what a peer answers is a value or a `ProblemError`; everything else (no connection, broken connection,
time-out, a proxy's error page) is `PeerUnreachableError`, after which the outcome of a command is unknown. An expired
session is renewed once per request, without the caller's help. Knows no component: the caller decides when to try
again (`Backoff`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from stellwerk.effects.correlation import HEADER as CORRELATION_HEADER
from stellwerk.effects.correlation import correlation_id
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.authentication import (
    JS7_VERSION,
    SESSION_HEADER,
    STELLWERK_PROTOCOL,
    LoggedIn,
    Login,
    Logout,
    UserAndPassword,
)
from stellwerk.wire.media import JSON, NDJSON
from stellwerk.wire.request import decode_json
from stellwerk.wire.tls import TlsOptions, client_context

logger = logging.getLogger(__name__)

T = TypeVar("T")
Query = Mapping[str, str | int | float]

#: Seconds without a byte after which a stream is given up (`web.client.idle-get-timeout`; 10 s would do, spec 9.3).
DEFAULT_IDLE_TIMEOUT_SECONDS = 30.0
#: Seconds for the answer to a command or a plain GET.
DEFAULT_ANSWER_TIMEOUT_SECONDS = 60.0
CONNECT_TIMEOUT_SECONDS = 10.0
#: Unused connections are closed by us long before the server would do it, so that no request meets a closing one.
KEEP_ALIVE_SECONDS = 60.0
LOGOUT_TIMEOUT_SECONDS = 1.0
STREAM_BUFFER_BYTES = 512 * 1024

#: Statuses that mean "try later", whoever answers (spec 1.6).
_UNREACHABLE_STATUSES = frozenset({408, 429, 502, 503, 504})
#: What aiohttp and the system raise on the way; a TimeoutError is an OSError.
_TRANSPORT_ERRORS = (aiohttp.ClientError, OSError)
_problem_decoder = msgspec.json.Decoder(Problem)
_logged_in_decoder = msgspec.json.Decoder(LoggedIn)


class Credentials(msgspec.Struct, frozen=True):
    """User and password of a login (journal spec 2.3)."""

    user_id: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user_id!r}, ***)"


class Backoff:
    """The pauses between tries (spec 1.4 rule 5): measured from the start of the failed try, reset on success.

    backoff = Backoff()
    while True:
        backoff.start()
        try:
            ...
            backoff.reset()
        except PeerUnreachableError:
            ...
        await backoff.pause()
    """

    #: After a failed coupling, seconds; the last one repeats.
    COUPLING = (1.0, 1.0, 1.0, 1.0, 2.0, 5.0, 10.0)
    #: After a failed login, seconds (spec 1.4, "login retry").
    LOGIN = (0.1, 0.9, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, *(5.0,) * 12, 10.0)

    def __init__(self, sequence: Sequence[float] = COUPLING) -> None:
        if not sequence:
            raise ValueError("a back-off needs at least one pause")
        self._sequence = tuple(sequence)
        self._failures = 0
        self._started: float | None = None

    def start(self) -> None:
        """A try begins."""
        self._started = asyncio.get_running_loop().time()

    def reset(self) -> None:
        """A try has succeeded: the next pause is the first of the sequence."""
        self._failures = 0

    def next_pause_seconds(self) -> float:
        """What remains of the pause that the next try has to wait; counts as a failure."""
        pause = self._sequence[min(self._failures, len(self._sequence) - 1)]
        self._failures += 1
        if self._started is None:
            return pause
        return max(0.0, self._started + pause - asyncio.get_running_loop().time())

    async def pause(self) -> None:
        await asyncio.sleep(self.next_pause_seconds())


class HttpPeer:
    """One node, reached over HTTP(S); implements `stellwerk.effects.peer.Peer`.

    `prefix` is `controller`, `agent` or `subagent`. Paths of `get`, `post`, `stream_get` are relative to
    `BASE_URL/PREFIX/api/`. Without `credentials` the login relies on the client certificate or on public access.
    """

    def __init__(
        self,
        base_url: str,
        prefix: str,
        credentials: Credentials | None = None,
        *,
        tls: TlsOptions | None = None,
        idle_timeout_seconds: float = DEFAULT_IDLE_TIMEOUT_SECONDS,
        answer_timeout_seconds: float = DEFAULT_ANSWER_TIMEOUT_SECONDS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._api = f"{self.base_url}/{prefix}/api"
        self._command_url = URL(f"{self._api}/command")
        self._credentials = credentials
        self._tls: ssl.SSLContext | bool = True if tls is None else client_context(tls)
        self._answer_timeout = aiohttp.ClientTimeout(
            total=answer_timeout_seconds, sock_connect=connect_timeout_seconds, ceil_threshold=float("inf")
        )
        self._stream_timeout = aiohttp.ClientTimeout(
            sock_connect=connect_timeout_seconds, sock_read=idle_timeout_seconds, ceil_threshold=float("inf")
        )
        self._http: aiohttp.ClientSession | None = None
        self._headers: dict[str, str] = {}
        self._login_lock = asyncio.Lock()

    @property
    def is_logged_in(self) -> bool:
        return bool(self._headers)

    async def login(self) -> None:
        """Open a new session; the old one, if any, ends."""
        async with self._login_lock:
            await self._login()

    async def command(self, body: bytes) -> bytes:
        """`POST .../command` (see `Peer.command`)."""
        return await self._with_session(lambda: self._exchange("POST", self._command_url, body, JSON))

    async def get(self, path: str, query: Query | None = None) -> bytes:
        """The whole answer to a GET."""
        url = self._url(path, query)
        return await self._with_session(lambda: self._exchange("GET", url, None, None))

    async def post(self, path: str, body: bytes, content_type: str = JSON, query: Query | None = None) -> bytes:
        """The whole answer to a POST."""
        url = self._url(path, query)
        return await self._with_session(lambda: self._exchange("POST", url, body, content_type))

    async def stream_get(
        self, path: str, query: Query | None = None, accept: str = f"{NDJSON};q=1.0, {JSON};q=0.9"
    ) -> AsyncGenerator[bytes, None]:
        """The body of an endless GET, in pieces as they arrive; `b""` once when the answer has been accepted.

        Ends with the stream; close the iterator (`contextlib.aclosing`) to end it earlier. Reading slowly slows the
        sender down.
        """
        url = self._url(path, query)
        response = await self._with_session(lambda: self._open_stream(url, accept))
        try:
            yield b""
            while chunk := await response.content.readany():
                yield chunk
        except _TRANSPORT_ERRORS as error:
            raise _unreachable(url, error) from error
        finally:
            response.close()

    async def events(
        self, *, after: int, returns: str = "Event", heartbeat_seconds: float = 1.0
    ) -> AsyncGenerator[list[bytes], None]:
        """The acknowledged event stream (see `Peer.events`)."""
        query: dict[str, str | int | float] = {
            "return": returns,
            "after": after,
            "heartbeat": format(heartbeat_seconds, "g"),
        }
        async with aclosing(self.stream_get("event", query)) as chunks, aclosing(line_batches(chunks)) as batches:
            async for batch in batches:
                yield batch

    async def close(self) -> None:
        """Log out, for at most one second, and close all connections."""
        http, self._http = self._http, None
        if http is None:
            return
        token = self._headers.pop(SESSION_HEADER, None)
        try:
            if token is not None:
                url = URL(f"{self._api}/session")
                timeout = aiohttp.ClientTimeout(total=LOGOUT_TIMEOUT_SECONDS)
                headers = {"Content-Type": JSON, "Accept": JSON}
                async with http.post(url, data=encode(Logout(token)), headers=headers, timeout=timeout, ssl=self._tls):
                    pass
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.debug("Logout at %s failed, its session will expire: %s", self.base_url, error)
        finally:
            await http.close()

    def _url(self, path: str, query: Query | None) -> URL:
        url = URL(f"{self._api}/{path}" if path else self._api)
        return url.with_query({name: str(value) for name, value in query.items()}) if query else url

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Between nodes the network is fast, and compressing costs more than it saves
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
            )
        return self._http

    async def _with_session(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask within a session: log in before if there is none, and once again if it has expired."""
        if not self._headers:
            await self._login_unless_changed(None)
        token = self._headers.get(SESSION_HEADER)
        try:
            return await ask()
        except ProblemError as error:
            if error.problem.code != "InvalidSessionToken":
                raise
        await self._login_unless_changed(token)
        return await ask()

    async def _login_unless_changed(self, token: str | None) -> None:
        """Log in, unless another request has done it since `token` was found to be invalid."""
        async with self._login_lock:
            if self._headers.get(SESSION_HEADER) == token:
                self._headers = {}
                await self._login()

    async def _login(self) -> None:
        credentials = self._credentials
        login = Login(
            None if credentials is None else UserAndPassword(credentials.user_id, credentials.password),
            JS7_VERSION,
            JS7_VERSION,
            STELLWERK_PROTOCOL,
        )
        answer = await self._exchange("POST", URL(f"{self._api}/session"), encode(login), JSON)
        logged_in = decode_json(_logged_in_decoder, answer)
        protocol = logged_in.stellwerk_protocol
        if protocol is not None and protocol < STELLWERK_PROTOCOL - 1:
            raise ProblemError(
                f"{self.base_url} speaks stellwerkProtocol {protocol}, but {STELLWERK_PROTOCOL - 1} is the oldest "
                "that is understood here. Update that node to a newer release"
            )
        self._headers = {SESSION_HEADER: logged_in.session_token}

    async def _exchange(self, method: str, url: URL, body: bytes | None, content_type: str | None) -> bytes:
        headers = {"Accept": JSON, **self._headers}
        cause = correlation_id.get()
        if cause is not None:
            headers[CORRELATION_HEADER] = cause
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            async with self._session().request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._answer_timeout,
                allow_redirects=False,
                ssl=self._tls,
            ) as response:
                answer = await response.read()
        except _TRANSPORT_ERRORS as error:
            raise _unreachable(url, error) from error
        if response.status >= 300:
            raise _refusal(response.status, answer, url)
        return answer

    async def _open_stream(self, url: URL, accept: str) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Cache-Control": "no-cache, no-store", **self._headers}
        try:
            response = await self._session().get(
                url,
                headers=headers,
                timeout=self._stream_timeout,
                allow_redirects=False,
                read_bufsize=STREAM_BUFFER_BYTES,
                ssl=self._tls,
            )
            if response.status < 300:
                return response
            async with response:
                answer = await response.read()
        except _TRANSPORT_ERRORS as error:
            raise _unreachable(url, error) from error
        raise _refusal(response.status, answer, url)


async def line_batches(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes], None]:
    """Lines without line feed, as many as arrive together; an empty list for `b""` and for each heartbeat.

    The empty line right at the beginning belongs to the acceptance of the request and is not told again. A line that
    is cut off by the end of the stream is dropped.
    """
    pieces: list[bytes] = []
    is_beginning = True
    async for chunk in chunks:
        if not chunk:
            yield []
            continue
        if is_beginning:
            is_beginning = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
                if not chunk:
                    continue
        head, line_feed, tail = chunk.rpartition(b"\n")
        if not line_feed:
            pieces.append(tail)
            continue
        if pieces:
            pieces.append(head)
            head = b"".join(pieces)
        pieces = [tail] if tail else []
        lines = head.split(b"\n")
        if b"" in lines:
            lines = [line for line in lines if line]
        yield lines


def _unreachable(url: URL, error: Exception) -> PeerUnreachableError:
    place = url.with_query(None)
    detail = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        return PeerUnreachableError(f"{place} did not answer in time: {detail}")
    is_refused = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError)
    return PeerUnreachableError(f"{place} cannot be reached: {detail}", is_refused=is_refused)


def _refusal(status: int, body: bytes, url: URL) -> ProblemError | PeerUnreachableError:
    """What an error answer means: the peer's problem, or something between us and the peer."""
    try:
        problem = _problem_decoder.decode(body)
        if problem.message or problem.code:
            return ProblemError(problem)
    except (msgspec.DecodeError, json.JSONDecodeError):
        pass  # not from a node, or from one that answers in text
    text = body[:1000].decode("utf-8", "replace").strip()
    if status in _UNREACHABLE_STATUSES:
        return PeerUnreachableError(f"{url.with_query(None)} is not available: HTTP {status} {text}")
    return ProblemError(f"{url.with_query(None)} answered HTTP {status}: {text}")
