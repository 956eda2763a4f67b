"""PostNotices, ExpectNotices, ConsumeNotices, at the Controller (workflow spec 2.12 to 2.14)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.events.board import split_notice_id
from stellwerk.engine.notices import Notices
from stellwerk.engine.order import ExpectingNotices
from stellwerk.engine.step import Step
from stellwerk.language.boards import BoardExpression, Truth
from stellwerk.language.expressions import parse_expression, soft_string
from stellwerk.language.expressions.values import as_number
from stellwerk.language.instructions import ConsumeNotices, ExpectNotices, PostNotices
from stellwerk.language.items import Board, GlobalBoard
from stellwerk.language.positions import next_position
from stellwerk.values.problems import Problem, ProblemError


def _notices(step: Step) -> Notices:
    return step.transaction.state.notices


def key_of(step: Step, text: str) -> str:
    """The key of a notice. Raises `ProblemError` when the expression fails or gives no String."""
    key = soft_string(parse_expression(text).evaluate(step.scope()))
    if key is None:
        raise ProblemError(Problem.of("UnexpectedValueType", expectedType="String", value="Missing: missing"))
    return key


def posted_id(step: Step, board: Board) -> e.NoticeId:
    return _notices(step).id_for(board, step.order.plan_id, key_of(step, board.post_order_to_notice_key))


def post(step: Step, instruction: PostNotices) -> None:
    if not step.is_at_controller() or not step.is_started():
        return
    for path in instruction.board_paths:
        board = _notices(step).board(path)
        end_of_life = None
        if isinstance(board, GlobalBoard):
            value = board.end_of_life_expression.evaluate(step.scope())
            end_of_life = None if value is None else int(as_number(value))
        step.emit(e.OrderNoticePosted(notice_id=posted_id(step, board), end_of_life=end_of_life))
    step.emit(e.OrderMoved(to=next_position(step.order.position)))


def _expected_ids(step: Step, boards: BoardExpression) -> dict[str, e.NoticeId]:
    """Board → id of the notice that this order expects there."""
    notices = _notices(step)
    found: dict[str, e.NoticeId] = {}
    for path in boards.board_paths():
        board = notices.board(path)
        found[path] = notices.id_for(board, step.order.plan_id, key_of(step, board.expect_order_to_notice_key))
    return found


def _truth(step: Step, boards: BoardExpression, ids: dict[str, e.NoticeId]) -> Truth:
    return boards.evaluate(lambda path: _notices(step).truth(ids[path]))


def expect(step: Step, instruction: ExpectNotices) -> None:
    if not step.is_at_controller() or not step.is_started():
        return
    ids = _expected_ids(step, instruction.boards)
    truth = _truth(step, instruction.boards, ids)
    if truth is Truth.TRUE:
        step.emit(e.OrderNoticesRead())
        step.move_on()
    elif truth is Truth.UNKNOWN and instruction.when_not_announced != "Wait":
        step.emit(e.OrderNoticesRead())
        step.move(next_position(step.order.position), e.NO_NOTICE)
    else:
        step.emit(e.OrderNoticesExpected(notice_ids=tuple(ids.values())))


def consume(step: Step, instruction: ConsumeNotices) -> None:
    if not step.is_at_controller() or not step.is_started():
        return
    ids = _expected_ids(step, instruction.boards)
    truth = _truth(step, instruction.boards, ids)
    if truth is Truth.TRUE:
        step.emit(e.OrderNoticesConsumptionStarted(notice_ids=tuple(ids.values())))
    elif truth is Truth.UNKNOWN and instruction.when_not_announced != "Wait":
        has_any = any(_notices(step).place(id_).has_notice for id_ in ids.values())
        if instruction.when_not_announced == "SkipWhenNoNotice" and not has_any:
            step.emit(e.OrderNoticesRead())
            step.move(next_position(step.order.position), e.NO_NOTICE)
        else:
            step.emit(e.OrderNoticesConsumptionStarted(notice_ids=tuple(ids.values())))
    else:
        step.emit(e.OrderNoticesExpected(notice_ids=tuple(ids.values())))


def wait(step: Step) -> None:
    """The order expects notices, one of which may have been posted."""
    state = step.order.state
    assert isinstance(state, ExpectingNotices)
    instruction = step.instruction()
    assert isinstance(instruction, ExpectNotices | ConsumeNotices)
    ids = {split_notice_id(id_)[1]: id_ for id_ in state.notice_ids}
    if _truth(step, instruction.boards, ids) is not Truth.TRUE:
        return
    if isinstance(instruction, ConsumeNotices):
        step.emit(e.OrderNoticesConsumptionStarted(notice_ids=state.notice_ids))
    else:
        step.emit(e.OrderNoticesRead())
        step.move_on()
