"""One look at one order: what instruction modules are given, and the moves that they make with it.

A `Step` reads the order anew from the state whenever it is asked, because events change it. Its methods emit events and
answer whether the instruction may go on now:

    if not step.is_at_controller():      # emits OrderDetachable when attached
        return
    if not step.is_started():            # waits for scheduledFor, emits OrderStarted
        return
    step.emit(OrderPrompted(...))

Whatever was emitted has the order looked at again in the same transaction, so each look does one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.engine.admission import is_without_period_start
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Attached, Fresh, Order
from stellwerk.engine.scopes import OrderScope, order_scope
from stellwerk.engine.state import Agent, Control, PathControl
from stellwerk.engine.transaction import Transaction
from stellwerk.language.instructions import End, ExecuteAnonymous, ExecuteNamed, ImplicitEnd, Instruction
from stellwerk.language.positions import Position, next_position, normalize, position_text
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError

#: For position-only instructions: where an order at this position goes on, or None when it has to look properly.
Anticipate = Callable[["Step", Position, Any], Position | None]


class Step:
    """See the module."""

    __slots__ = ("_control", "_has_emitted", "_path_control", "order_id", "transaction", "workflow")

    def __init__(self, transaction: Transaction, order: Order) -> None:
        self.transaction = transaction
        self.order_id = order.id
        self._has_emitted = False
        state = transaction.state
        workflow_id = order.workflow_id
        self.workflow: Workflow = state.workflow(workflow_id)
        self._path_control: PathControl | None = state.path_controls.get(workflow_id.path)
        self._control: Control | None = state.controls.get(workflow_id)

    @property
    def order(self) -> Order:
        return self.transaction.state.orders[self.order_id]

    @property
    def is_agent(self) -> bool:
        return isinstance(self.transaction.state.role, Agent)

    @property
    def now_ms(self) -> int:
        return self.transaction.context.now_ms

    def emit(self, event: e.OrderEvent) -> None:
        self._has_emitted = True
        self.transaction.emit(self.order_id, event)

    def scope(self, position: Position | None = None) -> OrderScope:
        return order_scope(self.transaction.state, self.order, self.transaction.context, position)

    def instruction(self) -> Instruction:
        return self.workflow.instruction(self.order.position)

    # --- where the order is ---

    def is_at_controller(self) -> bool:
        """True at the Controller; an attached order is sent there."""
        if not self.is_agent:
            return True
        self.emit(e.OrderDetachable())
        return False

    def is_at_agent(self, agent_path: str) -> bool:
        """True at this Agent; else the order is sent on its way there."""
        attached = self.order.attached_state
        if not self.is_agent:
            self.emit(e.OrderAttachable(agent_path=agent_path))
            return False
        if isinstance(attached, Attached) and attached.agent_path == agent_path:
            return True
        self.emit(e.OrderDetachable())
        return False

    def is_started(self) -> bool:
        """True when the order has started; a Fresh one starts when its time has come."""
        order = self.order
        if type(order.state) is not Fresh:
            return True
        if not self.waits_for_schedule():
            self.emit(e.OrderStarted())
        return False

    def waits_for_schedule(self) -> bool:
        order = self.order
        return type(order.state) is Fresh and order.scheduled_for is not None and order.scheduled_for > self.now_ms

    # --- control of workflows ---

    def is_path_suspended(self) -> bool:
        return self._path_control is not None and self._path_control.suspended

    def is_skipped(self, instruction: Instruction) -> bool:
        control = self._path_control
        return control is not None and instruction.label is not None and instruction.label in control.skip

    def is_skipped_for_order_day(self, position: Position, instruction: Instruction) -> bool:
        """A job without a period that starts on the order's day (workflow spec 4.6)."""
        if not isinstance(instruction, ExecuteNamed | ExecuteAnonymous):
            return False
        job = self.workflow.job(position)[1]
        return (
            job.skip_if_no_admission_start_for_order_day
            and job.admission_time_scheme is not None
            and not self.order.force_admission
            and is_without_period_start(self.order_id, job.admission_time_scheme)
        )

    def is_at_breakpoint(self, position: Position) -> bool:
        control = self._control
        return control is not None and bool(control.breakpoints) and normalize(position) in control.breakpoints

    def is_at_stop_position(self, position: Position) -> bool:
        """A stop position, unless it is the end of the order's outermost block (workflow spec 3.4)."""
        order = self.order
        if not order.stop_positions:
            return False
        instruction = self.workflow.instruction(position)
        is_stop = normalize(position) in [
            stop if isinstance(stop, str) else normalize(stop) for stop in order.stop_positions
        ] or (instruction.label is not None and instruction.label in order.stop_positions)
        if not is_stop:
            return False
        is_end = isinstance(instruction, End | ImplicitEnd)
        return not (is_end and len(position) == len(order.inner_block) + 1)

    # --- moving ---

    def move_on(self) -> None:
        """To the next instruction."""
        self.move(next_position(self.order.position))

    def move(self, to: Position, reason: e.Reason | None = None) -> None:
        """Move, and go on with position-only moves; those without reason collapse into one (workflow spec 2.0)."""
        moves: list[e.OrderMoved] = []
        seen = {self.order.position} if reason is None else set()
        while True:
            if to in seen:
                raise ProblemError(
                    f"{self.order_id} is in a workflow loop: {position_text(to)} is reached again for nothing"
                )
            seen.add(to)
            move = e.OrderMoved(to=to, reason=reason)
            if moves and reason is None and moves[-1].reason is None:
                moves[-1] = move
            else:
                moves.append(move)
            try:
                following = self._following(to)
            except ProblemError:
                if not self._has_emitted and moves[-1].reason is None and len(moves) == 1 and self.order.is_failable:
                    raise
                # What has been done stays done: the problem comes up again at the position reached.
                break
            if following is None:
                break
            to, reason = following
        for move in moves:
            self.emit(move)

    def following(self, position: Position) -> Position | None:
        """Where an order at this position would go on without doing anything; None when it has something to do."""
        following = self._following(position)
        return None if following is None else following[0]

    def _following(self, position: Position) -> tuple[Position, e.Reason | None] | None:
        if self.is_at_breakpoint(position) or self.is_at_stop_position(position) or self.is_path_suspended():
            return None
        instruction = self.workflow.instruction(position)
        if self.is_skipped(instruction):
            return next_position(position), e.SKIPPED_DUE_TO_WORKFLOW_PATH_CONTROL
        if self.is_skipped_for_order_day(position, instruction):
            return next_position(position), e.NO_ADMISSION_PERIOD_START
        anticipate = ANTICIPATIONS.get(type(instruction))
        if anticipate is None:
            return None
        to = anticipate(self, position, instruction)
        return None if to is None else (to, None)


#: Filled by `stellwerk.engine.instructions`: instruction type → its anticipation.
ANTICIPATIONS: Mapping[type[Instruction], Anticipate] = {}
