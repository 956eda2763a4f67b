"""What expressions of an order can see (workflow spec 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stellwerk.engine.context import Context
from stellwerk.engine.order import Order
from stellwerk.language.expressions import Expression, Scope
from stellwerk.language.expressions.scope import JobResourceScope
from stellwerk.language.instructions import ExecuteNamed, Try
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.outcomes import values_of
from stellwerk.language.positions import Position, WorkflowPosition, normalize, try_count, try_instruction
from stellwerk.language.workflow import Workflow
from stellwerk.values.json import JsonValue

if TYPE_CHECKING:
    from stellwerk.engine.state import EngineState

_SYMBOL_OF_NAME = {
    "js7OrderId": "orderId",
    "js7ControllerId": "controllerId",
    "js7WorkflowPath": "workflowPath",
    "js7Label": "label",
    "js7WorkflowPosition": "workflowPosition",
    "js7TryCount": "tryCount",
    "js7MaxTries": "maxTries",
}


class ClockScope(Scope):
    """Only time and environment: for expressions that belong to no order."""

    def __init__(self, context: Context) -> None:
        self.now_ms = context.now_ms
        self.environment = context.environment
        self.zone = context.zone
        self.has_schedule = False

    def named(self, name: str) -> JsonValue:
        assert self.now_ms is not None
        if name == "js7EpochMilli":
            return self.now_ms
        if name == "js7EpochSecond":
            return self.now_ms // 1000
        raise KeyError(name)


class OrderScope(Scope):
    """The scope of any expression of a running order; `position` may be one that the order only anticipates.

    `has_used_world` tells whether time, environment or job resources were looked at: such an expression must not be
    evaluated before the order has started (workflow spec 2.0).
    """

    def __init__(
        self,
        order: Order,
        workflow: Workflow,
        context: Context,
        position: Position | None = None,
        job_resources: Mapping[str, Mapping[str, Expression]] | None = None,
    ) -> None:
        self._order = order
        self._workflow = workflow
        self._context = context
        self._position = order.position if position is None else position
        self._job_resources = job_resources
        self.has_used_world = False
        self.zone = context.zone
        self.scheduled_for_ms = order.scheduled_for

    @property
    def now_ms(self) -> int | None:  # type: ignore[override]
        self.has_used_world = True
        return self._context.now_ms

    @property
    def environment(self) -> Mapping[str, str] | None:  # type: ignore[override]
        self.has_used_world = True
        return self._context.environment

    def named(self, name: str) -> JsonValue:
        try:
            return self.argument(name)
        except KeyError:
            pass
        for entry in reversed(self._order.historic_outcomes):
            values = values_of(entry.outcome)
            if values is not None and name in values:
                found: JsonValue = values[name]
                return found
        return self._predefined(name)

    def _predefined(self, name: str) -> JsonValue:
        symbol = _SYMBOL_OF_NAME.get(name)
        if symbol is not None:
            return self.symbol(symbol)
        if name == "js7WorkflowTimezone":
            return self._workflow.definition.time_zone
        if name == "js7EpochMilli":
            return self.now_ms
        if name == "js7EpochSecond":
            now = self.now_ms
            return None if now is None else now // 1000
        raise KeyError(name)

    def argument(self, name: str) -> JsonValue:
        arguments = self._order.arguments
        if name in arguments:
            found: JsonValue = arguments[name]
            return found
        parameter = self._workflow.definition.order_preparation.parameters.get(name)
        if parameter is not None:
            expression = parameter.expression
            if expression is not None and expression.is_pure:
                return expression.evaluate(Scope())
        raise KeyError(name)

    def by_label(self, label: str, key: str) -> JsonValue:
        position = self._workflow.position_of_label(label)
        for entry in reversed(self._order.historic_outcomes):
            if normalize(entry.position) == position:
                return (values_of(entry.outcome) or {})[key]  # type: ignore[no-any-return]
        raise KeyError(key)

    def by_job(self, job: str, key: str) -> JsonValue:
        for entry in reversed(self._order.historic_outcomes):
            if self._workflow.has_position(entry.position):
                instruction = self._workflow.instruction(entry.position)
                if isinstance(instruction, ExecuteNamed) and instruction.job_name == job:
                    return (values_of(entry.outcome) or {})[key]  # type: ignore[no-any-return]
        raise KeyError(key)

    def symbol(self, name: str) -> JsonValue:
        order = self._order
        match name:
            case "orderId":
                return order.id
            case "controllerId":
                return self._context.controller_id
            case "workflowPath":
                return order.workflow_id.path
            case "workflowPosition":
                return str(WorkflowPosition(order.workflow_id, self._position))
            case "label":
                return self._workflow.instruction(self._position).label or ""
            case "tryCount":
                return try_count(self._position)
            case "maxTries":
                return self._maximum_tries()
            case "timedOut":
                return order.timed_out
            case "workflow":
                return {"timezone": self._workflow.definition.time_zone}
        raise KeyError(name)

    def _maximum_tries(self) -> JsonValue:
        position = try_instruction(self._position)
        if position is None:
            raise KeyError("maxTries")
        instruction = self._workflow.instruction(position)
        return instruction.max_tries if isinstance(instruction, Try) else None

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        self.has_used_world = True
        if self._job_resources is None:
            raise LookupError(path)
        return self._job_resources[path]

    def job_resource_scope(self) -> Scope:
        names: dict[str, JsonValue] = {}
        for name in (*_SYMBOL_OF_NAME, "js7WorkflowTimezone", "js7EpochMilli", "js7EpochSecond"):
            try:
                names[name] = self._predefined(name)
            except KeyError:
                continue
        return JobResourceScope(self, names)


class JobScope(OrderScope):
    """The scope of a job's environment, command line and arguments: the job's own names first, defaults last."""

    def __init__(
        self,
        order: Order,
        workflow: Workflow,
        context: Context,
        job: WorkflowJob,
        job_name: str,
        default_arguments: Mapping[str, Expression],
        job_resources: Mapping[str, Mapping[str, Expression]] | None = None,
    ) -> None:
        super().__init__(order, workflow, context, job_resources=job_resources)
        self._job = job
        self._job_name = job_name
        self._default_arguments = {**job.default_arguments, **default_arguments}
        self._defaults_scope = _DefaultArgumentsScope(self)

    def _execution_count(self) -> int:
        """This execution included. A repetition after ProcessLost is a new entry of the history."""
        own = normalize(self._order.position)
        return 1 + sum(normalize(entry.position) == own for entry in self._order.historic_outcomes)

    def job_value(self, name: str) -> JsonValue:
        """`js7JobName`, `js7JobExecutionCount`, `js7Job`; raises `KeyError` for other names."""
        if name == "js7JobName":
            return self._job_name
        if name == "js7JobExecutionCount":
            return self._execution_count()
        if name == "js7Job":
            return {
                "name": self._job_name,
                "sigkillDelayMillis": self._job.sigkill_delay_ms,
                "timeoutMillis": self._job.timeout_ms,
                "processLimit": self._job.process_limit,
                "executionCount": self._execution_count(),
            }
        raise KeyError(name)

    def order_value(self, name: str) -> JsonValue:
        try:
            return self.job_value(name)
        except KeyError:
            return super().named(name)

    def named(self, name: str) -> JsonValue:
        try:
            return self.order_value(name)
        except KeyError:
            return self._default_arguments[name].evaluate(self._defaults_scope)

    def job_resource_scope(self) -> Scope:
        scope = super().job_resource_scope()
        names: dict[str, JsonValue] = {}
        for name in ("js7JobName", "js7JobExecutionCount", "js7Job"):
            names[name] = self.job_value(name)
        for name in (*_SYMBOL_OF_NAME, "js7WorkflowTimezone", "js7EpochMilli", "js7EpochSecond"):
            try:
                names[name] = scope.named(name)
            except KeyError:
                continue
        return JobResourceScope(self, names)


class _DefaultArgumentsScope(Scope):
    """Expressions inside default arguments: as the job's, but without default arguments, `now` and `toFile`."""

    def __init__(self, job_scope: JobScope) -> None:
        self._job_scope = job_scope
        self.environment = None
        self.scheduled_for_ms = job_scope.scheduled_for_ms
        self.zone = job_scope.zone

    def named(self, name: str) -> JsonValue:
        return self._job_scope.order_value(name)

    def argument(self, name: str) -> JsonValue:
        return self._job_scope.argument(name)

    def by_label(self, label: str, key: str) -> JsonValue:
        return self._job_scope.by_label(label, key)

    def by_job(self, job: str, key: str) -> JsonValue:
        return self._job_scope.by_job(job, key)

    def symbol(self, name: str) -> JsonValue:
        return self._job_scope.symbol(name)

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        return self._job_scope.job_resource(path)

    def job_resource_scope(self) -> Scope:
        return self._job_scope.job_resource_scope()


def order_scope(state: EngineState, order: Order, context: Context, position: Position | None = None) -> OrderScope:
    """The scope of an order's instruction in this state."""
    return OrderScope(order, state.workflow(order.workflow_id), context, position, state.job_resource_variables())


class JobResourceEnvironmentScope(Scope):
    """The scope of a job resource's `env`: the job's and the order's predefined names, then its own variables."""

    def __init__(self, job_scope: JobScope, variables: Mapping[str, Expression]) -> None:
        self._variables_scope = job_scope.job_resource_scope()
        self._job_scope = job_scope
        self._variables = variables
        self.zone = job_scope.zone
        self.scheduled_for_ms = job_scope.scheduled_for_ms
        self.environment = job_scope.environment
        self.now_ms = job_scope.now_ms

    def named(self, name: str) -> JsonValue:
        try:
            return self._variables_scope.named(name)
        except KeyError:
            return self._variables[name].evaluate(self._variables_scope)

    def symbol(self, name: str) -> JsonValue:
        return self._job_scope.symbol(name)

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        return self._job_scope.job_resource(path)

    def job_resource_scope(self) -> Scope:
        return self._variables_scope
