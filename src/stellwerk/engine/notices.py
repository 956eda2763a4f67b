"""Notice boards and their notices (workflow spec 8.2; orders 6.5). Part of the Controller's state.

A *place* is where a notice may lie: plan, board, key. Orders that expect a notice are indexed by place; the index
follows from their states and is not part of a snapshot.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from stellwerk.engine.events.board import notice_id, split_notice_id
from stellwerk.engine.events.order_parts import NoticeId, PlanId
from stellwerk.language.boards import Truth
from stellwerk.language.items import Board, GlobalBoard, board_key
from stellwerk.values.problems import ProblemError

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What is at a place. An empty one is not stored."""

    has_notice: bool = False
    #: Epoch milliseconds.
    end_of_life: int | None = None
    #: The order that is going to post a notice here.
    announced_by: str | None = None
    is_announced: bool = False
    #: The notice goes when its last consumer succeeds; a notice that is posted meanwhile stays.
    is_in_consumption: bool = False
    consumption_count: int = 0

    def posted(self, end_of_life: int | None) -> Place:
        """A notice that is posted replaces one, and ends an announcement."""
        return replace(
            self,
            has_notice=True,
            end_of_life=end_of_life,
            is_announced=False,
            announced_by=None,
            is_in_consumption=False,
        )

    def deleted(self) -> Place:
        return replace(self, has_notice=False, end_of_life=None, is_in_consumption=False)

    def announced(self, order_id: str) -> Place:
        return replace(self, is_announced=True, announced_by=order_id)

    def not_announced(self) -> Place:
        return replace(self, is_announced=False, announced_by=None)

    def with_consumer(self) -> Place:
        return replace(self, is_in_consumption=True, consumption_count=self.consumption_count + 1)

    def without_consumer(self, *, is_failed: bool) -> Place:
        """The last consumer takes the notice away, if it succeeds."""
        left = replace(self, consumption_count=max(0, self.consumption_count - 1))
        if left.consumption_count:
            return left
        if left.is_in_consumption and not is_failed:
            left = replace(left, has_notice=False, end_of_life=None)
        return replace(left, is_in_consumption=False)


EMPTY = Place()


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Snapshot object (journal spec 8.2)."""

    id: NoticeId
    end_of_life: int | None = None


class NoticePlace(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Snapshot object. `announced_by` is our addition: which order's deletion ends the announcement."""

    notice_id: NoticeId
    is_announced: bool = False
    is_in_consumption: bool = False
    consumption_count: int = 0
    announced_by: str | None = None


class NoticeConsumption(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True
):
    """Snapshot object: notices of one board that an order consumes, the innermost first."""

    board_path: str
    order_id: str
    notice_id_stack: tuple[NoticeId, ...]


class Notices:
    """All boards of a Controller. Only events change it, through `EngineState.put`."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self.boards: dict[str, Board] = {}
        self.places: dict[NoticeId, Place] = {}
        #: Board path → ids of its places that are stored.
        self._of_board: dict[str, dict[NoticeId, None]] = {}
        self._of_plan: dict[PlanId, dict[NoticeId, None]] = {}
        #: Place → orders that expect a notice there.
        self._expecting: dict[NoticeId, dict[str, None]] = {}
        #: Order → the notices of each ConsumeNotices block that it is in, outermost first.
        self.consumptions: dict[str, tuple[tuple[NoticeId, ...], ...]] = {}
        self._announcements: dict[str, tuple[NoticeId, ...]] = {}
        self._ends: list[tuple[int, NoticeId]] = []

    # --- reading ---

    def board(self, path: str) -> Board:
        """Raises `ProblemError` UnknownKey."""
        found = self.boards.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Board", key=board_key(path))
        return found

    def place(self, id_: NoticeId) -> Place:
        return self.places.get(id_, EMPTY)

    def truth(self, id_: NoticeId) -> Truth:
        """Present: true. Missing, but announced: false. Else unknown (workflow spec 2.13)."""
        place = self.place(id_)
        if place.has_notice:
            return Truth.TRUE
        return Truth.FALSE if place.is_announced else Truth.UNKNOWN

    def id_for(self, board: Board, plan_id: PlanId, key: str) -> NoticeId:
        """A global board's notices lie in the global plan, a plannable one's in that of the order."""
        return notice_id(() if isinstance(board, GlobalBoard) else plan_id, board.path, key)

    def expecting(self, id_: NoticeId) -> list[str]:
        return list(self._expecting.get(id_, ()))

    def is_expected(self, id_: NoticeId) -> bool:
        return bool(self._expecting.get(id_))

    def of_board(self, path: str) -> list[NoticeId]:
        """Places of the board with something at them."""
        return list(self._of_board.get(path, ()))

    def of_plan(self, plan_id: PlanId) -> list[NoticeId]:
        return list(self._of_plan.get(plan_id, ()))

    def expected_of_board(self, path: str) -> list[NoticeId]:
        """Walks over all places that are expected; for the rare change of a board's type."""
        return [id_ for id_ in self._expecting if split_notice_id(id_)[1] == path]

    def next_end_of_life(self) -> int | None:
        while self._ends:
            due, id_ = self._ends[0]
            place = self.place(id_)
            if place.has_notice and place.end_of_life == due:
                return due
            heapq.heappop(self._ends)
        return None

    def ended(self, now_ms: int, limit: int) -> list[NoticeId]:
        """Notices whose life has ended; they stay until their events have been applied."""
        found: list[NoticeId] = []
        while len(found) < limit:
            due = self.next_end_of_life()
            if due is None or due > now_ms:
                break
            found.append(heapq.heappop(self._ends)[1])
        return found

    # --- events ---

    def put_board(self, board: Board) -> None:
        self._state.put(self.boards, board.path, board)

    def remove_board(self, path: str) -> None:
        """The board and everything on it."""
        for id_ in self.of_board(path):
            self._put(id_, EMPTY)
        self._state.remove(self.boards, path)

    def _put(self, id_: NoticeId, place: Place) -> None:
        plan_id, path, _ = split_notice_id(id_)
        state = self._state
        for ids in (self._of_board.setdefault(path, {}), self._of_plan.setdefault(plan_id, {})):
            if place == EMPTY:
                state.remove(ids, id_)
            elif id_ not in ids:
                state.put(ids, id_, None)
        if place == EMPTY:
            state.remove(self.places, id_)
        else:
            state.put(self.places, id_, place)
        if place.has_notice and place.end_of_life is not None:
            heapq.heappush(self._ends, (place.end_of_life, id_))

    def post(self, id_: NoticeId, end_of_life: int | None) -> None:
        """Put or replace a notice; it ends an announcement."""
        place = self.place(id_)
        self._forget_announcement(place.announced_by, id_)
        self._put(id_, place.posted(end_of_life))

    def delete(self, id_: NoticeId) -> None:
        self._put(id_, self.place(id_).deleted())

    def announce(self, id_: NoticeId, order_id: str) -> None:
        self._put(id_, self.place(id_).announced(order_id))
        self._state.put(self._announcements, order_id, (*self._announcements.get(order_id, ()), id_))

    def end_announcements(self, order_id: str) -> None:
        """The order is gone and will not post any more."""
        for id_ in self._announcements.get(order_id, ()):
            self._put(id_, self.place(id_).not_announced())
        self._state.remove(self._announcements, order_id)

    def _forget_announcement(self, order_id: str | None, id_: NoticeId) -> None:
        if order_id is None:
            return
        remaining = tuple(other for other in self._announcements.get(order_id, ()) if other != id_)
        if remaining:
            self._state.put(self._announcements, order_id, remaining)
        else:
            self._state.remove(self._announcements, order_id)

    def expect(self, order_id: str, ids: Iterable[NoticeId]) -> None:
        for id_ in ids:
            self._state.put(self._expecting.setdefault(id_, {}), order_id, None)

    def expect_no_more(self, order_id: str, ids: Iterable[NoticeId]) -> None:
        for id_ in ids:
            orders = self._expecting.get(id_)
            if orders is not None:
                self._state.remove(orders, order_id)
                if not orders:
                    self._state.remove(self._expecting, id_)

    def start_consumption(self, order_id: str, ids: tuple[NoticeId, ...]) -> None:
        for id_ in ids:
            self._put(id_, self.place(id_).with_consumer())
        self._state.put(self.consumptions, order_id, (*self.consumptions.get(order_id, ()), ids))

    def end_consumption(self, order_id: str, is_failed: bool) -> None:
        """Of the innermost block."""
        stack = self.consumptions.get(order_id, ())
        if not stack:
            return
        for id_ in stack[-1]:
            self._put(id_, self.place(id_).without_consumer(is_failed=is_failed))
        if len(stack) > 1:
            self._state.put(self.consumptions, order_id, stack[:-1])
        else:
            self._state.remove(self.consumptions, order_id)

    # --- snapshots ---

    def snapshot(self) -> Iterator[Any]:
        for id_, place in self.places.items():
            if place.has_notice:
                yield Notice(id=id_, end_of_life=place.end_of_life)
            if place.is_announced or place.is_in_consumption or place.consumption_count:
                yield NoticePlace(
                    notice_id=id_,
                    is_announced=place.is_announced,
                    is_in_consumption=place.is_in_consumption,
                    consumption_count=place.consumption_count,
                    announced_by=place.announced_by,
                )
        yield from self.boards.values()
        for order_id, stack in self.consumptions.items():
            by_board: dict[str, list[NoticeId]] = {}
            for ids in reversed(stack):
                for id_ in ids:
                    by_board.setdefault(split_notice_id(id_)[1], []).append(id_)
            for path, id_stack in by_board.items():
                yield NoticeConsumption(board_path=path, order_id=order_id, notice_id_stack=tuple(id_stack))

    def restore_notice(self, notice: Notice) -> None:
        self._put(notice.id, replace(self.place(notice.id), has_notice=True, end_of_life=notice.end_of_life))

    def restore_place(self, restored: NoticePlace) -> None:
        id_ = restored.notice_id
        self._put(
            id_,
            replace(
                self.place(id_),
                is_announced=restored.is_announced,
                is_in_consumption=restored.is_in_consumption,
                consumption_count=restored.consumption_count,
                announced_by=restored.announced_by,
            ),
        )
        if restored.announced_by is not None:
            known = self._announcements.get(restored.announced_by, ())
            self._announcements[restored.announced_by] = (*known, id_)

    def restore_consumptions(self, order_id: str, stacks: dict[str, list[NoticeId]], boards: list[list[str]]) -> None:
        """`boards`: of each ConsumeNotices block the order is in, outermost first; stacks are innermost first."""
        levels: list[tuple[NoticeId, ...]] = []
        for paths in boards:
            levels.append(tuple(stacks[path].pop() for path in paths if stacks.get(path)))
        if levels:
            self.consumptions[order_id] = tuple(levels)
