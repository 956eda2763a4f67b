"""Components that are left alone work on, and later the history is complete and in order: issue 3, section 6.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import controller_checks
import controller_events
import witness
from up_process import UpProcess, wait_until, workflow_of

JOBS = 4
ORDERS = 5


def _workflow(up: UpProcess, folder: Path) -> str:
    """All jobs on one Agent, each of a moment: within the Agent's reach from beginning to end."""
    jobs = {f"step-{number}": witness.witness_job("agent-1", folder, "$seconds", "0") for number in range(1, JOBS + 1)}
    return up.api().deploy("/alone", workflow_of(jobs, {"seconds": {"type": "String"}}))


def _add(up: UpProcess, workflow: str, name: str) -> str:
    api = up.api()
    request: dict[str, Any] = api.order_request(workflow, name, arguments={"seconds": "0.2"})
    answer = api.post_until_answered("orders/add", request, name)
    assert answer.status == 200, answer
    (order_id,) = answer.body["orderIds"]
    return str(order_id)


def _started(up: UpProcess, folder: Path) -> list[str]:
    """The installation with its orders on their way; gives their ids."""
    witness.prepare(folder)
    controller_events.prepare(up, ["agent-1"])
    up.start()
    workflow = _workflow(up, folder)
    return [_add(up, workflow, f"alone-{number}") for number in range(ORDERS)]


def _all_jobs_have_ended(folder: Path) -> bool:
    return sum(attempt.has_ended for attempt in witness.read(folder).attempts.values()) == ORDERS * JOBS


def _history_is_complete(up: UpProcess, folder: Path, order_ids: list[str]) -> None:
    api = up.api()
    for order_id in order_ids:
        api.wait_for(order_id, "SUCCESSFUL")
    assert set(api.history()) == set(order_ids)
    tasks = api.tasks()
    assert not witness.compare(witness.read(folder), tasks)
    assert len(tasks) == ORDERS * JOBS
    for order_id in order_ids:
        labels = [task["label"] for task in tasks if task["orderId"] == order_id]
        assert labels == [f"step-{number}" for number in range(1, JOBS + 1)], order_id
    stream = controller_events.read(up)
    controller_checks.every_event_was_possible(stream)
    for order_id in order_ids:
        controller_checks.history_is_the_same(api, stream, order_id)


def test_an_agent_works_on_without_its_controller(data: Path, tmp_path: Path) -> None:
    with UpProcess(data) as up:
        order_ids = _started(up, tmp_path)
        # Each order is at the Agent once its first job has begun.
        wait_until(lambda: witness.count_starts(tmp_path) >= ORDERS, "all orders to be at the Agent")
        up.kill("controller")
        wait_until(lambda: _all_jobs_have_ended(tmp_path), "all jobs to end without a Controller")
        up.restart("controller")
        _history_is_complete(up, tmp_path, order_ids)
        assert up.stop() == 0


def test_controller_and_agents_work_on_without_the_cockpit(data: Path, tmp_path: Path) -> None:
    with UpProcess(data) as up:
        order_ids = _started(up, tmp_path)
        up.kill("cockpit")
        wait_until(lambda: _all_jobs_have_ended(tmp_path), "all jobs to end without the Cockpit")
        up.restart("cockpit")
        _history_is_complete(up, tmp_path, order_ids)
        assert up.stop() == 0
