"""Row changes: the result of a fold, ready for the database. Values only.

Rows are tuples in the order of the column lists here; one list per statement of the writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from stellwerk.cockpit.projection.model import (
    BROKEN,
    CANCELLED,
    FAILED,
    FINISHED,
    RUNNING,
    SUSPENDED,
    LiveOrder,
    LiveTask,
    State,
    encode_live_order,
    error_key,
    live_state,
    position_text,
    reason,
)

Row = tuple[object, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ORDER_COLUMNS = _names(
    "id controller_id order_id workflow_path workflow_version_id workflow_position workflow_folder workflow_name "
    "main_parent_id parent_id parent_order_id has_children name start_cause start_time_scheduled start_time "
    "start_event_id start_workflow_position start_variables current_hos_id end_time end_workflow_position "
    "end_event_id end_return_code end_message severity state state_time state_text error error_state error_reason "
    "error_return_code error_code error_text modified"
)
#: What changes after the insert. The others stay out of the update: SQLite rewrites the indexes of all that is set.
ORDER_UPDATES = _names(
    "workflow_path workflow_version_id workflow_position has_children current_hos_id end_time "
    "end_workflow_position end_event_id end_return_code end_message severity state state_time state_text error "
    "error_state error_reason error_return_code error_code error_text modified"
)
STEP_COLUMNS = _names(
    "id controller_id order_id workflow_path workflow_version_id workflow_position workflow_folder workflow_name "
    "ho_main_parent_id ho_id attempt retry_counter job_name job_label agent_id subagent_id start_time "
    "start_event_id start_variables end_time end_event_id end_variables return_code outcome severity error "
    "error_state error_reason error_code error_text log_lines log_bytes stderr_lines modified criticality"
)
STEP_UPDATES = _names(
    "end_time end_event_id end_variables return_code outcome severity error error_state error_reason error_code "
    "error_text log_lines log_bytes stderr_lines modified"
)
STATE_COLUMNS = _names("ho_main_parent_id ho_parent_id ho_id state state_time state_event_id state_code state_text")
EVENT_COLUMNS = _names("ho_id first_event_id last_event_id ho_main_parent_id events content")
LIVE_COLUMNS = _names(
    "controller_id order_id history_id workflow_path workflow_version_id workflow_position state reason agent_id "
    "job error_key is_child scheduled_for started since revision data"
)
LIVE_UPDATES = [name for name in LIVE_COLUMNS if name not in ("controller_id", "order_id", "is_child")]
ITEM_COLUMNS = _names("controller_id type path version_id is_current event_id content")
CLUSTER_COLUMNS = _names("controller_id agent_id event_id time event state active_id lost_id")
AGENT_COLUMNS = _names("controller_id kind agent_id state message uri timezone since revision")

TEXT_LENGTH = 500
VARIABLES_LENGTH = 4000

#: Severity of history rows (cockpit-services 5.3).
SUCCESSFUL, INCOMPLETE, UNSUCCESSFUL = 0, 1, 2


_ID, _END, _LINES = (STEP_COLUMNS.index(name) for name in ("id", "end_time", "log_lines"))
#: Lines that each log has: its begin and its end.
_OWN_LINES = 2


def ended_with_output(steps: Iterable[Row]) -> list[Row]:
    """Keys of the tasks that are over and have said something."""
    return [(row[_ID],) for row in steps if row[_END] is not None and row[_LINES] > _OWN_LINES]  # type: ignore[operator]


_PATH, _VERSION, _JOB = (STEP_COLUMNS.index(name) for name in ("workflow_path", "workflow_version_id", "job_name"))


def with_criticality(steps: list[Row], critical: Mapping[tuple[str, str], Mapping[str, str]]) -> list[Row]:
    """Rows of tasks with the criticality of their jobs, by path and version of the workflow. It is the last column."""
    if not any(critical.values()):
        return steps

    def of(row: Row) -> str | None:
        jobs = critical.get((str(row[_PATH]), str(row[_VERSION])))
        return None if jobs is None else jobs.get(str(row[_JOB]))

    return [(*row[:-1], of(row)) for row in steps]


class Changes(msgspec.Struct):
    """Everything one transaction writes besides the cursor."""

    orders: list[Row] = []
    steps: list[Row] = []
    states: list[Row] = []
    events: list[Row] = []
    log_chunks: list[Row] = []
    live: list[Row] = []
    live_removed: list[str] = []
    items: list[Row] = []
    events_removed: list[int] = []
    #: (type, path, version)
    items_removed: list[tuple[str, str, str]] = []
    versions_superseded: list[str] = []
    agents: list[Row] = []
    cluster_events: list[Row] = []
    observations: list[Row] = []
    #: Begins and ends of times of Agents and (id empty) the Controller: id, TYPE of the event, its id, time, message.
    availability: list[Row] = []
    notices: list[Row] = []
    #: Ids as in the database.
    notices_removed: list[str] = []
    boards_removed: list[str] = []
    controller_ready: tuple[int, int, str] | None = None
    controller_state: str | None = None
    #: For the live hub: the orders after the transaction, and tasks whose log has grown.
    touched: list[LiveOrder] = []
    removed: list[LiveOrder] = []
    logs: dict[int, int] = {}
    agents_touched: bool = False
    items_touched: bool = False
    tasks_touched: list[tuple[str, int]] = []


def order_row(controller_id: str, order: LiveOrder, state: State, time_ms: int) -> Row:
    """The history row of a started order as it stands."""
    failed = state in (FAILED, BROKEN, CANCELLED)
    severity = SUCCESSFUL if state is FINISHED else UNSUCCESSFUL if failed else INCOMPLETE
    position = position_text(order.position)
    has_error = failed and not order.is_succeeded
    message = None if order.message is None else order.message[:TEXT_LENGTH]
    return (
        order.history_id,
        controller_id,
        order.order_id,
        order.workflow_path,
        order.workflow_version_id,
        position,
        "/",
        order.workflow_path,
        order.main_history_id,
        order.parent_history_id,
        order.parent,
        order.has_children,
        order.branch_id or order.order_id,
        "fork" if order.parent is not None else "order",
        order.scheduled_for if order.scheduled_for is not None else order.added,
        order.started,
        order.start_event_id,
        order.start_position,
        order.arguments[:VARIABLES_LENGTH].decode("utf-8", "ignore") or None,
        order.last_task_id,
        order.ended,
        position if order.ended is not None else None,
        order.end_event_id,
        order.return_code if order.ended is not None else None,
        message if order.ended is not None else None,
        severity,
        state.code,
        time_ms,
        order.state,
        has_error,
        order.outcome if has_error else None,
        order.error_reason if has_error else None,
        order.return_code if has_error else None,
        order.error_code if has_error else None,
        message if has_error else None,
        time_ms,
    )


class TaskEnd(msgspec.Struct, frozen=True):
    """How an attempt ended."""

    time_ms: int
    event_id: int
    outcome: str
    is_succeeded: bool
    return_code: int | None
    variables: str | None
    reason: str | None
    code: str | None
    text: str | None


def step_row(controller_id: str, order: LiveOrder, task: LiveTask, end: TaskEnd | None, time_ms: int) -> Row:
    """The row of one attempt as it stands."""
    has_error = end is not None and not end.is_succeeded
    severity = INCOMPLETE if end is None else SUCCESSFUL if end.is_succeeded else UNSUCCESSFUL
    return (
        task.task_id,
        controller_id,
        order.order_id,
        order.workflow_path,
        order.workflow_version_id,
        task.position,
        "/",
        order.workflow_path,
        order.main_history_id,
        order.history_id,
        task.attempt,
        task.retry_counter,
        task.job,
        task.label,
        task.agent_id,
        task.subagent_id,
        task.start_ms,
        task.start_event_id,
        order.arguments[:VARIABLES_LENGTH].decode("utf-8", "ignore") or None,
        end.time_ms if end else None,
        end.event_id if end else None,
        end.variables if end else None,
        end.return_code if end else None,
        end.outcome if end else None,
        severity,
        has_error,
        end.outcome if end and has_error else None,
        end.reason if end and has_error else None,
        end.code if end and has_error else None,
        end.text if end and has_error else None,
        task.log_lines,
        task.log_bytes,
        task.stderr_lines,
        time_ms,
        None,
    )


def live_row(controller_id: str, order: LiveOrder) -> Row:
    """The row of the live table."""
    state = live_state(order)
    return (
        controller_id,
        order.order_id,
        order.history_id,
        order.workflow_path,
        order.workflow_version_id,
        position_text(order.position),
        state.code,
        reason(order),
        order.agent_id,
        order.task.job if order.task is not None else None,
        error_key(order) if state is FAILED else None,
        order.parent is not None,
        order.scheduled_for,
        order.started,
        order.since,
        order.revision,
        encode_live_order(order),
    )


def history_state(order: LiveOrder) -> State:
    """The state of the history row (cockpit-services 5.3)."""
    state = live_state(order)
    if order.state == "Broken":
        return BROKEN
    if order.state == "Finished":
        return FINISHED if order.is_succeeded else FAILED
    if state in (CANCELLED, SUSPENDED):
        return state
    return FAILED if state is FAILED and order.state != "ProcessingKilled" else RUNNING
