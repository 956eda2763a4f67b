"""What adding an order has in common for commands, the AddOrder instruction and file watches."""

from __future__ import annotations

from collections.abc import Sequence

from stellwerk.engine.events import order as e
from stellwerk.engine.scopes import order_scope
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import parse_expression, soft_string
from stellwerk.language.instructions import PostNotices
from stellwerk.language.items import PlannableBoard
from stellwerk.language.positions import BranchPath, Position, PositionOrLabel, is_reachable, normalize, position_text
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError


def check_positions(
    workflow: Workflow, inner: BranchPath, start: PositionOrLabel | None, stops: Sequence[PositionOrLabel]
) -> Position | None:
    """The start position as a position; raises `ProblemError` (workflow spec 3.4)."""
    if not workflow.has_block(inner):
        raise ProblemError(f"Unknown block {position_text(inner)} in Workflow:{workflow.id}")
    first = (*inner, 0)

    def check(position_or_label: PositionOrLabel) -> Position:
        position = workflow.resolve(position_or_label)
        if normalize(position)[: len(inner)] != normalize(inner):
            raise ProblemError(f"Position {position_text(position)} must be in innerBlock={position_text(inner)}")
        if not is_reachable(first, position):
            raise ProblemError(
                "Order's startPosition or one of its stopPositions is not reachable: " + position_text(position)
            )
        return position

    found = None if start is None else check(start)
    for stop in stops:
        check(stop)
    return found


def announce(transaction: Transaction, order_id: str) -> None:
    """OrderNoticeAnnounced for what a new order of a plan is going to post (workflow spec 8.2).

    Only PostNotices directly in the order's block count, and only plannable boards. A key that cannot be worked out yet
    is not announced: the order itself will fail there.
    """
    state = transaction.state
    order = state.orders[order_id]
    if not order.plan_id:
        return
    for position, instruction in state.workflow(order.workflow_id).instructions_of_block(order.inner_block):
        if not isinstance(instruction, PostNotices):
            continue
        for path in instruction.board_paths:
            board = state.notices.boards.get(path)
            if not isinstance(board, PlannableBoard):
                continue
            try:
                scope = order_scope(state, order, transaction.context, position)
                key = soft_string(parse_expression(board.post_order_to_notice_key).evaluate(scope))
            except ProblemError:
                continue
            if key is None:
                continue
            notice_id = state.notices.id_for(board, order.plan_id, key)
            place = state.notices.place(notice_id)
            if not place.has_notice and not place.is_announced:
                transaction.emit(order_id, e.OrderNoticeAnnounced(notice_id=notice_id))
