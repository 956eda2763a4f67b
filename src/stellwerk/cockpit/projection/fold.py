"""Events → row changes. Pure: `Fold` gets the live orders that a batch touches, gives `Changes`, knows no database.

Guarantees: constant work per event; every event of an order is kept as it came, except output, which goes to the task's
log; each `OrderProcessingStarted` gives exactly one task row (an *attempt*).

Tolerance: an event that does not fit the live state (possible only after a torn stream) changes what it can and fails
nothing; a line that is no event raises `ProjectionError`, because skipping it would lose history silently.
"""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.projection import notice_events, order_events, position_events, task_events
from stellwerk.cockpit.projection.batch import Batch, OrderHandler, Work
from stellwerk.cockpit.projection.item_events import OTHER_EVENTS
from stellwerk.cockpit.projection.lines import Event, decode_event


class ProjectionError(Exception):
    """A line of the stream cannot be understood; the follower stops and says so."""


#: Every order event of orders spec 3.1.
_ORDER_EVENTS: dict[str, OrderHandler] = {
    "OrderAdded": order_events.added,
    "OrderOrderAdded": order_events.order_added_by_order,
    "OrderNoticeAnnounced": notice_events.announced,
    "OrderAttachable": order_events.attachable,
    "OrderAttached": order_events.attached,
    "OrderDetachable": order_events.detachable,
    "OrderDetached": order_events.detached,
    "OrderStarted": order_events.started,
    "OrderFinished": order_events.finished,
    "OrderDeletionMarked": order_events.deletion_marked,
    "OrderDeleted": order_events.deleted,
    "OrderExternalVanished": order_events.nothing,
    "OrderTransferred": position_events.transferred,
    "OrderPlanAttached": order_events.plan_attached,
    "OrderPriorityChanged": order_events.priority,
    "OrderProcessingStarted": task_events.processing_started,
    "OrderStdoutWritten": task_events.stdout,
    "OrderStderrWritten": task_events.stderr,
    "OrderProcessed": task_events.processed,
    "OrderProcessingKilled": order_events.to("ProcessingKilled"),
    "OrderMoved": position_events.moved,
    "OrderForked": order_events.forked,
    "OrderJoined": order_events.joined,
    "OrderOutcomeAdded": order_events.outcome_added,
    "OrderCaught": position_events.caught,
    "OrderCatched": position_events.caught,
    "OrderRetrying": position_events.retrying,
    "OrderAwoke": order_events.to("Ready"),
    "OrderFailed": order_events.failed,
    "OrderFailedInFork": order_events.failed_in_fork,
    "OrderStopped": order_events.stopped,
    "OrderBroken": order_events.broken,
    "OrderStickySubagentEntered": position_events.into("stickySubagent"),
    "OrderStickySubagentLeaved": position_events.after_block("stickySubagent"),
    "OrderCyclingPrepared": position_events.cycle_prepared,
    "OrderCycleStarted": position_events.cycle_started,
    "OrderCycleFinished": position_events.cycle_finished,
    "OrderSleeping": order_events.to_until("Sleeping"),
    "OrderWaitingForAdmission": order_events.to_until("WaitingForAdmission"),
    "OrderSaid": order_events.nothing,
    "OrderLocksQueued": order_events.to("WaitingForLock"),
    "OrderLocksAcquired": position_events.into("lock"),
    "OrderLocksReleased": position_events.after_block("lock"),
    "OrderLockQueued": order_events.to("WaitingForLock"),
    "OrderLockAcquired": position_events.into("lock"),
    "OrderLockReleased": position_events.after_block("lock"),
    "OrderNoticePosted": notice_events.posted,
    "OrderNoticesExpected": notice_events.expecting,
    "OrderNoticeExpected": order_events.to("ExpectingNotices"),
    "OrderNoticesRead": order_events.to("Ready"),
    "OrderNoticeRead": order_events.to("Ready"),
    "OrderNoticesConsumptionStarted": notice_events.consuming,
    "OrderNoticesConsumed": notice_events.consumed,
    "OrderPrompted": order_events.prompted,
    "OrderPromptAnswered": order_events.to("Ready"),
    "OrderCancellationMarked": order_events.marked("Cancelling"),
    "OrderCancellationMarkedOnAgent": order_events.nothing,
    "OrderStateReset": order_events.state_reset,
    "OrderOperationCancelled": order_events.state_reset,
    "OrderLocksDequeued": order_events.state_reset,
    "OrderLockDequeued": order_events.state_reset,
    "OrderCancelled": order_events.cancelled,
    "OrderSuspensionMarked": order_events.marked("Suspending"),
    "OrderSuspensionMarkedOnAgent": order_events.nothing,
    "OrderSuspended": order_events.suspended,
    "OrderResumptionMarked": order_events.resumption_marked,
    "OrderResumed": order_events.resumed,
    "OrderGoMarked": order_events.marked("Go"),
    "OrderGoes": order_events.goes,
}

#: Not kept as events: the task's log has it.
_OUTPUT = frozenset({task_events.stdout, task_events.stderr})


class Fold(Batch):
    """A batch that takes events by their TYPE."""

    def apply(self, line: bytes) -> None:
        """Fold one line."""
        try:
            event = decode_event(line)
        except msgspec.DecodeError as error:
            raise ProjectionError(f"an event of {self.controller_id} cannot be read: {error}: {line[:300]!r}") from None
        self.fold(event, line)

    def fold(self, event: Event, line: bytes) -> None:
        """Fold one decoded event."""
        self.previous_event_id = self.last_event_id
        self.last_event_id = event.event_id or self.last_event_id
        kind = event.TYPE
        handler = _ORDER_EVENTS.get(kind)
        if handler is not None:
            work = self.work.get(event.Key)
            if handler is order_events.added:
                work = self._added(event, work)
            elif work is None:
                return  # an order from before a gap, or already gone
            self.touch(work, event.event_id, event.time_ms)
            if handler not in _OUTPUT:
                work.lines.append(line)
                work.order.revision = event.event_id
            handler(self, work, event)
        elif kind.startswith("Order"):
            self._keep_unknown(event, line)
        elif (other := OTHER_EVENTS.get(kind)) is not None:
            other(self, event)

    def _added(self, event: Event, former: Work | None) -> Work:
        """A new order. Is its id used again, the former one's removal has been missed or lies in this batch."""
        order = self.new_order(event, event.Key)
        if former is not None:
            self.remove(former)
        work = self.work[order.order_id] = Work(order, former is not None and former.stored)
        return work

    def _keep_unknown(self, event: Event, line: bytes) -> None:
        """An order event of a newer Controller: kept in the order's events, without effect on its state."""
        work = self.work.get(event.Key)
        if work is not None:
            self.touch(work, event.event_id, event.time_ms)
            work.lines.append(line)
