"""The projection sees each order as the engine does: random commands on a workflow with all instructions so far."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from installation import Installation

from stellwerk.cockpit.projection.batch import Ids
from stellwerk.cockpit.projection.fold import Fold
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.engine import commands, noticing, planning
from stellwerk.engine import requests as r
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order, state_name
from stellwerk.engine.plans import status_text
from stellwerk.language.outcomes import AnyOutcome, Disrupted, Failed, Succeeded
from stellwerk.values.events import encode_line
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError


def job(name: str) -> dict[str, Any]:
    return {"TYPE": "Execute.Named", "jobName": name}


WORKFLOW = {
    "path": "W",
    "instructions": [
        {
            "TYPE": "Try",
            "try": {"instructions": [job("a")]},
            "catch": {"instructions": [{"TYPE": "Retry"}]},
            "maxTries": 2,
            "retryDelays": [1],
        },
        {
            "TYPE": "Fork",
            "joinIfFailed": True,
            "branches": [
                {"id": "x", "workflow": {"instructions": [job("a"), {"TYPE": "Sleep", "duration": "2"}]}},
                {"id": "y", "workflow": {"instructions": [{"TYPE": "Prompt", "question": "'?'"}, job("b")]}},
            ],
        },
        {
            "TYPE": "If",
            "predicate": "$returnCode == 0",
            "then": {"instructions": [job("b")]},
            "else": {"instructions": [{"TYPE": "Stop"}, {"TYPE": "Fail", "message": "'no'"}]},
        },
        {"TYPE": "Finish"},
    ],
    "jobs": {
        name: {"agentPath": agent, "executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}
        for name, agent in (("a", "A"), ("b", "B"))
    },
}
OUTCOMES: list[AnyOutcome] = [
    Succeeded(named_values={"returnCode": 0}),
    Succeeded(named_values={"returnCode": 0}),
    Failed(named_values={"returnCode": 1}),
    Disrupted.process_lost(),
]
ACTIONS = ["add", "step", "run", "advance", "cancel", "kill", "suspend", "reset", "resume", "answer", "go", "delete"]


def act(world: Installation, action: str, choice: int) -> None:
    known = sorted(world.controller.orders)
    order_id = known[choice % len(known)] if known else "O"
    match action:
        case "add":
            world.add(f"O{choice}", delete_when_terminated=choice == 2)
        case "step":
            world.step()
        case "run":
            world.run()
        case "advance":
            world.advance(choice)
        case "cancel":
            world.command(commands.cancel_orders, [order_id], e.FreshOrStarted())
        case "kill":
            world.command(commands.cancel_orders, [order_id], e.FreshOrStarted(kill=e.Kill()))
        case "suspend":
            world.command(commands.suspend_orders, [order_id], e.SuspensionMode())
        case "reset":
            world.command(commands.suspend_orders, [order_id], e.SuspensionMode(reset_state=True))
        case "resume":
            world.command(commands.resume_order, r.ResumeOrder(order_id=order_id))
        case "answer":
            world.command(commands.answer_order_prompt, order_id)
        case "go":
            world.command(commands.go_order, order_id, world.controller.order(order_id).position)
        case "delete":
            world.command(commands.delete_orders_when_terminated, [order_id])


def as_projected(order: LiveOrder) -> dict[str, Any]:
    return {
        "state": order.state,
        "position": tuple(order.position),
        "suspended": order.is_suspended,
        "mark": order.mark,
        "attached": order.attached,
        "agent": order.agent_id,
        "children": order.children,
        "parent": order.parent,
        "delete": order.delete_when_terminated,
        "task": order.task is not None,
    }


def as_in_engine(order: Order) -> dict[str, Any]:
    attached = order.attached_state
    state = state_name(order.state)
    return {
        "state": state,
        "position": tuple(order.position),
        "suspended": order.is_suspended,
        "mark": type(order.mark).__name__ if order.mark is not None else None,
        "attached": type(attached).__name__ if attached is not None else "",
        "agent": attached.agent_path if attached is not None else None,
        "children": [child.order_id for child in getattr(order.state, "children", ())],
        "parent": order.parent,
        "delete": order.delete_when_terminated,
        "task": state == "Processing",
    }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), max_size=30), seed=st.integers(0, 10**6)
)
def test_every_order_is_projected_as_the_engine_has_it(actions: list[tuple[str, int]], seed: int) -> None:
    counter = [seed]

    def result(order: Order) -> AnyOutcome:
        counter[0] = (counter[0] * 1103515245 + 12345) % (1 << 31)
        lost = sum(isinstance(entry.outcome, Disrupted) for entry in order.historic_outcomes)
        return OUTCOMES[(counter[0] >> 8) % (3 if lost > 2 else 4)]

    world = Installation(job_result=result)
    world.deploy(WORKFLOW)
    fold = Fold("controller", {}, lambda path, version: None, Ids(0, 0))
    projected = 0
    for action, choice in [("add", 1), *actions]:
        try:
            act(world, action, choice)
        except ProblemError:
            continue
        for number, (key, event) in enumerate(world.events[projected:], start=projected + 1):
            fold.apply(encode_line(number * 1000, key, encode(event)))
        projected = len(world.events)
        found = {order_id: as_projected(order) for order_id, order in fold.live_orders().items()}
        expected = {order_id: as_in_engine(order) for order_id, order in world.controller.orders.items()}
        assert found == expected, world.history()
    changes = fold.finish()
    starts = [event for _, event in world.events if isinstance(event, e.OrderProcessingStarted)]
    assert len({row[0] for row in changes.steps}) == len(starts)


BOARDS: list[dict[str, Any]] = [
    {
        "TYPE": "GlobalBoard",
        "path": path,
        "postOrderToNoticeKey": "'k'",
        "expectOrderToNoticeKey": "'k'",
        "endOfLife": "$js7EpochMilli + 3000",
    }
    for path in ("G", "H")
] + [{"TYPE": "PlannableBoard", "path": "P", "postOrderToNoticeKey": "'k'", "expectOrderToNoticeKey": "'k'"}]
PLAN_SCHEMA = {"TYPE": "PlanSchema", "id": "S", "unknownPlanIsOpenFunction": "key => true"}
WITH_BOARDS = {
    "poster": [{"TYPE": "PostNotices", "boardPaths": ["G", "P"]}],
    "expecter": [{"TYPE": "ExpectNotices", "boardPaths": "'G' && 'P'"}],
    "consumer": [
        {
            "TYPE": "ConsumeNotices",
            "boardPaths": "'G' && 'H'",
            "subworkflow": {"instructions": [{"TYPE": "Prompt", "question": "'?'"}, {"TYPE": "Fail"}]},
        }
    ],
    "eater": [
        {
            "TYPE": "ConsumeNotices",
            "boardPaths": "'G'",
            "subworkflow": {"instructions": [{"TYPE": "Prompt", "question": "'?'"}]},
        }
    ],
}
BOARD_ACTIONS = [*WITH_BOARDS, "planned", "plan", "post", "delete", "answer", "cancel", "reset", "advance", "remove"]


def act_on_boards(world: Installation, action: str, choice: int) -> None:
    path = "GHP"[choice % 3]
    match action:
        case "poster" | "expecter" | "consumer" | "eater":
            world.add(f"{action}-{choice}", action, delete_when_terminated=choice % 2 == 0)
        case "planned":
            times: dict[str, Any] = {"scheduled_for": world.now_ms + 2000, "delete_when_terminated": choice < 3}
            world.add(f"planned-{choice}", "poster", plan_id=("S", "1"), **times)
        case "plan":
            status: Any = ("Open", "Closed", "Deleted")[choice % 3]
            world.command(planning.change_plan, r.ChangePlan(plan_id=("S", "1"), status=status))
        case "post":
            world.command(noticing.post_notice, r.PostNotice(notice_id=[path, "k"]))
        case "delete":
            world.command(noticing.delete_notice, r.DeleteNotice(notice_id=[path, "k"]))
        case "remove":
            known = sorted(world.controller.orders)
            world.command(commands.delete_orders_when_terminated, known[choice % len(known) :][:1] if known else [])
        case _:
            act(world, action, choice)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=st.lists(st.tuples(st.sampled_from(BOARD_ACTIONS), st.integers(0, 5)), max_size=30))
@example(actions=[("post", 0), ("eater", 0), ("answer", 0)])
@example(actions=[("post", 0), ("post", 1), ("consumer", 1), ("answer", 0)])
@example(actions=[("planned", 0), ("cancel", 0)])
@example(actions=[("planned", 0), ("plan", 1), ("plan", 0), ("plan", 1), ("cancel", 0)])
@example(actions=[("plan", 1), ("plan", 0)])
def test_every_notice_is_projected_as_the_engine_has_it(actions: list[tuple[str, int]]) -> None:
    world = Installation()
    workflows = [{"path": path, "instructions": instructions} for path, instructions in WITH_BOARDS.items()]
    world.deploy(*BOARDS, PLAN_SCHEMA, *workflows)
    fold = Fold("controller", {}, lambda path, version: None, Ids(0, 0))
    projected = 0
    for action, choice in actions:
        try:
            act_on_boards(world, action, choice)
        except ProblemError:
            continue
        for number, (key, event) in enumerate(world.events[projected:], start=projected + 1):
            fold.apply(encode_line(number * 1000, key, encode(event)))
        projected = len(world.events)
        notices = world.controller.notices
        assert fold.places.all() == notices.places, world.history()
        expected = {id_: set(notices.expecting(id_)) for id_ in (("G", "k"), ("P", "k"), ("H", "k"))}
        found: dict[tuple[str, ...], set[str]] = {id_: set() for id_ in expected}
        for order in fold.live_orders().values():
            for id_ in order.expected:
                found[tuple(id_)].add(order.order_id)
        assert found == expected, world.history()
        status = status_text(world.controller.plans.status(("S", "1")))
        rows = [decode(str(row[6]))["status"] for row in fold.changes.items if row[1:3] == ("Plan", "S/1")]
        # One that has been deleted is forgotten; one that has never been changed is open.
        assert (rows[-1] if rows else None) == status or (not rows and status in ("Open", "Deleted")), world.history()
