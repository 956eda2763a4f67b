"""The Subagent: runs the processes of one Director's orders; of workflows it knows their jobs only (cluster spec 3).

    subagent = Subagent(...)
    await subagent.start()                             # survivors of a former process are gone
    answer = await subagent.execute(command, session)
    records = subagent.journal.records_after(...)      # what has happened, until it is released
    await subagent.close()                             # all processes are killed

**Runs.** A run begins with the process, or anew in the same process (`ShutDown{restart}`), with a new run id, nothing
known and no process running. Its events are in memory; whoever sees another run id knows that all processes and
unreleased events of the former run are gone.

**Fencing.** The first DedicateSubagent fixes Agent, journal (`agentRunId`) and Controller of a run. Processes are
started, killed and released only for the session that was the last to couple, with this run id, and with no lower term
than any seen before. A numbered command is executed once; when it is repeated its answer is given again.

**Lease.** A Director that may be replaced by another one without knowing it leases this Subagent's processes to
itself, for a time (`lease`; `agent.director.lease`). A Director of a greater term that couples ends the lease.

**Idempotency.** From StartOrderProcess until the release of its OrderProcessed an order has one process, however often
it is asked for.

Below HTTP; independent of the Director's life, also where both share one process.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stellwerk.agent.signed_items import verified_item
from stellwerk.agent.subagent import commands as c
from stellwerk.agent.subagent.events import ServerMeteringEvent, SubagentItemAttached
from stellwerk.agent.subagent.job_runner import JobOutcome, JobRunner
from stellwerk.agent.subagent.memory_journal import LIMIT, MemoryJournal
from stellwerk.agent.subagent.preparation import prepare_launch
from stellwerk.effects.clock import Clock, Random
from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.events import subagent as s
from stellwerk.engine.order import Order, Processing
from stellwerk.language.expressions import Expression
from stellwerk.language.items import JobResource, workflow_key
from stellwerk.language.outcomes import Disrupted, Killed, short_text
from stellwerk.language.positions import WorkflowId
from stellwerk.language.workflow import Workflow
from stellwerk.node.agent_commands import AttachSignedItem
from stellwerk.node.commands import NoOperation, ReleaseEvents
from stellwerk.values.ids import run_id
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.authentication import JS7_VERSION
from stellwerk.wire.signatures import SignatureVerifier

logger = logging.getLogger(__name__)

#: The reason of SubagentAlreadyDedicated when everything fits but the run has been used.
ALREADY_USED = "it has been used already"
#: Workflows that are kept; a Director that is told of an unknown one sends it again.
MAXIMUM_WORKFLOWS = 10_000
_REMEMBERED_SESSIONS = 100
#: How an attempt begins that the Director could not name (its own start, after OrderProcessingStarted).
SELF_MADE = "subagent-"

#: Whoever speaks to the Subagent: the token of an HTTP session, or any object of this process.
Session = Any


class _Coupling:
    """The session that may command, and its last numbered command."""

    def __init__(self, session: Session, term: int) -> None:
        self.session = session
        self.term = term
        self.number = 0
        self.answer: Any = None


class _Job:
    """An order with its one process, until its OrderProcessed is released."""

    def __init__(self, order: Order, attempt: str | None, task: asyncio.Task[None]) -> None:
        self.order = order
        self.attempt = attempt
        self.task = task

    def is_for(self, order: Order, attempt: str | None) -> bool:
        """The same step of the order? Marks and priorities may have changed since."""
        mine = self.order
        return (None in (attempt, self.attempt) or attempt == self.attempt) and (
            mine.workflow_position,
            mine.state,
            mine.arguments,
            mine.historic_outcomes,
        ) == (
            order.workflow_position,
            order.state,
            order.arguments,
            order.historic_outcomes,
        )


class Subagent:
    """See the module."""

    def __init__(
        self,
        runner: JobRunner,
        clock: Clock,
        random: Random,
        environment: Mapping[str, str],
        verifier: Callable[[], SignatureVerifier],
        *,
        measure: Callable[[], ServerMeteringEvent],
        journal_limit: int = LIMIT,
    ) -> None:
        self.runner = runner
        self.measure = measure
        self.started_at_ms = clock.now_ms()
        #: A ShutDown without restart is done.
        self.ended = asyncio.Event()
        self._clock = clock
        self._random = random
        self._zone = clock.zone()  # asks the system: once, not for each job
        self._environment = environment
        self._verifier = verifier
        self._journal_limit = journal_limit
        self._is_started = False
        #: Of the last dedication.
        self._agent_run_id: str | None = None
        self._greatest_term = 0
        self._lease_term = 0
        #: Until when the processes may run (monotonic clock); None: without limit.
        self.leased_until: float | None = None
        #: Sessions that have coupled, the last ones → their terms.
        self._former_sessions: OrderedDict[Session, int] = OrderedDict()
        self._begin_run()

    def _begin_run(self) -> None:
        self.run_id = run_id(self._random.token_bytes(16))
        self.journal = MemoryJournal(self._clock, self._journal_limit)
        self.dedication: c.DedicateSubagent | None = None
        self._coupling: _Coupling | None = None
        self._is_used = False
        self._workflows: OrderedDict[WorkflowId, Workflow] = OrderedDict()
        self._job_resources: dict[str, JobResource] = {}
        self._variables: dict[str, Mapping[str, Expression]] = {}
        #: Texts of the items that are known, so that the same one is not read again.
        self._texts: dict[Any, str] = {}
        self._jobs: dict[str, _Job] = {}
        #: (EventId of OrderProcessed, order id), until released.
        self._processed: deque[tuple[int, str]] = deque()
        self._shutdown: c.ShutDown | None = None
        self._killed_by_shutdown: set[str] = set()
        self._farewell: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self) -> None:
        """Nothing of a former process may still run when the first command is taken. Idempotent."""
        if not self._is_started:
            survivors = await self.runner.processes.kill_survivors()
            if survivors:
                logger.warning("%d processes of a former run have been killed", len(survivors))
            self._is_started = True

    async def close(self) -> None:
        """The process ends: kill what runs and tell nobody. Idempotent."""
        if self._farewell is not None:
            self._farewell.cancel()
            await asyncio.gather(self._farewell, return_exceptions=True)
        self._shutdown = c.KILL_AND_RESTART
        await self._kill_all()
        self.journal.close()
        await self.runner.close_workers()

    async def restart(self) -> None:
        """Kill what runs, tell nobody, begin a new run."""
        self._shutdown = c.KILL_AND_RESTART
        await self._kill_all()
        self.journal.close()
        self._begin_run()

    async def _kill_all(self) -> None:
        """End all processes; nothing is started any more, because the run is shutting down."""
        await asyncio.sleep(0)  # a task that has not begun yet could not clear up behind itself
        tasks = [job.task for job in self._jobs.values() if not job.task.done()]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                logger.error("A job ended badly while the Subagent stopped: %r", result)

    @property
    def is_ready(self) -> bool:
        """Are commands taken?"""
        return self._is_started

    @property
    def running_count(self) -> int:
        """Orders whose process has not ended."""
        return len(self._jobs) - len(self._processed)

    @property
    def is_shutting_down(self) -> bool:
        return self._shutdown is not None

    def lease(self, term: int, until: float | None) -> None:
        """The Director of this process, of that term: processes may run until then (`Processes.lease`)."""
        if term >= self._lease_term:
            self._lease_term = term
            self.leased_until = until
            self.runner.processes.lease(until)

    # --- commands ---

    async def execute(self, command: c.SubagentCommand, session: Session, number: int = 0) -> Any:
        """One command; returns its response, None for Accepted. Raises `ProblemError`."""
        if isinstance(command, c.Batch):
            return await self._numbered(command, session, number)
        if isinstance(command, c.DedicateSubagent):
            return self.dedicate(command)
        if isinstance(command, c.CoupleDirector):
            return self._couple(command, session)
        if isinstance(command, NoOperation):
            return None
        if isinstance(command, c.ShutDown):
            self._check_not_stale(session)
            return await self._shut_down(command)
        return await self._numbered(command, session, number)

    async def _numbered(self, command: c.SubagentCommand, session: Session, number: int) -> Any:
        """Execute within the coupling; a repetition of the last number gets the same answer, an older one none."""
        coupling = self._check_coupled(session)
        if number and number <= coupling.number:
            if number < coupling.number:
                raise ProblemError(f"Command number {number} comes too late, after {coupling.number}")
            if isinstance(coupling.answer, ProblemError):
                raise coupling.answer
            return coupling.answer
        if number:
            coupling.number = number
            coupling.answer = None
        try:
            if isinstance(command, c.Batch):
                for element in command.commands:
                    await self.execute(element, session)
            else:
                self._execute_coupled(command)
        except ProblemError as error:
            if number:
                coupling.answer = error
            raise
        return None

    def _execute_coupled(self, command: Any) -> None:
        match command:
            case c.StartOrderProcess():
                self._start_process(command)
            case ReleaseEvents():
                self._release(command.until_event_id)
            case AttachSignedItem():
                self._attach_item(command)
            case c.KillProcess():
                self.runner.kill(command.order_id, command.signal == "SIGKILL")
            case _:
                raise AssertionError(f"no such command: {command!r}")

    # --- to whom it belongs ---

    def dedicate(self, command: c.DedicateSubagent) -> c.DedicateSubagentResponse:
        """Fix to whom this run belongs. Raises `ProblemError` SubagentAlreadyDedicated."""
        known = self.dedication
        if self._shutdown is not None:
            raise ProblemError.of("SubagentIsShuttingDown")
        if known is not None:
            reasons = [
                f"{name}={getattr(known, field)}"
                for name, field in (
                    ("subagentId", "subagent_id"),
                    ("agentPath", "agent_path"),
                    ("agentRunId", "agent_run_id"),
                    ("controllerId", "controller_id"),
                )
                if getattr(known, field) != getattr(command, field)
            ]
            if not reasons and self._is_used:
                reasons = [ALREADY_USED]
            if reasons:
                raise ProblemError.of("SubagentAlreadyDedicated", reasons=", ".join(reasons))
        elif not self._is_started:
            raise ProblemError.of("WebServiceStillNotAvailable")
        self.dedication = command
        if command.agent_run_id != self._agent_run_id:
            # Terms are counted within a run of the Agent, and so are leases; a reset begins another one.
            is_reset, self._agent_run_id = self._agent_run_id is not None, command.agent_run_id
            self._greatest_term = self._lease_term = 0
            self._former_sessions.clear()
            if is_reset:
                self.lease(0, None)
        return c.DedicateSubagentResponse(self.run_id, 0, JS7_VERSION)

    def _couple(self, command: c.CoupleDirector, session: Session) -> c.CoupleDirectorResponse:
        self._check_term(command.term)
        dedication = self.check_run_id(command.subagent_run_id)
        if dedication.subagent_id != command.subagent_id:
            raise ProblemError.of(
                "SubagentIdMismatch",
                requestedSubagentId=command.subagent_id,
                realSubagentId=dedication.subagent_id,
            )
        self.journal.check_after(command.event_id, True)
        self._greatest_term = command.term
        if command.term > self._lease_term:
            self.lease(command.term, None)
        self._is_used = True
        self._former_sessions[session] = command.term
        while len(self._former_sessions) > _REMEMBERED_SESSIONS:
            self._former_sessions.popitem(last=False)
        self._coupling = _Coupling(session, command.term)
        self._release(command.event_id)
        return c.CoupleDirectorResponse(JS7_VERSION)

    def check_run_id(self, subagent_run_id: str | None) -> c.DedicateSubagent:
        """Raises `ProblemError` when this run is not the one that is meant; returns its dedication."""
        if self.dedication is None:
            raise ProblemError.of("SubagentNotDedicated")
        if subagent_run_id != self.run_id:
            raise ProblemError.of("SubagentRunIdMismatch", subagentId=self.dedication.subagent_id)
        return self.dedication

    def _check_term(self, term: int) -> None:
        if term < self._greatest_term:
            raise ProblemError.of("TermIsStale", term=str(term), greatestTerm=str(self._greatest_term))

    def _check_not_stale(self, session: Session) -> None:
        term = self._former_sessions.get(session)
        if term is not None:
            self._check_term(term)

    def _check_coupled(self, session: Session) -> _Coupling:
        if self.dedication is None:
            raise ProblemError.of("SubagentNotDedicated")
        coupling = self._coupling
        if coupling is None or coupling.session != session:
            self._check_not_stale(session)
            raise ProblemError.of("SubagentNotCoupled", subagentId=self.dedication.subagent_id)
        return coupling

    # --- items ---

    def _attach_item(self, command: AttachSignedItem) -> None:
        text = command.signed.string
        item = verified_item(command.signed, self._verifier())
        if isinstance(item, Workflow):
            known = self._texts.get(item.id)
            if known is not None and known != text:
                raise ProblemError(f"Different duplicate {workflow_key(item.id)}")
            self._workflows[item.id] = item
            self._texts[item.id] = text
            while len(self._workflows) > MAXIMUM_WORKFLOWS:
                oldest, _ = self._workflows.popitem(last=False)
                del self._texts[oldest]
        else:
            known = self._texts.get(item.path)
            self._job_resources[item.path] = item
            self._variables[item.path] = item.variables
            self._texts[item.path] = text
        if known != text:
            self.journal.append(None, SubagentItemAttached(msgspec.Raw(text.encode())))

    # --- processes ---

    def _start_process(self, command: c.StartOrderProcess) -> None:
        order = command.order
        known = self._jobs.get(order.id)
        if known is not None:
            if known.is_for(order, command.attempt):
                return
            raise ProblemError(f"Duplicate StartOrderProcess: Order:{order.id} is still being processed here")
        if self._shutdown is not None:
            raise ProblemError.of("SubagentIsShuttingDown")
        dedication = self.dedication
        assert dedication is not None
        if not isinstance(order.state, Processing) or order.state.subagent_id != dedication.subagent_id:
            raise ProblemError(f"Order:{order.id} is not to be processed at Subagent:{dedication.subagent_id}")
        workflow = self._workflows.get(order.workflow_id)
        if workflow is None:
            raise ProblemError.of("UnknownKey", type="Workflow", key=workflow_key(order.workflow_id))
        context = Context(self._clock.now_ms(), self._zone, self._environment, controller_id=dedication.controller_id)
        launch = prepare_launch(
            order,
            command.attempt or f"{SELF_MADE}{self.journal.next_event_id()}",
            command.end_of_admission_period,
            workflow,
            self._job_resources,
            self._variables,
            context,
        )
        # The runner knows the order from this call on, so that it can be killed before its process has started.
        running = self.runner.run(launch, _Output(self.journal, order.id))
        task = asyncio.get_running_loop().create_task(self._process(order.id, running))
        self._jobs[order.id] = _Job(order, command.attempt, task)

    async def _process(self, order_id: str, running: Any) -> None:
        try:
            outcome: JobOutcome = await running
        except Exception as error:
            # A bug on our side; the order must not wait for ever for a process that has gone.
            logger.exception("%s: its job could not be run", order_id)
            outcome = Disrupted.other(Problem(message=f"Internal error: {error!r}"))
        if isinstance(outcome, Killed) and order_id in self._killed_by_shutdown:
            problem = Problem.of("ProcessKilledDueToSubagentShutdown", outcome=short_text(outcome))
            outcome = Disrupted.process_lost(problem)
        event_id = await self.journal.write(order_id, e.OrderProcessed(outcome=outcome))
        self._processed.append((event_id, order_id))

    def _release(self, until_event_id: int) -> None:
        self.journal.release(until_event_id)
        while self._processed and self._processed[0][0] <= until_event_id:
            del self._jobs[self._processed.popleft()[1]]

    # --- its end ---

    async def _shut_down(self, command: c.ShutDown) -> None:
        """Answered at once; a second one adds its signal and flags."""
        if self.ended.is_set():
            return
        former = self._shutdown
        if former is None:
            self.journal.append(None, s.SubagentShutdownStarted())
            self._shutdown = command
        else:
            self._shutdown = c.ShutDown(
                process_signal=command.process_signal or former.process_signal,
                dont_wait_for_director=command.dont_wait_for_director or former.dont_wait_for_director,
                restart=command.restart or former.restart,
            )
        if self._shutdown.dont_wait_for_director and self._shutdown.process_signal == "SIGKILL":
            if self._farewell is not None:
                self._farewell.cancel()
            await self._kill_all()
            self._end_run()
            return
        if command.dont_wait_for_director:
            self.journal.lift_limit()
        if command.process_signal is not None:
            for order_id in self.runner.order_ids:
                self._killed_by_shutdown.add(order_id)
                self.runner.kill(order_id, command.process_signal == "SIGKILL")
        if self._farewell is None or command.dont_wait_for_director:
            if self._farewell is not None:
                self._farewell.cancel()
            self._farewell = asyncio.get_running_loop().create_task(self._say_farewell())

    async def _say_farewell(self) -> None:
        """Wait for the processes, and until the Director has everything."""
        tasks = [job.task for job in self._jobs.values()]
        if tasks:
            await asyncio.wait(tasks)
        assert self._shutdown is not None
        self.journal.append(None, s.SubagentShutdown())
        if not self._shutdown.dont_wait_for_director and self.dedication is not None:
            await self.journal.all_released()
        self._farewell = None
        self._end_run()

    def _end_run(self) -> None:
        assert self._shutdown is not None
        is_restart = self._shutdown.restart
        self.journal.close()
        if is_restart:
            self._begin_run()
        else:
            self.ended.set()


class _Output:
    """A job's output becomes events; while the journal is full, the job's pipes are not read (journal spec 7.2)."""

    def __init__(self, journal: MemoryJournal, order_id: str) -> None:
        self._journal = journal
        self._order_id = order_id

    async def stdout(self, chunk: str) -> None:
        await self._journal.write(self._order_id, e.OrderStdoutWritten(chunk=chunk))

    async def stderr(self, chunk: str) -> None:
        await self._journal.write(self._order_id, e.OrderStderrWritten(chunk=chunk))
