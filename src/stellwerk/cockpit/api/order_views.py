"""`OrderV`: one order as the API shows it (cockpit-services 5.1, cockpit-api 8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stellwerk.cockpit.api.routes import timestamp
from stellwerk.cockpit.controllers.order_selection import is_cancelable, is_continuable, is_resumable, is_suspendible
from stellwerk.cockpit.projection.model import (
    NEVER_MS,
    LiveOrder,
    api_state,
    marked,
    normalized,
    position_text,
    reason,
)
from stellwerk.engine.events.board import split_notice_id
from stellwerk.values.json import decode

_MARK_SEVERITY = {"RESUMING": 0, "SUSPENDING": 5, "CANCELLING": 2, "OUTDATED": 4}


def order_view(
    order: LiveOrder, now_ms: int, workflow_paths: Mapping[str, str], *, is_compact: bool = False
) -> dict[str, Any]:
    """The members of `OrderV` that a live order has."""
    state = api_state(order, now_ms)
    shown_state: dict[str, Any] = {"_text": state.text, "severity": state.severity}
    why = reason(order)
    if why is not None:
        shown_state["_reason"] = why
    position = normalized(order.position)
    path = workflow_paths.get(order.workflow_path, "/" + order.workflow_path)
    view: dict[str, Any] = {
        "orderId": order.order_id,
        "workflowId": {"path": path, "versionId": order.workflow_version_id},
        "state": shown_state,
        "position": position,
        "positionString": position_text(position),
        "priority": int(order.priority),
        "hasChildOrders": bool(order.children),
        "canLeave": order.state in ("Finished", "Cancelled") and not order.is_child,
        "isSuspendible": is_suspendible(order),
        "isResumable": is_resumable(order),
        "isContinuable": is_continuable(order),
        "isCancelable": is_cancelable(order),
    }
    mark = marked(order)
    if mark is not None:
        view["marked"] = {"_text": mark, "severity": _MARK_SEVERITY[mark]}
    if order.scheduled_for == NEVER_MS:
        view["scheduledNever"] = True
    elif order.scheduled_for is not None:
        view["scheduledFor"] = order.scheduled_for
    if order.agent_id is not None:
        view["agentId"] = order.agent_id
        view["attachedState"] = {"TYPE": order.attached or "Attached", "agentName": order.agent_id}
    if order.task is not None:
        view |= {
            name: value
            for name, value in (("label", order.task.label), ("subagentId", order.task.subagent_id))
            if value is not None
        }
    if order.question:
        view["question"] = decode(order.question)
    if order.until is not None:
        if order.state == "Sleeping":
            view["sleepState"] = {"until": timestamp(order.until)}
        elif order.state == "DelayingRetry":
            view["retryState"] = {"next": timestamp(order.until)}
    if order.plan_id and isinstance(plan := decode(order.plan_id), list) and len(plan) == 2:
        view["planId"] = {"planSchemaId": plan[0], "noticeSpaceKey": plan[1]}
    if order.expected:
        ids = [split_notice_id(tuple(id_)) for id_ in order.expected]
        view["expectedNotices"] = [
            {"boardName": board, "noticeId": "/".join(part for part in (*plan, key) if part)}
            for plan, board, key in ids
        ]
    if order.outcome is not None:
        view["lastOutcome"] = _outcome(order)
    if not is_compact:
        view["arguments"] = decode(order.arguments) if order.arguments else {}
    return view


def _outcome(order: LiveOrder) -> dict[str, Any]:
    outcome: dict[str, Any] = {"TYPE": order.outcome}
    if order.message:
        outcome["message"] = order.message
    if order.return_code is not None:
        outcome["namedValues"] = {"returnCode": order.return_code}
    return outcome
