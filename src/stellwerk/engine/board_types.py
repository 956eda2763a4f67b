"""A board becomes plannable, or global (orders spec 6.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from stellwerk.engine import requests as r
from stellwerk.engine.events import board as b
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events.order_parts import NoticeId, PlanId
from stellwerk.engine.order import ExpectingNotices
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import EMPTY_SCOPE, as_list, as_string, parse_function
from stellwerk.language.items import Board, GlobalBoard, PlannableBoard, board_key, read_unsigned_item
from stellwerk.values.problems import ProblemError

#: The new place of a notice: its plan and key.
_NewPlace = Callable[[PlanId, str], tuple[PlanId, str]]


def change_to_plannable(transaction: Transaction, command: r.ChangeGlobalToPlannableBoard) -> None:
    """Each notice goes to the plan that `splitNoticeKey` names. Raises `ProblemError`; then nothing has changed."""
    board = _read(command.plannable_board, "PlannableBoard")
    transaction.state.plans.schema(command.plan_schema_id)
    split = parse_function(command.split_notice_key)

    def new_place(plan_id: PlanId, key: str) -> tuple[PlanId, str]:
        parts = [as_string(part) for part in as_list(split.call([key], EMPTY_SCOPE))]
        if len(parts) != 2:
            raise ProblemError(f"splitNoticeKey must give [plan key, notice key], not {parts}")
        return (command.plan_schema_id, parts[0]), parts[1]

    _change(transaction, board, GlobalBoard, new_place)


def change_to_global(transaction: Transaction, command: r.ChangePlannableToGlobalBoard) -> None:
    """The notices of all plans get the keys that `makeNoticeKey` makes. Raises `ProblemError`."""
    board = _read(command.global_board, "GlobalBoard")
    transaction.state.plans.schema(command.plan_schema_id)
    make = parse_function(command.make_notice_key)

    def new_place(plan_id: PlanId, key: str) -> tuple[PlanId, str]:
        if plan_id[:1] != (command.plan_schema_id,):
            raise ProblemError(f"{board.key} has notices of the plan schema {plan_id[0] if plan_id else 'Global'}")
        return (), as_string(make.call([plan_id[1], key], EMPTY_SCOPE))

    _change(transaction, board, PlannableBoard, new_place)


def _read(members: dict[str, Any], kind: str) -> Any:
    return read_unsigned_item({**members, "TYPE": kind})


def _change(transaction: Transaction, board: Board, old_type: type[Board], new_place: _NewPlace) -> None:
    notices = transaction.state.notices
    old = notices.board(board.path)
    if not isinstance(old, old_type):
        raise ProblemError(f"{board_key(board.path)} is a {type(old).__name__} already")
    ids: list[NoticeId] = list(dict.fromkeys([*notices.of_board(board.path), *notices.expected_of_board(board.path)]))
    for id_ in ids:
        if notices.place(id_).consumption_count:
            raise ProblemError(f"{board_key(board.path)}: Notice:{'/'.join(id_)} is being consumed")
    revision = 0 if old.item_revision is None else old.item_revision + 1
    transaction.emit(None, i.UnsignedSimpleItemChanged(item=replace(board, item_revision=revision)))
    for id_ in ids:
        for order_id in notices.expecting(id_):
            order = transaction.state.orders.get(order_id)
            if order is not None and isinstance(order.state, ExpectingNotices):
                transaction.emit(order_id, e.OrderStateReset())
        place = notices.place(id_)
        if not place.has_notice:
            continue
        plan_id, _, key = b.split_notice_id(id_)
        to_plan, to_key = new_place(plan_id, key)
        transaction.emit(
            board.path,
            b.NoticeMoved(
                from_planned_notice_key=b.planned_notice_key(plan_id, key),
                to_planned_notice_key=b.planned_notice_key(to_plan, to_key),
                end_of_life=place.end_of_life,
            ),
        )
