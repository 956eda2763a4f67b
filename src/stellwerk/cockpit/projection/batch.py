"""What one batch of events has found and changed: the orders it touches, rows of history, the log pieces of tasks.

The handlers of events (`order_events`, `task_events`, `position_events`, `notice_events`, `item_events`) change it;
`fold` calls them; it knows no database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from stellwerk.cockpit.projection.changes import Changes, history_state, live_row, order_row, step_row
from stellwerk.cockpit.projection.lines import ChildOrder, Event
from stellwerk.cockpit.projection.logs import LogBatch
from stellwerk.cockpit.projection.model import LiveOrder, LiveTask, position_text
from stellwerk.cockpit.projection.notices import Places
from stellwerk.cockpit.projection.observations import Observation, observation_row
from stellwerk.cockpit.projection.workflow_index import Step, WorkflowIndex
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import Place
from stellwerk.values.json import encode


class Ids:
    """Counters for ids of history rows; the writer reads them before a fold and stores them with its rows."""

    __slots__ = ("order", "task")

    def __init__(self, order: int, task: int) -> None:
        self.order = order
        self.task = task

    def next_order(self) -> int:
        self.order += 1
        return self.order

    def next_task(self) -> int:
        self.task += 1
        return self.task


class Work:
    """One order during one batch."""

    __slots__ = (
        "first_event_id",
        "history_changed",
        "last_event_id",
        "last_time",
        "lines",
        "log",
        "order",
        "removed",
        "stored",
        "task_changed",
    )

    def __init__(self, order: LiveOrder, stored: bool) -> None:
        self.order = order
        #: The live table has a row of it.
        self.stored = stored
        self.removed = False
        self.lines: list[bytes] = []
        self.first_event_id = 0
        self.last_event_id = 0
        self.last_time = 0
        #: The history row says something else now. Moves alone do not count: where an order is, the live table says.
        self.history_changed = False
        self.task_changed = False
        self.log: LogBatch | None = None


WorkflowLookup = Callable[[str, str], WorkflowIndex | None]


class Batch:
    """One batch of one Controller."""

    def __init__(
        self,
        controller_id: str,
        orders: Mapping[str, LiveOrder],
        workflows: WorkflowLookup,
        ids: Ids,
        places: Mapping[NoticeId, Place] = MappingProxyType({}),
        *,
        observes_successes: bool = False,
    ) -> None:
        self.controller_id = controller_id
        self._observes_successes = observes_successes
        self.places = Places(places)
        self.changes = Changes()
        #: Workflows that this batch has added: by path and version.
        self.new_workflows: dict[tuple[str, str], WorkflowIndex] = {}
        self.ids = ids
        self.workflows = workflows
        self.work = {order_id: Work(order, True) for order_id, order in orders.items()}
        self.touched: dict[int, Work] = {}
        self.current_version = ""
        self.last_event_id = 0
        self.previous_event_id = 0

    def finish(self) -> Changes:
        """The rows of everything touched."""
        changes = self.changes
        for work in self.touched.values():
            self._flush(work)
        changes.notices, changes.notices_removed = self.places.rows(self.controller_id, self.last_event_id)
        return changes

    def live_orders(self) -> dict[str, LiveOrder]:
        """The live orders after the batch, for the writer's cache."""
        return {order_id: work.order for order_id, work in self.work.items() if not work.removed}

    def order(self, order_id: str) -> LiveOrder | None:
        """The order as it is now."""
        work = self.work.get(order_id)
        return work.order if work is not None else None

    def touch(self, work: Work, event_id: int, time_ms: int) -> None:
        """An event of this order is in the batch."""
        if not work.lines and work.last_event_id == 0:
            self.touched[id(work)] = work
            work.first_event_id = event_id
        work.last_event_id = event_id
        work.last_time = time_ms

    def new_order(self, event: Event, order_id: str) -> LiveOrder:
        workflow = event.workflow_id
        history_id = self.ids.next_order()
        position = event.start_position or [*(event.inner_block or []), 0]
        return LiveOrder(
            order_id=order_id,
            history_id=history_id,
            main_history_id=history_id,
            workflow_path=workflow.path if workflow else "",
            workflow_version_id=workflow.version_id if workflow else "",
            position=position,
            state="Fresh",
            since=event.time_ms,
            added=event.time_ms,
            scheduled_for=event.scheduled_for,
            arguments=bytes(event.arguments),
            plan_id=bytes(event.plan_id),
            priority=event.priority,
            delete_when_terminated=event.delete_when_terminated,
        )

    def new_child(self, parent: LiveOrder, child: ChildOrder, event: Event) -> Work:
        position = [*parent.position, "fork" if child.branch_id is None else f"fork+{child.branch_id}", 0]
        order = LiveOrder(
            order_id=child.order_id,
            history_id=self.ids.next_order(),
            main_history_id=parent.main_history_id,
            parent_history_id=parent.history_id,
            parent=parent.order_id,
            branch_id=child.branch_id or child.order_id.rsplit("|", 1)[-1],
            workflow_path=parent.workflow_path,
            workflow_version_id=parent.workflow_version_id,
            position=position,
            state="Ready",
            since=event.time_ms,
            added=event.time_ms,
            scheduled_for=parent.scheduled_for,
            arguments=merged(parent.arguments, bytes(child.arguments)),
            plan_id=parent.plan_id,
            priority=parent.priority,
            attached=parent.attached,
            agent_id=parent.agent_id,
            started=event.time_ms,
            start_event_id=event.event_id,
            start_position=position_text(position),
            revision=event.event_id,
        )
        former = self.work.get(child.order_id)
        if former is not None:
            self.remove(former)
        work = Work(order, former.stored if former else False)
        work.first_event_id = work.last_event_id = event.event_id
        work.last_time = event.time_ms
        work.history_changed = True
        self.work[child.order_id] = work
        self.touched[id(work)] = work
        return work

    def observe(self, observation: Observation) -> None:
        """Lay it aside for monitoring, unless nobody wants to know."""
        if observation.is_error or observation.has_failed or self._observes_successes:
            self.changes.observations.append(observation_row(self.controller_id, observation))

    def step(self, order: LiveOrder) -> Step | None:
        key = (order.workflow_path, order.workflow_version_id)
        workflow = self.new_workflows.get(key) or self.workflows(*key)
        return workflow.step(order.position) if workflow is not None else None

    def log(self, work: Work, task: LiveTask, event_id: int) -> LogBatch:
        if work.log is None or work.log.task is not task:
            self.flush_log(work)
            work.log = LogBatch(task, event_id)
        return work.log

    def flush_log(self, work: Work) -> None:
        log = work.log
        if log is not None and log.pieces:
            self.changes.log_chunks.append(log.row())
            self.changes.logs[log.task.task_id] = log.task.log_lines
        work.log = None

    def remove(self, work: Work) -> None:
        """The order is no longer at the Controller."""
        work.removed = True
        self.work.pop(work.order.order_id, None)
        self.touched[id(work)] = work

    def _flush(self, work: Work) -> None:
        changes, order = self.changes, work.order
        self.flush_log(work)
        if work.task_changed and order.task is not None:
            changes.steps.append(step_row(self.controller_id, order, order.task, None, work.last_time))
        if order.started is not None and work.history_changed:
            changes.orders.append(order_row(self.controller_id, order, history_state(order), work.last_time))
        if work.removed and order.started is None:
            # An order that never started leaves no history (cockpit-services 5.2).
            if work.stored:
                changes.events_removed.append(order.history_id)
        elif work.lines:
            changes.events.append(
                (
                    order.history_id,
                    work.first_event_id,
                    work.last_event_id,
                    order.main_history_id,
                    len(work.lines),
                    b"\n".join(work.lines),
                )
            )
        if work.removed:
            if work.stored and order.order_id not in self.work:
                changes.live_removed.append(order.order_id)
            changes.removed.append(order)
        else:
            changes.live.append(live_row(self.controller_id, order))
            changes.touched.append(order)


OrderHandler = Callable[[Batch, Work, Event], None]
OtherHandler = Callable[[Batch, Event], None]


def merged(first: bytes, second: bytes) -> bytes:
    if not second or second == b"{}":
        return first
    if not first:
        return second
    return encode({**msgspec.json.decode(first), **msgspec.json.decode(second)})
