"""From a decision to its effects: decide, encode once, append, wait for durability, start effects (architecture 4, 6).

Theory: each cause is one transaction over the newest, not yet durable state. Its events are stamped, encoded and
appended in the same turn of the loop; nothing is awaited between two causes, so all causes that arrive while a sync
runs share the next one. What an event makes the node *do* (send a command, start a process) begins when the event is
durable, in the order of the events.

    event_id = persister.persist(lambda transaction: add_order(transaction, order))   # raises ProblemError
    await persister.durable()

Guarantees: a refused decision leaves nothing; effects start from committed events only and in order; follow-ups beyond
the limit of one transaction go on in the next ones; timers of orders fire when due, also after the clock was set.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from stellwerk.effects.clock import Clock
from stellwerk.engine.context import Context
from stellwerk.engine.state import EngineState
from stellwerk.engine.transaction import LIMIT, Transaction
from stellwerk.journal import Journal
from stellwerk.values.events import KeyedEvent, encode_line
from stellwerk.values.json import encode

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=EngineState)
T = TypeVar("T")
X = TypeVar("X", bound=Transaction)

#: What a durable event makes the node do: called with EventId, key, event. Must not raise.
Effect = Callable[[int, Any, Any], None]
Effects = Mapping[type, Effect]


def combined(*tables: Effects) -> Effects:
    """What several want to do; for an event that more than one wants, in this order."""
    result: dict[type, Effect] = {}
    for table in tables:
        for type_, effect in table.items():
            result[type_] = _both(result[type_], effect) if type_ in result else effect
    return result


def _both(first: Effect, second: Effect) -> Effect:
    def effect(event_id: int, key: Any, event: Any) -> None:
        first(event_id, key, event)
        second(event_id, key, event)

    return effect


#: The wall clock is looked at again after that time at the latest: it may have been set.
LONGEST_TIMER_SECONDS = 60.0


class AdoptedEvent(KeyedEvent, frozen=True):
    """An event taken over from another node with the bytes of its body, which are written on unchanged."""

    body: bytes = b""


class Persister(Generic[X]):
    """One per running node. `transaction_type` is called with state and context."""

    def __init__(
        self,
        state: EngineState,
        journal: Journal,
        clock: Clock,
        environment: Mapping[str, str],
        transaction_type: Callable[[Any, Context], X],
        effects: Effects,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.state = state
        self.journal = journal
        self._clock = clock
        self._environment = environment
        self._zone = clock.zone()
        self._transaction_type = transaction_type
        self._effects = effects
        self._on_bug = on_bug
        self._loop = asyncio.get_running_loop()
        self._waiting_effects: deque[tuple[int, Effect, Any, Any]] = deque()
        self._pending: dict[str, None] = {}
        self._is_going_on = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float = 0.0
        self._is_stopped = False
        journal.on_commit(self._on_commit)

    def persist(self, decide: Callable[[X], T], *, follow_up: bool = True, now_ms: int | None = None) -> T:
        """Decide, apply and append; returns at once, `await durable()` before anyone may know.

        `follow_up` False: what follows is worked out in transactions of its own, soon. Raises what `decide` raises,
        and `JournalFailedError`; then nothing has changed.
        """
        now = self._clock.now_ms() if now_ms is None else now_ms
        transaction = self._transaction_type(
            self.state, Context(now, self._zone, self._environment, self.state.controller_id)
        )
        with transaction:
            result = decide(transaction)
            if follow_up:
                transaction.follow_up(LIMIT)
            if transaction.events:
                self._append(transaction.events, now)
        if transaction.pending:
            self._go_on_later(transaction.pending)
        self._arm_timer(now)
        return result

    async def durable(self) -> None:
        """Return when everything decided so far is durable. Raises `JournalFailedError`."""
        await self.journal.committed(self.journal.appended_event_id)

    def start(self) -> None:
        """Arm the timers for what has been recovered."""
        self._arm_timer(self._clock.now_ms())

    def stop(self) -> None:
        """No more timers, follow-ups and effects; the journal goes on until it is closed."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- events ---

    def _append(self, events: list[KeyedEvent], now_ms: int) -> None:
        next_id = self.journal.event_ids.next
        effects = self._effects
        lines: list[bytes] = []
        started: list[tuple[int, Effect, Any, Any]] = []
        event_id = 0
        for keyed in events:
            event = keyed.event
            event_id = next_id(now_ms)
            body = keyed.body if type(keyed) is AdoptedEvent else encode(event)
            lines.append(encode_line(event_id, keyed.key, body, keyed.timestamp_ms))
            effect = effects.get(type(event))
            if effect is not None:
                started.append((event_id, effect, keyed.key, event))
        self.journal.append(lines, event_id)
        self._waiting_effects += started

    def _on_commit(self, committed_event_id: int) -> None:
        waiting = self._waiting_effects
        while waiting and waiting[0][0] <= committed_event_id and not self._is_stopped:
            event_id, effect, key, event = waiting.popleft()
            effect(event_id, key, event)
        if not self._is_stopped and self.journal.snapshot_is_due():
            self.snapshot_soon()

    def snapshot_soon(self) -> asyncio.Future[None]:
        """Begin a new journal file with a snapshot; failures are the journal's and are reported by it."""
        task = asyncio.ensure_future(self.journal.take_snapshot(self.state.snapshot_objects()))  # type: ignore[attr-defined]
        task.add_done_callback(_log_failure)
        return task

    # --- follow-ups and timers ---

    def touch_later(self, order_ids: list[str]) -> None:
        """Have orders looked at soon, a thousand at a time; the loop goes on between."""
        self._go_on_later(order_ids)

    def _go_on_later(self, order_ids: list[str]) -> None:
        self._pending.update(dict.fromkeys(order_ids))
        if not self._is_going_on and not self._is_stopped:
            self._is_going_on = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_going_on = False
        order_ids = list(self._pending)
        now, later = order_ids[:LIMIT], order_ids[LIMIT:]
        self._pending = dict.fromkeys(later)
        self.touch(now)
        if later:
            self._go_on_later(later)

    def touch(self, order_ids: list[str], now_ms: int | None = None) -> None:
        """Have orders looked at, because of an internal cause: nobody waits for the result."""

        def decide(transaction: X) -> None:
            for order_id in order_ids:
                transaction.touch(order_id)

        self.persist_internally(decide, now_ms=now_ms)

    def persist_internally(self, decide: Callable[[X], None], now_ms: int | None = None) -> None:
        """For causes inside of the node, to whom no problem can be answered: an exception stops the node."""
        if self._is_stopped:
            return
        try:
            self.persist(decide, now_ms=now_ms)
        except Exception as error:
            self._on_bug(error)

    def _arm_timer(self, now_ms: int) -> None:
        if self._is_stopped:
            return
        due = self.state.next_due()
        seconds = LONGEST_TIMER_SECONDS
        if due is not None:
            seconds = min(seconds, max(0.0, (due - now_ms) / 1000))
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._armed_for <= at:
                return
            self._timer.cancel()
        self._armed_for = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.now_ms()
        due = self.state.next_due()
        if due is not None and due <= now:
            self.persist_internally(lambda transaction: transaction.time_has_come(), now_ms=now)
        elif self.journal.snapshot_is_due():
            self.snapshot_soon()
        self._arm_timer(now)


def _log_failure(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("No snapshot: %s", error)
