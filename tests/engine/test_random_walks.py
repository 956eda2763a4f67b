"""Random commands on random workflows: fold, indexes, limits, progress (architecture, invariants 1, 2, 5)."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, get_args

import pytest
from generated_workflows import ITEMS, ORDER_DAY, workflow
from installation import ControllerOnly, Installation

from stellwerk.engine import commands, noticing, planning, processing
from stellwerk.engine import requests as r
from stellwerk.engine.events import order as e
from stellwerk.engine.events.board import AnyBoardEvent
from stellwerk.engine.events.plan import AnyPlanEvent
from stellwerk.engine.locks import LockState
from stellwerk.engine.notices import Notice, NoticeConsumption, NoticePlace
from stellwerk.engine.order import Order, Processing, WaitingForLock, state_name
from stellwerk.engine.state import EngineState
from stellwerk.engine.transaction import Transaction
from stellwerk.language.instructions import Lock
from stellwerk.language.outcomes import AnyOutcome, Disrupted, Failed, Succeeded
from stellwerk.language.positions import fork_branch
from stellwerk.values.events import decode_envelope, encode_line
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError

PLAN = ("DailyPlan", "2025-06-01")
_lock_decoder = decoder(LockState)
_decoder = decoder(e.AnyOrderEvent | AnyBoardEvent | AnyPlanEvent)

ACTION_NAMES = [
    "add",
    "step",
    "step",
    "step",
    "run",
    "advance",
    "cancel",
    "kill",
    "suspend",
    "reset",
    "resume",
    "skip",
    "answer",
    "go",
    "go",
    "go",
    "delete",
    "fresh",
    "suspend-kill",
    "post",
    "unpost",
    "close",
    "open",
    "priority",
    "limit",
    "bundle",
]


def _act(installation: Installation, action: str, number: int, choice: int) -> None:
    order_id = f"{ORDER_DAY}O{number}"
    known = sorted(installation.controller.orders)
    if known and choice:
        order_id = known[choice % len(known)]
    command = installation.command
    match action:
        case "add":
            members: dict[str, Any] = {"scheduled_for": installation.now_ms + 2000} if choice == 1 else {}
            if choice in (3, 4):
                members["plan_id"] = PLAN
            installation.add(f"{ORDER_DAY}O{number}", delete_when_terminated=choice == 2, **members)
        case "step":
            installation.step()
        case "run":
            installation.run()
        case "advance":
            installation.advance(choice)
        case "cancel":
            command(commands.cancel_orders, [order_id], e.FreshOrStarted())
        case "fresh":
            command(commands.cancel_orders, [order_id], e.FreshOnly())
        case "kill":
            command(commands.cancel_orders, [order_id], e.FreshOrStarted(kill=e.Kill(immediately=choice > 2)))
        case "suspend":
            command(commands.suspend_orders, [order_id], e.SuspensionMode())
        case "suspend-kill":
            command(commands.suspend_orders, [order_id], e.SuspensionMode(kill=e.Kill()))
        case "reset":
            command(commands.suspend_orders, [order_id], e.SuspensionMode(reset_state=True))
        case "resume":
            command(commands.resume_order, r.ResumeOrder(order_id=order_id))
        case "skip":
            order = installation.controller.order(order_id)
            position = (*order.position[:-1], int(order.position[-1]) + 1)
            command(commands.resume_order, r.ResumeOrder(order_id=order_id, position=position, as_succeeded=True))
        case "answer":
            command(commands.answer_order_prompt, order_id)
        case "go":
            waiting = [id_ for id_ in known if installation.controller.orders[id_].is_go_commandable]
            order_id = waiting[choice % len(waiting)] if waiting else order_id
            order = installation.controller.order(order_id)
            command(commands.go_order, order_id, order.position)
        case "delete":
            command(commands.delete_orders_when_terminated, [order_id])
        case "post":
            notice_id = ["BOARD", "K"] if choice % 2 else [*PLAN, "PLANNED"]
            command(noticing.post_notice, r.PostNotice(notice_id=notice_id))
        case "unpost":
            notice_id = ["BOARD", "K"] if choice % 2 else [*PLAN, "PLANNED"]
            command(noticing.delete_notice, r.DeleteNotice(notice_id=notice_id))
        case "close":
            command(planning.change_plan, r.ChangePlan(plan_id=PLAN, status="Closed"))
        case "open":
            command(planning.change_plan, r.ChangePlan(plan_id=PLAN, status="Open"))
        case "priority":
            command(commands.change_order, r.ChangeOrder(order_id=order_id, priority=choice))
        case "limit":
            installation.deploy({"TYPE": "Lock", "path": "M", "limit": number})
        case "bundle":
            priorities = {"B-1": "missing"} if choice % 2 else {"B-1": 1, "B-2": "1"}
            installation.deploy({"TYPE": "SubagentBundle", "id": "BUNDLE", "subagentToPriority": priorities})


def _check_indexes(state: EngineState) -> None:
    assert state.orders_of_workflow == Counter(order.workflow_id for order in state.orders.values())
    processing = [order for order in state.orders.values() if isinstance(order.state, Processing)]
    assert state.process_count[""] == len(processing)
    assert state.processes_of_job == Counter(state.job(order)[0] for order in processing)
    found = {id_: set(orders) for id_, orders in state.processing_at.items() if orders}
    expected: dict[str, set[str]] = {}
    for order in processing:
        assert isinstance(order.state, Processing)
        assert order.state.subagent_id is not None
        expected.setdefault(order.state.subagent_id, set()).add(order.id)
    assert found == expected
    assert state.joinable_children == Counter(
        order.parent for order in state.orders.values() if order.parent is not None and state.is_joinable(order)
    )
    for key, count in state.processes_of_job.items():
        if state.role != ControllerOnly().role:
            assert count <= state.workflows[key.workflow_id].job_of(key).process_limit


def _check_locks(state: EngineState) -> None:
    """An order holds exactly the locks of the blocks that it is in; who waits cannot have what it wants."""
    expected: dict[str, dict[str, int | None]] = {}
    for order in state.orders.values():
        position = order.position
        first = max(len(fork_branch(position)), len(order.inner_block))
        for length in range(first + 1, len(position), 2):
            if position[length] == "lock":
                lock = state.workflow(order.workflow_id).instruction(position[:length])
                assert isinstance(lock, Lock)
                for demand in lock.demands:
                    expected.setdefault(demand.lock_path, {})[order.id] = demand.count
    assert {path: holders for path, holders in state.locks.holders.items() if holders} == expected
    for path in state.locks.items:
        queue = [order_id for _, order_id in state.locks.queue(path)]
        waiting = [
            order.id
            for order in state.orders.values()
            if isinstance(order.state, WaitingForLock)
            and path in {demand.lock_path for demand in state.locks.demands_of(order.id)}
        ]
        assert sorted(queue) == sorted(waiting)


def _observable(state: EngineState) -> Any:
    """Everything that events have made, without the indexes."""
    return (
        state.orders,
        {path: holders for path, holders in state.locks.holders.items() if holders},
        {path: [id_ for _, id_ in state.locks.queue(path)] for path in state.locks.items},
        state.notices.places,
        state.notices.consumptions,
        list(state.plans.snapshot()),
        state.plans.order_counts,
    )


def _empty_controller(installation: Installation) -> ControllerOnly:
    folded = ControllerOnly()
    folded.workflows = installation.controller.workflows
    folded.current = installation.controller.current
    folded.calendars = installation.controller.calendars
    folded.locks.items = installation.controller.locks.items
    folded.notices.boards = installation.controller.notices.boards
    folded.plans.schemas = installation.controller.plans.schemas
    return folded


def _refold(installation: Installation) -> None:
    """The journal's bytes fold to the state that live processing had; so does a snapshot behind any transaction."""
    folded = _empty_controller(installation)
    commits = set(installation.commits[:: max(1, len(installation.commits) // 15)])
    for number, (key, event) in enumerate(installation.events, start=1):
        line = encode_line(number, key, encode(event))
        folded.apply(decode_envelope(line).key, _decoder.decode(line))
        if number in commits:
            _recover(installation, folded)
    assert _observable(folded) == _observable(installation.controller)
    _check_indexes(folded)


def _recover(installation: Installation, state: EngineState) -> None:
    """A Controller killed here: the snapshot restores the state, and every order can be looked at."""
    restored = _empty_controller(installation)
    for lock in state.locks.snapshot():
        restored.locks.restore(_lock_decoder.decode(encode(lock)))
    for plan in state.plans.snapshot():
        restored.plans.restore(plan)
    for item in state.notices.snapshot():
        if isinstance(item, Notice):
            restored.notices.restore_notice(item)
        elif isinstance(item, NoticePlace):
            restored.notices.restore_place(item)
        elif isinstance(item, NoticeConsumption):
            restored.restore_consumption(item.board_path, item.order_id, item.notice_id_stack)
    for order in state.orders.values():
        restored.add_order(order)
    assert _observable(restored) == _observable(state)
    with Transaction(restored, installation.context()) as transaction:
        processing.recover(transaction)
        transaction.follow_up(100_000)
    if not _breaks(installation):
        assert not [event.key for event in transaction.events if isinstance(event.event, e.OrderBroken)]
    _check_locks(restored)


def _breaks(installation: Installation) -> bool:
    return "BreakOrder" in str(installation.controller.workflows[installation.controller.current["W"]].definition)


OUTCOMES: list[AnyOutcome] = [
    Succeeded(named_values={"returnCode": 0}),
    Succeeded(named_values={"returnCode": 0}),
    Failed(named_values={"returnCode": 1}),
    Disrupted.process_lost(),
]


#: Walks of one test; each has a seed of its own, which is named when it fails.
WALKS = 40


@pytest.mark.parametrize("first_seed", range(0, 20 * WALKS, WALKS))
def test_whatever_happens_the_fold_is_the_state_and_orders_come_to_rest(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + WALKS):
        try:
            _walk(seed)
        except Exception as error:
            error.add_note(f"This was the walk with seed {seed}")
            raise


def test_the_walks_meet_every_event() -> None:
    """Else they prove less than they say."""
    met: set[type[Any]] = set()
    for seed in range(400):
        met.update(type(event) for _, event in _walk(seed).events)
    by_other_means = {e.OrderAttachedToAgent, e.OrderExternalVanished, e.OrderTransferred, e.OrderPlanAttached}
    by_other_means |= {e.OrderStdoutWritten, e.OrderStderrWritten}
    assert set(get_args(e.AnyOrderEvent)) - met - by_other_means == set()


def _walk(seed: int) -> Installation:
    random = Random(seed)

    def result(order: Order) -> AnyOutcome:
        lost = sum(isinstance(entry.outcome, Disrupted) for entry in order.historic_outcomes)
        return random.choice(OUTCOMES[: 3 if lost > 2 else 4])

    installation = Installation(job_result=result)
    installation.agents["B"].usable_subagents["B-2"] = None
    installation.deploy(*ITEMS, workflow(random))
    for number in range(random.randint(1, 3)):
        _act(installation, "add", number, random.choice((0, 0, 3)))
    for _ in range(random.randint(0, 50)):
        action, number, choice = random.choice(ACTION_NAMES), random.randint(0, 3), random.randint(0, 5)
        before = dict(installation.controller.orders)
        count = len(installation.events)
        try:
            _act(installation, action, number, choice)
        except ProblemError:
            if action not in ("step", "run", "advance"):
                assert len(installation.events) == count
                assert installation.controller.orders == before, "a refused command changes nothing"
        _check_indexes(installation.controller)
        _check_locks(installation.controller)
    installation.advance(60)
    _refold(installation)
    for path in installation.controller.locks.items:
        assert installation.controller.locks.first_fitting(path) is None, "nobody waits for what is free"
    for agent in installation.agents.values():
        _check_indexes(agent)
    for order in installation.controller.orders.values():
        assert not order.is_in_transfer, "nothing is left in transfer"
        assert state_name(order.state) != "Processing", "nothing is left running"
        if order.attached_state is None and state_name(order.state) in ("Ready", "Fresh"):
            is_at_join = order.parent is not None and installation.controller.is_joinable(order)
            assert order.is_suspended or is_at_join, f"{order.id} can move but does not:\n{installation.history()}"
    return installation


def test_an_exception_in_one_order_breaks_only_that_order() -> None:
    installation = Installation()
    installation.deploy({"path": "W", "instructions": [{"TYPE": "Prompt", "question": "'?'"}]})
    installation.add("A")
    with Transaction(installation.controller, installation.context()) as transaction:
        commands.add_order(transaction, r.FreshOrder(id="B", workflow_path="W"))
        commands.add_order(transaction, r.FreshOrder(id="C", workflow_path="W"))
        # An unforeseen bug: looking at one order raises something that nobody expects.
        broken = transaction.state.orders["B"]
        transaction.state.put(
            transaction.state.orders, "B", type(broken)(**{**_members(broken), "scheduled_for": "soon"})
        )
        transaction.follow_up()
    assert installation.state("A") == "Prompting"
    assert installation.state("B") == "Broken"
    assert installation.state("C") == "Prompting"


def _members(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__struct_fields__}
