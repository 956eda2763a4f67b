"""A pair of Controllers, real processes: the active one is killed, or stands still, again and again under load.

What must hold (cluster spec 6): the other one takes over, no order is lost, no job runs twice, both journals have the
same bytes, two nodes are never active in the same term. `pytest -s` shows how long the fail-overs took.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import witness
from up_process import UpProcess, send, wait_until, workflow_of

NODES = ("controller", "controller-2")
SHORT_ROUNDS, LONG_ROUNDS = 3, 100
SHORT_PAUSES, LONG_PAUSES = 1, 10
DEADLINE_SECONDS = 120.0


@pytest.fixture
def up(data: Path) -> Iterator[UpProcess]:
    """Two Controllers, two witnesses and a Cockpit, which is the third watch."""
    with UpProcess(data, agents="agent-1") as made:
        yield made.start("--cluster", "--database", "sqlite")


class Load(threading.Thread):
    """Adds one order after the other until it is told to stop; each is repeated with its key until it is answered."""

    def __init__(self, up: UpProcess, workflow: str) -> None:
        super().__init__(daemon=True)
        self._up, self._workflow = up, workflow
        self.orders: list[str] = []
        self.error: BaseException | None = None
        self._wanted = True

    def run(self) -> None:
        try:
            api = self._up.api()
            for number in itertools.count():
                if not self._wanted:
                    return
                request = api.order_request(self._workflow, f"load-{number}")
                answer = api.post_until_answered("orders/add", request, f"load-{number}", DEADLINE_SECONDS)
                assert answer.status == 200, f"load-{number}: {answer.status} {answer.body}"
                self.orders += answer.body["orderIds"]
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self._wanted = False
        self.join(DEADLINE_SECONDS)
        assert self.error is None, self.error


def _cluster(up: UpProcess, name: str) -> dict[str, Any]:
    body = send(urllib.request.Request(up.component(name)["url"] + "/health")).body
    cluster = body.get("cluster", {}) if isinstance(body, dict) else {}
    assert isinstance(cluster, dict)
    return cluster


def _active_of_coupled(up: UpProcess) -> str:
    """Waits until both nodes know that they are coupled, and gives the active one."""

    def active() -> str | None:
        states = {name: _cluster(up, name) for name in NODES}
        found = [name for name in NODES if states[name].get("phase") == "active"]
        is_coupled = all(state.get("state") == "Coupled" for state in states.values())
        is_passive = sum(state.get("phase") == "passive" for state in states.values())
        return found[0] if is_coupled and len(found) == 1 and is_passive == 1 else None

    return wait_until(active, lambda: f"a coupled pair: {[_cluster(up, name) for name in NODES]}", DEADLINE_SECONDS)


def _other(name: str) -> str:
    return NODES[1 - NODES.index(name)]


def _takes_over(up: UpProcess, name: str, since: float) -> float:
    """Waits until the node commits, and gives the seconds since then."""

    def is_active() -> bool:
        answer = send(urllib.request.Request(up.component(name)["url"] + "/health"))
        return answer.status == 200 and answer.body["cluster"]["phase"] == "active"

    wait_until(is_active, f"{name} takes over", DEADLINE_SECONDS)
    return time.monotonic() - since


def _copies_are_equal(up: UpProcess, *, is_stopped: bool = False) -> None:
    """The journal files that both have begin with the same bytes (I7). They grow meanwhile, unless `is_stopped`.

    The room behind the end is allocated beforehand and reads as zeros. Nothing makes a read one moment: of a block that
    is being written a later page may be seen before an earlier one; so the comparison ends at the first zero.
    """
    folders = [up.folder(name) / "state" for name in NODES]
    common = {file.name for file in folders[0].glob("*.journal")} & {file.name for file in folders[1].glob("*.journal")}
    assert common, f"no common journal file: {[sorted(file.name for file in folder.iterdir()) for folder in folders]}"
    for name in common:
        one, other = ((folder / name).read_bytes().rstrip(b"\0") for folder in folders)
        if is_stopped:
            assert b"\0" not in one + other
        else:
            one, other = one.partition(b"\0")[0], other.partition(b"\0")[0]
        length = min(len(one), len(other))
        assert one[:length] == other[:length], f"{name} differs within the first {length} bytes"
        assert length > 0


def _stellwerk(up: UpProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stellwerk.cli", *arguments, "--data", str(up.data)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS)


def _workflow(up: UpProcess, folder: Path) -> str:
    witness.prepare(folder)
    return up.api().deploy("/load", workflow_of({"job": witness.witness_job("agent-1", folder, "'0.2'")}))


def _all_have_ended_once(up: UpProcess, folder: Path, orders: list[str]) -> None:
    api = up.api()

    def open_orders() -> list[str]:
        history = api.history()
        return [id_ for id_ in orders if history.get(id_, {}).get("state", {}).get("_text") != "SUCCESSFUL"]

    wait_until(lambda: not open_orders(), lambda: f"the end of {open_orders()}", DEADLINE_SECONDS)
    assert set(api.history()) == set(orders), "orders that nobody has added, or that are doubled"
    wait_until(lambda: all("endTime" in task for task in api.tasks()), "the end of all tasks", DEADLINE_SECONDS)
    tasks = api.tasks()
    assert not (faults := witness.compare(witness.read(folder), tasks)), "\n".join(faults)
    counts = collections.Counter(task["orderId"] for task in tasks)
    assert counts == dict.fromkeys(orders, 1), "a fail-over of Controllers must not repeat any job"


def _terms_have_one_active_node(up: UpProcess) -> None:
    """Which node began which reign, from both journals: the same events at both, each once."""
    reigns: list[list[tuple[int, str]]] = []
    for name in NODES:
        lines = b"".join(file.read_bytes() for file in sorted((up.folder(name) / "state").glob("*.journal")))
        events = [json.loads(line) for line in lines.split(b"\n") if line.startswith(b'{"eventId"')]
        reigns.append(
            [
                (event["eventId"], event["TYPE"])
                for event in events
                if event["TYPE"] in ("ClusterFailedOver", "ClusterSwitchedOver")
            ]
        )
    begin = max(events[0][0] for events in reigns if events)
    one, other = ([event for event in events if event[0] >= begin] for events in reigns)
    assert one == other


def test_the_active_controller_is_killed_again_and_again(
    up: UpProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds = LONG_ROUNDS if request.config.getoption("--long", default=False) else SHORT_ROUNDS
    load = Load(up, _workflow(up, tmp_path))
    load.start()
    seconds: list[float] = []
    for _ in range(rounds):
        active = _active_of_coupled(up)
        added = len(load.orders)
        wait_until(lambda added=added: load.error or len(load.orders) > added, "an order")  # type: ignore[misc]
        since = time.monotonic()
        up.kill(active)
        seconds.append(_takes_over(up, _other(active), since))
        up.restart(active)
        _active_of_coupled(up)
        _copies_are_equal(up)
    load.stop()
    _all_have_ended_once(up, tmp_path, load.orders)
    _active_of_coupled(up)
    assert up.stop() == 0
    _copies_are_equal(up, is_stopped=True)
    _terms_have_one_active_node(up)
    ordered = sorted(seconds)
    print(
        f"\n{rounds} fail-overs after kill -9, {len(load.orders)} orders: median {statistics.median(ordered):.2f} s, "
        f"p95 {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s, max {ordered[-1]:.2f} s"
    )


def test_an_active_controller_that_stood_still_does_not_go_on_as_active(
    up: UpProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds = LONG_PAUSES if request.config.getoption("--long", default=False) else SHORT_PAUSES
    load = Load(up, _workflow(up, tmp_path))
    load.start()
    seconds: list[float] = []
    for _ in range(rounds):
        active = _active_of_coupled(up)
        since = time.monotonic()
        os.kill(up.pid(active), signal.SIGSTOP)
        seconds.append(_takes_over(up, _other(active), since))
        os.kill(up.pid(active), signal.SIGCONT)
        assert _active_of_coupled(up) == _other(active)
        _copies_are_equal(up)
    load.stop()
    _all_have_ended_once(up, tmp_path, load.orders)
    print(f"\n{rounds} fail-overs after SIGSTOP: {', '.join(f'{one:.2f} s' for one in sorted(seconds))}")


def test_people_look_at_the_pair_and_switch_over(up: UpProcess) -> None:
    active = _active_of_coupled(up)
    shown = json.loads(_stellwerk(up, "cluster", "show", "--json").stdout)
    [pair] = shown["clusters"]
    assert (pair["state"], pair["readiness"]["canFailOver"]) == ("Coupled", True)
    roles = {node["role"]: node["state"] for node in shown["nodes"] if node.get("cluster") == pair["id"]}
    assert roles == {"active": "RUNNING", "passive": "COUPLED"}

    refused = _stellwerk(up, "cluster", "switch-over")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert _active_of_coupled(up) == active

    assert _stellwerk(up, "cluster", "switch-over", "--yes").returncode == 0
    wait_until(lambda: _cluster(up, _other(active)).get("phase") == "active", "the other one is active")
    assert _active_of_coupled(up) == _other(active)

    nothing_lost = _stellwerk(up, "cluster", "confirm-loss", "--yes")
    assert nothing_lost.returncode == 1
    assert "ClusterNodeIsNotLost" in nothing_lost.stderr


def test_chaos_kills_and_watches(data: Path) -> None:
    with UpProcess(data, agents="agent-1") as up:
        up.start("--cluster", "--supervise", "--database", "sqlite")
        result = _stellwerk(
            up, "chaos", "--rounds", "3", "--seed", "2", "--only", "controller", "--only", "controller-2"
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("all is well") == 3
        unknown = _stellwerk(up, "chaos", "--only", "nobody")
        assert unknown.returncode == 1
        assert (
            "there are controller, controller-2, cockpit, witness-1, witness-2, agent-1, agent-1-2, agent-1-3"
            in unknown.stderr
        )
