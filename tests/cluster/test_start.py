"""Which role a node has when it starts (cluster spec 1.5)."""

from __future__ import annotations

from typing import Any

import pytest

from stellwerk.cluster.start import Start, start_role
from stellwerk.engine import cluster as s
from stellwerk.engine.events.cluster import BACKUP, PRIMARY, ClusterSetting, ClusterTiming, JournalPosition
from stellwerk.values.problems import ProblemError

SETTING = ClusterSetting(
    id_to_uri={PRIMARY: "http://one", BACKUP: "http://two"},
    active_id=PRIMARY,
    timing=ClusterTiming(heartbeat=0.5, heartbeat_timeout=2.0, consent_timeout=1.5),
)


def role(state: s.ClusterState, node_id: str = PRIMARY, **arguments: Any) -> Start:
    return start_role(state, node_id, **{"is_backup": None, "has_events": True, **arguments})


def _state(type_: Any) -> s.Pair:
    extra = {"failed_at": JournalPosition(file_event_id=0, position=1)} if type_ is s.FailedOver else {}
    state: s.Pair = type_(setting=SETTING, **extra)
    return state


def test_a_node_without_a_cluster_is_active_or_finds_out() -> None:
    assert role(s.Empty()) is Start.ACTIVE
    assert role(s.Empty(), has_events=False) is Start.FIND_OUT
    assert role(s.Empty(), has_events=False, is_backup=False) is Start.ACTIVE
    assert role(s.Empty(), has_events=False, is_backup=True) is Start.WAIT


def test_a_node_with_events_of_its_own_does_not_become_a_backup() -> None:
    with pytest.raises(ProblemError, match="PrimaryClusterNodeMayNotBecomeBackup"):
        role(s.Empty(), is_backup=True)


@pytest.mark.parametrize(
    "type_",
    [s.NodesAppointed, s.PreparedToBeCoupled, s.Coupled, s.ActiveShutDown, s.PassiveLost, s.SwitchedOver, s.FailedOver],
)
def test_the_passive_node_of_a_state_is_passive_and_only_a_coupled_active_node_has_to_ask(type_: Any) -> None:
    state = _state(type_)
    assert role(state, BACKUP) is Start.PASSIVE
    # From Coupled the other node may have failed over; an ActiveShutDown may not have arrived there.
    expected = Start.ASK if type_ in (s.Coupled, s.ActiveShutDown) else Start.ACTIVE
    assert role(state, PRIMARY) is expected


def test_a_journal_of_another_cluster_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"belongs to a cluster of Primary and Backup.*node_id"):
        role(_state(s.Coupled), "Third")


def test_who_was_handed_the_role_and_has_written_nothing_yet_asks_the_watch_before_it_is_active() -> None:
    state = _state(s.SwitchedOver)
    assert role(state, PRIMARY, ends_with_switch=True) is Start.PASSIVE
    assert role(state, PRIMARY) is Start.ACTIVE
    assert role(_state(s.Coupled), PRIMARY, ends_with_switch=True) is Start.ASK
