"""How a pair is shown (ui.md S15): only what nodes say, each with its age; nothing is guessed."""

from __future__ import annotations

from typing import Any

from stellwerk.cluster.status import JournalStatus, Lag, NodeStatus, Readiness, WatchStatus
from stellwerk.cockpit.controllers.cluster_history import ClusterChange
from stellwerk.cockpit.controllers.cluster_survey import NodeAnswer
from stellwerk.cockpit.controllers.cluster_view import Cluster, Link, Node, Pair, pair_view

NOW = 1_795_000_000_000
URIS = ("http://a", "http://b")
ID_TO_URI = dict(zip(("Primary", "Backup"), URIS, strict=True))


def status(node_id: str = "Primary", phase: str = "active", **members: Any) -> NodeStatus:
    known = {"state": "Coupled", "term": 1, "active_id": "Primary", "id_to_uri": ID_TO_URI, **members}
    return NodeStatus(node_id=node_id, phase=phase, version="1", started_at=1, **known)


def passive(**members: Any) -> NodeStatus:
    known = {"readiness": Readiness(can_fail_over=True), "silence_limit_seconds": 3.5, **members}
    return status("Backup", "passive", **known)


def view(*statuses: NodeStatus | None, **members: Any) -> tuple[Cluster, list[Node], list[Link]]:
    """None: the node refuses connections."""
    answers = [
        NodeAnswer(uri, NOW, one, None if one is not None else "refused")
        for uri, one in zip(URIS, statuses, strict=True)
    ]
    known = {"changes": (), **members}
    return pair_view(Pair(kind="controller", name="c", controller_id="c", answers=answers, **known))


def journal(events: int, position: int, file: int = 0) -> JournalStatus:
    return JournalStatus(
        bytes=position, free_bytes=1, event_count=events, last_event_id=events, file_event_id=file, position=position
    )


def test_of_a_coupled_pair_lag_and_ages_are_what_the_nodes_say() -> None:
    cluster, nodes, links = view(
        status(lag=Lag(events=3, bytes=700), silence_seconds=0.5), passive(silence_seconds=0.25)
    )
    assert (cluster.id, cluster.state, cluster.active) == ("controller/c", "Coupled", "c/Primary")
    assert [(node.id, node.state, node.role) for node in nodes] == [
        ("c/Primary", "RUNNING", "active"),
        ("c/Backup", "COUPLED", "passive"),
    ]
    forth, back = links
    assert (forth.from_, forth.to, forth.lag_events, forth.lag_bytes) == ("c/Primary", "c/Backup", 3, 700)
    assert (forth.last_seen, back.last_seen) == (NOW - 250, NOW - 500)
    assert cluster.readiness is not None
    assert (cluster.readiness.can_fail_over, cluster.readiness.silence_limit) == (True, 3500)


def test_while_a_node_catches_up_its_lag_is_the_difference_of_the_journals() -> None:
    active, behind = status(state="PassiveLost", journal=journal(50, 900)), passive(state="PassiveLost")
    _, _, [link, _] = view(active, passive(state="PassiveLost", journal=journal(20, 400)))
    assert (link.lag_events, link.lag_bytes, link.state) == (30, 500, "DECOUPLED")
    _, _, [link, _] = view(active, passive(state="PassiveLost", journal=journal(20, 400, file=7)))
    assert (link.lag_events, link.lag_bytes) == (30, None), "bytes of different files are not comparable"
    _, _, [link, _] = view(active, behind)
    assert (link.lag_events, link.lag_bytes) == (None, None), "nobody says it"


def test_since_is_told_only_of_the_state_that_the_nodes_are_in() -> None:
    lost = ClusterChange("PassiveLost", NOW - 1000, "ClusterPassiveLost", "Primary", "Backup")
    assert view(status(state="PassiveLost"), None, changes=[lost])[0].since == NOW - 1000
    assert view(status(state="Coupled"), passive(), changes=[lost])[0].since is None
    asked = ClusterChange("NodeLossToBeConfirmed", NOW, "AgentClusterWatchConfirmationRequired")
    assert view(status(state="PassiveLost"), None, changes=[asked, lost])[0].since == NOW - 1000
    assert view(status(state="PassiveLost"), None, changes=[ClusterChange("PassiveLost")])[0].since is None


def test_the_last_change_of_roles_is_found_behind_what_came_later() -> None:
    over = ClusterChange("FailedOver", NOW - 5000, "ClusterFailedOver", "Backup", "Primary")
    coupled = ClusterChange("Coupled", NOW, "ClusterCoupled", "Backup")
    assert view(status(), passive(), changes=[coupled, over])[0].last_change == over


def test_a_node_that_does_not_answer_is_named_and_nobody_takes_over() -> None:
    cluster, nodes, [link, _] = view(status(state="PassiveLost"), None)
    assert (nodes[1].name, nodes[1].state, nodes[1].message) == ("Backup", "LOST", "refused")
    assert cluster.readiness is not None
    assert (cluster.readiness.can_fail_over, cluster.readiness.reason) == (False, "Backup does not answer")
    assert (link.state, link.last_seen, link.lag_events) == ("LOST", None, None)


def test_when_the_active_node_is_gone_the_other_one_tells_the_state() -> None:
    cluster, nodes, _ = view(None, passive())
    assert (cluster.state, cluster.active, nodes[0].name) == ("Coupled", "c/Primary", "Primary")
    assert cluster.readiness is not None and cluster.readiness.can_fail_over


def test_of_two_nodes_that_say_they_are_active_the_one_of_the_newer_term_is_shown() -> None:
    newer = status("Backup", "active", term=2, active_id="Backup", state="FailedOver")
    assert view(status(), newer)[0].active == "c/Backup"


def test_when_nobody_answers_nothing_is_claimed() -> None:
    cluster, nodes, links = view(None, None)
    assert (cluster.state, cluster.active, cluster.term, links) == ("Unknown", None, None, [])
    assert [node.name for node in nodes] == ["Primary", "Backup"]
    assert cluster.readiness is not None and not cluster.readiness.can_fail_over


def test_a_node_that_has_not_been_heard_yet_is_unknown_and_not_lost() -> None:
    answers = [NodeAnswer(URIS[0], NOW, status()), NodeAnswer(URIS[1], NOW)]
    pair = Pair(kind="controller", name="c", controller_id="c", answers=answers, changes=())
    assert pair_view(pair)[1][1].state == "UNKNOWN"


def test_nodes_with_ids_of_their_own_keep_them() -> None:
    members: dict[str, Any] = {"id_to_uri": {"north": "http://a", "south": "http://b"}, "active_id": "north"}
    _, nodes, _ = view(status("north", **members), None)
    assert [node.name for node in nodes] == ["north", "south"]


def test_the_primary_node_stands_first_wherever_it_is_registered() -> None:
    backup = status("Backup", "passive", readiness=Readiness(can_fail_over=True))
    cluster, nodes, _ = view(backup, status())
    assert [(node.name, node.url) for node in nodes] == [("Primary", "http://b"), ("Backup", "http://a")]
    assert cluster.nodes == ["c/Primary", "c/Backup"]


def test_two_fresh_nodes_that_both_call_themselves_primary_are_told_apart() -> None:
    fresh: dict[str, Any] = {"state": None, "term": 0, "active_id": None, "id_to_uri": {}}
    _, nodes, _ = view(status(phase="undecided", **fresh), status(phase="undecided", **fresh))
    assert [(node.name, node.state) for node in nodes] == [("Primary", "STARTING"), ("Backup", "STARTING")]


def test_watches_carry_the_time_of_their_last_answer() -> None:
    watch = WatchStatus(id="joc", is_connected=True, is_wanted=True, silence_seconds=2.0)
    cluster, _, _ = view(status(watches=(watch,), watches_needed=1), passive())
    [shown] = cluster.watches
    assert (shown.id, shown.connected, shown.decides, shown.last_seen) == ("joc", True, True, NOW - 2000)
    assert cluster.watches_needed == 1
