"""A pair of Controllers and three witnesses, real processes, whose network is cut in parts or loses one direction.

F18, F19, F20 of the specification (cluster 6). Nobody refuses a connection here: all that anybody hears is silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from controller_pair import WATCH, ControllerPair

from stellwerk.cluster.member import DEFAULT_TIMING

#: Long enough that a passive node would have taken over, had it been allowed to.
LONG_SILENCE_SECONDS = 2 * DEFAULT_TIMING.active_lost


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[ControllerPair]:
    with ControllerPair(tmp_path, has_network=True) as made:
        yield made


@pytest.mark.long_only
def test_the_active_node_goes_on_when_only_the_nodes_are_cut_from_each_other(controllers: ControllerPair) -> None:
    """F18: the passive one would take over, but the witnesses hear the active one and know that it goes on alone."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    with controllers.load() as load:
        load.until_more(10)
        controllers.cut(active, passive)
        pair.until_state(active, "PassiveLost")
        load.until_more(10)
        pair.is_silent_for(passive, LONG_SILENCE_SECONDS)
        assert (pair.phase(active), pair.phase(passive)) == ("active", "passive")
        controllers.heal()
        assert pair.active_of_coupled() == active
        load.until_more(10)
        load.stop()
    controllers.nothing_is_lost(load.orders)


def test_an_isolated_active_node_commits_nothing_and_follows_when_the_network_is_whole_again(
    controllers: ControllerPair,
) -> None:
    """F19. Nothing is under way when the network is cut: what is written then is surely not acknowledged."""
    pair = controllers.pair
    former = controllers.begin()
    successor = pair.other(former)
    orders = controllers.add_some_orders("before")
    controllers.cut(former, successor)
    controllers.cut(former, WATCH)
    late = {"TYPE": "AddOrder", "order": {"id": "late", "workflowPath": "W"}}
    assert controllers.command(former, late, seconds=1).status == 0, "acknowledged by the isolated node alone"
    pair.takes_over(successor, 0)
    with controllers.load() as load:
        load.until_more(10)
        assert pair.phase(former) == "active", "it cannot know yet, ..."
        assert controllers.command(former, late, seconds=1).status == 0, "... but must not act"
        controllers.heal()
        assert pair.active_of_coupled() == successor
        load.until_more(10)
        load.stop()
    controllers.nothing_is_lost(orders + load.orders)
    assert '"late","TYPE":"OrderAdded"' in controllers.log(former), "what is cut off is told"


def test_a_passive_node_whose_acknowledgements_get_lost_is_lost(controllers: ControllerPair) -> None:
    """F20, from the passive to the active node."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    with controllers.load() as load:
        load.until_more(10)
        controllers.lose(passive, active)
        pair.until_state(active, "PassiveLost")
        load.until_more(10)
        assert (pair.phase(active), pair.phase(passive)) == ("active", "passive")
        controllers.heal()
        assert pair.active_of_coupled() == active
        load.until_more(10)
        load.stop()
    controllers.nothing_is_lost(load.orders)


@pytest.mark.long_only
def test_a_passive_node_that_does_not_get_the_journal_does_not_take_over(controllers: ControllerPair) -> None:
    """F20, from the active to the passive node: that one hears nothing, the witnesses hear the active one."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    with controllers.load() as load:
        load.until_more(10)
        controllers.lose(active, passive)
        pair.is_silent_for(passive, LONG_SILENCE_SECONDS)
        assert (pair.phase(active), pair.phase(passive)) == ("active", "passive")
        load.until_more(10)
        controllers.heal()
        assert pair.active_of_coupled() == active
        load.until_more(10)
        load.stop()
    controllers.nothing_is_lost(load.orders)
