"""The engine's state: the fold of order events, with the indexes that keep each step's work constant.

`EngineState` owns plain containers of frozen values. `apply(key, event)` is the only writer; it is total and small, and
an event that does not fit is a bug and raises. Controller and Agent extend it with the items that they own; their
`apply` dispatches further event families.

Every change goes through `put` and `remove`, which note the old value while a transaction is open
(`stellwerk.engine.transaction`): so a transaction can be taken back as a whole, or back to a savepoint.
Indexes are derived: they never appear in snapshots, and recovery rebuilds them by the same code.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from stellwerk.engine.events import board as b
from stellwerk.engine.events import order as e
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import plan as p
from stellwerk.engine.locks import Locks
from stellwerk.engine.notices import Notices
from stellwerk.engine.order import (
    FRESH,
    AnyState,
    Attached,
    Cancelled,
    ExpectingNotices,
    FailedInFork,
    Order,
    Processing,
    Ready,
    WaitingForLock,
    child_of,
)
from stellwerk.engine.order import Forked as ForkedState
from stellwerk.engine.order_watches import OrderWatches
from stellwerk.engine.plans import CLOSED, DELETED, OPEN, Finished, Plans
from stellwerk.engine.transitions import RULES
from stellwerk.language.expressions import Expression
from stellwerk.language.instructions import (
    ConsumeNotices,
    End,
    ExecuteAnonymous,
    ExecuteNamed,
    ImplicitEnd,
    Lock,
)
from stellwerk.language.items import Calendar, SubagentBundle
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.positions import Position, WorkflowId, WorkflowPosition, fork_branch
from stellwerk.language.workflow import JobKey, Workflow
from stellwerk.values.json import decoder
from stellwerk.values.problems import Problem, ProblemError

_ABSENT: Any = object()
_state_decoder = decoder(AnyState)


class Controller(msgspec.Struct, frozen=True):
    """The role of a Controller: it has an order when that is detached."""

    @property
    def agent_path(self) -> str | None:
        return None


class Agent(msgspec.Struct, frozen=True):
    """The role of an Agent: it has an order when that is attached to it."""

    agent_path: str


Role = Controller | Agent

#: A heap: (priority, the highest first; arrival; order id).
WaitingQueue = list[tuple[Any, int, str]]


class PathControl(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    tag_field="TYPE",
    tag="WorkflowPathControl",
):
    """WorkflowPathControl: all versions of a workflow suspended, or labels skipped (workflow spec 8.8)."""

    path: str
    suspended: bool = False
    skip: tuple[str, ...] = ()
    item_revision: int | None = None


class Control(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    tag_field="TYPE",
    tag="WorkflowControl",
):
    """WorkflowControl: breakpoints of one workflow version (workflow spec 8.8)."""

    id: WorkflowId
    breakpoints: tuple[Position, ...] = ()
    item_revision: int | None = None


class SubagentMetrics(msgspec.Struct, frozen=True):
    """What a Subagent's machine has measured last; sizes in bytes."""

    cpu_load: float | None
    committed_virtual_memory_size: int
    free_memory_size: int
    total_memory_size: int


class EngineState:
    """Orders and what the engine must know to move them."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.controller_id = ""
        self.orders: dict[str, Order] = {}
        self.workflows: dict[WorkflowId, Workflow] = {}
        self.path_controls: dict[str, PathControl] = {}
        self.controls: dict[WorkflowId, Control] = {}
        #: Agent only: Subagents that take processes, in the order of their items.
        self.usable_subagents: dict[str, None] = {}
        #: Agent only: all Subagents of the Agent, usable or not.
        self.known_subagents: dict[str, None] = {}
        #: Agent only: the active Director's own Subagent.
        self.local_subagent_id: str | None = None
        #: Agent only: what Subagents have measured; an entry that has become stale is removed. Not part of the state.
        self.subagent_metrics: dict[str, SubagentMetrics] = {}
        self.process_limit: int | None = None
        #: Bundle ("": all Subagents) → its present group and whose turn it was. Not part of the state.
        self.subagent_turns: dict[str, tuple[tuple[str, ...], int]] = {}
        self.calendars: dict[str, Calendar] = {}
        self.subagent_bundles: dict[str, SubagentBundle] = {}
        #: Controller only.
        self.locks = Locks(self)
        self.notices = Notices(self)
        self.plans = Plans(self)
        self.order_watches = OrderWatches(self)
        #: Order id → files that wait until it is free. Not part of the state.
        self.files_waiting_for_id: dict[str, dict[tuple[str, str], None]] = {}
        # Derived:
        self.orders_of_workflow: dict[WorkflowId, int] = {}
        self.processes_of_job: dict[JobKey, int] = {}
        self.process_count: dict[str, int] = {"": 0}
        #: Subagent → its orders in state Processing; (bundle, Subagent) → how many were started through the bundle.
        self.processing_at: dict[str, dict[str, None]] = {}
        self.processes_of_bundle: dict[tuple[str, str], int] = {}
        self.joinable_children: dict[str, int] = {}
        #: Orders that wait for a process slot: per job, and under None for the Agent's own limit.
        self.waiting: dict[JobKey | None, WaitingQueue] = {}
        #: Orders that wait for a Subagent, by what they may use: a bundle, a Subagent, or "" for any.
        self.waiting_for_subagent: dict[str, WaitingQueue] = {}
        #: Order → what it waits for there, since which arrival, and whether it is queued now. An order that is taken
        #: out of the queue and looked at in vain gets its place back.
        self._subagent_waits: dict[str, tuple[str, int, bool]] = {}
        #: Orders that have been offered a slot or a Subagent, and which; see `stellwerk.engine.processing`.
        self.offered_slots: dict[str, JobKey | None] = {}
        self.offered_subagents: dict[str, str] = {}
        self._arrival = 0
        self._undo: list[tuple[dict[Any, Any], Any, Any]] | None = None
        self._timers: list[tuple[int, str]] = []
        #: Orders that wait until their job is admitted → until when (epoch milliseconds).
        self.admission_waits: dict[str, int] = {}
        #: Of a snapshot, until its orders are there: order → board → notices that it consumes.
        self._restored_consumptions: dict[str, dict[str, list[e.NoticeId]]] = {}
        self._structural: Mapping[type, Callable[[str, Any], None]] = {
            e.OrderAdded: self._order_added,
            e.OrderAttachedToAgent: self._order_attached_to_agent,
            e.OrderOrderAdded: self._order_order_added,
            e.OrderForked: self._order_forked,
            e.OrderJoined: self._order_joined,
            e.OrderDetached: self._order_detached,
            e.OrderDeleted: self._order_deleted,
            e.OrderPriorityChanged: self._order_priority_changed,
            e.OrderLocksQueued: self._order_locks_queued,
            e.OrderLocksAcquired: self._order_locks_acquired,
            e.OrderLocksReleased: self._order_locks_released,
            e.OrderNoticeAnnounced: self._order_notice_announced,
            e.OrderNoticePosted: self._order_notice_posted,
            e.OrderNoticesConsumptionStarted: self._order_notices_consumption_started,
            e.OrderNoticesConsumed: self._order_notices_consumed,
            e.OrderPlanAttached: self._order_plan_attached,
            b.NoticePosted: self._notice_posted,
            b.NoticeDeleted: self._notice_deleted,
            b.NoticeMoved: self._notice_moved,
            w.ExternalOrderRejected: lambda key, event: self.order_watches.on_rejected(key, event),
            p.PlanSchemaChanged: lambda key, event: self.plans.change_schema(
                key, event.finished_plan_retention_period, event.named_values
            ),
            p.PlanOpened: lambda key, event: self.plans.set_status(tuple(key), OPEN),
            p.PlanClosed: lambda key, event: self.plans.set_status(tuple(key), CLOSED),
            p.PlanFinished: lambda key, event: self.plans.set_status(tuple(key), Finished(event.at)),
            p.PlanDeleted: lambda key, event: self.plans.set_status(tuple(key), DELETED),
        }

    # --- writing ---

    def put(self, container: dict[Any, Any], key: Any, value: Any) -> None:
        """Set one entry; every change of the state is one of these."""
        if self._undo is not None:
            self._undo.append((container, key, container.get(key, _ABSENT)))
        container[key] = value

    def remove(self, container: dict[Any, Any], key: Any) -> None:
        if self._undo is not None:
            self._undo.append((container, key, container.get(key, _ABSENT)))
        container.pop(key, None)

    def begin(self) -> None:
        """Start to note old values. Transactions do not nest."""
        assert self._undo is None, "a transaction is already open"
        self._undo = []

    def savepoint(self) -> int:
        assert self._undo is not None
        return len(self._undo)

    def roll_back(self, savepoint: int = 0) -> None:
        """Take back every change since the savepoint."""
        undo = self._undo
        assert undo is not None
        while len(undo) > savepoint:
            container, key, old = undo.pop()
            if old is _ABSENT:
                container.pop(key, None)
            else:
                container[key] = old

    def end(self) -> None:
        """Close the transaction and keep its changes."""
        self._undo = None

    def apply(self, key: Any, event: Any) -> None:
        """Fold one event. Raises `ProblemError` (InapplicableOrderEvent) when it does not fit: a bug."""
        structural = self._structural.get(type(event))
        if structural is not None:
            structural(key, event)
        else:
            self._update(key, event)

    def _inapplicable(self, key: str, event: Any, why: str) -> ProblemError:
        tag = type(event).__struct_config__.tag
        return ProblemError(
            Problem(
                code="InapplicableOrderEvent",
                arguments={"event": str(tag), "order": key},
                message=f"{tag} is not applicable to Order:{key}: {why}",
            )
        )

    def _update(self, key: str, event: Any) -> Order:
        """Apply the event's row of the transition table."""
        order = self.orders.get(key)
        if order is None:
            raise self._inapplicable(key, event, "there is no such order")
        rule = RULES[type(event)]
        refusal = rule.refusal(order, event)
        if refusal is not None:
            raise self._inapplicable(key, event, refusal)
        changed = rule.effect(order, event)
        if changed is not order:
            self._put_order(order, changed)
        return changed

    def _put_order(self, old: Order | None, new: Order) -> None:
        self.put(self.orders, new.id, new)
        old_state = old.state if old is not None else None
        if old_state is not new.state:
            # An order keeps its position while its state changes to or from Processing.
            if isinstance(old_state, Processing):
                self._count_process(new, old_state, -1)
            if isinstance(new.state, Processing):
                self._count_process(new, new.state, 1)
            if type(old_state) is WaitingForLock:
                self.locks.dequeue(new.id)
            if isinstance(old_state, ExpectingNotices):
                self.notices.expect_no_more(new.id, old_state.notice_ids)
            if isinstance(new.state, ExpectingNotices):
                self.notices.expect(new.id, new.state.notice_ids)
        if old is None or old_state is not new.state or old.attached_state is not new.attached_state:
            due = new.delayed_until
            if due is not None and self.has(new):
                heapq.heappush(self._timers, (due, new.id))
        if new.parent is not None:
            is_joinable = self.is_joinable(new)
            if is_joinable != (old is not None and self.is_joinable(old)):
                self._count_joinable(new.parent, 1 if is_joinable else -1)
        if old is None:
            self._count_order(new.workflow_id, 1)
            self.plans.count_order(new.plan_id, 1)
        elif old.workflow_id != new.workflow_id:
            self._count_order(old.workflow_id, -1)
            self._count_order(new.workflow_id, 1)

    def _remove_order(self, order: Order) -> None:
        self.remove(self.orders, order.id)
        self._count_order(order.workflow_id, -1)
        self.plans.count_order(order.plan_id, -1)
        if isinstance(order.state, Processing):
            self._count_process(order, order.state, -1)
        elif type(order.state) is WaitingForLock:
            self.locks.dequeue(order.id)
        elif isinstance(order.state, ExpectingNotices):
            self.notices.expect_no_more(order.id, order.state.notice_ids)
        if order.parent is not None and self.is_joinable(order):
            self._count_joinable(order.parent, -1)

    def _count_joinable(self, parent: str, difference: int) -> None:
        count = self.joinable_children.get(parent, 0) + difference
        if count:
            self.put(self.joinable_children, parent, count)
        else:
            self.remove(self.joinable_children, parent)

    def _count_order(self, workflow_id: WorkflowId, difference: int) -> None:
        count = self.orders_of_workflow.get(workflow_id, 0) + difference
        if count:
            self.put(self.orders_of_workflow, workflow_id, count)
        else:
            self.remove(self.orders_of_workflow, workflow_id)

    def _count_process(self, order: Order, processing: Processing, difference: int) -> None:
        self.put(self.process_count, "", self.process_count[""] + difference)
        subagent_id = processing.subagent_id
        if subagent_id is not None:
            orders = self.processing_at.setdefault(subagent_id, {})
            if difference > 0:
                self.put(orders, order.id, None)
            else:
                self.remove(orders, order.id)
            if processing.subagent_bundle_id is not None:
                bundle_key = (processing.subagent_bundle_id, subagent_id)
                self.put(self.processes_of_bundle, bundle_key, self.processes_of_bundle.get(bundle_key, 0) + difference)
        workflow = self.workflows.get(order.workflow_id)
        if workflow is not None:
            key, _ = workflow.job(order.position)
            count = self.processes_of_job.get(key, 0) + difference
            if count:
                self.put(self.processes_of_job, key, count)
            else:
                self.remove(self.processes_of_job, key)

    def _add(self, order: Order, event: Any) -> None:
        if order.id in self.orders:
            raise self._inapplicable(order.id, event, "the order already exists")
        self._put_order(None, order)

    def _order_added(self, key: str, event: e.OrderAdded) -> None:
        start = event.start_position if event.start_position is not None else (*event.inner_block, 0)
        external = event.external_order_key
        if external is not None:
            self.order_watches.on_order_added(external.order_watch_path, external.name, key)
        self._add(
            Order(
                id=key,
                workflow_position=WorkflowPosition(event.workflow_id, start),
                state=FRESH,
                arguments=event.arguments,
                plan_id=event.plan_id or (),
                scheduled_for=event.scheduled_for,
                external_order=None
                if external is None
                else e.ExternalOrder(order_watch_path=external.order_watch_path, name=external.name),
                priority=event.priority,
                delete_when_terminated=event.delete_when_terminated,
                force_admission=event.force_admission,
                inner_block=event.inner_block,
                stop_positions=event.stop_positions,
            ),
            event,
        )

    def _order_order_added(self, key: str, event: e.OrderOrderAdded) -> None:
        self._update(key, event)
        start = event.start_position if event.start_position is not None else (*event.inner_block, 0)
        self._add(
            Order(
                id=event.order_id,
                workflow_position=WorkflowPosition(event.workflow_id, start),
                state=FRESH,
                arguments=event.arguments,
                plan_id=event.plan_id,
                priority=event.priority,
                delete_when_terminated=event.delete_when_terminated,
                force_admission=event.force_admission,
                inner_block=event.inner_block,
                stop_positions=event.stop_positions,
            ),
            event,
        )

    def _order_attached_to_agent(self, key: str, event: e.OrderAttachedToAgent) -> None:
        self._add(
            Order(
                id=key,
                workflow_position=event.workflow_position,
                state=msgspec.convert(event.state, AnyState),
                arguments=event.arguments,
                plan_id=event.plan_id,
                scheduled_for=event.scheduled_for,
                external_order=event.external_order,
                attached_state=Attached(event.agent_path),
                parent=event.parent,
                priority=event.priority,
                mark=event.mark,
                is_suspended=event.is_suspended,
                is_resumed=event.is_resumed,
                delete_when_terminated=event.delete_when_terminated,
                force_admission=event.force_admission,
                sticky_subagents=event.sticky_subagents,
                inner_block=event.inner_block,
                stop_positions=event.stop_positions,
                historic_outcomes=event.historic_outcomes,
            ),
            event,
        )

    def _order_forked(self, key: str, event: e.OrderForked) -> None:
        order = self._update(key, event)
        for child in event.children:
            self._add(child_of(order, child), event)

    def _order_joined(self, key: str, event: e.OrderJoined) -> None:
        forked = self.orders[key].state if key in self.orders else None
        self._update(key, event)
        assert isinstance(forked, ForkedState)
        for child in forked.children:
            order = self.orders.get(child.order_id)
            if order is not None:
                self._remove_order(order)

    def _order_detached(self, key: str, event: e.OrderDetached) -> None:
        order = self._update(key, event)
        if isinstance(self.role, Agent):
            self._remove_order(order)

    def _order_deleted(self, key: str, event: e.OrderDeleted) -> None:
        order = self._update(key, event)
        self._remove_order(order)
        self.notices.end_announcements(key)
        if order.external_order is not None:
            self.order_watches.on_order_deleted(order.external_order.order_watch_path, order.external_order.name)

    def _order_priority_changed(self, key: str, event: e.OrderPriorityChanged) -> None:
        self.locks.reprioritize(self._update(key, event))

    def _order_locks_queued(self, key: str, event: e.OrderLocksQueued) -> None:
        self.locks.enqueue(self._update(key, event), event.demands)

    def _order_locks_acquired(self, key: str, event: e.OrderLocksAcquired) -> None:
        self._update(key, event)
        self.locks.acquire(key, event.demands)

    def _order_locks_released(self, key: str, event: e.OrderLocksReleased) -> None:
        self._update(key, event)
        self.locks.release(key, event.lock_paths)

    def _order_notice_announced(self, key: str, event: e.OrderNoticeAnnounced) -> None:
        self._update(key, event)
        self.notices.announce(event.notice_id, key)

    def _order_notice_posted(self, key: str, event: e.OrderNoticePosted) -> None:
        self._update(key, event)
        self.notices.post(event.notice_id, event.end_of_life)

    def _order_notices_consumption_started(self, key: str, event: e.OrderNoticesConsumptionStarted) -> None:
        self._update(key, event)
        self.notices.start_consumption(key, event.notice_ids)

    def _order_notices_consumed(self, key: str, event: e.OrderNoticesConsumed) -> None:
        self._update(key, event)
        self.notices.end_consumption(key, event.failed)

    def _order_plan_attached(self, key: str, event: e.OrderPlanAttached) -> None:
        old = self.orders.get(key)
        new = self._update(key, event)
        assert old is not None
        self.plans.count_order(old.plan_id, -1)
        self.plans.count_order(new.plan_id, 1)

    def _notice_posted(self, key: str, event: b.NoticePosted) -> None:
        plan_id, notice_key = b.split_planned_notice_key(event.planned_notice_key)
        self.notices.post(b.notice_id(plan_id, key, notice_key), event.end_of_life)

    def _notice_deleted(self, key: str, event: b.NoticeDeleted) -> None:
        plan_id, notice_key = b.split_planned_notice_key(event.planned_notice_key)
        self.notices.delete(b.notice_id(plan_id, key, notice_key))

    def _notice_moved(self, key: str, event: b.NoticeMoved) -> None:
        from_plan, from_key = b.split_planned_notice_key(event.from_planned_notice_key)
        to_plan, to_key = b.split_planned_notice_key(event.to_planned_notice_key)
        self.notices.delete(b.notice_id(from_plan, key, from_key))
        self.notices.post(b.notice_id(to_plan, key, to_key), event.end_of_life)

    def add_order(self, order: Order) -> None:
        """Take over an order of a snapshot; items and what is known of locks and notices come before."""
        self._put_order(None, order)
        if type(order.state) is WaitingForLock:
            instruction = self.workflow(order.workflow_id).instruction(order.position)
            assert isinstance(instruction, Lock)
            self.locks.enqueue(order, instruction.demands)
        stacks = self._restored_consumptions.pop(order.id, None)
        if stacks is not None:
            self.notices.restore_consumptions(order.id, stacks, self._consumed_boards(order))

    def restore_consumption(self, board_path: str, order_id: str, notice_ids: tuple[e.NoticeId, ...]) -> None:
        """Of a snapshot: notices that an order consumes, which is taken over later."""
        self._restored_consumptions.setdefault(order_id, {})[board_path] = list(notice_ids)

    def _consumed_boards(self, order: Order) -> list[list[str]]:
        """The boards of each ConsumeNotices block that the order itself has entered, outermost first."""
        workflow = self.workflow(order.workflow_id)
        boards: list[list[str]] = []
        entered = max(len(fork_branch(order.position)), len(order.inner_block))
        for length in range(entered + 1, len(order.position), 2):
            if order.position[length] == "consumeNotices":
                instruction = workflow.instruction(order.position[:length])
                assert isinstance(instruction, ConsumeNotices)
                boards.append(list(instruction.boards.board_paths()))
        return boards

    # --- reading ---

    def has(self, order: Order) -> bool:
        """May this node act on the order?"""
        if isinstance(self.role, Controller):
            return order.attached_state is None
        return type(order.attached_state) is Attached

    def workflow(self, workflow_id: WorkflowId) -> Workflow:
        found = self.workflows.get(workflow_id)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{workflow_id}")
        return found

    def current_workflow_id(self, path: str) -> WorkflowId:
        """The version that new orders get. The Controller answers from its repository."""
        raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{path}")

    def order(self, order_id: str) -> Order:
        """Raises `ProblemError` UnknownKey."""
        found = self.orders.get(order_id)
        if found is None:
            raise ProblemError.of("UnknownKey", type="OrderId", key=f"Order:{order_id}")
        return found

    def is_joinable(self, order: Order) -> bool:
        """Is this child ready for the join: at the end of its branch, failed in the fork, or cancelled?"""
        if order.attached_state is not None or order.is_suspended_or_stopped:
            return False
        if isinstance(order.state, FailedInFork | Cancelled):
            return True
        if type(order.state) is not Ready or len(order.position) != len(fork_branch(order.position)) + 1:
            return False
        workflow = self.workflows.get(order.workflow_id)
        return workflow is not None and isinstance(workflow.instruction(order.position), End | ImplicitEnd)

    def wait_for_slot(self, key: JobKey | None, order: Order) -> None:
        """Queue an order for a process slot, by priority, then arrival. Entries that have become void do no harm."""
        self._arrival += 1
        heapq.heappush(self.waiting.setdefault(key, []), (-order.priority, self._arrival, order.id))

    def wait_for_subagent(self, order: Order, wish: str) -> None:
        """Queue an order until a Subagent that it may use is usable; `wish` as in `waiting_for_subagent`."""
        known = self._subagent_waits.get(order.id)
        if known is None or known[0] != wish:
            self._arrival += 1
            known = (wish, self._arrival, False)
        elif known[2]:
            return
        arrival = known[1]
        self._subagent_waits[order.id] = (wish, arrival, True)
        heapq.heappush(self.waiting_for_subagent.setdefault(wish, []), (-order.priority, arrival, order.id))

    def is_waiting_for_subagent(self, order_id: str, wish: str) -> bool:
        known = self._subagent_waits.get(order_id)
        return known is not None and known[0] == wish and known[2]

    def next_waiting(self, key: JobKey | None) -> str | None:
        """Take the first order that still waits for a slot of this job (None: of the Agent)."""
        return self._pop_waiting(self.waiting, key, lambda order: key is None or self.job_key(order) == key)

    def next_waiting_for_subagent(self, wish: str) -> str | None:
        """Take the first order that still waits for this. It gets its place back if it has to wait again."""
        queue = self.waiting_for_subagent.get(wish)
        while queue and self._subagent_waits.get(queue[0][2]) != (wish, queue[0][1], True):
            heapq.heappop(queue)  # has been started, or has waited for something else since
        order_id = self._pop_waiting(self.waiting_for_subagent, wish, lambda order: self.job_key(order) is not None)
        if order_id is not None:
            self._subagent_waits[order_id] = (wish, self._subagent_waits[order_id][1], False)
        return order_id

    def waits_no_more(self, order_id: str) -> None:
        """The order has got a Subagent, or does not want one any more."""
        self._subagent_waits.pop(order_id, None)

    def _pop_waiting(
        self, queues: dict[Any, WaitingQueue], key: Any, still_wants: Callable[[Order], bool]
    ) -> str | None:
        queue = queues.get(key)
        while queue:
            order_id = heapq.heappop(queue)[2]
            order = self.orders.get(order_id)
            if (
                order is not None
                and order.state.is_fresh_or_ready
                and self.has(order)
                and not order.is_suspended
                and still_wants(order)
            ):
                return order_id
            self.waits_no_more(order_id)
        queues.pop(key, None)
        return None

    def job_key(self, order: Order) -> JobKey | None:
        """The job at the order's position, None when it is not at an Execute instruction."""
        workflow = self.workflows.get(order.workflow_id)
        if workflow is None or not isinstance(workflow.instruction(order.position), ExecuteNamed | ExecuteAnonymous):
            return None
        return workflow.job(order.position)[0]

    def job_resource_variables(self) -> Mapping[str, Mapping[str, Expression]] | None:
        """Variables of the job resources known here; nodes that hold such items override it."""
        return None

    def job(self, order: Order) -> tuple[JobKey, WorkflowJob]:
        return self.workflow(order.workflow_id).job(order.position)

    def next_due(self) -> int | None:
        """Epoch milliseconds of the earliest timer: of an order that this node has, a notice, a plan; or None."""
        dues = (self._next_order_due(), self.notices.next_end_of_life(), self.plans.next_retention_end())
        return min((due for due in dues if due is not None), default=None)

    def _next_order_due(self) -> int | None:
        """Timers that have become void are dropped on the way, so that each is looked at once."""
        while self._timers:
            due, order_id = self._timers[0]
            order = self.orders.get(order_id)
            if (
                order is not None
                and (order.delayed_until == due or self.admission_waits.get(order_id) == due)
                and self.has(order)
            ):
                return due
            heapq.heappop(self._timers)
        return None

    def wait_for_admission(self, order: Order, until_ms: int) -> None:
        """Have an order looked at again when its job is admitted. Not part of the state: it is worked out anew."""
        if self.admission_waits.get(order.id) != until_ms:
            self.admission_waits[order.id] = until_ms
            heapq.heappush(self._timers, (until_ms, order.id))

    def pop_due(self, now_ms: int, limit: int = 1000) -> list[str]:
        """Ids of the orders whose time has come; each is delivered once."""
        due: list[str] = []
        while len(due) < limit:
            next_due = self._next_order_due()
            if next_due is None or next_due > now_ms:
                break
            order_id = heapq.heappop(self._timers)[1]
            self.admission_waits.pop(order_id, None)
            due.append(order_id)
        return due

    def processing_orders(self) -> Iterator[Order]:
        return (order for order in self.orders.values() if type(order.state) is Processing)

    def copy_orders(self) -> list[Order]:
        """A shallow copy for a snapshot; orders are immutable."""
        return list(self.orders.values())
