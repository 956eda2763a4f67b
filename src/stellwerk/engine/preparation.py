"""The arguments of a new order: checked, and impure defaults frozen (workflow spec 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stellwerk.engine.context import Context
from stellwerk.language.expressions import Expression, Scope
from stellwerk.language.expressions.scope import JobResourceScope
from stellwerk.language.workflow import Workflow
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import Problem, ProblemError


class _PreparationScope(Scope):
    """Other arguments and parameters, the order's and the Controller's names, time, environment, job resources."""

    def __init__(
        self,
        order_id: str,
        workflow: Workflow,
        arguments: Mapping[str, Any],
        scheduled_for: int | None,
        context: Context,
        job_resources: Mapping[str, Mapping[str, Expression]] | None,
    ) -> None:
        self._names: dict[str, JsonValue] = {
            "js7OrderId": order_id,
            "js7WorkflowPath": workflow.id.path,
            "js7ControllerId": context.controller_id,
            "js7EpochMilli": context.now_ms,
            "js7EpochSecond": context.now_ms // 1000,
        }
        self._symbols: dict[str, JsonValue] = {
            "orderId": order_id,
            "workflowPath": workflow.id.path,
            "controllerId": context.controller_id,
        }
        self._arguments = arguments
        self._parameters = workflow.definition.order_preparation.parameters
        self._values: dict[str, JsonValue] = {}
        self._evaluating: set[str] = set()
        self._job_resources = job_resources
        self.scheduled_for_ms = scheduled_for
        self.environment = context.environment
        self.now_ms = context.now_ms
        self.zone = context.zone

    def value(self, name: str, expression: Expression) -> JsonValue:
        """The value of a parameter's expression, each evaluated once."""
        if name not in self._values:
            if name in self._evaluating:
                raise ProblemError.of("RecursiveEvaluation")
            self._evaluating.add(name)
            try:
                self._values[name] = expression.evaluate(self)
            finally:
                self._evaluating.discard(name)
        return self._values[name]

    def named(self, name: str) -> JsonValue:
        try:
            return self.argument(name)
        except KeyError:
            return self._names[name]

    def argument(self, name: str) -> JsonValue:
        if name in self._arguments:
            given: JsonValue = self._arguments[name]
            return given
        parameter = self._parameters[name]
        if parameter.expression is None:
            raise KeyError(name)
        return self.value(name, parameter.expression)

    def symbol(self, name: str) -> JsonValue:
        return self._symbols[name]

    def job_resource(self, path: str) -> Mapping[str, Expression]:
        if self._job_resources is None:
            raise LookupError(path)
        return self._job_resources[path]

    def job_resource_scope(self) -> Scope:
        return JobResourceScope(self, self._names)


def prepare_arguments(
    workflow: Workflow,
    order_id: str,
    arguments: Mapping[str, Any],
    scheduled_for: int | None,
    context: Context,
    job_resources: Mapping[str, Mapping[str, Expression]] | None,
) -> dict[str, Any]:
    """The arguments as OrderAdded holds them. Raises `ProblemError` with everything that is wrong."""
    preparation = workflow.definition.order_preparation
    problems = preparation.problems(arguments)
    if problems:
        raise ProblemError(Problem.combined(problems))
    if not preparation.parameters:
        return dict(arguments)
    scope = _PreparationScope(order_id, workflow, arguments, scheduled_for, context, job_resources)
    prepared = dict(arguments)
    for name, parameter in preparation.parameters.items():
        expression = parameter.expression
        if expression is None or name in arguments or expression.is_pure:
            continue
        try:
            prepared[name] = scope.value(name, expression)
        except ProblemError as error:
            problems.append(
                Problem.of("EvaluationFailed", name=name, expression=expression.canonical(), problem=str(error.problem))
            )
    if problems:
        raise ProblemError(Problem.combined(problems))
    return prepared
