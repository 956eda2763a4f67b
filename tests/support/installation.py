"""A Controller's and some Agents' engine state side by side, without journals, processes or time of their own.

What the nodes do at run time (attach, detach, adopt events, run jobs) is done here in the plainest way, step by step,
so that engine tests read as conversations. Jobs end when the test says so, or at once with `job_result`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from stellwerk.engine import commands, processing
from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Attached, Attaching, Detaching, Order, Processing
from stellwerk.engine.requests import FreshOrder
from stellwerk.engine.state import Agent, Controller, EngineState
from stellwerk.engine.transaction import Transaction
from stellwerk.language.items import (
    Calendar,
    FileWatch,
    GlobalBoard,
    LockItem,
    PlannableBoard,
    PlanSchema,
    SubagentBundle,
    UnsignedItem,
    read_unsigned_item,
)
from stellwerk.language.outcomes import AnyOutcome, Failed, Killed, Succeeded
from stellwerk.language.positions import WorkflowId
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

JobResult = Callable[[Order], AnyOutcome | None]


class ControllerOnly(EngineState):
    """The Controller's engine state with a repository of workflows."""

    def __init__(self) -> None:
        super().__init__(Controller())
        self.current: dict[str, WorkflowId] = {}

    def current_workflow_id(self, path: str) -> WorkflowId:
        found = self.current.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{path}")
        return found


class Installation:
    """`controller` and `agents` with one journal of the Controller: `events` as (order id, event)."""

    def __init__(self, agents: Iterable[str] = ("A", "B"), job_result: JobResult | None = None) -> None:
        self.now_ms = 1_748_772_000_000
        self.controller = ControllerOnly()
        self.agents = {path: EngineState(Agent(path)) for path in agents}
        for path, agent in self.agents.items():
            agent.usable_subagents[f"{path}-1"] = None
        self.events: list[tuple[str, Any]] = []
        #: Numbers of events behind each transaction of the Controller.
        self.commits: list[int] = []
        self.job_result: JobResult = job_result or (lambda order: Succeeded(named_values={"returnCode": 0}))
        self.sent_marks: dict[str, Any] = {}
        self.version = 0

    # --- set-up and commands ---

    def deploy(self, *items: dict[str, Any]) -> None:
        """Workflows and other items; those without TYPE are workflows."""
        self.version += 1
        for item in items:
            if item.get("TYPE", "Workflow") != "Workflow":
                self._add_item(read_unsigned_item(item))
                continue
            text = json.dumps({**item, "TYPE": "Workflow", "versionId": str(self.version)})
            workflow = read_workflow(text)
            self._add_workflow(workflow)

    def _add_item(self, item: UnsignedItem) -> None:
        controller = self.controller
        match item:
            case LockItem():
                controller.locks.put_item(item)
                self._transact(controller, lambda transaction: transaction.offer_locks([item.path]))
            case GlobalBoard() | PlannableBoard():
                controller.notices.put_board(item)
            case PlanSchema():
                controller.plans.put_schema(item)
            case FileWatch():
                controller.order_watches.put_item(item)
            case Calendar():
                for state in (controller, *self.agents.values()):
                    state.calendars[item.path] = item
            case SubagentBundle():
                for agent in self.agents.values():
                    agent.subagent_bundles[item.id] = item
            case _:
                raise AssertionError(f"{item} is not for this test")

    def _add_workflow(self, workflow: Workflow) -> None:
        for state in (self.controller, *self.agents.values()):
            state.workflows[workflow.id] = workflow
        self.controller.current[workflow.id.path] = workflow.id

    def context(self) -> Context:
        return Context(now_ms=self.now_ms, controller_id="controller")

    def command(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """One command at the Controller with its follow-up; raises `ProblemError`."""
        result: Any = None

        def decide(transaction: Transaction) -> None:
            nonlocal result
            result = function(transaction, *arguments)

        self._transact(self.controller, decide)
        return result

    def add(self, order_id: str, workflow: str = "W", **members: Any) -> None:
        self.command(commands.add_order, FreshOrder(id=order_id, workflow_path=workflow, **members))

    # --- running ---

    def _transact(self, state: EngineState, decide: Callable[[Transaction], None]) -> None:
        with Transaction(state, self.context()) as transaction:
            decide(transaction)
            transaction.follow_up()
            while transaction.pending:
                transaction.follow_up()
        if state is self.controller:
            self.events += [(event.key, event.event) for event in transaction.events]
            self.commits.append(len(self.events))
        else:
            self._adopt(state, [(event.key, event.event) for event in transaction.events])

    def _adopt(self, agent: EngineState, events: list[tuple[str, Any]]) -> None:
        assert isinstance(agent.role, Agent)
        path = agent.role.agent_path

        def decide(transaction: Transaction) -> None:
            for key, event in events:
                body = decode(encode(event))  # as on the wire
                assert body["TYPE"] == type(event).__struct_config__.tag
                translated: Any = event
                if isinstance(event, e.OrderAttachedToAgent):
                    translated = e.OrderAttached(agent_path=path)
                elif isinstance(event, e.OrderCancellationMarked):
                    translated = e.OrderCancellationMarkedOnAgent()
                elif isinstance(event, e.OrderSuspensionMarked):
                    translated = e.OrderSuspensionMarkedOnAgent()
                transaction.emit(key, translated)

        if events:
            self._transact(self.controller, decide)

    def step(self) -> bool:
        """Do one thing that nodes would do by themselves; False when there is nothing to do."""
        for order in list(self.controller.orders.values()):
            attached = order.attached_state
            if isinstance(attached, Attaching):
                moved = msgspec.structs.replace(order, attached_state=Attached(attached.agent_path))
                agent = self.agents[attached.agent_path]
                self._transact(agent, lambda t, o=moved: commands.attach_order(t, o))  # type: ignore[misc]
                self.sent_marks.pop(order.id, None)
                return True
            if isinstance(attached, Detaching):
                agent = self.agents[attached.agent_path]
                self._transact(agent, lambda t, i=order.id: commands.detach_order(t, i))  # type: ignore[misc]
                return True
            mark = order.mark
            if isinstance(attached, Attached) and mark is not None and self.sent_marks.get(order.id) != mark:
                self.sent_marks[order.id] = mark
                agent = self.agents[attached.agent_path]
                try:
                    self._transact(agent, lambda t, i=order.id, m=mark: commands.mark_order(t, i, m))  # type: ignore[misc]
                except ProblemError:
                    continue  # the Controller logs it
                return True
        for agent in self.agents.values():
            for order in list(agent.orders.values()):
                if type(order.state) is Processing:
                    outcome = self._outcome(order)
                    if outcome is not None:
                        self._transact(
                            agent,
                            lambda t, i=order.id, o=outcome: processing.on_processed(t, i, o),  # type: ignore[misc]
                        )
                        return True
        return self._timers()

    def _outcome(self, order: Order) -> AnyOutcome | None:
        kill = processing.kill_request(order)
        if kill is not None:
            return Killed(outcome=Failed(named_values={"returnCode": 137 if kill.immediately else 143}))
        return self.job_result(order)

    def _timers(self) -> bool:
        for state in (self.controller, *self.agents.values()):
            due = state.next_due()
            if due is not None and due <= self.now_ms:
                self._transact(state, lambda transaction: transaction.time_has_come())
                return True
        return False

    def run(self, limit: int = 10_000) -> None:
        """Until nothing happens any more at the present time."""
        for _ in range(limit):
            if not self.step():
                return
        raise AssertionError(f"no rest after {limit} steps:\n{self.history()}")

    def advance(self, seconds: float) -> None:
        """Let time pass and do what becomes due on the way."""
        end = self.now_ms + int(seconds * 1000)
        self.run()
        while True:
            due = [d for s in (self.controller, *self.agents.values()) if (d := s.next_due()) is not None and d <= end]
            if not due:
                break
            self.now_ms = max(self.now_ms, min(due))
            self.run()
        self.now_ms = end
        self.run()

    # --- looking ---

    def of(self, order_id: str) -> list[str]:
        """The Controller's events of one order, short: `OrderMoved [1]`."""
        return [short(event) for key, event in self.events if key == order_id]

    def state(self, order_id: str) -> str:
        return str(type(self.controller.orders[order_id].state).__struct_config__.tag)

    def history(self) -> str:
        return "\n".join(f"{key} {short(event)}" for key, event in self.events)


def short(event: Any) -> str:
    tag = str(type(event).__struct_config__.tag)
    match event:
        case e.OrderMoved():
            return f"{tag} {list(event.to)}" + (f" {event.reason.type}" if event.reason else "")
        case e.OrderCaught() | e.OrderFailed() | e.OrderFailedInFork():
            return f"{tag} {list(event.moved_to)}"
        case e.OrderAttachable() | e.OrderAttached():
            return f"{tag} {event.agent_path}"
    return tag
