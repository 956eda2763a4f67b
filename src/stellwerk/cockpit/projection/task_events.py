"""Events of processes → task rows of the history (one per attempt) and the pieces of their logs."""

from __future__ import annotations

from stellwerk.cockpit.projection.batch import Batch, Work
from stellwerk.cockpit.projection.changes import TaskEnd, step_row
from stellwerk.cockpit.projection.lines import Event
from stellwerk.cockpit.projection.logs import ERR, MAIN, OUT
from stellwerk.cockpit.projection.model import LiveTask, normalized, position_text, try_number
from stellwerk.cockpit.projection.observations import of_task
from stellwerk.cockpit.projection.order_events import clean, set_state, take_outcome
from stellwerk.values.json import encode


def processing_started(batch: Batch, work: Work, event: Event) -> None:
    order = work.order
    step = batch.step(order)
    position = position_text(order.position)
    key = position_text(normalized(order.position))
    attempt = order.attempts.get(key, 0) + 1
    order.attempts = {**order.attempts, key: attempt}
    agent_id = order.agent_id or (step.agent if step is not None else None)
    task = LiveTask(
        task_id=batch.ids.next_task(),
        start_event_id=event.event_id,
        start_ms=event.time_ms,
        position=position,
        job=(step.job if step is not None else None) or position,
        label=step.label if step is not None else None,
        agent_id=agent_id,
        subagent_id=event.subagent_id,
        attempt=attempt,
        retry_counter=try_number(order.position),
    )
    order.task = task
    order.last_task_id = task.task_id
    if order.mark == "Cancelling" and order.started is None:
        order.mark = None
    set_state(work, "Processing", event)
    work.task_changed = True
    label = f", label={task.label}" if task.label else ""
    subagent = f", subagent={task.subagent_id}" if task.subagent_id else ""
    text = f"[Start] Job={task.job}{label}, Agent(id={agent_id or ''}{subagent})\n"
    batch.log(work, task, event.event_id).append(event.time_ms, MAIN, text)
    batch.changes.tasks_touched.append((order.order_id, task.task_id))


def stdout(batch: Batch, work: Work, event: Event) -> None:
    output(batch, work, event, OUT)


def stderr(batch: Batch, work: Work, event: Event) -> None:
    output(batch, work, event, ERR)


def output(batch: Batch, work: Work, event: Event, channel: int) -> None:
    order = work.order
    task = order.task
    if task is None:
        return  # output after the end of a gap: its task is unknown
    before = task.stderr_lines
    batch.log(work, task, event.event_id).append(event.time_ms, channel, event.chunk)
    order.stderr_lines += task.stderr_lines - before
    work.task_changed = True
    if channel == ERR and before == 0 and task.stderr_lines > 0:
        batch.observe(of_task(order, task, event.event_id, event.time_ms, is_error=None))


def processed(batch: Batch, work: Work, event: Event) -> None:
    order, outcome, task = work.order, event.outcome, work.order.task
    take_outcome(order, outcome)
    set_state(work, "Processed", event)
    if task is None or outcome is None:
        return
    succeeded = outcome.is_succeeded
    text = None if succeeded else outcome.text or task.error_text.strip() or None
    if not succeeded and order.message is None:
        order.message = clean(text)
    reason = outcome.reason.TYPE if outcome.reason is not None else None
    end = "[End] [Success]" if succeeded else "[End] [Error]"
    code = f" returnCode={outcome.return_code}" if outcome.return_code is not None else ""
    tail = "" if succeeded else f", errorState={outcome.TYPE}{f', reason={reason}' if reason else ''}"
    tail += f", msg={text}" if text and not succeeded else ""
    batch.log(work, task, event.event_id).append(event.time_ms, MAIN, f"{end}{code}{tail}\n")
    batch.flush_log(work)
    batch.changes.steps.append(
        step_row(
            batch.controller_id,
            order,
            task,
            TaskEnd(
                time_ms=event.time_ms,
                event_id=event.event_id,
                outcome="ProcessLost" if outcome.is_process_lost else outcome.TYPE,
                is_succeeded=succeeded,
                return_code=outcome.return_code,
                variables=encode(outcome.values).decode()[:4000] if outcome.values else None,
                reason=reason,
                code=outcome.problem_code,
                text=clean(text),
            ),
            event.time_ms,
        )
    )
    work.task_changed = False
    order.has_failed |= not succeeded
    batch.observe(of_task(order, task, event.event_id, event.time_ms, is_error=not succeeded))
    order.task = None
    batch.changes.tasks_touched.append((order.order_id, task.task_id))
