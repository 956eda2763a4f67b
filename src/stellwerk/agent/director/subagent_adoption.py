"""Taking over a Subagent's events into the Director's state and journal (cluster spec 3.2, 3.4). Pure.

In one transaction with SubagentEventsObserved, so that each event is exactly once in the journal; they keep the
Subagent's time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from stellwerk.agent.director.losses import lose_orders, lost
from stellwerk.agent.director.state import AgentState
from stellwerk.agent.director.subagent_queue import order_at
from stellwerk.agent.subagent.events import SubagentItemAttached, SubagentRecord
from stellwerk.engine import processing
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.transaction import Transaction

logger = logging.getLogger(__name__)


def adopt_events(
    transaction: Transaction, state: AgentState, subagent_id: str, records: Sequence[SubagentRecord]
) -> None:
    for record in records:
        event, time_ms = record.event, record.event_id // 1000
        match event:
            case e.OrderProcessed():
                if order_at(state, record.key, subagent_id) is None:
                    logger.error("Subagent %s tells the end of a process of %s, unasked", subagent_id, record.key)
                    continue
                processing.on_processed(transaction, record.key, event.outcome, time_ms)
            case e.OrderStdoutWritten() | e.OrderStderrWritten():
                if order_at(state, record.key, subagent_id) is not None:
                    transaction.emit(record.key, event, time_ms)
            case s.SubagentShutdownStarted():
                transaction.emit(subagent_id, event)
            case s.SubagentShutdown():
                lose_orders(transaction, subagent_id, lost("ProcessLostDueToShutdown"))
                transaction.emit(subagent_id, s.SubagentShutdown2())
            case SubagentItemAttached():
                continue
            case _:
                logger.error("The event %s of Subagent %s is not expected", type(event).__name__, subagent_id)
    transaction.emit(subagent_id, s.SubagentEventsObserved(until_event_id=records[-1].event_id))
