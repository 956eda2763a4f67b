"""What a Subagent tells its Director (cluster spec 3.2): the events of its memory journal, and metering.

Events of orders are the engine's own; those without key are here or shared with `engine.events.subagent`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.state import SubagentMetrics
from stellwerk.values.json import decoder


class SubagentItemAttached(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """A signed item is known to the Subagent now."""

    item: msgspec.Raw


class ServerMeteringEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel"):
    """Never journaled; sizes in bytes."""

    cpu_load: float | None = None
    committed_virtual_memory_size: int
    free_memory_size: int
    total_memory_size: int

    @property
    def metrics(self) -> SubagentMetrics:
        return SubagentMetrics(
            self.cpu_load, self.committed_virtual_memory_size, self.free_memory_size, self.total_memory_size
        )


class Heartbeat(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """What others send instead of an empty line."""


SubagentEvent = (
    e.OrderStdoutWritten
    | e.OrderStderrWritten
    | e.OrderProcessed
    | SubagentItemAttached
    | s.SubagentShutdownStarted
    | s.SubagentShutdown
    | ServerMeteringEvent
    | Heartbeat
)

#: The event of a line, without its envelope.
event_decoder = decoder(SubagentEvent)


class SubagentRecord(msgspec.Struct, frozen=True):
    """One event with its place in the Subagent's journal. Metering has an id that is not greater than any other."""

    event_id: int
    key: Any
    event: Any
