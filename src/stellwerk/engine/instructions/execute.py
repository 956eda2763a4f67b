"""Execute: run the job at its Agent (workflow spec 2.2, 4.6)."""

from __future__ import annotations

from stellwerk.engine import admission, subagents
from stellwerk.engine.events import order as e
from stellwerk.engine.processing import has_agent_slot
from stellwerk.engine.step import Step
from stellwerk.language.instructions import ExecuteAnonymous, ExecuteNamed
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.outcomes import Disrupted
from stellwerk.language.positions import next_position
from stellwerk.values.problems import ProblemError


def execute(step: Step, instruction: ExecuteNamed | ExecuteAnonymous) -> None:
    order = step.order
    key, job = step.workflow.job(order.position)
    if step.is_skipped_for_order_day(order.position, instruction):
        step.move(next_position(order.position), e.NO_ADMISSION_PERIOD_START)
        return
    if not step.is_at_agent(job.agent_path):
        return
    if not step.waits_for_schedule() and not _is_admitted(step, job):
        return
    if not step.is_started():
        return
    state = step.transaction.state
    if state.processes_of_job.get(key, 0) >= job.process_limit:
        state.wait_for_slot(key, order)
        return
    if not has_agent_slot(state):
        state.wait_for_slot(None, order)
        return
    try:
        choice = subagents.choose(step, job)
    except ProblemError as error:
        # The step is seen to have been tried: OrderProcessingStarted without Subagent (workflow spec 4.1).
        step.emit(e.OrderProcessingStarted())
        step.emit(e.OrderProcessed(outcome=Disrupted.other(error.problem)))
        return
    if isinstance(choice, subagents.Wait):
        state.wait_for_subagent(order, choice.wish)
        return
    state.waits_no_more(order.id)
    step.emit(
        e.OrderProcessingStarted(
            subagent_id=choice.subagent_id,
            subagent_bundle_id=choice.bundle_id if choice.bundle_id != choice.subagent_id else None,
            stick=choice.sticks,
            end_of_admission_period=_end_of_admission(step, job),
        )
    )


def _is_admitted(step: Step, job: WorkflowJob) -> bool:
    """True now; else the order waits, to be looked at again when the next period begins. Never again: for ever."""
    scheme, order = job.admission_time_scheme, step.order
    if scheme is None or order.force_admission:
        return True
    interval = scheme.interval(admission.zone_of(step.workflow), step.now_ms)
    if interval is not None and interval.contains(step.now_ms):
        return True
    if interval is not None:
        step.transaction.state.wait_for_admission(order, interval.start)
    return False


def _end_of_admission(step: Step, job: WorkflowJob) -> int | None:
    """When the process is to be ended: adjoining periods count as one."""
    scheme = job.admission_time_scheme
    if scheme is None or not job.kill_at_end_of_admission_period or step.order.force_admission:
        return None
    interval = scheme.long_interval(admission.zone_of(step.workflow), step.now_ms)
    return None if interval is None else interval.end
