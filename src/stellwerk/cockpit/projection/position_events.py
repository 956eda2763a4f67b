"""Events that move an order: jumps, blocks entered and left, retries, cycles, another workflow."""

from __future__ import annotations

from stellwerk.cockpit.projection.batch import Batch, OrderHandler, Work
from stellwerk.cockpit.projection.lines import Event
from stellwerk.cockpit.projection.order_events import moved_to, set_state, take_outcome


def moved(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    if event.to is not None:
        order.position = event.to
    if order.state != "Fresh":
        order.state = "Ready"
        order.until = None
        order.since = event.time_ms


def caught(batch: Batch, work: Work, event: Event) -> None:
    take_outcome(work.order, event.outcome)
    moved_to(work, event)
    work.order.outcome = "Caught"
    set_state(work, "Ready", event)


def retrying(batch: Batch, work: Work, event: Event) -> None:
    moved_to(work, event)
    if event.delayed_until is None:
        set_state(work, "Ready", event)
    else:
        set_state(work, "DelayingRetry", event)
        work.order.until = event.delayed_until


def cycle_prepared(batch: Batch, work: Work, event: Event) -> None:
    set_state(work, "BetweenCycles", event)
    if isinstance(event.cycle_state, dict):
        work.order.until = event.cycle_state.get("next")


def cycle_started(batch: Batch, work: Work, event: Event) -> None:
    work.order.position = [*work.order.position, "cycle", 0]
    set_state(work, "Ready", event)


def cycle_finished(batch: Batch, work: Work, event: Event) -> None:
    position = work.order.position
    for end in range(len(position) - 1, 0, -2):
        if str(position[end - 1]).startswith("cycle"):
            work.order.position = position[: end - 1]
            break
    cycle_prepared(batch, work, event)


def into(branch: str) -> OrderHandler:
    """The order enters a block of the instruction where it stands."""

    def handler(batch: Batch, work: Work, event: Event) -> None:
        work.order.position = [*work.order.position, branch, 0]
        set_state(work, "Ready", event)

    return handler


def after_block(kind: str) -> OrderHandler:
    """The order leaves a block of this kind, and all that are within: to the instruction behind the one that has it."""

    def handler(batch: Batch, work: Work, event: Event) -> None:
        position = work.order.position
        ends = [index for index in range(1, len(position), 2) if position[index] == kind]
        if ends:
            *parent, number = position[: ends[-1]]
            work.order.position = [*parent, int(number) + 1]

    return handler


def transferred(batch: Batch, work: Work, event: Event) -> None:
    target = event.workflow_position
    if target is not None:
        order = work.order
        order.workflow_path = target.workflow_id.path
        order.workflow_version_id = target.workflow_id.version_id
        order.position = target.position
