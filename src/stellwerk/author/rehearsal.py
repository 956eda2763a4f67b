"""A rehearsal: the real engine of a Controller and its Agents on simulated time, without journals and processes.

What nodes do at run time (attach and detach orders, adopt an Agent's events, run jobs, wait) is done here in the
plainest way, one thing after the other. How a job ends is asked of `job`; time passes only by `advance`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from stellwerk.engine import commands, processing
from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Attached, Attaching, Detaching, Order, Processing
from stellwerk.engine.state import Agent, Controller, EngineState, SubagentMetrics
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import Expression
from stellwerk.language.items import (
    Calendar,
    FileWatch,
    GlobalBoard,
    JobResource,
    LockItem,
    PlannableBoard,
    PlanSchema,
    SubagentBundle,
    UnsignedItem,
)
from stellwerk.language.outcomes import AnyOutcome, Failed, Killed, TimedOut
from stellwerk.language.positions import WorkflowId
from stellwerk.language.workflow import Workflow
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

#: What each Subagent of a rehearsal measures.
IDLE_MACHINE = SubagentMetrics(0.0, 1 << 30, 1 << 33, 1 << 34)


class JobEnd(msgspec.Struct, frozen=True):
    """How and after what time a job ends."""

    outcome: AnyOutcome
    duration_ms: int = 0


#: Asked when a job starts, and again as long as it says None: the job runs on.
Job = Callable[[Order], JobEnd | None]


class RehearsedState(EngineState):
    """An engine state with a repository of workflows and with job resources."""

    def __init__(self, role: Controller | Agent) -> None:
        super().__init__(role)
        self.current: dict[str, WorkflowId] = {}
        self.variables: dict[str, dict[str, Expression]] = {}

    def current_workflow_id(self, path: str) -> WorkflowId:
        found = self.current.get(path)
        if found is None:
            raise ProblemError.of("UnknownKey", type="Workflow", key=f"Workflow:{path}")
        return found

    def job_resource_variables(self) -> dict[str, dict[str, Expression]]:
        return self.variables


class Rehearsal:
    """See the module. `events` are those of the Controller's journal, `times_ms` when they were written."""

    def __init__(self, job: Job, now_ms: int, agents: Iterable[str] = ()) -> None:
        self.now_ms = now_ms
        self.job = job
        self.controller = RehearsedState(Controller())
        self.agents: dict[str, RehearsedState] = {}
        self.events: list[tuple[Any, Any]] = []
        self.times_ms: list[int] = []
        #: Numbers of events behind each transaction of the Controller.
        self.commits: list[int] = []
        self._todo: deque[Callable[[], None]] = deque()
        self._ends: list[tuple[int, int, str, str, AnyOutcome]] = []
        #: Running jobs → Agent; the end of some is not known yet.
        self._running: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._count = 0
        for path in agents:
            self.agent(path)

    def agent(self, path: str) -> RehearsedState:
        """The Agent, with one Subagent of its own."""
        agent = self.agents.get(path)
        if agent is None:
            agent = self.agents[path] = RehearsedState(Agent(path))
            subagent_id = agent.local_subagent_id = f"{path}-1"
            agent.usable_subagents[subagent_id] = agent.known_subagents[subagent_id] = None
            agent.subagent_metrics[subagent_id] = IDLE_MACHINE
            agent.workflows = self.controller.workflows
            agent.calendars = self.controller.calendars
            agent.subagent_bundles = self.controller.subagent_bundles
            agent.variables = self.controller.variables
        return agent

    # --- items and commands ---

    def add_workflow(self, workflow: Workflow) -> None:
        self.controller.workflows[workflow.id] = workflow
        self.controller.current[workflow.id.path] = workflow.id
        for path in workflow.agent_paths():
            self.agent(path)

    def add_item(self, item: UnsignedItem | JobResource) -> None:
        controller = self.controller
        match item:
            case JobResource():
                controller.variables[item.path] = item.variables
            case LockItem():
                controller.locks.put_item(item)
                self.transact(controller, lambda transaction: transaction.offer_locks([item.path]))
            case GlobalBoard() | PlannableBoard():
                controller.notices.put_board(item)
            case PlanSchema():
                controller.plans.put_schema(item)
            case FileWatch():
                controller.order_watches.put_item(item)
            case Calendar():
                controller.calendars[item.path] = item
            case SubagentBundle():
                controller.subagent_bundles[item.id] = item
                for agent in self.agents.values():
                    self.transact(agent, processing.offer_subagents)
            case _:
                raise ProblemError(f"{item.key} has no part in a rehearsal")

    def context(self) -> Context:
        return Context(now_ms=self.now_ms, controller_id="controller")

    def command(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """One command at the Controller with its follow-up; raises `ProblemError`."""
        result: Any = None

        def decide(transaction: Transaction) -> None:
            nonlocal result
            result = function(transaction, *arguments)

        self.transact(self.controller, decide)
        return result

    # --- running ---

    def transact(self, state: EngineState, decide: Callable[[Transaction], None]) -> None:
        with Transaction(state, self.context()) as transaction:
            decide(transaction)
            transaction.follow_up()
            while transaction.pending:
                transaction.follow_up()
        events = [(event.key, event.event) for event in transaction.events]
        if state is self.controller:
            self.events += events
            self.times_ms += [self.now_ms] * len(events)
            self.commits.append(len(self.events))
            for key, event in events:
                self._after_controller_event(key, event)
        elif events:
            self._adopt(state, events)

    def _adopt(self, agent: EngineState, events: list[tuple[Any, Any]]) -> None:
        """An Agent's events, as they come to the Controller."""
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

        self.transact(self.controller, decide)
        for key, event in events:
            if isinstance(event, e.OrderProcessingStarted) and event.subagent_id is not None:
                self._todo.append(lambda key=key: self._start_job(path, key))  # type: ignore[misc]
            elif isinstance(event, e.OrderCancellationMarked | e.OrderSuspensionMarked):
                self._todo.append(lambda key=key: self._kill_if_wanted(path, key))  # type: ignore[misc]

    def _after_controller_event(self, key: Any, event: Any) -> None:
        if isinstance(event, e.OrderAttachable):
            self._todo.append(lambda: self._attach(key))
        elif isinstance(event, e.OrderDetachable):
            self._todo.append(lambda: self._detach(key))
        elif isinstance(event, _MARKING):
            self._todo.append(lambda: self._send_mark(key))

    def _attach(self, order_id: str) -> None:
        order = self.controller.orders.get(order_id)
        if order is None or not isinstance(order.attached_state, Attaching):
            return
        path = order.attached_state.agent_path
        attached = msgspec.structs.replace(order, attached_state=Attached(path))
        self.transact(self.agent(path), lambda transaction: commands.attach_order(transaction, attached))

    def _detach(self, order_id: str) -> None:
        order = self.controller.orders.get(order_id)
        if order is not None and isinstance(order.attached_state, Detaching):
            agent = self.agent(order.attached_state.agent_path)
            self.transact(agent, lambda transaction: commands.detach_order(transaction, order_id))

    def _send_mark(self, order_id: str) -> None:
        order = self.controller.orders.get(order_id)
        if order is None or order.mark is None or not isinstance(order.attached_state, Attached):
            return
        mark = order.mark
        try:
            agent = self.agent(order.attached_state.agent_path)
            self.transact(agent, lambda transaction: commands.mark_order(transaction, order_id, mark))
        except ProblemError:
            return  # a Controller logs it

    # --- jobs ---

    def _start_job(self, path: str, order_id: str) -> None:
        order = self.agents[path].orders.get(order_id)
        if order is None or not isinstance(order.state, Processing):
            return
        self._running[order_id] = path
        if processing.kill_request(order) is not None:
            self._kill_if_wanted(path, order_id)
        elif not self._ask(path, order):
            self._unknown[order_id] = None

    def _ask(self, path: str, order: Order) -> bool:
        end = self.job(order)
        if end is None:
            return False
        outcome, duration_ms = end.outcome, end.duration_ms
        limit_ms = self._limit_ms(path, order)
        if limit_ms is not None and limit_ms < duration_ms:
            duration_ms = limit_ms
            outcome = TimedOut(outcome=Failed(named_values={"returnCode": 143}))
        self._count += 1
        heapq.heappush(self._ends, (self.now_ms + duration_ms, self._count, path, order.id, outcome))
        return True

    def _limit_ms(self, path: str, order: Order) -> int | None:
        """After what time the job is ended by its timeout, or by the end of its admission."""
        job = self.agents[path].job(order)[1]
        assert isinstance(order.state, Processing)
        end_ms = order.state.end_of_admission_period
        limits = [job.timeout_ms, None if end_ms is None else end_ms - self.now_ms]
        return min((limit for limit in limits if limit is not None), default=None)

    def _kill_if_wanted(self, path: str, order_id: str) -> None:
        order = self.agents[path].orders.get(order_id)
        kill = None if order is None else processing.kill_request(order)
        if kill is not None and order_id in self._running:
            code = 137 if kill.immediately else 143
            self._end_job(path, order_id, Killed(outcome=Failed(named_values={"returnCode": code})))

    def _end_job(self, path: str, order_id: str, outcome: AnyOutcome) -> None:
        if self._running.pop(order_id, None) is None:
            return
        self._unknown.pop(order_id, None)
        self.transact(self.agents[path], lambda transaction: processing.on_processed(transaction, order_id, outcome))

    # --- time ---

    def step(self) -> bool:
        """Do one thing that nodes would do by themselves now; False when there is nothing to do."""
        if self._todo:
            self._todo.popleft()()
            return True
        if self._ends and self._ends[0][0] <= self.now_ms:
            _, _, path, order_id, outcome = heapq.heappop(self._ends)
            self._end_job(path, order_id, outcome)
            return True
        for order_id in self._unknown:
            path = self._running[order_id]
            if self._ask(path, self.agents[path].orders[order_id]):
                del self._unknown[order_id]
                return True
        for state in (self.controller, *self.agents.values()):
            due = state.next_due()
            if due is not None and due <= self.now_ms:
                self.transact(state, lambda transaction: transaction.time_has_come())
                return True
        return False

    def run(self, limit: int = 1_000_000) -> None:
        """Until nothing happens any more at the present time. Raises `ProblemError` when that never comes."""
        for _ in range(limit):
            if not self.step():
                return
        raise ProblemError(f"no rest after {limit} steps: is there an endless loop without pause in the workflow?")

    def next_time_ms(self) -> int | None:
        """When something will happen by itself."""
        dues = [state.next_due() for state in (self.controller, *self.agents.values())]
        if self._ends:
            dues.append(self._ends[0][0])
        return min((due for due in dues if due is not None), default=None)

    def advance_to(self, time_ms: int) -> None:
        """Let time pass, and do what becomes due on the way."""
        self.run()
        while (due := self.next_time_ms()) is not None and due <= time_ms:
            self.now_ms = max(self.now_ms, due)
            self.run()
        self.now_ms = max(self.now_ms, time_ms)
        self.run()


_MARKING = (
    e.OrderAttached,
    e.OrderCancellationMarked,
    e.OrderSuspensionMarked,
    e.OrderResumptionMarked,
    e.OrderGoMarked,
)
