"""Places of notices as the projection keeps them: the engine's own `Place`, folded from the events of one batch. Pure.

A batch begins with the places that its events touch (`touched_places`) and ends with their rows. Orders know which
notices they expect, consume and have announced (`LiveOrder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stellwerk.cockpit.projection.lines import Event
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.engine.events.board import notice_id, split_notice_id, split_planned_notice_key
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import EMPTY, Place
from stellwerk.values.json import encode

NOTICE_COLUMNS = (
    "controller_id",
    "notice_id",
    "board",
    "has_notice",
    "end_of_life",
    "announced_by",
    "is_announced",
    "is_in_consumption",
    "consumption_count",
    "revision",
)
NOTICE_UPDATES = NOTICE_COLUMNS[3:]


class Places:
    """The places that a batch touches, and what has become of them."""

    def __init__(self, known: Mapping[NoticeId, Place]) -> None:
        self._places = dict(known)
        self.changed: dict[NoticeId, None] = {}

    def get(self, id_: NoticeId) -> Place:
        return self._places.get(id_, EMPTY)

    def put(self, id_: NoticeId, place: Place) -> None:
        self._places[id_] = place
        self.changed[id_] = None

    def apply(self, event: Event) -> None:
        """An event of a board: NoticePosted, NoticeDeleted, NoticeMoved."""
        board = str(event.Key)
        gone = event.from_planned_notice_key
        here = event.to_planned_notice_key
        if event.TYPE == "NoticePosted":
            here = event.planned_notice_key
        elif event.TYPE == "NoticeDeleted":
            gone = event.planned_notice_key
        if (id_ := planned_id(board, gone)) is not None:
            self.put(id_, self.get(id_).deleted())
        if (id_ := planned_id(board, here)) is not None:
            self.put(id_, self.get(id_).posted(event.end_of_life))

    def remove_board(self, path: str) -> None:
        """Of the places that are known here; the writer removes the others."""
        for id_ in list(self._places):
            if split_notice_id(id_)[1] == path:
                self.put(id_, EMPTY)

    def not_announced(self, order_id: str, ids: Iterable[NoticeId]) -> None:
        """The order is gone and will not post any more."""
        for id_ in ids:
            if self.get(id_).announced_by == order_id:
                self.put(id_, self.get(id_).not_announced())

    def all(self) -> dict[NoticeId, Place]:
        """Those with something at them."""
        return {id_: place for id_, place in self._places.items() if place != EMPTY}

    def rows(self, controller_id: str, revision: int) -> tuple[list[tuple[object, ...]], list[str]]:
        """Rows to be written, and keys of rows to be removed."""
        written: list[tuple[object, ...]] = []
        removed: list[str] = []
        for id_ in self.changed:
            place = self._places[id_]
            if place == EMPTY:
                removed.append(notice_key(id_))
            else:
                written.append(
                    (
                        controller_id,
                        notice_key(id_),
                        split_notice_id(id_)[1],
                        place.has_notice,
                        place.end_of_life,
                        place.announced_by,
                        place.is_announced,
                        place.is_in_consumption,
                        place.consumption_count,
                        revision,
                    )
                )
        return written, removed


def notice_key(id_: NoticeId) -> str:
    """The id as it stands in the database: its JSON."""
    return encode(list(id_)).decode()


def place_of(row: Any) -> Place:
    """The place of a row."""
    return Place(
        has_notice=row.has_notice,
        end_of_life=row.end_of_life,
        announced_by=row.announced_by,
        is_announced=row.is_announced,
        is_in_consumption=row.is_in_consumption,
        consumption_count=row.consumption_count,
    )


def planned_id(board: str, planned_key: object) -> NoticeId | None:
    """The id by a board event's members; None for the forms of old journals."""
    if isinstance(planned_key, str):
        plan_id, key = split_planned_notice_key(planned_key)
    elif isinstance(planned_key, list) and len(planned_key) in (2, 3):
        plan_id, key = split_planned_notice_key(tuple(map(str, planned_key)))
    else:
        return None
    return notice_id(plan_id, board, key)


def ids_of(value: Any) -> list[NoticeId]:
    """`noticeIds` of an event or a state; ids in an old form are left out."""
    return [tuple(map(str, item)) for item in value if isinstance(item, list | tuple)] if value else []


def touched_places(events: Iterable[Event], orders: Mapping[str, LiveOrder]) -> set[NoticeId]:
    """The places that these events may change."""
    found: set[NoticeId] = set()
    for event in events:
        kind = event.TYPE
        if kind.startswith("Notice"):
            board = str(event.Key)
            keys = (event.planned_notice_key, event.from_planned_notice_key, event.to_planned_notice_key)
            found |= {id_ for key in keys if (id_ := planned_id(board, key)) is not None}
        elif kind in ("OrderNoticePosted", "OrderNoticeAnnounced"):
            found.update(ids_of([event.notice_id]))
        elif kind == "OrderNoticesConsumptionStarted":
            found.update(ids_of(event.notice_ids))
        elif kind in ("OrderNoticesConsumed", "OrderDeleted") and (order := orders.get(event.Key)) is not None:
            found.update(tuple(id_) for id_ in (*order.announced, *(id_ for ids in order.consuming for id_ in ids)))
    return found
