"""History of orders and tasks, their events and logs (cockpit-services 5.4).

Written by the projection only. Differences from the reference's tables: the events of an order are kept as they came
(`history_order_events`), so that the order log is rendered when it is read; the log of a task is kept in chunk rows
(`history_log_chunks`) that can be read by line range while the task still runs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, reference, text_column


def _only(condition: str) -> dict[str, Any]:
    """Options of a partial index. SQLite finds it only for statements with the same literals: `IS_ROOT`, `IS_CHILD`,
    `is_severity`."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


#: How far each Controller's events have been projected; written in the transaction of the rows themselves.
history_cursors = Table(
    "history_cursors",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("released_event_id", BigInteger, nullable=False, default=0, server_default="0"),
    Column("gaps", Integer, nullable=False, default=0, server_default="0"),
    instant("gap_time"),
)

history_orders = Table(
    "history_orders",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("order_id", nullable=False),
    text_column("workflow_path", nullable=False),
    text_column("workflow_version_id", nullable=False),
    text_column("workflow_position", nullable=False),
    text_column("workflow_folder", nullable=False),
    text_column("workflow_name", nullable=False),
    reference("main_parent_id"),
    reference("parent_id"),
    text_column("parent_order_id"),
    flag("has_children"),
    text_column("name", nullable=False),
    text_column("start_cause", nullable=False),
    instant("start_time_scheduled"),
    instant("start_time", nullable=False),
    Column("start_event_id", BigInteger, nullable=False),
    text_column("start_workflow_position", nullable=False),
    text_column("start_variables"),
    reference("current_hos_id", nullable=True),
    instant("end_time"),
    text_column("end_workflow_position"),
    Column("end_event_id", BigInteger),
    Column("end_return_code", Integer),
    text_column("end_message"),
    Column("severity", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    instant("state_time", nullable=False),
    text_column("state_text"),
    flag("error"),
    text_column("error_state"),
    text_column("error_reason"),
    Column("error_return_code", Integer),
    text_column("error_code"),
    text_column("error_text"),
    instant("modified", nullable=False),
    # Takes the place of the reference's constraint_hash: an event that is projected twice cannot give a second row.
    UniqueConstraint("order_id", "start_event_id"),
    Index(None, "main_parent_id"),
    # Lists are of roots, newest first: all of them, those of one workflow, and of each what has not succeeded. What
    # succeeded is found by time. Partial, so that SQLite does not take `parent_id = 0` for a selective condition.
    Index("ix_history_orders_children", "parent_id", **_only("parent_id > 0")),
    Index("ix_history_orders_roots", "start_time", **_only("parent_id = 0")),
    Index("ix_history_orders_workflow", "workflow_name", "start_time", **_only("parent_id = 0")),
    Index("ix_history_orders_unfinished", "start_time", **_only("severity = 1 AND parent_id = 0")),
    Index("ix_history_orders_failed", "start_time", **_only("severity = 2 AND parent_id = 0")),
    Index(
        "ix_history_orders_workflow_failed",
        "workflow_name",
        "start_time",
        **_only("severity = 2 AND parent_id = 0"),
    ),
)

IS_ROOT: ColumnElement[bool] = history_orders.c.parent_id == literal_column("0")
IS_CHILD: ColumnElement[bool] = history_orders.c.parent_id > literal_column("0")


def is_severity(table: Table, severity: int) -> ColumnElement[bool]:
    """Orders or tasks: 0 successful, 1 incomplete, 2 failed."""
    return table.c.severity == literal_column(str(int(severity)))


#: State changes of a started order worth a line: failed, suspended, resumed, stopped, ...
history_order_states = Table(
    "history_order_states",
    METADATA,
    id_column(),
    reference("ho_main_parent_id"),
    reference("ho_parent_id"),
    reference("ho_id"),
    Column("state", Integer, nullable=False),
    instant("state_time", nullable=False),
    Column("state_event_id", BigInteger, nullable=False),
    text_column("state_code"),
    text_column("state_text"),
    Index(None, "ho_id"),
)

#: One row per *attempt* of a job. `start_event_id` is the id of its OrderProcessingStarted, `attempt` counts from 1
#: per order and position.
history_order_steps = Table(
    "history_order_steps",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("order_id", nullable=False),
    text_column("workflow_path", nullable=False),
    text_column("workflow_version_id", nullable=False),
    text_column("workflow_position", nullable=False),
    text_column("workflow_folder", nullable=False),
    text_column("workflow_name", nullable=False),
    reference("ho_main_parent_id"),
    reference("ho_id"),
    Column("attempt", Integer, nullable=False),
    Column("retry_counter", Integer, nullable=False),
    text_column("job_name", nullable=False),
    text_column("job_label"),
    text_column("criticality"),
    text_column("agent_id"),
    text_column("subagent_id"),
    instant("start_time", nullable=False),
    Column("start_event_id", BigInteger, nullable=False),
    text_column("start_variables"),
    instant("end_time"),
    Column("end_event_id", BigInteger),
    text_column("end_variables"),
    Column("return_code", Integer),
    text_column("outcome"),
    Column("severity", Integer, nullable=False),
    flag("error"),
    text_column("error_state"),
    text_column("error_reason"),
    text_column("error_code"),
    text_column("error_text"),
    Column("log_lines", BigInteger, nullable=False),
    Column("log_bytes", BigInteger, nullable=False),
    Column("stderr_lines", BigInteger, nullable=False),
    instant("modified", nullable=False),
    UniqueConstraint("ho_id", "start_event_id"),
    Index(None, "start_time"),
    Index(None, "ho_main_parent_id"),
    # As for orders; a workflow has few jobs, so that one job of one workflow is found by either of the two.
    Index(None, "workflow_name", "start_time"),
    Index(None, "job_name", "start_time"),
    Index("ix_history_order_steps_unfinished", "start_time", **_only("severity = 1")),
    Index("ix_history_order_steps_failed", "start_time", **_only("severity = 2")),
    Index("ix_history_order_steps_workflow_failed", "workflow_name", "start_time", **_only("severity = 2")),
    Index("ix_history_order_steps_job_failed", "job_name", "start_time", **_only("severity = 2")),
)

#: Events of one order from one transaction, as they stood on the wire: lines joined by line feeds.
#: Standard output and error are not here but in `history_log_chunks`.
history_order_events = Table(
    "history_order_events",
    METADATA,
    Column("ho_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_event_id", BigInteger, nullable=False),
    reference("ho_main_parent_id"),
    Column("events", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index(None, "ho_main_parent_id", "first_event_id"),
)

#: Output of one task from one transaction: the records of `stellwerk.cockpit.projection.logs`, joined.
#: Lines `first_line` to `last_line` (from 1) have at least a part in `content`.
history_log_chunks = Table(
    "history_log_chunks",
    METADATA,
    Column("hos_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_line", BigInteger, nullable=False),
    Column("last_line", BigInteger, nullable=False),
    Column("first_byte", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    #: True if the first piece goes on with a line that an earlier chunk has begun.
    Column("continues_line", Boolean, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

#: Tasks that have ended with output and whose words are not in the index yet.
history_log_pending = Table(
    "history_log_pending",
    METADATA,
    Column("hos_id", BigInteger, primary_key=True, autoincrement=False),
)

#: The distinct words of a task's output (`stellwerk.cockpit.history.words`). SQLite has them once more in the FTS5
#: table `history_log_words`, which triggers of this one keep. `is_whole`: they are all.
history_log_index = Table(
    "history_log_index",
    METADATA,
    Column("hos_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    flag("is_whole"),
    Column("words", Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    Index("ix_history_log_index_partial", "hos_id", **_only("NOT is_whole")),
)

history_controllers = Table(
    "history_controllers",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    Column("ready_event_id", BigInteger, primary_key=True, autoincrement=False),
    text_column("timezone", nullable=False),
    instant("ready_time", nullable=False),
    instant("shutdown_time"),
    instant("last_known_time"),
)

history_agents = Table(
    "history_agents",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("agent_id", nullable=False, primary_key=True),
    Column("ready_event_id", BigInteger, primary_key=True, autoincrement=False),
    text_column("uri"),
    text_column("timezone"),
    instant("ready_time", nullable=False),
    instant("coupling_failed_time"),
    text_column("coupling_failed_message"),
    instant("shutdown_time"),
    instant("last_known_time"),
)
