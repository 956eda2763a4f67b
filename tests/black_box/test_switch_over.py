"""A pair of Controllers and three witnesses, real processes: the role is handed over to a node that dies.

Cluster specification 1.9.4.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller_pair import ControllerPair

SWITCH_OVER = {"TYPE": "ClusterSwitchOver"}


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[ControllerPair]:
    with ControllerPair(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "returns",
    [pytest.param(True, id="that stood still", marks=pytest.mark.long_only), pytest.param(False, id="that is dead")],
)
def test_the_role_comes_back_from_a_node(controllers: ControllerPair, returns: bool) -> None:
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    orders = controllers.add_some_orders("before")
    os.kill(controllers.pid(passive), signal.SIGSTOP)
    answer = controllers.command(active, SWITCH_OVER)
    assert answer.status != 200, "it is not said to have been switched over"
    orders += controllers.add_some_orders("alone")
    if returns:
        os.kill(controllers.pid(passive), signal.SIGCONT)
    else:
        controllers.kill(passive)
        controllers.restart(passive)
    assert pair.active_of_coupled() == active
    orders += controllers.add_some_orders("after")
    roles = [event["activatedId"] for event in pair.events(active) if event["TYPE"] == "ClusterSwitchedOver"]
    controllers.nothing_is_lost(orders)
    assert len(roles) == 2 and roles[0] != roles[1]


def test_a_node_that_is_shut_down_with_a_switch_over_ends(controllers: ControllerPair) -> None:
    """Cluster specification 1.9.5: it starts again only when it was told so."""
    pair = controllers.pair
    active = controllers.begin()
    orders = controllers.add_some_orders("before")
    answer = controllers.command(active, {"TYPE": "ShutDown", "clusterAction": {"TYPE": "Switchover"}})
    assert answer.status == 200, answer
    assert controllers.ends(active) == 0
    orders += controllers.add_some_orders("after", 3)
    controllers.restart(active)
    assert pair.active_of_coupled() == pair.other(active)
    controllers.nothing_is_lost(orders)
