"""Native `stream`: server-sent events with patches of rows by topic (ui.md 4.4, 4.5).

The first event, `stream`, names the stream; `POST stream/<id>` changes its topics. A `gap` tells the client to fetch
again: after a reconnect (unless nothing has changed since `Last-Event-ID`) and when it reads too slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import BadRequest, FolderDenied, ObjectNotFound
from stellwerk.cockpit.api.folders import require_workflow
from stellwerk.cockpit.api.native_orders import PREFIX, CountsRequest, counts, workflow_rows
from stellwerk.cockpit.api.native_overview import attention
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.native_topology import topology
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, Stream
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.daily_plan.news import STREAM_TOPIC as PLAN_TOPIC
from stellwerk.cockpit.database.tables.live import live_items
from stellwerk.cockpit.live.hub import Gone, LiveHub, Subscription
from stellwerk.cockpit.live.rows import OrderRow
from stellwerk.cockpit.projection import reading
from stellwerk.values.json import encode

HEARTBEAT_SECONDS = 10.0
COLLECT_SECONDS = 0.1
MAXIMUM_TOPICS = 500
MAXIMUM_STREAMS = 1000
#: Lines sent when a log is first followed, to close the gap between fetching and following.
FIRST_LINES = 200


class StreamRequest(msgspec.Struct):
    topics: str = ""


class TopicsRequest(msgspec.Struct):
    topics: list[str] | str


class Streams:
    """The open streams by id; so that their topics can be changed by another request of the same session."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[bytes, Subscription]] = {}
        self._last = 0

    def add(self, session: bytes, subscription: Subscription) -> str:
        self._last += 1
        stream_id = str(self._last)
        self.open[stream_id] = (session, subscription)
        return stream_id


async def stream(context: RequestContext, request: StreamRequest) -> Stream:
    """Server-sent events: patches of the rows of the topics."""
    streams, hub = context.services.get(Streams), context.services.get(LiveHub)
    if len(streams.open) >= MAXIMUM_STREAMS:
        raise BadRequest("too many streams are open; close tabs that are not needed")
    subscription = hub.subscribe(_topics(request.topics))
    headers = {"X-Accel-Buffering": "no"}
    return Stream(_events(context, hub, streams, subscription), "text/event-stream; charset=utf-8", headers)


async def change_topics(context: RequestContext, request: TopicsRequest) -> Ok:
    """Replace the topics of an open stream of this session."""
    found = context.services.get(Streams).open.get(context.path_parameters["id"])
    if found is None or found[0] != context.session.token_hash:
        raise ObjectNotFound("this stream is not open any more; open a new one")
    subscription = found[1]
    added = _topics(request.topics) - subscription.topics
    subscription.topics = _topics(request.topics)
    for topic in added:
        subscription.mark(topic)
    return context.ok()


def _topics(given: str | list[str]) -> frozenset[str]:
    """Comma-separated, or a list. Order ids may hold commas only in the list form."""
    topics = frozenset(topic for topic in (given.split(",") if isinstance(given, str) else given) if topic)
    if len(topics) > MAXIMUM_TOPICS:
        raise BadRequest(f"topics: at most {MAXIMUM_TOPICS} at once")
    return topics


async def _events(
    context: RequestContext, hub: LiveHub, streams: Streams, subscription: Subscription
) -> AsyncIterator[bytes]:
    session, sessions = context.session, context.services.get(Sessions)
    stream_id = streams.add(session.token_hash, subscription)
    sources = _Sources(context)
    revoked = asyncio.ensure_future(session.revoked.wait())
    closing = asyncio.ensure_future(hub.closing.wait())
    try:
        yield _event("stream", {"streamId": stream_id}, hub.cursor)
        last = context.headers.get("last-event-id")
        if last is not None and last != str(hub.cursor):
            yield _event("gap", {}, hub.cursor)
        for topic in subscription.topics:
            subscription.mark(topic)
        while True:
            changed = asyncio.ensure_future(subscription.changed.wait())
            try:
                await asyncio.wait(
                    {changed, revoked, closing}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                changed.cancel()
            if revoked.done() or closing.done():
                return
            if not await sessions.is_live(session):
                return
            if not subscription.changed.is_set():
                yield b": hb\n\n"
                continue
            await asyncio.sleep(COLLECT_SECONDS)
            cursor = hub.cursor
            orders, topics, is_torn = subscription.drain()
            if is_torn:
                yield _event("gap", {}, cursor)
            for topic, rows in orders.items():
                patch = sources.order_patch(topic, rows)
                if patch["rows"] or patch["removed"]:
                    yield _event("patch", patch, cursor)
            for topic in sorted(topics):
                async for part in sources.read(topic, cursor):
                    yield part
    finally:
        hub.unsubscribe(subscription)
        streams.open.pop(stream_id, None)
        for task in (revoked, closing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _event(name: str, data: Any, cursor: int) -> bytes:
    # JSON has no raw line feeds, so one data line is enough.
    return b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode(), cursor, encode(data))


class _Sources:
    """Reads the rows of topics that are not in the subscription itself."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        #: Last line sent of each log that is followed.
        self._sent: dict[str, int] = {}

    def order_patch(self, topic: str, rows: Mapping[str, OrderRow | Gone]) -> dict[str, Any]:
        """Rows of Controllers and folders that the session may not see are left out."""
        permissions = self._context.session.permissions
        visible: list[OrderRow] = []
        removed: list[str] = []
        for key, row in rows.items():
            if not permissions.allows("ctl:orders:view", row.controller_id):
                continue
            if isinstance(row, Gone):
                if permissions.permits_folder(row.workflow, row.controller_id):
                    removed.append(key)
            elif permissions.permits_folder(row.workflow.path, row.controller_id):
                visible.append(row)
        return {"topic": topic, "rows": visible, "removed": removed}

    async def read(self, topic: str, cursor: int) -> AsyncIterator[bytes]:
        context = self._context
        kind, _, rest = topic.partition(":")
        allows = context.session.permissions.allows_for_any_controller
        if kind == "counts" and allows("ctl:orders:view"):
            yield _event("counts", await counts(context, CountsRequest()), cursor)
        elif kind == "alerts" and context.session.permissions.allows("joc:notification:view"):
            yield _event("patch", {"topic": topic, "rows": [], "removed": [], "refetch": True}, cursor)
        elif kind == "attention" and allows("ctl:view"):
            groups = [
                {"key": group.id, **msgspec.to_builtins(group)}
                for group in (await attention(context, NoRequest())).groups
            ]
            yield _event("patch", {"topic": topic, "rows": groups, "removed": []}, cursor)
        elif kind == "cluster" and allows("ctl:view"):
            # Once a second while somebody looks: the client fetches the topology, which has just been asked for.
            yield _event("patch", {"topic": topic, "rows": [], "removed": [], "refetch": True}, cursor)
        elif topic == PLAN_TOPIC and allows("ctl:orders:view"):
            yield _event("patch", {"topic": topic, "rows": [], "removed": [], "refetch": True}, cursor)
        elif kind in ("topology", "agents") and allows("ctl:view"):
            shape = await topology(context, NoRequest())
            rows = [{"key": node.id, **msgspec.to_builtins(node)} for node in shape.nodes]
            data = {"topic": topic, "rows": rows, "links": shape.links, "removed": []}
            yield _event("patch", data, cursor)
        elif kind == "workflow" and rest and allows("ctl:workflows:view"):
            workflows = await self._workflow(rest)
            # To who does not see all folders, no rows may mean that there is something.
            if workflows or not context.session.permissions.folders:
                yield _event("patch", {"topic": topic, "rows": workflows, "removed": []}, cursor)
        elif kind == "workflows" and allows("ctl:workflows:view"):
            # Which of thousands has changed is the client's query to know: it fetches its page again.
            yield _event("patch", {"topic": topic, "rows": [], "removed": [], "refetch": True}, cursor)
        elif kind == "log" and allows("ctl:orders:view"):
            patch = await self._log(topic, rest)
            if patch is not None:
                yield _event("patch", patch, cursor)

    async def _workflow(self, path: str) -> list[Any]:
        name = path.rsplit("/", 1)[-1]
        async with self._context.database.read() as connection:
            items = (
                await connection.execute(
                    select(
                        live_items.c.controller_id, live_items.c.path, live_items.c.version_id, live_items.c.event_id
                    ).where(
                        live_items.c.type == "Workflow",
                        live_items.c.path == name,
                        live_items.c.is_current,
                        *permitted(
                            self._context, "ctl:workflows:view", live_items.c.controller_id, workflow=live_items.c.path
                        ),
                    )
                )
            ).all()
        return list(await workflow_rows(self._context, items, with_nodes=True))

    async def _log(self, topic: str, rest: str) -> dict[str, Any] | None:
        """New lines since the last patch; the last line again, as it may have grown."""
        kind, _, text = rest.partition(":")
        if not text.isdigit():
            return None
        async with self._context.database.read() as connection:
            if kind == "task":
                task = await reading.task_log(connection, int(text))
                if task is None or not await self._may_read(task):
                    return None
                log = SimpleNamespace(lines=task.lines, bytes=task.bytes, is_complete=task.is_complete)
                first = self._first(topic, log.lines)
                lines = await reading.task_lines(connection, task.task_id, first, log.lines) if log.lines else []
            else:
                order = await reading.find_order(connection, history_id=int(text))
                if order is None or not await self._may_read(order):
                    return None
                tasks = await reading.tasks_of_order(connection, order.history_id)
                log = SimpleNamespace(
                    lines=sum(one.log_lines for one in tasks),
                    bytes=sum(one.log_bytes for one in tasks),
                    is_complete=order.is_over,
                )
                first = self._first(topic, log.lines)
                lines = await reading.order_lines(connection, tasks, first, log.lines) if log.lines else []
        self._sent[topic] = lines[-1].n if lines else log.lines
        return {
            "topic": topic,
            "rows": [{"key": str(line.n), **msgspec.to_builtins(line)} for line in lines],
            "removed": [],
            "totalLines": log.lines,
            "totalBytes": log.bytes,
            "complete": log.is_complete,
        }

    async def _may_read(self, log: reading.TaskLog | reading.OrderIdentity) -> bool:
        if not self._context.session.permissions.allows("ctl:orders:view", log.controller_id):
            return False
        try:
            await require_workflow(self._context, log.workflow, log.controller_id)
        except FolderDenied:
            return False
        return True

    def _first(self, topic: str, total: int) -> int:
        return max(self._sent.get(topic, total - FIRST_LINES + 1), 1)


ROUTES = [
    Route(f"{PREFIX}/stream", StreamRequest, None, None, False, stream, method="GET", renews_session=False),
    Route(f"{PREFIX}/stream/{{id}}", TopicsRequest, Ok, None, False, change_topics, renews_session=False),
]
