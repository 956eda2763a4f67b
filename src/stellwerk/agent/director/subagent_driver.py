"""The Director's connection to one Subagent: coupling, commands down, events up (cluster spec 3.2 to 3.4).

Theory: one task per SubagentItem tries for ever: settle a deletion or a reset, couple, then send commands and take
over events until the connection ends. What must survive is in the Director's journal: the run id, which events have
been taken over, which orders are Processing there. The queue of commands is made anew from it at each coupling; the
start of a process is idempotent at the Subagent.

Guarantees: a process is started only when its OrderProcessingStarted is durable; an event of the Subagent is taken
over exactly once, and released there only when that is durable here; orders are settled as lost only when the Subagent
itself says that it is another run, or when a person has decided so (reset, deletion). While the Subagent cannot be
reached, its orders wait, unless it is that of a Director that has failed, and its jobs have ended for certain: no
process listens there any more, or its lease has run out (`lease`). A Subagent whose URI has changed is looked for at
both places, so that nothing runs twice.

The same code for the local Subagent and for remote ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from stellwerk.agent.director.lease import given_up_after_seconds
from stellwerk.agent.director.losses import lose_orders, lose_run, lost
from stellwerk.agent.director.state import AgentState
from stellwerk.agent.director.subagent_adoption import adopt_events
from stellwerk.agent.director.subagent_peers import METERING_SECONDS, SubagentPeer
from stellwerk.agent.director.subagent_queue import Entry, SubagentQueue
from stellwerk.agent.subagent import commands as c
from stellwerk.agent.subagent.events import ServerMeteringEvent, SubagentRecord
from stellwerk.agent.subagent.subagent import ALREADY_USED
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.effects.waiting import set_within
from stellwerk.engine import processing
from stellwerk.engine.events import item as i
from stellwerk.engine.events import subagent as s
from stellwerk.engine.transaction import Transaction
from stellwerk.journal import JournalFailedError
from stellwerk.language.items import (
    SubagentItem,
    agent_key,
    subagent_key,
)
from stellwerk.language.outcomes import AnyOutcome, Disrupted
from stellwerk.node.configuration import SubagentDriverConfiguration
from stellwerk.node.persist import Persister
from stellwerk.node.state import SubagentItemState
from stellwerk.node.tasks import first_to_end
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.client import Backoff

logger = logging.getLogger(__name__)

#: Events of one transaction.
MAXIMUM_EVENTS = 999
#: Taking over waits while more than this is not yet handed to the disk.
MAXIMUM_PENDING_BYTES = 16 << 20

#: Answers that mean: it is another run, the processes and events of the one we know are gone.
_ANOTHER_RUN = ("SubagentNotDedicated", "SubagentRunIdMismatch")
#: Answers to a command that mean: couple again.
_UNCOUPLED = (*_ANOTHER_RUN, "SubagentNotCoupled", "TermIsStale")
#: What the watchdog of a process that has just gone may need to end its jobs.
_WATCHDOG_SECONDS = 1.0

#: Answers that mean only that the session is over: not worth an event.
_ENDED_SESSION = ("InvalidSessionToken", "SubagentNotCoupled")


class DriverTiming(SubagentDriverConfiguration, frozen=True):
    """Seconds (`js7.subagent-driver.*`)."""

    @property
    def metrics_validity_seconds(self) -> float:
        """Older figures say nothing about the machine any more (cluster spec 3.1)."""
        return min(self.heartbeat_seconds, METERING_SECONDS) + self.heartbeat_timeout_seconds / 2


DEFAULT_TIMING = DriverTiming()


class Owner(Protocol):
    """What the driver needs of its Director."""

    state: AgentState

    @property
    def persister(self) -> Persister[Transaction]: ...

    @property
    def term(self) -> int: ...

    on_deposed: Callable[[], None]

    def peer(self, item: SubagentItem) -> SubagentPeer: ...


class SubagentDriver:
    """See the module. `run` as a task; cancel it to end it."""

    def __init__(self, owner: Owner, subagent_id: str, timing: DriverTiming, *, has_failed: bool = False) -> None:
        """`has_failed`: it belongs to the Director that has failed."""
        self.subagent_id = subagent_id
        #: Where the present coupling goes to.
        self.uri: str | None = None
        self._owner = owner
        self._state = owner.state
        self._timing = timing
        self._attempt: asyncio.Task[None] | None = None
        self._wake_up = asyncio.Event()
        #: What durable events want of the Subagent goes here.
        self.queue = SubagentQueue(owner.state, subagent_id)
        self._heard_at = 0.0
        self._metrics_timer: asyncio.TimerHandle | None = None
        self._is_failed = has_failed and self._subagent.subagent_run_id is not None
        #: No process listened there when it was tried last.
        self._is_refused = False
        self._began_at = asyncio.get_running_loop().time()

    # --- life ---

    async def run(self) -> None:
        """Until the Subagent has been detached."""
        backoff = Backoff(self._timing.reconnect_delays_seconds)
        silence = asyncio.get_running_loop().call_later(self._patience_seconds, self._on_silence)
        try:
            while self._is_known:
                backoff.start()
                self._wake_up.clear()
                self._attempt = asyncio.create_task(self._try(backoff), name=f"subagent {self.subagent_id}")
                try:
                    await asyncio.wait([self._attempt])
                finally:
                    self._attempt.cancel()
                    await asyncio.gather(self._attempt, return_exceptions=True)
                    self._close()
                if not self._attempt.cancelled() and (error := self._attempt.exception()) is not None:
                    raise error
                if self._is_known:
                    await set_within(self._wake_up, backoff.next_pause_seconds())
        finally:
            silence.cancel()
            self._close()

    def restart(self) -> None:
        """End the present coupling and begin anew at once: its address or what is wanted of it has changed."""
        self._wake_up.set()
        if self._attempt is not None:
            self._attempt.cancel()

    def _on_silence(self) -> None:
        """What the present try waits for may never come."""
        if self._is_failed:
            self.restart()

    def _close(self) -> None:
        """The coupling has ended."""
        self.queue.close()
        self._forget_metrics()
        self._state.set_reachable(self.subagent_id, False)

    @property
    def _is_known(self) -> bool:
        return self.subagent_id in self._state.subagents

    @property
    def _subagent(self) -> SubagentItemState:
        return self._state.subagent(self.subagent_id)

    async def _persist(self, decide: Callable[[Transaction], Any]) -> None:
        self._owner.persister.persist(decide)
        await self._owner.persister.durable()

    # --- one try ---

    async def _try(self, backoff: Backoff) -> None:
        """One coupling, until it ends. What fails is noted as SubagentCouplingFailed."""
        try:
            if self._subagent.is_detaching:
                await self._detach()
                return
            if self._subagent.is_resetting:
                await self._reset()
            await self._give_up_failed()
            item = self._subagent.subagent_item
            self.uri = item.uri
            peer = self._owner.peer(item)
            try:
                await self._couple(peer)
                await self._work(peer, backoff)
            finally:
                await peer.close()
        except ProblemError as error:
            self._failed(error.problem)
        except PeerUnreachableError as error:
            self._is_refused = error.is_refused
            self._failed(Problem(message=str(error)))
        except JournalFailedError:
            return  # the node ends by itself
        except Exception as error:
            # A bug on our side must not stop the other Subagents; it is told where people look for this one.
            logger.exception("Subagent %s is decoupled", self.subagent_id)
            self._failed(Problem(message=f"Internal error: {error!r}"))

    def _failed(self, problem: Problem) -> None:
        """Note the problem, unless it is the one noted before, or only an ended session."""
        self._state.set_reachable(self.subagent_id, False)
        if problem.code == "TermIsStale":
            self._owner.on_deposed()
        if problem.code in _ENDED_SESSION or not self._is_known or self._subagent.problem == problem:
            return
        logger.warning("Subagent %s is not coupled: %s", self.subagent_id, problem)
        event = s.SubagentCouplingFailed(problem=problem)
        self._owner.persister.persist_internally(lambda transaction: transaction.emit(self.subagent_id, event))

    async def _couple(self, peer: SubagentPeer) -> None:
        if self._subagent.subagent_run_id is not None:
            try:
                await self._couple_run(peer)
                return
            except ProblemError as error:
                if error.problem.code not in _ANOTHER_RUN:
                    raise
            await self._lose_run()
        await self._dedicate(peer)
        await self._couple_run(peer)

    async def _couple_run(self, peer: SubagentPeer) -> None:
        # The Subagent forgets what is said here to have been taken over.
        await self._owner.persister.durable()
        subagent = self._subagent
        assert subagent.subagent_run_id is not None
        timing = c.HeartbeatTiming(self._timing.heartbeat_seconds, self._timing.heartbeat_timeout_seconds)
        await peer.command(
            c.CoupleDirector(
                subagent_id=self.subagent_id,
                subagent_run_id=subagent.subagent_run_id,
                event_id=subagent.event_id,
                heartbeat_timing=timing,
                term=self._owner.term,
            )
        )

    async def _dedicate(self, peer: SubagentPeer) -> None:
        meta = self._state.meta
        assert meta is not None
        command = c.DedicateSubagent(
            subagent_id=self.subagent_id,
            agent_path=meta.agent_path,
            agent_run_id=meta.agent_run_id,
            controller_id=meta.controller_id,
        )
        try:
            answer = await peer.command(command)
        except ProblemError as error:
            if error.problem.arguments.get("reasons") != ALREADY_USED:
                raise
            # It is ours, of a run that has been given up (a reset, a fail-over): what it still runs counts as lost.
            await peer.command(c.KILL_AND_RESTART)
            answer = await peer.command(command)
        await self._persist(
            lambda transaction: transaction.emit(
                self.subagent_id, s.SubagentDedicated(subagent_run_id=answer.subagent_run_id)
            )
        )

    @property
    def _patience_seconds(self) -> float:
        return given_up_after_seconds(self._timing.job_lease_seconds)

    async def _give_up_failed(self) -> None:
        """The jobs of the failed Director's machine are lost as soon as they have ended there for certain."""
        waited_seconds = asyncio.get_running_loop().time() - self._began_at
        if self._is_failed and waited_seconds >= (_WATCHDOG_SECONDS if self._is_refused else self._patience_seconds):
            self._is_failed = False
            await self._persist(lambda transaction: lose_run(transaction, self.subagent_id, "ProcessLostDueToRestart"))

    async def _lose_run(self) -> None:
        """The Subagent is another run: the processes of the one that we know are gone, or are killed now."""
        code = "ProcessLostDueToRestart"
        former_uri = self._subagent.former_uri
        if former_uri is not None:
            await self._end_run_at(former_uri)
            code = "ProcessLostDueSubagentUriChange"
        self._is_failed = False
        await self._persist(lambda transaction: lose_run(transaction, self.subagent_id, code))

    async def _end_run_at(self, uri: str) -> None:
        """Kill what the run that we know may still run at its former address; until this is done, its orders wait."""
        item = self._subagent.subagent_item
        peer = self._owner.peer(msgspec.structs.replace(item, uri=uri))
        try:
            await self._kill_run(peer)
        except (ProblemError, PeerUnreachableError) as error:
            raise ProblemError(
                f"Subagent {self.subagent_id} has moved to {item.uri}, but may still run jobs at {uri}, where it "
                f"cannot be asked to end them: {error}. Make sure that they have ended, then reset the Subagent"
            ) from error
        finally:
            await peer.close()

    async def _kill_run(self, peer: SubagentPeer) -> None:
        """When this returns, no process of the run that we know runs any more."""
        try:
            await self._couple_run(peer)
        except ProblemError as error:
            if error.problem.code in _ANOTHER_RUN:
                return
            raise
        await peer.command(c.KILL_AND_RESTART)

    # --- deletion, reset ---

    async def end_run(self) -> None:
        """The Agent forgets everything: no process of the run that we know is to go on."""
        if self._subagent.subagent_run_id is not None:
            await self._attempt_in_time(self._kill_run)

    async def _detach(self) -> None:
        """The SubagentItem is deleted: its processes are killed if it can be reached, and not repeated."""
        is_local = self._state.is_local(self.subagent_id)

        async def end(peer: SubagentPeer) -> None:
            if self._subagent.subagent_run_id is not None:
                await self._couple_run(peer)
                await peer.command(msgspec.structs.replace(c.KILL_AND_RESTART, restart=is_local))

        await self._attempt_in_time(end)
        problem = Problem.of("ProcessLostDueSubagentDeleted", subagentId=subagent_key(self.subagent_id))
        meta = self._state.meta
        assert meta is not None

        def decide(transaction: Transaction) -> None:
            lose_orders(transaction, self.subagent_id, Disrupted.other(problem))
            transaction.emit(
                None, i.ItemDetached(key=subagent_key(self.subagent_id), delegate_id=agent_key(meta.agent_path))
            )

        await self._persist(decide)

    async def _reset(self) -> None:
        """ResetSubagent: kill what can be reached, then forget the run. With `force` also another Agent's."""
        coupling_state = self._subagent.coupling_state
        assert isinstance(coupling_state, s.Resetting)

        async def end(peer: SubagentPeer) -> None:
            if coupling_state.force:
                await peer.command(c.KILL_AND_RESTART)
            elif self._subagent.subagent_run_id is not None:
                await self._kill_run(peer)

        await self._attempt_in_time(end)

        def decide(transaction: Transaction) -> None:
            lose_orders(transaction, self.subagent_id, lost("ProcessLostDueToReset"))
            transaction.emit(self.subagent_id, s.SubagentReset())

        await self._persist(decide)

    async def _attempt_in_time(self, end: Callable[[SubagentPeer], Any]) -> None:
        """Try it within the reset time limit; a Subagent that is not there must not stop us."""
        peer = self._owner.peer(self._subagent.subagent_item)
        try:
            async with asyncio.timeout(self._timing.reset_timeout_seconds):
                await end(peer)
        except (ProblemError, PeerUnreachableError, TimeoutError) as error:
            logger.warning("Subagent %s cannot be told to end its processes: %s", self.subagent_id, error)
        finally:
            await peer.close()

    # --- work ---

    async def _work(self, peer: SubagentPeer, backoff: Backoff) -> None:
        """Send commands and take over events until one of both ends."""
        await self._open()
        await first_to_end(self._send(peer), self._receive(peer, backoff), self._watch())

    async def _open(self) -> None:
        """Queue what the orders there need, when it is durable; what comes later comes by its event."""
        self._heard_at = asyncio.get_running_loop().time()
        self.queue.open()
        steps = self.queue.steps()
        await self._owner.persister.durable()
        self.queue.repeat_starts(steps)

    async def _watch(self) -> None:
        """Ends with a problem when the Subagent has not been heard of for too long."""
        loop = asyncio.get_running_loop()
        while True:
            until = self._heard_at + self._timing.heartbeat_timeout_seconds
            if until <= loop.time():
                break
            await asyncio.sleep(until - loop.time())
        raise ProblemError(f"Missing heartbeat from {self.subagent_id}")

    # --- events ---

    async def _receive(self, peer: SubagentPeer, backoff: Backoff) -> None:
        subagent = self._subagent
        assert subagent.subagent_run_id is not None
        stream = peer.events(run_id=subagent.subagent_run_id, after=subagent.event_id)
        loop = asyncio.get_running_loop()
        persister = self._owner.persister
        is_first = True
        try:
            async for records in stream:
                self._heard_at = loop.time()
                if is_first:
                    is_first = False
                    backoff.reset()
                    self._coupled(records)
                for begin in range(0, len(records), MAXIMUM_EVENTS):
                    self._take_over(records[begin : begin + MAXIMUM_EVENTS])
                    if persister.journal.pending_bytes > MAXIMUM_PENDING_BYTES:
                        await persister.durable()
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _coupled(self, records: Sequence[SubagentRecord]) -> None:
        """The stream has begun: the Subagent takes processes, unless it has said that it shuts down."""
        self._is_failed = False
        self._note_metrics(records)
        if isinstance(self._subagent.coupling_state, s.ShutdownStarted):
            return
        self._state.set_reachable(self.subagent_id, True)

        def decide(transaction: Transaction) -> None:
            transaction.emit(self.subagent_id, s.SubagentCoupled())
            processing.offer_subagents(transaction)

        self._owner.persister.persist(decide)

    def _take_over(self, records: Sequence[SubagentRecord]) -> None:
        """Events and SubagentEventsObserved in one transaction: each event is exactly once in the journal."""
        adopted = self._subagent.event_id
        events = [record for record in records if record.event_id > adopted]
        if len(events) < len(records) and self._note_metrics(records) and self._state.waiting_for_subagent:
            self._owner.persister.persist(processing.offer_subagents)
        if events:
            self._owner.persister.persist(
                lambda transaction: adopt_events(transaction, self._state, self.subagent_id, events)
            )

    def _note_metrics(self, records: Sequence[SubagentRecord]) -> bool:
        """Keep the figures of the machine as long as they are valid; False when there are none."""
        found = [record.event for record in records if isinstance(record.event, ServerMeteringEvent)]
        if not found:
            return False
        self._state.subagent_metrics[self.subagent_id] = found[-1].metrics
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
        loop = asyncio.get_running_loop()
        self._metrics_timer = loop.call_later(self._timing.metrics_validity_seconds, self._forget_metrics)
        return True

    def _forget_metrics(self) -> None:
        self._state.subagent_metrics.pop(self.subagent_id, None)
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._metrics_timer = None

    # --- commands ---

    async def _send(self, peer: SubagentPeer) -> None:
        """One command after the other; what has not been answered is repeated with its number."""
        number = 0
        while True:
            entry, command = await self.queue.next()
            number += 1
            while True:
                try:
                    await peer.command(command, number)
                    break
                except PeerUnreachableError as error:
                    logger.info("Subagent %s has not answered %s: %s", self.subagent_id, entry.kind, error)
                    await asyncio.sleep(self._timing.command_retry_seconds)
                except ProblemError as error:
                    self._refused(entry, error)
                    break

    def _refused(self, entry: Entry, error: ProblemError) -> None:
        """An order that the Subagent does not take is settled; a lost coupling ends this one."""
        problem = error.problem
        if problem.code in _UNCOUPLED:
            raise error
        if entry.kind != "Start":
            logger.error("Subagent %s refuses %s %s: %s", self.subagent_id, entry.kind, entry.order_id, problem)
            return
        if problem.code == "SubagentIsShuttingDown":
            self._state.set_reachable(self.subagent_id, False)
            self._settle(entry, lost("SubagentShutDownBeforeProcessStart"))
        elif problem.code != "UnknownKey" or not self.queue.repeat(entry):
            self._settle(entry, Disrupted.other(problem))

    def _settle(self, entry: Entry, outcome: AnyOutcome) -> None:
        def decide(transaction: Transaction) -> None:
            if self.queue.is_present(entry):
                processing.on_processed(transaction, entry.order_id, outcome)

        self._owner.persister.persist_internally(decide)
