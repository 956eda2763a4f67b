"""The Agent Director as a node, below HTTP: recovery, commands of its Controller, jobs, events for the Controller.

At a start the order is: the local Subagent has made sure that no survivors of a former process run, then what is known
to be lost is settled, the local Subagent is dedicated, and all orders go on (cluster spec 2.4, 2.5). The Agent needs no
Controller for any of it. The local Subagent and its processes outlive the node's run in the same process.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args

from stellwerk.agent.director import items
from stellwerk.agent.director.commands import AgentCommand, ClusterSwitchOver, ShutDown
from stellwerk.agent.director.file_watcher import POLL_SECONDS, FileWatcher
from stellwerk.agent.director.lease import JobLease
from stellwerk.agent.director.losses import settle_processes
from stellwerk.agent.director.state import AgentState, event_decoder, snapshot_decoder
from stellwerk.agent.director.subagent_driver import DEFAULT_TIMING, DriverTiming
from stellwerk.agent.director.subagent_peers import RemotePeers
from stellwerk.agent.director.subagents import Subagents, no_remote_peers
from stellwerk.agent.signed_items import verified_item
from stellwerk.agent.subagent import commands as sc
from stellwerk.agent.subagent.memory_journal import MemoryJournal
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.cluster.member import Phase
from stellwerk.effects.directories import Directories
from stellwerk.engine import commands as order_commands
from stellwerk.engine import processing
from stellwerk.engine import requests as r
from stellwerk.engine.cluster import Empty
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import (
    PRIMARY,
    AnyClusterEvent,
    ClusterFailedOver,
    ClusterNodesAppointed,
    NodeId,
)
from stellwerk.engine.events.journal import AnyJournalEvent, JournalEventsReleased
from stellwerk.engine.events.order import AnyOrderEvent
from stellwerk.engine.transaction import Transaction
from stellwerk.journal import JournalOptions, delete_at_next_start
from stellwerk.language.items import AgentRef, FileWatch, SubagentItem
from stellwerk.node import agent_commands as ac
from stellwerk.node import commands as nc
from stellwerk.node.cluster_host import STAND_ALONE, NodeCluster
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
from stellwerk.node.persist import Effects, combined
from stellwerk.node.term_fence import TermFence
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.signatures import SignatureVerifier

logger = logging.getLogger(__name__)

#: Commands that an Agent without a Controller executes, too.
_UNDEDICATED = (
    nc.Batch,
    ac.DedicateAgentDirector,
    ac.CoupleController,
    ac.Reset,
    ShutDown,
    *get_args(nc.CommonCommand),
)
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
            "ClusterEvent": tags(AnyClusterEvent),
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
        subagent: Subagent,
        verifier: Callable[[], SignatureVerifier],
        journal_options: JournalOptions,
        platform_info: Mapping[str, Any] | None = None,
        *,
        directories: Directories,
        file_poll_seconds: float = POLL_SECONDS,
        script_injection_allowed: bool = True,
        remote_peers: RemotePeers = no_remote_peers,
        driver_timing: DriverTiming = DEFAULT_TIMING,
        cluster: NodeCluster = STAND_ALONE,
        term: Callable[[], int] | None = None,
        failed_director_subagent_id: Callable[[AgentState], str | None] | None = None,
    ) -> None:
        """`subagent` is the one of this process; the node uses it and leaves it when it ends.

        `script_injection_allowed` False also refuses file watches (orders spec 7.4). `term` and
        `failed_director_subagent_id` (see `subagent_driver`): None, as the cluster says.
        """
        is_backup = bool(cluster.configuration.is_backup)
        super().__init__(effects, AgentState(1 if is_backup else 0), journal_options, cluster)
        self.subagent = subagent
        self._verifier = verifier
        self._job_lease_seconds = driver_timing.job_lease_seconds
        self._lease: JobLease
        self._platform_info = platform_info
        self._failed_director_subagent_id = failed_director_subagent_id or self._failed_director
        self._wants_restart = False
        #: Against a Controller that has been deposed.
        self._fence = TermFence(effects.disk, "controller-term.json")
        self.subagents = Subagents(
            self.state,
            subagent,
            remote_peers,
            term or (lambda: self.cluster.term),
            driver_timing,
            self.run_task,
            on_deposed=lambda: self.halt("a Subagent has seen a newer Director"),
        )
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
                ClusterSwitchOver: self._switch_over,
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
            check_term=self._fence.check,
        )

    # --- life ---

    def transaction(self, state: Any, context: Any) -> Transaction:
        return Transaction(state, context)

    def effects_of_events(self) -> Effects:
        cluster_events: Effects = dict.fromkeys(get_args(AnyClusterEvent), self._on_cluster_event_for_lease)
        return combined(self.subagents.effects(), self.file_watcher.effects(), cluster_events)

    def _on_cluster_event_for_lease(self, event_id: int, key: Any, event: AnyClusterEvent) -> None:
        self._lease.on_cluster_event(event_id, key, event)

    async def prepare(self) -> None:
        """Nothing of a former process may still run when its orders are settled as lost."""
        await self.subagent.start()
        await self._fence.load()
        if self.state.meta is None:
            await self._fence.forget()  # it belongs to no Controller (any more)

    def _failed_director(self, state: AgentState) -> str | None:
        """The Subagent of the Director that has failed, in the very activation that follows from it."""
        event = self.activated_by
        if not isinstance(event, ClusterFailedOver) or state.meta is None:
            return None
        return state.meta.directors[0 if event.failed_active_id == PRIMARY else 1]

    def activate(self) -> None:
        self.subagents.attach(self.persister)
        lease = self._lease = JobLease(self.cluster, self.state, self.subagent, self._job_lease_seconds)
        self.run_task(lease.run(), "lease of the jobs")
        self.file_watcher.attach(self.persister)
        if self.state.meta is not None:
            self.persist(self._start_dedicated)
        self.subagents.start(self._failed_director_subagent_id(self.state))
        self.file_watcher.start()

    def _start_dedicated(self, transaction: Transaction) -> None:
        transaction.emit(None, a.OwnAgentStarted())
        settle_processes(
            transaction,
            self.state,
            local_run_id=self.subagent.run_id,
        )
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
        await self.subagents.stop()
        if self.terminated.result().deletes_journal:
            await self.subagents.end_all()

    def last_events(self, transaction: Transaction) -> None:
        if self.state.meta is not None:
            transaction.emit(None, a.OwnAgentShutDown())

    @property
    def receivers(self) -> tuple[str, ...]:
        return () if self.state.meta is None else (self.state.meta.controller_id,)

    @property
    def running_job_count(self) -> int:
        return self.state.process_count[""]

    # --- checks ---

    def not_ready_problem(self) -> Problem | None:
        if self.is_stopping or self.terminated.done():
            return Problem.of("AgentIsShuttingDown")
        if not self.cluster.is_active and self.cluster.phase is not Phase.STARTING:
            return self.cluster.problem()
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

    async def _couple(self, command: ac.CoupleController, user_id: str) -> ac.CoupleControllerResponse:
        await self._fence.accept(command.term)
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
        self.persist(lambda t: self._decide_attach(t, command.item))

    def _decide_attach(self, transaction: Transaction, item: i.AttachableItem) -> None:
        items.attach_item(transaction, self.state, item)
        pair = self.state.pair_of_directors
        if pair is None:
            return
        if isinstance(self.state.cluster_state, Empty):
            transaction.emit(None, ClusterNodesAppointed(setting=self.cluster.setting_of(pair)))
        elif isinstance(item, AgentRef | SubagentItem) and dict(self.state.cluster_state.setting.id_to_uri) != pair:
            self.run_task(self._reappoint(pair), "another address of the passive Director")

    async def _reappoint(self, pair: Mapping[NodeId, str]) -> None:
        """The passive Director has another address; while the nodes are coupling, it is tried again."""
        for delay in itertools.chain((1.0, 3.0, 6.0), itertools.repeat(10.0)):
            try:
                await self.cluster.appoint(pair, self.cluster.node_id)
                return
            except ProblemError as error:
                if error.problem.code != "PassiveClusterNodeUrlChangeableOnlyWhenNotCoupled":
                    logger.error("The address of the passive Director cannot be changed: %s", error)
                    return
            await asyncio.sleep(delay)

    def _attach_signed_item(self, command: ac.AttachSignedItem, user_id: str) -> None:
        item = verified_item(command.signed, self._verifier())
        self.persist(lambda t: items.attach_signed_item(t, self.state, item, command.signed, command.item_revision))

    def _detach_item(self, command: ac.DetachItem, user_id: str) -> None:
        self.persist(lambda t: items.detach_item(t, self.state, command.key))

    def _reset_subagent(self, command: ac.ResetSubagent, user_id: str) -> None:
        self.persist(lambda t: items.reset_subagent(t, self.state, command.subagent_id, command.force))

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

    async def _reset(self, command: ac.Reset, user_id: str) -> None:
        """Forget everything: the journal is deleted, the process starts anew (journal spec 1.9); both of a pair."""
        if self.state.meta is None:
            raise ProblemError.of("AgentNotDedicated")
        if command.agent_run_id is not None and command.agent_run_id != self.journal.journal_id:
            raise ProblemError.of("AgentRunIdMismatch", agentPath=self.state.meta.agent_path)
        await self.cluster.reset()
        # The Controller takes the answer for the deletion: it must not depend on an orderly end.
        await delete_at_next_start(self.effects.disk, self.NAME)
        self.terminate(
            Termination(exit_code=EXIT_RESTART, is_restart=True, deletes_journal=True, reason="the Agent was reset")
        )

    async def _shut_down(self, command: ShutDown, user_id: str) -> None:
        action = None if command.cluster_action is None else command.cluster_action.get("TYPE")
        if action is not None and not self.cluster.is_active:
            raise ProblemError.of("PassiveClusterNodeShutdownNotAllowed")
        if action == "Switchover" and command.restart_director:
            await self.cluster.switch_over()
            return
        if action == "Switchover":
            await self.cluster.switch_over(is_final=not command.restart)
            return
        if action not in (None, "Failover"):
            raise ProblemError(f"Unknown clusterAction {action}: it is Switchover or Failover")
        if action == "Failover":
            code = EXIT_RESTART if command.restart else 0
            self.terminate(Termination(code, is_restart=command.restart, is_immediate=True, reason="ShutDown"))
            return
        self._wants_restart |= command.restart or command.restart_director
        if command.restart_director and not command.restart:
            # The local Subagent and its processes go on.
            self._terminate_shut_down()
            return
        journal = self.subagent.journal
        await self.subagent.execute(
            sc.ShutDown(process_signal=command.process_signal, restart=command.restart), session=self
        )
        self.run_task(self._terminate_after(journal), "shut down")

    async def _switch_over(self, command: ClusterSwitchOver, user_id: str) -> None:
        """The other Director becomes active; this process, its Subagent and its jobs go on."""
        await self.cluster.switch_over()

    async def _terminate_after(self, journal: MemoryJournal) -> None:
        """When the local Subagent has ended its run, and all of it has been taken over."""
        await journal.closed.wait()
        await self.persister.durable()
        self._terminate_shut_down()

    def _terminate_shut_down(self) -> None:
        is_restart = self._wants_restart
        code = EXIT_RESTART if is_restart else 0
        self.terminate(Termination(exit_code=code, is_restart=is_restart, reason="ShutDown"))

    def _emergency_stop(self, command: nc.EmergencyStop, user_id: str) -> None:
        code = EXIT_EMERGENCY_RESTART if command.restart else EXIT_EMERGENCY
        self.terminate(Termination(exit_code=code, is_immediate=True, reason="EmergencyStop"))
