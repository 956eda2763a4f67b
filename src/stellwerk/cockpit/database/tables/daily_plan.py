"""The daily plan (cockpit-services 4.9): which orders start when, which of them a Controller has, forecasts.

Differences from the reference's tables: one submission row per Controller and date, so that two generations of one date
meet there; paths are folder and name; orders are addressed by `main_part`, the beginning of the order id that a whole
cycle shares; variables stand once per main part. Dates are text `yyyy-MM-dd`.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, UniqueConstraint, text

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, reference, text_column

#: A date that has a plan. The service leaves such dates alone once they are `complete`; one that is not complete was
#: being planned when a Cockpit ended, and is gone on with.
dpl_submissions = Table(
    "dpl_submissions",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("submission_for_date", nullable=False),
    text_column("user_account", nullable=False),
    flag("complete"),
    instant("created", nullable=False),
    UniqueConstraint("controller_id", "submission_for_date"),
)

#: `start_mode`: 0 single start, 1 one start of a cycle; then period and interval (seconds) are set.
dpl_orders = Table(
    "dpl_orders",
    METADATA,
    id_column(),
    reference("submission_history_id"),
    text_column("controller_id", nullable=False),
    text_column("workflow_name", nullable=False),
    text_column("workflow_folder", nullable=False),
    text_column("schedule_name", nullable=False),
    text_column("schedule_folder", nullable=False),
    text_column("order_id", nullable=False),
    text_column("main_part", nullable=False),
    text_column("order_name", nullable=False),
    Column("start_mode", Integer, nullable=False),
    flag("submitted"),
    instant("submit_time"),
    text_column("period_begin"),
    text_column("period_end"),
    Column("repeat_interval", Integer),
    instant("planned_start", nullable=False),
    instant("expected_end", nullable=False),
    #: JSON: positions, forceJobAdmission, priority, tags; null if none.
    text_column("order_parameterisation"),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    # No planned order exists twice, whoever plans (4.5). The order of columns finds a schedule's starts of a time.
    UniqueConstraint(
        "controller_id",
        "schedule_name",
        "planned_start",
        "workflow_name",
        "order_name",
        "start_mode",
        name="uq_dpl_orders_key",
    ),
    Index(None, "submission_history_id"),
    Index(None, "main_part"),
)

dpl_order_variables = Table(
    "dpl_order_variables",
    METADATA,
    text_column("main_part", nullable=False, primary_key=True),
    #: JSON object
    text_column("variable_value", nullable=False),
    instant("modified", nullable=False),
)

#: What has been sent to Controllers. Not submitted and without message: being sent, or the outcome is not known, as the
#: Cockpit `submitter` (`<member>/<run>`) has ended; `submission_time` is then by the database's clock.
dpl_history = Table(
    "dpl_history",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("user_account", nullable=False),
    text_column("order_id", nullable=False),
    text_column("workflow_name", nullable=False),
    text_column("workflow_folder", nullable=False),
    instant("scheduled_for", nullable=False),
    flag("submitted"),
    text_column("message"),
    text_column("submitter", nullable=False),
    text_column("daily_plan_date", nullable=False),
    instant("submission_time", nullable=False),
    instant("created", nullable=False),
    Index(None, "order_id"),
    Index(None, "controller_id", "daily_plan_date"),
    Index(
        "ix_dpl_history_open",
        "controller_id",
        sqlite_where=text("submitted = 0 AND message IS NULL"),
        postgresql_where=text("NOT submitted AND message IS NULL"),
    ),
)

#: `id`: 0 for what is known of schedules, else year and month (`yyyyMM`) of the forecast; JSON.
dpl_projections = Table(
    "dpl_projections",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    instant("created", nullable=False),
)
