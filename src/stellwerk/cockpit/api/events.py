"""The compatible long poll `events` (cockpit-api 5): says *that* something has changed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub


class EventsRequest(msgspec.Struct, rename="camel"):
    controller_id: str
    event_id: int | None = None


class Events(msgspec.Struct, frozen=True, rename="camel"):
    controller_id: str
    event_id: int
    delivery_date: str
    survey_date: str
    event_snapshots: list[dict[str, Any]]
    events_from_system_monitoring: list[Any] = []
    events_from_order_monitoring: list[Any] = []
    events_from_approval_requests: list[Any] = []
    events_from_notes: list[Any] = []


async def events(context: RequestContext, request: EventsRequest) -> Events:
    """Wait for changes after `eventId`; answers when there are some, or at the end of the response period."""
    hub, sessions = context.services.get(LiveHub), context.services.get(Sessions)
    configuration, session = context.configuration, context.session
    after = request.event_id if request.event_id and request.event_id > 0 else hub.event_id - 1
    period = min(max(configuration.events_response_seconds, 0.05), 180.0)
    loop = asyncio.get_running_loop()
    end = loop.time() + min(period, max(0.0, sessions.seconds_left(session) - 1.0))
    changed = hub.poll()
    try:
        last, found = hub.events_after(request.controller_id, after, context.token or "")
        while not found and not hub.closing.is_set() and not session.revoked.is_set():
            try:
                async with asyncio.timeout_at(end):
                    await changed.wait()
            except TimeoutError:
                break
            changed.clear()
            last, found = hub.events_after(request.controller_id, after, context.token or "")
        if found and configuration.events_collect_seconds > 0 and not hub.closing.is_set():
            await asyncio.sleep(configuration.events_collect_seconds)
            last, found = hub.events_after(request.controller_id, after, context.token or "")
    finally:
        hub.end_poll(changed)
    now = timestamp(context.now_ms())
    return Events(
        controller_id=request.controller_id,
        event_id=last,
        delivery_date=now,
        survey_date=now,
        event_snapshots=[_shown(snapshot) for snapshot in found],
    )


def _shown(snapshot: EventSnapshot) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(snapshot)
    if snapshot.workflow is not None:
        shown["workflow"] = {"path": snapshot.workflow[0], "versionId": snapshot.workflow[1]}
    return shown


ROUTES = [Route("/events", EventsRequest, Events, None, False, events, renews_session=False, unreachable_status=434)]
