"""Execute: run the job at its Agent (workflow spec 2.2)."""

from __future__ import annotations

from stellwerk.engine.events import order as e
from stellwerk.engine.processing import has_agent_slot
from stellwerk.engine.step import Step
from stellwerk.language.expressions import soft_string
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.outcomes import Disrupted
from stellwerk.values.problems import Problem, ProblemError


def execute(step: Step, instruction: ExecuteNamed | ExecuteAnonymous) -> None:
    order = step.order
    key, job = step.workflow.job(order.position)
    if not step.is_at_agent(job.agent_path) or not step.is_started():
        return
    state = step.transaction.state
    if state.processes_of_job.get(key, 0) >= job.process_limit:
        state.wait_for_slot(key, order)
        return
    if not has_agent_slot(state):
        state.wait_for_slot(None, order)
        return
    try:
        subagent_id = _choose_subagent(step, job)
    except ProblemError as error:
        # The step is seen to have been tried: OrderProcessingStarted without Subagent (workflow spec 4.1).
        step.emit(e.OrderProcessingStarted())
        step.emit(e.OrderProcessed(outcome=Disrupted.other(error.problem)))
        return
    if subagent_id is None:
        state.wait_for_slot(None, order)
        return
    step.emit(e.OrderProcessingStarted(subagent_id=subagent_id))


def _choose_subagent(step: Step, job: WorkflowJob) -> str | None:
    """The Subagent to use; None: none is usable now, the order waits.

    Bundles come with the cluster issue: here a Subagent's id, the empty string (the local one) or nothing.
    """
    usable = step.transaction.state.usable_subagents
    wanted = ""
    if job.subagent_bundle_id_expr is not None:
        wanted = soft_string(job.subagent_bundle_id_expr.evaluate(step.scope())) or ""
    if wanted:
        if wanted in usable:
            return wanted
        if wanted in step.transaction.state.known_subagents:
            return None
        raise ProblemError(Problem.of("UnknownKey", type="SubagentBundle", key=f"SubagentBundle:{wanted}"))
    return next(iter(usable), None)
