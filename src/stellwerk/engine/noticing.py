"""Commands for notices and boards (orders spec 6.5, 7.2)."""

from __future__ import annotations

from typing import Any

from stellwerk.engine import requests as r
from stellwerk.engine.events import board as b
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.state import EngineState
from stellwerk.engine.transaction import Transaction
from stellwerk.language.items import GlobalBoard
from stellwerk.values.problems import ProblemError


def _notice_id(state: EngineState, value: Any, board_path: str | None) -> NoticeId:
    """Both forms of the commands. Raises `ProblemError` for an unknown board or plan."""
    if board_path is not None:
        parts: Any = [board_path, value] if value else [board_path]
    else:
        parts = value
    if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= 4 or not all(isinstance(p, str) for p in parts):
        raise ProblemError(f"Not a notice id: {value!r} (expected [board, key] or [planSchema, planKey, board, key])")
    plan_id, path, key = b.split_notice_id(tuple(parts))
    board = state.notices.board(path)
    if isinstance(board, GlobalBoard) and plan_id:
        raise ProblemError(f"{board.key} is a global board: its notices belong to the global plan")
    return b.notice_id(plan_id, path, key)


def post_notice(transaction: Transaction, command: r.PostNotice) -> None:
    """Post or replace a notice; one that is over already vanishes at once."""
    state = transaction.state
    plan_id, path, key = b.split_notice_id(_notice_id(state, command.notice_id, command.board_path))
    state.plans.check_instruction(plan_id, is_own=True)
    board = state.notices.board(path)
    now_ms = transaction.context.now_ms
    end_of_life = command.end_of_life
    if end_of_life is None and isinstance(board, GlobalBoard):
        end_of_life = end_of_life_of(board, transaction)
    planned = b.planned_notice_key(plan_id, key)
    transaction.emit(path, b.NoticePosted(planned_notice_key=planned, end_of_life=end_of_life))
    if end_of_life is not None and end_of_life <= now_ms:
        transaction.emit(path, b.NoticeDeleted(planned_notice_key=planned))


def end_of_life_of(board: GlobalBoard, transaction: Transaction) -> int | None:
    """What the board's expression says without an order: None, if it needs one."""
    from stellwerk.engine.scopes import ClockScope
    from stellwerk.language.expressions.values import as_number

    try:
        value = board.end_of_life_expression.evaluate(ClockScope(transaction.context))
        return None if value is None else int(as_number(value))
    except ProblemError:
        return None


def delete_notice(transaction: Transaction, command: r.DeleteNotice) -> None:
    state = transaction.state
    notice_id = _notice_id(state, command.notice_id, command.board_path)
    if not state.notices.place(notice_id).has_notice:
        raise ProblemError.of("UnknownKey", type="Notice", key="Notice:" + "/".join(notice_id))
    plan_id, path, key = b.split_notice_id(notice_id)
    transaction.emit(path, b.NoticeDeleted(planned_notice_key=b.planned_notice_key(plan_id, key)))
