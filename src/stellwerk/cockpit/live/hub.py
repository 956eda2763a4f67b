"""`LiveHub`: hears of every committed transaction and tells subscribers, without ever holding up the projection.

A subscription collects what is new since it was last read: the newest row per order, and the names of topics whose rows
are read from the database when they are sent. So a slow reader costs memory per *thing*, not per event, and misses only
intermediate states; above a limit it is told `gap`. Events for the compatible `events` poll are kept for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.live.rows import OrderRow, order_row
from stellwerk.cockpit.projection.follower import LinkState
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.cockpit.projection.writer import Projected
from stellwerk.effects.clock import Clock

MAXIMUM_PENDING = 5000
MAXIMUM_EVENTS = 20_000
#: How long events wait for a poll: the longest response period and 30 s (cockpit-api 5).
RETENTION_SECONDS = 210.0


class EventSnapshot(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One event of the compatible API (type `EventSnapshot`)."""

    event_type: str
    object_type: str
    path: str | None = None
    workflow: tuple[str, str] | None = None
    access_token: str | None = None
    message: str | None = None
    #: Of a notification: what `eventsFromOrderMonitoring` or `eventsFromSystemMonitoring` say of it.
    monitoring: tuple[tuple[str, str], ...] | None = None


class Gone(msgspec.Struct, frozen=True, rename="camel"):
    """An order that is not at its Controller any more, with what is needed to know who may hear of it."""

    controller_id: str
    workflow: str


class _Kept(msgspec.Struct, frozen=True, gc=False):
    id: int
    time: float
    controller_id: str
    snapshot: EventSnapshot


class Subscription:
    """One reader of the hub; `topics` may be changed at any time."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = frozenset(topics)
        self.changed = asyncio.Event()
        self._orders: dict[tuple[str, str], OrderRow | Gone] = {}
        self._dirty: set[str] = set()
        self.is_torn = False

    def wants_orders(self) -> bool:
        return any(topic == "orders" or topic.startswith("order:") for topic in self.topics)

    def put_order(self, topic: str, key: str, row: OrderRow | Gone) -> None:
        if topic not in self.topics:
            return
        self._orders[topic, key] = row
        if len(self._orders) > MAXIMUM_PENDING:
            self.tear()
        self.changed.set()

    def mark(self, topic: str) -> None:
        if topic in self.topics:
            self._dirty.add(topic)
            self.changed.set()

    def tear(self) -> None:
        """The reader has to fetch everything again."""
        self._orders.clear()
        self.is_torn = True
        self.changed.set()

    def drain(self) -> tuple[dict[str, dict[str, OrderRow | Gone]], set[str], bool]:
        """Order rows by topic and key, topics to read, and whether there was a gap; then empty."""
        orders: dict[str, dict[str, OrderRow | Gone]] = {}
        for (topic, key), row in self._orders.items():
            orders.setdefault(topic, {})[key] = row
        dirty, torn = self._dirty, self.is_torn
        self._orders, self._dirty, self.is_torn = {}, set(), False
        self.changed.clear()
        return orders, dirty, torn


class LiveHub:
    """See the module's text. `cursor` grows with every change, also across restarts (seeded with the time)."""

    def __init__(self, clock: Clock, names: WorkflowNames) -> None:
        self._clock = clock
        self.names = names
        self.cursor = clock.now_ms()
        self._subscriptions: set[Subscription] = set()
        self._events: deque[_Kept] = deque(maxlen=MAXIMUM_EVENTS)
        self._event_id = clock.now_ms() // 1000
        self._polls: set[asyncio.Event] = set()
        #: Until then somebody may poll again; afterwards nobody needs events to be kept.
        self._polled_until = 0.0
        self.closing = asyncio.Event()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Readers answer what they have and end."""
        self.closing.set()
        for subscription in self._subscriptions:
            subscription.changed.set()
        for poll in self._polls:
            poll.set()

    @property
    def has_readers(self) -> bool:
        """Somebody listens, or may poll again."""
        return bool(self._subscriptions) or asyncio.get_running_loop().time() <= self._polled_until

    def is_wanted(self, topic: str) -> bool:
        """Somebody reads the topic now."""
        return any(topic in subscription.topics for subscription in self._subscriptions)

    def mark(self, topic: str) -> None:
        """What the topic reads is different, or older: its readers are sent it again."""
        self.cursor += 1
        self._mark({topic})

    # --- from the projection

    async def projected(self, controller_id: str, projected: Projected) -> None:
        """A transaction has been committed."""
        changes = projected.changes
        self.cursor += 1
        if changes.items_touched:
            await self.names.refresh()
        self._compatible(controller_id, projected)
        if not self._subscriptions:
            return
        if any(subscription.wants_orders() for subscription in self._subscriptions):
            await self.names.prepare(changes.touched)
            now = self._clock.now_ms()
            for order in changes.touched:
                self._put(order, order_row(controller_id, order, now, self.names))
            for order in changes.removed:
                self._put(order, Gone(controller_id, self.names.path(order.workflow_path)))
        self._mark_topics(projected)

    def _put(self, order: LiveOrder, row: OrderRow | Gone) -> None:
        topics = {"orders", f"order:{order.order_id}", f"order:{order.order_id.split('|', 1)[0]}"}
        for subscription in self._subscriptions:
            for topic in topics:
                subscription.put_order(topic, order.order_id, row)

    def _mark_topics(self, projected: Projected) -> None:
        changes = projected.changes
        topics: set[str] = set()
        if changes.touched or changes.removed:
            topics |= {"counts", "attention", "workflows"}
            for order in (*changes.touched, *changes.removed):
                topics.add(f"workflow:{self.names.path(order.workflow_path)}")
                topics.add(f"log:order:{order.main_history_id}")
        if changes.items_touched:
            topics |= {"workflows", "inventory"}
        if changes.agents_touched or changes.controller_state is not None:
            topics |= {"agents", "cluster", "topology", "attention"}
        topics |= {f"log:task:{task_id}" for task_id in changes.logs}
        self._mark(topics)

    async def refetch(self, controller_id: str) -> None:
        """Everything of the Controller (empty id: of all) may be different."""
        await self.names.refresh()
        self.tear()
        self.emit(controller_id, EventSnapshot("ControllerStateChanged", "CONTROLLER", controller_id))

    def tear(self) -> None:
        """All readers of the native stream fetch again."""
        self.cursor += 1
        for subscription in self._subscriptions:
            subscription.tear()

    def link_changed(self, controller_id: str, link: LinkState) -> None:
        """The active Cockpit's link to a Controller has changed."""
        kind = "ProxyCoupled" if link.state == "coupled" else "ProxyDecoupled"
        self.emit(controller_id, EventSnapshot(kind, "CONTROLLER", controller_id))
        self._mark({"cluster", "topology", "attention"})

    def _mark(self, topics: set[str]) -> None:
        for subscription in self._subscriptions:
            for topic in topics & subscription.topics:
                subscription.mark(topic)

    # --- the native stream

    def subscribe(self, topics: Iterable[str]) -> Subscription:
        subscription = Subscription(topics)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    # --- the compatible long poll

    def emit(self, controller_id: str, snapshot: EventSnapshot) -> None:
        """Tell the `events` polls of one Controller (empty id: all)."""
        self._emit(controller_id, [snapshot])

    def _emit(self, controller_id: str, snapshots: Iterable[EventSnapshot]) -> None:
        now = asyncio.get_running_loop().time()
        while self._events and self._events[0].time < now - RETENTION_SECONDS:
            self._events.popleft()
        self._event_id = max(self._event_id + 1, self._clock.now_ms() // 1000)
        for snapshot in snapshots:
            self._events.append(_Kept(self._event_id, now, controller_id, snapshot))
        for poll in self._polls:
            poll.set()

    @property
    def event_id(self) -> int:
        return self._event_id

    def events_after(
        self, controller_id: str, event_id: int, token: str, is_visible: Callable[[EventSnapshot], bool]
    ) -> tuple[int, list[EventSnapshot]]:
        """Distinct events after `event_id` for this Controller and session, and the id to go on with."""
        found: dict[EventSnapshot, None] = {}
        last = event_id
        for kept in reversed(self._events):
            if kept.id <= event_id:
                break
            last = max(last, kept.id)
            for_me = kept.snapshot.access_token in (None, token)
            if for_me and kept.controller_id in ("", controller_id) and is_visible(kept.snapshot):
                found[kept.snapshot] = None
        return last, list(reversed(found))

    def poll(self) -> asyncio.Event:
        """Set at the next event; give it back with `end_poll`."""
        self._polled_until = asyncio.get_running_loop().time() + RETENTION_SECONDS
        event = asyncio.Event()
        self._polls.add(event)
        return event

    def end_poll(self, event: asyncio.Event) -> None:
        self._polls.discard(event)

    def _compatible(self, controller_id: str, projected: Projected) -> None:
        if asyncio.get_running_loop().time() > self._polled_until:
            return
        changes = projected.changes
        found: dict[EventSnapshot, None] = {}
        for order in (*changes.touched, *changes.removed):
            path = self.names.path(order.workflow_path)
            workflow = (path, order.workflow_version_id)
            found[EventSnapshot("WorkflowStateChanged", "WORKFLOW", path, workflow)] = None
            if order.started is not None:
                kind = "HistoryOrderTerminated" if order.ended is not None else "HistoryOrderUpdated"
                found[EventSnapshot(kind, "ORDERHISTORY", order.order_id)] = None
        for order_id, _ in changes.tasks_touched:
            found[EventSnapshot("HistoryTaskStarted", "TASKHISTORY", order_id)] = None
        for row in changes.agents:
            found[EventSnapshot("AgentStateChanged", "AGENT", str(row[2]))] = None
        for row in changes.items:
            if row[1] == "Workflow":
                found[EventSnapshot("ItemChanged", "WORKFLOW", self.names.path(str(row[2])))] = None
        if changes.controller_state is not None:
            found[EventSnapshot("ControllerStateChanged", "CONTROLLER", controller_id)] = None
        if found:
            self._emit(controller_id, found)
