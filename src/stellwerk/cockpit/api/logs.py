"""`/controller/log*`, `/agent/log*`, `/joc/log*`: logs of the processes themselves (cockpit-api 7, 8; services 10.8).

Controllers are asked for theirs (journal spec 3.6), and through them Agents and Subagents. Nothing is kept between two
pages: the token says which log is read, and its permission is asked for again with each page.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.downloads import download
from stellwerk.cockpit.api.errors import ApiError, BadRequest, MissingParameter
from stellwerk.cockpit.api.routes import Answer, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.node.log_file import MAXIMUM_LINES, LogFile, LogUnavailableError, head_of, own_log, position_of
from stellwerk.values.json import decode, encode

T = TypeVar("T")

_LEVELS = ("ERROR", "WARN", "INFO", "DEBUG")
_PAGE_LINES = 1000
#: Of a download.
_DOWNLOADED_LINES = 200_000
#: Longest wait for new lines, and the pause between two looks.
_RUNNING_SECONDS = 57
_LOOK_SECONDS = 1.0
_SHOWN_LINES = 100


class LogRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None
    level: str = "INFO"
    num_of_lines: int | None = None
    limit: int | None = None


class ControllerLogRequest(LogRequest, kw_only=True):
    """`role`: of a pair, PRIMARY or BACKUP; none: the active node."""

    role: Literal["PRIMARY", "BACKUP"] | None = None


class AgentLogRequest(LogRequest, kw_only=True):
    """`subagentId`: of a process of its own; none: the (primary) Director's."""

    agent_id: str
    subagent_id: str | None = None


class KeyedRequest(msgspec.Struct, rename="camel"):
    """`key`: of the last line, or the first one, that is known."""

    key: str
    log_token: str
    limit: int | None = None


class RunningRequest(KeyedRequest, kw_only=True):
    timeout: int = _RUNNING_SECONDS


class CockpitLogRequest(msgspec.Struct):
    """There is one log: `filename` says nothing."""

    filename: str | None = None


class RunningCockpitLogRequest(msgspec.Struct, rename="camel"):
    event_id: int


class LogAnswer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    log_lines: list[dict[str, str]]
    time_zone: str
    log_token: str
    date_to_reached: bool = False
    num_of_lines_reached: bool = False
    last_log_line_reached: bool = False
    first_log_line_reached: bool = False


class RunningLogEvents(msgspec.Struct, frozen=True, rename="camel"):
    """`eventId`: to be sent back."""

    event_id: int
    log_events: list[dict[str, str]]


class Source(msgspec.Struct, frozen=True):
    """Which log is read, and how: the content of a token."""

    controller_id: str
    level: str
    time_zone: str
    role: str | None = None
    subagent_id: str | None = None
    end_ms: int | None = None

    @property
    def token(self) -> str:
        return base64.urlsafe_b64encode(encode(self)).decode().rstrip("=")


def _source_of(context: RequestContext, token: str) -> Source:
    """Raises `BadRequest`, and `AccessDenied` for a log that the caller may not read."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        source = msgspec.convert(decode(text), Source)
    except (binascii.Error, ValueError, msgspec.DecodeError, msgspec.ValidationError):
        raise BadRequest("logToken: give the one of the answer before") from None
    if source.level not in _LEVELS:
        raise BadRequest("logToken: give the one of the answer before")
    context.require("ctl:get_log", source.controller_id)
    return source


# --- of Controllers and Agents ----------------------------------------------------------------------------------------


async def controller_log(context: RequestContext, request: ControllerLogRequest) -> LogAnswer:
    """The log of a Controller's node from an instant on."""
    return await _first_page(context, request, await _controller_source(context, request))


async def agent_log(context: RequestContext, request: AgentLogRequest) -> LogAnswer:
    """The log of an Agent's or Subagent's process from an instant on."""
    return await _first_page(context, request, await _agent_source(context, request))


async def controller_download(context: RequestContext, request: ControllerLogRequest) -> Answer:
    """The same as a file."""
    source = await _controller_source(context, request)
    return await _file(context, request, source, f"{request.controller_id}.controller.log")


async def agent_download(context: RequestContext, request: AgentLogRequest) -> Answer:
    """The same as a file."""
    source = await _agent_source(context, request)
    return await _file(context, request, source, f"{request.agent_id}.agent.log")


async def _controller_source(context: RequestContext, request: ControllerLogRequest) -> Source:
    await context.services.get(Registry).controller(request.controller_id)
    return _source(context, request, role=request.role)


async def _agent_source(context: RequestContext, request: AgentLogRequest) -> Source:
    [agent] = await context.services.get(Registry).known_agents(request.controller_id, [request.agent_id])
    ids = [item.subagent_id for item in agent.machines]
    subagent_id = request.subagent_id or ids[0]
    if subagent_id not in ids:
        raise BadRequest(f"Agent '{request.agent_id}' has no Subagent '{subagent_id}'; it has: {', '.join(ids)}")
    return _source(context, request, subagent_id=subagent_id)


def _source(context: RequestContext, request: LogRequest, **where: str | None) -> Source:
    if request.level not in _LEVELS:
        raise BadRequest(f"level '{request.level}' is unknown; known: {', '.join(_LEVELS)}")
    if not request.date_from:
        raise MissingParameter("dateFrom")
    zone = request.time_zone
    end = instant_ms(request.date_to, context.now_ms(), time_zone=zone, is_end=True, is_past=True)
    return Source(request.controller_id, request.level, zone or "UTC", end_ms=end, **where)


def _begin(context: RequestContext, request: LogRequest) -> str:
    begin = instant_ms(request.date_from, context.now_ms(), time_zone=request.time_zone, is_past=True)
    assert begin is not None  # `_source` has seen that there is one
    return timestamp(begin)


async def _first_page(context: RequestContext, request: LogRequest, source: Source) -> LogAnswer:
    limit = _page_size(request.limit or request.num_of_lines)
    lines = await _lines(context, source, {"begin": _begin(context, request)}, limit)
    answer = _forwards(context, source, lines, limit)
    is_enough = request.num_of_lines is not None and len(lines) >= request.num_of_lines
    is_first = bool(lines) and position_of(lines[0][0]) == 0
    return msgspec.structs.replace(answer, num_of_lines_reached=is_enough, first_log_line_reached=is_first)


async def next_page(context: RequestContext, request: KeyedRequest) -> LogAnswer:
    """The lines behind a known one."""
    source, limit = _source_of(context, request.log_token), _page_size(request.limit)
    return _forwards(context, source, await _lines(context, source, {"begin": request.key}, limit), limit)


async def previous_page(context: RequestContext, request: KeyedRequest) -> LogAnswer:
    """The lines before a known one."""
    source, limit = _source_of(context, request.log_token), _page_size(request.limit)
    lines = await _lines(context, msgspec.structs.replace(source, end_ms=None), {"before": request.key}, limit)
    answer = LogAnswer(_views(lines), source.time_zone, source.token)
    return msgspec.structs.replace(answer, first_log_line_reached=len(lines) < limit)


async def running(context: RequestContext, request: RunningRequest) -> LogAnswer:
    """The lines behind a known one, as soon as there are some."""
    seconds = min(request.timeout, _RUNNING_SECONDS, context.configuration.events_response_seconds)
    end = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await next_page(context, request)
        if answer.log_lines or answer.date_to_reached or asyncio.get_running_loop().time() >= end:
            return answer
        await asyncio.sleep(_LOOK_SECONDS)


def _page_size(wanted: int | None) -> int:
    return max(1, min(wanted or _PAGE_LINES, MAXIMUM_LINES))


def _forwards(context: RequestContext, source: Source, lines: list[tuple[str, str]], limit: int) -> LogAnswer:
    is_over = len(lines) < limit
    is_ended = is_over and source.end_ms is not None and source.end_ms <= context.now_ms()
    return LogAnswer(
        log_lines=_views(lines),
        time_zone=source.time_zone,
        log_token=source.token,
        date_to_reached=is_ended,
        last_log_line_reached=is_over and not is_ended,
    )


def _views(lines: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"key": key, "line": line} for key, line in lines]


async def _file(context: RequestContext, request: LogRequest, source: Source, name: str) -> Answer:
    texts: list[str] = []
    query, left = {"begin": _begin(context, request)}, request.num_of_lines or _DOWNLOADED_LINES
    while left > 0:
        limit = min(left, MAXIMUM_LINES)
        lines = await _lines(context, source, query, limit)
        texts += [line for _, line in lines]
        if not lines or len(texts) >= _DOWNLOADED_LINES:
            break
        left -= len(lines)
        query = {"begin": lines[-1][0]}
    return download(name, "".join(f"{text}\n" for text in texts).encode())


async def _lines(
    context: RequestContext, source: Source, query: Mapping[str, str], limit: int
) -> list[tuple[str, str]]:
    """Keys and lines. Raises `PeerUnreachableError`, and `ProblemError` with the words of who has no log."""
    client = await context.services.get(ControllerConnections).client(source.controller_id)
    values = {**query, "lineLimit": str(limit), "withKey": "true", "growing": "false"}
    if source.end_ms is not None:
        values["end"] = timestamp(source.end_ms)
    path, peer = f"log/{source.level.lower()}", client.peer
    if source.subagent_id is not None:
        path = f"subagent-forward/{quote(source.subagent_id, safe='')}/{path}"
    elif source.role is not None:
        nodes = client.nodes
        if source.role == "BACKUP" and len(nodes) < 2:
            raise BadRequest(f"Controller '{source.controller_id}' has no node with the role BACKUP")
        peer = nodes[1 if source.role == "BACKUP" else 0]
    body = await peer.get(path, values)
    found = []
    for line in body.decode(errors="replace").splitlines():
        key, _, text = line.partition(" ")
        found.append((key, text))
    return found


# --- of this Cockpit --------------------------------------------------------------------------------------------------


async def cockpit_log(context: RequestContext, request: CockpitLogRequest) -> Answer:
    """The newest lines of this Cockpit's log, as plain text."""
    lines = await _own(lambda log: log.last(level="debug", limit=MAXIMUM_LINES))
    text = "".join(f"{line.text}\n" for line in lines)
    return Answer(text.encode(), media_type="text/plain; charset=UTF-8")


async def cockpit_download(context: RequestContext, request: CockpitLogRequest) -> Answer:
    """The same as a file."""
    return download("joc.log", (await cockpit_log(context, request)).body)


async def cockpit_running(context: RequestContext, request: RunningCockpitLogRequest) -> RunningLogEvents:
    """What this Cockpit has logged behind an event, as soon as there is some; at first its newest lines."""
    if request.event_id <= 0:
        return _events(request.event_id, await _own(lambda log: log.last(level="debug", limit=_SHOWN_LINES)))
    end = asyncio.get_running_loop().time() + min(_RUNNING_SECONDS, context.configuration.events_response_seconds)
    key = await _own(lambda log: log.key_at(request.event_id - 1, "debug"))
    while True:
        lines = await _own(lambda log: log.after(level="debug", limit=_PAGE_LINES, key=key))
        if lines or asyncio.get_running_loop().time() >= end:
            return _events(request.event_id, lines)
        await asyncio.sleep(_LOOK_SECONDS)


async def _own(read: Callable[[LogFile], T]) -> T:
    """Read this process' log, in a thread. Raises `ApiError` JOC-503 with the words of why there is none."""
    try:
        return await asyncio.to_thread(lambda: read(own_log()))
    except LogUnavailableError as error:
        raise ApiError(str(error), code="JOC-503", kind="JocServiceException") from None


def _events(event_id: int, lines: list[Any]) -> RunningLogEvents:
    """One event per entry; lines without a time of their own are what it has thrown."""
    events: list[dict[str, str]] = []
    for line in lines:
        head = head_of(line.text.encode())
        if head is None and events:
            events[-1]["thrown"] = "\n".join(filter(None, (events[-1].get("thrown"), line.text)))
            continue
        level = "INFO" if head is None else ("DEBUG", "INFO", "WARN", "ERROR")[head.level]
        instant = datetime.now(UTC) if head is None else datetime.fromtimestamp(head.time_ms / 1000, UTC)
        events.append(
            {
                "timestamp": timestamp(int(instant.timestamp() * 1000)),
                "logger": "stellwerk",
                "thread": "main",
                "logLevel": level,
                "source": "",
                "message": line.text.partition("] ")[2] if "] " in line.text else line.text,
            }
        )
    # Positions begin with 0: 0 as an event id means that nothing is known.
    return RunningLogEvents(position_of(lines[-1].key) + 1 if lines else event_id, events)


_LOG, _COCKPIT_LOG = "ctl:get_log", "joc:get_log"


def _reading(path: str, request: type, handler: Any, answer: Any = LogAnswer, *, polls: bool = False) -> Route:
    return Route(path, request, answer, _LOG, False, handler, renews_session=not polls, unreachable_status=434)


ROUTES = [
    _reading("/controller/log", ControllerLogRequest, controller_log),
    _reading("/controller/log/next", KeyedRequest, next_page),
    _reading("/controller/log/prev", KeyedRequest, previous_page),
    _reading("/controller/log/running", RunningRequest, running, polls=True),
    _reading("/controller/log/download", ControllerLogRequest, controller_download, None),
    _reading("/agent/log", AgentLogRequest, agent_log),
    _reading("/agent/log/next", KeyedRequest, next_page),
    _reading("/agent/log/prev", KeyedRequest, previous_page),
    _reading("/agent/log/running", RunningRequest, running, polls=True),
    _reading("/agent/log/download", AgentLogRequest, agent_download, None),
    Route("/joc/log", CockpitLogRequest, None, _COCKPIT_LOG, False, cockpit_log),
    Route("/joc/log/download", CockpitLogRequest, None, _COCKPIT_LOG, False, cockpit_download),
    Route(
        "/joc/log/running",
        RunningCockpitLogRequest,
        RunningLogEvents,
        _COCKPIT_LOG,
        False,
        cockpit_running,
        renews_session=False,
    ),
]
