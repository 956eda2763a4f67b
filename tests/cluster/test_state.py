"""The transition table of a pair is the one of the specification (cluster spec 1.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from stellwerk.engine import cluster
from stellwerk.engine.cluster import (
    CODES,
    EMPTY,
    ClusterState,
    Coupled,
    FailedOver,
    NodesAppointed,
    PassiveLost,
    apply,
    is_active,
    is_applicable,
    term_of,
)
from stellwerk.engine.events import cluster as c
from stellwerk.engine.events.cluster import ClusterSetting, ClusterTiming, JournalPosition
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError

SPECIFICATION = Path(__file__).parents[2] / "docs" / "specification" / "cluster.md"
TIMING = ClusterTiming(heartbeat=3, heartbeat_timeout=10, consent_timeout=6)
SETTING = ClusterSetting(id_to_uri={"Primary": "http://a", "Backup": "http://b"}, active_id="Primary", timing=TIMING)
AT = JournalPosition(file_event_id=0, position=1234)

EVENTS: dict[str, c.AnyClusterEvent] = {
    "ClusterNodesAppointed": c.ClusterNodesAppointed(setting=SETTING),
    "ClusterCouplingPrepared": c.ClusterCouplingPrepared(active_id="Primary"),
    "ClusterCoupled": c.ClusterCoupled(active_id="Primary"),
    "ClusterPassiveLost": c.ClusterPassiveLost(id="Backup"),
    "ClusterSwitchedOver": c.ClusterSwitchedOver(activated_id="Backup"),
    "ClusterFailedOver": c.ClusterFailedOver(failed_active_id="Primary", activated_id="Backup", failed_at=AT),
    "ClusterActiveNodeShutDown": c.ClusterActiveNodeShutDown(),
    "ClusterActiveNodeRestarted": c.ClusterActiveNodeRestarted(),
    "ClusterSettingUpdated": c.ClusterSettingUpdated(passive_uri="http://c"),
    "ClusterWatchRegistered": c.ClusterWatchRegistered(cluster_watch_id="joc"),
    "ClusterResetStarted": c.ClusterResetStarted(),
}


def state_of(name: str) -> ClusterState:
    if name == "Empty":
        return EMPTY
    if name == "FailedOver":
        return FailedOver(setting=SETTING, failed_at=AT, term=4, revision=7)
    type_ = next(type_ for type_ in CODES if type_.__name__ == name)
    made: ClusterState = type_(setting=SETTING, term=4, revision=7)
    return made


def specified() -> dict[tuple[str, str], str | None]:
    """(event, state) → the next state, None where the specification refuses it."""
    lines = SPECIFICATION.read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("| Event ↓ / State →"))
    states = [cell.strip() for cell in lines[begin].strip("|").split("|")][1:]
    table: dict[tuple[str, str], str | None] = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        event = re.match(r"`(\w+)`", cells[0])
        assert event is not None
        for state, cell in zip(states, cells[1:], strict=True):
            name = cell.rstrip("¹²³⁴⁵")
            table[event[1], state] = None if name == "✗" else state if name == "same" else name
    return table


def test_every_pair_of_event_and_state_is_as_the_specification_says() -> None:
    table = specified()
    assert len(table) == len(EVENTS) * len(CODES) == 88
    for (event, state), following in table.items():
        before = state_of(state)
        assert is_applicable(before, EVENTS[event]) == (following is not None), (event, state)
        if following is None:
            with pytest.raises(ProblemError, match=event):
                apply(before, EVENTS[event])
        else:
            assert cluster.name_of(apply(before, EVENTS[event])) == following, (event, state)


def test_the_test_knows_all_events_and_states() -> None:
    assert {str(type_.__struct_config__.tag) for type_ in get_args(c.AnyClusterEvent)} == set(EVENTS)
    assert set(get_args(ClusterState)) == set(CODES)


@pytest.mark.parametrize(
    "event",
    [
        c.ClusterCouplingPrepared(active_id="Backup"),
        c.ClusterCoupled(active_id="Backup"),
        c.ClusterPassiveLost(id="Primary"),
        c.ClusterSwitchedOver(activated_id="Primary"),
        c.ClusterFailedOver(failed_active_id="Backup", activated_id="Primary", failed_at=AT),
    ],
)
def test_an_event_about_the_wrong_node_is_refused(event: c.AnyClusterEvent) -> None:
    for state in CODES:
        assert not is_applicable(state_of(state.__name__), event)


def test_the_role_goes_with_the_term_and_every_event_is_counted() -> None:
    state: ClusterState = EMPTY
    assert is_active(state, "Primary") is None
    for event in ("ClusterNodesAppointed", "ClusterCouplingPrepared", "ClusterWatchRegistered", "ClusterCoupled"):
        state = apply(state, EVENTS[event])
    assert isinstance(state, Coupled) and (state.term, state.revision) == (0, 4)
    failed_over = apply(state, EVENTS["ClusterFailedOver"])
    assert is_active(failed_over, "Backup") is True and is_active(failed_over, "Primary") is False
    assert term_of(failed_over, "Backup") == 1
    lost = apply(state, EVENTS["ClusterPassiveLost"])
    assert isinstance(lost, PassiveLost) and (lost.term, lost.revision) == (0, 5)
    assert is_active(lost, "Primary") is True


def test_a_node_that_hands_its_role_over_does_not_act_in_the_next_term() -> None:
    """Else others would hear of a term that does not come about when the switch-over fails, and refuse this node."""
    coupled = state_of("Coupled")
    switched_over = apply(coupled, EVENTS["ClusterSwitchedOver"])
    term = term_of(coupled, "Primary")
    assert (term_of(switched_over, "Primary"), term_of(switched_over, "Backup")) == (term, term + 1)
    assert term_of(EMPTY, "Primary") == 0


def test_a_state_of_another_installation_is_known_by_its_addresses() -> None:
    """F58."""
    own = coupled_at(SETTING.id_to_uri)
    assert cluster.is_same_pair(own, own)
    assert cluster.is_same_pair(coupled_at({"Primary": "http://a", "Backup": "http://moved"}), own)
    assert not cluster.is_same_pair(coupled_at({"Primary": "http://x", "Backup": "http://y"}), own)
    assert not cluster.is_same_pair(EMPTY, own)


def coupled_at(uris: Mapping[str, str]) -> Coupled:
    return Coupled(setting=ClusterSetting(id_to_uri=dict(uris), active_id="Primary", timing=TIMING), term=0, revision=3)


def test_states_survive_their_json() -> None:
    for type_ in CODES:
        state = state_of(type_.__name__)
        assert decoder(ClusterState).decode(encode(state)) == state
    plain = NodesAppointed(setting=SETTING)
    assert b"term" not in encode(plain) and b"revision" not in encode(plain)


@pytest.mark.parametrize(
    "values", [{"heartbeat": 0}, {"heartbeat_timeout": -1}, {"consent_timeout": 10}, {"consent_timeout": 0}]
)
def test_timings_that_do_not_fit_together_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        ClusterTiming(**{"heartbeat": 3, "heartbeat_timeout": 10, "consent_timeout": 6, **values})


def test_derived_durations_are_those_of_the_specification() -> None:
    durations = (TIMING.passive_lost, TIMING.watch_heartbeat_valid, TIMING.active_lost, TIMING.inhibit_activation)
    assert durations == (13, 16, 19, 22)
    assert (TIMING.watch_id, TIMING.stream_idle, TIMING.late_warning) == (23, 6.5, 1.5)


@pytest.mark.parametrize(
    ("uris", "active_id"),
    [({"Primary": "http://a"}, "Primary"), ({"P": "x", "B": "x"}, "P"), ({"P": "x", "B": "y"}, "C")],
)
def test_a_setting_needs_two_different_nodes(uris: dict[str, str], active_id: str) -> None:
    with pytest.raises(ValueError):
        ClusterSetting(id_to_uri=uris, active_id=active_id, timing=TIMING)


def test_a_role_that_nobody_took_goes_back_in_a_term_of_its_own() -> None:
    switched_over = apply(state_of("Coupled"), EVENTS["ClusterSwitchedOver"])
    back = apply(switched_over, c.ClusterSwitchedOver(activated_id="Primary"))
    assert isinstance(back, cluster.SwitchedOver)
    assert (back.active_id, back.term, back.revision) == ("Primary", 6, 9)
