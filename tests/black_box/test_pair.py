"""A pair of Controllers, real processes: the active one is killed, or stands still, again and again under load.

What must hold (cluster spec 6): the other one takes over, no order is lost, no job runs twice, both journals have the
same bytes, two nodes are never active in the same term. `pytest -s` shows how long the fail-overs took.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import witness
from node_pair import DEADLINE_SECONDS, Load, NodePair, distribution
from up_process import UpProcess, order_adder, wait_until, workflow_of

NODES = ("controller", "controller-2")
SHORT_ROUNDS, LONG_ROUNDS = 3, 100
SHORT_PAUSES, LONG_PAUSES = 1, 10


@pytest.fixture
def up(data: Path) -> Iterator[UpProcess]:
    """Two Controllers, two witnesses and a Cockpit, which is the third watch."""
    with UpProcess(data, agents="agent-1") as made:
        yield made.start("--cluster", "--database", "sqlite")


@pytest.fixture
def pair(up: UpProcess) -> NodePair:
    return NodePair(up, *NODES)


def _stellwerk(up: UpProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stellwerk.cli", *arguments, "--data", str(up.data)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS)


def _workflow(up: UpProcess, folder: Path) -> str:
    witness.prepare(folder)
    return up.api().deploy("/load", workflow_of({"job": witness.witness_job("agent-1", folder, "'0.2'")}))


def test_the_active_controller_is_killed_again_and_again(
    up: UpProcess, pair: NodePair, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds = LONG_ROUNDS if request.config.getoption("--long", default=False) else SHORT_ROUNDS
    load = Load(order_adder([up.api()], _workflow(up, tmp_path)))
    load.start()
    seconds: list[float] = []
    for _ in range(rounds):
        active = pair.active_of_coupled()
        load.until_more()
        since = time.monotonic()
        up.kill(active)
        seconds.append(pair.takes_over(pair.other(active), since))
        up.restart(active)
        pair.active_of_coupled()
        pair.copies_are_equal()
    load.stop()
    witness.all_have_ended_once(up.api(), tmp_path, load.orders)
    pair.active_of_coupled()
    assert up.stop() == 0
    pair.copies_are_equal(is_stopped=True)
    pair.reigns_have_one_active_node()
    print(f"\n{rounds} fail-overs after kill -9, {len(load.orders)} orders: {distribution(seconds)}")


def test_an_active_controller_that_stood_still_does_not_go_on_as_active(
    up: UpProcess, pair: NodePair, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds = LONG_PAUSES if request.config.getoption("--long", default=False) else SHORT_PAUSES
    load = Load(order_adder([up.api()], _workflow(up, tmp_path)))
    load.start()
    seconds: list[float] = []
    for _ in range(rounds):
        active = pair.active_of_coupled()
        since = time.monotonic()
        os.kill(up.pid(active), signal.SIGSTOP)
        seconds.append(pair.takes_over(pair.other(active), since))
        os.kill(up.pid(active), signal.SIGCONT)
        assert pair.active_of_coupled() == pair.other(active)
        pair.copies_are_equal()
    load.stop()
    witness.all_have_ended_once(up.api(), tmp_path, load.orders)
    print(f"\n{rounds} fail-overs after SIGSTOP: {', '.join(f'{one:.2f} s' for one in sorted(seconds))}")


def test_people_look_at_the_pair_and_switch_over(up: UpProcess, pair: NodePair) -> None:
    active = pair.active_of_coupled()
    shown = json.loads(_stellwerk(up, "cluster", "show", "--json").stdout)
    controllers = next(one for one in shown["clusters"] if one["kind"] == "controller")
    assert (controllers["state"], controllers["readiness"]["canFailOver"]) == ("Coupled", True)
    roles = {node["role"]: node["state"] for node in shown["nodes"] if node.get("cluster") == controllers["id"]}
    assert roles == {"active": "RUNNING", "passive": "COUPLED"}

    refused = _stellwerk(up, "cluster", "switch-over")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert pair.active_of_coupled() == active

    assert _stellwerk(up, "cluster", "switch-over", "--yes").returncode == 0
    wait_until(lambda: pair.phase(pair.other(active)) == "active", "the other one is active")
    assert pair.active_of_coupled() == pair.other(active)

    nothing_lost = _stellwerk(up, "cluster", "confirm-loss", "--yes")
    assert nothing_lost.returncode == 1
    assert "ClusterNodeIsNotLost" in nothing_lost.stderr


@pytest.mark.long_only
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
