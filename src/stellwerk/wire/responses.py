"""Answers as values: `Response`, `StreamingResponse`, and `HttpError` for what is refused without a problem code.

Nothing here sends; `stellwerk.wire.router` does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from stellwerk.values.json import encode
from stellwerk.values.problems import Problem
from stellwerk.wire.media import JSON, NDJSON, TEXT, prefers_json


class Response(msgspec.Struct, frozen=True):
    """A complete answer. `body` is sent as it is."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = {}

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Compact JSON of a struct or plain value."""
        return cls(encode(value), status, JSON, headers or {})

    @classmethod
    def text(cls, text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return cls(text.encode(), status, f"{TEXT}; charset=UTF-8", headers or {})


#: `{"TYPE":"Accepted"}`, the answer of most commands (orders spec 7).
ACCEPTED = Response(b'{"TYPE":"Accepted"}')


class StreamingResponse(msgspec.Struct, frozen=True):
    """An answer that comes piece by piece, maybe for ever.

    Status and headers are sent with the *first* chunk (or at the end of an empty stream): a `ProblemError` raised
    before it becomes an ordinary error answer. Later errors are logged and end the stream (journal spec 1.3). The
    iterator is cancelled when the client goes away and when the server stops.
    """

    chunks: AsyncIterator[bytes]
    content_type: str = NDJSON
    headers: Mapping[str, str] = {}


class HttpError(Exception):
    """A refusal with a status of its own: 404, 405, 406, 413, 415, CSRF, 401 with `WWW-Authenticate`, ..."""

    def __init__(self, status: int, problem: Problem | str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.problem = Problem(message=problem) if isinstance(problem, str) else problem
        self.headers = headers or {}
        super().__init__(f"HTTP {status}: {self.problem}")


def problem_response(
    problem: Problem, accept: str | None, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The error answer: JSON for clients that name `application/json`, otherwise text (journal spec 0)."""
    status = problem.http_status if status is None else status
    if prefers_json(accept):
        return Response.json(problem.to_http(), status, headers)
    return Response.text(f"{problem}\n", status, headers)
