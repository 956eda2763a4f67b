"""A pair of Controllers and three witnesses, real processes: orderly stops, wrong peers, a changed address, bad TLS.

F5, F6, F7, F58, F59, F62 of the specification (cluster 6).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority
from component_processes import wait_until
from controller_pair import ControllerPair

from stellwerk.cluster.member import DEFAULT_TIMING

#: Long enough that a passive node would have taken over, had it been allowed to.
LONG_SILENCE_SECONDS = 2 * DEFAULT_TIMING.active_lost


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[ControllerPair]:
    with ControllerPair(tmp_path) as made:
        yield made


def test_nobody_takes_over_from_an_active_node_that_was_stopped(controllers: ControllerPair) -> None:
    """F5."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    orders = controllers.add_some_orders("before")
    assert controllers.terminate(active) == 0
    assert pair.state(passive) == "ActiveShutDown", "it has been told before the active one ended"
    pair.is_silent_for(passive, LONG_SILENCE_SECONDS)
    assert (pair.state(passive), pair.phase(passive)) == ("ActiveShutDown", "passive")
    controllers.restart(active)
    assert pair.active_of_coupled() == active
    orders += controllers.add_some_orders("after")
    controllers.nothing_is_lost(orders)


def test_an_active_node_goes_on_at_once_when_the_passive_one_was_stopped(controllers: ControllerPair) -> None:
    """F6: when the process has ended, the active node has long known; so nothing ever waits for it."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    with controllers.load() as load:
        load.until_more(10)
        assert controllers.terminate(passive) == 0
        assert pair.state(active) == "PassiveLost"
        load.until_more(10)
        controllers.restart(passive)
        assert pair.active_of_coupled() == active
        load.stop()
    assert "may this one go on alone?" not in controllers.log(active), "it had to find out by itself"
    controllers.nothing_is_lost(load.orders)


@pytest.mark.parametrize("stops", [("active", "passive"), ("passive", "active")], ids="{0[0]} first".format)
@pytest.mark.parametrize(
    "starts",
    [("active", "passive"), pytest.param(("passive", "active"), marks=pytest.mark.long_only)],
    ids="{0[0]} first".format,
)
def test_both_nodes_are_stopped_and_started_in_any_order(
    controllers: ControllerPair, stops: tuple[str, str], starts: tuple[str, str]
) -> None:
    """F7."""
    pair = controllers.pair
    active = controllers.begin()
    names = {"active": active, "passive": pair.other(active)}
    orders = controllers.add_some_orders("before")
    for role in stops:
        assert controllers.terminate(names[role]) == 0
    first, second = (names[role] for role in starts)
    controllers.start(first)
    if first == active:
        # Also alone: the witnesses know that the other one does not take over.
        orders += controllers.add_some_orders("alone")
    controllers.start(second)
    assert pair.active_of_coupled() == active
    orders += controllers.add_some_orders("after")
    controllers.nothing_is_lost(orders)


@pytest.mark.long_only
def test_a_foreign_controller_at_the_passive_nodes_address_is_never_coupled(controllers: ControllerPair) -> None:
    """F58: neither a node of another journal nor its acknowledgements are taken for the passive node's."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    orders = controllers.add_some_orders("before")
    port = int(controllers.url(passive).rpartition(":")[2])
    controllers.add("controller", "foreign", port=port)
    controllers.kill(passive)
    controllers.start("foreign")
    orders += controllers.add_some_orders("alone", 3)
    with controllers.load() as load:
        load.until_more(10)
        load.stop()
    assert pair.state(active) == "PassiveLost"
    assert controllers.orders("foreign") == set()
    controllers.kill("foreign")
    controllers.restart(passive)
    assert pair.active_of_coupled() == active
    controllers.nothing_is_lost(orders + load.orders)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[ControllerPair]:
    with ControllerPair(tmp_path, has_network=True) as made:
        yield made


def test_who_answers_at_the_passive_nodes_address_must_know_its_token(proxied: ControllerPair) -> None:
    """F58: the passive node follows and asks to be coupled, but the active one reaches somebody else at its address."""
    pair = proxied.pair
    active = proxied.begin()
    passive = pair.other(active)
    orders = proxied.add_some_orders("before")
    proxied.add("controller", "foreign")
    proxied.start("foreign")
    link = proxied.links[active, passive]
    own_address, link.target = link.target, ("127.0.0.1", int(proxied.url("foreign").rpartition(":")[2]))
    assert proxied.terminate(passive) == 0
    proxied.restart(passive)
    orders += proxied.add_some_orders("alone")
    wait_until(lambda: set(orders) <= proxied.orders(passive), lambda: f"the passive node follows: {pair}")
    pair.until_state(passive, "PassiveLost")
    assert (pair.phase(active), pair.state(active)) == ("active", "PassiveLost")
    link.target = own_address
    assert pair.active_of_coupled() == active
    orders += proxied.add_some_orders("after")
    proxied.nothing_is_lost(orders)


@pytest.mark.long_only
def test_an_active_node_does_not_give_way_to_a_foreign_controller(proxied: ControllerPair) -> None:
    """F58, while coupled: the foreign one says that it is active, which it is, but not in this pair."""
    pair = proxied.pair
    active = proxied.begin()
    passive = pair.other(active)
    orders = proxied.add_some_orders("before")
    proxied.add("controller", "foreign")
    proxied.start("foreign")
    link = proxied.links[active, passive]
    own_address, link.target = link.target, ("127.0.0.1", int(proxied.url("foreign").rpartition(":")[2]))
    link.break_connections()
    pair.until_state(active, "PassiveLost")
    assert pair.phase(active) == "active"
    assert "one of another installation" in proxied.log(active)
    orders += proxied.add_some_orders("alone")

    # Also a node that has to ask the other one before it is active again finds only the foreign one there.
    link.target = own_address
    assert pair.active_of_coupled() == active
    link.target = ("127.0.0.1", int(proxied.url("foreign").rpartition(":")[2]))
    link.break_connections()
    proxied.kill(active)
    proxied.kill(passive)
    proxied.restart(active)
    orders += proxied.add_some_orders("restarted")
    link.target = own_address
    link.break_connections()
    proxied.restart(passive)
    assert pair.active_of_coupled() == active
    proxied.nothing_is_lost(orders)


def test_the_passive_nodes_address_is_changed_while_it_is_coupled(proxied: ControllerPair) -> None:
    """F59: from the address of the proxy to the node's own one."""
    pair = proxied.pair
    active = proxied.begin()
    passive = pair.other(active)
    with proxied.load() as load:
        load.until_more(10)
        setting = proxied.node_request(active, "cluster", headers={}).body["setting"]
        assert setting["idToUri"][setting["activeId"]] == proxied.links[passive, active].url
        changed = {
            node_id: uri if node_id == setting["activeId"] else proxied.url(passive)
            for node_id, uri in setting["idToUri"].items()
        }
        appoint = {"TYPE": "ClusterAppointNodes", "idToUri": changed, "activeId": setting["activeId"]}
        proxied.command_active(appoint)
        assert pair.active_of_coupled() == active
        load.until_more(10)
        assert proxied.node_request(passive, "cluster", headers={}).body["setting"]["idToUri"] == changed
        # The former address is not used any more.
        proxied.links[active, passive].refuse()
        load.until_more(10)
        # It knows who it is though its own configuration tells the former address.
        node_id = pair.cluster(passive)["nodeId"]
        proxied.kill(passive)
        proxied.restart(passive)
        assert pair.active_of_coupled() == active
        assert pair.cluster(passive)["nodeId"] == node_id
        load.until_more(10)
        load.stop()
    types = [event["TYPE"] for event in pair.events(active) if event["TYPE"].startswith("Cluster")]
    begin = types.index("ClusterPassiveLost")
    assert types[begin : begin + 4] == [
        "ClusterPassiveLost",
        "ClusterSettingUpdated",
        "ClusterCouplingPrepared",
        "ClusterCoupled",
    ]
    proxied.nothing_is_lost(load.orders)


def test_a_node_that_cannot_know_which_one_it_is_does_not_start(controllers: ControllerPair) -> None:
    """Else it might take itself for the other one, and both would be active."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    assert controllers.terminate(passive) == 0
    file = controllers.folder(passive) / "controller.toml"
    text = file.read_text()
    file.write_text(
        text.replace('url = "http://127.0.0.1', 'url = "http://c1').replace('peer = "http://127', 'peer = "http://c2')
    )
    assert controllers.spawn(passive).wait(60) == 1
    assert "Check `url` and `peer` in [cluster]" in controllers.log(passive)
    file.write_text(text)
    controllers.restart(passive)
    assert pair.active_of_coupled() == active


@pytest.mark.long_only
def test_a_node_with_an_expired_certificate_is_a_node_that_cannot_be_reached(tmp_path: Path) -> None:
    """F62: neither the other node nor a witness speaks to it; the other one goes on, and nobody else is active."""
    authority = Authority(tmp_path, "authority")
    with ControllerPair(tmp_path, authority=authority) as controllers:
        pair = controllers.pair
        active = controllers.begin()
        passive = pair.other(active)
        orders = controllers.add_some_orders("before")
        authority.pem(passive, is_expired=True)
        controllers.kill(passive)
        controllers.restart(passive)
        orders += controllers.add_some_orders("alone")
        wait_until(lambda: set(orders) <= controllers.orders(passive), lambda: f"the passive node follows: {pair}")
        assert pair.cluster(passive).get("watches") == []
        assert (pair.phase(active), pair.state(active)) == ("active", "PassiveLost")
        # The active one goes, and the one that nobody can trust does not take over.
        controllers.kill(active)
        wait_until(lambda: "The active node cannot be followed" in controllers.log(passive), "it notices")
        assert pair.phase(passive) == "passive"
        controllers.restart(active)
        authority.pem(passive)
        controllers.kill(passive)
        controllers.restart(passive)
        assert pair.active_of_coupled() == active
        orders += controllers.add_some_orders("after")
        controllers.nothing_is_lost(orders)
