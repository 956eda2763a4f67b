"""The Controller as a node, below HTTP: commands, items, Agent drivers, committed events for the Cockpit.

What a durable event makes it do is all in `effects_of_events`: queue commands to Agents, connect to new ones, release.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from stellwerk.cluster.member import Phase
from stellwerk.controller import commands as cc
from stellwerk.controller.agent_driver import AgentDriver, PeerFactory
from stellwerk.controller.agent_reset import reset_agent, reset_subagent
from stellwerk.controller.director_watch import DirectorWatches, WatchedNodeFactory, no_watched_nodes
from stellwerk.controller.items import Operations, read_operations, update_items
from stellwerk.controller.state import ControllerState
from stellwerk.controller.state_objects import agent_path_of, event_decoder, snapshot_decoder
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.controller.workflow_control import control_workflow, control_workflow_path
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.engine import board_types, noticing, planning
from stellwerk.engine import commands as order_commands
from stellwerk.engine import requests as r
from stellwerk.engine.events import agent as a
from stellwerk.engine.events import board as b
from stellwerk.engine.events import controller as c
from stellwerk.engine.events import item as i
from stellwerk.engine.events import order as e
from stellwerk.engine.events import order_watch as w
from stellwerk.engine.events import plan as p
from stellwerk.engine.events import subagent as s
from stellwerk.engine.events.cluster import AnyClusterEvent
from stellwerk.engine.events.journal import AnyJournalEvent
from stellwerk.engine.events.order import AnyOrderEvent
from stellwerk.engine.order import Attached, Attaching, Detaching
from stellwerk.journal import JournalOptions
from stellwerk.language.items import AgentRef, Signed, SubagentItem, split_key
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
from stellwerk.node.persist import Effects
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier

logger = logging.getLogger(__name__)

#: Between the answer to ShutDown and the stop (`web.server.delay-shutdown`), so that the answer gets out.
SHUTDOWN_DELAY_SECONDS = 0.2


class ControllerNode(Node[ControllerState, ControllerTransaction]):
    """See the module."""

    NAME = "controller"
    TYPE_NAME = "ControllerState"
    EVENTS = event_decoder
    SNAPSHOT_OBJECTS = snapshot_decoder
    FAMILIES: ClassVar[Mapping[str, frozenset[str]]] = event_names(
        {
            "JournalEvent": tags(AnyJournalEvent),
            "InventoryItemEvent": tags(i.ControllerItemEvent),
            "VersionedEvent": tags(
                i.VersionAdded, i.VersionedItemAdded, i.VersionedItemChanged, i.VersionedItemRemoved
            ),
            "ControllerEvent": tags(c.AnyControllerEvent),
            "ClusterEvent": tags(AnyClusterEvent),
            "AgentRefStateEvent": tags(a.AnyAgentEvent),
            "SubagentItemStateEvent": tags(s.AnySubagentEvent),
            "OrderWatchEvent": tags(w.AnyOrderWatchEvent),
            "OrderEvent": tags(AnyOrderEvent),
            "NoticeEvent": tags(b.AnyBoardEvent),
            "PlanSchemaEvent": tags(p.PlanSchemaChanged),
            "PlanEvent": tags(p.PlanOpened, p.PlanClosed, p.PlanFinished, p.PlanDeleted),
            "ServerMeteringEvent": frozenset(),
        }
    )

    def __init__(
        self,
        controller_id: str,
        effects: NodeEffects,
        peer_factory: PeerFactory,
        verifier: Callable[[], SignatureVerifier],
        journal_options: JournalOptions,
        receivers: Sequence[str] = (),
        cluster: NodeCluster = STAND_ALONE,
        watched_nodes: WatchedNodeFactory = no_watched_nodes,
    ) -> None:
        """`receivers`: the users that must have released events before these are deleted (journal spec 1.5).

        `watched_nodes`: how this Controller reaches the Directors of a pair as their watch.
        """
        super().__init__(effects, ControllerState(), journal_options, cluster)
        self.controller_id = controller_id
        self.drivers: dict[str, AgentDriver] = {}
        self._peer_factory = peer_factory
        self.watches = DirectorWatches(self, watched_nodes)
        self._verifier = verifier
        self._receivers = tuple(receivers)
        self._driver_tasks: dict[str, asyncio.Task[Any]] = {}
        self.commands = CommandIntake(
            cc.ControllerCommand,
            {
                r.AddOrder: self._add_order,
                r.AddOrders: self._add_orders,
                r.CancelOrders: self._decided_by(
                    lambda t, command: order_commands.cancel_orders(t, command.order_ids, command.mode)
                ),
                r.SuspendOrders: self._decided_by(
                    lambda t, command: order_commands.suspend_orders(t, command.order_ids, command.mode)
                ),
                r.ResumeOrder: self._decided_by(order_commands.resume_order),
                r.ResumeOrders: self._decided_by(order_commands.resume_orders),
                r.GoOrder: self._decided_by(
                    lambda t, command: order_commands.go_order(t, command.order_id, command.position)
                ),
                r.DeleteOrdersWhenTerminated: self._decided_by(
                    lambda t, command: order_commands.delete_orders_when_terminated(t, command.order_ids)
                ),
                r.AnswerOrderPrompt: self._decided_by(
                    lambda t, command: order_commands.answer_order_prompt(t, command.order_id)
                ),
                r.ChangeOrder: self._decided_by(order_commands.change_order),
                r.TransferOrders: self._decided_by(
                    lambda t, command: order_commands.transfer_orders(t, command.workflow_id)
                ),
                r.PostNotice: self._decided_by(noticing.post_notice),
                r.DeleteNotice: self._decided_by(noticing.delete_notice),
                r.ChangeGlobalToPlannableBoard: self._decided_by(board_types.change_to_plannable),
                r.ChangePlannableToGlobalBoard: self._decided_by(board_types.change_to_global),
                r.ChangePlan: self._decided_by(planning.change_plan),
                r.ChangePlanSchema: self._decided_by(planning.change_plan_schema),
                cc.ControlWorkflowPath: self._decided_by(control_workflow_path),
                cc.ControlWorkflow: self._decided_by(control_workflow),
                cc.ResetAgent: self._decided_by(lambda t, command: reset_agent(t, command.agent_path, command.force)),
                cc.ResetSubagent: self._reset_subagent,
                cc.EmitTestEvent: self._decided_by(lambda t, command: t.emit(None, c.ControllerTestEvent())),
                cc.ShutDown: self._shut_down,
                cc.ClusterAppointNodes: lambda command, user_id: self.cluster.appoint(
                    command.id_to_uri, command.active_id
                ),
                cc.ClusterSwitchOver: self._switch_over,
                cc.ConfirmClusterNodeLoss: self._confirm_node_loss,
                nc.ReleaseEvents: self._release_events,
                nc.TakeSnapshot: lambda command, user_id: self.take_snapshot(),
                nc.NoOperation: self._no_operation,
                nc.EmergencyStop: self._emergency_stop,
            },
            batch_answer="BatchResponse",
            check=self._check,
            durable=self.durable,
        )

    @property
    def controller_run_id(self) -> str:
        return self.journal.journal_id

    @property
    def term(self) -> int:
        """See `cluster.ClusterMember.term`."""
        return self.cluster.term

    def deposed(self, reason: str) -> None:
        """See `agent_driver.Owner`."""
        self.halt(reason)

    @property
    def receivers(self) -> tuple[str, ...]:
        return self._receivers

    # --- life ---

    def transaction(self, state: Any, context: Any) -> ControllerTransaction:
        return ControllerTransaction(state, context)

    async def prepare(self) -> None:
        meta = self.state.meta
        if meta is not None and meta.controller_id != self.controller_id:
            raise ProblemError(
                f"The journal in this data directory belongs to the Controller {meta.controller_id!r}, but this one is "
                f"configured as {self.controller_id!r}: correct `id`, or use another data directory"
            )

    def activate(self) -> None:
        self.persist(self._decide_ready)
        self._queue_what_is_on_its_way()
        for path in self.state.agents:
            self._start_driver(path)
            self.watches.look_at(path)
        self.persister.touch_later(list(self.state.orders))
        self.persist(self._look_at_files)

    def _decide_ready(self, transaction: ControllerTransaction) -> None:
        if self.state.meta is None:
            transaction.emit(
                None,
                c.ControllerInitialized(controller_id=self.controller_id, initially_started_at=self.started_at_ms),
            )
        transaction.emit(
            None,
            c.ControllerReady(timezone=self.effects.clock.zone(), total_running_time=self.total_running_seconds),
        )

    def _look_at_files(self, transaction: ControllerTransaction) -> None:
        """Which file waits for which order id is not part of the state."""
        for path, name in self.state.order_watches.appeared():
            transaction.touch_file(path, name)

    def _queue_what_is_on_its_way(self) -> None:
        """The commands that the former run had queued, or would have (orders spec 4.2)."""
        for order in self.state.orders.values():
            attached = order.attached_state
            if attached is None:
                continue
            queue = self._driver(attached.agent_path).queue
            if isinstance(attached, Attaching):
                queue.attach_order(order.id)
            elif isinstance(attached, Detaching):
                queue.detach_order(order.id)
            elif order.mark is not None:
                queue.mark_order(order.id)
        for key, attachments in self.state.attachments.items():
            for path in attachments:
                self._driver(path).queue.item(key)
        for subagent in self.state.subagents.values():
            if subagent.is_resetting_forcibly is not None and not subagent.is_resetting:
                item = subagent.subagent_item
                self._driver(item.agent_path).queue.reset_subagent(item.id)

    async def deactivate(self) -> None:
        await self.watches.stop()
        tasks = list(self._driver_tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def last_events(self, transaction: ControllerTransaction) -> None:
        transaction.emit(None, c.ControllerShutDown())

    def not_ready_problem(self) -> Problem | None:
        if self.is_stopping or self.terminated.done():
            return Problem.of("ControllerIsShuttingDown")
        if not self.cluster.is_active and self.cluster.phase is not Phase.STARTING:
            return self.cluster.problem()
        return None if self.is_ready else Problem.of("ControllerIsNotReady")

    # --- drivers ---

    def _driver(self, agent_path: str) -> AgentDriver:
        driver = self.drivers.get(agent_path)
        if driver is None:
            driver = self.drivers[agent_path] = AgentDriver(self, agent_path, self._peer_factory)
        return driver

    def _start_driver(self, agent_path: str) -> None:
        if agent_path not in self._driver_tasks:
            driver = self._driver(agent_path)
            self._driver_tasks[agent_path] = self.run_task(driver.run(), f"agent driver {agent_path}")

    def _stop_driver(self, agent_path: str) -> None:
        self.drivers.pop(agent_path, None)
        task = self._driver_tasks.pop(agent_path, None)
        if task is not None:
            task.cancel()

    # --- effects ---

    def effects_of_events(self) -> Effects:
        return {
            e.OrderAttachable: lambda _, order_id, event: self._queue_of(event.agent_path, "attach_order", order_id),
            e.OrderAttached: self._on_order_attached,
            e.OrderDetachable: self._on_order_detachable,
            e.OrderCancellationMarked: self._on_order_marked,
            e.OrderSuspensionMarked: self._on_order_marked,
            e.OrderResumptionMarked: self._on_order_marked,
            e.OrderGoMarked: self._on_order_marked,
            i.ItemAttachable: self._on_item_moves,
            i.ItemDetachable: self._on_item_moves,
            i.ItemDeleted: self._on_item_deleted,
            i.UnsignedSimpleItemAdded: self._on_item_added,
            i.UnsignedSimpleItemChanged: self._on_item_changed,
            s.SubagentResetStartedByController: self._on_subagent_reset_started,
            a.AgentEventsObserved: self._on_agent_events_observed,
            a.AgentResetStarted: self._on_agent_reset_started,
            a.AgentReset: self._on_agent_run_changed,
            a.AgentDedicated: self._on_agent_run_changed,
        }

    def _queue_of(self, agent_path: str, method: str, *arguments: Any) -> None:
        driver = self.drivers.get(agent_path)
        if driver is not None:  # else the Agent has been deleted meanwhile
            getattr(driver.queue, method)(*arguments)

    def _on_order_attached(self, event_id: int, order_id: str, event: e.OrderAttached) -> None:
        self._queue_of(event.agent_path, "attached", (order_id,))
        self._on_order_marked(event_id, order_id, event)

    def _on_order_detachable(self, event_id: int, order_id: str, event: Any) -> None:
        order = self.state.orders.get(order_id)
        if order is not None and isinstance(order.attached_state, Detaching):
            self._queue_of(order.attached_state.agent_path, "detach_order", order_id)

    def _on_order_marked(self, event_id: int, order_id: str, event: Any) -> None:
        order = self.state.orders.get(order_id)
        if order is not None and order.mark is not None and isinstance(order.attached_state, Attached):
            self._queue_of(order.attached_state.agent_path, "mark_order", order_id)

    def _on_item_moves(self, event_id: int, key: Any, event: i.ItemAttachable | i.ItemDetachable) -> None:
        self._queue_of(agent_path_of(event.delegate_id), "item", event.key)

    def _on_subagent_reset_started(self, event_id: int, subagent_id: str, event: Any) -> None:
        subagent = self.state.subagents.get(subagent_id)
        if subagent is not None:
            self._queue_of(subagent.subagent_item.agent_path, "reset_subagent", subagent_id)

    def _on_item_added(self, event_id: int, key: Any, event: i.UnsignedSimpleItemAdded) -> None:
        kind, name = split_key(_item_key(event.item))
        if kind == "Agent" and name in self.state.agents:
            self._start_driver(name)
            self.watches.look_at(name)

    def _on_item_changed(self, event_id: int, key: Any, event: i.UnsignedSimpleItemChanged) -> None:
        item = event.item
        if isinstance(item, SubagentItem | AgentRef):
            path = item.agent_path if isinstance(item, SubagentItem) else item.path
            driver = self.drivers.get(path)
            if driver is not None and driver.uris not in (None, self.state.director_uris(path)):
                driver.restart()
            self.watches.look_at(path)

    def _on_item_deleted(self, event_id: int, key: Any, event: i.ItemDeleted) -> None:
        kind, name = split_key(event.key)
        if kind == "Agent" and name not in self.state.agents:
            self._stop_driver(name)
            self.watches.look_at(name)

    def _on_agent_events_observed(self, event_id: int, agent_path: str, event: a.AgentEventsObserved) -> None:
        driver = self.drivers.get(agent_path)
        if driver is not None:
            driver.events_observed(event.until_event_id)

    def _on_agent_reset_started(self, event_id: int, agent_path: str, event: Any) -> None:
        driver = self.drivers.get(agent_path)
        if driver is not None:
            driver.reset()

    def _on_agent_run_changed(self, event_id: int, agent_path: str, event: Any) -> None:
        if agent_path in self.state.agents:
            self.watches.look_at(agent_path)

    # --- commands ---

    def _check(self, command: Any) -> None:
        problem = self.not_ready_problem()
        if problem is not None and not isinstance(command, cc.ShutDown):
            raise ProblemError(problem)

    def _decided_by(self, decide: Callable[[ControllerTransaction, Any], Any]) -> nc.Handler:
        def handle(command: Any, user_id: str) -> None:
            self.persist(lambda transaction: decide(transaction, command))

        return handle

    def _add_order(self, command: r.AddOrder, user_id: str) -> cc.AddOrderResponse:
        return cc.AddOrderResponse(not self.add_order(command.order))

    def _add_orders(self, command: r.AddOrders, user_id: str) -> cc.AddOrdersResponse:
        return cc.AddOrdersResponse(self.add_orders(command.orders))

    def add_order(self, order: r.FreshOrder) -> bool:
        """False: its id is known already. Not yet durable. Raises `ProblemError`."""
        self.check_space()
        return self.persist(lambda transaction: order_commands.add_order(transaction, order))

    def add_orders(self, orders: Sequence[r.FreshOrder]) -> int:
        """All or nothing, in one transaction; what follows comes in others. Not yet durable. Raises `ProblemError`."""
        self.check_space()
        self.persist(lambda transaction: order_commands.add_orders(transaction, orders), follow_up=False)
        return self.journal.appended_event_id

    async def update_items(self, body: bytes) -> None:
        """`POST item`: NDJSON operations, one transaction, durable when it returns. Raises `ProblemError`."""
        problem = self.not_ready_problem()
        if problem is not None:
            raise ProblemError(problem)
        self.check_space()
        operations: Operations = read_operations(body, self._verify)
        self.persist(lambda transaction: update_items(transaction, operations))
        await self.durable()

    def _verify(self, signed: Signed) -> None:
        try:
            signature = msgspec.convert(signed.signature, Signature)
        except msgspec.ValidationError as error:
            raise ProblemError(f"JSON DecodingFailure at signature: {error}") from error
        self._verifier().verify(signed.string, signature)

    def _reset_subagent(self, command: cc.ResetSubagent, user_id: str) -> None:
        self.persist(lambda transaction: reset_subagent(transaction, command.subagent_id, command.force))

    def _release_events(self, command: nc.ReleaseEvents, user_id: str) -> None:
        if user_id not in self._receivers:
            raise ProblemError.of("UserIsNotEnabledToReleaseEvents")
        self.release_events(user_id, command.until_event_id)

    async def _no_operation(self, command: nc.NoOperation, user_id: str) -> None:
        if command.duration:
            await asyncio.sleep(command.duration)

    async def _switch_over(self, command: cc.ClusterSwitchOver, user_id: str) -> None:
        if command.agent_path is None:
            await self.cluster.switch_over()
            return
        self.state.agent(command.agent_path)
        peer = self._peer_factory(command.agent_path, self.state.director_uris(command.agent_path))
        try:
            await peer.command(b'{"TYPE":"ClusterSwitchOver"}')
        except PeerUnreachableError as error:
            raise ProblemError(Problem(message=f"Agent {command.agent_path} cannot be asked: {error}")) from error
        finally:
            await peer.close()

    def _confirm_node_loss(self, command: cc.ConfirmClusterNodeLoss, user_id: str) -> None:
        """A person says that a Director is dead (cluster spec 2.2)."""
        self.state.agent(command.agent_path)
        self.watches.confirm(command.agent_path, command.lost_node_id, command.confirmer)
        self.persist(lambda t: t.emit(command.agent_path, a.AgentClusterWatchManuallyConfirmed()))

    async def _shut_down(self, command: cc.ShutDown, user_id: str) -> None:
        """Cluster spec 1.9.5."""
        action = None if command.cluster_action is None else command.cluster_action.get("TYPE")
        is_passive = self.cluster.phase is Phase.PASSIVE
        if action is not None and is_passive:
            raise ProblemError.of("PassiveClusterNodeShutdownNotAllowed")
        if action == "Switchover":
            await self.cluster.switch_over(is_final=not command.restart)
            return
        if action not in (None, "Failover"):
            raise ProblemError(f"Unknown clusterAction {action}: it is Switchover or Failover")
        code = EXIT_RESTART if command.restart else 0
        termination = Termination(
            exit_code=code,
            is_restart=command.restart,
            is_immediate=action == "Failover" or (is_passive and command.dont_notify_active_node),
            suppresses_snapshot=command.suppress_snapshot,
            reason="ShutDown",
        )
        asyncio.get_running_loop().call_later(SHUTDOWN_DELAY_SECONDS, self.terminate, termination)

    def _emergency_stop(self, command: nc.EmergencyStop, user_id: str) -> None:
        code = EXIT_EMERGENCY_RESTART if command.restart else EXIT_EMERGENCY
        self.terminate(Termination(exit_code=code, is_immediate=True, reason="EmergencyStop"))


def _item_key(item: Any) -> str:
    return item.key if hasattr(item, "key") else f"WorkflowPathControl:{item.path}"
