"""Locks: who holds them, who waits for them (workflow spec 2.10, 8.1; orders 6.6). Part of the Controller's state.

A lock has no events of its own; its state follows from those of orders. Orders that wait are grouped by their demands,
because orders with the same demands can all go on or none of them: so releasing a lock costs a look at each *kind* of
demand, however many orders wait. Within a kind they wait by priority, then in the order of their arrival; an order of
another kind may overtake when its demands fit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from stellwerk.engine.order import Order
from stellwerk.language.instructions import LockDemand
from stellwerk.language.items import LockItem, lock_key
from stellwerk.values.problems import ProblemError

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState

Demands = tuple[LockDemand, ...]


class Waiting(dict[str, tuple[Any, int]]):
    """Order id → (negative priority, arrival), with its first in reach.

    Whatever is put, also by taking back a transaction, goes into the heap; what has left stays there until it is met.
    """

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[Any, int, str]] = []

    def __setitem__(self, order_id: str, rank: tuple[Any, int]) -> None:
        super().__setitem__(order_id, rank)
        heapq.heappush(self._heap, (*rank, order_id))

    def first(self) -> tuple[Any, int, str] | None:
        heap = self._heap
        while heap:
            priority, arrival, order_id = heap[0]
            if self.get(order_id) == (priority, arrival):
                return heap[0]
            heapq.heappop(heap)
        return None


class LockState(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """One lock in a snapshot (journal spec 8.2)."""

    lock: dict[str, Any]
    acquired: dict[str, Any]
    queue: tuple[str, ...] = ()
    #: Our addition: numbers that say the order of arrival across all locks, one for each of `queue`.
    arrivals: tuple[int, ...] = ()


class Locks:
    """All locks of a Controller. Only events change it, through `EngineState.put`."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self.items: dict[str, LockItem] = {}
        #: Lock path → order id → count; None: exclusively.
        self.holders: dict[str, dict[str, int | None]] = {}
        #: Lock path → sum of the counts of its holders. Follows from `holders`.
        self._taken: dict[str, int] = {}
        self._waiting: dict[Demands, Waiting] = {}
        #: Lock path → kinds of demands that wait for it.
        self._kinds: dict[str, dict[Demands, None]] = {}
        self._demands_of: dict[str, Demands] = {}
        self._arrival = 0
        #: Of a snapshot, until its orders are there.
        self._restored_arrivals: dict[str, int] = {}

    # --- reading ---

    def item(self, path: str) -> LockItem:
        """Raises `ProblemError` UnknownKey."""
        found = self.items.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Lock", key=lock_key(path))
        return found

    def fit(self, demands: Demands) -> bool:
        """Are all demands available now?"""
        return all(self._fits(demand) for demand in demands)

    def _fits(self, demand: LockDemand) -> bool:
        holders = self.holders.get(demand.lock_path)
        item = self.items.get(demand.lock_path)
        if item is None:
            return False
        if demand.count is None:
            return not holders
        taken = self._taken.get(demand.lock_path, 0)
        is_exclusive = bool(holders) and taken == 0
        return not is_exclusive and taken + demand.count <= item.limit

    def first_fitting(self, path: str) -> str | None:
        """The order that goes on next when this lock has been released, if one can."""
        best: tuple[Any, int, str] | None = None
        for demands in self._kinds.get(path, ()):
            if self.fit(demands):
                first = self._first(self._waiting[demands])
                if first is not None and (best is None or first < best):
                    best = first
        return None if best is None else best[2]

    def _first(self, waiting: Waiting) -> tuple[Any, int, str] | None:
        first = waiting.first()
        if first is None or not self._is_path_suspended(first[2]):
            return first
        # Only while a workflow is suspended: the orders behind its orders are looked for.
        others = ((*rank, id_) for id_, rank in waiting.items() if not self._is_path_suspended(id_))
        return min(others, default=None)

    def _is_path_suspended(self, order_id: str) -> bool:
        control = self._state.path_controls.get(self._state.orders[order_id].workflow_id.path)
        return control is not None and control.suspended

    def demands_of(self, order_id: str) -> Demands:
        """What a waiting order waits for; empty for others."""
        return self._demands_of.get(order_id, ())

    def queue(self, path: str) -> list[tuple[int, str]]:
        """The orders that wait for the lock, with the numbers of their arrival, in that order."""
        return sorted(
            (rank[1], order_id)
            for demands in self._kinds.get(path, ())
            for order_id, rank in self._waiting[demands].items()
        )

    # --- events ---

    def put_item(self, item: LockItem) -> None:
        self._state.put(self.items, item.path, item)

    def remove_item(self, path: str) -> None:
        self._state.remove(self.items, path)

    def enqueue(self, order: Order, demands: Demands) -> None:
        state = self._state
        waiting = self._waiting.get(demands)
        if waiting is None:
            waiting = Waiting()
            state.put(self._waiting, demands, waiting)
            for demand in demands:
                state.put(self._kinds.setdefault(demand.lock_path, {}), demands, None)
        arrival = self._restored_arrivals.pop(order.id, self._arrival + 1)
        self._arrival = max(self._arrival, arrival)
        state.put(waiting, order.id, (-order.priority, arrival))
        state.put(self._demands_of, order.id, demands)

    def dequeue(self, order_id: str) -> None:
        """The order does not wait any more, for whatever reason."""
        demands = self._demands_of.get(order_id)
        if demands is None:
            return
        state = self._state
        waiting = self._waiting[demands]
        state.remove(self._demands_of, order_id)
        state.remove(waiting, order_id)
        if not waiting:
            state.remove(self._waiting, demands)
            for demand in demands:
                state.remove(self._kinds[demand.lock_path], demands)

    def reprioritize(self, order: Order) -> None:
        demands = self._demands_of.get(order.id)
        if demands is not None:
            waiting = self._waiting[demands]
            self._state.put(waiting, order.id, (-order.priority, waiting[order.id][1]))

    def acquire(self, order_id: str, demands: Demands) -> None:
        for demand in demands:
            self._state.put(self.holders.setdefault(demand.lock_path, {}), order_id, demand.count)
            self._take(demand.lock_path, demand.count)

    def release(self, order_id: str, paths: tuple[str, ...]) -> None:
        for path in paths:
            holders = self.holders.get(path, {})
            if order_id in holders:
                self._take(path, holders[order_id], -1)
                self._state.remove(holders, order_id)

    def _take(self, path: str, count: int | None, sign: int = 1) -> None:
        """An exclusive holder counts nothing: it is the only one."""
        if count is not None:
            self._state.put(self._taken, path, self._taken.get(path, 0) + sign * count)

    # --- snapshots ---

    def snapshot(self) -> Iterator[LockState]:
        for path, item in self.items.items():
            members = msgspec.to_builtins(item)
            del members["TYPE"]
            queue = self.queue(path)
            yield LockState(
                lock=members,
                acquired=self._acquired(path),
                queue=tuple(order_id for _, order_id in queue),
                arrivals=tuple(arrival for arrival, _ in queue),
            )

    def _acquired(self, path: str) -> dict[str, Any]:
        holders = self.holders.get(path)
        if not holders:
            return {"TYPE": "Available"}
        order_id, count = next(iter(holders.items()))
        if count is None:
            return {"TYPE": "Exclusive", "orderId": order_id}
        return {"TYPE": "NonExclusive", "orderToCount": dict(holders)}

    def restore(self, snapshot: LockState) -> None:
        """Take over an item and its holders; waiting orders are queued when they are taken over themselves."""
        item = msgspec.convert({**snapshot.lock, "TYPE": "Lock"}, LockItem)
        self.items[item.path] = item
        acquired = snapshot.acquired
        if acquired["TYPE"] == "Exclusive":
            self.holders[item.path] = {acquired["orderId"]: None}
        elif acquired["TYPE"] == "NonExclusive":
            self.holders[item.path] = dict(acquired["orderToCount"])
            self._taken[item.path] = sum(acquired["orderToCount"].values())
        arrivals = snapshot.arrivals or range(1, len(snapshot.queue) + 1)
        self._restored_arrivals.update(zip(snapshot.queue, arrivals, strict=False))
