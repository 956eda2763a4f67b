"""Events → row changes. Pure: `Fold` gets the live orders that a batch touches, gives `Changes`, knows no database.

Guarantees: constant work per event; every event of an order is kept as it came, except output, which goes to the task's
log; each `OrderProcessingStarted` gives exactly one task row (an *attempt*).

Tolerance: an event that does not fit the live state (possible only after a torn stream) changes what it can and fails
nothing; a line that is no event raises `ProjectionError`, because skipping it would lose history silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from stellwerk.cockpit.projection import clusters
from stellwerk.cockpit.projection.changes import (
    Changes,
    TaskEnd,
    history_state,
    live_row,
    order_row,
    step_row,
)
from stellwerk.cockpit.projection.lines import ChildOrder, Event, Outcome, decode_event
from stellwerk.cockpit.projection.logs import ERR, MAIN, OUT, LogBatch
from stellwerk.cockpit.projection.model import (
    LiveOrder,
    LiveTask,
    normalized,
    position_text,
    try_number,
)
from stellwerk.cockpit.projection.notices import Places, ids_of
from stellwerk.cockpit.projection.workflow_index import Step, WorkflowIndex
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import Place
from stellwerk.values.json import encode


class ProjectionError(Exception):
    """A line of the stream cannot be understood; the follower stops and says so."""


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


class _Work:
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


class Fold:
    """One batch of one Controller."""

    def __init__(
        self,
        controller_id: str,
        orders: Mapping[str, LiveOrder],
        workflows: WorkflowLookup,
        ids: Ids,
        places: Mapping[NoticeId, Place] = MappingProxyType({}),
    ) -> None:
        self.controller_id = controller_id
        self.places = Places(places)
        self.changes = Changes()
        #: Workflows that this batch has added: by path and version.
        self.new_workflows: dict[tuple[str, str], WorkflowIndex] = {}
        self.ids = ids
        self._workflows = workflows
        self._work = {order_id: _Work(order, True) for order_id, order in orders.items()}
        self._touched: dict[int, _Work] = {}
        self.current_version = ""
        self.last_event_id = 0

    def apply(self, line: bytes) -> None:
        """Fold one line."""
        try:
            event = decode_event(line)
        except msgspec.DecodeError as error:
            raise ProjectionError(f"an event of {self.controller_id} cannot be read: {error}: {line[:300]!r}") from None
        self.fold(event, line)

    def fold(self, event: Event, line: bytes) -> None:
        """Fold one decoded event."""
        self.last_event_id = event.event_id or self.last_event_id
        kind = event.TYPE
        handler = _ORDER_EVENTS.get(kind)
        if handler is not None:
            order_id = event.Key
            work = self._work.get(order_id)
            if work is None:
                if handler is not _added:
                    return  # an order from before a gap, or already gone
                work = self._work[order_id] = _Work(self._new_order(event, order_id), False)
            elif handler is _added:
                # The id is used again: the former order's removal has been missed or lies in this batch.
                self._remove(work)
                work = self._work[order_id] = _Work(self._new_order(event, order_id), work.stored)
            if not work.lines and work.last_event_id == 0:
                self._touched[id(work)] = work
                work.first_event_id = event.event_id
            work.last_event_id = event.event_id
            work.last_time = event.time_ms
            if handler is _stdout or handler is _stderr:
                handler(self, work, event)
                return
            work.lines.append(line)
            work.order.revision = event.event_id
            handler(self, work, event)
            return
        if kind.startswith("Order"):
            self._keep_unknown(event, line)
            return
        other = _OTHER_EVENTS.get(kind)
        if other is not None:
            other(self, event)

    def finish(self) -> Changes:
        """The rows of everything touched."""
        changes = self.changes
        for work in self._touched.values():
            self._flush(work)
        changes.notices, changes.notices_removed = self.places.rows(self.controller_id, self.last_event_id)
        return changes

    def live_orders(self) -> dict[str, LiveOrder]:
        """The live orders after the batch, for the writer's cache."""
        return {order_id: work.order for order_id, work in self._work.items() if not work.removed}

    def order(self, order_id: str) -> LiveOrder | None:
        """The order as it is now."""
        work = self._work.get(order_id)
        return work.order if work is not None else None

    # --- helpers of handlers

    def _keep_unknown(self, event: Event, line: bytes) -> None:
        """An order event of a newer Controller: kept in the order's events, without effect on its state."""
        work = self._work.get(event.Key)
        if work is None:
            return
        if not work.lines and work.last_event_id == 0:
            self._touched[id(work)] = work
            work.first_event_id = event.event_id
        work.last_event_id = event.event_id
        work.last_time = event.time_ms
        work.lines.append(line)

    def _new_order(self, event: Event, order_id: str) -> LiveOrder:
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

    def _new_child(self, parent: LiveOrder, child: ChildOrder, event: Event) -> _Work:
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
            arguments=_merged(parent.arguments, bytes(child.arguments)),
            plan_id=parent.plan_id,
            priority=parent.priority,
            attached=parent.attached,
            agent_id=parent.agent_id,
            started=event.time_ms,
            start_event_id=event.event_id,
            start_position=position_text(position),
            revision=event.event_id,
        )
        former = self._work.get(child.order_id)
        if former is not None:
            self._remove(former)
        work = _Work(order, former.stored if former else False)
        work.first_event_id = work.last_event_id = event.event_id
        work.last_time = event.time_ms
        work.history_changed = True
        self._work[child.order_id] = work
        self._touched[id(work)] = work
        return work

    def step(self, order: LiveOrder) -> Step | None:
        key = (order.workflow_path, order.workflow_version_id)
        workflow = self.new_workflows.get(key) or self._workflows(*key)
        return workflow.step(order.position) if workflow is not None else None

    def _log(self, work: _Work, task: LiveTask, event_id: int) -> LogBatch:
        if work.log is None or work.log.task is not task:
            self._flush_log(work)
            work.log = LogBatch(task, event_id)
        return work.log

    def _flush_log(self, work: _Work) -> None:
        log = work.log
        if log is not None and log.pieces:
            self.changes.log_chunks.append(log.row())
            self.changes.logs[log.task.task_id] = log.task.log_lines
        work.log = None

    def _remove(self, work: _Work) -> None:
        """The order is no longer at the Controller."""
        work.removed = True
        self._work.pop(work.order.order_id, None)
        self._touched[id(work)] = work

    def _flush(self, work: _Work) -> None:
        changes, order = self.changes, work.order
        self._flush_log(work)
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
            if work.stored and order.order_id not in self._work:
                changes.live_removed.append(order.order_id)
            changes.removed.append(order)
        else:
            changes.live.append(live_row(self.controller_id, order))
            changes.touched.append(order)


# --- order events: (fold, work, event) -> None

_OrderHandler = Callable[[Fold, _Work, Event], None]


def _set(work: _Work, state: str, event: Event) -> None:
    order = work.order
    order.state = state
    order.since = event.time_ms
    order.until = None
    order.question = b""
    if order.expected and state != "ExpectingNotices":
        order.expected = []


def _record(fold: Fold, work: _Work, event: Event, code: str | None = None) -> None:
    """A row in the order's list of states."""
    order = work.order
    if order.started is None:
        return
    work.history_changed = True
    fold.changes.states.append(
        (
            order.main_history_id,
            order.parent_history_id,
            order.history_id,
            history_state(order).code,
            event.time_ms,
            event.event_id,
            code,
            (order.message or "")[:255] or None,
        )
    )


def _end(fold: Fold, work: _Work, state: str, event: Event) -> None:
    _set(work, state, event)
    order = work.order
    order.ended = event.time_ms
    order.end_event_id = event.event_id
    order.mark = None
    _record(fold, work, event)


def _take_outcome(order: LiveOrder, outcome: Outcome | None) -> None:
    if outcome is None:
        return
    order.outcome = outcome.TYPE
    if outcome.is_succeeded:
        order.message = order.error_reason = order.error_code = None
        order.return_code = outcome.return_code
        return
    order.return_code = outcome.return_code
    order.message = _clean(outcome.text)
    order.error_reason = outcome.reason.TYPE if outcome.reason is not None else None
    order.error_code = outcome.problem_code


def _merged(first: bytes, second: bytes) -> bytes:
    if not second or second == b"{}":
        return first
    if not first:
        return second
    return encode({**msgspec.json.decode(first), **msgspec.json.decode(second)})


def _added(fold: Fold, work: _Work, event: Event) -> None:
    pass  # the order has been made from the event


def _order_added_by_order(fold: Fold, work: _Work, event: Event) -> None:
    """AddOrder instruction: `Key` has added the order `orderId`."""
    if event.order_id is not None:
        former = fold._work.get(event.order_id)
        if former is not None:
            fold._remove(former)
        new = _Work(fold._new_order(event, event.order_id), former.stored if former else False)
        new.first_event_id = new.last_event_id = event.event_id
        new.last_time = event.time_ms
        new.order.revision = event.event_id
        fold._work[event.order_id] = new
        fold._touched[id(new)] = new


def _started(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    order.started = event.time_ms
    order.start_event_id = event.event_id
    order.start_position = position_text(order.position)
    work.history_changed = True
    _set(work, "Ready", event)


def _processing_started(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    step = fold.step(order)
    position = position_text(order.position)
    key = position_text(normalized(order.position))
    attempt = order.attempts.get(key, 0) + 1
    order.attempts = {**order.attempts, key: attempt}
    agent_id = order.agent_id or (step.agent if step is not None else None)
    task = LiveTask(
        task_id=fold.ids.next_task(),
        start_event_id=event.event_id,
        start_ms=event.time_ms,
        position=position,
        job=(step.job if step is not None else None) or position,
        label=step.label if step is not None else None,
        agent_id=agent_id,
        subagent_id=event.subagent_id,
        attempt=attempt,
        retry_counter=try_number(order.position),
    )
    order.task = task
    order.last_task_id = task.task_id
    if order.mark == "Cancelling" and order.started is None:
        order.mark = None
    _set(work, "Processing", event)
    work.task_changed = True
    label = f", label={task.label}" if task.label else ""
    subagent = f", subagent={task.subagent_id}" if task.subagent_id else ""
    text = f"[Start] Job={task.job}{label}, Agent(id={agent_id or ''}{subagent})\n"
    fold._log(work, task, event.event_id).append(event.time_ms, MAIN, text)
    fold.changes.tasks_touched.append((order.order_id, task.task_id))


def _stdout(fold: Fold, work: _Work, event: Event) -> None:
    _output(fold, work, event, OUT)


def _stderr(fold: Fold, work: _Work, event: Event) -> None:
    _output(fold, work, event, ERR)


def _output(fold: Fold, work: _Work, event: Event, channel: int) -> None:
    order = work.order
    task = order.task
    if task is None:
        return  # output after the end of a gap: its task is unknown
    before = task.stderr_lines
    fold._log(work, task, event.event_id).append(event.time_ms, channel, event.chunk)
    order.stderr_lines += task.stderr_lines - before
    work.task_changed = True


def _processed(fold: Fold, work: _Work, event: Event) -> None:
    order, outcome, task = work.order, event.outcome, work.order.task
    _take_outcome(order, outcome)
    _set(work, "Processed", event)
    if task is None or outcome is None:
        return
    succeeded = outcome.is_succeeded
    text = None if succeeded else outcome.text or task.error_text.strip() or None
    if not succeeded and order.message is None:
        order.message = _clean(text)
    reason = outcome.reason.TYPE if outcome.reason is not None else None
    end = "[End] [Success]" if succeeded else "[End] [Error]"
    code = f" returnCode={outcome.return_code}" if outcome.return_code is not None else ""
    tail = "" if succeeded else f", errorState={outcome.TYPE}{f', reason={reason}' if reason else ''}"
    tail += f", msg={text}" if text and not succeeded else ""
    fold._log(work, task, event.event_id).append(event.time_ms, MAIN, f"{end}{code}{tail}\n")
    fold._flush_log(work)
    fold.changes.steps.append(
        step_row(
            fold.controller_id,
            order,
            task,
            TaskEnd(
                time_ms=event.time_ms,
                event_id=event.event_id,
                outcome="ProcessLost" if outcome.is_process_lost else outcome.TYPE,
                is_succeeded=succeeded,
                return_code=outcome.return_code,
                variables=encode(outcome.values).decode()[:4000] if outcome.values else None,
                reason=reason,
                code=outcome.problem_code,
                text=_clean(text),
            ),
            event.time_ms,
        )
    )
    work.task_changed = False
    order.task = None
    fold.changes.tasks_touched.append((order.order_id, task.task_id))


def _clean(text: str | None) -> str | None:
    """Error texts lose control characters (cockpit-services 5.3); databases refuse NUL in text."""
    if text is None:
        return None
    return "".join(character if character >= " " else " " for character in text)[:500]


def _forked(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    order.children = [child.order_id for child in event.children]
    order.has_children = True
    work.history_changed = order.started is not None
    _set(work, "Forked", event)
    for child in event.children:
        fold._new_child(order, child, event)


def _joined(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    for child_id in order.children:
        child = fold._work.get(child_id)
        if child is None:
            continue
        ended = child.order
        if ended.ended is None:
            _finish_child(fold, child, event)
        if child.last_event_id == 0:
            child.first_event_id = child.last_event_id = event.event_id
        fold._remove(child)
    order.children = []
    _take_outcome(order, event.outcome)
    _set(work, "Processed", event)


def _finish_child(fold: Fold, child: _Work, event: Event) -> None:
    order = child.order
    order.state = "Finished" if order.is_succeeded else "Failed"
    order.ended = event.time_ms
    order.end_event_id = event.event_id
    order.since = event.time_ms
    child.last_time = event.time_ms
    child.history_changed = True


def _moved(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    if event.to is not None:
        order.position = event.to
    if order.state != "Fresh":
        order.state = "Ready"
        order.until = None
        order.since = event.time_ms


def _moved_to(work: _Work, event: Event) -> None:
    if event.moved_to is not None:
        work.order.position = event.moved_to


def _caught(fold: Fold, work: _Work, event: Event) -> None:
    _take_outcome(work.order, event.outcome)
    _moved_to(work, event)
    work.order.outcome = "Caught"
    _set(work, "Ready", event)


def _retrying(fold: Fold, work: _Work, event: Event) -> None:
    _moved_to(work, event)
    if event.delayed_until is None:
        _set(work, "Ready", event)
    else:
        _set(work, "DelayingRetry", event)
        work.order.until = event.delayed_until


def _failed(fold: Fold, work: _Work, event: Event) -> None:
    _take_outcome(work.order, event.outcome)
    _moved_to(work, event)
    order = work.order
    if order.mark == "Suspending":
        order.mark = None
    _set(work, "FailedWhileFresh" if order.state == "Fresh" else "Failed", event)
    _record(fold, work, event)


def _failed_in_fork(fold: Fold, work: _Work, event: Event) -> None:
    _take_outcome(work.order, event.outcome)
    _moved_to(work, event)
    _set(work, "FailedInFork", event)
    _record(fold, work, event)


def _stopped(fold: Fold, work: _Work, event: Event) -> None:
    _set(work, "StoppedWhileFresh" if work.order.state == "Fresh" else "Stopped", event)
    _record(fold, work, event)


def _broken(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    if isinstance(event.problem, dict):
        order.outcome = "Disrupted"
        order.message = event.problem.get("message") or event.problem.get("code")
    elif order.is_succeeded:
        order.outcome = "Disrupted"
    _end(fold, work, "Broken", event)


def _finished(fold: Fold, work: _Work, event: Event) -> None:
    _take_outcome(work.order, event.outcome)
    _end(fold, work, "Finished", event)


def _cancelled(fold: Fold, work: _Work, event: Event) -> None:
    work.order.is_suspended = False
    _end(fold, work, "Cancelled", event)


def _deleted(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    fold.places.not_announced(order.order_id, ids_of(order.announced))
    fold._remove(work)


def _announced(fold: Fold, work: _Work, event: Event) -> None:
    for id_ in ids_of([event.notice_id]):
        fold.places.put(id_, fold.places.get(id_).announced(work.order.order_id))
        work.order.announced = [*work.order.announced, list(id_)]


def _posted(fold: Fold, work: _Work, event: Event) -> None:
    for id_ in ids_of([event.notice_id]):
        fold.places.put(id_, fold.places.get(id_).posted(event.end_of_life))


def _expecting(fold: Fold, work: _Work, event: Event) -> None:
    _set(work, "ExpectingNotices", event)
    work.order.expected = [list(id_) for id_ in ids_of(event.notice_ids)]


def _consuming(fold: Fold, work: _Work, event: Event) -> None:
    ids = ids_of(event.notice_ids)
    for id_ in ids:
        fold.places.put(id_, fold.places.get(id_).with_consumer())
    work.order.consuming = [*work.order.consuming, [list(id_) for id_ in ids]]
    _into("consumeNotices")(fold, work, event)


def _consumed(fold: Fold, work: _Work, event: Event) -> None:
    if work.order.consuming:
        *outer, ids = work.order.consuming
        for id_ in ids_of(ids):
            fold.places.put(id_, fold.places.get(id_).without_consumer(is_failed=event.failed is True))
        work.order.consuming = outer
    _after_block("consumeNotices")(fold, work, event)


def _outcome_added(fold: Fold, work: _Work, event: Event) -> None:
    _take_outcome(work.order, event.outcome)


def _suspended(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    order.mark = None
    order.is_suspended = True
    _set(work, "Ready" if order.state == "ProcessingKilled" else order.state, event)
    _record(fold, work, event)


def _resumed(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    order.is_suspended = False
    order.mark = None
    order.ended = order.end_event_id = None
    if isinstance(event.position, list):
        order.position = event.position
    states = {"StoppedWhileFresh": "Fresh", "FailedWhileFresh": "Fresh"}
    state = states.get(order.state, "Ready" if order.state in ("Failed", "Stopped", "Broken") else order.state)
    order.outcome, order.message = None, None
    _set(work, state, event)
    _record(fold, work, event)


def _marked(mark: str | None) -> _OrderHandler:
    def handler(fold: Fold, work: _Work, event: Event) -> None:
        work.order.mark = mark

    return handler


def _resumption_marked(fold: Fold, work: _Work, event: Event) -> None:
    order = work.order
    order.mark = None if order.mark == "Suspending" and not order.is_suspended else "Resuming"


def _to(state: str) -> _OrderHandler:
    def handler(fold: Fold, work: _Work, event: Event) -> None:
        _set(work, state, event)

    return handler


def _to_until(state: str) -> _OrderHandler:
    def handler(fold: Fold, work: _Work, event: Event) -> None:
        _set(work, state, event)
        work.order.until = event.until

    return handler


def _state_reset(fold: Fold, work: _Work, event: Event) -> None:
    work.order.mark = None
    _set(work, "Ready", event)


def _cycle_prepared(fold: Fold, work: _Work, event: Event) -> None:
    _set(work, "BetweenCycles", event)
    if isinstance(event.cycle_state, dict):
        work.order.until = event.cycle_state.get("next")


def _cycle_finished(fold: Fold, work: _Work, event: Event) -> None:
    position = work.order.position
    for end in range(len(position) - 1, 0, -2):
        if str(position[end - 1]).startswith("cycle"):
            work.order.position = position[: end - 1]
            break
    _cycle_prepared(fold, work, event)


def _into(branch: str) -> _OrderHandler:
    """The order enters a block of the instruction where it stands."""

    def handler(fold: Fold, work: _Work, event: Event) -> None:
        work.order.position = [*work.order.position, branch, 0]
        _set(work, "Ready", event)

    return handler


def _after_block(kind: str) -> _OrderHandler:
    """The order leaves a block of this kind, and all that are within: to the instruction behind the one that has it."""

    def handler(fold: Fold, work: _Work, event: Event) -> None:
        position = work.order.position
        ends = [index for index in range(1, len(position), 2) if position[index] == kind]
        if ends:
            *parent, number = position[: ends[-1]]
            work.order.position = [*parent, int(number) + 1]

    return handler


def _cycle_started(fold: Fold, work: _Work, event: Event) -> None:
    work.order.position = [*work.order.position, "cycle", 0]
    _set(work, "Ready", event)


def _prompted(fold: Fold, work: _Work, event: Event) -> None:
    _set(work, "Prompting", event)
    work.order.question = bytes(event.question)


def _attachable(fold: Fold, work: _Work, event: Event) -> None:
    work.order.attached = "Attaching"
    work.order.agent_id = event.agent_path


def _attached(fold: Fold, work: _Work, event: Event) -> None:
    work.order.attached = "Attached"
    work.order.agent_id = event.agent_path or work.order.agent_id


def _detachable(fold: Fold, work: _Work, event: Event) -> None:
    work.order.attached = "Detaching"


def _detached(fold: Fold, work: _Work, event: Event) -> None:
    work.order.attached = ""
    work.order.agent_id = None


def _goes(fold: Fold, work: _Work, event: Event) -> None:
    if work.order.mark == "Go":
        work.order.mark = None


def _priority(fold: Fold, work: _Work, event: Event) -> None:
    work.order.priority = event.priority


def _deletion_marked(fold: Fold, work: _Work, event: Event) -> None:
    work.order.delete_when_terminated = True


def _transferred(fold: Fold, work: _Work, event: Event) -> None:
    target = event.workflow_position
    if target is not None:
        order = work.order
        order.workflow_path = target.workflow_id.path
        order.workflow_version_id = target.workflow_id.version_id
        order.position = target.position


def _plan_attached(fold: Fold, work: _Work, event: Event) -> None:
    work.order.plan_id = bytes(event.plan_id)


def _nothing(fold: Fold, work: _Work, event: Event) -> None:
    pass  # kept among the order's events


#: Every order event of orders spec 3.1.
_ORDER_EVENTS: dict[str, _OrderHandler] = {
    "OrderAdded": _added,
    "OrderOrderAdded": _order_added_by_order,
    "OrderNoticeAnnounced": _announced,
    "OrderAttachable": _attachable,
    "OrderAttached": _attached,
    "OrderDetachable": _detachable,
    "OrderDetached": _detached,
    "OrderStarted": _started,
    "OrderFinished": _finished,
    "OrderDeletionMarked": _deletion_marked,
    "OrderDeleted": _deleted,
    "OrderExternalVanished": _nothing,
    "OrderTransferred": _transferred,
    "OrderPlanAttached": _plan_attached,
    "OrderPriorityChanged": _priority,
    "OrderProcessingStarted": _processing_started,
    "OrderStdoutWritten": _stdout,
    "OrderStderrWritten": _stderr,
    "OrderProcessed": _processed,
    "OrderProcessingKilled": _to("ProcessingKilled"),
    "OrderMoved": _moved,
    "OrderForked": _forked,
    "OrderJoined": _joined,
    "OrderOutcomeAdded": _outcome_added,
    "OrderCaught": _caught,
    "OrderCatched": _caught,
    "OrderRetrying": _retrying,
    "OrderAwoke": _to("Ready"),
    "OrderFailed": _failed,
    "OrderFailedInFork": _failed_in_fork,
    "OrderStopped": _stopped,
    "OrderBroken": _broken,
    "OrderStickySubagentEntered": _into("stickySubagent"),
    "OrderStickySubagentLeaved": _after_block("stickySubagent"),
    "OrderCyclingPrepared": _cycle_prepared,
    "OrderCycleStarted": _cycle_started,
    "OrderCycleFinished": _cycle_finished,
    "OrderSleeping": _to_until("Sleeping"),
    "OrderWaitingForAdmission": _to_until("WaitingForAdmission"),
    "OrderSaid": _nothing,
    "OrderLocksQueued": _to("WaitingForLock"),
    "OrderLocksAcquired": _into("lock"),
    "OrderLocksReleased": _after_block("lock"),
    "OrderLockQueued": _to("WaitingForLock"),
    "OrderLockAcquired": _into("lock"),
    "OrderLockReleased": _after_block("lock"),
    "OrderNoticePosted": _posted,
    "OrderNoticesExpected": _expecting,
    "OrderNoticeExpected": _to("ExpectingNotices"),
    "OrderNoticesRead": _to("Ready"),
    "OrderNoticeRead": _to("Ready"),
    "OrderNoticesConsumptionStarted": _consuming,
    "OrderNoticesConsumed": _consumed,
    "OrderPrompted": _prompted,
    "OrderPromptAnswered": _to("Ready"),
    "OrderCancellationMarked": _marked("Cancelling"),
    "OrderCancellationMarkedOnAgent": _nothing,
    "OrderStateReset": _state_reset,
    "OrderOperationCancelled": _state_reset,
    "OrderLocksDequeued": _state_reset,
    "OrderLockDequeued": _state_reset,
    "OrderCancelled": _cancelled,
    "OrderSuspensionMarked": _marked("Suspending"),
    "OrderSuspensionMarkedOnAgent": _nothing,
    "OrderSuspended": _suspended,
    "OrderResumptionMarked": _resumption_marked,
    "OrderResumed": _resumed,
    "OrderGoMarked": _marked("Go"),
    "OrderGoes": _goes,
}


# --- other events: (fold, event) -> None


def _item(fold: Fold, event: Event) -> None:
    text = bytes(event.item) if event.item else (event.signed.string.encode() if event.signed is not None else b"")
    if not text:
        return
    add_item(fold, text, event.event_id)


def _version_added(fold: Fold, event: Event) -> None:
    fold.current_version = event.version_id or ""


def add_item(fold: Fold, text: bytes, event_id: int) -> None:
    """An item in the Controller's JSON, by event or snapshot."""
    item: dict[str, Any] = msgspec.json.decode(text)
    kind = _KINDS.get(str(item.get("TYPE", "")), str(item.get("TYPE", "")))
    if kind == "WorkflowControl":  # of one version; its id is that of the workflow
        path, version = str(item["id"]["path"]), str(item["id"]["versionId"])
    else:
        path = str(item.get("path") or item.get("id") or "")
        version = str(item.get("versionId") or fold.current_version) if kind == "Workflow" else ""
    changes = fold.changes
    changes.items_touched = True
    if kind == "Workflow":
        fold.new_workflows[path, version] = WorkflowIndex(text)
        if path in changes.versions_superseded:
            # An older version in the same batch: only the last one is current.
            changes.items = [
                (*row[:4], False, *row[5:]) if row[1] == kind and row[2] == path else row for row in changes.items
            ]
        changes.versions_superseded.append(path)
    changes.items.append((fold.controller_id, kind, path, version, True, event_id, text.decode()))


#: Items whose TYPE differs from the type in their keys, because it may change.
_KINDS = {"GlobalBoard": "Board", "PlannableBoard": "Board"}
#: Item types whose keys end with a version.
_VERSIONED = frozenset({"Workflow", "WorkflowControl"})
#: Names of item types in keys (orders spec 6.1) that differ from the item's own TYPE.
_KEY_TYPES = {"Agent": "AgentRef", "Subagent": "SubagentItem", "SubagentRef": "SubagentItem", "OrderWatch": "FileWatch"}


def _item_deleted(fold: Fold, event: Event) -> None:
    kind, _, name = (event.key or "").partition(":")
    kind = _KEY_TYPES.get(kind, kind)
    path, _, version = name.partition("~") if kind in _VERSIONED else (name, "", "")
    fold.changes.items_removed.append((kind, path, version))
    fold.changes.items_touched = True
    if kind == "Board":
        fold.changes.boards_removed.append(path)
        fold.places.remove_board(path)
    fold.changes.agents_touched |= kind in ("AgentRef", "SubagentItem")


def _version_removed(fold: Fold, event: Event) -> None:
    """The path has no current version any more; the versions go with their own ItemDeleted."""
    if isinstance(event.path, str):
        fold.changes.versions_superseded.append(event.path.removeprefix("Workflow:"))
        fold.changes.items_touched = True


def _agent(kind: str, state: str) -> Callable[[Fold, Event], None]:
    def handler(fold: Fold, event: Event) -> None:
        message = event.problem.get("message") if isinstance(event.problem, dict) else None
        agent_row(fold, kind, str(event.Key), state, message, event.timezone, event.time_ms, event.event_id)

    return handler


def agent_row(
    fold: Fold,
    kind: str,
    agent_id: str,
    state: str,
    message: str | None,
    timezone: str | None,
    since: int,
    revision: int,
) -> None:
    """A row of the live table of Agents (`kind` A) and Subagents (`kind` S)."""
    fold.changes.agents_touched = True
    fold.changes.agents.append((fold.controller_id, kind, agent_id, state, message, None, timezone, since, revision))


def _notice(fold: Fold, event: Event) -> None:
    fold.places.apply(event)


def _controller_ready(fold: Fold, event: Event) -> None:
    fold.changes.controller_ready = (event.event_id, event.time_ms, event.timezone or "UTC")
    fold.changes.controller_state = "READY"


def _controller_shut_down(fold: Fold, event: Event) -> None:
    fold.changes.controller_state = "SHUTDOWN"


def _cluster_event(fold: Fold, event: Event) -> None:
    row = clusters.row(fold.controller_id, event)
    if row is not None:
        fold.changes.agents_touched = True
        fold.changes.cluster_events.append(row)


_OTHER_EVENTS: dict[str, Callable[[Fold, Event], None]] = {
    "VersionAdded": _version_added,
    "VersionedItemAdded": _item,
    "VersionedItemChanged": _item,
    "SignedItemAdded": _item,
    "SignedItemChanged": _item,
    "UnsignedSimpleItemAdded": _item,
    "UnsignedSimpleItemChanged": _item,
    "UnsignedItemAdded": _item,
    "UnsignedItemChanged": _item,
    "ItemDeleted": _item_deleted,
    "VersionedItemRemoved": _version_removed,
    "AgentCoupled": _agent("A", "COUPLED"),
    "AgentReady": _agent("A", "COUPLED"),
    "AgentCouplingFailed": _agent("A", "COUPLINGFAILED"),
    "AgentShutDown": _agent("A", "SHUTDOWN"),
    "AgentResetStarted": _agent("A", "RESETTING"),
    "AgentReset": _agent("A", "RESET"),
    "SubagentDedicated": _agent("S", "COUPLED"),
    "SubagentCoupled": _agent("S", "COUPLED"),
    "SubagentCouplingFailed": _agent("S", "COUPLINGFAILED"),
    "SubagentResetStarted": _agent("S", "RESETTING"),
    "SubagentReset": _agent("S", "RESET"),
    "SubagentRestarted": _agent("S", "RESET"),
    "SubagentShutdownStarted": _agent("S", "SHUTDOWN"),
    "SubagentShutdown2": _agent("S", "SHUTDOWN"),
    "SubagentShutdown": _agent("S", "SHUTDOWN"),
    "NoticePosted": _notice,
    "NoticeDeleted": _notice,
    "NoticeMoved": _notice,
    "ControllerReady": _controller_ready,
    "ControllerShutDown": _controller_shut_down,
    **dict.fromkeys(clusters.EVENTS, _cluster_event),
}
