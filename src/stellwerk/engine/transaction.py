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
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from stellwerk.engine.context import Context
from stellwerk.engine.events import board as b
from stellwerk.engine.events import order as e
from stellwerk.engine.events import plan as p
from stellwerk.engine.order import Broken, Cancelled, Finished
from stellwerk.engine.state import EngineState
from stellwerk.engine.transitions import WITHOUT_FOLLOW_UP
from stellwerk.language.outcomes import Disrupted
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
        self._touched_plans: dict[e.PlanId, None] = {}
        self._touched_files: dict[tuple[str, str], None] = {}

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
        state = self.state
        is_of_order = isinstance(event, e.OrderEvent)
        if isinstance(event, e.OrderDeleted):
            self._order_deleted(key)
        demands = state.locks.demands_of(key) if is_of_order else ()
        state.apply(key, event)
        self.events.append(KeyedEvent(key, event, timestamp_ms))
        if is_of_order:
            if demands and not state.locks.demands_of(key):
                # It has left the queues, with or without the locks: the next one may go on.
                self.offer_locks(demand.lock_path for demand in demands)
            self._touch_by(key, event)
        elif isinstance(event, b.NoticePosted):
            plan_id, notice_key = b.split_planned_notice_key(event.planned_notice_key)
            self._touch_expecting(b.notice_id(plan_id, key, notice_key))
        elif isinstance(event, p.PlanClosed):
            self._touched_plans[tuple(key)] = None

    def _order_deleted(self, order_id: str) -> None:
        order = self.state.orders.get(order_id)
        if order is None:
            return
        if order.plan_id:
            self._touched_plans[order.plan_id] = None
        if order.external_order is not None:
            self.touch_file(order.external_order.order_watch_path, order.external_order.name)
        for path, name in self.state.files_waiting_for_id.pop(order_id, ()):
            self.touch_file(path, name)

    def touch_file(self, watch_path: str, name: str) -> None:
        """Have a watched file looked at: it may be the time for its order."""
        self._touched_files[(watch_path, name)] = None

    def wait_for_order_id(self, order_id: str, watch_path: str, name: str) -> None:
        """Have the file looked at again when the order is deleted."""
        self.state.files_waiting_for_id.setdefault(order_id, {})[(watch_path, name)] = None

    def _touch_by(self, order_id: str, event: e.OrderEvent) -> None:
        if isinstance(event, e.OrderLocksReleased):
            # Before the order itself, which may want the lock again.
            self.offer_locks(event.lock_paths)
        elif isinstance(event, e.OrderNoticePosted):
            self._touch_expecting(event.notice_id)
        if type(event) not in WITHOUT_FOLLOW_UP:
            self.touch(order_id)
        if isinstance(event, e.OrderForked):
            for child in event.children:
                self.touch(child.order_id)
        elif isinstance(event, e.OrderOrderAdded):
            self.touch(event.order_id)

    def offer_locks(self, paths: Iterable[str]) -> None:
        """Have the first order looked at that waits for one of these locks and can have what it wants."""
        for path in paths:
            order_id = self.state.locks.first_fitting(path)
            if order_id is not None:
                self.touch(order_id)

    def _touch_expecting(self, notice_id: e.NoticeId) -> None:
        for order_id in self.state.notices.expecting(notice_id):
            self.touch(order_id)

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
        from stellwerk.engine.processing import offer_on

        while (self._queue or self._touched_files) and limit > 0:
            if not self._queue:
                self._follow_up_files()
                continue
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
            offer_on(self, order_id)
        self._follow_up_plans()

    def _follow_up_files(self) -> None:
        from stellwerk.engine.watching import follow_up

        while self._touched_files:
            path, name = next(iter(self._touched_files))
            del self._touched_files[(path, name)]
            follow_up(self, path, name)

    def _follow_up_plans(self) -> None:
        from stellwerk.engine.planning import finish_if_empty

        while self._touched_plans:
            finish_if_empty(self, self._touched_plans.popitem()[0])

    def time_has_come(self) -> None:
        """Do what is due at the context's time: orders are looked at, notices and plans end."""
        from stellwerk.engine.planning import delete_plan

        now_ms = self.context.now_ms
        for order_id in self.state.pop_due(now_ms, LIMIT):
            self.touch(order_id)
        for notice_id in self.state.notices.ended(now_ms, LIMIT):
            plan_id, board_path, key = b.split_notice_id(notice_id)
            self.emit(board_path, b.NoticeDeleted(planned_notice_key=b.planned_notice_key(plan_id, key)))
        for plan_id in self.state.plans.over(now_ms):
            delete_plan(self, plan_id)

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
