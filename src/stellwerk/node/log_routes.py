"""`GET …/api/log/{level}`: a node's own log over HTTP (journal spec 3.6).

`before` (a key: the lines before it) and the level `warn` are not in JS7; `pattern` is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from stellwerk.node.log_file import LEVELS, MAXIMUM_LINES, LoggedLine, LogUnavailableError, own_log
from stellwerk.values.problems import ProblemError
from stellwerk.wire.request import Request
from stellwerk.wire.responses import HttpError, Response, StreamingResponse
from stellwerk.wire.router import Router

LOG_TEXT = "text/plain;charset=UTF-8"
HEARTBEAT = "🩶 JS7 LOG HEARTBEAT 🩶\n".encode()
_HEARTBEAT_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_FOLLOWED_LINES = 1000


def add_log_routes(router: Router, api: str) -> None:
    """Below e.g. `/controller/api`."""
    router.add("GET", f"{api}/log", _log)
    router.add("GET", f"{api}/log/{{level}}", _log)


async def _log(request: Request) -> Response | StreamingResponse:
    level = request.parameters.get("level", "info")
    if level not in LEVELS:
        raise HttpError(404, f"there is no log '{level}'; there are: {', '.join(LEVELS)}")
    query = request.query
    if query.get("pattern") is not None:
        raise HttpError(400, "pattern is not supported: ask for lines by time, and filter them")
    begin, before, end = query.get("begin"), query.get("before"), query.get("end")
    limit = max(1, query.integer("lineLimit") or MAXIMUM_LINES)
    with_key = query.boolean("withKey")
    is_growing = query.boolean("growing", begin is None and before is None)
    try:
        log = own_log()
        if is_growing:
            last = await asyncio.to_thread(log.last, level=level, limit=1)
            key = begin if begin is not None and "/" in begin else last[-1].key if last else None
            return StreamingResponse(_followed(level, key, with_key), LOG_TEXT)
        if before is not None:
            lines = await asyncio.to_thread(log.before, before, level=level, limit=limit)
        else:
            is_key = begin is not None and "/" in begin
            lines = await asyncio.to_thread(
                log.after,
                level=level,
                limit=limit,
                key=begin if is_key else None,
                begin_ms=None if is_key or begin in (None, "begin") else _instant_ms(begin or "", "begin"),
                end_ms=None if end is None else _instant_ms(end, "end"),
            )
    except LogUnavailableError as error:
        raise ProblemError(str(error)) from None
    return Response(_text(lines, with_key), content_type=LOG_TEXT)


async def _followed(level: str, key: str | None, with_key: bool) -> AsyncIterator[bytes]:
    silent = 0.0
    while True:
        try:
            log = own_log()
            lines = await asyncio.to_thread(log.after, level=level, limit=_FOLLOWED_LINES, key=key)
        except LogUnavailableError as error:
            raise ProblemError(str(error)) from None
        if lines:
            key, silent = lines[-1].key, 0.0
            yield _text(lines, with_key)
            continue
        await asyncio.sleep(_LOOK_SECONDS)
        silent += _LOOK_SECONDS
        if silent >= _HEARTBEAT_SECONDS:
            silent = 0.0
            yield HEARTBEAT


def _text(lines: list[LoggedLine], with_key: bool) -> bytes:
    return "".join(f"{line.key} {line.text}\n" if with_key else f"{line.text}\n" for line in lines).encode()


def _instant_ms(text: str, name: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise HttpError(400, f"{name}: '{text}' is no instant; give e.g. 2026-01-31T12:00:00Z") from None
    if instant.tzinfo is None:
        raise HttpError(400, f"{name}: '{text}' has no time zone; give e.g. 2026-01-31T12:00:00Z")
    return int(instant.timestamp() * 1000)
