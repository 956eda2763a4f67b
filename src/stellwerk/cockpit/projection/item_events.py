"""Events without an order → items, Agents, boards, the Controller's state and its cluster."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.projection import clusters
from stellwerk.cockpit.projection.batch import Batch, OtherHandler
from stellwerk.cockpit.projection.lines import Event
from stellwerk.cockpit.projection.observations import (
    AGENT,
    CONTROLLER,
    PAIR,
    SUBAGENT,
    Observation,
    observation_row,
)
from stellwerk.cockpit.projection.workflow_index import WorkflowIndex
from stellwerk.values.json import encode

#: Items whose TYPE differs from the type in their keys, because it may change.
_KINDS = {"GlobalBoard": "Board", "PlannableBoard": "Board"}
#: The kind under which the status of a plan is kept: it is no item, but like one it is known by its id.
PLAN = "Plan"
#: Item types whose keys end with a version.
_VERSIONED = frozenset({"Workflow", "WorkflowControl"})
#: Names of item types in keys (orders spec 6.1) that differ from the item's own TYPE.
_KEY_TYPES = {"Agent": "AgentRef", "Subagent": "SubagentItem", "SubagentRef": "SubagentItem", "OrderWatch": "FileWatch"}


def item(batch: Batch, event: Event) -> None:
    text = bytes(event.item) if event.item else (event.signed.string.encode() if event.signed is not None else b"")
    if not text:
        return
    add_item(batch, text, event.event_id)


def version_added(batch: Batch, event: Event) -> None:
    batch.current_version = event.version_id or ""


def add_item(batch: Batch, text: bytes, event_id: int) -> None:
    """An item in the Controller's JSON, by event or snapshot."""
    item: dict[str, Any] = msgspec.json.decode(text)
    kind = _KINDS.get(str(item.get("TYPE", "")), str(item.get("TYPE", "")))
    if kind == "WorkflowControl":  # of one version; its id is that of the workflow
        path, version = str(item["id"]["path"]), str(item["id"]["versionId"])
    else:
        path = str(item.get("path") or item.get("id") or "")
        version = str(item.get("versionId") or batch.current_version) if kind == "Workflow" else ""
    changes = batch.changes
    changes.items_touched = True
    if kind == "Workflow":
        batch.new_workflows[path, version] = WorkflowIndex(text)
        if path in changes.versions_superseded:
            # An older version in the same batch: only the last one is current.
            changes.items = [
                (*row[:4], False, *row[5:]) if row[1] == kind and row[2] == path else row for row in changes.items
            ]
        changes.versions_superseded.append(path)
    changes.items.append((batch.controller_id, kind, path, version, True, event_id, text.decode()))


def item_deleted(batch: Batch, event: Event) -> None:
    kind, _, name = (event.key or "").partition(":")
    kind = _KEY_TYPES.get(kind, kind)
    path, _, version = name.partition("~") if kind in _VERSIONED else (name, "", "")
    _remove_item(batch, kind, path, version)
    if kind == "Board":
        batch.changes.boards_removed.append(path)
        batch.places.remove_board(path)
    batch.changes.agents_touched |= kind in ("AgentRef", "SubagentItem")


def _remove_item(batch: Batch, kind: str, path: str, version: str) -> None:
    """Also one that this batch has brought: removals are written before what is new."""
    changes = batch.changes
    changes.items = [row for row in changes.items if row[1:4] != (kind, path, version)]
    changes.items_removed.append((kind, path, version))
    changes.items_touched = True


def plan(status: str) -> OtherHandler:
    def handler(batch: Batch, event: Event) -> None:
        add_plan(batch, event.Key, status, event.time_ms, event.event_id)

    return handler


def add_plan(batch: Batch, plan_id: Any, status: str, since: int | None, event_id: int) -> None:
    """The status of a plan, kept beside the items under the plan's id; `since` None: a snapshot does not say it."""
    content: dict[str, Any] = {"TYPE": PLAN, "planId": plan_id, "status": status}
    if since is not None:
        content["since"] = since
    path = "/".join(map(str, plan_id))
    batch.changes.items.append((batch.controller_id, PLAN, path, "", True, event_id, encode(content).decode()))


def plan_deleted(batch: Batch, event: Event) -> None:
    _remove_item(batch, PLAN, "/".join(map(str, event.Key)), "")


def version_removed(batch: Batch, event: Event) -> None:
    """The path has no current version any more; the versions go with their own ItemDeleted."""
    if isinstance(event.path, str):
        batch.changes.versions_superseded.append(event.path.removeprefix("Workflow:"))
        batch.changes.items_touched = True


def agent(kind: str, state: str) -> OtherHandler:
    def handler(batch: Batch, event: Event) -> None:
        message = event.problem.get("message") if isinstance(event.problem, dict) else None
        agent_row(batch, kind, str(event.Key), state, message, event.timezone, event.time_ms, event.event_id)
        _observe(batch, AGENT if kind == "A" else SUBAGENT, str(event.Key), state, message, event)
        if kind == "A":
            batch.changes.availability.append((str(event.Key), event.TYPE, event.event_id, event.time_ms, message))

    return handler


#: States of components in which they do nothing that is asked of them, and of pairs in which one node is alone.
_AWAY = frozenset({"COUPLINGFAILED", "SHUTDOWN", "PassiveLost", "FailedOver", clusters.TO_BE_CONFIRMED})


def _observe(batch: Batch, kind: str, source: str, state: str, message: str | None, event: Event) -> None:
    observation = Observation(kind, event.event_id, event.time_ms, state, state in _AWAY, message, source=source)
    batch.changes.observations.append(observation_row(batch.controller_id, observation))


def agent_row(
    batch: Batch,
    kind: str,
    agent_id: str,
    state: str,
    message: str | None,
    timezone: str | None,
    since: int,
    revision: int,
) -> None:
    """A row of the live table of Agents (`kind` A) and Subagents (`kind` S)."""
    batch.changes.agents_touched = True
    batch.changes.agents.append((batch.controller_id, kind, agent_id, state, message, None, timezone, since, revision))


def notice(batch: Batch, event: Event) -> None:
    batch.places.apply(event)


def controller_ready(batch: Batch, event: Event) -> None:
    batch.changes.controller_ready = (event.event_id, event.time_ms, event.timezone or "UTC")
    batch.changes.controller_state = "READY"
    last_known = str(batch.previous_event_id // 1000)
    batch.changes.availability.append(("", event.TYPE, event.event_id, event.time_ms, last_known))
    _observe(batch, CONTROLLER, batch.controller_id, "READY", None, event)


def controller_shut_down(batch: Batch, event: Event) -> None:
    batch.changes.controller_state = "SHUTDOWN"
    batch.changes.availability.append(("", event.TYPE, event.event_id, event.time_ms, None))
    _observe(batch, CONTROLLER, batch.controller_id, "SHUTDOWN", None, event)


def cluster_event(batch: Batch, event: Event) -> None:
    row = clusters.row(batch.controller_id, event)
    if row is not None:
        batch.changes.agents_touched = True
        batch.changes.cluster_events.append(row)
        _, agent_id, _, _, _, state, _, lost = row
        _observe(batch, PAIR, str(agent_id), str(state), None if lost is None else str(lost), event)


#: By the event's TYPE.
OTHER_EVENTS: dict[str, OtherHandler] = {
    "VersionAdded": version_added,
    "VersionedItemAdded": item,
    "VersionedItemChanged": item,
    "SignedItemAdded": item,
    "SignedItemChanged": item,
    "UnsignedSimpleItemAdded": item,
    "UnsignedSimpleItemChanged": item,
    "UnsignedItemAdded": item,
    "UnsignedItemChanged": item,
    "ItemDeleted": item_deleted,
    "VersionedItemRemoved": version_removed,
    "AgentCoupled": agent("A", "COUPLED"),
    "AgentReady": agent("A", "COUPLED"),
    "AgentCouplingFailed": agent("A", "COUPLINGFAILED"),
    "AgentShutDown": agent("A", "SHUTDOWN"),
    "AgentResetStarted": agent("A", "RESETTING"),
    "AgentReset": agent("A", "RESET"),
    "SubagentDedicated": agent("S", "COUPLED"),
    "SubagentCoupled": agent("S", "COUPLED"),
    "SubagentCouplingFailed": agent("S", "COUPLINGFAILED"),
    "SubagentResetStarted": agent("S", "RESETTING"),
    "SubagentReset": agent("S", "RESET"),
    "SubagentRestarted": agent("S", "RESET"),
    "SubagentShutdownStarted": agent("S", "SHUTDOWN"),
    "SubagentShutdown2": agent("S", "SHUTDOWN"),
    "SubagentShutdown": agent("S", "SHUTDOWN"),
    "NoticePosted": notice,
    "NoticeDeleted": notice,
    "NoticeMoved": notice,
    "PlanOpened": plan("Open"),
    "PlanClosed": plan("Closed"),
    "PlanFinished": plan("Finished"),
    "PlanDeleted": plan_deleted,
    "ControllerReady": controller_ready,
    "ControllerShutDown": controller_shut_down,
    **dict.fromkeys(clusters.EVENTS, cluster_event),
}
