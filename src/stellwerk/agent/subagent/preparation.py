"""From an order to a launch: which job, with which values and in which environment (workflow spec 4.3, 4.4).

Everything comes from the order, the signed workflow and the job resources that the Subagent has been given.
"""

from __future__ import annotations

from collections.abc import Mapping

from stellwerk.agent.subagent.launch import JobLaunch
from stellwerk.engine.context import Context
from stellwerk.engine.order import Order
from stellwerk.engine.scopes import JobResourceEnvironmentScope, JobScope
from stellwerk.language.expressions import Expression, Scope
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.items import JobResource
from stellwerk.language.jobs import InternalExecutable, PathExecutable, ShellScriptExecutable, WorkflowJob
from stellwerk.language.outcomes import values_of
from stellwerk.language.workflow import Workflow
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import ProblemError


def prepare_launch(
    order: Order,
    attempt: str,
    end_of_admission_period: int | None,
    workflow: Workflow,
    job_resources: Mapping[str, JobResource],
    variables: Mapping[str, Mapping[str, Expression]],
    context: Context,
) -> JobLaunch:
    """The launch of the job at the order's position. Raises `ProblemError` when there is none.

    `variables` are those of all the job resources.
    """
    instruction = workflow.instruction(order.position) if workflow.has_position(order.position) else None
    if not isinstance(instruction, ExecuteNamed | ExecuteAnonymous):
        raise ProblemError(f"Order:{order.id} is not at a job of Workflow:{workflow.id}")
    key, job = workflow.job(order.position)
    scope = JobScope(
        order,
        workflow,
        context,
        job,
        key.name or "",
        instruction.default_arguments,
        variables,
    )
    return JobLaunch(
        order_id=order.id,
        attempt=attempt,
        job=job,
        environment=_environment(workflow, job, job_resources, scope),
        scope=scope,
        v1_arguments=_v1_arguments(order, job, scope),
        variables=_variables(order, job, instruction, scope),
        end_of_admission_period_ms=end_of_admission_period,
    )


def _environment(
    workflow: Workflow, job: WorkflowJob, job_resources: Mapping[str, JobResource], scope: JobScope
) -> list[tuple[str, Expression, Scope]]:
    """The executable's own variables, then job resources: the job's win over the workflow's, the first wins."""
    entries: list[tuple[str, Expression, Scope]] = [
        (name, expression, scope) for name, expression in job.executable.env.items()
    ]
    for path in (*reversed(workflow.definition.job_resource_paths), *reversed(job.job_resource_paths)):
        resource = job_resources.get(path)
        if resource is not None:
            resource_scope = JobResourceEnvironmentScope(scope, resource.variables)
            entries += [(name, expression, resource_scope) for name, expression in resource.env.items()]
    return entries


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
