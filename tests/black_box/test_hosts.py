"""Two Controllers, two Cockpits on PostgreSQL, two witnesses, real processes: what the machines of a site hold is lost.

The active Cockpit is killed again and again; a machine dies with the active Controller and the active Cockpit, which is
one of the three watches (F37); the Controllers come back with an old backup (F32).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import witness
from component_processes import wait_until
from node_pair import DEADLINE_SECONDS, Load, NodePair, distribution
from up_process import Api, UpProcess, order_adder, workflow_of

CONTROLLERS = ("controller", "controller-2")
COCKPITS = ("cockpit", "cockpit-2")
SHORT_ROUNDS, LONG_ROUNDS = 2, 30


@pytest.fixture
def up(data: Path) -> Iterator[UpProcess]:
    with UpProcess(data, agents="agent-1") as made:
        yield made.start("--cluster")


def _apis(up: UpProcess) -> list[Api]:
    """At both Cockpits, with one session."""
    first = up.api()
    assert first.login().status == 200
    return [first, first.at(up.component("cockpit-2")["url"])]


def _workflow(up: UpProcess, folder: Path) -> str:
    witness.prepare(folder)
    return up.api().deploy("/load", workflow_of({"job": witness.witness_job("agent-1", folder, "'0.2'")}))


def _role(up: UpProcess, name: str) -> str | None:
    body = up.health(name).body
    return body.get("role") if isinstance(body, dict) else None


def _active_cockpit(up: UpProcess) -> str:
    """Waits until one is active and the other one ready to take over."""

    def active() -> str | None:
        roles = {name: _role(up, name) for name in COCKPITS}
        return (
            next(name for name in COCKPITS if roles[name] == "active")
            if set(roles.values()) == {"active", "passive"}
            else None
        )

    return wait_until(active, lambda: str({name: _role(up, name) for name in COCKPITS}), DEADLINE_SECONDS)


def _becomes_active(up: UpProcess, name: str) -> None:
    wait_until(lambda: _role(up, name) == "active", f"{name} is active", DEADLINE_SECONDS)


def _other(name: str) -> str:
    return COCKPITS[1 - COCKPITS.index(name)]


@pytest.mark.long_only
def test_the_active_cockpit_is_killed_again_and_again(
    up: UpProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """F51: history has each order and each task once, whoever has written it."""
    rounds = LONG_ROUNDS if request.config.getoption("--long", default=False) else SHORT_ROUNDS
    apis = _apis(up)
    seconds: list[float] = []
    with Load(order_adder(apis, _workflow(up, tmp_path))) as load:
        for _ in range(rounds):
            active = _active_cockpit(up)
            load.until_more(3)
            since = time.monotonic()
            up.kill(active)
            load.until_more(3)  # the other one answers though it is not yet active
            _becomes_active(up, _other(active))
            seconds.append(time.monotonic() - since)
            up.restart(active)
            assert _active_cockpit(up) == _other(active)
        load.stop()
    witness.all_have_ended_once(apis[0], tmp_path, load.orders)
    assert up.stop() == 0
    print(f"\n{rounds} fail-overs of Cockpits after kill -9, {len(load.orders)} orders: {distribution(seconds)}")


@pytest.mark.long_only
def test_a_machine_with_the_active_controller_and_the_active_cockpit_dies(up: UpProcess, tmp_path: Path) -> None:
    """F37: two of the three watches are left and agree; nobody has to confirm anything."""
    pair = NodePair(up, *CONTROLLERS)
    apis = _apis(up)
    with Load(order_adder(apis, _workflow(up, tmp_path))) as load:
        cockpit, controller = _active_cockpit(up), pair.active_of_coupled()
        load.until_more(3)
        since = time.monotonic()
        up.kill(cockpit)
        up.kill(controller)
        needed = pair.takes_over(pair.other(controller), since)
        load.until_more(3)
        _becomes_active(up, _other(cockpit))
        up.restart(controller)
        up.restart(cockpit)
        assert pair.active_of_coupled() == pair.other(controller)
        assert _active_cockpit(up) == _other(cockpit)
        load.stop()
    print(f"\nfail-over of the Controller without its machine's Cockpit: {needed:.2f} s")
    witness.all_have_ended_once(apis[0], tmp_path, load.orders)
    assert up.stop() == 0
    pair.copies_are_equal(is_stopped=True)
    pair.reigns_have_one_active_node()


@pytest.mark.long_only
def test_an_old_backup_on_both_controllers_repeats_no_job(up: UpProcess, tmp_path: Path) -> None:
    """F32: Agent and Cockpit say what is the matter; what the backup does not know is not done again."""
    pair = NodePair(up, *CONTROLLERS)
    api = up.api()
    workflow = _workflow(up, tmp_path)
    active = pair.active_of_coupled()

    def stop_both() -> None:
        for name in (pair.other(active), active):
            up.kill(name, 15)

    stop_both()
    for name in CONTROLLERS:
        shutil.copytree(up.folder(name) / "state", tmp_path / "backup" / name)
    for name in CONTROLLERS:
        up.restart(name)
    pair.active_of_coupled()
    add = order_adder([api], workflow)
    orders = [order_id for number in range(5) for order_id in add(number)]
    witness.all_have_ended_once(api, tmp_path, orders)
    stop_both()
    for name in CONTROLLERS:
        shutil.rmtree(up.folder(name) / "state")
        shutil.copytree(tmp_path / "backup" / name, up.folder(name) / "state")
    for name in CONTROLLERS:
        up.restart(name)
    pair.active_of_coupled()
    wait_until(lambda: api.agent_state("agent-1") == "COUPLINGFAILED", lambda: str(api.agents()))
    message = api.agents()["agent-1"]["errorMessage"]
    assert "does not fit the Controller's state" in message and "Reset the Agent" in message
    wait_until(lambda: "events are torn" in up.logs(1000), "the Cockpit notices")
    # The Agent takes nothing from this Controller: an order of an id that it has executed already waits there.
    again = {"TYPE": "AddOrder", "order": {"id": orders[0], "workflowPath": Path(workflow).name}}
    assert up.node_request(active, "command", again).status == 200
    assert witness.count_starts(tmp_path) == len(orders)
    pair.copies_are_equal()
    assert up.stop() == 0
    assert witness.count_starts(tmp_path) == len(orders)
