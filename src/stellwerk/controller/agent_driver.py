"""The Controller's connection to one Agent: coupling, commands down, events up (journal spec 1.4 to 1.7; orders 4).

Theory: one task per Agent tries for ever: log in, settle a reset, dedicate if the Agent is new, couple, then send
commands and take over events until the connection ends. All that must survive is in the Controller's journal: which
events have been taken over, which orders and items are on their way. The queue of commands is rebuilt from it.

Guarantees: an Agent's event is taken over exactly once; it is released at the Agent only after that is durable here; an
event that does not fit decouples the Agent with a problem that says so, and is never skipped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from stellwerk.controller.adoption import WANTED, AgentEvent, adopt_events, decode_lines
from stellwerk.controller.command_queue import CommandQueue, Prepared
from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import AgentRefState
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.effects.peer import Peer, PeerUnreachableError
from stellwerk.effects.waiting import set_within
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.journal import JournalFailedError
from stellwerk.language.items import agent_key, subagent_key
from stellwerk.language.outcomes import Disrupted
from stellwerk.node.agent_commands import (
    CoupleController,
    CoupleControllerResponse,
    DedicateAgentDirector,
    DedicateAgentDirectorResponse,
    Reset,
)
from stellwerk.node.persist import Persister
from stellwerk.node.tasks import first_to_end
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import HTTP_STATUS, Problem, ProblemError
from stellwerk.wire.client import Backoff

logger = logging.getLogger(__name__)

#: Makes a peer for an Agent: AgentPath, URIs of its Directors; of two, the active one is spoken to.
PeerFactory = Callable[[str, tuple[str, ...]], Peer]

#: Events of one transaction.
MAXIMUM_EVENTS = 999
#: Taking over waits while more than this is not yet handed to the disk.
MAXIMUM_PENDING_BYTES = 16 << 20
COMMAND_ERROR_DELAY_SECONDS = 5.0
RELEASE_PERIOD_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0

_RETRIED = frozenset(
    {
        *(code for code, status in HTTP_STATUS.items() if status == 503),
        "DirectorDriverStopped",
        "ClusterNodeHasBeenSwitchedOver",
        "ServiceStopped",
    }
)


class _Answer(msgspec.Struct, frozen=True):
    """An entry of a Batch answer: Accepted or Problem."""

    type: str = msgspec.field(name="TYPE")
    code: str | None = None
    message: str = ""
    arguments: dict[str, str] = {}

    @property
    def problem(self) -> Problem | None:
        if self.type != "Problem":
            return None
        return Problem(message=self.message, code=self.code, arguments=self.arguments)


class _BatchAnswer(msgspec.Struct, frozen=True):
    responses: list[_Answer]


_dedicated_decoder = decoder(DedicateAgentDirectorResponse)
_coupled_decoder = decoder(CoupleControllerResponse)
_batch_decoder = decoder(_BatchAnswer)


class Owner(Protocol):
    """What the driver needs of its Controller."""

    state: ControllerState
    persister: Persister[ControllerTransaction]

    @property
    def controller_run_id(self) -> str: ...

    @property
    def term(self) -> int:
        """Numbers the reigns of the nodes of a pair of Controllers."""
        ...

    def deposed(self, reason: str) -> None:
        """An Agent belongs to a newer term: this node must not be active."""
        ...


class AgentDriver:
    """See the module. `run` as a task; cancel it to end it."""

    def __init__(self, owner: Owner, agent_path: str, peer_factory: PeerFactory) -> None:
        self.agent_path = agent_path
        self.queue = CommandQueue(owner.state, agent_path)
        self.is_coupled = False
        #: Where the present coupling goes to.
        self.uris: tuple[str, ...] | None = None
        self._owner = owner
        self._state = owner.state
        self._peer_factory = peer_factory
        self._attempt: asyncio.Task[None] | None = None
        self._wake_up = asyncio.Event()
        self._release_timer: asyncio.TimerHandle | None = None
        self._released_at = float("-inf")
        self._observed = 0
        #: An event of the Agent did not fit: nothing else is done before it has been taken over.
        self._is_stuck = False

    async def run(self) -> None:
        """Couple and work, again and again."""
        backoff = Backoff()
        try:
            while True:
                backoff.start()
                self._wake_up.clear()
                self._attempt = asyncio.create_task(self._couple(backoff), name=f"agent {self.agent_path}")
                try:
                    await asyncio.wait([self._attempt])
                finally:
                    self.is_coupled = False
                    self._attempt.cancel()
                if not self._attempt.cancelled() and (error := self._attempt.exception()) is not None:
                    raise error
                await self._pause(backoff)
        finally:
            if self._release_timer is not None:
                self._release_timer.cancel()
            await asyncio.gather(self._attempt or asyncio.sleep(0), return_exceptions=True)

    def restart(self) -> None:
        """End the present coupling and couple anew at once: the Agent's state or address has changed here."""
        self._wake_up.set()
        if self._attempt is not None:
            self._attempt.cancel()

    def reset(self) -> None:
        """AgentResetStarted is durable: nothing that was to be said before it counts any more; what comes now does."""
        self.queue.clear()
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
        self.restart()

    def events_observed(self, until_event_id: int) -> None:
        """AgentEventsObserved is durable: release at once when idle, at most once per period under load."""
        self._observed = until_event_id
        if self._release_timer is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._released_at + RELEASE_PERIOD_SECONDS)
            self._release_timer = loop.call_at(at, self._release)

    def _release(self) -> None:
        self._release_timer = None
        self._released_at = asyncio.get_running_loop().time()
        self.queue.release_events(self._observed)

    async def _pause(self, backoff: Backoff) -> None:
        seconds = backoff.next_pause_seconds()
        await set_within(self._wake_up, seconds)

    # --- coupling ---

    @property
    def _agent(self) -> AgentRefState:
        return self._state.agent(self.agent_path)

    async def _couple(self, backoff: Backoff) -> None:
        """One coupling, until it ends. What fails is noted as AgentCouplingFailed."""
        try:
            self.uris = self._state.director_uris(self.agent_path)
            peer = self._peer_factory(self.agent_path, self.uris)
        except ProblemError as error:
            self._failed(error.problem)
            return
        try:
            await peer.login()
            await self._handshake(peer)
            if self._is_stuck:
                await self._take_over_events(peer)
            else:
                backoff.reset()
                await self._work(peer)
        except ProblemError as error:
            self._failed(error.problem)
        except PeerUnreachableError as error:
            self._failed(Problem(message=str(error)))
        except JournalFailedError:
            return  # the node ends by itself
        except Exception as error:
            # A bug on our side must not stop the other Agents; it is told where people look for this one.
            logger.exception("Agent %s is decoupled", self.agent_path)
            self._failed(Problem(message=f"Internal error: {error!r}"))
        finally:
            await peer.close()

    async def _handshake(self, peer: Peer) -> None:
        while self._agent.is_resetting:  # again, when meanwhile another reset has been wanted
            await self._reset(peer)
        if self._agent.agent_run_id is None:
            await self._dedicate(peer)
        agent = self._agent
        assert agent.agent_run_id is not None
        couple = CoupleController(
            agent_path=self.agent_path,
            agent_run_id=agent.agent_run_id,
            event_id=agent.event_id,
            controller_run_id=self._owner.controller_run_id,
            term=self._owner.term,
        )
        answer = _decode(_coupled_decoder, await peer.command(encode(couple)))
        self.queue.attached(answer.order_ids)
        self.queue.recouple()
        if not self._is_stuck:
            self._owner.persister.persist_internally(self._decide_coupled)

    async def _reset(self, peer: Peer) -> None:
        # Only what is durable has effects: its orders are failed first.
        await self._owner.persister.durable()
        run_id = self._agent.agent_run_id
        try:
            await peer.command(encode(Reset(agent_run_id=run_id)))
        except ProblemError as error:
            if error.problem.code != "AgentNotDedicated":
                raise
        await self._persist(lambda transaction: transaction.emit(self.agent_path, a.AgentReset()))

    async def _dedicate(self, peer: Peer) -> None:
        command = DedicateAgentDirector(
            agent_path=self.agent_path,
            directors=self._agent.agent_ref.directors,
            controller_id=self._state.controller_id,
            controller_run_id=self._owner.controller_run_id,
        )
        answer = _decode(_dedicated_decoder, await peer.command(encode(command)))
        event = a.AgentDedicated(agent_run_id=answer.agent_run_id, agent_event_id=answer.agent_event_id)
        await self._persist(lambda transaction: transaction.emit(self.agent_path, event))

    def _decide_coupled(self, transaction: ControllerTransaction) -> None:
        agent = self._agent
        if agent.coupling_state != s.COUPLED or agent.problem is not None:
            transaction.emit(self.agent_path, a.AgentCoupled())
        for key in (
            agent_key(self.agent_path),
            *(subagent_key(item.subagent_item.id) for item in self._state.subagents_of(self.agent_path)),
        ):
            if not self._state.attachments_of(key):
                transaction.touch_item(key)

    async def _persist(self, decide: Callable[[ControllerTransaction], Any]) -> None:
        self._owner.persister.persist(decide)
        await self._owner.persister.durable()

    def _failed(self, problem: Problem) -> None:
        """Note the problem, unless it is the one noted before, or only an ended session."""
        if problem.code == "TermIsStale":
            self._owner.deposed(f"Agent {self.agent_path} has seen a newer Controller")
        if problem.code == "InvalidSessionToken" or self.agent_path not in self._state.agents:
            return
        if self._agent.problem == problem:
            return
        logger.warning("Agent %s is not coupled: %s", self.agent_path, problem)
        event = a.AgentCouplingFailed(problem=problem)
        self._owner.persister.persist_internally(lambda transaction: transaction.emit(self.agent_path, event))

    async def _work(self, peer: Peer) -> None:
        """Send commands and take over events until one of both ends."""
        self.is_coupled = True
        await first_to_end(self._send_commands(peer), self._take_over_events(peer))

    # --- events ---

    async def _take_over_events(self, peer: Peer) -> None:
        run_id = self._agent.agent_run_id
        adopted = self._agent.event_id
        stream = peer.events(after=adopted, returns=WANTED, heartbeat_seconds=HEARTBEAT_SECONDS)
        try:
            async for lines in stream:
                if not lines:
                    continue
                events = decode_lines(lines, adopted)
                for begin in range(0, len(events), MAXIMUM_EVENTS):
                    chunk = events[begin : begin + MAXIMUM_EVENTS]
                    if self._agent.is_resetting or self._agent.agent_run_id != run_id:
                        return
                    await self._take_over(chunk)
                    adopted = chunk[-1].envelope.event_id
                if self._is_stuck and events:
                    self._is_stuck = False
                    return  # couple again, now with everything
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def _take_over(self, chunk: Sequence[AgentEvent]) -> None:
        persister = self._owner.persister
        try:
            persister.persist(lambda transaction: adopt_events(transaction, self.agent_path, chunk))
        except ProblemError as error:
            self._is_stuck = True
            raise ProblemError(
                f"An event of Agent {self.agent_path} does not fit the Controller's state, so none of its events from "
                f"{chunk[0].envelope.event_id} on is taken over: {error}. Reset the Agent if this persists"
            ) from error
        if persister.journal.pending_bytes > MAXIMUM_PENDING_BYTES:
            await persister.durable()

    # --- commands ---

    async def _send_commands(self, peer: Peer) -> None:
        limit = 1  # a trial first
        while True:
            await self.queue.wait()
            prepared = self.queue.prepare(limit) if limit == 1 else self.queue.prepare()
            if not prepared:
                continue
            tokens = self.queue.tokens(prepared)
            head = b'{"TYPE":"Batch","term":%d,"commands":[' % self._owner.term
            body = head + b",".join(command.body for command in prepared) + b"]}"
            answers = _decode(_batch_decoder, await peer.command(body)).responses
            if len(answers) != len(prepared):
                raise ProblemError(f"The Agent has answered {len(answers)} of {len(prepared)} commands of a Batch")
            has_to_wait = False
            item_problems: dict[str, Problem] = {}
            for command, answer in zip(prepared, answers, strict=True):
                problem = answer.problem
                if problem is not None and problem.code in _RETRIED:
                    has_to_wait = True
                    continue
                self.queue.answered(command, tokens[command.entry], is_accepted=problem is None)
                if problem is not None:
                    self._refused(command, problem, item_problems)
            if has_to_wait:
                await asyncio.sleep(COMMAND_ERROR_DELAY_SECONDS)
            else:
                limit = 0

    def _refused(self, command: Prepared, problem: Problem, item_problems: dict[str, Problem]) -> None:
        """The Agent will never execute this: an order that it does not take fails, the rest is told in the log."""
        entry = command.entry
        logger.error("Agent %s refuses %s %s: %s", self.agent_path, entry.kind, entry.name, problem)
        if entry.kind != "AttachOrder":
            return
        if command.item_key is not None:
            item_problems[entry.name] = problem
            return
        if problem.code == "AgentDuplicateOrder":
            return
        cause = item_problems.get(entry.name, problem)
        self._owner.persister.persist_internally(lambda transaction: fail_unattachable(transaction, entry.name, cause))


def fail_unattachable(transaction: ControllerTransaction, order_id: str, problem: Problem) -> None:
    """The order comes back and fails with the Agent's problem, instead of waiting for ever (orders spec 4.2)."""
    order = transaction.state.orders.get(order_id)
    if order is None or not order.is_in_transfer:
        return
    transaction.emit(order_id, e.OrderDetached())
    transaction.emit(order_id, e.OrderOutcomeAdded(outcome=Disrupted.other(problem, uncatchable=True)))


def _decode(typed: msgspec.json.Decoder[Any], answer: bytes) -> Any:
    try:
        return typed.decode(answer)
    except msgspec.DecodeError as error:
        raise ProblemError(f"The Agent's answer cannot be read: {error} in {answer[:500]!r}") from error
