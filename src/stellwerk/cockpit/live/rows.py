"""Native rows of live orders (ui.md 4.4 "Row shapes"): times in epoch milliseconds, absent = unknown. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.controllers.order_selection import is_cancelable, is_continuable, is_resumable, is_suspendible
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.projection.model import (
    BLOCKED,
    NEVER_MS,
    LiveOrder,
    api_state,
    error_key,
    marked,
    normalized,
    position_text,
    reason,
    try_number,
)
from stellwerk.values.json import decode


class WorkflowReference(msgspec.Struct, frozen=True, rename="camel"):
    path: str
    version_id: str


class OrderRow(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A row of `N:orders` and of the topics `orders` and `order:<id>`."""

    key: str
    rev: int
    controller_id: str
    order_id: str
    workflow: WorkflowReference
    position: list[int | str]
    position_string: str
    state: dict[str, Any]
    can: dict[str, bool | str]
    history_id: int
    label: str | None = None
    marked: str | None = None
    agent_id: str | None = None
    subagent_id: str | None = None
    job: str | None = None
    scheduled_for: int | None = None
    started_at: int | None = None
    last_outcome: dict[str, Any] | None = None
    error_key: str | None = None
    retry: dict[str, Any] | None = None
    children: dict[str, Any] | None = None
    parent: str | None = None
    prompt: Any = None
    late: int | None = None
    priority: float | None = None
    stderr_lines: int | None = None
    task_id: int | None = None
    attempt: int | None = None
    arguments: Any = None


def order_row(controller_id: str, order: LiveOrder, now_ms: int, names: WorkflowNames) -> OrderRow:
    """The row as it stands now."""
    state = api_state(order, now_ms)
    shown: dict[str, Any] = {"_text": state.text, "severity": state.severity, "since": order.since}
    if (why := reason(order)) is not None:
        shown["_reason"] = why
    if order.until is not None:
        shown["until"] = order.until
    step = names.step(order)
    task = order.task
    return OrderRow(
        key=order.order_id,
        rev=order.revision,
        controller_id=controller_id,
        order_id=order.order_id,
        workflow=WorkflowReference(names.path(order.workflow_path), order.workflow_version_id),
        position=normalized(order.position),
        position_string=position_text(normalized(order.position)),
        state=shown,
        can=_verbs(order),
        history_id=order.history_id,
        label=(step.label or step.job) if step is not None else None,
        marked=marked(order),
        agent_id=order.agent_id,
        subagent_id=task.subagent_id if task is not None else None,
        job=task.job if task is not None else (step.job if step is not None else None),
        scheduled_for=None if order.scheduled_for == NEVER_MS else order.scheduled_for,
        started_at=order.started,
        last_outcome=_outcome(order),
        error_key=error_key(order),
        retry={"n": try_number(order.position)} if try_number(order.position) else None,
        children={"total": len(order.children), "byState": {}} if order.children else None,
        parent=order.parent,
        prompt=decode(order.question) if order.question else None,
        late=now_ms - (order.scheduled_for or 0) if state is BLOCKED else None,
        priority=order.priority or None,
        stderr_lines=order.stderr_lines or None,
        task_id=task.task_id if task is not None else order.last_task_id,
        attempt=task.attempt if task is not None else None,
        arguments=decode(order.arguments) if order.arguments not in (b"", b"{}") else None,
    )


def _outcome(order: LiveOrder) -> dict[str, Any] | None:
    if order.outcome is None:
        return None
    outcome: dict[str, Any] = {"_text": order.outcome}
    if order.return_code is not None:
        outcome["returnCode"] = order.return_code
    if order.message:
        outcome["message"] = order.message
    return outcome


def _verbs(order: LiveOrder) -> dict[str, bool | str]:
    """True, or the engine state that refuses it."""
    refused = order.state if not order.is_suspended else "Suspended"
    return {
        "suspend": is_suspendible(order) or refused,
        "resume": is_resumable(order) or refused,
        "cancel": is_cancelable(order) or refused,
        "continue": is_continuable(order) or refused,
        "confirm": order.state == "Prompting" or refused,
        "leave": (order.state in ("Finished", "Cancelled") and not order.is_child) or refused,
        "modify": order.state == "Fresh" or refused,
    }
