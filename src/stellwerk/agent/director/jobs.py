"""Jobs of orders: from a durable OrderProcessingStarted to a process, from its end to OrderProcessed.

The Director's side of the local Subagent. Guarantees: a process starts only after its OrderProcessingStarted is durable
and once per attempt (whose id is that event's id); its output is read on only when the chunks before are durable;
OrderProcessed comes after all of its output. When the node stops, running jobs are killed and nothing is written of it:
the next start finds their orders Processing and settles them as lost (workflow spec 4.8), after `kill_survivors` has
made sure that they are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.agent.subagent.job_runner import JobRunner
from stellwerk.agent.subagent.launch import JobLaunch
from stellwerk.effects.clock import Clock
from stellwerk.engine import processing
from stellwerk.engine.context import Context
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order, Processing
from stellwerk.engine.scopes import JobResourceEnvironmentScope, JobScope
from stellwerk.engine.transaction import Transaction
from stellwerk.language.expressions import Expression, Scope
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.jobs import InternalExecutable, PathExecutable, ShellScriptExecutable, WorkflowJob
from stellwerk.language.outcomes import AnyOutcome, Disrupted, values_of
from stellwerk.language.workflow import Workflow
from stellwerk.node.persist import Effect, Persister
from stellwerk.node.state import NodeState
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import Problem, ProblemError

logger = logging.getLogger(__name__)


class JobDriver:
    """Runs the jobs of the orders that are at this Agent. `attach` gives it the persister before the first effect."""

    def __init__(
        self,
        state: NodeState,
        runner: JobRunner,
        clock: Clock,
        environment: Mapping[str, str],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._state = state
        self._runner = runner
        self._clock = clock
        self._zone = clock.zone()  # asks the system: once, not for each job
        self._environment = environment
        self._on_bug = on_bug
        self._persister: Persister[Any] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def attach(self, persister: Persister[Any]) -> None:
        self._persister = persister

    @property
    def persister(self) -> Persister[Any]:
        assert self._persister is not None, "the job driver has not been attached to its node"
        return self._persister

    @property
    def running_count(self) -> int:
        return len(self._tasks)

    def effects(self) -> Mapping[type, Effect]:
        """What durable events make this driver do."""
        return {
            e.OrderProcessingStarted: self._on_started,
            e.OrderCancellationMarked: self._on_marked,
            e.OrderSuspensionMarked: self._on_marked,
        }

    def _on_started(self, event_id: int, order_id: str, event: e.OrderProcessingStarted) -> None:
        order = self._state.orders.get(order_id)
        if order is None or not isinstance(order.state, Processing) or event.subagent_id is None or self._is_stopping:
            return
        launch = self._launch(order, str(event_id), event.end_of_admission_period)
        # The runner knows the order from this call on, so that a mark that came first can kill it.
        outcome = self._runner.run(launch, _Output(self.persister, order_id))
        task = asyncio.get_running_loop().create_task(self._process(order_id, event_id, outcome))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._kill_if_wanted(order_id)

    def _on_marked(self, event_id: int, order_id: str, event: Any) -> None:
        self._kill_if_wanted(order_id)

    def _kill_if_wanted(self, order_id: str) -> None:
        order = self._state.orders.get(order_id)
        kill = None if order is None else processing.kill_request(order)
        if kill is not None:
            self._runner.kill(order_id, kill.immediately)

    async def _process(self, order_id: str, attempt: int, running: Any) -> None:
        try:
            outcome: AnyOutcome = await running
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._is_stopping:
                return
            self._on_bug(error)
            return
        if not self._is_stopping:
            self.persister.persist_internally(lambda t: self._processed(t, order_id, outcome))

    def _processed(self, transaction: Transaction, order_id: str, outcome: AnyOutcome) -> None:
        order = self._state.orders.get(order_id)
        if order is not None and isinstance(order.state, Processing):
            processing.on_processed(transaction, order_id, outcome)

    # --- what is run ---

    def _launch(self, order: Order, attempt: str, end_of_admission_period: int | None) -> JobLaunch:
        workflow = self._state.workflow(order.workflow_id)
        key, job = workflow.job(order.position)
        instruction = workflow.instruction(order.position)
        assert isinstance(instruction, ExecuteNamed | ExecuteAnonymous)
        context = Context(self._clock.now_ms(), self._zone, self._environment, controller_id=self._state.controller_id)
        scope = JobScope(
            order,
            workflow,
            context,
            job,
            key.name or "",
            instruction.default_arguments,
            self._state.job_resource_variables(),
        )
        return JobLaunch(
            order_id=order.id,
            attempt=attempt,
            job=job,
            environment=self._job_environment(workflow, job, scope),
            scope=scope,
            v1_arguments=_v1_arguments(order, job, scope),
            variables=_variables(order, job, instruction, scope),
            end_of_admission_period_ms=end_of_admission_period,
        )

    def _job_environment(
        self, workflow: Workflow, job: WorkflowJob, scope: JobScope
    ) -> list[tuple[str, Expression, Scope]]:
        """The executable's own variables, then job resources: the job's win over the workflow's, the first wins."""
        entries: list[tuple[str, Expression, Scope]] = [
            (name, expression, scope) for name, expression in job.executable.env.items()
        ]
        for path in (*reversed(workflow.definition.job_resource_paths), *reversed(job.job_resource_paths)):
            resource = self._state.job_resources.get(path)
            if resource is not None:
                resource_scope = JobResourceEnvironmentScope(scope, resource.variables)
                entries += [(name, expression, resource_scope) for name, expression in resource.env.items()]
        return entries

    # --- life ---

    def settle_lost_processes(self, transaction: Transaction) -> None:
        """At a start, when survivors are gone: what was Processing is lost (cluster spec 2.5)."""
        lost = Disrupted.process_lost(Problem.of("ProcessLostDueToRestart"))
        for order in list(self._state.processing_orders()):
            processing.on_processed(transaction, order.id, lost)

    async def idle(self) -> None:
        """Return when no job runs any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def kill_all(self, immediately: bool) -> None:
        """As an orderly stop with a signal wants it; the outcomes are journaled."""
        for order_id in self._runner.order_ids:
            self._runner.kill(order_id, immediately)

    async def stop(self) -> None:
        """Kill what still runs and write nothing of it."""
        self._is_stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                logger.error("A job ended badly while the Agent stopped: %r", result)
        await self._runner.close_workers()


def _variables(
    order: Order, job: WorkflowJob, instruction: ExecuteNamed | ExecuteAnonymous, scope: JobScope
) -> Mapping[str, JsonValue]:
    """What an internal job may use by the names of its parameters; a default that cannot be evaluated is left out."""
    if not isinstance(job.executable, InternalExecutable):
        return {}
    values: dict[str, JsonValue] = {}
    names = dict.fromkeys([*job.default_arguments, *instruction.default_arguments, *order.arguments])
    for entry in order.historic_outcomes:
        names.update(dict.fromkeys(values_of(entry.outcome) or {}))
    for name in names:
        try:
            values[name] = scope.named(name)
        except (KeyError, ProblemError):
            continue
    return values


def _v1_arguments(order: Order, job: WorkflowJob, scope: JobScope) -> Mapping[str, JsonValue]:
    executable = job.executable
    if not isinstance(executable, ShellScriptExecutable | PathExecutable) or not executable.v1_compatible:
        return {}
    values: dict[str, JsonValue] = {}
    for name in (*job.default_arguments, *order.arguments):
        values[name] = scope.named(name)
    for entry in order.historic_outcomes:
        for name in getattr(entry.outcome, "named_values", {}):
            values[name] = scope.named(name)
    return values


class _Output:
    """Journals the output of one job; the job's pipe is read on only when it is durable (journal spec 7.2)."""

    def __init__(self, persister: Persister[Any], order_id: str) -> None:
        self._persister = persister
        self._order_id = order_id

    async def stdout(self, chunk: str) -> None:
        await self._written(e.OrderStdoutWritten(chunk=chunk))

    async def stderr(self, chunk: str) -> None:
        await self._written(e.OrderStderrWritten(chunk=chunk))

    async def _written(self, event: e.OrderEvent) -> None:
        self._persister.persist(lambda transaction: transaction.emit(self._order_id, event), follow_up=False)
        await self._persister.durable()
