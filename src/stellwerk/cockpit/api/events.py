"""The compatible long poll `events` (cockpit-api 5): says *that* something has changed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.approvals.approvals import Approvals
from stellwerk.cockpit.auth.sessions import Session, Sessions
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub
from stellwerk.cockpit.notes.notes import Notes

_OF_HISTORY = ("ORDERHISTORY", "TASKHISTORY")


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

    # Who may not see the Controller hears only what concerns everybody.
    controller_id = request.controller_id if session.permissions.allows("ctl:view", request.controller_id) else ""

    def visible(snapshot: EventSnapshot) -> bool:
        return _is_visible(session, controller_id, snapshot)

    try:
        last, found = hub.events_after(controller_id, after, context.token or "", visible)
        while not found and not hub.closing.is_set() and not session.revoked.is_set():
            try:
                async with asyncio.timeout_at(end):
                    await changed.wait()
            except TimeoutError:
                break
            changed.clear()
            last, found = hub.events_after(controller_id, after, context.token or "", visible)
        if found and configuration.events_collect_seconds > 0 and not hub.closing.is_set():
            await asyncio.sleep(configuration.events_collect_seconds)
            last, found = hub.events_after(controller_id, after, context.token or "", visible)
    finally:
        hub.end_poll(changed)
    now = timestamp(context.now_ms())
    return Events(
        controller_id=request.controller_id,
        event_id=last,
        delivery_date=now,
        survey_date=now,
        event_snapshots=[_shown(snapshot) for snapshot in _without_orders(session, found)],
        events_from_system_monitoring=_monitoring(session, found, now, is_of_system=True),
        events_from_order_monitoring=_monitoring(session, found, now, is_of_system=False),
        events_from_approval_requests=await _approvals(context, found),
        events_from_notes=await _of_notes(context, found),
    )


async def _approvals(context: RequestContext, found: list[EventSnapshot]) -> list[dict[str, Any]]:
    """How many requests wait for the account, and what has become of its own, when that may have changed."""
    if not any(snapshot.object_type == "APPROVAL" for snapshot in found):
        return []
    counts = await context.services.get(Approvals).counts(context.account)
    return [
        {"eventType": "ApproverNotification", "approver": context.account, "numOfPendingApprovals": counts.pending},
        {
            "eventType": "RequestorNotification",
            "requestor": context.account,
            "numOfApprovedRequests": counts.approved,
            "numOfRejectedRequests": counts.rejected,
        },
    ]


async def _of_notes(context: RequestContext, found: list[EventSnapshot]) -> list[dict[str, Any]]:
    """How many notes wait for the caller, when some have changed (type `EventNoteNotification`)."""
    if not any(snapshot.event_type.startswith("InventoryNote") for snapshot in found):
        return []
    unread = await context.services.get(Notes).unread(context.account)
    return [{"account": context.account, "numOfUnreadNotes": len(unread)}]


def _is_visible(session: Session, controller_id: str, snapshot: EventSnapshot) -> bool:
    """Whether the session may hear of the object: of those in folders, it is said where they lie."""
    permissions = session.permissions
    if not permissions.folders or snapshot.path is None:
        return True
    path = snapshot.workflow[0] if snapshot.workflow is not None else snapshot.path
    return not path.startswith("/") or permissions.permits_folder(path, controller_id)


def _without_orders(session: Session, found: list[EventSnapshot]) -> list[EventSnapshot]:
    """Events of history name an order, but not where it belongs: to who does not see all folders they name nothing."""
    if not session.permissions.folders:
        return found
    stripped = [
        msgspec.structs.replace(snapshot, path=None) if snapshot.object_type in _OF_HISTORY else snapshot
        for snapshot in found
    ]
    return list(dict.fromkeys(stripped))


def _monitoring(session: Session, found: list[EventSnapshot], now: str, *, is_of_system: bool) -> list[dict[str, str]]:
    """New notifications, to who may see them."""
    if not session.permissions.allows("joc:notification:view"):
        return []
    return [
        {**dict(snapshot.monitoring), "timestamp": now}
        for snapshot in found
        if snapshot.monitoring is not None and (snapshot.path is None) is is_of_system
    ]


def _shown(snapshot: EventSnapshot) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(snapshot)
    shown.pop("monitoring", None)
    if snapshot.workflow is not None:
        shown["workflow"] = {"path": snapshot.workflow[0], "versionId": snapshot.workflow[1]}
    return shown


ROUTES = [Route("/events", EventsRequest, Events, None, False, events, renews_session=False, unreachable_status=434)]
