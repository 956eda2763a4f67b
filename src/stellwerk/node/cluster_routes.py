"""The HTTP routes of a node that concern its cluster and its journal (cluster spec 1.12; journal spec 1.8, 4.11)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from stellwerk import __version__
from stellwerk.cluster.peer import acknowledgement_lines
from stellwerk.cluster.status import NodeStatus
from stellwerk.journal import JournalFailedError, raw_journal
from stellwerk.journal.format import END_OF_FILE
from stellwerk.node.node import Node
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.media import NDJSON
from stellwerk.wire.request import COMMAND_BODY_LIMIT, Request
from stellwerk.wire.responses import Response, StreamingResponse
from stellwerk.wire.router import Router
from stellwerk.wire.users import Permission

AnyNode = Node[Any, Any]
_DEFAULT_KEEP_ALIVE_SECONDS = 1.0
_DEFAULT_HEARTBEAT_SECONDS = 3.0


class ClusterRoutes:
    """`current` gives the node of the present run, None between two."""

    def __init__(self, current: Callable[[], AnyNode | None], certificate_end: Callable[[], int | None]) -> None:
        """`certificate_end`: of the certificate of this port, epoch milliseconds."""
        self._current = current
        self._certificate_end = certificate_end

    def add_to(self, router: Router, api: str) -> None:
        """`api`: `/controller/api` or `/agent/api`."""
        router.add("GET", f"{api}/cluster", self.state)
        router.add("GET", f"{api}/cluster/status", self.status)
        router.add("GET", f"{api}/cluster/clusterWatchMessage", self.watch_messages)
        router.add("POST", f"{api}/cluster/command", self.command)
        router.add("GET", f"{api}/journal", self.journal)
        router.add("GET", f"{api}/journalInfo", self.journal_info, permission=Permission.PUBLIC)

    def _node(self) -> AnyNode:
        node = self._current()
        if node is None:
            raise ProblemError.of("ClusterNodeIsNotReady")
        return node

    async def state(self, request: Request) -> Response:
        member = self._node().cluster
        if request.query.get("return") == "ClusterNodeState":
            return Response(encode(member.node_state()))
        return Response(encode(member.node_state().cluster_state))

    async def status(self, request: Request) -> Response:
        """What people want to know of the node; not in JS7 (`NodeStatus`)."""
        node = self._node()
        known = msgspec.structs.asdict(node.cluster_status())
        status = NodeStatus(
            **known,
            version=__version__,
            started_at=node.started_at_ms,
            journal=node.journal_status(),
            certificate_end=self._certificate_end(),
        )
        return Response(encode(status))

    async def command(self, request: Request) -> Response:
        return Response(await self._node().cluster.execute(await request.body(COMMAND_BODY_LIMIT)))

    async def watch_messages(self, request: Request) -> StreamingResponse:
        watch_id = request.query.get("clusterWatchId")
        if not watch_id:
            raise ProblemError(Problem(message="Missing query parameter clusterWatchId"))
        keep_alive = request.query.duration_seconds("keepAlive") or _DEFAULT_KEEP_ALIVE_SECONDS
        request.require_accept(NDJSON)
        return StreamingResponse(_lines(self._node().cluster.arbiters.requests(watch_id, keep_alive)))

    async def journal_info(self, request: Request) -> Response:
        journal = self._node().readable_journal()
        files = [{"fileEventId": file, "position": length} for file, length in journal.files()]
        return Response.json(
            {
                "lastEventId": journal.committed_event_id,
                "tornEventId": journal.torn_event_id,
                "journalFiles": files,
            }
        )

    async def journal(self, request: Request) -> StreamingResponse:
        """`return=ack` is not offered: acknowledgements are EventIds (`event?onlyAcks=true`)."""
        query = request.query
        file, position = query.integer("file"), query.integer("position")
        if (file is None) != (position is None):
            raise ProblemError(
                Problem(message="Query parameters file and position are given together, or none of them")
            )
        if query.get("return") is not None:
            raise ProblemError(Problem(message=f"Unknown query parameter return={query.get('return')}"))
        node = self._node()
        readable = node.readable_journal()
        if file is None or position is None:
            file, position = readable.files()[-1]
        heartbeat = query.duration_seconds("heartbeat") or _DEFAULT_HEARTBEAT_SECONDS
        marks_end = query.boolean("markEOF")
        stream = raw_journal(node.effects.disk, node.NAME, readable, file, position, heartbeat)
        return StreamingResponse(_until_failure(stream if marks_end else _without_mark(stream)))


def acknowledgement_response(node: AnyNode, request: Request) -> StreamingResponse:
    """`GET event?onlyAcks=true`."""
    heartbeat = request.query.duration_seconds("heartbeat") or _DEFAULT_KEEP_ALIVE_SECONDS
    return StreamingResponse(_acknowledgements(node, heartbeat))


async def _acknowledgements(node: AnyNode, heartbeat: float) -> AsyncIterator[bytes]:
    stream = node.cluster.acknowledgements(heartbeat)
    first = await anext(stream)  # a problem before the first line is the answer itself
    yield b"%d\n" % first[-1]
    async for chunk in _until_failure(acknowledgement_lines(stream)):
        yield chunk


async def _lines(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for line in requests:
        yield line + b"\n"


async def _without_mark(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        if chunk != END_OF_FILE:
            yield chunk


async def _until_failure(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream ends with the node's journal."""
    try:
        async for chunk in stream:
            yield chunk
    except JournalFailedError:
        return
