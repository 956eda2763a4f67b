"""Pure looks at orders and workflows: locks by position, obstacles, boards that are used, values, order of lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.instances import moved_behind
from stellwerk.cockpit.controllers.lock_uses import lock_uses
from stellwerk.cockpit.controllers.order_places import Occupancy, job_of, obstacles
from stellwerk.cockpit.inventory.workflow_uses import uses_of
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.cockpit.projection.reading import named_values
from stellwerk.language.workflow import read_workflow

JOB = {"agentPath": "A", "executable": {"TYPE": "ShellScriptExecutable", "script": ":"}, "processLimit": 2}
EXECUTE = {"TYPE": "Execute.Named", "jobName": "load"}
INNER = {"TYPE": "Lock", "demands": [{"lockPath": "L2", "count": 3}], "lockedWorkflow": {"instructions": [EXECUTE]}}
FORK = {
    "TYPE": "Fork",
    "branches": [{"id": "a", "workflow": {"instructions": [INNER]}}, {"id": "b", "workflow": {"instructions": []}}],
}
OUTER = {"TYPE": "Lock", "demands": [{"lockPath": "L1"}], "lockedWorkflow": {"instructions": [INNER, FORK]}}
WORKFLOW = read_workflow(
    {"path": "W", "versionId": "1", "instructions": [OUTER, EXECUTE], "jobs": {"load": JOB}, "TYPE": "Workflow"}
)


def order(position: list[int | str], state: str = "Ready", **members: Any) -> LiveOrder:
    return LiveOrder("O", 1, 1, "W", "1", position, state, 0, 0, **members)


def locks(found: LiveOrder) -> tuple[list[str], list[str]]:
    uses = lock_uses(WORKFLOW, found)
    return [demand.lock_path for demand in uses.held], [demand.lock_path for demand in uses.wanted]


@pytest.mark.parametrize(
    ("found", "held", "wanted"),
    [
        (order([0]), [], []),
        (order([0], "WaitingForLock"), [], ["L1"]),
        (order([0, "lock", 0], "WaitingForLock"), ["L1"], ["L2"]),
        (order([0, "lock", 0, "lock", 0], "Processing"), ["L2", "L1"], []),
        (order([0, "lock", 0, "lock", 0], "Processing", is_suspended=True), ["L2", "L1"], []),
        (order([0, "lock", 1], "Forked"), ["L1"], []),
        # What is around the fork is the parent's.
        (order([0, "lock", 1, "fork+a", 0, "lock", 0], parent="P"), ["L2"], []),
        (order([0, "lock", 1, "fork+b", 0], parent="P"), [], []),
        (order([1]), [], []),
        # One that has been given the block as all that it runs has not acquired the lock.
        (order([0, "lock", 0], "Fresh"), [], []),
        (order([0, "lock", 1], start_position="0/lock:0"), [], []),
        (order([0, "lock", 0, "lock", 0], start_position="0/lock:0"), ["L2"], []),
        (order([7], "WaitingForLock"), [], []),
    ],
)
def test_an_order_holds_the_locks_of_the_blocks_that_it_is_in(
    found: LiveOrder, held: list[str], wanted: list[str]
) -> None:
    assert locks(found) == (held, wanted)


def test_obstacles_are_limits_that_are_reached_admission_and_suspension() -> None:
    at_job = order([1], attached="Attached", agent_id="A")
    assert job_of(WORKFLOW, at_job) == ("load", 2)
    assert job_of(WORKFLOW, order([1], "Processing")) is None and job_of(WORKFLOW, order([0])) is None

    def found(at: LiveOrder, limit: int | None, occupancy: Occupancy, *, is_suspended: bool = False) -> list[Any]:
        return [item["type"] for item in obstacles(at, limit, occupancy, is_suspended=is_suspended)]

    assert found(at_job, 2, Occupancy(agent_processes=1, agent_limit=2, job_processes=1)) == []
    assert found(at_job, 2, Occupancy(job_processes=2)) == ["JobProcessLimitReached"]
    assert found(at_job, 2, Occupancy(agent_processes=3, agent_limit=3)) == ["AgentProcessLimitReached"]
    assert found(order([1]), 2, Occupancy(agent_processes=3, agent_limit=3)) == [], "it is not at the Agent"
    assert found(at_job, None, Occupancy(), is_suspended=True) == ["WorkflowIsSuspended"]
    waiting = order([1], "WaitingForAdmission", until=1_000)
    assert obstacles(waiting, None, Occupancy(), is_suspended=False) == [
        {"type": "WaitingForAdmission", "until": 1_000}
    ]


def test_boards_and_workflows_are_found_at_any_depth_with_what_is_done_there() -> None:
    inner = [
        {"TYPE": "PostNotices", "noticeBoardNames": ["A", "B"]},
        {"TYPE": "AddOrder", "workflowName": "OTHER"},
    ]
    consume = {
        "TYPE": "ConsumeNotices",
        "noticeBoardNames": "'C' || \"D\"",
        "subworkflow": {"instructions": [{"TYPE": "ExpectNotices", "noticeBoardNames": "'E' && 'A'"}]},
    }
    fork = {"TYPE": "Fork", "branches": [{"id": "a", "workflow": {"instructions": inner}}]}
    uses = uses_of({"instructions": [consume, fork, {"TYPE": "Lock", "lockName": "L"}]})
    assert [set(names) for names in (uses.posts, uses.expects, uses.consumes)] == [{"A", "B"}, {"E", "A"}, {"C", "D"}]
    assert uses.adds_orders_to == {"OTHER"} and uses.boards == set("ABCDE")
    assert uses_of(None) == uses_of({"instructions": "nonsense"}) == uses_of({})


def test_later_values_replace_former_ones_and_failed_steps_give_none() -> None:
    def line(key: str, **members: Any) -> bytes:
        return json.dumps({"eventId": 1, "Key": key, "TYPE": "OrderProcessed", **members}).encode()

    def outcome(type_: str, **values: Any) -> dict[str, Any]:
        return {"TYPE": type_, "namedValues": values}

    lines = [
        line("O", outcome=outcome("Succeeded", a=1, b=1, returnCode=0)),
        line("O|child", outcome=outcome("Succeeded", c=1)),
        line("O", outcome=outcome("Failed", b=2)),
        line("O", historyOperations=[{"TYPE": "Append", "position": [0], "outcome": outcome("Succeeded", a=3)}]),
        line("O"),
    ]
    assert named_values(lines, "O") == {"a": 3, "b": 1}


def test_one_of_a_list_is_moved_behind_another_one_or_to_its_beginning() -> None:
    ids = ["a", "b", "c"]
    assert moved_behind(ids, "a", "c") == ["b", "c", "a"]
    assert moved_behind(ids, "c", None) == moved_behind(ids, "c", "") == ["c", "a", "b"]
    assert moved_behind(ids, "b", "a") == ids
    for id_, predecessor in (("x", None), ("a", "x"), ("a", "a")):
        with pytest.raises(BadRequest):
            moved_behind(ids, id_, predecessor)
