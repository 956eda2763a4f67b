"""One order of each kind and one event of each type: for the exhaustive test and the docs' diagram."""

from __future__ import annotations

import itertools
from typing import Any, get_args

from stellwerk.engine.events import order as e
from stellwerk.engine.order import (
    AnyState,
    Attached,
    Attaching,
    BetweenCycles,
    DelayingRetry,
    Detaching,
    Forked,
    Order,
    Sleeping,
    WaitingForAdmission,
)
from stellwerk.engine.transitions import RULES
from stellwerk.language.instructions import LockDemand
from stellwerk.language.outcomes import Failed, Succeeded
from stellwerk.language.positions import CycleState, WorkflowId, WorkflowPosition


def _sample(state: type[Any]) -> Any:
    members: dict[type[Any], dict[str, Any]] = {
        DelayingRetry: {"until": 1},
        Sleeping: {"until": 1},
        WaitingForAdmission: {"until": 1},
        Forked: {"children": (e.ChildOrder(order_id="O|a", branch_id="a"),)},
        BetweenCycles: {"cycle_state": CycleState(end=9)},
    }
    return state(**members.get(state, {}))


STATES = [_sample(state) for state in get_args(AnyState)]
ATTACHED = [None, Attaching("A"), Attached("A"), Detaching("A")]
EVENTS: list[Any] = [
    e.OrderOrderAdded(order_id="P", workflow_id=WorkflowId("W", "1")),
    e.OrderAttachable(agent_path="A"),
    e.OrderAttached(agent_path="A"),
    e.OrderProcessed(outcome=Succeeded()),
    e.OrderStdoutWritten(chunk="x"),
    e.OrderStderrWritten(chunk="x"),
    e.OrderMoved(to=(1,)),
    e.OrderForked(children=()),
    e.OrderJoined(outcome=Failed()),
    e.OrderOutcomeAdded(outcome=Failed()),
    e.OrderCaught(moved_to=(0, "catch+0", 0)),
    e.OrderFailed(moved_to=(0,)),
    e.OrderFailedInFork(moved_to=(0,)),
    e.OrderPriorityChanged(priority=1),
    e.OrderPlanAttached(plan_id=("DailyPlan", "2025-06-01")),
    e.OrderNoticeAnnounced(notice_id=("DailyPlan", "2025-06-01", "B")),
    e.OrderLocksQueued(demands=(LockDemand(lock_path="L"),)),
    e.OrderLocksAcquired(demands=(LockDemand(lock_path="L", count=1),)),
    e.OrderLocksReleased(lock_paths=("L",)),
    e.OrderNoticePosted(notice_id=("B", "k")),
    e.OrderNoticesExpected(notice_ids=(("B", "k"),)),
    e.OrderNoticesConsumptionStarted(notice_ids=(("B", "k"),)),
    e.OrderTransferred(workflow_position=WorkflowPosition(WorkflowId("W", "2"), (0,))),
    e.OrderGoMarked(position=(0, "stickySubagent", 0)),
    e.OrderStickySubagentEntered(agent_path="B"),
    e.OrderCyclingPrepared(cycle_state=CycleState(end=9)),
    e.OrderSleeping(until=9),
    e.OrderWaitingForAdmission(until=9),
]
EVENTS += [event() for event in RULES if event not in {type(known) for known in EVENTS}]


def sample_orders() -> list[Order]:
    return [
        Order(
            id="O|a" if parent else "O",
            workflow_position=WorkflowPosition(WorkflowId("W", "1"), (0, branch, 0)),
            state=state,
            attached_state=attached,
            is_suspended=is_suspended,
            parent=parent,
            scheduled_for=1,
            mark=mark,
            external_order=e.ExternalOrder(order_watch_path="F", name="n"),
            sticky_subagents=(e.StickySubagent(agent_path="A"),),
            historic_outcomes=(e.HistoricOutcome((0,), Failed()),),
        )
        for state, branch, attached, is_suspended, parent, mark in itertools.product(
            STATES,
            ("stickySubagent", "lock", "consumeNotices"),
            ATTACHED,
            (False, True),
            (None, "O"),
            (None, e.Suspending(mode=e.SuspensionMode(kill=e.Kill())), e.Cancelling()),
        )
    ]
