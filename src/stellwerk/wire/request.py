"""One request as its handler sees it, with its query parameters (journal spec 0: durations) and its body.

Bounded: a body is read only up to the limit that the handler names.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from stellwerk.values.problems import ProblemError
from stellwerk.wire.compression import expand
from stellwerk.wire.media import accepts, media_type
from stellwerk.wire.responses import HttpError
from stellwerk.wire.users import ANONYMOUS, User

T = TypeVar("T")
Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Default limit of a request entity in bytes (journal spec 3.1).
DEFAULT_BODY_LIMIT = 1024 * 1024
#: `js7.web.server.services.command-size-limit` of the Controller, in bytes.
COMMAND_BODY_LIMIT = 8 * 1024 * 1024

_DURATION = re.compile(r"(\d+(?:\.\d*)?)(ms|µs|us|s|)")
_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6}
_MAXIMUM_QUERY_FIELDS = 100


class ClientDisconnectedError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


def duration_seconds(text: str) -> float:
    """Seconds of `3`, `0.5`, `500ms`, `3s`; raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write seconds (3, 0.5, 3s) or milliseconds (500ms)")
    return float(match[1]) * _SECONDS_PER_UNIT[match[2]]


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` as the decoder's type; otherwise a problem `JSON DecodingFailure at PATH: ...` (journal spec 3.1)."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text, _, place = str(error).partition(" - at `$")
        raise ProblemError(f"JSON DecodingFailure at {place.rstrip('`')}: {text}") from error


class Query(Mapping[str, str]):
    """The query parameters, the first of each name; accessors refuse what they cannot read, with 400."""

    __slots__ = ("_values",)

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, str] = {}
        if query_string:
            try:
                pairs = parse_qsl(
                    query_string.decode("ascii"), keep_blank_values=True, max_num_fields=_MAXIMUM_QUERY_FIELDS
                )
            except ValueError as error:
                raise HttpError(400, f"The query of the URL cannot be read: {error}") from error
            for name, value in pairs:
                self._values.setdefault(name, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def integer(self, name: str) -> int | None:
        text = self._values.get(name)
        if text is None:
            return None
        # int() would also take blanks, underscores and digits of other scripts
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            raise ProblemError(f"Query parameter {name}={text} is not an integer")
        return int(text)

    def boolean(self, name: str, default: bool = False) -> bool:
        match self._values.get(name):
            case None:
                return default
            case "true" | "yes" | "on":
                return True
            case "false" | "no" | "off":
                return False
            case other:
                raise ProblemError(f"Query parameter {name}={other} is neither true nor false")

    def duration_seconds(self, name: str) -> float | None:
        text = self._values.get(name)
        if text is None:
            return None
        try:
            return duration_seconds(text)
        except ValueError as error:
            raise ProblemError(f"Query parameter {name}: {error}") from error


class Request:
    """What a handler gets. `user` is the authenticated user; `Anonymous` on public routes."""

    __slots__ = ("_query", "_receive", "headers", "method", "parameters", "path", "scope", "user")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        #: Lower-case names; of repeated headers the last one.
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        #: Values of the `{names}` in the route's path, decoded.
        self.parameters: Mapping[str, str] = {}
        self.user: User = ANONYMOUS
        self._receive = receive
        self._query: Query | None = None

    @property
    def query(self) -> Query:
        if self._query is None:
            self._query = Query(self.scope["query_string"])
        return self._query

    def header(self, name: str) -> str | None:
        """A header's value; `name` in any case."""
        value = self.headers.get(name.lower().encode("ascii"))
        return None if value is None else value.decode("latin-1")

    @property
    def content_type(self) -> str:
        """The media type of the body without parameters; empty if there is none."""
        return media_type(self.headers.get(b"content-type", b"").decode("latin-1"))

    @property
    def peer_certificate(self) -> bytes | None:
        """The client's TLS certificate in DER form, verified by the handshake."""
        return self._state("peer_certificate")  # type: ignore[no-any-return]

    @property
    def is_at_loopback_port(self) -> bool:
        """Whether the port is *bound* to a loopback interface (journal spec 2.6)."""
        return bool(self._state("is_bound_to_loopback"))

    def _state(self, name: str) -> Any:
        return self.scope.get("state", {}).get(name)

    def require_accept(self, type_: str) -> None:
        """Refuse a request that does not accept `type_`: 400 without the header, 406 otherwise (1.2)."""
        accept = self.header("accept")
        if accept is None:
            raise HttpError(400, f"Request is missing required HTTP header 'Accept', for example: Accept: {type_}")
        if not accepts(accept, type_):
            raise HttpError(406, f"This resource is available as {type_} only, which the header Accept excludes")

    async def body(self, limit: int = DEFAULT_BODY_LIMIT) -> bytes:
        """The whole body, expanded if it is compressed; 413 when it is larger than `limit` bytes."""
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > limit:  # the HTTP parser has checked that it is a number
            raise _too_large(limit)
        body = b""
        parts: list[bytes] | None = None
        size = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientDisconnectedError
            part: bytes = message["body"]
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            if parts is not None:
                parts.append(part)
            elif body:
                parts = [body, part]
            else:
                body = part
            if not message["more_body"]:
                break
        if parts is not None:
            body = b"".join(parts)
        encoding = self.headers.get(b"content-encoding")
        return body if encoding is None else expand(body, encoding.decode("latin-1"), limit)

    async def decode(self, decoder: msgspec.json.Decoder[T], limit: int = DEFAULT_BODY_LIMIT) -> T:
        """The JSON body as the decoder's type; 400 `JSON DecodingFailure at ...` otherwise."""
        return decode_json(decoder, await self.body(limit))


def _too_large(limit: int) -> HttpError:
    # The rest of the body is not read, so the connection cannot be used again.
    return HttpError(413, f"The request body is larger than {limit} bytes", {"Connection": "close"})
