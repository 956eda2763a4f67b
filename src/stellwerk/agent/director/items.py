"""Attaching and detaching items at the Agent (orders spec 7.4, 6.2). Emits events into an open transaction."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

import msgspec

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
    read_signed_item,
    split_key,
    workflow_key,
)
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier


def attach_item(transaction: Transaction, state: AgentState, item: i.AttachableItem, subagent_run_id: str) -> None:
    """Add or replace an unsigned item; the local Subagent is dedicated by it. Raises `ProblemError`."""
    assert state.meta is not None
    if isinstance(item, AgentRef) and item.path != state.meta.agent_path:
        raise ProblemError(f"Alien AgentRef: this is Agent:{state.meta.agent_path}, not {item.key}")
    if isinstance(item, SubagentItem):
        if item.agent_path != state.meta.agent_path:
            raise ProblemError(f"Alien SubagentItem: Subagent:{item.id} belongs to Agent:{item.agent_path}")
        if not state.is_local(item.id):
            raise ProblemError(f"Subagent:{item.id} is a remote one: this release runs jobs at the Director only")
    if isinstance(item, FileWatch):
        known = state.file_watches.items.get(item.path)
        if known == item:
            return
        if known is not None and known.directory_expr != item.directory_expr:
            forget_files(transaction, state, item.path)
    transaction.emit(None, i.ItemAttachedToMe(item=item))
    if isinstance(item, SubagentItem) and state.subagents[item.id].subagent_run_id is None:
        dedicate_local_subagent(transaction, item.id, subagent_run_id)
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


def dedicate_local_subagent(transaction: Transaction, subagent_id: str, subagent_run_id: str) -> None:
    transaction.emit(subagent_id, s.SubagentDedicated(subagent_run_id=subagent_run_id))
    transaction.emit(subagent_id, s.SubagentCoupled())
    processing.offer_subagents(transaction)


def _touch_orders(transaction: Transaction, state: AgentState, applies: Callable[[str, str], bool]) -> None:
    for order in list(state.orders.values()):
        if applies(order.workflow_id.path, order.workflow_id.version_id):
            transaction.touch(order.id)


def verified_item(signed: Signed, verifier: SignatureVerifier) -> Workflow | JobResource:
    """The item in a text whose signature is trusted *here*, whatever the Controller thinks. Raises `ProblemError`."""
    verifier.verify(signed.string, msgspec.convert(signed.signature, Signature))
    return read_signed_item(signed.string)


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


def detach_item(transaction: Transaction, state: AgentState, key: ItemKey) -> None:
    """Remove an item; an unknown one is accepted, because the answer may have got lost before."""
    assert state.meta is not None
    kind, name = split_key(key)
    if not state.has_item(key):
        return
    if kind == "Subagent" and state.process_count[""] > 0:
        if not state.subagents[name].is_detaching:
            transaction.emit(None, i.ItemDetachingFromMe(key=key))
        return
    if kind == "OrderWatch":
        forget_files(transaction, state, name)
    transaction.emit(None, i.ItemDetached(key=key, delegate_id=agent_key(state.meta.agent_path)))
