"""Taking over an Agent's events into the Controller's state and journal (journal spec 1.7).

Each line is decoded once, to fold it; an event that stays as it is goes on with the very bytes of its body and the
Agent's time. One transaction per gathered chunk; it ends with AgentEventsObserved, so that nothing is released at the
Agent before it is durable here. An event that does not fit is never skipped: the whole chunk is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.engine.state import Control, PathControl
from stellwerk.language.items import (
    agent_key,
    control_key,
    job_resource_key,
    path_control_key,
    workflow_key,
)
from stellwerk.language.positions import WorkflowId
from stellwerk.values.events import Envelope, decode_envelope
from stellwerk.values.json import decode, decoder, encode
from stellwerk.values.problems import ProblemError

logger = logging.getLogger(__name__)

#: What the Controller asks an Agent for.
WANTED = "OrderEvent,AgentReady,AgentShutDown,SubagentItemStateEvent,InventoryItemEvent,OrderWatchEvent,ClusterEvent"

_AgentLine = (
    e.AnyOrderEvent
    | i.AgentItemEvent
    | a.AnyOwnAgentEvent
    | s.AnySubagentEvent
    | w.ExternalOrderAppeared
    | w.ExternalOrderVanished
    | AnyClusterEvent
)
_decoder = decoder(_AgentLine)
_KNOWN = frozenset(str(type_.__struct_config__.tag) for type_ in _AgentLine.__args__)
_BODY_BEGIN = b'"TYPE":'

#: Emits what an Agent's event becomes at the Controller.
_Translate = Callable[[ControllerTransaction, str, Any, Any, int], None]


class AgentEvent(msgspec.Struct, frozen=True):
    """One line of an Agent's stream, decoded."""

    envelope: Envelope
    #: None for a type that is not known here.
    event: Any
    line: bytes


def decode_lines(lines: Sequence[bytes], after: int) -> list[AgentEvent]:
    """The events after the EventId `after`; repeated ones are dropped. Raises `ProblemError`."""
    events = []
    for line in lines:
        try:
            envelope = decode_envelope(line)
            if envelope.event_id <= after:
                continue
            event = _decoder.decode(line) if envelope.type in _KNOWN else None
        except msgspec.DecodeError as error:
            raise ProblemError(f"An event of the Agent cannot be read: {error} in {line[:500]!r}") from error
        after = envelope.event_id
        events.append(AgentEvent(envelope, event, line))
    return events


def adopt_events(transaction: ControllerTransaction, agent_path: str, events: Sequence[AgentEvent]) -> None:
    """Emit the Controller's events. Raises `ProblemError` when one does not fit the state."""
    count = len(transaction.events)
    for item in events:
        event, envelope = item.event, item.envelope
        if event is None:
            logger.error("Event %s of Agent %s is not known here and is dropped", envelope.type, agent_path)
            continue
        translate = _TRANSLATIONS.get(type(event))
        if translate is None:
            body = _body(item.line, envelope)
            transaction.adopt(envelope.key, event, envelope.timestamp_ms, encode(event) if body is None else body)
        else:
            translate(transaction, agent_path, envelope.key, event, envelope.timestamp_ms)
    if len(transaction.events) > count:
        last = events[-1].envelope.event_id
        transaction.emit(agent_path, a.AgentEventsObserved(until_event_id=last))


def _body(line: bytes, envelope: Envelope) -> bytes | None:
    """The event's own JSON object, cut out of the line; None if the line is not written as ours are."""
    head = b'{"eventId":%d,' % envelope.event_id
    if envelope.timestamp is not None:
        head += b'"timestamp":%d,' % envelope.timestamp
    if envelope.key is not None:
        head += b'"Key":%s,' % encode(envelope.key)
    if not line.startswith(head + _BODY_BEGIN):
        return None
    return b"{" + line[len(head) :]


# --- translations ---


def _emit(translated: Callable[[str, Any], Any]) -> _Translate:
    def translate(transaction: ControllerTransaction, agent_path: str, key: Any, event: Any, time_ms: int) -> None:
        transaction.emit(key, translated(agent_path, event), time_ms)

    return translate


def _emit_for_agent(translated: Callable[[Any], Any]) -> _Translate:
    def translate(transaction: ControllerTransaction, agent_path: str, key: Any, event: Any, time_ms: int) -> None:
        transaction.emit(agent_path, translated(event), time_ms)

    return translate


def _drop(transaction: ControllerTransaction, agent_path: str, key: Any, event: Any, time_ms: int) -> None:
    """For events that do not concern the Controller."""


def _item_attached(
    transaction: ControllerTransaction, agent_path: str, key: Any, event: i.ItemAttachedToMe, time_ms: int
) -> None:
    item = event.item
    if isinstance(item, PathControl):
        item_key = path_control_key(item.path)
    elif isinstance(item, Control):
        item_key = control_key(item.id)
    else:
        item_key = item.key
    _attached(transaction, agent_path, item_key, item.item_revision, time_ms)


def _signed_item_attached(
    transaction: ControllerTransaction, agent_path: str, key: Any, event: i.SignedItemAttachedToMe, time_ms: int
) -> None:
    value = decode(event.signed.string)
    if value.get("TYPE") == "JobResource":
        item_key = job_resource_key(value["path"])
    else:
        item_key = workflow_key(WorkflowId(value["path"], value["versionId"]))
    _attached(transaction, agent_path, item_key, event.item_revision, time_ms)


def _attached(
    transaction: ControllerTransaction, agent_path: str, item_key: str, revision: int | None, time_ms: int
) -> None:
    attached = i.ItemAttached(key=item_key, delegate_id=agent_key(agent_path), item_revision=revision)
    transaction.emit(None, attached, time_ms)
    transaction.touch_item(item_key)


def _item_detached(
    transaction: ControllerTransaction, agent_path: str, key: Any, event: i.ItemDetached, time_ms: int
) -> None:
    transaction.emit(None, event, time_ms)
    transaction.item_detached(event.key, agent_path)


def _file_event(transaction: ControllerTransaction, agent_path: str, key: Any, event: Any, time_ms: int) -> None:
    """A file has appeared or vanished: the event stays as it is, and its order follows."""
    transaction.emit(key, event, time_ms)
    transaction.touch_file(key, event.external_order_name)


_TRANSLATIONS: Mapping[type, _Translate] = {
    w.ExternalOrderAppeared: _file_event,
    w.ExternalOrderVanished: _file_event,
    e.OrderAttachedToAgent: _emit(lambda agent_path, event: e.OrderAttached(agent_path=agent_path)),
    e.OrderCancellationMarked: _emit(lambda agent_path, event: e.OrderCancellationMarkedOnAgent()),
    e.OrderSuspensionMarked: _emit(lambda agent_path, event: e.OrderSuspensionMarkedOnAgent()),
    a.OwnAgentDedicated: _drop,
    a.OwnAgentStarted: _emit_for_agent(lambda event: a.AgentStarted()),
    a.OwnAgentReady: _emit_for_agent(
        lambda event: a.AgentReady(timezone=event.timezone, platform_info=event.platform_info)
    ),
    a.OwnAgentShutDown: _emit_for_agent(lambda event: a.AgentShutDown()),
    i.ItemAttachedToMe: _item_attached,
    i.SignedItemAttachedToMe: _signed_item_attached,
    i.ItemDetachingFromMe: _drop,
    s.SubagentEventsObserved: _drop,
    i.ItemDetached: _item_detached,
    **dict.fromkeys(AnyClusterEvent.__args__, _emit_for_agent(lambda event: a.AgentMirroredEvent(event=event))),
}
