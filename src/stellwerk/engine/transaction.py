"""One transaction: a cause, the events it brings, and the follow-up events of the orders that it touches.

Events are applied as they are decided, and the state notes the old values, so that a refusal takes back everything: to
the outside a decision either yields its events or nothing has changed. The caller turns the events into one journal
transaction and publishes nothing before that is durable.

    transaction = Transaction(state, context)
    with transaction:                       # rolls back when an exception leaves the block
        commands.cancel_orders(transaction, ...)
        transaction.follow_up()
    for keyed in transaction.events: ...

`follow_up` looks at touched orders by descending priority, then in order of arrival (workflow spec 2.0), at most
`limit` of them; `transaction.pending` are the ids left over for the next transaction. An unexpected exception while
one order is decided breaks only that order (OrderBroken).
"""

from __future__ import annotations

import heapq
from types import TracebackType
from typing import Any

from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Broken, Cancelled, Finished
from stellwerk.engine.state import EngineState
from stellwerk.engine.transitions import WITHOUT_FOLLOW_UP
from stellwerk.language.outcomes import Disrupted
from stellwerk.language.workflow import JobKey
from stellwerk.values.events import KeyedEvent
from stellwerk.values.problems import Problem, ProblemError

LIMIT = 1000


class Transaction:
    """See the module. One at a time per state."""

    def __init__(self, state: EngineState, context: Context) -> None:
        self.state = state
        self.context = context
        self.events: list[KeyedEvent] = []
        self._touched: dict[str, None] = {}
        self._queue: list[tuple[Any, int, str]] = []
        self._sequence = 0
        #: Orders that have been offered a process slot, and of which job; see `stellwerk.engine.processing`.
        self.offered_slots: dict[str, JobKey | None] = {}

    def __enter__(self) -> Transaction:
        self.state.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.state.roll_back()
            self.events.clear()
        self.state.end()

    def emit(self, key: Any, event: Any, timestamp_ms: int | None = None) -> None:
        """Apply an event and put it into the transaction. Raises `ProblemError` when it is not applicable."""
        self.state.apply(key, event)
        self.events.append(KeyedEvent(key, event, timestamp_ms))
        if isinstance(event, e.OrderEvent):
            self._touch_by(key, event)

    def _touch_by(self, order_id: str, event: e.OrderEvent) -> None:
        if type(event) not in WITHOUT_FOLLOW_UP:
            self.touch(order_id)
        if isinstance(event, e.OrderForked):
            for child in event.children:
                self.touch(child.order_id)
        elif isinstance(event, e.OrderOrderAdded):
            self.touch(event.order_id)

    def touch(self, order_id: str) -> None:
        """Have the order looked at (again) in this transaction's follow-up."""
        if order_id in self._touched:
            return
        order = self.state.orders.get(order_id)
        if order is not None and self.state.has(order):
            self._touched[order_id] = None
            self._sequence += 1
            heapq.heappush(self._queue, (-order.priority, self._sequence, order_id))

    @property
    def pending(self) -> list[str]:
        """Orders that are touched and have not been looked at."""
        return list(self._touched)

    def follow_up(self, limit: int = LIMIT) -> None:
        """Decide what the touched orders do next, until nothing changes or `limit` looks were taken."""
        from stellwerk.engine.evaluation import evaluate
        from stellwerk.engine.processing import offer_slot

        while self._queue and limit > 0:
            order_id = heapq.heappop(self._queue)[2]
            if self._touched.pop(order_id, 0) is not None or order_id not in self.state.orders:
                continue
            limit -= 1
            savepoint = self.state.savepoint()
            count = len(self.events)
            try:
                evaluate(self, order_id)
            except Exception as error:
                self.state.roll_back(savepoint)
                del self.events[count:]
                self._break(order_id, error)
            if order_id in self.offered_slots:
                offer_slot(self, self.offered_slots.pop(order_id))

    def _break(self, order_id: str, error: Exception) -> None:
        """The engine could not go on with this order; the others must not suffer (architecture, Atomicity)."""
        problem = error.problem if isinstance(error, ProblemError) else Problem(message=f"Internal error: {error!r}")
        order = self.state.orders[order_id]
        if isinstance(order.state, Finished | Cancelled):
            raise error
        if isinstance(order.state, Broken):
            return  # said already; saying it again would have the order looked at for ever
        self.emit(order_id, e.OrderOutcomeAdded(outcome=Disrupted.other(problem)))
        self.emit(order_id, e.OrderBroken())
