"""The Agent Director as a node, below HTTP: recovery, commands of its Controller, jobs, events for the Controller.

At a start the order is: survivors of the former run are killed, then what was Processing is settled as lost, the local
Subagent is dedicated anew, and all orders go on (cluster spec 2.5). The Agent needs no Controller for any of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args

import msgspec

from stellwerk.agent.director import items
from stellwerk.agent.director.commands import AgentCommand, ShutDown
from stellwerk.agent.director.file_watcher import POLL_SECONDS, FileWatcher
from stellwerk.agent.director.jobs import JobDriver
from stellwerk.agent.director.state import AgentState, event_decoder, snapshot_decoder
from stellwerk.agent.subagent.job_runner import JobRunner
from stellwerk.effects.directories import Directories
from stellwerk.effects.processes import Processes
from stellwerk.engine import commands as order_commands
from stellwerk.engine import processing
from stellwerk.engine import requests as r
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.journal import AnyJournalEvent, JournalEventsReleased
from stellwerk.engine.events.order import AnyOrderEvent
from stellwerk.engine.transaction import Transaction
from stellwerk.journal import JournalOptions
from stellwerk.language.items import FileWatch
from stellwerk.node import agent_commands as ac
from stellwerk.node import commands as nc
from stellwerk.node.commands import CommandIntake
from stellwerk.node.node import (
    EXIT_EMERGENCY,
    EXIT_EMERGENCY_RESTART,
    EXIT_RESTART,
    Node,
    NodeEffects,
    Termination,
    event_names,
    tags,
)
from stellwerk.node.persist import Effects
from stellwerk.values.ids import run_id
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.signatures import SignatureVerifier

logger = logging.getLogger(__name__)

_SIGNALS = ("SIGTERM", "SIGKILL")
#: Commands that an Agent without a Controller executes, too.
_UNDEDICATED = (ac.DedicateAgentDirector, ac.CoupleController, ac.Reset, ShutDown, *get_args(nc.CommonCommand))
#: Commands that bring new work: refused when the disk is nearly full.
_NEW_WORK = (r.AttachOrder, ac.AttachSignedItem)


class AgentNode(Node[AgentState, Transaction]):
    """See the module."""

    NAME = "agent"
    TYPE_NAME = "AgentState"
    EVENTS = event_decoder
    SNAPSHOT_OBJECTS = snapshot_decoder
    FAMILIES: ClassVar[Mapping[str, frozenset[str]]] = event_names(
        {
            "JournalEvent": tags(AnyJournalEvent),
            "ClusterEvent": frozenset(),
            "SubagentItemStateEvent": tags(s.AnySubagentEvent),
            "OrderEvent": tags(AnyOrderEvent),
            "AgentEvent": tags(a.AnyOwnAgentEvent),
            "InventoryItemEvent": tags(i.AgentItemEvent),
            "OrderWatchEvent": tags(w.ExternalOrderAppeared, w.ExternalOrderVanished),
            "ServerMeteringEvent": frozenset(),
        }
    )

    def __init__(
        self,
        effects: NodeEffects,
        processes: Processes,
        runner: JobRunner,
        verifier: Callable[[], SignatureVerifier],
        journal_options: JournalOptions,
        platform_info: Mapping[str, Any] | None = None,
        *,
        directories: Directories,
        file_poll_seconds: float = POLL_SECONDS,
        script_injection_allowed: bool = True,
    ) -> None:
        """`script_injection_allowed` False also refuses file watches (orders spec 7.4)."""
        super().__init__(effects, AgentState(), journal_options)
        self._processes = processes
        self._verifier = verifier
        self._platform_info = platform_info
        #: The local Subagent of this run: new at each start, because its processes are.
        self._subagent_run_id = run_id(effects.random.token_bytes(16))
        self.jobs = JobDriver(self.state, runner, effects.clock, effects.environment, self.on_bug)
        self.file_watcher = FileWatcher(self.state, directories, effects.environment, file_poll_seconds)
        self._script_injection_allowed = script_injection_allowed
        self.commands = CommandIntake(
            AgentCommand,
            {
                ac.DedicateAgentDirector: self._dedicate,
                ac.CoupleController: self._couple,
                ac.AttachItem: self._attach_item,
                ac.AttachSignedItem: self._attach_signed_item,
                ac.DetachItem: self._detach_item,
                ac.ResetSubagent: self._reset_subagent,
                ac.Reset: self._reset,
                ShutDown: self._shut_down,
                r.AttachOrder: self._attach_order,
                r.DetachOrder: self._detach_order,
                r.MarkOrder: self._mark_order,
                nc.ReleaseEvents: self._release_events,
                nc.TakeSnapshot: lambda command, user_id: self.take_snapshot(),
                nc.NoOperation: lambda command, user_id: None,
                nc.EmergencyStop: self._emergency_stop,
            },
            batch_answer="Batch.Response",
            check=self._check,
            durable=self.durable,
            log_level=logging.DEBUG,
        )

    # --- life ---

    def transaction(self, state: Any, context: Any) -> Transaction:
        return Transaction(state, context)

    def effects_of_events(self) -> Effects:
        return {**self.jobs.effects(), **self.file_watcher.effects()}

    async def prepare(self) -> None:
        """Nothing of the former run may still run when its orders are settled as lost."""
        survivors = await self._processes.kill_survivors()
        if survivors:
            logger.warning("%d processes of a former run have been killed", len(survivors))

    def activate(self) -> None:
        self.jobs.attach(self.persister)
        self.file_watcher.attach(self.persister)
        if self.state.meta is not None:
            self.persist(self._start_dedicated)
        self.file_watcher.start()

    def _start_dedicated(self, transaction: Transaction) -> None:
        transaction.emit(None, a.OwnAgentStarted())
        self.jobs.settle_lost_processes(transaction)
        for subagent_id in list(self.state.subagents):
            if self.state.subagents[subagent_id].subagent_run_id is not None:
                transaction.emit(subagent_id, s.SubagentRestarted())
            items.dedicate_local_subagent(transaction, subagent_id, self._subagent_run_id)
        self._ready(transaction)
        processing.recover(transaction)

    def _ready(self, transaction: Transaction) -> None:
        transaction.emit(
            None,
            a.OwnAgentReady(
                timezone=self.effects.clock.zone(),
                total_running_time=self.total_running_seconds,
                platform_info=None if self._platform_info is None else dict(self._platform_info),
            ),
        )

    async def deactivate(self) -> None:
        await self.file_watcher.stop()
        await self.jobs.stop()

    def last_events(self, transaction: Transaction) -> None:
        if self.state.meta is not None:
            transaction.emit(None, a.OwnAgentShutDown())

    @property
    def receivers(self) -> tuple[str, ...]:
        return () if self.state.meta is None else (self.state.meta.controller_id,)

    @property
    def running_job_count(self) -> int:
        return self.jobs.running_count

    # --- checks ---

    def not_ready_problem(self) -> Problem | None:
        if self.is_stopping or self.terminated.done():
            return Problem.of("AgentIsShuttingDown")
        return None if self.is_ready else Problem.of("NoDirector")

    def _check(self, command: Any) -> None:
        problem = self.not_ready_problem()
        if problem is not None and not isinstance(command, ShutDown):
            raise ProblemError(problem)
        if self.state.meta is None and not isinstance(command, _UNDEDICATED):
            raise ProblemError.of("AgentNotDedicated")
        if isinstance(command, _NEW_WORK):
            self.check_space()

    def check_user(self, user_id: str) -> None:
        """Its own Controller and this machine's operator may command an Agent; anybody where access is public."""
        meta = self.state.meta
        if meta is not None and user_id not in (meta.controller_id, "System", "Anonymous"):
            raise ProblemError.of(
                "UserDoesNotHavePermission", userId=user_id, permission=f"Controller:{meta.controller_id}"
            )

    # --- dedication, coupling (journal spec 1.6) ---

    def _dedicate(self, command: ac.DedicateAgentDirector, user_id: str) -> ac.DedicateAgentDirectorResponse:
        directors = command.directors or ((command.subagent_id,) if command.subagent_id else ())
        if not directors:
            raise ProblemError("DedicateAgentDirector: `directors` must name a Subagent")
        meta = self.state.meta
        if meta is not None:
            if meta.agent_path != command.agent_path:
                raise ProblemError.of(
                    "AgentPathMismatch", requestedAgentPath=command.agent_path, realAgentPath=meta.agent_path
                )
            if meta.controller_id != command.controller_id:
                raise ProblemError.of(
                    "AgentWrongController",
                    requestedControllerId=command.controller_id,
                    realControllerId=meta.controller_id,
                )
            if self.state.is_used and meta.controller_run_id != command.controller_run_id:
                raise ProblemError.of("AgentAlreadyDedicated")
        if meta is None or meta.directors != directors:
            is_first = meta is None
            self.persist(lambda transaction: self._dedicated(transaction, command, directors, is_first))
        return ac.DedicateAgentDirectorResponse(self.journal.journal_id, self.journal.appended_event_id)

    def _dedicated(
        self,
        transaction: Transaction,
        command: ac.DedicateAgentDirector,
        directors: tuple[str, ...],
        is_first: bool,
    ) -> None:
        transaction.emit(
            None,
            a.OwnAgentDedicated(
                agent_path=command.agent_path,
                directors=directors,
                agent_run_id=self.journal.journal_id,
                controller_id=command.controller_id,
                controller_run_id=command.controller_run_id,
            ),
        )
        if is_first:
            transaction.emit(None, a.OwnAgentStarted())
            # Nothing is deleted before the Controller has confirmed (journal spec 1.5).
            transaction.emit(None, JournalEventsReleased(user_id=command.controller_id, until_event_id=0))
            self._ready(transaction)

    def _couple(self, command: ac.CoupleController, user_id: str) -> ac.CoupleControllerResponse:
        meta = self.state.meta
        if meta is None:
            raise ProblemError.of("AgentNotDedicated")
        if None not in (meta.controller_run_id, command.controller_run_id) and (
            meta.controller_run_id != command.controller_run_id
        ):
            raise ProblemError("ControllerRunId does not match")
        if meta.agent_path != command.agent_path:
            raise ProblemError.of(
                "AgentPathMismatch", requestedAgentPath=command.agent_path, realAgentPath=meta.agent_path
            )
        if meta.agent_run_id != command.agent_run_id:
            raise ProblemError.of("AgentRunIdMismatch", agentPath=command.agent_path)
        self.journal.check_after(command.event_id, True)
        return ac.CoupleControllerResponse(tuple(self.state.orders))

    # --- items ---

    def _attach_item(self, command: ac.AttachItem, user_id: str) -> None:
        if isinstance(command.item, FileWatch) and not self._script_injection_allowed:
            raise ProblemError.of("SignedInjectionNotAllowed")
        self.persist(lambda t: items.attach_item(t, self.state, command.item, self._subagent_run_id))

    def _attach_signed_item(self, command: ac.AttachSignedItem, user_id: str) -> None:
        try:
            item = items.verified_item(command.signed, self._verifier())
        except msgspec.ValidationError as error:
            raise ProblemError(f"JSON DecodingFailure at signature: {error}") from error
        self.persist(lambda t: items.attach_signed_item(t, self.state, item, command.signed, command.item_revision))

    def _detach_item(self, command: ac.DetachItem, user_id: str) -> None:
        self.persist(lambda t: items.detach_item(t, self.state, command.key))

    def _reset_subagent(self, command: ac.ResetSubagent, user_id: str) -> None:
        self.state.subagent(command.subagent_id)
        raise ProblemError(f"Subagent:{command.subagent_id} is a Director's own and cannot be reset; reset the Agent")

    # --- orders ---

    def _attach_order(self, command: r.AttachOrder, user_id: str) -> None:
        self.persist(lambda t: order_commands.attach_order(t, command.order))

    def _detach_order(self, command: r.DetachOrder, user_id: str) -> None:
        self.persist(lambda t: order_commands.detach_order(t, command.order_id))

    def _mark_order(self, command: r.MarkOrder, user_id: str) -> None:
        self.persist(lambda t: order_commands.mark_order(t, command.order_id, command.mark))

    # --- journal, end ---

    def _release_events(self, command: nc.ReleaseEvents, user_id: str) -> None:
        assert self.state.meta is not None
        self.release_events(self.state.meta.controller_id, command.until_event_id)

    def _reset(self, command: ac.Reset, user_id: str) -> None:
        """Forget everything: the journal is deleted, the process starts anew (journal spec 1.9)."""
        if self.state.meta is None:
            raise ProblemError.of("AgentNotDedicated")
        if command.agent_run_id is not None and command.agent_run_id != self.journal.journal_id:
            raise ProblemError.of("AgentRunIdMismatch", agentPath=self.state.meta.agent_path)
        self.terminate(
            Termination(exit_code=EXIT_RESTART, is_restart=True, deletes_journal=True, reason="the Agent was reset")
        )

    async def _shut_down(self, command: ShutDown, user_id: str) -> None:
        if command.process_signal is not None and command.process_signal not in _SIGNALS:
            raise ProblemError(f"processSignal must be SIGTERM or SIGKILL, not {command.process_signal!r}")
        if command.cluster_action is not None:
            raise ProblemError.of("ClusterSwitchOverButNotCoupled", clusterState='{"TYPE":"Empty"}')
        if command.process_signal is not None:
            self.jobs.kill_all(command.process_signal == "SIGKILL")
        self.persist(self._take_no_more_processes)
        is_restart = command.restart or command.restart_director
        self.run_task(self._terminate_when_idle(is_restart), "shut down")

    def _take_no_more_processes(self, transaction: Transaction) -> None:
        for subagent_id in list(self.state.usable_subagents):
            transaction.emit(subagent_id, s.SubagentShutdownStarted())

    async def _terminate_when_idle(self, is_restart: bool) -> None:
        await self.jobs.idle()
        await self.persister.durable()
        code = EXIT_RESTART if is_restart else 0
        self.terminate(Termination(exit_code=code, is_restart=is_restart, reason="ShutDown"))

    def _emergency_stop(self, command: nc.EmergencyStop, user_id: str) -> None:
        code = EXIT_EMERGENCY_RESTART if command.restart else EXIT_EMERGENCY
        self.terminate(Termination(exit_code=code, is_immediate=True, reason="EmergencyStop"))
