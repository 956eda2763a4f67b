"""The watch: who is asked before a node is declared lost (cluster spec 1.10.2, 1.10.3). A pure state machine.

    watch = Watch(now=clock())
    answer = watch.process(request, clock())          # answer.problem None: confirmed
    store(watch.knowledge) if it has changed          # before the answer is sent

Time is monotonic seconds of the caller. Beyond the specification:

- The knowledge can be kept: a watch that remembers decides after a restart as before it, only without knowing how old
  the last heartbeat is.
- A heartbeat that voids a pending question is confirmed, and only the commit is refused.
- A request for what has been decided already is confirmed again: its first answer may have been lost.
- `node_is_gone`: the process of the active node is proven to be dead, so nobody waits for the age of its heartbeat.
- A switch-over is refused when the role has gone back since: who was handed it asks before it is active, and who
  handed it over asks before it takes it back.
- What a pair says that has been reset since is void, whoever says it (`ClusterSetting.generation`).
- A decision that its node has never reported may be overtaken by a newer report of the other node: that one had
  the promise of its peer, or the votes of other watches, and the decision can no longer be carried out.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from stellwerk.cluster.messages import (
    AnyWatchRequest,
    ClusterWatchAskNodeLoss,
    ClusterWatchCheckState,
    ClusterWatchCommitNodeLoss,
)
from stellwerk.engine import cluster
from stellwerk.engine.cluster import Coupled, Empty, FailedOver, Pair, PassiveLost, name_of
from stellwerk.engine.events.cluster import (
    AnyClusterEvent,
    ClusterFailedOver,
    ClusterPassiveLost,
    ClusterSwitchedOver,
    NodeId,
    lost_node_of,
)
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError


class Knowledge(msgspec.Struct, frozen=True):
    """What a watch remembers. `is_reported`: the active node itself has said so; else it has only been decided."""

    state: Pair
    is_reported: bool = True


class Answer(msgspec.Struct, frozen=True):
    problem: Problem | None = None
    manual_confirmer: str | None = None


class _Question(msgspec.Struct, frozen=True):
    """A node loss that has been asked for and is held."""

    request: ClusterWatchAskNodeLoss
    until: float


class _Confirmation(msgspec.Struct, frozen=True):
    event: AnyClusterEvent
    confirmer: str


CONFIRMED = Answer()


class Watch:
    """See the module. One per pair of nodes."""

    def __init__(
        self, now: float, knowledge: Knowledge | None = None, *, requires_failover_confirmation: bool = False
    ) -> None:
        self.knowledge = knowledge
        self.requires_failover_confirmation = requires_failover_confirmation
        self._last_heartbeat = now
        self._question: _Question | None = None
        self._gone: set[NodeId] = set()
        #: Lost node → the refused event; what a person may confirm.
        self._refused: dict[NodeId, tuple[NodeId, AnyClusterEvent]] = {}
        self._confirmed: dict[NodeId, _Confirmation] = {}

    # --- what is known from outside ---

    def node_is_gone(self, node_id: NodeId) -> None:
        """Its machine refuses connections at its address: no process is there."""
        self._gone.add(node_id)

    def node_is_there(self, node_id: NodeId) -> None:
        self._gone.discard(node_id)

    @property
    def to_be_confirmed(self) -> dict[NodeId, tuple[NodeId, AnyClusterEvent]]:
        """Losses that wait for a person: lost node → (who asks, event)."""
        return dict(self._refused)

    def confirm_node_loss(self, node_id: NodeId, confirmer: str) -> None:
        """A person says that the node is dead. Raises `ProblemError` ClusterNodeIsNotLost."""
        refused = self._refused.get(node_id)
        is_open = self.knowledge is None or isinstance(self.knowledge.state, Coupled)
        if refused is None or not is_open:
            info = "nobody has asked for its loss" if refused is None else f"the cluster is {self._state_name()}"
            raise ProblemError.of("ClusterNodeIsNotLost", nodeId=node_id, info=info)
        self._refused = {node_id: refused}
        self._confirmed = {node_id: _Confirmation(refused[1], confirmer)}

    def _state_name(self) -> str:
        return "unknown" if self.knowledge is None else name_of(self.knowledge.state)

    # --- requests ---

    def process(self, request: AnyWatchRequest, now: float) -> Answer:
        """The answer to one request; changes what is known."""
        state = request.cluster_state
        event = None if isinstance(request, ClusterWatchCheckState) else request.event
        if isinstance(state, Empty):
            return _refusal("InvalidClusterWatchHeartbeat", **{"from": request.from_, "clusterState": "Empty"})
        if request.from_ != state.active_id and not isinstance(event, ClusterSwitchedOver):
            return _refusal("InvalidClusterWatchHeartbeat", **{"from": request.from_, "clusterState": name_of(state)})
        if isinstance(request, ClusterWatchCommitNodeLoss):
            return self._commit(request, state, now)
        is_question = isinstance(request, ClusterWatchAskNodeLoss)
        if is_question and self._is_asked_by_another(request.from_, now):
            return _refusal("ClusterWatchNotAsking")  # whoever asked first is answered first
        confirmer = None
        if not self._is_known(state):
            problem, confirmer = self._judge(request, state, event, now)
            if problem is not None:
                self._note_refusal(request.from_, event, problem)
                return Answer(problem)
        if isinstance(request, ClusterWatchAskNodeLoss):
            self._question = _Question(request, now + request.hold)
        else:
            self._question = None  # who reports is alive
            self._learn(state, now, is_reported=True)
            self._refused.clear()
            self._confirmed.clear()
        return Answer(None, confirmer)

    def _is_asked_by_another(self, asker: NodeId, now: float) -> bool:
        question = self._question
        return question is not None and now < question.until and question.request.from_ != asker

    def _is_known(self, state: Pair) -> bool:
        if self.knowledge is None:
            return False
        known = self.knowledge.state
        if isinstance(known, FailedOver) and isinstance(state, FailedOver) and not self.knowledge.is_reported:
            # Decided, but the answer was lost; meanwhile the asker may have received more of the journal.
            return replace(known, failed_at=state.failed_at) == state
        return known == state

    def _learn(self, state: Pair, now: float, *, is_reported: bool) -> None:
        knowledge = Knowledge(state, is_reported)
        if knowledge != self.knowledge:
            self.knowledge = knowledge
        self._last_heartbeat = now
        self._gone.discard(state.active_id)

    def _commit(self, request: ClusterWatchCommitNodeLoss, state: Pair, now: float) -> Answer:
        if self._is_known(state):
            return CONFIRMED
        question = self._question
        if question is None or now >= question.until or not _is_same(question.request, request):
            return _refusal("ClusterWatchNotAsking")
        confirmer = self._confirmer(request.event)
        if self._lacks_confirmation(request.event, confirmer):
            problem = _not_confirmed("ClusterFailoverNotConfirmed", request.from_, request.event)
            self._note_refusal(request.from_, request.event, problem)
            return Answer(problem)
        self._question = None
        self._learn(state, now, is_reported=False)
        self._confirmed.clear()
        self._refused.clear()
        return Answer(None, confirmer)

    def _judge(
        self, request: AnyWatchRequest, state: Pair, event: AnyClusterEvent | None, now: float
    ) -> tuple[Problem | None, str | None]:
        """Why the request is refused, or who has confirmed it by hand (1.10.2, rules N)."""
        confirmer = self._confirmer(event)
        if self.knowledge is None:
            is_forced = getattr(request, "force_when_untaught", False)
            is_loss = lost_node_of(event) is not None or isinstance(request, ClusterWatchAskNodeLoss)
            if not is_loss or is_forced or confirmer is not None:
                return None, confirmer
            return _not_confirmed("ClusterNodeLossNotConfirmed", request.from_, event), None
        known = self.knowledge.state
        if state.setting.generation < known.setting.generation:
            # It was cut off while the pair was reset: the higher revision of its journal proves nothing.
            return Problem.of("ClusterWatchInactiveNode", **_about(request.from_, known)), None
        is_question = isinstance(request, ClusterWatchAskNodeLoss)
        if isinstance(event, ClusterSwitchedOver):
            # A question is the former active node's: may it take the role back? Not if the other one has told of it.
            is_late = state.term < known.term or (is_question and request.from_ != known.active_id)
            return Problem.of(
                "ClusterWatchInactiveNode", **_about(request.from_, known)
            ) if is_late else None, confirmer
        if not is_question and not self.knowledge.is_reported and state.revision >= known.revision:
            return None, confirmer
        if isinstance(event, ClusterFailedOver):
            problem = self._judge_failover(request.from_, known, event, now, is_confirmed=confirmer is not None)
            if problem is not None:
                return problem, None
        elif request.from_ != known.active_id:
            return Problem.of("ClusterWatchInactiveNode", **_about(request.from_, known)), None
        if event is not None and not cluster.is_applicable(known, event) and state.revision <= known.revision:
            return Problem.of("ClusterWatchEventMismatch", event=_text(event), clusterState=_text(known)), None
        if self._lacks_confirmation(event, confirmer):
            return _not_confirmed("ClusterFailoverNotConfirmed", request.from_, event), None
        return None, confirmer

    def _judge_failover(
        self, asker: NodeId, known: Pair, event: ClusterFailedOver, now: float, *, is_confirmed: bool
    ) -> Problem | None:
        if isinstance(known, PassiveLost) and known.active_id == event.failed_active_id:
            return Problem.of("ClusterFailOverWhilePassiveLost", **_about(asker, known))
        if asker != known.passive_id:
            return Problem.of("ClusterWatchInactiveNode", **_about(asker, known))
        age = now - self._last_heartbeat
        is_alive = age < known.setting.timing.watch_heartbeat_valid and known.active_id not in self._gone
        if is_alive and not is_confirmed:
            return Problem.of("ClusterWatchActiveStillAlive", duration=f"{age:.3f}s", **_about(asker, known))
        return None

    # --- confirmation by a person ---

    def _confirmer(self, event: AnyClusterEvent | None) -> str | None:
        lost = lost_node_of(event)
        confirmed = None if lost is None else self._confirmed.get(lost)
        return confirmed.confirmer if confirmed is not None and _is_same_loss(confirmed.event, event) else None

    def _lacks_confirmation(self, event: AnyClusterEvent | None, confirmer: str | None) -> bool:
        return self.requires_failover_confirmation and isinstance(event, ClusterFailedOver) and confirmer is None

    def _note_refusal(self, asker: NodeId, event: AnyClusterEvent | None, problem: Problem) -> None:
        lost = lost_node_of(event)
        if lost is not None and event is not None and problem.code in NOT_CONFIRMED:
            self._refused[lost] = (asker, event)
            if lost in self._confirmed and self._confirmer(event) is None:
                del self._confirmed[lost]


NOT_CONFIRMED = frozenset({"ClusterNodeLossNotConfirmed", "ClusterFailoverNotConfirmed"})


def _is_same(question: ClusterWatchAskNodeLoss, request: ClusterWatchCommitNodeLoss) -> bool:
    asked = (question.from_, question.event, question.cluster_state)
    return asked == (request.from_, request.event, request.cluster_state)


def _is_same_loss(one: AnyClusterEvent, other: AnyClusterEvent | None) -> bool:
    """The same node lost in the same way; where the journal ended may differ between two questions."""
    if isinstance(one, ClusterPassiveLost) or isinstance(other, ClusterPassiveLost):
        return one == other
    return type(one) is type(other) and lost_node_of(one) == lost_node_of(other)


def _about(asker: NodeId, known: Pair) -> dict[str, str]:
    return {"from": asker, "clusterState": _text(known)}


def _text(value: object) -> str:
    return encode(value).decode()


def _refusal(code: str, **arguments: str) -> Answer:
    return Answer(Problem.of(code, **arguments))


def _not_confirmed(code: str, asker: NodeId, event: AnyClusterEvent | None) -> Problem:
    return Problem.of(code, fromNodeId=f"Node:{asker}", event=_text(event))
