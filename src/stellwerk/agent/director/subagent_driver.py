"""The Director's connection to one Subagent: coupling, commands down, events up (cluster spec 3.2 to 3.4).

Theory: one task per SubagentItem tries for ever: settle a deletion or a reset, couple, then send commands and take
over events until the connection ends. What must survive is in the Director's journal: the run id, which events have
been taken over, which orders are Processing there. The queue of commands is made anew from it at each coupling; the
start of a process is idempotent at the Subagent.

Guarantees: a process is started only when its OrderProcessingStarted is durable; an event of the Subagent is taken
over exactly once, and released there only when that is durable here; orders are settled as lost only when the Subagent
itself says that it is another run, or when a person has decided so (reset, deletion). While the Subagent cannot be
reached, its orders wait. A Subagent whose URI has changed is looked for at both places, so that nothing runs twice.

The same code for the local Subagent and for remote ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from stellwerk.agent.director.losses import lose_orders, lost
from stellwerk.agent.director.state import AgentState
from stellwerk.agent.director.subagent_peers import METERING_SECONDS, SubagentPeer
from stellwerk.agent.subagent import commands as c
from stellwerk.agent.subagent.events import ServerMeteringEvent, SubagentItemAttached, SubagentRecord
from stellwerk.agent.subagent.subagent import ALREADY_USED
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine import processing
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.order import Order, Processing
from stellwerk.engine.transaction import Transaction
from stellwerk.journal import JournalFailedError
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.items import (
    ItemKey,
    SubagentItem,
    agent_key,
    job_resource_key,
    subagent_key,
    workflow_key,
)
from stellwerk.language.outcomes import AnyOutcome, Disrupted
from stellwerk.node.agent_commands import AttachSignedItem
from stellwerk.node.commands import ReleaseEvents
from stellwerk.node.configuration import SubagentDriverConfiguration
from stellwerk.node.persist import Persister
from stellwerk.node.state import SignedItem, SubagentItemState
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

    def peer(self, item: SubagentItem) -> SubagentPeer: ...


class _Entry(msgspec.Struct, frozen=True):
    """What is to be said; the command is built when it is sent, from the state as it is then."""

    kind: Literal["Start", "Kill", "Release"]
    order_id: str = ""


class SubagentDriver:
    """See the module. `run` as a task; cancel it to end it."""

    def __init__(self, owner: Owner, subagent_id: str, timing: DriverTiming) -> None:
        self.subagent_id = subagent_id
        #: Where the present coupling goes to.
        self.uri: str | None = None
        self._owner = owner
        self._state = owner.state
        self._timing = timing
        self._attempt: asyncio.Task[None] | None = None
        self._wake_up = asyncio.Event()
        #: EventIds of OrderProcessingStarted, of the orders being processed there, as far as this run has seen them.
        self._attempts: dict[str, int] = {}
        # Of the present coupling:
        self._is_open = False
        self._queue: deque[_Entry] = deque()
        self._queued = asyncio.Event()
        self._sent_items: dict[ItemKey, SignedItem] = {}
        self._observed = 0
        self._heard_at = 0.0
        self._metrics_timer: asyncio.TimerHandle | None = None

    # --- life ---

    async def run(self) -> None:
        """Until the Subagent has been detached."""
        backoff = Backoff(self._timing.reconnect_delays_seconds)
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
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake_up.wait(), backoff.next_pause_seconds())
        finally:
            self._close()

    def restart(self) -> None:
        """End the present coupling and begin anew at once: its address or what is wanted of it has changed."""
        self._wake_up.set()
        if self._attempt is not None:
            self._attempt.cancel()

    def _close(self) -> None:
        """The coupling has ended."""
        self._is_open = False
        self._queue.clear()
        self._sent_items.clear()
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

    # --- what durable events want of it ---

    def start_order(self, event_id: int, order_id: str) -> None:
        """OrderProcessingStarted is durable."""
        self._attempts[order_id] = event_id
        if self._is_open:
            self._enqueue(_Entry("Start", order_id))
            self.kill_if_wanted(order_id)

    def kill_if_wanted(self, order_id: str) -> None:
        """The order's mark may want its process to be killed."""
        order = self._order_here(order_id)
        if self._is_open and order is not None and processing.kill_request(order) is not None:
            self._enqueue(_Entry("Kill", order_id))

    def events_observed(self, until_event_id: int) -> None:
        """What has been taken over is durable: the Subagent may forget it."""
        self._observed = until_event_id
        if self._is_open and not (self._queue and self._queue[-1].kind == "Release"):
            self._enqueue(_Entry("Release"))

    def _enqueue(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._queued.set()

    def _order_here(self, order_id: str) -> Order | None:
        order = self._state.orders.get(order_id)
        if order is None or not isinstance(order.state, Processing) or order.state.subagent_id != self.subagent_id:
            return None
        return order

    # --- one try ---

    async def _try(self, backoff: Backoff) -> None:
        """One coupling, until it ends. What fails is noted as SubagentCouplingFailed."""
        try:
            if self._subagent.is_detaching:
                await self._detach()
                return
            if self._subagent.is_resetting:
                await self._reset()
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

    async def _lose_run(self) -> None:
        """The Subagent is another run: the processes of the one that we know are gone, or are killed now."""
        code = "ProcessLostDueToRestart"
        former_uri = self._subagent.former_uri
        if former_uri is not None:
            await self._end_run_at(former_uri)
            code = "ProcessLostDueSubagentUriChange"

        def decide(transaction: Transaction) -> None:
            lose_orders(transaction, self.subagent_id, lost(code))
            transaction.emit(self.subagent_id, s.SubagentRestarted())

        await self._persist(decide)

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
        tasks = [asyncio.ensure_future(self._send(peer)), asyncio.ensure_future(self._receive(peer, backoff))]
        watchdog = asyncio.ensure_future(self._watch())
        try:
            done, _ = await asyncio.wait([*tasks, watchdog], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, watchdog):
                task.cancel()
            await asyncio.gather(*tasks, watchdog, return_exceptions=True)

    async def _open(self) -> None:
        """Queue what the orders there need, as far as it is durable; what comes later comes by its event."""
        self._is_open = True
        self._heard_at = asyncio.get_running_loop().time()
        here = self._state.processing_at.get(self.subagent_id, {})
        self._attempts = {order_id: event_id for order_id, event_id in self._attempts.items() if order_id in here}
        order_ids = list(here)
        await self._owner.persister.durable()
        queued = {entry.order_id for entry in self._queue}
        for order_id in order_ids:
            if order_id not in queued:
                self._enqueue(_Entry("Start", order_id))
                self.kill_if_wanted(order_id)

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
            self._owner.persister.persist(lambda transaction: self._adopt(transaction, events))

    def _adopt(self, transaction: Transaction, events: Sequence[SubagentRecord]) -> None:
        for record in events:
            event, time_ms = record.event, record.event_id // 1000
            match event:
                case e.OrderProcessed():
                    if self._order_here(record.key) is None:
                        logger.error("OrderProcessed of %s comes from a Subagent that does not run it", record.key)
                        continue
                    self._attempts.pop(record.key, None)
                    processing.on_processed(transaction, record.key, event.outcome, time_ms)
                case e.OrderStdoutWritten() | e.OrderStderrWritten():
                    if self._order_here(record.key) is not None:
                        transaction.emit(record.key, event, time_ms)
                case s.SubagentShutdownStarted():
                    transaction.emit(self.subagent_id, event)
                case s.SubagentShutdown():
                    lose_orders(transaction, self.subagent_id, lost("ProcessLostDueToShutdown"))
                    transaction.emit(self.subagent_id, s.SubagentShutdown2())
                case SubagentItemAttached():
                    continue
                case _:
                    logger.error("The event %s of Subagent %s is not expected", type(event).__name__, self.subagent_id)
        transaction.emit(self.subagent_id, s.SubagentEventsObserved(until_event_id=events[-1].event_id))

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
            while not self._queue:
                self._queued.clear()
                await self._queued.wait()
            entry = self._queue.popleft()
            command = self._build(entry)
            if command is None:
                continue
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

    def _build(self, entry: _Entry) -> c.SubagentCommand | None:
        if entry.kind == "Release":
            return ReleaseEvents(until_event_id=self._observed)
        order = self._order_here(entry.order_id)
        if order is None:
            return None
        if entry.kind == "Kill":
            kill = processing.kill_request(order)
            if kill is None:
                return None
            return c.KillProcess(order_id=order.id, signal="SIGKILL" if kill.immediately else "SIGTERM")
        return self._build_start(order)

    def _build_start(self, order: Order) -> c.SubagentCommand:
        assert isinstance(order.state, Processing)
        workflow = self._state.workflow(order.workflow_id)
        instruction = workflow.instruction(order.position)
        assert isinstance(instruction, ExecuteNamed | ExecuteAnonymous)
        attempt = self._attempts.get(order.id)
        start = c.StartOrderProcess(
            order=order,
            default_arguments={name: str(value) for name, value in instruction.default_arguments.items()},
            end_of_admission_period=order.state.end_of_admission_period,
            attempt=None if attempt is None else str(attempt),
        )
        items = []
        for key in (
            workflow_key(workflow.id),
            *(job_resource_key(path) for path in self._state.job_resource_paths_of(workflow)),
        ):
            signed = self._state.signed.get(key)
            if signed is not None and self._sent_items.get(key) is not signed:
                self._sent_items[key] = signed
                items.append(AttachSignedItem(signed=signed.signed, item_revision=signed.revision))
        return c.Batch((*items, start)) if items else start

    def _refused(self, entry: _Entry, error: ProblemError) -> None:
        """An order that the Subagent does not take is settled; a lost coupling ends this one."""
        problem = error.problem
        if problem.code in _UNCOUPLED:
            raise error
        if entry.kind != "Start":
            logger.error("Subagent %s refuses %s %s: %s", self.subagent_id, entry.kind, entry.order_id, problem)
            return
        if problem.code == "SubagentIsShuttingDown":
            self._state.set_reachable(self.subagent_id, False)
            self._settle(entry.order_id, lost("SubagentShutDownBeforeProcessStart"))
        elif problem.code == "UnknownKey" and self._sent_items:
            # It does not keep old workflows for ever; say everything again.
            self._sent_items.clear()
            self._queue.appendleft(entry)
        else:
            self._sent_items.clear()
            self._settle(entry.order_id, Disrupted.other(problem))

    def _settle(self, order_id: str, outcome: AnyOutcome) -> None:
        self._attempts.pop(order_id, None)
        if self._order_here(order_id) is not None:
            self._owner.persister.persist_internally(lambda t: processing.on_processed(t, order_id, outcome))
