"""Attaching and detaching items at the Agent (orders spec 7.4, 6.2). Emits events into an open transaction."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from stellwerk.agent.director.state import AgentState
from stellwerk.engine import processing
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.state import Control, PathControl
from stellwerk.engine.transaction import Transaction
from stellwerk.language.items import (
    AgentRef,
    FileWatch,
    ItemKey,
    JobResource,
    Signed,
    SubagentBundle,
    SubagentItem,
    agent_key,
    split_key,
    workflow_key,
)
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError


def attach_item(transaction: Transaction, state: AgentState, item: i.AttachableItem) -> None:
    """Add or replace an unsigned item. Raises `ProblemError`."""
    assert state.meta is not None
    if isinstance(item, AgentRef) and item.path != state.meta.agent_path:
        raise ProblemError(f"Alien AgentRef: this is Agent:{state.meta.agent_path}, not {item.key}")
    if isinstance(item, SubagentItem) and item.agent_path != state.meta.agent_path:
        raise ProblemError(f"Alien SubagentItem: Subagent:{item.id} belongs to Agent:{item.agent_path}")
    if isinstance(item, FileWatch):
        known = state.file_watches.items.get(item.path)
        if known == item:
            return
        if known is not None and known.directory_expr != item.directory_expr:
            forget_files(transaction, state, item.path)
    transaction.emit(None, i.ItemAttachedToMe(item=item))
    if isinstance(item, AgentRef):
        processing.offer_slot(transaction, None)
    elif isinstance(item, SubagentItem | SubagentBundle):
        processing.offer_subagents(transaction)
    elif isinstance(item, PathControl):
        _touch_orders(transaction, state, lambda path, version: path == item.path)
    elif isinstance(item, Control):
        _touch_orders(transaction, state, lambda path, version: (path, version) == (item.id.path, item.id.version_id))


def forget_files(transaction: Transaction, state: AgentState, watch_path: str) -> None:
    """The directory is not watched any more: for the Controller its files have gone."""
    for name in list(state.file_watches.files.get(watch_path, ())):
        transaction.emit(watch_path, w.ExternalOrderVanished(external_order_name=name))


def _touch_orders(transaction: Transaction, state: AgentState, applies: Callable[[str, str], bool]) -> None:
    for order in list(state.orders.values()):
        if applies(order.workflow_id.path, order.workflow_id.version_id):
            transaction.touch(order.id)


def attach_signed_item(
    transaction: Transaction, state: AgentState, item: Workflow | JobResource, signed: Signed, revision: int | None
) -> None:
    """Add a workflow, add or replace a job resource. Repeating the same workflow is no event."""
    if isinstance(item, Workflow):
        known = state.signed.get(workflow_key(item.id))
        if known is not None:
            if known.signed.string == signed.string:
                return
            raise ProblemError(f"Different duplicate Workflow:{item.id}")
        zone = item.definition.time_zone
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ProblemError.of("UnknownKey", type="time zone", key=zone) from error
    transaction.emit(None, i.SignedItemAttachedToMe(signed=signed, item_revision=revision))


def reset_subagent(transaction: Transaction, state: AgentState, subagent_id: str, force: bool) -> None:
    """Its driver does it (cluster spec 3.4). Raises `ProblemError` for a Director's own Subagent."""
    assert state.meta is not None
    subagent = state.subagent(subagent_id)
    if subagent_id in state.meta.directors:
        raise ProblemError(f"Subagent:{subagent_id} is a Director's own and cannot be reset; reset the Agent")
    if subagent.coupling_state != s.Resetting(force) and not subagent.is_detaching:
        transaction.emit(subagent_id, s.SubagentResetStarted(force=force))


def detach_item(transaction: Transaction, state: AgentState, key: ItemKey) -> None:
    """Remove an item; an unknown one is accepted, because the answer may have got lost before."""
    assert state.meta is not None
    kind, name = split_key(key)
    if not state.has_item(key):
        return
    if kind == "Subagent":
        # Its driver ends its processes; ItemDetached follows.
        if not state.subagents[name].is_detaching:
            transaction.emit(None, i.ItemDetachingFromMe(key=key))
        return
    if kind == "OrderWatch":
        forget_files(transaction, state, name)
    transaction.emit(None, i.ItemDetached(key=key, delegate_id=agent_key(state.meta.agent_path)))
