"""The watch's rules, one by one (cluster spec 1.10.2, 1.10.3), and what goes beyond them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stellwerk.cluster.messages import (
    AnyWatchRequest,
    ClusterWatchAskNodeLoss,
    ClusterWatchCheckEvent,
    ClusterWatchCheckState,
    ClusterWatchCommitNodeLoss,
)
from stellwerk.cluster.watch import Answer, Knowledge, Watch
from stellwerk.engine import cluster
from stellwerk.engine.cluster import Coupled, FailedOver, Pair, PassiveLost, SwitchedOver
from stellwerk.engine.events.cluster import (
    AnyClusterEvent,
    ClusterFailedOver,
    ClusterPassiveLost,
    ClusterSetting,
    ClusterSwitchedOver,
    ClusterTiming,
    JournalPosition,
)
from stellwerk.values.problems import ProblemError

TIMING = ClusterTiming(heartbeat=3, heartbeat_timeout=10)
SETTING = ClusterSetting(id_to_uri={"Primary": "http://a", "Backup": "http://b"}, active_id="Primary", timing=TIMING)
COUPLED = Coupled(setting=SETTING, revision=10)
FAIL_OVER = ClusterFailedOver(
    failed_active_id="Primary", activated_id="Backup", failed_at=JournalPosition(file_event_id=0, position=100)
)
PASSIVE_LOST = ClusterPassiveLost(id="Backup")


def after(state: Pair, event: AnyClusterEvent) -> Pair:
    made = cluster.apply(state, event)
    assert not isinstance(made, cluster.Empty)
    return made


FAILED_OVER = after(COUPLED, FAIL_OVER)
LOST = after(COUPLED, PASSIVE_LOST)


def beat(state: Pair = COUPLED, node: str | None = None) -> ClusterWatchCheckState:
    return ClusterWatchCheckState(request_id=1, from_=node or state.active_id, cluster_state=state)


def ask(event: AnyClusterEvent, state: Pair, hold: float = 6) -> ClusterWatchAskNodeLoss:
    return ClusterWatchAskNodeLoss(request_id=2, from_=state.active_id, cluster_state=state, event=event, hold=hold)


def commit(event: AnyClusterEvent, state: Pair) -> ClusterWatchCommitNodeLoss:
    return ClusterWatchCommitNodeLoss(request_id=3, from_=state.active_id, cluster_state=state, event=event)


def report(event: AnyClusterEvent, state: Pair, node: str | None = None) -> ClusterWatchCheckEvent:
    return ClusterWatchCheckEvent(request_id=4, from_=node or state.active_id, cluster_state=state, event=event)


class World:
    """A watch and its clock; `says` gives the code of the refusal, None for a confirmation."""

    def __init__(self, knowledge: Knowledge | None = None, *, requires_confirmation: bool = False) -> None:
        self.now = 1000.0
        self.watch = Watch(self.now, knowledge, requires_failover_confirmation=requires_confirmation)

    def answer(self, request: AnyWatchRequest) -> Answer:
        return self.watch.process(request, self.now)

    def says(self, request: AnyWatchRequest) -> str | None:
        problem = self.answer(request).problem
        return None if problem is None else problem.code

    @property
    def state(self) -> Pair:
        assert self.watch.knowledge is not None
        return self.watch.knowledge.state


@pytest.fixture
def taught() -> World:
    """It knows that the pair is coupled, and has just heard the active node."""
    world = World()
    assert world.says(beat()) is None
    return world


def test_a_fresh_watch_learns_from_a_heartbeat_and_from_an_event() -> None:
    world = World()
    assert world.says(beat(LOST)) is None
    assert world.watch.knowledge == Knowledge(LOST)
    world = World()
    assert world.says(report(PASSIVE_LOST, LOST)) == "ClusterNodeLossNotConfirmed"
    request = ClusterWatchCheckEvent(
        request_id=1, from_="Primary", cluster_state=LOST, event=PASSIVE_LOST, force_when_untaught=True
    )
    assert world.says(request) is None and world.state == LOST


def test_only_the_active_node_of_the_reported_state_may_speak(taught: World) -> None:
    assert taught.says(beat(COUPLED, "Backup")) == "InvalidClusterWatchHeartbeat"
    assert taught.state == COUPLED


def test_a_fail_over_needs_the_silence_of_the_active_node(taught: World) -> None:
    taught.now += TIMING.watch_heartbeat_valid - 0.1
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterWatchActiveStillAlive"
    taught.now += 0.2
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) is None
    assert taught.state == COUPLED, "a question decides nothing"
    assert taught.says(commit(FAIL_OVER, FAILED_OVER)) is None
    assert taught.watch.knowledge == Knowledge(FAILED_OVER, is_reported=False)
    assert taught.says(beat(FAILED_OVER)) is None
    assert taught.watch.knowledge == Knowledge(FAILED_OVER)


def test_nobody_waits_for_a_process_that_is_gone(taught: World) -> None:
    taught.watch.node_is_gone("Primary")
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) is None
    assert taught.says(beat()) is None, "it was not gone after all"
    assert taught.says(commit(FAIL_OVER, FAILED_OVER)) == "ClusterWatchNotAsking"
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterWatchActiveStillAlive"


def test_a_commit_needs_its_question_and_comes_in_time(taught: World) -> None:
    assert taught.says(commit(PASSIVE_LOST, LOST)) == "ClusterWatchNotAsking"
    assert taught.says(ask(PASSIVE_LOST, LOST)) is None
    taught.now += 6.1
    assert taught.says(commit(PASSIVE_LOST, LOST)) == "ClusterWatchNotAsking"
    assert taught.says(ask(PASSIVE_LOST, LOST)) is None
    assert taught.says(commit(FAIL_OVER, FAILED_OVER)) == "ClusterWatchNotAsking"
    assert taught.says(commit(PASSIVE_LOST, LOST)) is None
    assert taught.state == LOST


def test_whichever_node_commits_first_wins_and_the_other_is_told_so(taught: World) -> None:
    taught.now += 20
    assert taught.says(ask(PASSIVE_LOST, LOST)) is None
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterWatchNotAsking", "the other one is being answered"
    assert taught.says(commit(PASSIVE_LOST, LOST)) is None
    taught.now += 20
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterFailOverWhilePassiveLost"

    other = World(Knowledge(COUPLED))
    other.now += 20
    assert other.says(ask(FAIL_OVER, FAILED_OVER)) is None
    assert other.says(commit(FAIL_OVER, FAILED_OVER)) is None
    assert other.says(ask(PASSIVE_LOST, LOST)) == "ClusterWatchInactiveNode"
    assert other.says(beat()) == "ClusterWatchInactiveNode"


def test_what_has_been_decided_is_confirmed_again(taught: World) -> None:
    taught.now += 20
    for _ in range(2):
        assert taught.says(ask(FAIL_OVER, FAILED_OVER)) is None
        assert taught.says(commit(FAIL_OVER, FAILED_OVER)) is None
    further = ClusterFailedOver(
        failed_active_id="Primary", activated_id="Backup", failed_at=JournalPosition(file_event_id=0, position=200)
    )
    assert taught.says(ask(further, after(COUPLED, further))) is None, "it had received more meanwhile"
    assert taught.says(commit(further, after(COUPLED, further))) is None


def test_a_decision_that_was_never_carried_out_is_overtaken_by_a_newer_report(taught: World) -> None:
    taught.now += 20
    assert taught.says(ask(FAIL_OVER, FAILED_OVER)) is None
    assert taught.says(commit(FAIL_OVER, FAILED_OVER)) is None
    assert taught.says(report(PASSIVE_LOST, LOST)) is None, "the other node has promised not to take over"
    assert taught.state == LOST
    carried_out = World(Knowledge(FAILED_OVER))
    assert carried_out.says(report(PASSIVE_LOST, LOST)) == "ClusterWatchInactiveNode"


def test_a_switch_over_is_accepted_from_either_node(taught: World) -> None:
    event = ClusterSwitchedOver(activated_id="Backup")
    state = after(COUPLED, event)
    assert isinstance(state, SwitchedOver)
    assert taught.says(report(event, state, "Primary")) is None
    assert taught.says(report(event, state, "Backup")) is None
    assert taught.state == state


def test_a_role_that_nobody_took_goes_back_and_is_refused_to_the_other_node_then(taught: World) -> None:
    given, back = ClusterSwitchedOver(activated_id="Backup"), ClusterSwitchedOver(activated_id="Primary")
    switched = after(COUPLED, given)
    returned = after(switched, back)
    assert taught.says(ask(back, returned)) is None
    assert taught.says(commit(back, returned)) is None
    assert taught.says(report(given, switched, "Backup")) == "ClusterWatchInactiveNode"
    assert taught.says(beat(returned)) is None
    failed_over = after(COUPLED, FAIL_OVER)
    taught.now += 20
    assert taught.says(ask(FAIL_OVER, failed_over)) == "ClusterWatchEventMismatch", "from before the switch-over"


def test_a_role_that_has_been_taken_does_not_go_back(taught: World) -> None:
    given, back = ClusterSwitchedOver(activated_id="Backup"), ClusterSwitchedOver(activated_id="Primary")
    switched = after(COUPLED, given)
    returned = after(switched, back)
    assert taught.says(ask(back, returned)) is None
    assert taught.says(report(given, switched, "Backup")) is None
    assert taught.says(commit(back, returned)) == "ClusterWatchNotAsking", "the other one has come between"
    assert taught.says(ask(back, returned)) == "ClusterWatchInactiveNode"


def test_an_untaught_watch_gives_no_role_back() -> None:
    back = ClusterSwitchedOver(activated_id="Primary")
    returned = after(after(COUPLED, ClusterSwitchedOver(activated_id="Backup")), back)
    assert World().says(ask(back, returned)) == "ClusterNodeLossNotConfirmed"


def test_a_watch_that_remembers_decides_after_its_restart_without_knowing_an_age() -> None:
    world = World(Knowledge(COUPLED))
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterWatchActiveStillAlive"
    world.now += TIMING.watch_heartbeat_valid
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) is None
    remembering = World(Knowledge(FAILED_OVER, is_reported=False))
    assert remembering.says(beat()) == "ClusterWatchInactiveNode"


def test_an_untaught_watch_decides_only_what_a_person_confirms() -> None:
    world = World()
    with pytest.raises(ProblemError, match="ClusterNodeIsNotLost"):
        world.watch.confirm_node_loss("Primary", "me")
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterNodeLossNotConfirmed"
    assert list(world.watch.to_be_confirmed) == ["Primary"]
    with pytest.raises(ProblemError, match="ClusterNodeIsNotLost"):
        world.watch.confirm_node_loss("Backup", "me")
    world.watch.confirm_node_loss("Primary", "me")
    answer = world.answer(ask(FAIL_OVER, FAILED_OVER))
    assert answer == Answer(None, "me")
    assert world.answer(commit(FAIL_OVER, FAILED_OVER)) == Answer(None, "me")
    assert isinstance(world.state, FailedOver)
    assert not world.watch.to_be_confirmed


def test_with_both_nodes_asking_a_person_decides_for_one() -> None:
    world = World()
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterNodeLossNotConfirmed"
    assert world.says(ask(PASSIVE_LOST, LOST)) == "ClusterNodeLossNotConfirmed"
    assert set(world.watch.to_be_confirmed) == {"Primary", "Backup"}
    world.watch.confirm_node_loss("Backup", "me")
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterNodeLossNotConfirmed"
    assert world.says(ask(PASSIVE_LOST, LOST)) is None
    assert world.says(commit(PASSIVE_LOST, LOST)) is None
    assert isinstance(world.state, PassiveLost)


def test_a_fail_over_may_need_a_persons_confirmation() -> None:
    world = World(Knowledge(COUPLED), requires_confirmation=True)
    world.now += 20
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterFailoverNotConfirmed"
    assert world.says(beat()) is None
    assert not world.watch.to_be_confirmed, "the active node is back"
    world.now += 20
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterFailoverNotConfirmed"
    world.watch.confirm_node_loss("Primary", "me")
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) is None
    assert world.says(commit(FAIL_OVER, FAILED_OVER)) is None
    lost = World(Knowledge(COUPLED), requires_confirmation=True)
    assert lost.says(ask(PASSIVE_LOST, LOST)) is None, "only a fail-over needs it"


def test_an_event_that_does_not_fit_what_is_known_is_refused_unless_it_is_newer() -> None:
    world = World(Knowledge(LOST))
    event = ClusterPassiveLost(id="Backup")
    assert world.says(report(event, PassiveLost(setting=SETTING, revision=11, term=1))) == "ClusterWatchEventMismatch"
    assert world.says(report(event, PassiveLost(setting=SETTING, revision=14))) is None


def test_a_node_that_was_cut_off_while_the_pair_was_reset_is_not_believed() -> None:
    """Its journal has the higher revision, for the new pair has just begun; the new pair's active node is silent."""
    reset = cluster.NodesAppointed(setting=replace(SETTING, generation=1), revision=1)
    world = World(Knowledge(reset))
    world.now += 20
    assert world.says(ask(FAIL_OVER, FAILED_OVER)) == "ClusterWatchInactiveNode"
    assert world.says(beat(COUPLED)) == "ClusterWatchInactiveNode"
    newer = replace(FAILED_OVER, setting=replace(FAILED_OVER.setting, generation=1))
    assert world.says(ask(FAIL_OVER, newer)) is None, "of the same generation, the watch has only missed the coupling"
