"""What the projection lays aside for monitoring: ends of tasks and orders, and what happens to Agents and Controllers.

An `Observation` says all that the rules of monitoring need, so that they read no history. It is written in the
transaction of the rows themselves and is taken out in the transaction of what follows from it
(`cockpit.monitoring.service`): so nothing is lost and nothing comes twice, whoever is killed.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from stellwerk.cockpit.projection.changes import Row
from stellwerk.cockpit.projection.model import (
    BROKEN,
    CANCELLED,
    FAILED,
    FINISHED,
    LiveOrder,
    LiveTask,
    State,
    position_text,
)

TASK, OUTPUT, ORDER, AGENT, SUBAGENT, CONTROLLER, PAIR = (
    "task",
    "output",
    "order",
    "agent",
    "subagent",
    "controller",
    "pair",
)
OBSERVATION_COLUMNS = ("controller_id", "event_id", "history_id", "data")
#: States of an order that are an end, or want a person.
_ENDS = (FAILED, BROKEN, CANCELLED, FINISHED)


class Observation(msgspec.Struct, array_like=True, frozen=True):
    """`kind` says which members count. Instants are epoch milliseconds; `source`: Agent, Subagent or Controller."""

    kind: str
    event_id: int
    time_ms: int
    state: str = ""
    is_error: bool = False
    message: str | None = None
    order_id: str = ""
    history_id: int = 0
    main_history_id: int = 0
    workflow: str = ""
    version: str = ""
    position: str = ""
    return_code: int | None = None
    error_code: str | None = None
    scheduled_for: int | None = None
    started: int | None = None
    has_failed: bool = False
    task_id: int = 0
    job: str = ""
    label: str | None = None
    agent_id: str | None = None
    attempt: int = 0
    source: str = ""
    stderr_lines: int = 0


class Watcher(Protocol):
    """Who takes the observations."""

    @property
    def wants_successes(self) -> bool:
        """Whether what ends well, and has not failed before, is of interest, too."""
        ...

    def arrived(self) -> None:
        """Some have been committed."""
        ...

    def items_changed(self) -> None:
        """The Controller has other items, such as workflows, than before."""
        ...


def of_task(order: LiveOrder, task: LiveTask, event_id: int, time_ms: int, *, is_error: bool | None) -> Observation:
    """The end of an attempt; `is_error` None: its first output on standard error."""
    return Observation(
        kind=OUTPUT if is_error is None else TASK,
        event_id=event_id,
        time_ms=time_ms,
        is_error=is_error is True,
        message=order.message if is_error else (task.error_text if is_error is None else None),
        order_id=order.order_id,
        history_id=order.history_id,
        main_history_id=order.main_history_id,
        workflow=order.workflow_path,
        version=order.workflow_version_id,
        position=task.position,
        return_code=order.return_code if is_error is not None else None,
        error_code=order.error_code if is_error else None,
        scheduled_for=order.scheduled_for,
        started=task.start_ms,
        has_failed=order.has_failed,
        task_id=task.task_id,
        job=task.job,
        label=task.label,
        agent_id=task.agent_id,
        attempt=task.attempt,
        stderr_lines=task.stderr_lines,
    )


def of_order(order: LiveOrder, state: State, event_id: int, time_ms: int) -> Observation | None:
    """An order that failed, finished or was cancelled; None for other states."""
    if state not in _ENDS:
        return None
    is_error = state in (FAILED, BROKEN)
    return Observation(
        kind=ORDER,
        event_id=event_id,
        time_ms=time_ms,
        state=state.text,
        is_error=is_error,
        message=order.message if is_error else None,
        order_id=order.order_id,
        history_id=order.history_id,
        main_history_id=order.main_history_id,
        workflow=order.workflow_path,
        version=order.workflow_version_id,
        position=position_text(order.position),
        return_code=order.return_code,
        error_code=order.error_code if is_error else None,
        scheduled_for=order.scheduled_for,
        started=order.started,
        has_failed=order.has_failed,
        agent_id=order.agent_id,
    )


_encode = msgspec.msgpack.Encoder().encode
decode_observation = msgspec.msgpack.Decoder(Observation).decode


def observation_row(controller_id: str, observation: Observation) -> Row:
    return (controller_id, observation.event_id, observation.history_id, _encode(observation))
