"""Order events → the order's state in the live table, its list of states and its history row.

Each handler is given the batch, the order's work in it and the event.
"""

from __future__ import annotations

from stellwerk.cockpit.projection.batch import Batch, OrderHandler, Work
from stellwerk.cockpit.projection.changes import history_state
from stellwerk.cockpit.projection.lines import Event, Outcome
from stellwerk.cockpit.projection.model import LiveOrder, position_text
from stellwerk.cockpit.projection.notices import ids_of
from stellwerk.cockpit.projection.observations import of_order


def set_state(work: Work, state: str, event: Event) -> None:
    order = work.order
    order.state = state
    order.since = event.time_ms
    order.until = None
    order.question = b""
    if order.expected and state != "ExpectingNotices":
        order.expected = []


def record(batch: Batch, work: Work, event: Event, code: str | None = None) -> None:
    """A row in the order's list of states."""
    order = work.order
    state = history_state(order)
    observation = of_order(order, state, event.event_id, event.time_ms)
    if observation is not None:
        order.has_failed |= observation.is_error
        batch.observe(observation)
    if order.started is None:
        return
    work.history_changed = True
    batch.changes.states.append(
        (
            order.main_history_id,
            order.parent_history_id,
            order.history_id,
            state.code,
            event.time_ms,
            event.event_id,
            code,
            (order.message or "")[:255] or None,
        )
    )


def end(batch: Batch, work: Work, state: str, event: Event) -> None:
    set_state(work, state, event)
    order = work.order
    order.ended = event.time_ms
    order.end_event_id = event.event_id
    order.mark = None
    record(batch, work, event)


def take_outcome(order: LiveOrder, outcome: Outcome | None) -> None:
    if outcome is None:
        return
    order.outcome = outcome.TYPE
    if outcome.is_succeeded:
        order.message = order.error_reason = order.error_code = None
        order.return_code = outcome.return_code
        return
    order.return_code = outcome.return_code
    order.message = clean(outcome.text)
    order.error_reason = outcome.reason.TYPE if outcome.reason is not None else None
    order.error_code = outcome.problem_code


def clean(text: str | None) -> str | None:
    """Error texts lose control characters (cockpit-services 5.3); databases refuse NUL in text."""
    if text is None:
        return None
    return "".join(character if character >= " " else " " for character in text)[:500]


def moved_to(work: Work, event: Event) -> None:
    if event.moved_to is not None:
        work.order.position = event.moved_to


def to(state: str) -> OrderHandler:
    def handler(batch: Batch, work: Work, event: Event) -> None:
        set_state(work, state, event)

    return handler


def to_until(state: str) -> OrderHandler:
    def handler(batch: Batch, work: Work, event: Event) -> None:
        set_state(work, state, event)
        work.order.until = event.until

    return handler


def marked(mark: str | None) -> OrderHandler:
    def handler(batch: Batch, work: Work, event: Event) -> None:
        work.order.mark = mark

    return handler


def nothing(batch: Batch, work: Work, event: Event) -> None:
    pass  # kept among the order's events


def added(batch: Batch, work: Work, event: Event) -> None:
    pass  # the order has been made from the event


def order_added_by_order(batch: Batch, work: Work, event: Event) -> None:
    """AddOrder instruction: `Key` has added the order `orderId`."""
    if event.order_id is not None:
        former = batch.work.get(event.order_id)
        if former is not None:
            batch.remove(former)
        new = Work(batch.new_order(event, event.order_id), former.stored if former else False)
        new.first_event_id = new.last_event_id = event.event_id
        new.last_time = event.time_ms
        new.order.revision = event.event_id
        batch.work[event.order_id] = new
        batch.touched[id(new)] = new


def started(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    order.started = event.time_ms
    order.start_event_id = event.event_id
    order.start_position = position_text(order.position)
    work.history_changed = True
    set_state(work, "Ready", event)


def forked(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    order.children = [child.order_id for child in event.children]
    order.has_children = True
    work.history_changed = order.started is not None
    set_state(work, "Forked", event)
    for child in event.children:
        batch.new_child(order, child, event)


def joined(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    for child_id in order.children:
        child = batch.work.get(child_id)
        if child is None:
            continue
        ended = child.order
        order.has_failed |= ended.has_failed
        if ended.ended is None:
            finish_child(batch, child, event)
        if child.last_event_id == 0:
            child.first_event_id = child.last_event_id = event.event_id
        batch.remove(child)
    order.children = []
    take_outcome(order, event.outcome)
    set_state(work, "Processed", event)


def finish_child(batch: Batch, child: Work, event: Event) -> None:
    order = child.order
    order.state = "Finished" if order.is_succeeded else "Failed"
    order.ended = event.time_ms
    order.end_event_id = event.event_id
    order.since = event.time_ms
    child.last_time = event.time_ms
    child.history_changed = True
    observation = of_order(order, history_state(order), event.event_id, event.time_ms)
    if observation is not None and not observation.is_error:  # that it failed has been observed when it did
        batch.observe(observation)


def failed(batch: Batch, work: Work, event: Event) -> None:
    take_outcome(work.order, event.outcome)
    moved_to(work, event)
    order = work.order
    if order.mark == "Suspending":
        order.mark = None
    set_state(work, "FailedWhileFresh" if order.state == "Fresh" else "Failed", event)
    record(batch, work, event)


def failed_in_fork(batch: Batch, work: Work, event: Event) -> None:
    take_outcome(work.order, event.outcome)
    moved_to(work, event)
    set_state(work, "FailedInFork", event)
    record(batch, work, event)


def stopped(batch: Batch, work: Work, event: Event) -> None:
    set_state(work, "StoppedWhileFresh" if work.order.state == "Fresh" else "Stopped", event)
    record(batch, work, event)


def broken(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    if isinstance(event.problem, dict):
        order.outcome = "Disrupted"
        order.message = event.problem.get("message") or event.problem.get("code")
    elif order.is_succeeded:
        order.outcome = "Disrupted"
    end(batch, work, "Broken", event)


def finished(batch: Batch, work: Work, event: Event) -> None:
    take_outcome(work.order, event.outcome)
    end(batch, work, "Finished", event)


def cancelled(batch: Batch, work: Work, event: Event) -> None:
    work.order.is_suspended = False
    end(batch, work, "Cancelled", event)


def deleted(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    batch.places.not_announced(order.order_id, ids_of(order.announced))
    batch.remove(work)


def outcome_added(batch: Batch, work: Work, event: Event) -> None:
    take_outcome(work.order, event.outcome)


def suspended(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    order.mark = None
    order.is_suspended = True
    set_state(work, "Ready" if order.state == "ProcessingKilled" else order.state, event)
    record(batch, work, event)


def resumed(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    order.is_suspended = False
    order.mark = None
    order.ended = order.end_event_id = None
    if isinstance(event.position, list):
        order.position = event.position
    states = {"StoppedWhileFresh": "Fresh", "FailedWhileFresh": "Fresh"}
    state = states.get(order.state, "Ready" if order.state in ("Failed", "Stopped", "Broken") else order.state)
    order.outcome, order.message = None, None
    set_state(work, state, event)
    record(batch, work, event)


def resumption_marked(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    order.mark = None if order.mark == "Suspending" and not order.is_suspended else "Resuming"


def state_reset(batch: Batch, work: Work, event: Event) -> None:
    work.order.mark = None
    set_state(work, "Ready", event)


def prompted(batch: Batch, work: Work, event: Event) -> None:
    set_state(work, "Prompting", event)
    work.order.question = bytes(event.question)


def attachable(batch: Batch, work: Work, event: Event) -> None:
    work.order.attached = "Attaching"
    work.order.agent_id = event.agent_path


def attached(batch: Batch, work: Work, event: Event) -> None:
    work.order.attached = "Attached"
    work.order.agent_id = event.agent_path or work.order.agent_id


def detachable(batch: Batch, work: Work, event: Event) -> None:
    work.order.attached = "Detaching"


def detached(batch: Batch, work: Work, event: Event) -> None:
    work.order.attached = ""
    work.order.agent_id = None


def goes(batch: Batch, work: Work, event: Event) -> None:
    if work.order.mark == "Go":
        work.order.mark = None


def priority(batch: Batch, work: Work, event: Event) -> None:
    work.order.priority = event.priority


def deletion_marked(batch: Batch, work: Work, event: Event) -> None:
    work.order.delete_when_terminated = True


def plan_attached(batch: Batch, work: Work, event: Event) -> None:
    work.order.plan_id = bytes(event.plan_id)
