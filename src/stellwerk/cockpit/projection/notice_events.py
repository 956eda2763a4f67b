"""Events of orders that post, expect and consume notices → the places of boards."""

from __future__ import annotations

from stellwerk.cockpit.projection.batch import Batch, Work
from stellwerk.cockpit.projection.lines import Event
from stellwerk.cockpit.projection.notices import ids_of
from stellwerk.cockpit.projection.order_events import set_state
from stellwerk.cockpit.projection.position_events import after_block, into


def announced(batch: Batch, work: Work, event: Event) -> None:
    for id_ in ids_of([event.notice_id]):
        batch.places.put(id_, batch.places.get(id_).announced(work.order.order_id))
        work.order.announced = [*work.order.announced, list(id_)]


def posted(batch: Batch, work: Work, event: Event) -> None:
    for id_ in ids_of([event.notice_id]):
        batch.places.put(id_, batch.places.get(id_).posted(event.end_of_life))


def expecting(batch: Batch, work: Work, event: Event) -> None:
    set_state(work, "ExpectingNotices", event)
    work.order.expected = [list(id_) for id_ in ids_of(event.notice_ids)]


def consuming(batch: Batch, work: Work, event: Event) -> None:
    ids = ids_of(event.notice_ids)
    for id_ in ids:
        batch.places.put(id_, batch.places.get(id_).with_consumer())
    work.order.consuming = [*work.order.consuming, [list(id_) for id_ in ids]]
    into("consumeNotices")(batch, work, event)


def consumed(batch: Batch, work: Work, event: Event) -> None:
    if work.order.consuming:
        *outer, ids = work.order.consuming
        for id_ in ids_of(ids):
            batch.places.put(id_, batch.places.get(id_).without_consumer(is_failed=event.failed is True))
        work.order.consuming = outer
    after_block("consumeNotices")(batch, work, event)
