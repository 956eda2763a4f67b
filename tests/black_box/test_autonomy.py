"""Each component may be down, the others go on: the table of the cluster specification, section 5, on real processes.

One clustered installation for all tests: two Controllers, Cockpits on a PostgreSQL, the Agent `agent-1` with two
Directors and the Subagent `agent-1-3`, the stand-alone Agent `agent-2`. Each test leaves it as it was. What jobs saw of
themselves is compared with the history after each: nothing is lost, nothing runs twice at a time, nothing is doubled.
"""

from __future__ import annotations

import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import witness
from up_process import Api, UpProcess, send, wait_until, workflow_of

CONTROLLERS = ["controller", "controller-2"]
DIRECTORS = ["agent-1", "agent-1-2"]
COCKPITS = ["cockpit", "cockpit-2"]
DEADLINE_SECONDS = 120.0
#: Workflows of two jobs each, by where they run.
THIRD, BUNDLE, ALONE = "/third", "/bundle", "/alone"


@dataclass
class World:
    up: UpProcess
    folder: Path
    orders: list[str] = field(default_factory=list)

    @property
    def api(self) -> Api:
        return self.up.api()

    def add(self, workflow: str, seconds: float = 0.1) -> str:
        order_id = self.api.add(workflow, f"order-{len(self.orders)}", arguments={"seconds": str(seconds)})
        self.orders.append(order_id)
        return order_id

    def has_started(self, order_id: str) -> None:
        wait_until(lambda: self._attempts(order_id), f"a job of {order_id}", DEADLINE_SECONDS)

    def both_jobs_have_ended(self, order_id: str) -> None:
        def have_ended() -> bool:
            return sum(attempt.has_ended for attempt in self._attempts(order_id)) == 2

        wait_until(have_ended, f"both jobs of {order_id}", DEADLINE_SECONDS)

    def _attempts(self, order_id: str) -> list[witness.Attempt]:
        return [item for item in witness.read(self.folder).attempts.values() if item.order_id == order_id]

    def end_well(self, *order_ids: str) -> None:
        for order_id in order_ids:
            self.api.wait_for(order_id, "SUCCESSFUL", DEADLINE_SECONDS)

    def lost_attempts(self, order_id: str) -> list[bool]:
        """Of all attempts, in their order, whether each was lost."""
        return [witness.is_lost(task) for task in self.api.tasks() if task["orderId"] == order_id]

    def health(self, name: str) -> dict[str, Any]:
        body = send(urllib.request.Request(self.up.component(name)["url"] + "/health")).body
        return body if isinstance(body, dict) else {}

    def active_and_passive(self, names: list[str]) -> tuple[str, str]:
        """Of a coupled pair."""

        def phases() -> list[str] | None:
            clusters = [self.health(name).get("cluster", {}) for name in names]
            found = [cluster.get("phase") for cluster in clusters]
            is_coupled = all(cluster.get("state") == "Coupled" for cluster in clusters)
            return found if is_coupled and sorted(map(str, found)) == ["active", "passive"] else None

        found = wait_until(phases, lambda: f"a pair: {[self.health(name) for name in names]}", DEADLINE_SECONDS)
        active = names[found.index("active")]
        return active, names[1 - names.index(active)]

    def restart(self, *names: str) -> None:
        """At the same time: a node may have to ask the other one who is active."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self.up.restart, names))

    def history_is_complete(self) -> None:
        history = self.api.history()
        assert set(history) == set(self.orders)
        wait_until(lambda: all("endTime" in task for task in self.api.tasks()), "the end of all tasks")
        assert not (faults := witness.compare(witness.read(self.folder), self.api.tasks())), "\n".join(faults)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("autonomy")
    witness.prepare(folder)
    with UpProcess(folder / "installation") as up:
        up.start("--cluster")
        seconds = {"seconds": {"type": "String"}}
        for path, agent, cluster in (
            (THIRD, "agent-1", "agent-1-3"),
            (BUNDLE, "agent-1", "agent-1-all"),
            (ALONE, "agent-2", None),
        ):
            job = witness.witness_job(agent, folder, "$seconds")
            if cluster is not None:
                job["subagentClusterId"] = cluster
            up.api().deploy(path, workflow_of({"first": job, "second": job}, seconds))
        yield World(up, folder)
        assert up.stop() == 0


@pytest.fixture
def world(installation: World) -> Iterator[World]:
    installation.active_and_passive(CONTROLLERS)
    installation.active_and_passive(DIRECTORS)
    yield installation
    installation.active_and_passive(CONTROLLERS)
    installation.active_and_passive(DIRECTORS)
    installation.history_is_complete()


def test_without_cockpits_all_orders_go_on(world: World) -> None:
    orders = [world.add(workflow, 0.5) for workflow in (THIRD, BUNDLE, ALONE)]
    for name in COCKPITS:
        world.up.kill(name)
    for order_id in orders:
        world.both_jobs_have_ended(order_id)
    world.restart(*COCKPITS)
    world.end_well(*orders)


def test_without_the_database_all_orders_go_on(world: World) -> None:
    orders = [world.add(workflow, 0.5) for workflow in (THIRD, BUNDLE, ALONE)]
    [server] = [pid for pid, command in world.up.processes().items() if command.split()[0].endswith("/bin/postgres")]
    # Its own processes, one for each connection, overwrite their environment.
    backends = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    database = [server, *backends]
    for pid in database:
        os.kill(pid, signal.SIGSTOP)
    try:
        for order_id in orders:
            world.both_jobs_have_ended(order_id)
    finally:
        for pid in database:
            os.kill(pid, signal.SIGCONT)
    world.end_well(*orders)


def test_without_the_passive_controller_everything_goes_on(world: World) -> None:
    _, passive = world.active_and_passive(CONTROLLERS)
    world.up.kill(passive)
    world.end_well(*(world.add(workflow) for workflow in (THIRD, BUNDLE, ALONE)))
    world.restart(passive)


def test_without_the_active_controller_the_other_one_goes_on(world: World) -> None:
    active, passive = world.active_and_passive(CONTROLLERS)
    orders = [world.add(workflow, 0.5) for workflow in (THIRD, BUNDLE, ALONE)]
    world.up.kill(active)
    world.end_well(*orders)
    world.restart(active)
    assert world.active_and_passive(CONTROLLERS) == (passive, active)


def test_without_both_controllers_agents_go_on(world: World) -> None:
    active, passive = world.active_and_passive(CONTROLLERS)
    orders = [world.add(workflow, 1.0) for workflow in (THIRD, BUNDLE, ALONE)]
    for order_id in orders:
        world.has_started(order_id)
    world.up.kill(passive)
    world.up.kill(active)
    for order_id in orders:
        world.both_jobs_have_ended(order_id)
    world.restart(active, passive)
    world.end_well(*orders)
    assert not any(lost for order_id in orders for lost in world.lost_attempts(order_id))


def test_without_an_agent_the_others_go_on_and_its_orders_wait(world: World) -> None:
    waiting = world.add(ALONE, 2.0)
    world.has_started(waiting)
    world.up.kill("agent-2")
    world.end_well(world.add(THIRD), world.add(BUNDLE))
    assert world.api.outcome(waiting) != "SUCCESSFUL"
    world.restart("agent-2")
    world.end_well(waiting)
    assert world.lost_attempts(waiting) == [True, False, False]


def test_without_both_directors_their_subagents_jobs_go_on(world: World) -> None:
    active, passive = world.active_and_passive(DIRECTORS)
    working = world.add(THIRD, 2.0)
    world.has_started(working)
    world.up.kill(passive)
    world.up.kill(active)
    world.end_well(world.add(ALONE))
    wait_until(lambda: any(item.has_ended for item in world._attempts(working)), "the end of the job at the Subagent")
    world.restart(active, passive)
    world.end_well(working)
    assert world.lost_attempts(working) == [False, False]


def test_without_the_active_director_the_other_one_goes_on(world: World) -> None:
    active, passive = world.active_and_passive(DIRECTORS)
    working = world.add(THIRD, 2.0)
    world.has_started(working)
    world.up.kill(active)
    world.end_well(world.add(BUNDLE), working)
    assert world.lost_attempts(working) == [False, False], "a third Subagent's jobs go on"
    world.restart(active)
    assert world.active_and_passive(DIRECTORS) == (passive, active)


def test_without_the_passive_director_everything_goes_on(world: World) -> None:
    _, passive = world.active_and_passive(DIRECTORS)
    world.up.kill(passive)
    world.end_well(world.add(THIRD), world.add(BUNDLE))
    world.restart(passive)


def test_without_a_subagent_the_others_go_on_and_its_orders_wait(world: World) -> None:
    waiting = world.add(THIRD, 2.0)
    world.has_started(waiting)
    world.up.kill("agent-1-3")
    world.end_well(world.add(BUNDLE), world.add(ALONE))
    assert world.lost_attempts(waiting) == [] or not any(world.lost_attempts(waiting))
    world.restart("agent-1-3")
    world.end_well(waiting)
    assert world.lost_attempts(waiting) == [True, False, False]


def test_without_keys_what_runs_goes_on_and_what_is_new_is_refused(world: World) -> None:
    machines = [*CONTROLLERS, *DIRECTORS, "agent-1-3", "agent-2"]
    folders = [world.up.folder(name) / "private" / "trusted-x509-keys" for name in machines]
    # A machine of the bundle that has not been sent the workflow yet could not check its signature later.
    for _ in range(3):
        world.end_well(world.add(BUNDLE))
    orders = [world.add(workflow, 0.5) for workflow in (THIRD, BUNDLE, ALONE)]
    for order_id in orders:
        world.has_started(order_id)
    for folder in folders:
        folder.rename(folder.with_name("taken-away"))
    try:
        store = {"path": "/latest", "objectType": "WORKFLOW", "configuration": workflow_of({})}
        world.api.post("inventory/store", store)
        draft = {"configuration": {"path": "/latest", "objectType": "WORKFLOW"}}
        request = {"controllerIds": ["controller"], "store": {"draftConfigurations": [draft]}}
        refused = world.api.call("inventory/deployment/deploy", request)
        assert refused.status == 420 and "signature" in str(refused.body).lower(), refused
        world.end_well(*orders)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name("taken-away").rename(folder)
    assert world.api.call("inventory/deployment/deploy", request).status == 200
